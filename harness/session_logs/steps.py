"""The steps of reading a log in the database: a function here for each function of schema api."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from harness.acting import acting_as
from harness.connections import Connection
from harness.errors import ExitCode, SessionbaseError
from harness.session_logs.reading import Batch, Log, Point
from harness.session_logs.results import BROKEN_SHOWN, Broken
from harness.uploads import Content

_WAIT_STEP_S = 0.2

_BEGIN = """
    select * from api.begin_session_log(
        source_path => %(source_path)s, format => %(format)s, log_id => %(log_id)s,
        session_id => %(session_id)s, keeps_settled => %(keeps_settled)s,
        began_at => %(began_at)s, header => %(header)s,
        expected_row_version => %(expected_row_version)s
    )
"""
_ADD = """
    select * from api.add_session_events(
        session_id => %(session_id)s, lines => %(lines)b::text[],
        line_numbers => %(numbers)b::bigint[], faults => %(faults)b::text[],
        settled_count => %(count)s, settled_bytes => %(bytes)s, settled_sha256 => %(sha256)b,
        expected_row_version => %(row_version)s
    )
"""
_BROKEN = """
    select (payload ->> 'line')::bigint, payload ->> 'reason'
    from app.session_events
    where account_id = %s
        and session_id = %s
        and event_index >= %s
        and event_type = 'broken'
        and payload ? 'reason'
    order by event_index
    limit %s
"""
_FINISH = "select * from api.finish_session_log(%s, %s, %s, %b, %s)"
_STORE = """
    select id from api.store_upload(
        original_name => %(original_name)s, sha256 => %(sha256)b, size_bytes => %(size_bytes)s,
        chunk_sha256s => %(chunk_sha256s)s, charset => %(charset)s, source => %(source)s,
        session_id => %(session_id)s, source_path => %(source_path)s,
        last_modified => %(last_modified)s, repo_label => %(repo_label)s,
        repo_meta => %(repo_meta)s, workspace_root => %(workspace_root)s, origin => %(origin)s
    )
"""
_REPLACE = """
    select id from api.replace_upload_content(
        upload_id => %(upload_id)s, sha256 => %(sha256)b, size_bytes => %(size_bytes)s,
        chunk_sha256s => %(chunk_sha256s)s, charset => %(charset)s,
        last_modified => %(last_modified)s
    )
"""
_FACTS = "select cwd, repository_url, branch, commit_hash from api.get_session(%s)"


@dataclass(frozen=True)
class Kind:
    """What a log is: its format, its own id, and when it began."""

    format: str
    log_id: str | None
    began_at: datetime | None


@dataclass(frozen=True)
class Known:
    """What the database has of a log; the comments on app.session_logs say what each is."""

    session_id: str
    log_id: str | None
    source_path: str
    upload_id: str | None
    event_count: int
    broken_count: int
    settled: Point
    content_sha256: bytes | None
    row_version: int


class Books:
    """The books of one account's logs, on a connection."""

    def __init__(self, connection: Connection, account_id: UUID) -> None:
        self.connection = connection
        self.account_id = account_id

    @contextmanager
    def reading_alone(self, log: str, wait_s: float) -> Iterator[None]:
        """Keep others from reading the same log meanwhile; wait a while if one does.

        Raises SessionbaseError (REFUSED). The lock goes with the connection.
        """
        key = f"session log {log} of {self.account_id}"
        wait = Retrying(
            retry=retry_if_result(lambda taken: not taken),
            stop=stop_after_delay(wait_s),
            wait=wait_fixed(_WAIT_STEP_S),
            retry_error_callback=lambda _: False,
        )
        if not wait(self._value, "select pg_try_advisory_lock(hashtextextended(%s, 0))", key):
            raise SessionbaseError(ExitCode.REFUSED, "another run is reading this log")
        try:
            yield
        finally:
            if not self.connection.broken:
                self._value("select pg_advisory_unlock(hashtextextended(%s, 0))", key)

    @contextmanager
    def writing(self, *, lasting: bool = False) -> Iterator[None]:
        """Be the account for a transaction. lasting: all so far is on the disk when this returns.

        Else a server that breaks down may lose the last ones, whole: they are read again.
        """
        with acting_as(self.connection, self.account_id):
            if lasting:
                self.connection.execute("set local synchronous_commit = on")
            yield

    def recognize(self, head: list[str]) -> Kind | None:
        """Return what a log is by its first entries; None if it is none."""
        with acting_as(self.connection, self.account_id):
            query = "select format, log_id, began_at from api.recognize_log(%b::text[])"
            row = self.connection.execute(query, [head]).fetchone()
        return Kind(*row) if row else None

    def find(self, source_path: str, log_id: str | None) -> list[Known]:
        """Return the logs that a file may be, the most likely first."""
        query = "select * from api.find_session_logs(%s, %s)"
        with acting_as(self.connection, self.account_id):
            return [_known(row) for row in self._rows(query, source_path, log_id)]

    def begin(
        self, log: Log, kind: Kind, source_path: str, known: Known | None, *, keeps_settled: bool
    ) -> Known:
        """Begin to read a log, or, if it is known, go on with it or begin anew."""
        named = {
            "source_path": source_path,
            "format": kind.format,
            "log_id": kind.log_id,
            "session_id": known and known.session_id,
            "keeps_settled": keeps_settled,
            "began_at": kind.began_at,
            "header": log.header,
            "expected_row_version": known and known.row_version,
        }
        return self._written(_BEGIN, named)

    def add(self, known: Known, batch: Batch) -> Known:
        """Read the entries of a batch into the timeline."""
        named = {
            "session_id": known.session_id,
            "lines": [entry.text for entry in batch.entries],
            "numbers": [entry.number for entry in batch.entries],
            "faults": [entry.fault for entry in batch.entries],
            "count": batch.settled.count,
            "bytes": batch.settled.size_bytes,
            "sha256": batch.settled.sha256,
            "row_version": known.row_version,
        }
        return self._written(_ADD, named)

    def finish(self, known: Known, content: Content, about: dict[str, Any]) -> Known:
        """Store a log's upload, whose chunks are there, and note that it was read to its end.

        about: what is known of the file, by the names of the arguments of api.store_upload.
        """
        session_id = known.session_id
        ((cwd, url, branch, commit),) = self.connection.execute(_FACTS, [session_id]).fetchall()
        meta = {"repositoryUrl": url, "branch": branch, "commit": commit}
        said = {name: value for name, value in meta.items() if value}
        named = {
            **content.named(),
            **about,
            "upload_id": known.upload_id,
            "session_id": session_id,
            "workspace_root": cwd,
            "repo_label": url and _label(url),
            "repo_meta": Jsonb(said) if said else None,
        }
        (upload_id,) = self._row(_REPLACE if known.upload_id else _STORE, named)
        finish = [session_id, upload_id, content.size_bytes, content.sha256, known.row_version]
        return self._written(_FINISH, finish)

    def broken(self, known: Known, first: int) -> list[Broken]:
        """Return where the broken entries are, from one on: the first of them."""
        with acting_as(self.connection, self.account_id):
            place = [self.account_id, known.session_id, first, BROKEN_SHOWN]
            return [Broken(*row) for row in self.connection.execute(_BROKEN, place)]

    def _written(self, call: LiteralString, named: Any) -> Known:  # noqa: ANN401 - as psycopg
        return _known(self._rows_of(call, named)[0])

    def _rows(self, query: LiteralString, *values: object) -> list[dict[str, Any]]:
        return self._rows_of(query, values)

    def _rows_of(self, query: LiteralString, values: Any) -> list[dict[str, Any]]:  # noqa: ANN401
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, values).fetchall()

    def _row(self, query: LiteralString, values: Any) -> tuple[Any, ...]:  # noqa: ANN401
        (row,) = self.connection.execute(query, values).fetchall()
        return row

    def _value(self, query: LiteralString, *values: object) -> object:
        return self._row(query, values)[0]


def _known(row: dict[str, Any]) -> Known:
    return Known(
        session_id=row["session_id"],
        log_id=row["log_id"],
        source_path=row["source_path"],
        upload_id=row["upload_id"],
        event_count=row["event_count"],
        broken_count=row["broken_count"],
        settled=Point(row["settled_count"], row["settled_bytes"], row["settled_sha256"]),
        content_sha256=row["content_sha256"],
        row_version=row["row_version"],
    )


def _label(url: str) -> str | None:
    """Return a repository's name for people: the last part of where it comes from."""
    return re.split(r"[/:]", url.rstrip("/"))[-1].removesuffix(".git") or None
