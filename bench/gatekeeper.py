"""What the gatekeeper costs: through it and past it, of the same upstream, in the same run.

Two upstreams: one that does nothing but answer, so that the gatekeeper is what is measured, and
the stand-in for Electric. Gatekeeper and upstreams are processes of their
own, and the client is this one; all share the machine.
"""

import asyncio
import re
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from urllib.parse import quote, urlencode

import aiohttp
import psutil
import uvloop

from bench.databases import environment_of, open_databases, open_place
from bench.http_load import Answer, Connected, Held, Request, connected_to, get, hold, throughput
from bench.serving import ELECTRIC, SECRET, serve_gatekeeper, serving
from bench.sync_subjects import shape_query
from gatekeeper.settings import SINGLE_ACCOUNT
from harness.acting import acting_as
from harness.connections import Connection, Server, connect
from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.runner import Migrator
from harness.settings import Settings

GOAL_ONE = 0.8
"""Snapshots a second through it to direct, of one client."""

GOAL_MANY = 1.0
"""The same of many clients on one shape, who share what was asked once."""

GOAL_ADDED_MS = 2.0
GOAL_MEMORY_MB = 600
GOAL_ALL_S = 2.0

_SESSION = "session-bench"
_SHAPE = "session_messages"
_SETTLE_S = 0.2
"""How long after a poll was sent it is taken for held."""

_ALL_HELD_S = 60.0
"""How long the gatekeeper may take until it holds all polls."""

_LOOK_AGAIN_S = 0.1
_HELD_NOW = re.compile(r'^gatekeeper_held\{kind="poll"\} ([0-9.e+]+)$', re.MULTILINE)
_RETRY = "cache-buster=1700000000000-bench"
"""What a client adds that was given something stale: nothing that is kept is given to it."""


@dataclass(frozen=True)
class GatekeeperOrder:
    """What to measure. rows: of the snapshot, 1 kB each. held: polls at a time."""

    rows: int = 2000
    runs: int = 5
    seconds: float = 3
    clients: int = 100
    writes: int = 100
    held: int = 10_000

    def check(self) -> None:
        """Raise SessionbaseError (REFUSED) if it can't be measured."""
        if min(self.rows, self.runs, self.clients, self.writes, self.held) < 1 or self.seconds <= 0:
            raise SessionbaseError(ExitCode.REFUSED, "rows, runs, seconds, held must be 1 or more")


@dataclass
class Reading:
    """MB/s of a snapshot, run by run. kept: whether the gatekeeper may have it from before."""

    upstream: str
    clients: int
    kept: bool
    direct: list[float] = field(default_factory=list)
    through: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Through to direct, run by run."""
        return [through / direct for direct, through in zip(self.direct, self.through, strict=True)]

    @property
    def goal(self) -> float | None:
        """What the ratio should be."""
        if self.clients > 1:
            return GOAL_MANY
        return None if self.kept else GOAL_ONE


@dataclass
class Delivery:
    """How much later than the client past it a change reached the client behind it, in ms."""

    upstream: str
    added_ms: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Holding:
    """So many polls held by one process: what it has resident, and when all were answered."""

    upstream: str
    held: int
    before_mb: float
    memory_mb: float
    half_s: float
    all_s: float


@dataclass
class GatekeeperReport:
    """All that was measured, and where."""

    order: GatekeeperOrder
    environment: dict[str, str]
    readings: list[Reading] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    holdings: list[Holding] = field(default_factory=list)


@dataclass
class Pair:
    """An upstream and a gatekeeper in front of it. change: makes one change come from it."""

    title: str
    upstream: str
    gatekeeper: str
    metrics: str
    process: psutil.Process
    definition: str
    change: Callable[[], Awaitable[None]]

    def direct(self, place: str) -> Request:
        """Ask past the gatekeeper."""
        secret = f"&secret={quote(SECRET)}"
        return Request(self.upstream, f"/v1/shape?{self.definition}&{place}{secret}")

    async def through(self, place: str) -> Request:
        """Ask through it, with a token that was issued for it just now."""
        order = {"shape": _SHAPE, "session_id": _SESSION}
        async with (
            aiohttp.ClientSession(trust_env=False) as client,
            client.post(f"{self.gatekeeper}/v1/shape-tokens", json=order) as answer,
        ):
            if answer.status != 200:  # noqa: PLR2004 - the one status that is a success
                raise SessionbaseError(
                    ExitCode.FAILED, f"the gatekeeper gave no token: status {answer.status}"
                )
            token = (await answer.json())["token"]
        header = f"Authorization: Bearer {token}"
        return Request(self.gatekeeper, f"/v1/shape?{place}", (header,))


def bench_gatekeeper(settings: Settings, order: GatekeeperOrder, tell: Tell) -> GatekeeperReport:
    """Measure on a Postgres of its own, or that of DATABASE_URL."""
    order.check()
    with open_place(settings) as place:
        return measure(place.server, settings, order, tell)


def measure(
    server: Server, settings: Settings, order: GatekeeperOrder, tell: Tell
) -> GatekeeperReport:
    """Measure on a server, in a database that is gone afterwards."""
    report = GatekeeperReport(order, environment_of(server))
    with open_databases(server) as databases:
        databases.make_template("gatekeeper", None, lambda made: _fill(made, settings, order))
        with databases.clone("gatekeeper") as database:
            for open_pair in (_trivial, _stand_in):
                with open_pair(database, order) as pair:
                    uvloop.run(_measure_pair(pair, report, tell))
    return report


@contextmanager
def _trivial(server: Server, order: GatekeeperOrder) -> Iterator[Pair]:
    command = [sys.executable, "-m", "bench.trivial_upstream", str(order.rows * 1000)]
    with serving(command, {}) as (url, _), _gatekeeper(server, url) as front:

        async def change() -> None:
            await get(Request(url, "/release", method="POST"))

        yield Pair("trivial", url, *front, _definition(server), change)


@contextmanager
def _stand_in(server: Server, _: GatekeeperOrder) -> Iterator[Pair]:
    with (
        serving(ELECTRIC, {"DATABASE_URL": server.conninfo}) as (url, _process),
        _gatekeeper(server, url) as front,
        connect(server, "bench") as connection,
    ):

        async def change() -> None:
            await asyncio.to_thread(_append, connection, 1)

        yield Pair("stand-in", url, *front, _definition(server), change)


@contextmanager
def _gatekeeper(server: Server, upstream: str) -> Iterator[tuple[str, str, psutil.Process]]:
    """Run a gatekeeper. Gives its address, that of its figures, and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        metrics_port = free.getsockname()[1]
    with serve_gatekeeper(server, upstream, SESSIONBASE_METRICS_PORT=f"{metrics_port}") as (
        url,
        process,
    ):
        yield url, f"http://127.0.0.1:{metrics_port}", process


def _fill(server: Server, settings: Settings, order: GatekeeperOrder) -> None:
    Migrator(settings).apply(server)
    with connect(server, "bench") as connection:
        _append(connection, order.rows)


def _append(connection: Connection, count: int) -> None:
    """Append messages of about 1 kB, each as a row of a snapshot."""
    with acting_as(connection, SINGLE_ACCOUNT):
        connection.execute("select api.open_session(session_id => %s)", [_SESSION])
        connection.execute(
            """
            select count(api.append_message(
                session_id => %s, role => 'user', content => repeat('x', 500)
            ))
            from generate_series(1, %s)
            """,
            [_SESSION, count],
        )


def _definition(server: Server) -> str:
    """Return the shape as the query that Electric is asked with."""
    with connect(server, "bench") as connection:
        return urlencode(shape_query(connection, SINGLE_ACCOUNT, _SHAPE, _SESSION))


async def _measure_pair(pair: Pair, report: GatekeeperReport, tell: Tell) -> None:
    order = report.order
    readings = [
        Reading(pair.title, 1, kept=False),
        Reading(pair.title, 1, kept=True),
        Reading(pair.title, order.clients, kept=True),
    ]
    delivery = Delivery(pair.title)
    for run in range(order.runs):
        for reading in readings:
            kind = "kept" if reading.kept else "asked anew"
            tell(f"run {run + 1} of {order.runs}, {pair.title}: {reading.clients} x {kind}")
            await _read(pair, reading, order, turned=run % 2 == 1)
        tell(f"run {run + 1} of {order.runs}, {pair.title}: live changes")
        await _deliver(pair, delivery, order.writes)
    tell(f"{pair.title}: {order.held:,} held polls")
    report.holdings.append(await _hold(pair, order.held))
    report.readings += readings
    report.deliveries.append(delivery)


async def _read(pair: Pair, reading: Reading, order: GatekeeperOrder, *, turned: bool) -> None:
    """Measure both ways, in turns who is first."""
    place = "offset=-1" if reading.kept else f"offset=-1&{_RETRY}"
    ways = [(pair.direct(place), reading.direct), (await pair.through(place), reading.through)]
    for request, into in reversed(ways) if turned else ways:
        # What is made at the first request is no part of what is measured.
        least = len((await get(request)).body)
        rate = await throughput(request, reading.clients, order.seconds, least // 2)
        into.append(rate.megabytes)


async def _deliver(pair: Pair, delivery: Delivery, writes: int) -> None:
    """Let one client wait past it and one behind it, again and again, for the same changes."""
    direct = Follower(pair.direct, await connected_to(pair.upstream))
    through = Follower(await _asking(pair), await connected_to(pair.gatekeeper))
    try:
        for follower in (direct, through):
            await follower.catch_up()
        for number in range(writes):
            polls = [follower.poll() for follower in _turned([direct, through], number)]
            await asyncio.sleep(_SETTLE_S)
            await pair.change()
            answers = await asyncio.gather(*polls)
            first, second = _turned([direct, through], number)
            first.go_on(answers[0])
            second.go_on(answers[1])
            delivery.added_ms.append((through.ended - direct.ended) * 1000)
    finally:
        direct.close()
        through.close()


def _turned(followers: list["Follower"], number: int) -> list["Follower"]:
    return followers[::-1] if number % 2 else followers


async def _asking(pair: Pair) -> Callable[[str], Request]:
    """Return how to ask through the gatekeeper, with one token for a while."""
    headers = (await pair.through("")).headers
    return lambda place: Request(pair.gatekeeper, f"/v1/shape?{place}", headers)


class Follower:
    """A client that follows the shape. ended: when its last answer had come."""

    def __init__(self, ask: Callable[[str], Request], connected: Connected) -> None:
        self._ask = ask
        self._connected = connected
        self._place = "offset=-1"
        self.ended = 0.0

    async def catch_up(self) -> None:
        """Read until there is nothing more to read."""
        is_behind = True
        while is_behind:
            answer = await self._connected.send(self._ask(self._place))
            is_behind = "electric-up-to-date" not in answer.headers
            self.go_on(answer)

    def poll(self) -> Awaitable[Answer]:
        """Ask for what comes next; give what waits for it."""
        return self._connected.send(self.live())

    def close(self) -> None:
        """Leave."""
        self._connected.close()

    def live(self) -> Request:
        """Return the request for what comes next."""
        return self._ask(f"{self._place}&live=true")

    def go_on(self, answer: Answer) -> None:
        """Go on where an answer ended."""
        offset, handle = answer.headers["electric-offset"], answer.headers["electric-handle"]
        self._place = f"offset={offset}&handle={handle}"
        self.ended = answer.ended


async def _hold(pair: Pair, count: int) -> Holding:
    """Hold polls, make one change, and wait until all have it."""
    follower = Follower(await _asking(pair), await connected_to(pair.gatekeeper))
    await follower.catch_up()
    follower.close()
    before = _memory_mb(pair.process)
    held = await hold(follower.live(), count)
    await _all_held(pair, held)
    memory = _memory_mb(pair.process)
    began = perf_counter()
    await pair.change()
    answers = await asyncio.gather(*(one.answer for one in held))
    for one in held:
        one.close()
    if any("operation" not in answer.text for answer in answers):
        raise SessionbaseError(ExitCode.FAILED, "a poll was answered without the change")
    ended = sorted(answer.ended - began for answer in answers)
    return Holding(pair.title, count, before, memory, ended[count // 2], ended[-1])


async def _all_held(pair: Pair, held: list[Held]) -> None:
    """Wait until the gatekeeper says that it holds all polls. Raises SessionbaseError (FAILED).

    That they were sent says little: they may wait to be accepted, or the kernel may have turned
    them away and try again in a second, and then they come when the change is over.
    """
    ends_at = perf_counter() + _ALL_HELD_S
    holds = 0
    while holds < len(held):
        if any(one.answer.done() for one in held):
            raise SessionbaseError(ExitCode.FAILED, "a poll was answered before the change")
        if perf_counter() > ends_at:
            raise SessionbaseError(
                ExitCode.FAILED, f"of {len(held):,} polls the gatekeeper holds {holds:,}"
            )
        await asyncio.sleep(_LOOK_AGAIN_S)
        told = _HELD_NOW.search((await get(Request(pair.metrics, "/metrics"))).text)
        holds = int(float(told[1])) if told else 0


def _memory_mb(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 1e6
