"""What api.append_message costs beside a bare INSERT of the same row, by pgbench.

Two databases of the same rows: in one the function is called, in the other the row is inserted by
the same role, with the triggers of the table off. They take turns, and the INSERT is measured once
more after the function, so that the two say how far the machine can be believed.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.databases import Databases, environment_of, open_databases, open_place
from bench.pgbench import environment_as, transactions_per_second
from harness.connections import Server, connect
from harness.console import Tell
from harness.embedded.binaries import find_program
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.runner import Migrator
from harness.settings import Settings

CLIENTS = (1, 8, 32)
GOAL = 0.8
ACCOUNT = "00000000-0000-4000-8000-000000000001"
_SESSIONS = 100
_THREADS = 1000
_NUMBERS = {"account": ACCOUNT, "sessions": _SESSIONS, "threads": _THREADS}
_WARM_UP_S = 1

_PICK = """\
\\set thread random(0, :threads - 1)
\\set session :thread % :sessions
"""
_BEGIN = """\
begin;
set local role app_user;
select set_config('request.jwt.claims', '{"sub": "' || :account || '"}', true);
"""
FORMS = {"statement": ("", ""), "request": (_BEGIN, "commit;\n")}
"""What stands before and after the write: nothing, for a connection that is the account's; or what
an application server sends, whose connections serve everybody."""

APPEND = """
    select *
    from api.append_message(
        session_id => 's' || :session,
        thread_id => 't' || :thread,
        role => 'user',
        content => repeat('0123456789abcdef', 64),
        client_message_id => gen_random_uuid()::text
    );
"""
INSERT = """
    insert into app.chat_messages (
        account_id, session_id, thread_id, mode, role, content, client_message_id,
        author_account_id, created_at, updated_at
    )
    values (
        :account, 's' || :session, 't' || :thread, 'session', 'user',
        repeat('0123456789abcdef', 64), gen_random_uuid()::text, :account, now(), now()
    )
    returning *;
"""
_LOCK = """
    select mode, last_message_at
    from app.chat_threads
    where account_id = :account and id = 't' || :thread
    for no key update;
"""

_FILL = (
    """
    insert into app.sessions (account_id, id)
    select %(account)s, 's' || n
    from generate_series(0, %(sessions)s - 1) as n
    """,
    """
    insert into app.chat_threads (account_id, id, session_id, mode, title, status)
    select
        %(account)s, 't' || n, 's' || mod(n, %(sessions)s), 'session', 'Session Coach', 'archived'
    from generate_series(0, %(threads)s - 1) as n
    """,
    """
    insert into app.chat_messages (
        account_id, session_id, thread_id, mode, role, content, created_at, updated_at
    )
    select
        %(account)s, thread.session_id, thread.id, 'session', 'user',
        repeat('0123456789abcdef', 64), moment, moment
    from app.chat_threads as thread
    cross join generate_series(1, %(rows)s / %(threads)s) as n
    cross join lateral (
        select '2026-01-01'::timestamptz + n * interval '1 second' as moment
    ) as made
    """,
)


@dataclass(frozen=True)
class WritesOrder:
    """What to measure: messages that are there already, runs, seconds a measurement."""

    rows: int
    runs: int
    seconds: int
    clients: tuple[int, ...] = CLIENTS

    def check(self) -> None:
        """Raise SessionbaseError (REFUSED) if it can't be measured."""
        if self.rows < 0 or self.runs < 1 or self.seconds < 1:
            raise SessionbaseError(
                ExitCode.REFUSED, "--runs and --seconds must be 1 or more, and --rows 0 or more"
            )


@dataclass
class Writing:
    """Messages a second, run by run: of the function, and of the INSERT before and after it."""

    form: str
    clients: int
    before: list[float] = field(default_factory=list)
    append: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """How many messages the function writes for one of the INSERT."""
        pairs = zip(self.append, self.before, self.after, strict=True)
        return [append / ((before + after) / 2) for append, before, after in pairs]

    @property
    def control(self) -> float:
        """The INSERT's rate after the function, against that before it."""
        return median(b / a for a, b in zip(self.before, self.after, strict=True))


@dataclass
class Step:
    """A part of what the function does, on one connection that does not wait for the disk.

    microseconds: of the whole statement, run by run.
    """

    title: str
    microseconds: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class WritesReport:
    """All that was measured, and where."""

    order: WritesOrder
    environment: dict[str, str]
    writings: list[Writing]
    steps: list[Step]


def bench_writes(settings: Settings, order: WritesOrder, tell: Tell) -> WritesReport:
    """Measure on a server of its own, or that of DATABASE_URL."""
    order.check()
    with open_place(settings) as place:
        return measure(place.server, settings, order, tell)


def measure(server: Server, settings: Settings, order: WritesOrder, tell: Tell) -> WritesReport:
    """Measure on a server, in databases that are gone afterwards."""
    with open_databases(server) as databases, ExitStack() as stack:
        tell(f"filling a database with {order.rows:,} messages")
        databases.make_template("migrated", None, Migrator(settings).apply)
        databases.make_template("filled", "migrated", lambda filled: _fill(filled, order))
        bench = _Bench(
            find_program(settings, "pgbench"),
            Path(stack.enter_context(tempfile.TemporaryDirectory())),
            order,
            with_triggers=stack.enter_context(databases.clone("filled")),
            bare=stack.enter_context(_without_triggers(databases)),
        )
        writings = bench.measure_writings(tell)
        steps = bench.measure_steps(tell)
        return WritesReport(order, environment_of(server), writings, steps)


def _fill(database: Server, order: WritesOrder) -> None:
    with connect(database, "bench") as connection:
        for statement in _FILL:
            connection.execute(statement.encode(), {"rows": order.rows, **_NUMBERS})
        connection.execute("vacuum (analyze)")


@contextmanager
def _without_triggers(databases: Databases) -> Iterator[Server]:
    with databases.clone("filled") as database:
        _switch(database, "disable trigger user")
        yield database


def _switch(database: Server, words: str) -> None:
    with connect(database, "bench") as connection:
        connection.execute(f"alter table app.chat_messages {words}".encode())


class _Bench:
    """The same write into two databases."""

    def __init__(
        self,
        pgbench: Path,
        folder: Path,
        order: WritesOrder,
        *,
        with_triggers: Server,
        bare: Server,
    ) -> None:
        self._pgbench = pgbench
        self._folder = folder
        self._order = order
        self._whole = with_triggers
        self._bare = bare

    def measure_writings(self, tell: Tell) -> list[Writing]:
        writings = [Writing(form, clients) for form in FORMS for clients in self._order.clients]
        for run in range(self._order.runs):
            tell(f"run {run + 1} of {self._order.runs}")
            for one in writings:
                one.before.append(self._rate(self._bare, INSERT, one))
                one.append.append(self._rate(self._whole, APPEND, one))
                one.after.append(self._rate(self._bare, INSERT, one))
        return writings

    def measure_steps(self, tell: Tell) -> list[Step]:
        """Measure what the function is made of, each part on top of those before it."""
        steps = [
            (Step("nothing: select 1"), self._bare, "", "select 1;"),
            (Step("INSERT, all triggers off"), self._bare, "disable trigger user", INSERT),
            (
                Step("INSERT, an account is required"),
                self._bare,
                "enable trigger require_account",
                INSERT,
            ),
            (Step("INSERT, the thread is counted"), self._bare, "enable trigger user", INSERT),
            (Step("the thread is held, alone"), self._bare, "", _LOCK),
            (Step("api.append_message"), self._whole, "", APPEND),
        ]
        for run in range(self._order.runs):
            tell(f"what it is made of, run {run + 1} of {self._order.runs}")
            for step, database, words, statement in steps:
                if words:
                    _switch(database, words)
                step.microseconds.append(1_000_000 / self._rate_of_step(database, statement))
        return [step for step, *_ in steps]

    def _rate(self, database: Server, statement: str, writing: Writing) -> float:
        before, after = FORMS[writing.form]
        script = self._script(f"{before}{_line(statement)}{after}")
        account = ACCOUNT if writing.form == "statement" else None
        return self._run(database, script, account, writing.clients, {})

    def _rate_of_step(self, database: Server, statement: str) -> float:
        script = self._script(_line(statement))
        return self._run(database, script, ACCOUNT, 1, {"synchronous_commit": "off"})

    def _run(
        self,
        database: Server,
        script: Path,
        account_id: str | None,
        clients: int,
        parameters: dict[str, str],
    ) -> float:
        environment = environment_as(database, account_id)
        for name, value in parameters.items():
            environment["PGOPTIONS"] += f" -c {name}={value}"
        options = (
            *(f"--client={clients}", f"--jobs={min(clients, 2)}"),
            *(f"--define={name}={value}" for name, value in _NUMBERS.items()),
        )
        for seconds in (_WARM_UP_S, self._order.seconds):
            rate = transactions_per_second(
                self._pgbench, environment, [script], *options, f"--time={seconds}"
            )
        return rate

    def _script(self, text: str) -> Path:
        script = self._folder / "write.sql"
        script.write_text(f"{_PICK}{text}")
        return script


def _line(statement: str) -> str:
    return f"{' '.join(statement.split())}\n"
