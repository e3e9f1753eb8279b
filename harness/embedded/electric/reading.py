"""What is asked of Postgres: tables, conditions, snapshots, and whether rows belong to a shape.

All of it is asked as electric_read, in connections that can't write. Conditions are Postgres' to
decide, in a snapshot and of a change alike, so the two can't disagree.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor, sql
from psycopg.conninfo import make_conninfo

from harness.embedded.electric.asking import InvalidRequestError, Subset
from harness.embedded.electric.conditions import all_of, as_sql, renumbered, used
from harness.embedded.electric.pgoutput import Row
from harness.embedded.electric.replication import DISPLAY
from harness.embedded.electric.tables import Definition, Table, find_table

_READER = f"{DISPLAY} -c default_transaction_read_only=on -c search_path=pg_catalog"
_NUMBER = "sessionbase number of a row"


@dataclass(frozen=True)
class Visibility:
    """Which transactions a snapshot shows: those before xmax that are not in progress."""

    xmin: int
    xmax: int
    in_progress: tuple[int, ...]

    @classmethod
    def of_text(cls, text: str) -> "Visibility":
        """Read what pg_current_snapshot() gives."""
        xmin, xmax, listed = text.split(":")
        return cls(int(xmin), int(xmax), tuple(int(xid) for xid in listed.split(",") if xid))

    def shows(self, xid: int) -> bool:
        """Whether a transaction of the stream, whose number has 32 bits, is in the snapshot."""
        # Of all numbers that end like this, the one that is nearest.
        full = self.xmax + (xid - self.xmax + (1 << 31)) % (1 << 32) - (1 << 31)
        return full < self.xmax and full not in self.in_progress

    def facts(self) -> dict[str, Any]:
        """Say it as Electric does."""
        return {
            "xip_list": [str(xid) for xid in self.in_progress],
            "xmax": str(self.xmax),
            "xmin": str(self.xmin),
        }


class Reader:
    """Reads a database as one role. role is None where the login is that role itself."""

    def __init__(self, conninfo: str, role: str | None, publication: str) -> None:
        options = f"{_READER} -c role={role}" if role else _READER
        self._conninfo = make_conninfo(
            conninfo, options=options, application_name="sessionbase electric stand-in"
        )
        self.publication = publication
        self._catalog: AsyncConnection | None = None
        self._catalog_turn = asyncio.Lock()

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection whose parameters are written $1."""
        async with await self._connect() as connection:
            yield connection

    @asynccontextmanager
    async def catalog(self) -> AsyncIterator[AsyncConnection]:
        """Take a turn at the connection for short questions, which stays open."""
        async with self._catalog_turn:
            if self._catalog is None or self._catalog.closed:
                self._catalog = await self._connect()
            yield self._catalog

    async def close(self) -> None:
        """Close the connection that stays open."""
        if self._catalog:
            await self._catalog.close()

    async def find(self, connection: AsyncConnection, name: tuple[str, str]) -> Table:
        """Look a table up. Raises InvalidRequestError if there is none."""
        return await find_table(connection, name, self.publication)

    async def _connect(self) -> AsyncConnection:
        return await AsyncConnection.connect(
            self._conninfo, autocommit=True, cursor_factory=AsyncRawCursor
        )


async def begin_snapshot(connection: AsyncConnection) -> tuple[Visibility, int]:
    """Begin a transaction that sees one state of the database; say which, and where the log is."""
    await connection.execute("begin isolation level repeatable read, read only")
    cursor = await connection.execute(
        "select pg_current_snapshot()::text, (pg_current_wal_insert_lsn() - '0/0')::int8"
    )
    row = await cursor.fetchone()
    if row is None:
        raise AssertionError("a select without from gives a row")
    return Visibility.of_text(row[0]), row[1]


async def read_rows(
    connection: AsyncConnection, definition: Definition, subset: Subset | None = None
) -> list[Row]:
    """Read the rows of a shape, or a subset of them, with the values that name their keys."""
    table = definition.table
    names = list(dict.fromkeys((*table.key, *definition.columns)))
    query = sql.SQL("select {} from {}").format(
        sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in names),
        sql.Identifier(table.schema, table.name),
    )
    params = used(definition.where, definition.params)
    conditions = [definition.where] if definition.where else []
    if subset and subset.where:
        # Numbered on, for the shape's own parameters come first.
        conditions.append(renumbered(subset.where, len(params)))
        params += used(subset.where, subset.params)
    if conditions:
        query += sql.SQL(" where ") + all_of(conditions)
    if subset:
        query += _order_and_limit(subset)
    cursor = await connection.execute(query, params)
    return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]


async def belonging(
    connection: AsyncConnection, definition: Definition, rows: list[Row]
) -> list[bool]:
    """Ask Postgres of each of many rows, as typed values, whether it meets a shape's condition.

    A row that the condition can't be decided of, as of a division by zero, does not meet it.
    """
    if definition.where is None or not rows:
        return [True] * len(rows)
    try:
        return await _belonging(connection, definition, definition.where, rows)
    except psycopg.DataError:
        if len(rows) == 1:
            return [False]
        return [(await belonging(connection, definition, [row]))[0] for row in rows]


async def _belonging(
    connection: AsyncConnection, definition: Definition, where: str, rows: list[Row]
) -> list[bool]:
    columns = definition.table.columns
    params = used(where, definition.params)
    arrays = range(len(params) + 1, len(params) + 1 + len(columns))
    values = [sql.Identifier(f"value {number}") for number in range(len(columns))]
    query = sql.SQL(
        "select {number} from (select {typed}, {number} from unnest({arrays}) with ordinality "
        "as given ({values}, {number})) as {table} where {condition}"
    ).format(
        number=sql.Identifier(_NUMBER),
        typed=sql.SQL(", ").join(
            sql.SQL("{}::{} as {}").format(value, sql.SQL(column.type), sql.Identifier(column.name))
            for value, column in zip(values, columns, strict=True)
        ),
        arrays=sql.SQL(", ").join(sql.SQL(f"${number}::text[]") for number in arrays),
        values=sql.SQL(", ").join(values),
        table=sql.Identifier(definition.table.name),
        condition=all_of([where]),
    )
    columnwise = [[row[column.name] for row in rows] for column in columns]
    cursor = await connection.execute(query, [*params, *columnwise])
    met = {number for (number,) in await cursor.fetchall()}
    return [number in met for number in range(1, len(rows) + 1)]


def _order_and_limit(subset: Subset) -> sql.Composed:
    parts = []
    if subset.order_by:
        parts.append(sql.SQL(" order by ") + _ordered(subset.order_by))
    if subset.limit is not None:
        parts.append(sql.SQL(" limit {}").format(subset.limit))
    if subset.offset is not None:
        parts.append(sql.SQL(" offset {}").format(subset.offset))
    return sql.Composed(parts)


def _ordered(order_by: str) -> sql.Composable:
    """Take plain columns only, as Electric does."""
    one = r'(?:"(?:[^"]|"")+"|\w+)(?:\s+(?:asc|desc))?(?:\s+nulls\s+(?:first|last))?'
    if not re.fullmatch(rf"\s*{one}\s*(?:,\s*{one}\s*)*", order_by, re.IGNORECASE):
        raise InvalidRequestError(subset="order_by takes columns only")
    return as_sql(order_by)
