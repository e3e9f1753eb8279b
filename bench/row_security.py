"""What row security costs: the same reads by the same role, with and without it, by pgbench.

A run measures each read without row security, with it, and without it again, so that the two
without say how far the machine can be believed. Statements are prepared, on one connection.
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.databases import environment_of, open_databases, open_place
from bench.pgbench import environment_as, transactions_per_second
from harness.connections import Connection, Server, connect
from harness.console import Tell
from harness.embedded.binaries import find_program
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.runner import Migrator
from harness.settings import Settings

_SESSIONS = 50
_THREADS = 2
_SHARED_EVERY = 5
_TARGETS = 3
_WARM_UP = 200

READS = {
    "newest 50": """
        select *
        from app.chat_messages
        where account_id = '{0}' and session_id = '{1}' and mode = 'session' and thread_id = '{2}'
        order by created_at desc, id desc
        limit 50;
    """,
    "page of 100": """
        select *
        from app.chat_messages
        where account_id = '{0}' and session_id = '{1}' and mode = 'session' and thread_id = '{2}'
            and (created_at, id) > ('2026-01-01', '')
        order by created_at, id
        limit 100;
    """,
}
GOALS = {"owner": 1.10, "member": 1.25}

_ACCOUNTS = """
    insert into app.accounts (id, name)
    select md5('account ' || n)::uuid, 'account ' || n
    from generate_series(1, %(accounts)s) as n
"""
_SESSIONS_OF = """
    insert into app.sessions (account_id, id)
    select id, 'session-' || md5(name || ' ' || n)
    from app.accounts
    cross join generate_series(1, %(sessions)s) as n
    where name like 'account %%'
"""
_THREADS_OF = """
    insert into app.chat_threads (account_id, id, session_id, mode, title, status)
    select
        account_id,
        'thread_' || md5(account_id || id || n),
        id,
        'session',
        'Session Coach',
        case when n = 1 then 'active' else 'archived' end
    from app.sessions
    cross join generate_series(1, %(threads)s) as n
"""
_MESSAGES_OF = """
    insert into app.chat_messages (
        account_id, session_id, thread_id, mode, role, content, evidence, created_at, updated_at
    )
    select
        account_id,
        session_id,
        id,
        'session',
        case when n %% 2 = 0 then 'user' else 'assistant' end,
        repeat(md5(id || n), 32),
        case when n %% 10 = 0 then '[{"path": "src/a.ts", "ruleId": "R1"}]'::jsonb end,
        '2026-01-01'::timestamptz + n * interval '1 minute',
        '2026-01-01'::timestamptz + n * interval '1 minute'
    from app.chat_threads
    cross join generate_series(1, %(messages)s) as n
"""
# Every account is a member of as many sessions as it shares, each of another account.
_MEMBERS = """
    insert into app.session_members (account_id, session_id, member_account_id, role)
    select session.account_id, session.id, member.id, 'viewer'
    from (
        select *, row_number() over (order by account_id, id) as place
        from app.sessions
    ) as session
    inner join (
        select id, row_number() over (order by id) as place
        from app.accounts
        where name like 'account %%'
    ) as member
        on member.place = 1 + (session.place * 7) %% %(accounts)s
    where session.place %% %(shared_every)s = 0
        and member.id <> session.account_id
"""
_OWN_THREADS = """
    select account_id::text, session_id, id
    from app.chat_threads
    where account_id = %s
    order by md5(id)
    limit %s
"""
_SHARED_THREADS = """
    select thread.account_id::text, thread.session_id, thread.id
    from app.session_members as member
    inner join app.chat_threads as thread
        on member.account_id = thread.account_id and member.session_id = thread.session_id
    where member.member_account_id = %s
    order by md5(thread.id)
    limit %s
"""


@dataclass(frozen=True)
class RlsOrder:
    """What to measure: messages, of so many accounts; runs; reads a measurement."""

    rows: int
    accounts: int
    runs: int
    reads: int

    def check(self) -> None:
        """Raise SessionbaseError (REFUSED) if it can't be measured."""
        if self.accounts <= _SHARED_EVERY or self.messages_of_a_thread < 1:
            raise SessionbaseError(
                ExitCode.REFUSED,
                f"--rows must be at least {self.accounts * _SESSIONS * _THREADS:,}, "
                f"a message a thread, and --accounts more than {_SHARED_EVERY}",
            )
        if self.runs < 1 or self.reads < 1:
            raise SessionbaseError(ExitCode.REFUSED, "--runs and --reads must be 1 or more")

    @property
    def messages_of_a_thread(self) -> int:
        """How many messages each thread gets."""
        return self.rows // (self.accounts * _SESSIONS * _THREADS)


@dataclass
class Reading:
    """A read by somebody, measured run by run: means in microseconds.

    off, on: without row security and with it. again: without it once more.
    """

    title: str
    principal: str
    off: list[float] = field(default_factory=list)
    on: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """How much longer it took with row security, against both measurements without."""
        pairs = zip(self.on, self.off, self.again, strict=True)
        return [on / ((off + again) / 2) for on, off, again in pairs]

    @property
    def control(self) -> float:
        """What the same without row security took the second time, against the first."""
        return median(b / a for a, b in zip(self.off, self.again, strict=True))

    @property
    def goal(self) -> float:
        """The largest ratio that is acceptable."""
        return GOALS[self.principal]


@dataclass(frozen=True)
class RlsReport:
    """All that was measured, and where."""

    order: RlsOrder
    environment: dict[str, str]
    readings: list[Reading]


def bench_row_security(settings: Settings, order: RlsOrder, tell: Tell) -> RlsReport:
    """Measure on a server of its own, or that of DATABASE_URL."""
    order.check()
    with open_place(settings) as place:
        return measure(place.server, settings, order, tell)


def measure(server: Server, settings: Settings, order: RlsOrder, tell: Tell) -> RlsReport:
    """Measure on a server, in a database that is gone afterwards."""
    with open_databases(server) as databases:
        databases.make_template("migrated", None, Migrator(settings).apply)
        with databases.clone("migrated") as database, connect(database, "bench") as connection:
            tell(f"filling a database with {order.rows:,} messages")
            _fill(connection, order)
            bench = _Bench(database, connection, find_program(settings, "pgbench"), order)
            readings = bench.measure_all(tell)
        return RlsReport(order, environment_of(server), readings)


def _fill(connection: Connection, order: RlsOrder) -> None:
    numbers = {
        "accounts": order.accounts,
        "sessions": _SESSIONS,
        "threads": _THREADS,
        "messages": order.messages_of_a_thread,
        "shared_every": _SHARED_EVERY,
    }
    with connection.transaction():
        for statement in (_ACCOUNTS, _SESSIONS_OF, _THREADS_OF, _MEMBERS):
            connection.execute(statement, numbers)
        connection.execute("select app.drop_chat_keys()")
        connection.execute(_MESSAGES_OF, numbers)
        connection.execute("select app.restore_chat_keys()")
    connection.execute("vacuum (analyze)")
    connection.execute("checkpoint")


class _Bench:
    """Reads of one database, as an account that owns sessions and is a member of others."""

    def __init__(
        self, database: Server, connection: Connection, pgbench: Path, order: RlsOrder
    ) -> None:
        self._connection = connection
        self._pgbench = pgbench
        self._order = order
        row = connection.execute(
            "select member_account_id::text from app.session_members "
            "group by 1 order by count(*) desc, 1 limit 1"
        ).fetchone()
        if row is None:
            raise AssertionError("an order that passed its check shares sessions")
        self._account: str = row[0]
        self._environment = environment_as(database, self._account)

    def measure_all(self, tell: Tell) -> list[Reading]:
        readings = [Reading(title, whom) for title in READS for whom in GOALS]
        with tempfile.TemporaryDirectory() as folder:
            scripts = {
                (one.title, one.principal): self._scripts(Path(folder), one) for one in readings
            }
            for run in range(self._order.runs):
                tell(f"run {run + 1} of {self._order.runs}")
                for one in readings:
                    self._measure(one, scripts[one.title, one.principal])
        return readings

    def _measure(self, reading: Reading, scripts: list[Path]) -> None:
        for found, is_on in ((reading.off, False), (reading.on, True), (reading.again, False)):
            self._switch(on=is_on)
            self._latency(scripts, _WARM_UP)
            found.append(self._latency(scripts, self._order.reads))

    def _switch(self, *, on: bool) -> None:
        word = "enable" if on else "disable"
        self._connection.execute(
            f"alter table app.chat_messages {word} row level security".encode()
        )

    def _scripts(self, folder: Path, reading: Reading) -> list[Path]:
        """Write a script a thread that is read."""
        query = _OWN_THREADS if reading.principal == "owner" else _SHARED_THREADS
        targets = self._connection.execute(query, [self._account, _TARGETS]).fetchall()
        scripts = []
        for place, target in enumerate(targets):
            statement = " ".join(READS[reading.title].format(*target).split())
            self._check_rows(statement)
            script = folder / f"{reading.principal}_{reading.title.split()[0]}_{place}.sql"
            script.write_text(f"{statement}\n")
            scripts.append(script)
        return scripts

    def _check_rows(self, statement: str) -> None:
        """See to it that row security takes no row away: then it would only look quick."""
        without, within = (self._count(statement, on=on) for on in (False, True))
        if without != within or without == 0:
            raise SessionbaseError(
                ExitCode.FAILED, f"{within} rows with row security, {without} without it"
            )

    def _count(self, statement: str, *, on: bool) -> int:
        self._switch(on=on)
        with self._connection.transaction():
            self._connection.execute("set local role app_user")
            self._connection.execute(
                "select set_config('request.jwt.claims', %s, true)",
                [f'{{"sub":"{self._account}"}}'],
            )
            return self._connection.execute(statement.encode()).rowcount

    def _latency(self, scripts: list[Path], reads: int) -> float:
        """Let pgbench run the scripts at random, and return the mean latency in microseconds."""
        rate = transactions_per_second(
            self._pgbench, self._environment, scripts, "--client=1", f"--transactions={reads}"
        )
        return 1_000_000 / rate
