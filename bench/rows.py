"""Rows ready for COPY: what the floor loads without reading, checking or booking anything."""

import json
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from psycopg import sql

from harness.connections import Connection

_BLOCK = 1 << 20

COLUMNS = {
    "sessions": ("account_id", "id", "created_at", "updated_at"),
    "chat_threads": (
        "account_id",
        "id",
        "session_id",
        "mode",
        "title",
        "status",
        "message_count",
        "last_message_preview",
        "last_message_at",
        "created_at",
        "updated_at",
    ),
    "chat_messages": (
        "account_id",
        "id",
        "session_id",
        "thread_id",
        "mode",
        "role",
        "content",
        "client_message_id",
        "misalignment_id",
        "evidence",
        "context_events",
        "created_at",
        "updated_at",
    ),
}
"""The tables of schema app that rows are made for, in the order they are loaded."""


class RowsFile:
    """Writes rows of one table in the text format of COPY."""

    def __init__(self, folder: Path, table: str) -> None:
        self._stream = _path(folder, table).open("w", encoding="utf-8", buffering=_BLOCK)

    def add(self, values: Iterable[object]) -> None:
        """Write a row: its values in the order of COLUMNS."""
        self._stream.write("\t".join(map(_spelled, values)) + "\n")

    def __enter__(self) -> Self:
        """Write into it until the block ends."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._stream.close()


def read_blocks(folder: Path, table: str) -> list[bytes]:
    """Read all rows of a table into memory."""
    with _path(folder, table).open("rb") as stream:
        return list(iter(lambda: stream.read(_BLOCK), b""))


def copy_blocks(connection: Connection, table: str, blocks: Iterable[bytes]) -> int:
    """Copy rows into their table. Return how many there were."""
    statement = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier("app", table), sql.SQL(", ").join(map(sql.Identifier, COLUMNS[table]))
    )
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for block in blocks:
                copy.write(block)
        return cursor.rowcount


def load(connection: Connection, folder: Path, *tables: str) -> None:
    """Copy the rows of some tables, all in one transaction."""
    with connection.transaction():
        for table in tables:
            copy_blocks(connection, table, read_blocks(folder, table))


def _path(folder: Path, table: str) -> Path:
    # Beside the viewer's files, by names that an import passes over.
    return folder / f"{table}.rows"


def _spelled(value: object) -> str:
    if value is None:
        return r"\N"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    return text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
