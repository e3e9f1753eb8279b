"""Writes an account's records as the old viewer's three files: the way back from an import.

What is in the tables goes out as the old files had it; what the import could not take in goes out
as the bytes it was. Postgres writes each record as JSON text, and no number of it is read here,
so no digit is lost.
"""

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Self

import msgspec

from harness.connections import Connection, Server
from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.reading import reading
from harness.legacy.steps import FILES

_ORDERS = {
    "threads": (
        "id sessionId mode title status messageCount createdAt updatedAt "
        "lastMessagePreview lastMessageAt"
    ),
    "messages": (
        "id sessionId mode threadId role content clientMessageId misalignmentId evidence "
        "contextEvents createdAt updatedAt"
    ),
    "tool_events": (
        "id sessionId threadId toolCallId toolName arguments status result error startedAt "
        "completedAt latencyMs contextEvents"
    ),
}
"""The old viewer's order of fields, by kind; jsonb has one of its own."""

_ITEM_ORDERS = {
    "evidence": "path ruleId snippet severity label",
    "contextEvents": "eventIndex displayIndex eventId eventType summary",
}
"""The same for the items of a field."""

_TOLD_EVERY = 10_000

_Fields = dict[str, msgspec.Raw]
_FIELDS = msgspec.json.Decoder(_Fields)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True)
class ExportRequest:
    """What to export, and where to.

    account: name or id; None: the only one. force: replace files that are there.
    with_quarantined: also what the import kept out.
    """

    folder: Path
    account: str | None = None
    force: bool = False
    with_quarantined: bool = True


@dataclass(frozen=True)
class ExportedFile:
    """A file that was written.

    records: how many it holds; quarantined: how many of these the import had kept out.
    unreadable: how many were no JSON, and are in a file of their own, unreadable_file.
    """

    file: str
    size_bytes: int
    sha256: str
    records: int
    quarantined: int
    unreadable: int
    unreadable_file: str | None


@dataclass(frozen=True)
class ExportResult:
    """What was exported. run_id: the import whose order the files follow; None if there is none."""

    server: str
    folder: str
    run_id: int | None
    files: list[ExportedFile]

    def facts(self) -> dict[str, Any]:
        """Return the same as plain data, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Row:
    """A row of legacy.export_batch: reason is that of a quarantined record."""

    ordinal: int | None
    byte_offset: int | None
    reason: str | None
    is_raw: bool
    content: bytes


def export_folder(server: Server, request: ExportRequest, tell: Tell) -> ExportResult:
    """Write the three files, all of them or none.

    Raises SessionbaseError: REFUSED for a folder that has one of them; NO_ACCOUNT;
    NO_PERMISSION for a login that may not become import_definer. OSError of the folder.
    """
    _check_folder(request)
    request.folder.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory(dir=request.folder, prefix=".export-") as scratch,
        reading(server, "export", request.account) as (connection, account_id),
    ):
        export = _Export(connection, account_id, request, Path(scratch), tell)
        files = [export.write(kind) for kind in FILES]
        _put_in_place(Path(scratch), request.folder)
    return ExportResult(server.label, str(request.folder), export.run_id, files)


def unreadable_name(kind: str) -> str:
    """Return the name of the file with what is no JSON."""
    return f"{Path(FILES[kind]).stem}.unreadable.jsonl"


def _check_folder(request: ExportRequest) -> None:
    taken = [
        name
        for kind in FILES
        for name in (FILES[kind], unreadable_name(kind))
        if (request.folder / name).exists()
    ]
    if taken and not request.force:
        raise SessionbaseError(
            ExitCode.REFUSED,
            f"{request.folder} already holds {', '.join(taken)}",
            hint="Give another folder, or --force to replace what is there.",
        )


def _put_in_place(scratch: Path, folder: Path) -> None:
    """Move what was written to where it belongs, and take away what an earlier export left."""
    for kind in FILES:
        for name in (FILES[kind], unreadable_name(kind)):
            if (scratch / name).exists():
                (scratch / name).replace(folder / name)
            else:
                (folder / name).unlink(missing_ok=True)


class _Export:
    """One export under way, into a folder of its own."""

    def __init__(
        self,
        connection: Connection,
        account_id: str,
        request: ExportRequest,
        folder: Path,
        tell: Tell,
    ) -> None:
        self._connection = connection
        self._account_id = account_id
        self._request = request
        self._folder = folder
        self._tell = tell
        self.run_id = self._last_run()

    def write(self, kind: str) -> ExportedFile:
        """Write the files of a kind."""
        with _Writer(self._folder, kind) as writer:
            for row in self._rows(kind):
                if row.reason is None or self._request.with_quarantined:
                    writer.add(row)
                if writer.records % _TOLD_EVERY == 0:
                    self._tell(f"exporting {FILES[kind]}: {writer.records:,} records")
            return writer.finish()

    def _rows(self, kind: str) -> Iterator[_Row]:
        """Give what a file is to hold, in order, a record at a time in memory."""
        columns = "select ordinal, byte_offset, reason, is_raw, content from"
        numbers = self._connection.execute(
            "select number from legacy.import_batches where run_id = %s and kind = %s order by 1",
            [self.run_id, kind],
        ).fetchall()
        for (number,) in numbers:
            yield from self._stream(
                f"{columns} legacy.export_batch(%s, %s, %s, %s)", [kind, number]
            )
        yield from self._stream(f"{columns} legacy.export_rest(%s, %s, %s)", [kind])

    def _stream(self, query: str, parameters: list[object]) -> Iterator[_Row]:
        with self._connection.cursor(binary=True) as cursor:
            everything = [self._account_id, self.run_id, *parameters]
            for row in cursor.stream(query.encode(), everything):
                yield _Row(*row)

    def _last_run(self) -> int | None:
        row = self._connection.execute(
            "select max(id) from legacy.import_runs where account_id = %s and outcome = 'finished'",
            [self._account_id],
        ).fetchone()
        return row[0] if row else None


class _Writer:
    """Writes the file of a kind as JSON.stringify(rows, null, 2) does, and what is no JSON aside.

    A record that is no JSON would make the old viewer take the whole file for an empty store.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder = folder
        self._kind = kind
        self._hash = hashlib.sha256()
        self._size = 0
        self._stack = ExitStack()
        self._unreadable_stream: BinaryIO | None = None
        self.records = 0
        self._quarantined = 0
        self._unreadable = 0

    def __enter__(self) -> Self:
        self._stream = self._stack.enter_context(self._create(FILES[self._kind]))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _create(self, name: str) -> BinaryIO:
        return (self._folder / name).open("wb")

    def add(self, row: _Row) -> None:
        """Add a record."""
        if row.reason and not _is_json(row.content):
            self._add_unreadable(row)
            return
        content = row.content if row.is_raw else _laid_out(self._kind, row.content)
        self._write(b",\n  " if self.records else b"[\n  ")
        self._write(content)
        self.records += 1
        self._quarantined += row.reason is not None

    def finish(self) -> ExportedFile:
        """Close the array, and see to it that all is on the disk."""
        self._write(b"\n]" if self.records else b"[]")
        for stream in (self._stream, self._unreadable_stream):
            if stream:
                stream.flush()
                os.fsync(stream.fileno())
        return ExportedFile(
            file=FILES[self._kind],
            size_bytes=self._size,
            sha256=self._hash.hexdigest(),
            records=self.records,
            quarantined=self._quarantined,
            unreadable=self._unreadable,
            unreadable_file=unreadable_name(self._kind) if self._unreadable else None,
        )

    def _write(self, data: bytes) -> None:
        self._stream.write(data)
        self._hash.update(data)
        self._size += len(data)

    def _add_unreadable(self, row: _Row) -> None:
        if self._unreadable_stream is None:
            self._unreadable_stream = self._stack.enter_context(
                self._create(unreadable_name(self._kind))
            )
        line = {
            "record": None if row.ordinal is None else row.ordinal + 1,
            "byte": row.byte_offset,
            "reason": row.reason,
            "base64": base64.b64encode(row.content).decode(),
        }
        self._unreadable_stream.write(json.dumps(line).encode() + b"\n")
        self._unreadable += 1


def _is_json(raw: bytes) -> bool:
    """Say whether bytes are a JSON value. One nested deeper than Python reads counts as none."""
    try:
        json.loads(raw.decode(), parse_constant=_refuse, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(name: str) -> None:
    """Refuse NaN and Infinity, which Python reads and JSON has not."""
    raise ValueError(name)


def _laid_out(kind: str, content: bytes) -> bytes:
    """Return a record of Postgres in the viewer's order of fields and layout, two spaces in.

    One nested deeper than msgspec goes stays as Postgres wrote it: JSON all the same.
    """
    with suppress(RecursionError, msgspec.DecodeError):
        fields = _FIELDS.decode(content)
        for name, order in _ITEM_ORDERS.items():
            if name in fields and name in _ORDERS[kind].split():
                fields[name] = _items_in_order(fields[name], order)
        ordered = msgspec.json.encode(_in_order(fields, _ORDERS[kind]))
        # A line feed in a string is escaped, so these are all of the layout's.
        return msgspec.json.format(ordered, indent=2).replace(b"\n", b"\n  ")
    return content


def _in_order(fields: _Fields, order: str) -> _Fields:
    known = {name: fields[name] for name in order.split() if name in fields}
    return known | fields


def _items_in_order(items: msgspec.Raw, order: str) -> msgspec.Raw:
    if not bytes(items).startswith(b"["):
        return items
    ordered = [
        _in_order(_FIELDS.decode(item), order) if bytes(item).startswith(b"{") else item
        for item in _ITEMS.decode(items)
    ]
    return msgspec.Raw(msgspec.json.encode(ordered))
