"""A snapshot and the stream have no gap between them, and no overlap."""

import asyncio
from collections.abc import Callable

import psycopg
import pytest

from harness.connections import Connection, Server, connect
from harness.embedded.electric.asking import read_request
from harness.embedded.electric.pgoutput import Transaction
from harness.embedded.electric.reading import Reader, Visibility
from harness.embedded.electric.shapes import Shapes
from harness.embedded.electric.tables import define

_QUIET_S = 0.5
_SOON_S = 5


def test_a_snapshot_waits_until_it_shows_what_was_streamed(
    database: Server, make_table: Callable[[Connection], None]
) -> None:
    """A commit is in the log a moment before it is in snapshots. Here the moment is long."""
    with connect(database, "test") as writer, psycopg.connect(database.conninfo) as open_one:
        make_table(writer)
        open_one.execute("delete from rec.messages where id = 'm3'")
        row = open_one.execute("select pg_current_xact_id()::xid::text::int8").fetchone()
        assert row
        asyncio.run(_take_snapshot(database, open_one, row[0]))


async def _take_snapshot(database: Server, open_one: Connection, xid: int) -> None:
    reader = Reader(database.conninfo, "electric_read", "electric_publication_sessionbase")
    shapes = Shapes(reader)
    asked = read_request([("table", "rec.messages"), ("offset", "-1")], b"")
    async with reader.connected() as connection:
        definition = define(asked, await reader.find(connection, asked.table))
        await shapes.apply(connection, Transaction(xid, 1))
    making = asyncio.create_task(shapes.get(definition))
    await asyncio.sleep(_QUIET_S)
    assert not making.done()
    open_one.commit()
    shape = await asyncio.wait_for(making, _SOON_S)
    assert shape.visibility
    assert shape.visibility.shows(xid)
    assert b'"m3"' not in shape.body


@pytest.mark.parametrize(
    ("snapshot", "shown", "hidden"),
    [
        ("10:20:12,15", [3, 10, 11, 19], [12, 15, 20, 21]),
        # Numbers of transactions begin anew after 2^32, and the stream's have 32 bits.
        (f"{2**32 + 5}:{2**32 + 9}:", [2**32 - 7, 5, 8], [9, 10]),
        (f"{2**32 - 3}:{2**32 - 1}:", [2**32 - 4, 2**32 - 2], [2**32 - 1, 0, 7]),
    ],
)
def test_a_snapshot_shows_what_was_over_before_it(
    snapshot: str, shown: list[int], hidden: list[int]
) -> None:
    visibility = Visibility.of_text(snapshot)
    assert [xid for xid in shown + hidden if visibility.shows(xid)] == shown
