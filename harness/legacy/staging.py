"""Copies the records of a batch into the staging table, in Postgres' binary COPY format.

psycopg can write such rows too, but only from whole values: a record of 200 MB would be in memory
several times. Here a large record's bytes go from the file to the server piece by piece; and a
batch's rows can be made ready while the server is busy with the batch before.
Format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import LiteralString

from harness.connections import Connection
from harness.legacy.reader import Batch, Element, RecordFile

_COPY = (
    "copy {}.staged_records (run_id, kind, ordinal, byte_offset, sha256, fault, raw) "
    "from stdin (format binary)"
)
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
_TRAILER = struct.pack("!h", -1)
_COLUMNS = struct.pack("!h", 7)
_NULL = struct.pack("!i", -1)
_INT8 = struct.Struct("!iq")
_LENGTH = struct.Struct("!i")


@dataclass(frozen=True)
class StagedBatch:
    """A batch whose rows are ready to be copied, but for the bytes of large records.

    first: place in the file of the first record. count: of records. end, prefix_sha256: as Batch.
    """

    kind: str
    number: int
    first: int
    count: int
    end: int
    prefix_sha256: bytes
    rows: bytes
    large: list[tuple[Element, bytes]]


class Stager:
    """Makes the rows of a run and a kind."""

    def __init__(self, run_id: int, kind: str) -> None:
        self._kind = kind
        self._head = _COLUMNS + _INT8.pack(8, run_id) + _sized(kind.encode())

    def prepare(self, batch: Batch) -> StagedBatch:
        """Make the rows of a batch."""
        rows = bytearray()
        large = []
        for element in batch.elements:
            row = self._row(element)
            if element.raw is None:
                large.append((element, row))
            else:
                rows += row
                rows += element.raw
        return StagedBatch(
            kind=self._kind,
            number=batch.number,
            first=batch.elements[0].ordinal,
            count=len(batch.elements),
            end=batch.end,
            prefix_sha256=batch.prefix_sha256,
            rows=bytes(rows),
            large=large,
        )

    def _row(self, element: Element) -> bytes:
        """Return a row up to its last value, the record's bytes."""
        return b"".join(
            (
                self._head,
                _INT8.pack(8, element.ordinal),
                _INT8.pack(8, element.offset),
                _sized(element.sha256),
                _sized(element.fault.encode()) if element.fault else _NULL,
                _LENGTH.pack(element.length),
            )
        )


def copy_batch(
    connection: Connection, file: RecordFile, staged: StagedBatch, schema: LiteralString
) -> None:
    """Copy a batch's rows into a staging table, in the transaction that is open.

    schema: pg_temp for the connection's own, which lasts as long as the transaction; legacy for
    the one that lasts until the run ends.
    """
    with connection.cursor() as cursor, cursor.copy(_COPY.format(schema)) as copy:
        for piece in _pieces(file, staged):
            copy.write(piece)


def _pieces(file: RecordFile, staged: StagedBatch) -> Iterator[bytes]:
    yield _SIGNATURE
    yield staged.rows
    for element, row in staged.large:
        yield row
        yield from file.pieces(element)
    yield _TRAILER


def _sized(value: bytes) -> bytes:
    return _LENGTH.pack(len(value)) + value
