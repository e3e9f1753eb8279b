"""What happens next: draws of accounts, rows and statements."""

from dataclasses import dataclass, replace
from random import Random
from typing import Literal, TypeVar, cast

from tests.py.policies.model import (
    ACCOUNTS,
    MEMBERS,
    MEMBERSHIPS,
    MESSAGES,
    SESSIONS,
    THREADS,
    TOOL_EVENTS,
    UPLOADS,
    Both,
    Condition,
    Delete,
    Insert,
    Read,
    Rights,
    Row,
    Simple,
    Statement,
    Update,
    World,
)
from tests.py.policies.statements import TABLES

ACCOUNT_IDS = [f"a000000{n}-0000-4000-8000-00000000000{n}" for n in range(1, 7)]
NEVER_THERE = "ffffffff-0000-4000-8000-000000000000"
SESSION_IDS = ["session-1", "session-2", "session-3"]
SESSION_NOT_THERE = "session-9"
MEMBER_ROLES = ["viewer", "editor", "owner"]

MALFORMED = [
    "not json",
    "[]",
    "{}",
    "null",
    '"{account}"',
    '["{account}"]',
    '{"sub": null}',
    '{"sub": 5}',
    '{"sub": true}',
    '{"sub": ""}',
    '{"sub": "x"}',
    '{"sub": " {account}"}',
    '{"sub": "{account}\\n"}',
    '{"sub": "{{account}}"}',
    '{"sub": ["{account}"]}',
    '{"sub": {"sub": "{account}"}}',
    # JSON that jsonb does not take.
    '{"sub": "{account}\\u0000"}',
    '{"sub": "{account}", "odd": "\\u0000"}',
    '{"sub": "{account}", "odd": "\\ud800"}',
    '{"Sub": "{account}"}',
    '{"sub": "{account}"',
    '{"sub": "{account}"} {}',
    "{account}",
]
"""Claims that name no account, though some hold the id of one."""

NOTHING_CLAIMED = ""

UPSERTED = (SESSIONS, MEMBERS, "app.session_repo_bindings", "app.ui_settings")
"""Tables whose key is chosen by who writes, and whose rows can change."""

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Principal:
    """Who asks: the text of the claims, and the account that they name."""

    kind: str
    claims: str
    account: str | None


class Choices:
    """Draws what happens next. Every draw is of one Random, so a seed says it all."""

    def __init__(self, dice: Random, world: World) -> None:
        self.dice = dice
        self.world = world
        self._made = 0

    def one_of(self, *things: Thing) -> Thing:
        """Draw one of the arguments."""
        return self.dice.choice(things)

    def happens(self, percent: int) -> bool:
        """Say yes that often."""
        return self.dice.randrange(100) < percent

    def principal(self) -> Principal:
        """Draw who asks: mostly an active account."""
        kind = self.dice.choices(
            ["active", "disabled", "unknown", "silent", "malformed"], [84, 5, 4, 3, 4]
        )[0]
        if kind == "silent":
            return Principal(kind, NOTHING_CLAIMED, None)
        if kind == "malformed":
            text = self.one_of(*MALFORMED).replace("{account}", self._account("active"))
            return Principal(kind, text, None)
        account = self._account(kind)
        if account == NEVER_THERE:
            kind = "unknown"
        return Principal(kind, f'{{"role": "app_user", "sub": "{account}"}}', account)

    def _account(self, kind: str) -> str:
        known = {row.key: row.note for row in self.world.rows(ACCOUNTS)}
        fitting = [one for one in ACCOUNT_IDS if known.get(one, "unknown") == kind]
        return self.one_of(*(fitting or [NEVER_THERE]))

    def place(self, asker: str) -> tuple[str, str]:
        """Draw where a statement aims: at one's own, at what is shared, at anybody's."""
        aims = ["own", "shared", "beside", "any", "nowhere"]
        aim = self.dice.choices(aims, [25, 35, 25, 10, 5])[0]
        shared = [row for row in self.world.rows(MEMBERS) if row.tag == asker]
        if shared and aim in {"shared", "beside"}:
            row = self.one_of(*shared)
            account, session = row.account, row.session or ""
            if aim == "beside":
                # A session of that account that may not be shared, or of that id in another.
                return self.one_of(
                    (account, self.one_of(*SESSION_IDS)), (self.one_of(*ACCOUNT_IDS), session)
                )
            return account, session
        if aim == "nowhere":
            return self.one_of(asker, *ACCOUNT_IDS, NEVER_THERE), SESSION_NOT_THERE
        account = asker if aim == "own" else self.one_of(*ACCOUNT_IDS)
        return account, self.one_of(*SESSION_IDS)

    def new_row(self, table: str, place: tuple[str, str], author: str | None) -> Row:
        """Draw a row that fits its table."""
        account = place[0]
        session: str | None = place[1]
        key = self._key(table, place)
        if not TABLES[table].authored:
            author = None
        if TABLES[table].session is None or (table in {UPLOADS, "app.todos"} and self.happens(20)):
            session = None
        return self._with_note(table, Row(key, account, session, author))

    def _with_note(self, table: str, row: Row) -> Row:
        note, thread = None, None
        if table == MEMBERS:
            note = self.one_of(*MEMBER_ROLES)
        elif table == THREADS:
            note = f"{self.one_of('session', 'general')} {self.one_of('active', 'archived')}"
        elif table == MESSAGES:
            note, thread = self.one_of(None, None, "x", "y"), self._thread(row)
        elif table == TOOL_EVENTS:
            thread = self.one_of(None, self._thread(row))
        return replace(row, note=note, thread=thread)

    def _thread(self, row: Row) -> str:
        threads = self.world.rows(THREADS)
        beside = [
            thread.key
            for thread in threads
            if (thread.account, thread.session) == (row.account, row.session)
        ]
        if beside and self.happens(85):
            return self.one_of(*beside)
        return self.one_of("nowhere", *(thread.key for thread in threads))

    def _key(self, table: str, place: tuple[str, str]) -> str:
        account, session = place
        inside = f"{account}|{session}"
        if table == SESSIONS:
            return inside
        if table == MEMBERS:
            return f"{inside}|{self.one_of(*ACCOUNT_IDS, NEVER_THERE)}"
        if table == "app.session_events":
            return f"{inside}|{self.dice.randrange(5)}"
        if table == "app.session_repo_bindings":
            return inside
        if table in {"app.ui_settings", "app.upload_retention"}:
            profiles = [str(number) for number in range(9)]
            sources = ["upload", "bundled", "external"]
            return f"{account}|{self.one_of(*(profiles if 'settings' in table else sources))}"
        return f"{account}|{self._tag()}"

    def _tag(self) -> str:
        self._made += 1
        return f"made {self._made}"

    def condition(self, table: str, asker: str, *, traps: bool) -> Condition:
        """Draw a WHERE clause that fits the table."""
        account, session = self.place(asker)
        keys = [row.key for row in self.world.rows(table)]
        near = [key for key in keys if key.startswith((asker, account))]
        key = self.one_of("nowhere", *keys) if self.happens(30) else self.one_of(*near, "nowhere")
        shapes = ["none", "true", "key"] + ["trap"] * traps
        if table != MEMBERSHIPS:
            shapes += ["account", "other account"]
        if TABLES[table].authored:
            shapes.append("author")
        if TABLES[table].session and table != MEMBERSHIPS:
            shapes += ["place", "place", "session", "either"]
            shapes += ["session is listed", "session is shared"]
        # cast: a list of strings is no list of literals to a type checker.
        return Condition(cast("Literal['none']", self.one_of(*shapes)), account, session, key)

    def statement(self, rights: Rights, asker: str) -> Statement:
        """Draw a statement."""
        if self.happens(6):
            first: Update | Delete = self.update(MEMBERS, asker, traps=False)
            if self.happens(50):
                first = self.delete(MEMBERS, asker, traps=False)
            others = [name for name in TABLES if name not in {MEMBERS, MEMBERSHIPS, SESSIONS}]
            return Both(first, self.simple(rights, self.one_of(*others), asker, traps=False))
        # Where sessions decide there is more to get wrong.
        tables = [name for name in TABLES if TABLES[name].session] * 2 + list(TABLES)
        return self.simple(rights, self.one_of(*tables), asker, traps=True)

    def simple(self, rights: Rights, table: str, asker: str, *, traps: bool) -> Simple:
        """Draw a statement on a table."""
        kind = self.dice.choices(["read", "insert", "update", "delete"], [25, 35, 20, 20])[0]
        if kind == "insert" and table != MEMBERSHIPS:
            return self.insert(rights, table, asker)
        if kind == "update":
            return self.update(table, asker, traps=traps)
        if kind == "delete":
            return self.delete(table, asker, traps=traps)
        return Read(
            table, self.condition(table, asker, traps=traps), for_update=traps and self.happens(10)
        )

    def insert(self, rights: Rights, table: str, asker: str) -> Insert:
        """Draw an INSERT."""
        count = self.one_of(1, 1, 1, 2)
        author = self.one_of(asker, asker, asker, asker, asker, asker, *ACCOUNT_IDS[:2], None)
        if count > 1:
            # The rows of an INSERT name the same columns.
            author = author or asker
        rows = tuple(self.new_row(table, self.place(asker), author) for _ in range(count))
        also = None
        if self.happens(12):
            also = self.one_of(*self._not_writable(rights, table), None)
        conflicts: list[Literal["fail", "do nothing", "do update"]] = ["fail", "do nothing"]
        if table in UPSERTED:
            conflicts.append("do update")
        return Insert(table, rows, also, self.one_of("fail", *conflicts), self.happens(40))

    def _not_writable(self, rights: Rights, table: str) -> list[str]:
        """Return columns that an INSERT may not name."""
        insert = rights[table].get("insert")
        writable = insert.columns or () if insert else ()
        named = {TABLES[table].account, TABLES[table].tag}
        return [one for one in TABLES[table].defaulted if one not in {*writable, *named}]

    def update(self, table: str, asker: str, *, traps: bool) -> Update:
        """Draw an UPDATE."""
        condition = self.condition(table, asker, traps=traps)
        returning = self.happens(40)
        column = self.one_of(*self._updated_columns(table))
        value = None
        if column == "role":
            value = self.one_of(*MEMBER_ROLES)
        if column == "session_id":
            value = self.one_of(*SESSION_IDS, *([None] * (table == UPLOADS)))
        return Update(table, condition, column, value, returning)

    def _updated_columns(self, table: str) -> list[str]:
        """Return columns to update, the more often the more may come of it."""
        columns = list(TABLES[table].defaulted)
        if "updated_at" in columns:
            columns += ["updated_at"] * 7
        if table == MEMBERS:
            columns += ["role"] * 8
        if TABLES[table].authored:
            columns.append("author_account_id")
        if TABLES[table].session == "session_id" and table != MEMBERSHIPS:
            columns += ["session_id"] * (8 if table == UPLOADS else 1)
        return columns

    def delete(self, table: str, asker: str, *, traps: bool) -> Delete:
        """Draw a DELETE, seldom one of everything."""
        condition = self.condition(table, asker, traps=traps)
        if condition.shape in {"none", "true"} and self.happens(70):
            condition = Condition("key", key=condition.key)
        return Delete(table, condition, self.happens(40))
