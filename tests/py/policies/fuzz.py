"""Random statements of random accounts, each compared with what the model says of it."""

from collections import Counter
from random import Random
from typing import TypeAlias

import psycopg

from harness.connections import Connection
from tests.py.policies.choices import ACCOUNT_IDS, SESSION_IDS, Choices, Principal
from tests.py.policies.model import (
    ACCOUNTS,
    MEMBERS,
    MEMBERSHIPS,
    MESSAGES,
    SESSIONS,
    THREADS,
    Both,
    Outcome,
    Read,
    Rights,
    Row,
    Simple,
    Statement,
    World,
)
from tests.py.policies.statements import CONTENT, TABLES, Writer, literal

MIGRATED_ACCOUNT = Row(
    "00000000-0000-4000-8000-000000000001",
    "00000000-0000-4000-8000-000000000001",
    note="active",
)
STEPS_OF_A_WORLD = 100
STOPPED_CLOCK = """
create or replace function app.clock() returns timestamptz language sql volatile
as 'select date_trunc(''milliseconds'', now())'
"""
"""A session is noted as changed once in ten seconds; the model knows no time."""

Seen: TypeAlias = Counter[tuple[str, str, str]]
"""How often a command on a table, or a kind of principal, came to what."""


class DifferenceError(AssertionError):
    """Database and model differ; step is the first that shows it."""

    def __init__(self, step: int, what: str) -> None:
        super().__init__(what)
        self.step = step


class Fuzz:
    """Runs random statements in a database and in a model, and stops where they differ."""

    def __init__(self, connection: Connection, rights: Rights, seed: int) -> None:
        self._connection = connection
        self._rights = rights
        self._seed = seed
        self._dice = Random(seed)  # noqa: S311 - the same statements every time
        self.steps = 0
        self.seen: Seen = Counter()

    def run(self, steps: int) -> None:
        """Run this many steps, a hundred in one world. Raises DifferenceError."""
        while self.steps < steps:
            with self._connection.transaction(force_rollback=True):
                self._world = World(self._rights)
                self._writer = Writer()
                self._choices = Choices(self._dice, self._world)
                self._fill()
                for _ in range(min(STEPS_OF_A_WORLD, steps - self.steps)):
                    self.steps += 1
                    self._step()

    # How a world begins

    def _fill(self) -> None:
        self._execute(STOPPED_CLOCK)
        self._world.add(ACCOUNTS, MIGRATED_ACCOUNT)
        # The last ids are not there, though sessions are shared with some of them.
        for account in ACCOUNT_IDS[:5]:
            status = "disabled" if account == ACCOUNT_IDS[4] else "active"
            self._add(ACCOUNTS, Row(account, account, note=status))
        for account in ACCOUNT_IDS[:5]:
            for name in SESSION_IDS:
                if name == SESSION_IDS[0] or self._choices.happens(70):
                    self._add(SESSIONS, Row(f"{account}|{name}", account, name))
        for table in (name for name in TABLES if name not in {ACCOUNTS, SESSIONS, MEMBERSHIPS}):
            for session in self._world.rows(SESSIONS):
                for _ in range(2 if table == MEMBERS else 1):
                    self._add_beside(table, session)
        self._compare_content("the world as it began")

    def _add_beside(self, table: str, session: Row) -> None:
        place = (session.account, session.session or "")
        row = self._choices.new_row(table, place, self._choices.one_of(None, session.account))
        # Where every session had its binding, none could be added.
        if self._world.takes(table, row) and self._choices.happens(80):
            self._add(table, row)

    def _add(self, table: str, row: Row) -> None:
        """Add a row as a superuser, with its tag as its id."""
        fields = self._writer.fields(table, row)
        if TABLES[table].made_id:
            fields["id"] = literal(row.tag)
        if table == THREADS:
            self._writer.ids[row.key] = row.tag
        self._execute(self._writer.insert(table, [fields]))
        self._world.add(table, row)
        if table == MESSAGES:
            self._world.count(row)

    # Steps

    def _step(self) -> None:
        if self._choices.happens(6):
            self._administer()
            return
        if self._choices.happens(5):
            # As on a new connection: plans, too, are made while this principal asks.
            self._execute("discard plans")
        principal = self._choices.principal()
        asker = principal.account or self._choices.one_of(*ACCOUNT_IDS)
        statement = self._choices.statement(self._rights, asker)
        sql = self._writer.sql(statement)
        found = self._ask(principal, sql, says=_says(statement))
        wanted = self._world.run(statement, principal.account)
        self._count(principal, statement, wanted)
        said = f"{principal.kind} {principal.claims}\n{sql}"
        if found != wanted:
            self._differ(said, f"the model says {wanted}\nthe database  {found}")
        if not isinstance(statement, Read):
            self._compare_content(said)

    def _ask(self, principal: Principal, sql: str, *, says: bool) -> Outcome:
        claims = principal.claims
        who = (
            "savepoint step; set local role app_user; "
            f"select set_config('request.jwt.claims', '{claims}', true)"
        )
        self._execute(who)
        try:
            cursor = self._connection.execute(sql.encode())
            keys = tuple(sorted(row[0] for row in cursor)) if says else None
            found = Outcome(count=cursor.rowcount, keys=keys)
        except psycopg.Error as error:
            self._execute("rollback to savepoint step; release savepoint step")
            return Outcome(refusal=error.sqlstate)
        self._execute("release savepoint step; set local role none")
        return found

    def _administer(self) -> None:
        """Change as a superuser what every policy stands on: who is active, who is a member."""
        if self._choices.happens(40):
            self._switch_account()
            return
        members = self._world.rows(MEMBERS)
        if members and self._choices.happens(50):
            gone = self._choices.one_of(*members)
            self._execute(f"delete from {MEMBERS} where {TABLES[MEMBERS].key} = '{gone.key}'")
            del self._world.tables[MEMBERS][gone.key]
            return
        session = self._choices.one_of(*self._world.rows(SESSIONS), None)
        if session:
            self._add_beside(MEMBERS, session)

    def _switch_account(self) -> None:
        account = self._choices.one_of(*ACCOUNT_IDS)
        known = self._world.tables[ACCOUNTS].get(account)
        if known is None:
            self._add(ACCOUNTS, Row(account, account, note="active"))
            return
        status = "disabled" if known.note == "active" else "active"
        self._execute(f"update {ACCOUNTS} set status = '{status}' where id = '{account}'")
        self._world.add(ACCOUNTS, Row(account, account, note=status, version=known.version + 1))

    # Comparing

    def _compare_content(self, said: str) -> None:
        found: dict[str, set[Row]] = {name: set() for name in self._world.tables}
        for table, *fields, thread_id in self._connection.execute(CONTENT.encode(), prepare=True):
            row = Row(*fields)
            found[table].add(row)
            if thread_id:
                self._writer.ids[row.key] = thread_id
        for table, rows in found.items():
            wanted = set(self._world.rows(table))
            if rows != wanted:
                missing, more = sorted(map(str, wanted - rows)), sorted(map(str, rows - wanted))
                self._differ(said, f"{table}\nmissing {missing}\ntoo many {more}")

    def _differ(self, said: str, how: str) -> None:
        what = f"seed {self._seed}, step {self.steps}: {said}\n{how}"
        raise DifferenceError(self.steps, what)

    def _count(self, principal: Principal, statement: Statement, outcome: Outcome) -> None:
        """Note what came of which command where, so that a test can see what is left out."""
        came = outcome.refusal or ("some" if outcome.count else "none")
        self.seen["principal", principal.kind, came] += 1
        if not isinstance(statement, Both):
            self.seen[statement.table, _command(statement), came] += 1

    def _execute(self, sql: str) -> None:
        self._connection.execute(sql.encode())


def _says(statement: Statement) -> bool:
    last = statement.then if isinstance(statement, Both) else statement
    return isinstance(last, Read) or last.returning


def _command(statement: Simple) -> str:
    return "select" if isinstance(statement, Read) else type(statement).__name__.lower()
