"""Many writers with retries and many clients, for minutes: what is lost, and what grows.

Writers, clients and samples are this one process, on one event loop; gatekeeper, Electric and
Postgres are their own.
"""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from uuid import UUID

import psutil
import uvloop

from bench.databases import environment_of, open_databases, open_place
from bench.http_load import allow_files
from bench.serving import ELECTRIC, SECRET, serve_gatekeeper, serving
from bench.soak_load import SHAPE, Client, Ledger, Stage, UnexpectedAnswerError, Writer, open_http
from bench.soak_samples import (
    FEWEST,
    SEGMENTS_MB,
    Log,
    Sampler,
    Watched,
    itself,
    postmaster_of,
)
from harness.acting import acting_as
from harness.connections import Connection, Server, connect, server_of_url
from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.runner import Migrator
from harness.settings import Settings

STAND_IN = "the stand-in, which is a test double"
LOAD = "this load"
_SAMPLES = 300
_LEAST_EVERY_S = 0.2
_SETTLE_S = 60
"""How long it is waited while nothing comes, before what has not come is lost."""

_LOOK_S = 0.5
_MOST_SHOWN = 20
_ROWS = """
    select id::text, {columns}
    from app.chat_messages
    where account_id = %s and session_id = %s
"""
_COLUMNS = """
    select columns
    from sync.shapes
    where name = %s
"""
_BOOLEANS = """
    select attname::text
    from pg_attribute
    where attrelid = 'app.chat_messages'::regclass and atttypid = 'bool'::regtype and attnum > 0
"""


@dataclass(frozen=True)
class SoakOrder:
    """What to run. rate: writes a second, of all writers together."""

    minutes: float = 10
    writers: int = 50
    clients: int = 200
    sessions: int = 50
    rate: float = 5

    def check(self) -> None:
        """Raise SessionbaseError (REFUSED) if it can't be run."""
        least = min(self.writers, self.clients, self.sessions)
        if least < 1 or self.minutes <= 0 or self.rate <= 0 or self.clients < self.sessions:
            raise SessionbaseError(
                ExitCode.REFUSED,
                "--minutes and --rate must be above 0, --writers, --clients and --sessions 1 or "
                "more, and each session has a client",
            )

    @property
    def seconds(self) -> float:
        """How long writers write."""
        return self.minutes * 60


@dataclass
class SoakReport:
    """All that was measured, and what was wrong. lasted_s: as long as writers wrote."""

    order: SoakOrder
    electric: str
    environment: dict[str, str]
    ledger: Ledger = field(default_factory=Ledger)
    log: Log = field(default_factory=Log)
    watched: list[Watched] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    lasted_s: float = 0.0
    deliveries: int = 0

    @property
    def is_well(self) -> bool:
        """Whether nothing was lost or doubled, and nothing grew."""
        return not self.faults


@dataclass(frozen=True)
class Parts:
    """What is soaked. electric_process: None if it is not ours."""

    server: Server
    url: str
    gatekeeper: psutil.Process
    electric: str
    electric_process: psutil.Process | None
    account_id: UUID
    sessions: tuple[str, ...]


def bench_soak(settings: Settings, order: SoakOrder, tell: Tell) -> SoakReport:
    """Soak the Electric of ELECTRIC_URL, or the stand-in on a server of its own.

    Raises SessionbaseError: REFUSED, BAD_SETTINGS for an ELECTRIC_URL without DATABASE_URL.
    """
    order.check()
    with open_parts(settings, order, tell) as parts:
        return measure(parts, order, tell)


@contextmanager
def open_parts(settings: Settings, order: SoakOrder, tell: Tell) -> Iterator[Parts]:
    """Start what is not there already."""
    tell("starting Postgres, Electric and the gatekeeper")
    if settings.electric_url is None:
        with open_place(settings) as place, open_databases(place.server) as databases:
            databases.make_template("migrated", None, Migrator(settings).apply)
            with databases.clone("migrated") as database, stand_in_parts(database, order) as parts:
                yield parts
        return
    if settings.database_url is None:
        raise SessionbaseError(
            ExitCode.BAD_SETTINGS,
            "ELECTRIC_URL is set, and DATABASE_URL is not",
            hint="DATABASE_URL is the database that this Electric follows.",
        )
    server = server_of_url(settings.database_url.get_secret_value())
    secret = settings.electric_secret.get_secret_value() if settings.electric_secret else ""
    url = settings.electric_url.get_secret_value()
    with (
        _sessions(server, order.sessions) as (account_id, sessions),
        _gatekeeper(server, url, account_id, ELECTRIC_SECRET=secret) as (front, process),
    ):
        yield Parts(server, front, process, "Electric", None, account_id, sessions)


@contextmanager
def stand_in_parts(server: Server, order: SoakOrder) -> Iterator[Parts]:
    """Run a stand-in and a gatekeeper on a migrated database."""
    with (
        _sessions(server, order.sessions) as (account_id, sessions),
        serving(ELECTRIC, {"DATABASE_URL": server.conninfo}) as (url, electric),
        _gatekeeper(server, url, account_id, ELECTRIC_SECRET=SECRET) as (front, process),
    ):
        yield Parts(server, front, process, STAND_IN, electric, account_id, sessions)


@contextmanager
def _gatekeeper(
    server: Server, upstream: str, account_id: UUID, **more: str
) -> Iterator[tuple[str, psutil.Process]]:
    account = {"SESSIONBASE_SINGLE_ACCOUNT_ID": str(account_id)}
    with serve_gatekeeper(server, upstream, **account, **more) as served:
        yield served


@contextmanager
def _sessions(server: Server, count: int) -> Iterator[tuple[UUID, tuple[str, ...]]]:
    """Make an account with sessions, and remove it all afterwards."""
    with connect(server, "bench") as connection:
        name = f"bench soak {secrets.token_hex(8)}"
        ((account_id,),) = connection.execute(
            "insert into app.accounts (name) values (%s) returning id", [name]
        )
        try:
            with acting_as(connection, account_id):
                found = [
                    str(session_id)
                    for _ in range(count)
                    for (session_id,) in connection.execute("select id from api.open_session()")
                ]
            yield account_id, tuple(found)
        finally:
            connection.execute("delete from app.sessions where account_id = %s", [account_id])
            connection.execute("delete from app.accounts where id = %s", [account_id])


def measure(parts: Parts, order: SoakOrder, tell: Tell) -> SoakReport:
    """Write, follow and sample; then wait until all is still, and compare."""
    allow_files(order.clients + order.writers)
    report = SoakReport(order, parts.electric, environment_of(parts.server))
    with connect(parts.server, "bench") as connection:
        connection.execute("set timezone = 'UTC'")
        report.watched = _watched(parts, connection)
        every_s = max(order.seconds / _SAMPLES, _LEAST_EVERY_S)
        sampler = Sampler(connection, report.watched, every_s)
        report.log = sampler.log
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_Soak(parts, report, sampler, tell).run())
        judge(report)
    return report


def _watched(parts: Parts, connection: Connection) -> list[Watched]:
    keeps = "it keeps every shape's log in memory until it ends"
    return [
        Watched("gatekeeper", parts.gatekeeper, "resident"),
        Watched("stand-in", parts.electric_process, "resident", keeps),
        Watched("Postgres, without shared buffers", postmaster_of(connection), "private"),
        Watched(LOAD, itself(), "resident", "it keeps what it wrote, to compare"),
    ]


class _Soak:
    """One run, on one event loop."""

    def __init__(self, parts: Parts, report: SoakReport, sampler: Sampler, tell: Tell) -> None:
        self._parts = parts
        self._report = report
        self._order = report.order
        self._sampler = sampler
        self._connection = sampler.connection
        self._tell = tell
        self._stopped = asyncio.Event()
        self._all_quiet = asyncio.Event()
        self._wanted: dict[str, dict[str, dict[str, Any]]] = {}

    async def run(self) -> None:
        """Raise SessionbaseError (FAILED) if it can't go on."""
        async with open_http() as http:
            (columns,) = self._row(_COLUMNS, [SHAPE])
            booleans = frozenset(row[0] for row in self._connection.execute(_BOOLEANS))
            stage = Stage(
                self._parts.url,
                self._parts.sessions,
                booleans & set(columns),
                http,
                self._report.ledger,
            )
            clients = [
                Client(stage, stage.sessions[number % len(stage.sessions)])
                for number in range(self._order.clients)
            ]
            try:
                async with asyncio.TaskGroup() as tasks:
                    following = [
                        tasks.create_task(client.run(self._all_quiet, self._is_done))
                        for client in clients
                    ]
                    await self._write(stage, clients, tasks)
                    await self._settle(clients, columns)
                    for task in following:
                        task.cancel()
            except* UnexpectedAnswerError as errors:
                raise SessionbaseError(ExitCode.FAILED, str(errors.exceptions[0])) from None
            self._compare(clients)

    async def _write(self, stage: Stage, clients: list[Client], tasks: asyncio.TaskGroup) -> None:
        self._tell("clients read what there is")
        await asyncio.gather(*(client.caught_up.wait() for client in clients))
        self._sampler.begin()
        sampling = tasks.create_task(self._sampler.run(self._stopped))
        began = perf_counter()
        every_s = self._order.writers / self._order.rate
        writing = [
            tasks.create_task(Writer(stage, number, every_s).run(self._stopped))
            for number in range(self._order.writers)
        ]
        while (now := perf_counter() - began) < self._order.seconds:
            done, came = len(stage.ledger.acknowledged), len(stage.ledger.came_s)
            self._tell(f"{now:.0f} of {self._order.seconds:.0f} s: {done:,} written, {came:,} came")
            await asyncio.sleep(min(1.0, self._order.seconds - now))
        self._stopped.set()
        await asyncio.gather(*writing, sampling)
        self._report.lasted_s = perf_counter() - began

    async def _settle(self, clients: list[Client], columns: list[str]) -> None:
        """Wait until every client has the database's rows, and no slot keeps log."""
        self._tell("waiting until clients have all there is, and slots have let go of the log")
        self._wanted = {
            session_id: self._rows(session_id, columns) for session_id in self._parts.sessions
        }
        self._all_quiet.set()
        last, since = -1, perf_counter()
        while perf_counter() < since + _SETTLE_S:
            await asyncio.to_thread(self._connection.execute, "checkpoint")
            await asyncio.to_thread(
                self._sampler.log.sample, self._report.lasted_s, self._connection
            )
            is_let_go = self._sampler.log.kept_at_the_end <= SEGMENTS_MB
            if is_let_go and all(self._is_done(client) for client in clients):
                return
            # Late is not lost: what still comes is waited for.
            if (came := len(self._report.ledger.came_s)) > last:
                last, since = came, perf_counter()
            await asyncio.sleep(_LOOK_S)

    def _is_done(self, client: Client) -> bool:
        wanted = self._wanted.get(client.session_id)
        return wanted is not None and len(client.rows.rows) == len(wanted)

    def _rows(self, session_id: str, columns: list[str]) -> dict[str, dict[str, Any]]:
        """Return a session's rows as the database has them now, by id, as text."""
        listed = ", ".join(f'"{name}"::text' for name in columns)
        query = _ROWS.format(columns=listed)
        found = self._connection.execute(query.encode(), [self._parts.account_id, session_id])
        return {row[0]: dict(zip(columns, row[1:], strict=True)) for row in found}

    def _row(self, query: str, values: list[Any]) -> tuple[Any, ...]:
        (row,) = self._connection.execute(query.encode(), values).fetchall()
        return row

    def _compare(self, clients: list[Client]) -> None:
        faults, ledger = self._report.faults, self._report.ledger
        self._report.deliveries = len(ledger.came_s)
        faults += ledger.faults
        faults += written_wrong(
            ledger,
            [
                (row["client_message_id"], identity)
                for rows in self._wanted.values()
                for identity, row in rows.items()
            ],
        )
        unlike = [one for one in clients if not self._is_like_the_database(one)]
        if unlike:
            shown = ", ".join(sorted({one.session_id for one in unlike})[:_MOST_SHOWN])
            faults.append(f"{len(unlike)} clients have not the database's rows: of {shown}")

    def _is_like_the_database(self, client: Client) -> bool:
        rows = {str(row["id"]): row for row in client.rows.rows.values()}
        return rows == self._wanted[client.session_id]


def written_wrong(ledger: Ledger, found: list[tuple[str | None, str]]) -> list[str]:
    """Hold what was acknowledged against (client_message_id, id) of every row that is there."""
    faults = []
    ids: dict[str | None, list[str]] = {}
    for known_as, identity in found:
        ids.setdefault(known_as, []).append(identity)
    lost = [one for one, at in ledger.acknowledged.items() if at not in ids.get(one, [])]
    doubled = [one for one, rows in ids.items() if len(rows) > 1]
    strange = [one for one in ids if one not in ledger.sent]
    for what, which in (("lost", lost), ("doubled", doubled), ("written by nobody", strange)):
        if which:
            shown = ", ".join(str(one) for one in sorted(which, key=str)[:_MOST_SHOWN])
            faults.append(f"{len(which)} messages were {what}: {shown}")
    return faults


def judge(report: SoakReport) -> None:
    """Add to the faults what grew, and what was not measured."""
    for one in report.watched:
        if one.root is None or one.excuse:
            continue
        if len(one.mb.values) < FEWEST:
            report.faults.append(f"{one.name}: {len(one.mb.values)} samples say nothing of memory")
        elif not one.mb.is_flat:
            report.faults.append(
                f"{one.name} grows: {one.mb.fifth(2):.0f} MB in the middle, "
                f"{one.mb.fifth(4):.0f} MB at the end"
            )
    kept = report.log.kept_at_the_end
    if not report.log.kept_mb:
        report.faults.append("no slot was there: nothing was synced")
    if kept > SEGMENTS_MB:
        report.faults.append(f"a slot keeps {kept:.0f} MB of log when all is still")
    if not report.ledger.acknowledged or not report.deliveries:
        report.faults.append("nothing was written, or nothing came")
