"""Follows Postgres' log through a temporary replication slot of its own.

The slot is as good as gone when the connection is: it leaves nothing behind, however it ends.
psycopg has no replication protocol, but its libpq wrapper hands out the copy stream that it is
made of. docs/decisions/0014-electric-stand-in.md has the other ways.
"""

import asyncio
import secrets
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.pq import ExecStatus

from harness.embedded.electric.pgoutput import Decoder, Transaction
from harness.errors import ExitCode, SessionbaseError

DISPLAY = "-c TimeZone=UTC -c DateStyle=ISO,DMY -c IntervalStyle=iso_8601 -c bytea_output=hex"
"""How Electric has Postgres write values, in snapshots and in the stream alike."""

_XLOG = struct.Struct(">cQQq")
_KEEPALIVE = struct.Struct(">cQqB")


@dataclass
class Stream:
    """An open slot. started_at is the place in the log from which everything is streamed."""

    connection: AsyncConnection
    started_at: int

    async def transactions(self) -> AsyncIterator[Transaction]:
        """Give transactions as they commit. Raises psycopg.OperationalError when it is cut."""
        decoder = Decoder()
        async for frame in self._frames():
            if frame[:1] == b"w":
                transaction = decoder.feed(frame[_XLOG.size :])
                if transaction:
                    yield transaction
                    self._confirm(transaction.lsn)
            elif frame[:1] == b"k":
                # What was written and is not published needs no keeping either.
                end = _KEEPALIVE.unpack(frame)[1]
                self._confirm(end if decoder.is_between_transactions else 0)

    async def _frames(self) -> AsyncIterator[bytes]:
        pgconn = self.connection.pgconn
        while True:
            size, data = pgconn.get_copy_data(1)
            if size > 0:
                yield bytes(data)
            elif size == 0:
                await _until_readable(pgconn.socket)
                pgconn.consume_input()
            else:
                raise psycopg.OperationalError("Postgres ended the replication stream")

    def _confirm(self, lsn: int) -> None:
        """Tell Postgres that we live, and that the log up to here can go."""
        pgconn = self.connection.pgconn
        pgconn.put_copy_data(struct.pack(">cQQQqB", b"r", lsn, lsn, lsn, 0, 0))
        pgconn.flush()


async def _until_readable(socket: int) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(socket, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(socket)


@asynccontextmanager
async def open_stream(conninfo: str, stream_id: str) -> AsyncIterator[Stream]:
    """Make a temporary slot and follow the publication of a stream id.

    Raises SessionbaseError (REFUSED) where there is no such publication, psycopg.Error otherwise.
    """
    publication = f"electric_publication_{stream_id}"
    # Names of slots are of the whole server, and two stand-ins may run on it.
    slot = f"electric_slot_{stream_id}_{secrets.token_hex(4)}"
    connection = await AsyncConnection.connect(
        conninfo,
        autocommit=True,
        replication="database",
        options=DISPLAY,
        application_name="sessionbase electric stand-in",
    )
    try:
        found = await connection.execute(
            sql.SQL("select count(*) from pg_publication where pubname = {}").format(publication)
        )
        if str((await found.fetchone() or (0,))[0]) != "1":
            raise SessionbaseError(
                ExitCode.REFUSED,
                f"there is no publication {publication}",
                hint="invoke migrate makes that of the stream id sessionbase; "
                "ELECTRIC_REPLICATION_STREAM_ID says which one is followed.",
            )
        made = await connection.execute(
            sql.SQL(
                "CREATE_REPLICATION_SLOT {} TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT"
            ).format(sql.Identifier(slot))
        )
        row = await made.fetchone()
        started_at = _lsn(str(row[1]) if row else "0/0")
        _start(connection, slot, publication)
        yield Stream(connection, started_at)
    finally:
        # Not as a context: that would roll back first, and a stream has nothing to roll back.
        await connection.close()


def _start(connection: AsyncConnection, slot: str, publication: str) -> None:
    statement = sql.SQL(
        "START_REPLICATION SLOT {} LOGICAL 0/0 (proto_version '1', publication_names {})"
    ).format(sql.Identifier(slot), sql.Literal(f'"{publication}"'))
    result = connection.pgconn.exec_(statement.as_bytes(connection))
    if result.status != ExecStatus.COPY_BOTH:
        raise psycopg.OperationalError(result.error_message.decode(errors="replace"))


def _lsn(text: str) -> int:
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)
