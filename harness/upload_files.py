"""Files as uploads, for who works on a terminal: store one, and write one's content."""

import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO
from uuid import UUID

from harness import console
from harness.acting import find_account
from harness.connections import Connection, Server, connect
from harness.console import Watch
from harness.errors import ExitCode, SessionbaseError
from harness.uploads import About, Stored, read_upload, store_upload


@dataclass(frozen=True)
class StoreRequest:
    """A file to store.

    account: name or id; None: the only one. session: which one it is the log of, if that is known.
    """

    path: Path
    account: str | None = None
    session: str | None = None


def store_file(server: Server, request: StoreRequest, watch: Watch) -> Stored:
    """Store a file as an upload.

    Raises SessionbaseError: NO_DATA_FOLDER for what is no file to be read; what connect() and
    store_upload() raise. What was sent by then stays, and the same call goes on there.
    """
    try:
        with request.path.open("rb") as stream, connect(server, "store-upload") as connection:
            about = About(
                request.path.name,
                session_id=request.session,
                source_path=str(request.path.absolute()),
                last_modified=_modified(stream),
            )
            account_id = find_account(connection, request.account)
            return store_upload(connection, account_id, stream, about, _of(stream, watch))
    except OSError as error:
        raise SessionbaseError(
            ExitCode.NO_DATA_FOLDER, f"can't read {request.path}: {error.strerror}"
        ) from None


def write_content(
    server: Server, upload_id: str, account: str | None, out: Path | None, watch: Watch
) -> int:
    """Write an upload's content to a file, or to standard output; return its size.

    A file is there when the content is whole and right, and not before.
    Raises SessionbaseError: what connect() and read_upload() raise. OSError of the file.
    """
    with connect(server, "read-upload") as connection:
        account_id = find_account(connection, account)
        if out is None:
            return _copy(connection, account_id, upload_id, sys.stdout.buffer, watch)
        with TemporaryDirectory(dir=out.parent, prefix=".upload-") as scratch:
            unchecked = Path(scratch) / "content"
            with unchecked.open("wb") as stream:
                size = _copy(connection, account_id, upload_id, stream, watch)
            unchecked.replace(out)
        return size


def report_stored(stored: Stored, *, as_json: bool) -> None:
    """Show what was stored, and how much of it had to be sent."""
    if as_json:
        console.show_json(stored.facts())
        return
    content, row = stored.content, stored.upload
    console.say(f"stored: {row['id']}")
    console.say(
        f"{content.size_bytes:,} bytes in {len(content.chunk_sha256s):,} chunks, SHA-256 "
        f"{content.sha256.hex()}, charset {content.charset or 'none'}"
    )
    console.say(
        f"{content.sent_chunks:,} chunks were new, and take {content.sent_bytes:,} bytes"
        if content.sent_chunks
        else "every chunk was there already"
    )
    console.say(f"Read it: invoke read-upload {row['id']} --out FILE")


def _copy(
    connection: Connection, account_id: UUID, upload_id: str, stream: BinaryIO, watch: Watch
) -> int:
    size = 0
    for piece in read_upload(connection, account_id, upload_id):
        stream.write(piece)
        size += len(piece)
        watch(upload_id, size, 0)
    stream.flush()
    return size


def _modified(stream: BinaryIO) -> datetime:
    seconds = os.fstat(stream.fileno()).st_mtime_ns // 1_000_000 / 1000
    return datetime.fromtimestamp(seconds, UTC)


def _of(stream: BinaryIO, watch: Watch) -> Watch:
    """Let progress be seen against the size that the file has now."""
    total = os.fstat(stream.fileno()).st_size
    return lambda text, done, _: watch(text, done, max(done, total))
