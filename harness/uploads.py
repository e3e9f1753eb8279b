"""Stores uploads and reads them back, chunk by chunk, so that no content is ever whole in memory.

A chunk is stored once an account, under the SHA-256 of its bytes. So what was sent before a
connection broke, what another upload has, and what a log had before it grew is not sent again.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from harness.acting import acting_as
from harness.charset import CharsetFinder
from harness.chunks import compress, cut, decompress
from harness.connections import Connection
from harness.console import Watch, quiet_watch
from harness.errors import ExitCode, SessionbaseError

_AT_ONCE = 8
"""How many chunks are in memory, asked for and sent in one transaction."""

# For who sends and reads on connections of another kind, as the gatekeeper does.
MISSING = "select * from api.list_missing_upload_chunks(%b::bytea[])"
PUT = "select stored_bytes from api.put_upload_chunk(%b, %s, %s, %b)"
STORE = """
    select * from api.store_upload(
        sha256 => %(sha256)b, size_bytes => %(size_bytes)s, chunk_sha256s => %(chunk_sha256s)s,
        charset => %(charset)s, original_name => %(original_name)s, source => %(source)s,
        session_id => %(session_id)s, source_path => %(source_path)s,
        last_modified => %(last_modified)s, repo_label => %(repo_label)s,
        repo_meta => %(repo_meta)s, workspace_root => %(workspace_root)s, origin => %(origin)s
    )
"""
_REPLACE = """
    select * from api.replace_upload_content(
        upload_id => %(upload_id)s, sha256 => %(sha256)b, size_bytes => %(size_bytes)s,
        chunk_sha256s => %(chunk_sha256s)s, charset => %(charset)s,
        last_modified => %(last_modified)s, expected_row_version => %(expected_row_version)s
    )
"""
_ABOUT = "select content_sha256, size_bytes from api.get_upload(%s)"
_MAY_READ = "select from api.read_upload(%s, page_size => 1)"
_READ = """
    select byte_offset, size_bytes, sha256, encoding, chunk
    from api.read_upload(%s, from_chunk => %s, page_size => %s, content_sha256 => %b)
"""


@dataclass(frozen=True)
class About:
    """What is known of an upload besides its content; the database's comments say of what."""

    original_name: str
    source: str = "upload"
    session_id: str | None = None
    source_path: str | None = None
    last_modified: datetime | None = None
    repo_label: str | None = None
    repo_meta: dict[str, Any] | None = None
    workspace_root: str | None = None
    origin: str | None = None

    def named(self) -> dict[str, Any]:
        """Return what a function is told of it, by the names of its arguments."""
        meta = self.repo_meta
        return asdict(self) | {"repo_meta": None if meta is None else Jsonb(meta)}


@dataclass(frozen=True)
class Content:
    """A content whose chunks are all stored.

    sent_chunks: how many of them were not there yet; sent_bytes: how many bytes these take.
    """

    sha256: bytes
    size_bytes: int
    chunk_sha256s: list[bytes]
    charset: str | None
    sent_chunks: int
    sent_bytes: int

    def named(self) -> dict[str, Any]:
        """Return what a function is told of it, by the names of its arguments."""
        return {
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "chunk_sha256s": self.chunk_sha256s,
            "charset": self.charset,
        }


class Gathering:
    """Finds what is to be said of a content while its chunks go by."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._whole = hashlib.sha256()
        self._charset = CharsetFinder()
        self._names: list[bytes] = []
        self._sent: list[int] = []

    def feed(self, piece: bytes) -> bytes:
        """Take the next chunk; return its SHA-256."""
        self.size_bytes += len(piece)
        self._whole.update(piece)
        self._charset.feed(piece)
        self._names.append(hashlib.sha256(piece).digest())
        return self._names[-1]

    def note_sent(self, sizes: list[int]) -> None:
        """Take how many bytes each of the chunks takes that were not there."""
        self._sent += sizes

    def content(self) -> Content:
        """Return the content, after the last chunk."""
        return Content(
            self._whole.digest(),
            self.size_bytes,
            self._names,
            self._charset.found(),
            len(self._sent),
            sum(self._sent),
        )


@dataclass(frozen=True)
class Stored:
    """An upload that was stored, or has another content now. upload: its row, and the txid."""

    upload: dict[str, Any]
    content: Content

    def facts(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        sent = {"sent_chunks": self.content.sent_chunks, "sent_bytes": self.content.sent_bytes}
        chunks = len(self.content.chunk_sha256s)
        row = self.upload | {"content_sha256": self.content.sha256.hex()}
        return {"upload": row, "chunks": chunks, **sent}


def store_upload(
    connection: Connection,
    account_id: UUID,
    stream: BinaryIO,
    about: About,
    watch: Watch = quiet_watch,
) -> Stored:
    """Store a stream as a new upload of an account.

    Raises what acting_as() raises. What was sent by then stays, and is not sent again.
    """
    content = put_content(connection, account_id, stream, watch, about.original_name)
    row = _written(connection, account_id, STORE, about.named() | content.named())
    return Stored(row, content)


def replace_content(  # noqa: PLR0913 - what the function in the database takes
    connection: Connection,
    account_id: UUID,
    upload_id: str,
    stream: BinaryIO,
    *,
    last_modified: datetime | None = None,
    expected_row_version: int | None = None,
    watch: Watch = quiet_watch,
) -> Stored:
    """Give an upload another content: of a log that has grown only the tail is sent.

    Raises what acting_as() raises.
    """
    content = put_content(connection, account_id, stream, watch, upload_id)
    named = {
        "upload_id": upload_id,
        "last_modified": last_modified,
        "expected_row_version": expected_row_version,
    }
    row = _written(connection, account_id, _REPLACE, named | content.named())
    return Stored(row, content)


def put_content(
    connection: Connection,
    account_id: UUID,
    stream: BinaryIO,
    watch: Watch = quiet_watch,
    label: str = "",
) -> Content:
    """Store the chunks of a stream that are not stored yet. Raises what acting_as() raises."""
    gathering = Gathering()
    chunks = cut(stream)
    while batch := {gathering.feed(piece): piece for piece in islice(chunks, _AT_ONCE)}:
        gathering.note_sent(_send(connection, account_id, batch))
        watch(label, gathering.size_bytes, 0)
    return gathering.content()


def read_upload(connection: Connection, account_id: UUID, upload_id: str) -> Iterator[bytes]:
    """Read an upload's content, piece by piece, each checked before it is given.

    Raises SessionbaseError: DAMAGED for a content that is not what its SHA-256 says, REFUSED if
    the upload is given another content meanwhile; and what acting_as() raises.
    """
    sha256, size_bytes = _about(connection, account_id, upload_id)
    whole, read, place = hashlib.sha256(), 0, 0
    while read < size_bytes:
        with acting_as(connection, account_id):
            page = connection.execute(
                _READ, [upload_id, place, _AT_ONCE, sha256], binary=True
            ).fetchall()
        if not page:
            raise _damaged(upload_id, f"ends after {read} of {size_bytes} bytes")
        for offset, size, chunk_sha256, encoding, packed in page:
            if offset != read:
                raise _damaged(upload_id, f"has no byte {read}")
            piece = decompress(encoding, packed, chunk_sha256, size)
            whole.update(piece)
            read += len(piece)
            yield piece
        place += len(page)
    if whole.digest() != sha256:
        raise _damaged(upload_id, "does not hold what its SHA-256 says")


def _send(connection: Connection, account_id: UUID, batch: dict[bytes, bytes]) -> list[int]:
    """Store those chunks that are missing; return how many bytes each takes.

    In one order whoever sends, so that two who send the same never wait for each other in a ring.
    """
    with acting_as(connection, account_id), connection.cursor() as cursor:
        missing = sorted(row[0] for row in cursor.execute(MISSING, [list(batch)]))
        if not missing:
            return []
        sizes: list[int] = []
        with connection.pipeline():
            for sha256 in missing:
                encoding, packed = compress(batch[sha256])
                cursor.execute(PUT, [sha256, encoding, len(batch[sha256]), packed])
                sizes.append(len(packed))
        return sizes


def _written(
    connection: Connection, account_id: UUID, statement: str, named: dict[str, Any]
) -> dict[str, Any]:
    with acting_as(connection, account_id), connection.cursor(row_factory=dict_row) as cursor:
        (row,) = cursor.execute(statement, named).fetchall()
    return row


def _about(connection: Connection, account_id: UUID, upload_id: str) -> tuple[bytes, int]:
    with acting_as(connection, account_id):
        # Of an upload that can't be read, the database says why here.
        connection.execute(_MAY_READ, [upload_id])
        ((sha256, size_bytes),) = connection.execute(_ABOUT, [upload_id]).fetchall()
    return sha256, size_bytes


def _damaged(upload_id: str, what: str) -> SessionbaseError:
    return SessionbaseError(
        ExitCode.DAMAGED,
        f"the content of upload {upload_id} {what}",
        hint='docs/uploads.md, "When a content is wrong", says what to do.',
    )
