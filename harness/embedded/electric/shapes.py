"""The shapes that were asked for: a snapshot and a log each, kept true by the stream.

A shape begins with a snapshot that Postgres takes while the stream stands still, and says which
transactions it shows. Those are left out of the log, all others come into it: none twice, none
lost.
"""

import asyncio
import time
import zlib
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field

import msgspec
from psycopg import AsyncConnection

from harness.embedded.electric.asking import INFINITE, Offset
from harness.embedded.electric.changes import Step, change_messages, snapshot_message
from harness.embedded.electric.pgoutput import Row, Transaction
from harness.embedded.electric.reading import (
    Reader,
    Visibility,
    begin_snapshot,
    belonging,
    read_rows,
)
from harness.embedded.electric.tables import Definition

_HASH = (1 << 27) - 1
_REMEMBERED = 1_000
SNAPSHOT_END: Offset = (0, 0)
"""Where the snapshot ends and the log begins."""


@dataclass
class Shape:
    """A shape. body is its snapshot; a shape that is over never changes again."""

    definition: Definition
    handle: str
    body: bytes = b""
    visibility: Visibility | None = None
    is_over: bool = False
    loading: asyncio.Task[None] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _offsets: list[Offset] = field(default_factory=list)
    _messages: list[bytes] = field(default_factory=list)

    @property
    def end(self) -> Offset:
        """The last place in the log; before the first change, one behind every snapshot."""
        return self._offsets[-1] if self._offsets else (0, INFINITE)

    def since(self, offset: Offset) -> list[bytes]:
        """Return what came behind a place in the log."""
        return self._messages[bisect_right(self._offsets, offset) :]

    def append(self, entries: list[tuple[Offset, bytes]]) -> None:
        """Write a whole transaction to the log, and wake who waits for it."""
        self._offsets += [offset for offset, _ in entries]
        self._messages += [message for _, message in entries]
        self.wake()

    def end_it(self) -> None:
        """Rotate: who has this handle must fetch anew."""
        self.is_over = True
        self.wake()

    def wake(self) -> None:
        """Wake who waits."""
        self.changed.set()
        self.changed = asyncio.Event()


class Shapes:
    """All shapes, and the stream's way into them."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._shapes: dict[Definition, Shape] = {}
        self._stands_still = asyncio.Lock()
        self._streamed: deque[int] = deque(maxlen=_REMEMBERED)
        self.seen_lsn = 0

    def has(self, definition: Definition) -> bool:
        """Whether there is a shape of a definition, so that its condition is known to be one."""
        return definition in self._shapes

    async def get(self, definition: Definition) -> Shape:
        """Return the shape of a definition; make it, if it is not there."""
        while True:
            shape = self._shapes.get(definition)
            if shape is None:
                shape = Shape(definition, _new_handle(definition))
                self._shapes[definition] = shape
                shape.loading = asyncio.create_task(self._load(shape))
            if shape.loading:
                # Who goes away must not take the snapshot from others who wait for it.
                await asyncio.shield(shape.loading)
            if not shape.is_over:
                return shape

    async def _load(self, shape: Shape) -> None:
        try:
            async with self._reader.connected() as connection:
                async with self._stands_still:
                    visibility = await self._begin_snapshot(connection)
                    shape.visibility = visibility
                rows = []
                if shape.definition.log == "full":
                    rows = await read_rows(connection, shape.definition)
            messages = [snapshot_message(shape.definition, row) for row in rows]
            end = {"headers": {"control": "snapshot-end", **visibility.facts()}}
            shape.body = msgspec.json.encode([*messages, end])
        except BaseException:
            self._end(shape)
            raise

    async def _begin_snapshot(self, connection: AsyncConnection) -> Visibility:
        """Begin a snapshot that shows every transaction that the stream has told of.

        A commit is in the log a moment before it is in snapshots. What was streamed in that moment
        would be in neither: so one looks again.
        """
        while True:
            visibility, _ = await begin_snapshot(connection)
            if all(visibility.shows(xid) for xid in self._streamed):
                return visibility
            await connection.execute("rollback")
            await asyncio.sleep(0.001)

    async def apply(self, connection: AsyncConnection, transaction: Transaction) -> None:
        """Bring a transaction into every shape that it changes."""
        async with self._stands_still:
            self._streamed.append(transaction.xid)
            for shape in list(self._shapes.values()):
                if shape.visibility and not shape.visibility.shows(transaction.xid):
                    await self._apply(connection, shape, transaction)
            self.seen_lsn = transaction.lsn

    async def _apply(
        self, connection: AsyncConnection, shape: Shape, transaction: Transaction
    ) -> None:
        table = shape.definition.table
        if table.oid in transaction.truncated:
            self._end(shape)
            return
        mine = [
            (position, change)
            for position, change in enumerate(transaction.changes)
            if change.relation.oid == table.oid
        ]
        if not mine:
            return
        if not all(table.is_as(change.relation) for _, change in mine):
            self._end(shape)
            return
        rows = [row for _, change in mine for row in (change.old, change.new) if row is not None]
        answers = iter(await belonging(connection, shape.definition, rows))

        def kept(row: Row | None) -> Row | None:
            return row if row is not None and next(answers) else None

        steps = [
            Step(2 * position, kept(change.old), kept(change.new)) for position, change in mine
        ]
        messages = change_messages(shape.definition, transaction, steps)
        if messages:
            shape.append(
                [((transaction.lsn, at), msgspec.json.encode(message)) for at, message in messages]
            )

    async def end_all(self) -> None:
        """Rotate every shape: the stream was cut, so nobody knows what they have missed."""
        async with self._stands_still:
            for shape in list(self._shapes.values()):
                self._end(shape)
            self._streamed.clear()

    def _end(self, shape: Shape) -> None:
        if self._shapes.get(shape.definition) is shape:
            del self._shapes[shape.definition]
        shape.end_it()


def _new_handle(definition: Definition) -> str:
    """Make a handle of Electric's form: a hash of the definition, and when it was made."""
    return f"{zlib.crc32(repr(definition).encode()) & _HASH}-{time.time_ns() // 1_000}"
