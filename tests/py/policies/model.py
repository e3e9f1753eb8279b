"""The intent of sql/policies/intent.yaml, carried out on dicts of rows by simple loops.

It says a second time, without SQL, who may read, add, change and remove which row, so that a
fuzz can hold row level security to it. It knows the keys and foreign keys of schema app too, but
only as far as the statements of the fuzz can break them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import yaml

from harness.settings import SQL

ROLE = "app_user"
ACCOUNTS, SESSIONS, MEMBERS = "app.accounts", "app.sessions", "app.session_members"
THREADS, MESSAGES, TOOL_EVENTS = "app.chat_threads", "app.chat_messages", "app.chat_tool_events"
UPLOADS, MEMBERSHIPS = "app.session_uploads", "app.memberships"

OF_A_SESSION = (
    MEMBERS,
    THREADS,
    MESSAGES,
    TOOL_EVENTS,
    "app.session_events",
    "app.session_repo_bindings",
    "app.todos",
    "app.misalignments",
    "app.hook_decisions",
)
"""Tables whose rows go with their session; an upload stays, and forgets its session."""

NO_RIGHT = "42501"
NO_ACCOUNT = "28000"
BAD_ROW = "23514"
KEY_IS_TAKEN = "23505"
NOT_THERE = "23503"
TWICE_THE_SAME = "21000"
DIVIDED_BY_ZERO = "22012"

_ROLES_OF_WORD = {
    "own": (),
    "shared with viewers": ("viewer", "editor", "owner"),
    "shared with editors": ("editor", "owner"),
    "shared with owners": ("owner",),
}


@dataclass(frozen=True)
class Right:
    """Which rows a command may touch, in the intent's words, and which columns it may name."""

    word: str
    columns: frozenset[str] | None = None


Rights: TypeAlias = dict[str, dict[str, Right]]
"""By table and command. A command that is not here is never allowed."""


@dataclass(frozen=True)
class Row:
    """What matters of a row.

    note is the role of a member, the status of an account, mode and status of a thread, the
    client_message_id of a message. thread is the key of the thread it belongs to.
    """

    key: str
    account: str
    session: str | None = None
    author: str | None = None
    note: str | None = None
    thread: str | None = None
    version: int = 1

    @property
    def tag(self) -> str:
        """What names the row among its kin."""
        return self.key.rsplit("|", 1)[-1]


@dataclass(frozen=True)
class Condition:
    """A WHERE clause: its shape, and what it looks for. holds() says the same as its SQL."""

    shape: Literal[
        "none", "true", "account", "other account", "place", "session", "either", "author", "key",
        "trap", "session is listed", "session is shared",
    ]  # fmt: skip
    account: str = ""
    session: str = ""
    key: str = ""


@dataclass(frozen=True)
class Read:
    """A SELECT, which may ask for locks."""

    table: str
    condition: Condition
    for_update: bool = False


@dataclass(frozen=True)
class Insert:
    """An INSERT of a row or more, which may name a column besides those it needs."""

    table: str
    rows: tuple[Row, ...]
    also_column: str | None = None
    on_conflict: Literal["fail", "do nothing", "do update"] = "fail"
    returning: bool = False


@dataclass(frozen=True)
class Update:
    """An UPDATE of one column. value is a member's role, or an upload's session."""

    table: str
    condition: Condition
    column: str
    value: str | None = None
    returning: bool = False


@dataclass(frozen=True)
class Delete:
    """A DELETE."""

    table: str
    condition: Condition
    returning: bool = False


Simple: TypeAlias = Read | Insert | Update | Delete


@dataclass(frozen=True)
class Both:
    """A statement with a CTE that writes memberships: neither half sees what the other does."""

    first: Update | Delete
    then: Simple


Statement: TypeAlias = Simple | Both


@dataclass(frozen=True)
class Outcome:
    """How a statement ends: its SQLSTATE if refused, else how many rows, and which if it says."""

    refusal: str | None = None
    count: int = 0
    keys: tuple[str, ...] | None = None


class RefusedError(Exception):
    """The statement fails, and changes nothing."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


def read_rights(path: Path = SQL / "policies" / "intent.yaml") -> Rights:
    """Read what app_user may do with each table of schema app."""
    tables: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["tables"]
    return {
        name: {command: _right(said) for command, said in words.get(ROLE, {}).items()}
        for name, words in tables.items()
        if name.startswith("app.")
    }


def _right(said: str | dict[str, Any]) -> Right:
    if isinstance(said, str):
        return Right(said)
    return Right(said["rows"], frozenset(said["columns"]))


class World:
    """The rows of every table of schema app, and what a statement does to them."""

    def __init__(self, rights: Rights) -> None:
        self.rights = rights
        self.tables: dict[str, dict[str, Row]] = {
            name: {} for name in rights if name != MEMBERSHIPS
        }

    def add(self, table: str, row: Row) -> None:
        """Add a row as an administrator."""
        self.tables[table][row.key] = row

    def count(self, message: Row) -> None:
        """Do what a trigger does after a message was added: its thread counts it.

        Those that an import brings have no author; it counts them itself.
        """
        if message.author is not None:
            self._touch_thread(message.thread)

    def takes(self, table: str, row: Row) -> bool:
        """Say whether keys and foreign keys let a row in."""
        if self._is_taken(table, row) or (table == MEMBERS and row.tag == row.account):
            return False
        try:
            self._check_references(row)
        except RefusedError:
            return False
        return True

    def rows(self, table: str) -> list[Row]:
        """Return all rows of a table; of the view, what it would show to each account."""
        if table != MEMBERSHIPS:
            return list(self.tables[table].values())
        return [
            Row(f"{member.account}|{member.session}|{member.note}", member.tag, member.session)
            for member in self.tables[MEMBERS].values()
        ]

    def account_of(self, claimed: str | None) -> str | None:
        """Return the account that asks: the one that is claimed, if it is there and active."""
        for account in self.tables[ACCOUNTS].values():
            if account.key == claimed and account.note == "active":
                return account.key
        return None

    def may(self, word: str, asker: str | None, row: Row) -> bool:
        """Say whether a word of the intent holds for a row."""
        if asker is None:
            return False
        if row.account == asker:
            return True
        return self._role_of(asker, row) in _ROLES_OF_WORD[word]

    def run(self, statement: Statement, claimed: str | None) -> Outcome:
        """Do what the statement does, or nothing if it is refused."""
        asker = self.account_of(claimed)
        before = {name: dict(rows) for name, rows in self.tables.items()}
        try:
            return self._run(statement, asker)
        except RefusedError as refused:
            self.tables = before
            return Outcome(refusal=refused.sqlstate)

    def _role_of(self, asker: str, row: Row) -> str | None:
        for member in self.tables[MEMBERS].values():
            place = (member.account, member.session)
            if member.tag == asker and place == (row.account, row.session):
                return member.note
        return None

    def _run(self, statement: Statement, asker: str | None) -> Outcome:
        parts = [statement.first, statement.then] if isinstance(statement, Both) else [statement]
        for part in parts:
            self._check_grants(part)
        if asker is None and not all(isinstance(part, Read) for part in parts):
            raise RefusedError(NO_ACCOUNT)
        if not isinstance(statement, Both):
            return self._carry_out(statement, asker, self)
        # Both halves see the rows as they were before the statement.
        seen = World(self.rights)
        seen.tables = {name: dict(rows) for name, rows in self.tables.items()}
        self._carry_out(statement.first, asker, seen)
        return self._carry_out(statement.then, asker, seen)

    def _check_grants(self, statement: Simple) -> None:
        rights = self.rights[statement.table]
        command = type(statement).__name__.lower().replace("read", "select")
        if command not in rights or (
            isinstance(statement, Read) and statement.for_update and "update" not in rights
        ):
            raise RefusedError(NO_RIGHT)
        columns = rights[command].columns or frozenset()
        if isinstance(statement, Update) and statement.column not in columns:
            raise RefusedError(NO_RIGHT)
        if isinstance(statement, Insert):
            self._check_grants_of_insert(statement, columns)

    def _check_grants_of_insert(self, statement: Insert, columns: frozenset[str]) -> None:
        if not {statement.also_column} <= {None, *columns}:
            raise RefusedError(NO_RIGHT)
        if statement.on_conflict == "do update":
            update = self.rights[statement.table].get("update")
            if update is None or "updated_at" not in (update.columns or ()):
                raise RefusedError(NO_RIGHT)

    def _carry_out(self, statement: Simple, asker: str | None, seen: "World") -> Outcome:
        if isinstance(statement, Insert):
            return self._insert(statement, asker, seen)
        found = seen.find(statement, asker)
        if isinstance(statement, Update):
            self._update(statement, found)
        elif isinstance(statement, Delete):
            self._delete(statement.table, found)
        says = isinstance(statement, Read) or statement.returning
        return _outcome(found, says=says)

    def find(self, statement: Read | Update | Delete, asker: str | None) -> list[Row]:
        """Return the rows a statement reads, changes or removes."""
        rights = self.rights[statement.table]
        words = [rights["select"].word]
        if isinstance(statement, Update) or (isinstance(statement, Read) and statement.for_update):
            words.append(rights["update"].word)
        if isinstance(statement, Delete):
            words.append(rights["delete"].word)
        return [
            row
            for row in self.rows(statement.table)
            if all(self.may(word, asker, row) for word in words)
            and self._holds(statement.condition, row, asker)
        ]

    def _holds(self, condition: Condition, row: Row, asker: str | None) -> bool:
        if condition.shape == "trap":
            if row.key == condition.key:
                raise RefusedError(DIVIDED_BY_ZERO)
            return True
        if condition.shape == "session is listed":
            return any(
                (other.account, other.session) == (row.account, row.session)
                and self.may(self.rights[SESSIONS]["select"].word, asker, other)
                for other in self.tables[SESSIONS].values()
            )
        if condition.shape == "session is shared":
            return asker is not None and self._role_of(asker, row) is not None
        return _matches(condition, row)

    def _insert(self, statement: Insert, asker: str | None, seen: "World") -> Outcome:
        written: dict[str, Row] = {}
        for row in statement.rows:
            self._check_new_row(statement.table, row, asker, seen)
            new: Row | None = row
            if self._is_taken(statement.table, row):
                new = self._instead(statement, row, asker, seen)
            if new is None:
                continue
            if new.key in written:
                raise RefusedError(TWICE_THE_SAME)
            self.add(statement.table, new)
            written[new.key] = new
        for row in written.values():
            self._check_references(row)
            if statement.table == MESSAGES:
                self.count(row)
        return _outcome(list(written.values()), says=statement.returning)

    def _instead(self, statement: Insert, row: Row, asker: str | None, seen: "World") -> Row | None:
        """Return what is written where the key of a new row is taken, if anything."""
        if statement.on_conflict == "fail":
            raise RefusedError(KEY_IS_TAKEN)
        if statement.on_conflict == "do nothing":
            return None
        there = self.tables[statement.table][row.key]
        if not seen.may(self.rights[statement.table]["update"].word, asker, there):
            raise RefusedError(NO_RIGHT)
        return replace(there, version=there.version + 1)

    def _check_new_row(self, table: str, row: Row, asker: str | None, seen: "World") -> None:
        right = self.rights[table]["insert"]
        names_its_author = "author_account_id" in (right.columns or ())
        if not seen.may(right.word, asker, row):
            raise RefusedError(NO_RIGHT)
        if names_its_author and row.author != asker:
            # Who writes a row names itself.
            raise RefusedError(NO_RIGHT)
        if table == MEMBERS and row.tag == row.account:
            raise RefusedError(BAD_ROW)

    def _is_taken(self, table: str, row: Row) -> bool:
        wanted = set(_unique_values(table, row))
        return any(wanted & set(_unique_values(table, other)) for other in self.rows(table))

    def _check_references(self, row: Row) -> None:
        if row.session is not None and f"{row.account}|{row.session}" not in self.tables[SESSIONS]:
            raise RefusedError(NOT_THERE)
        if row.thread is not None:
            thread = self.tables[THREADS].get(row.thread)
            place = thread and (thread.account, thread.session)
            if place != (row.account, row.session):
                raise RefusedError(NOT_THERE)

    def _update(self, statement: Update, found: Iterable[Row]) -> None:
        for row in found:
            changed = replace(row, version=row.version + 1)
            if (statement.table, statement.column) == (MEMBERS, "role"):
                changed = replace(changed, note=statement.value)
            if (statement.table, statement.column) == (UPLOADS, "session_id"):
                changed = replace(changed, session=statement.value)
                self._check_references(changed)
            self.add(statement.table, changed)

    def _delete(self, table: str, found: list[Row]) -> None:
        for row in found:
            self.tables[table].pop(row.key, None)
            if table == SESSIONS:
                self._forget_session(row)
            if table == THREADS:
                self._forget_thread(row)
        if table == MESSAGES:
            for thread in {row.thread for row in found}:
                self._touch_thread(thread)

    def _touch_thread(self, key: str | None) -> None:
        thread = self.tables[THREADS].get(key or "")
        if thread:
            self.add(THREADS, replace(thread, version=thread.version + 1))

    def _forget_session(self, session: Row) -> None:
        place = (session.account, session.session)
        for table in (*OF_A_SESSION, UPLOADS):
            for row in self.rows(table):
                if (row.account, row.session) != place:
                    continue
                if table == UPLOADS:
                    self.add(table, replace(row, session=None, version=row.version + 1))
                else:
                    self.tables[table].pop(row.key)

    def _forget_thread(self, thread: Row) -> None:
        for row in self.rows(MESSAGES):
            if row.thread == thread.key:
                self.tables[MESSAGES].pop(row.key)
        for row in self.rows(TOOL_EVENTS):
            if row.thread == thread.key:
                self.add(TOOL_EVENTS, replace(row, thread=None, version=row.version + 1))


def _outcome(rows: list[Row], *, says: bool) -> Outcome:
    keys = tuple(sorted(row.key for row in rows)) if says else None
    return Outcome(count=len(rows), keys=keys)


def _matches(condition: Condition, row: Row) -> bool:
    account, session = row.account == condition.account, row.session == condition.session
    return {
        "none": True,
        "true": True,
        "account": account,
        "other account": not account,
        "place": account and session,
        "session": session,
        "either": account or session,
        "author": row.author == condition.account,
        "key": row.key == condition.key,
    }[condition.shape]


def _unique_values(table: str, row: Row) -> Iterator[str]:
    """Give what no other row of the table may have."""
    yield row.key
    if table == THREADS and row.note and row.note.endswith("active"):
        yield f"active {row.account}|{row.session}|{row.note}"
    if table == MESSAGES and row.note:
        yield f"client {row.account}|{row.session}|{row.thread}|{row.note}"
