"""The SQL of the fuzz: of its statements, and of what the whole database holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    Row,
    Simple,
    Statement,
    Update,
)

DIGEST = "sha256('x')"
NO_VERSION = "1"


@dataclass(frozen=True)
class Table:
    """How the rows of a table look in SQL.

    tag is the column that names a row among its kin: part of its key, or a text that only the
    fuzz writes, where the key is made by the database. filling is what a row must have besides.
    """

    tag: str | None
    account: str = "account_id"
    session: str | None = "session_id"
    keyed_by_session: bool = False
    made_id: bool = False
    authored: bool = False
    note: str | None = None
    version: str = "row_version"
    times: tuple[str, ...] = ("created_at", "updated_at")
    filling: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The SQL of a row's key, as the model writes it."""
        return f"concat_ws('|', {', '.join(self.key_columns)})"

    @property
    def defaulted(self) -> list[str]:
        """Columns that a statement can set to DEFAULT, whatever comes of that."""
        ids = [self.account, *(["id"] * self.made_id)]
        return [*ids, *([self.version] * (self.version != NO_VERSION)), *self.times]

    @property
    def key_columns(self) -> list[str]:
        """The columns that a row's key is written of."""
        session = self.session if self.keyed_by_session else None
        parts = [part for part in (self.account, session, self.tag) if part]
        return list(dict.fromkeys(parts))


TABLES: dict[str, Table] = {
    ACCOUNTS: Table("id", account="id", session=None, note="status"),
    SESSIONS: Table("id", session="id"),
    MEMBERS: Table("member_account_id", keyed_by_session=True, note="role"),
    MEMBERSHIPS: Table("role", keyed_by_session=True, version=NO_VERSION, times=()),
    THREADS: Table("title", made_id=True, authored=True, note="concat_ws(' ', mode, status)"),
    MESSAGES: Table(
        "content",
        made_id=True,
        authored=True,
        note="client_message_id",
        filling={"mode": "'general'", "role": "'user'"},
    ),
    TOOL_EVENTS: Table(
        "tool_name",
        made_id=True,
        authored=True,
        filling={"status": "'pending'", "started_at": "now()"},
    ),
    "app.hook_decisions": Table(
        "source",
        made_id=True,
        authored=True,
        times=("created_at",),
        filling={"content_hash": "'x'", "severity": "'low'", "blocked": "true"},
    ),
    "app.misalignments": Table(
        "title",
        made_id=True,
        authored=True,
        filling={"rule_id": "'x'", "summary": "'x'", "severity": "'low'"},
    ),
    "app.session_events": Table(
        "event_index", keyed_by_session=True, times=(), filling={"event_type": "'message'"}
    ),
    "app.session_repo_bindings": Table(
        None,
        keyed_by_session=True,
        authored=True,
        filling={"asset_path": "'x'", "root_dir": "'x'"},
    ),
    UPLOADS: Table(
        "original_name",
        made_id=True,
        times=("updated_at",),
        filling={"size_bytes": "1", "content_sha256": DIGEST, "source": "'upload'"},
    ),
    "app.todos": Table("body", made_id=True, authored=True),
    "app.ui_settings": Table("profile_id", session=None),
    "app.upload_retention": Table(
        "source", session=None, version=NO_VERSION, times=(), filling={"older_than": "'30 days'"}
    ),
}


def literal(value: str | None) -> str:
    """Write a text of the fuzz as SQL; none of them holds a quote."""
    return "null" if value is None else f"'{value}'"


class Writer:
    """Writes statements; ids are those that the database made for threads, by their keys."""

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}

    def sql(self, statement: Statement) -> str:
        """Return the SQL of a statement."""
        if isinstance(statement, Both):
            return f"with written as ({self.sql(statement.first)}) {self._simple(statement.then)}"
        return self._simple(statement)

    def insert(self, table: str, rows: list[dict[str, str]]) -> str:
        """Return an INSERT of rows, which name the same columns."""
        values = ", ".join(f"({', '.join(row.values())})" for row in rows)
        return f"insert into {table} ({', '.join(rows[0])}) values {values}"

    def fields(self, name: str, row: Row) -> dict[str, str]:
        """Return a row's columns and their SQL."""
        table = TABLES[name]
        said = dict(table.filling)
        if table.session:
            said[table.session] = literal(row.session)
        if table.tag:
            said[table.tag] = literal(row.tag)
        said[table.account] = literal(row.account)
        if table.authored and row.author:
            said["author_account_id"] = literal(row.author)
        return said | self._noted(name, row)

    def _noted(self, name: str, row: Row) -> dict[str, str]:
        if name == THREADS:
            mode, status = (row.note or "").split()
            return {"mode": literal(mode), "status": literal(status)}
        if name == ACCOUNTS:
            return {"name": literal(row.key), "status": literal(row.note)}
        note = TABLES[name].note
        said = {note: literal(row.note)} if note else {}
        if name in {MESSAGES, TOOL_EVENTS}:
            thread = row.thread and self.ids.get(row.thread, "thread not there")
            said["thread_id"] = literal(thread)
        return said

    def _simple(self, statement: Simple) -> str:
        table = TABLES[statement.table]
        if isinstance(statement, Insert):
            text = self._insert(statement)
        else:
            where = _where(statement.condition, table)
            text = {
                Read: f"select {table.key} from {statement.table}{where}",
                Update: f"update {statement.table} set {_change(statement)}{where}",
                Delete: f"delete from {statement.table}{where}",
            }[type(statement)]
        if isinstance(statement, Read):
            return text + (" for update" if statement.for_update else "")
        return text + (f" returning {table.key}" if statement.returning else "")

    def _insert(self, statement: Insert) -> str:
        rows = [self.fields(statement.table, row) for row in statement.rows]
        if statement.also_column:
            # DEFAULT fits every column, and naming the column is what needs the right.
            rows = [row | {statement.also_column: "default"} for row in rows]
        text = self.insert(statement.table, rows)
        if statement.on_conflict == "do update":
            arbiter = ", ".join(TABLES[statement.table].key_columns)
            return f"{text} on conflict ({arbiter}) do update set updated_at = now()"
        return text + (" on conflict do nothing" if statement.on_conflict != "fail" else "")


def _change(statement: Simple) -> str:
    if not isinstance(statement, Update):
        return ""
    if statement.column == "updated_at":
        return "updated_at = now()"
    if statement.column in {"role", "session_id"}:
        return f"{statement.column} = {literal(statement.value)}"
    return f"{statement.column} = default"


def _where(condition: Condition, table: Table) -> str:
    account, session = literal(condition.account), literal(condition.session)
    key = literal(condition.key)
    place = f"({table.account}, {table.session}) in"
    text = {
        "none": "",
        "true": "true",
        "account": f"{table.account} = {account}",
        "other account": f"{table.account} <> {account}",
        "place": f"{table.account} = {account} and {table.session} = {session}",
        "session": f"{table.session} = {session}",
        "either": f"{table.account} = {account} or {table.session} = {session}",
        "author": f"author_account_id = {account}",
        "key": f"{table.key} = {key}",
        # Fails on the row it looks for, if it ever gets to see that row.
        "trap": f"1 / (case when {table.key} = {key} then 0 else 1 end) = 1",
        "session is listed": f"{place} (select account_id, id from app.sessions)",
        "session is shared": f"{place} (select account_id, session_id from app.memberships)",
    }[condition.shape]
    return f" where {text}" if text else ""


def _content(name: str, table: Table) -> str:
    thread = "null"
    if name in {MESSAGES, TOOL_EVENTS}:
        thread = (
            "(select concat_ws('|', t.account_id, t.title) from app.chat_threads as t"
            " where t.account_id = r.account_id and t.id = r.thread_id)"
        )
    parts = (
        f"'{name}'",
        table.key,
        f"{table.account}::text",
        table.session or "null",
        "author_account_id::text" if table.authored else "null",
        table.note or "null",
        thread,
        f"{table.version}::int",
        "id" if name == THREADS else "null",
    )
    return f"select {', '.join(parts)} from {name} as r"


CONTENT = " union all ".join(
    _content(name, table) for name, table in TABLES.items() if name != MEMBERSHIPS
)
"""Every row of schema app: its table, the fields of the model's Row, and the id of a thread."""
