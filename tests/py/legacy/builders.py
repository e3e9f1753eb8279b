"""Records and folders of the old viewer, and what a test asks of the database about them."""

import hashlib
import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypedDict, Unpack, cast

import pytest
from psycopg import sql

from harness.connections import Connection, Server
from harness.console import Watch, quiet_watch
from harness.errors import SessionbaseError
from harness.legacy import importer
from harness.legacy.importer import import_folder
from harness.legacy.reader import RecordFile
from harness.legacy.results import ImportRequest, ImportResult, OnConflict
from harness.legacy.steps import FILES

Record = dict[str, Any]
Content = bytes | Iterable[Record | bytes] | None
"""What a file holds: its bytes; or its elements, each a record or its bytes; or None: no file."""

ABSENT: Final = object()
"""As the value of a field: the record does not have it."""

SESSION = "session-default"
OTHER_SESSION = "session-0a1b2c3d"
DEFAULT_ACCOUNT = "00000000-0000-4000-8000-000000000001"


def time(minute: int) -> str:
    """Return a time as the viewer writes it, so many minutes after a fixed one."""
    return f"2025-11-{3 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:07.125Z"


def thread(**overrides: object) -> Record:
    """Return a thread without messages."""
    return _record(
        {
            "id": "thread_1",
            "sessionId": SESSION,
            "mode": "session",
            "title": "Session Coach",
            "status": "active",
            "messageCount": 0,
            "createdAt": time(0),
            "updatedAt": time(1),
        },
        overrides,
    )


def thread_of(messages: Sequence[Record], **overrides: object) -> Record:
    """Return a thread that agrees with its messages."""
    newest = max(messages, key=lambda message: (message["createdAt"], message["id"]))
    return thread(
        **{
            "messageCount": len(messages),
            "lastMessagePreview": newest["content"][:280],
            "lastMessageAt": newest["createdAt"],
        }
        | overrides
    )


def message(**overrides: object) -> Record:
    """Return a message of the thread that thread() makes."""
    return _record(
        {
            "id": "chat_1",
            "sessionId": SESSION,
            "mode": "session",
            "threadId": "thread_1",
            "role": "user",
            "content": "Which event broke the build?",
            "createdAt": time(2),
            "updatedAt": time(2),
        },
        overrides,
    )


def tool_event(**overrides: object) -> Record:
    """Return a tool event of the thread that thread() makes."""
    return _record(
        {
            "id": "tool_1",
            "sessionId": SESSION,
            "threadId": "thread_1",
            "toolCallId": "call_1",
            "toolName": "read_event",
            "arguments": {"eventIndex": 4},
            "status": "executing",
            "startedAt": time(3),
        },
        overrides,
    )


def finished(**overrides: object) -> Record:
    """Return a tool event that succeeded."""
    return tool_event(
        **{"status": "succeeded", "result": {"ok": True}, "completedAt": time(4)} | overrides
    )


BUILDERS = {"threads": thread, "messages": message, "tool_events": tool_event}
"""What makes a record, by kind."""


def _record(fields: Record, overrides: dict[str, object]) -> Record:
    return {name: value for name, value in (fields | overrides).items() if value is not ABSENT}


def spelled(record: object) -> bytes:
    """Return an element's bytes: what is bytes already stays as it is."""
    return record if isinstance(record, bytes) else json.dumps(record, ensure_ascii=False).encode()


def file_of(content: bytes | Iterable[Record | bytes]) -> bytes:
    """Return the bytes of a file."""
    if isinstance(content, bytes):
        return content
    return b"[\n  " + b",\n  ".join(spelled(element) for element in content) + b"\n]"


def write_folder(
    folder: Path, *, threads: Content = (), messages: Content = (), tool_events: Content = ()
) -> Path:
    """Write a data folder, in place of one that was there."""
    folder.mkdir(exist_ok=True)
    contents = {"threads": threads, "messages": messages, "tool_events": tool_events}
    for kind, content in contents.items():
        path = folder / FILES[kind]
        if content is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(file_of(content))
    return folder


@dataclass(frozen=True)
class Fates:
    """What became of a file's records."""

    read: int = 0
    imported: int = 0
    unchanged: int = 0
    adopted: int = 0
    quarantined: int = 0


class How(TypedDict, total=False):
    """How to import: as in ImportRequest."""

    dry_run: bool
    on_conflict: OnConflict
    jobs: int
    builds: bool | None
    wait_s: float


class Target:
    """An account of a database, to import into and to look at."""

    def __init__(self, server: Server, connection: Connection, account: str) -> None:
        self.server = server
        self.connection = connection
        self.account = account

    def another(self) -> "Target":
        """Make another account beside it."""
        return new_target(self.server, self.connection)

    def run(self, folder: Path, watch: Watch = quiet_watch, **how: Unpack[How]) -> ImportResult:
        """Import a folder."""
        options = How(builds=False, wait_s=0) | how
        return import_folder(self.server, ImportRequest(folder, self.account, **options), watch)

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a query, %s in it being the account first and then the parameters."""
        return self.connection.execute(query.encode(), [self.account, *parameters]).fetchall()

    def row(self, query: str, *parameters: object) -> tuple[Any, ...]:
        """Run a query that gives one row."""
        (found,) = self.rows(query, *parameters)
        return found

    def thread(self, thread_id: str = "thread_1") -> Record:
        """Return the row of a thread."""
        return self._one("chat_threads", thread_id)

    def message(self, message_id: str = "chat_1") -> Record:
        """Return the row of a message."""
        return self._one("chat_messages", message_id)

    def tool_event(self, tool_event_id: str = "tool_1") -> Record:
        """Return the row of a tool event."""
        return self._one("chat_tool_events", tool_event_id)

    def ids(self, table: str) -> set[str]:
        """Return the ids in a table of app."""
        return {row[0] for row in self.rows(f"select id from app.{table} where account_id = %s")}

    def mends(self, kind: str, record_id: str) -> dict[str, Any]:
        """Return what was mended of a record that came in."""
        found = self.rows(
            "select mends from legacy.kept_records "
            "where account_id = %s and kind = %s and record_id = %s",
            kind,
            record_id,
        )
        return cast("dict[str, Any]", found[0][0]) if found else {}

    def quarantine(self) -> list[tuple[Any, ...]]:
        """Return kind, reason, field, SQLSTATE and bytes of what was kept out, in order."""
        return self.rows(
            "select kind, reason, field, sqlstate, raw from legacy.quarantine "
            "where account_id = %s order by kind, ordinal, id"
        )

    def source_records(self, run_id: int | None = None) -> list[tuple[Any, ...]]:
        """Return kind, place, offset, fate, id and SHA-256 of all records that a run read.

        run_id: of any run, if it is None.
        """
        return self.rows(
            "select kind, ordinal, byte_offset, fate, record_id, sha256 from legacy.source_records "
            "where account_id = %s and coalesce(run_id = %s, true) "
            "order by run_id, array_position('{threads,messages,tool_events}', kind), ordinal",
            run_id,
        )

    def made_threads(self) -> dict[str, str]:
        """Return why each made thread was made."""
        return dict(
            self.rows("select thread_id, reason from legacy.made_threads where account_id = %s")
        )

    def _one(self, table: str, record_id: str) -> Record:
        query = f"select to_jsonb(t) from app.{table} as t where account_id = %s and id = %s"
        return cast("Record", self.row(query, record_id)[0])


def default_target(server: Server, connection: Connection) -> Target:
    """Return the account that the first migration makes."""
    return Target(server, connection, DEFAULT_ACCOUNT)


def new_target(server: Server, connection: Connection) -> Target:
    """Make an account, and return it."""
    account = str(uuid.uuid4())
    connection.execute(
        "insert into app.accounts (id, name) values (%s, %s)", [account, f"account {account}"]
    )
    return Target(server, connection, account)


def fates(result: ImportResult) -> dict[str, Fates]:
    """Return what became of the records, by kind, and check that every sum adds up."""
    found = {}
    for kind, file in zip(FILES, result.files, strict=True):
        assert file.file == FILES[kind]
        assert file.read == file.imported + file.unchanged + file.adopted + file.quarantined
        found[kind] = Fates(
            file.read, file.imported, file.unchanged, file.adopted, file.quarantined
        )
    return found


def dump(connection: Connection, *schemas: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table of some schemas, each with the transaction that wrote it."""
    tables = connection.execute(
        "select schemaname, tablename from pg_tables where schemaname = any (%s)", [list(schemas)]
    ).fetchall()
    return {
        f"{schema}.{table}": connection.execute(
            sql.SQL("select t.xmin::text, t.ctid::text, t::text from {} as t order by 2").format(
                sql.Identifier(schema, table)
            )
        ).fetchall()
        for schema, table in tables
    }


KEPT_APART = ("app.accounts", "legacy.reasons")
"""Tables that do not come from an import."""


def wipe(connection: Connection) -> None:
    """Empty a database of all that imports brought."""
    tables = connection.execute(
        "select format('%%I.%%I', schemaname, tablename) from pg_tables "
        "where schemaname in ('app', 'legacy') "
        "and schemaname || '.' || tablename <> all (%s)",
        [list(KEPT_APART)],
    ).fetchall()
    names = ", ".join(name for (name,) in tables)
    connection.execute(f"truncate {names} restart identity cascade".encode())


OUTCOME = {
    "sessions": "select to_jsonb(t) - 'row_version' from app.sessions as t",
    "threads": "select to_jsonb(t) - 'row_version' from app.chat_threads as t",
    "messages": "select to_jsonb(t) - 'row_version' from app.chat_messages as t",
    "tool events": "select to_jsonb(t) - 'row_version' from app.chat_tool_events as t",
    "made threads": "select to_jsonb(t) - 'run_id' from legacy.made_threads as t",
    "kept records": "select to_jsonb(t) - '{run_id,row_version}'::text[] || jsonb_build_object("
    "'is_as_left', row_version = legacy.row_version(account_id, kind, record_id)) "
    "from legacy.kept_records as t",
    "quarantine": "select to_jsonb(t) - '{id,run_id,last_run_id,created_at,kept_at}'::text[] "
    "from legacy.quarantine as t",
    "files": "select to_jsonb(t) - 'run_id' from legacy.import_files as t",
    "records": "select to_jsonb(t) - 'run_id' from legacy.source_records as t",
    "touched": "select distinct on (kind, name) jsonb_build_object('kind', kind, 'name', name) "
    "from legacy.import_batches cross join lateral "
    "unnest(coalesce(thread_ids, '{}') || session_ids) as name where name is not null",
    "runs": "select jsonb_build_object('outcome', outcome, 'on_conflict', on_conflict, "
    "'sessions', session_count, 'made', made_thread_count) from legacy.import_runs",
    "staged": "select to_jsonb(t) from legacy.staged_records as t",
    "judged": "select to_jsonb(t) from legacy.judged_records as t",
    "known": "select to_jsonb(t) from legacy.known_records as t",
    "claimed": "select to_jsonb(t) from legacy.thread_claims as t",
}


def outcome(connection: Connection) -> dict[str, list[str]]:
    """Return all that imports left in a database, but for what depends on how they went.

    That is: ids of runs, times of them, where batches were cut, how often a row was written.
    """
    return {
        name: sorted(
            json.dumps(row, sort_keys=True) for (row,) in connection.execute(query.encode())
        )
        for name, query in OUTCOME.items()
    }


def row_counts(connection: Connection, *schemas: str) -> dict[str, int]:
    """Return how many rows each table of some schemas has, those without any left out."""
    return {name: len(rows) for name, rows in dump(connection, *schemas).items() if rows}


def small_batches(patch: pytest.MonkeyPatch, records: int) -> None:
    """Have an import put so many records into a batch at most."""
    patch.setattr(importer, "RecordFile", partial(RecordFile, batch_records=records))


def sha256(data: bytes) -> bytes:
    """Return the SHA-256 of some bytes."""
    return hashlib.sha256(data).digest()


def words_of(error: SessionbaseError) -> str:
    """Return everything an error can show to a person."""
    return "\n".join([str(error), error.what, error.hint, error.excerpt])
