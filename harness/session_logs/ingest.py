"""Reads session logs into the database: finds them, and lets it decide what their entries mean.

Of each log first the bytes are compared with what the database has of it: it is new, unchanged,
has grown or was written anew. Then its entries are sent, a batch a transaction, each with how far
the log is settled with it; so whatever ends a run, the next one goes on there. At the end its
bytes are stored as an upload, of which only what is new is sent.
"""

import hashlib
import io
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import psycopg

from harness.acting import find_account
from harness.connections import Server, check_server, connect
from harness.console import Watch
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.pipeline import ahead
from harness.session_logs.finding import find_logs
from harness.session_logs.reading import BEGIN, Limits, Log, StalePoint, open_log
from harness.session_logs.results import IngestRequest, IngestResult, LogResult, Status
from harness.session_logs.steps import Books, Kind, Known
from harness.uploads import Content, put_content, read_upload

_ORIGINS = {"codex", "gemini-cli"}
"""Formats that name the tool that writes them."""

_ANY_LINES = "json-lines"
"""The format of what no other format knows; of a document that says nothing."""

_OF_ONE_LOG = {ExitCode.REFUSED, ExitCode.NO_DATA_FOLDER, ExitCode.NOT_THERE}
"""Errors that leave the other logs as they are."""

_WATCHED = "reading session logs"

Tell = Callable[[int], None]
"""Something that is told how many bytes of a log were read."""


def ingest_logs(
    server: Server, request: IngestRequest, watch: Watch, limits: Limits | None = None
) -> IngestResult:
    """Read all logs of a request. One that can't be read is reported, and the others go on.

    Raises SessionbaseError: what find_logs(), find_account() and connect() raise.
    """
    began = time.monotonic()
    found = find_logs(request.paths)
    with connect(server, "ingest") as connection:
        check_server(connection)
        connection.execute("set synchronous_commit = off")
        books = Books(connection, find_account(connection, request.account))
        sizes = {path: _size(path) for path in found.logs}
        reader = _Reader(books, request, limits or Limits())
        logs = [LogResult(str(path), "refused", note=why) for path, why in found.unreadable]
        done, total = 0, sum(sizes.values())
        for path, size in sizes.items():
            before = done

            def tell(read: int, before: int = before) -> None:
                watch(_WATCHED, before + read, total)

            tell(0)
            logs.append(reader.read(path, tell))
            done += size
    seconds = time.monotonic() - began
    return IngestResult(server.label, request.dry_run, seconds, found.links, logs)


@dataclass(frozen=True)
class _Plan:
    """What a log is to the database. known: what that has of it. note: for people."""

    status: Status
    sha256: bytes
    known: Known | None = None
    note: str = ""


class _Reader:
    """Reads one log after the other."""

    def __init__(self, books: Books, request: IngestRequest, limits: Limits) -> None:
        self._books = books
        self._request = request
        self._limits = limits

    def read(self, path: Path, tell: Tell) -> LogResult:
        """Read a log, and say what became of it."""
        try:
            return self._read(path, tell)
        except OSError as error:
            why = error.strerror or str(error)
        except SessionbaseError as error:
            if error.code not in _OF_ONE_LOG:
                raise
            why = error.what
        except StalePoint:
            why = _changed().what
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.InternalError) as error:
            why = f"the database refused it: SQLSTATE {error.sqlstate}"
        return LogResult(str(path), "refused", note=why)

    def _read(self, path: Path, tell: Tell) -> LogResult:
        log = open_log(path, self._limits)
        if log is None:
            return LogResult(str(path), "empty", note="nothing in it can be read yet")
        kind = self._books.recognize(log.head)
        if kind is None or (kind.format == _ANY_LINES and not log.is_lines):
            raise SessionbaseError(ExitCode.REFUSED, "it is no session log")
        source_path = os.fsencode(path).decode("utf-8", "replace")
        if self._request.dry_run:
            plan = self._plan(log, kind, source_path)
            return _result(log, kind, plan, plan.known)
        with self._books.reading_alone(kind.log_id or source_path, self._request.wait_s):
            plan = self._plan(log, kind, source_path)
            if plan.status == "unchanged":
                return _result(log, kind, plan, plan.known)
            return self._bring_in(log, kind, source_path, plan, tell)

    def _plan(self, log: Log, kind: Kind, source_path: str) -> _Plan:
        """Compare a log with what the database has of it, and of others of its id."""
        known = self._books.find(source_path, kind.log_id)
        sha256, held = log.sums([each.settled for each in known])
        here = next((each for each in known if each.source_path == source_path), None)
        for each in known:
            if each.content_sha256 == sha256:
                return _Plan("unchanged", sha256, each)
        for each in known:
            if each.settled in held and (each is here or each.settled.count):
                return _Plan("grown" if each.upload_id else "new", sha256, each)
        if here:
            return _Plan("rewritten", sha256, here, "its timeline was replaced")
        for each in known:
            if each.upload_id and self._begins_with(each.upload_id, log, sha256):
                return _Plan("unchanged", sha256, each, f"older than {each.source_path}")
        others = ", ".join(each.session_id for each in known)
        note = f"its id is that of {others}, which has another log" if others else ""
        return _Plan("new", sha256, note=note)

    def _begins_with(self, upload_id: str, log: Log, sha256: bytes) -> bool:
        """Whether an upload begins with all of a log."""
        left, found = log.size_bytes, hashlib.sha256()
        for piece in read_upload(self._books.connection, self._books.account_id, upload_id):
            found.update(piece[:left])
            left -= len(piece)
            if left <= 0:
                return found.digest() == sha256
        return False

    def _bring_in(
        self, log: Log, kind: Kind, source_path: str, plan: _Plan, tell: Tell
    ) -> LogResult:
        """Read a log's entries from where they are not settled, and store its bytes."""
        known, keeps = plan.known, plan.status != "rewritten"
        start = known.settled if known and keeps else BEGIN
        books, about = self._books, self._about(log, kind, source_path)
        with ahead(log.batches(start)) as batches:
            first, second = next(batches, None), next(batches, None)
            # A log of one batch comes in at once, or not at all.
            with books.writing(lasting=second is None):
                now = books.begin(log, kind, source_path, known, keeps_settled=keeps)
                if first:
                    now = books.add(now, first)
                if second is None:
                    now = books.finish(now, self._put_content(log, plan), about)
            for batch in chain([second] if second else [], batches):
                tell(min(batch.settled.size_bytes, log.size_bytes))
                with books.writing():
                    now = books.add(now, batch)
        if second:
            content = self._put_content(log, plan)
            with books.writing(lasting=True):
                now = books.finish(now, content, about)
        result = _result(log, kind, plan, now)
        result.added = now.event_count - (known.event_count if known and keeps else 0)
        if now.broken_count:
            result.broken = books.broken(now, start.count)
        return result

    def _put_content(self, log: Log, plan: _Plan) -> Content:
        """Store the bytes of a log, whose entries have been read. Raises what _changed() says."""
        with log.path.open("rb", buffering=0) as stream:
            upto = io.BufferedReader(_UpTo(stream, log.size_bytes))
            content = put_content(self._books.connection, self._books.account_id, upto)
        if not log.sha256 == plan.sha256 == content.sha256:
            raise _changed()
        return content

    def _about(self, log: Log, kind: Kind, source_path: str) -> dict[str, Any]:
        modified = datetime.fromtimestamp(log.path.stat().st_mtime, UTC)
        return {
            "original_name": source_path.rpartition("/")[2],
            "source": "bundled" if self._request.bundled else "external",
            "source_path": source_path,
            "last_modified": modified.replace(microsecond=modified.microsecond // 1000 * 1000),
            "origin": kind.format if kind.format in _ORIGINS else None,
        }


class _UpTo(io.RawIOBase):
    """The first bytes of a file that may be growing."""

    def __init__(self, stream: io.FileIO, size: int) -> None:
        super().__init__()
        self._stream = stream
        self._left = size

    def readable(self) -> bool:
        """Return that it is."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - as io.RawIOBase has it
        """Read the next bytes."""
        read = self._stream.readinto(memoryview(buffer)[: self._left]) or 0
        self._left -= read
        return read


def _result(log: Log, kind: Kind, plan: _Plan, now: Known | None) -> LogResult:
    return LogResult(
        path=str(log.path),
        status=plan.status,
        size_bytes=log.size_bytes,
        format=kind.format,
        session_id=now.session_id if now else None,
        events=now.event_count if now else 0,
        broken_count=now.broken_count if now else 0,
        note=plan.note,
    )


def _changed() -> SessionbaseError:
    return SessionbaseError(
        ExitCode.REFUSED, "it was changed while it was read: read it again when it is at rest"
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
