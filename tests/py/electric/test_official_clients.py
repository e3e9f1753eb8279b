"""The official clients, unmodified, have what the database has: Electric's, and TanStack DB's."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import pytest

from harness.connections import Connection, Server, connect
from harness.settings import Settings
from tests.py.applications import application_login, as_login
from tests.py.electric.clients import Client, Fact, lay_out_programs, running
from tests.py.electric.conftest import Start
from tests.py.electric.electrics import Electric
from tests.py.electric.rooms import OWNER, Room, enter_room
from tests.py.electric.ways import WAYS, bearer, identify, through
from tests.py.gatekeeper.gatekeepers import running as serving

Follow = Callable[..., Client]

_COLLECTION = "collection.mjs"
_LIVE = pytest.mark.parametrize("sse", [False, True], ids=["long polls", "events"])
_TEXTS = (
    "café, cafe\u0301, ﬁ",
    "👩🏽‍💻🏳️‍🌈 \U0010ffff",
    "\u202eשלום\u202c مرحبا",  # noqa: RUF001 - it is Hebrew
    "lines\u2028and\u2029paragraphs\r\n\ttabs\x01\x7f\x85 \" \\ ' `",
    "ﷺ z\u0351\u036b\u0343 \ufeff\u200b\u00a0 \ufffd \uffff",
    " ",
)


@pytest.fixture(params=["shape.mjs", _COLLECTION], ids=["client", "collection"])
def program(request: pytest.FixtureRequest) -> str:
    """Name the program: of Electric's own client, or of TanStack's collection."""
    return str(request.param)


@pytest.fixture
def room(writer: Connection) -> Iterator[Room]:
    """Make a session with two threads."""
    made = enter_room(writer)
    yield made
    made.leave()


@pytest.fixture(params=list(WAYS))
def way(request: pytest.FixtureRequest) -> str:
    """Name how clients come to the shape: of Electric itself, or through the gatekeeper."""
    return str(request.param)


@pytest.fixture
def follow(server: Server, settings: Settings, tmp_path: Path, way: str) -> Iterator[Follow]:
    """Return a way to start clients of a room's thread; they end with the test."""
    lay_out_programs(settings, tmp_path)
    with ExitStack() as stack:

        def followed(
            electric: Electric, room: Room, program: str, *, sse: bool = False, **environment: str
        ) -> Client:
            login = stack.enter_context(application_login(server))
            found = stack.enter_context(WAYS[way](electric, room, tmp_path))
            environment |= {
                **as_login(electric.server, login).environment(),
                "WAY": json.dumps({**found, "sse": sse}),
                "THREAD": json.dumps(room.thread),
                "ACCOUNT": str(OWNER),
            }
            return stack.enter_context(running(tmp_path, program, environment))

        yield followed


@_LIVE
def test_it_has_what_was_there_and_what_comes(
    follow: Follow, electric: Electric, room: Room, program: str, *, sse: bool
) -> None:
    room.add("one", "two")
    room.add("beside", thread_id=room.other_id)
    client = follow(electric, room, program, sse=sse)
    client.until_rows("one", "two")
    room.add("three")
    client.until_rows("one", "two", "three")
    room.change("two", to="2")
    client.until_rows("one", "2", "three")
    room.remove("one")
    client.until_rows("2", "three")
    room.move("beside", room.thread["id"])
    client.until_rows("2", "three", "beside")
    room.move("three", room.other_id)
    rows = client.until_rows("2", "beside")
    assert {row["thread_id"] for row in rows} == {room.thread["id"]}
    room.change("three", to="3")
    room.move("3", room.thread["id"])
    client.until_rows("2", "3", "beside")


@_LIVE
def test_every_character_comes_through(
    follow: Follow, electric: Electric, room: Room, program: str, *, sse: bool
) -> None:
    """All that Postgres keeps, which is all but U+0000: in a snapshot, an insert, an update."""
    room.add(*_TEXTS)
    client = follow(electric, room, program, sse=sse)
    client.until_rows(*_TEXTS)
    live = [f"{text} live" for text in _TEXTS]
    room.add(*live)
    client.until_rows(*_TEXTS, *live)
    room.change_all()
    client.until_rows(*(f"{text}!" for text in (*_TEXTS, *live)))


def test_it_has_ten_thousand_rows_and_their_changes(
    follow: Follow, electric: Electric, room: Room, program: str
) -> None:
    room.fill(10_000)
    client = follow(electric, room, program)
    client.until_said(count=10_000, digest=room.digest())
    room.change_all()
    client.until_said(count=10_000, digest=room.digest())


@pytest.mark.parametrize("count", [100, 200])
def test_transactions_of_a_hundred_rows_come_whole(
    follow: Follow, electric: Electric, room: Room, program: str, count: int
) -> None:
    """Somebody has seen Electric lose inserts of exactly 100 rows (its issue 3726)."""
    room.add("before")
    client = follow(electric, room, program)
    client.until_rows("before")
    room.add(*(f"{count}: {number}" for number in range(count)))
    client.until_said(count=1 + count, digest=room.digest())
    # A transaction is seen whole or not at all.
    assert {fact["count"] for fact in client.heard if fact.get("count")} == {1, 1 + count}


def test_it_goes_on_after_the_server_was_killed_and_started_again(
    follow: Follow, start: Start, program: str
) -> None:
    first = start()
    with connect(first.server, "test") as writer:
        room = enter_room(writer)
        room.add("one", "two")
        client = follow(first, room, program)
        client.until_rows("one", "two")
        first.kill()
        room.remove("two")
        room.add("three")
        start(port=first.port)
        client.until_rows("one", "three")
        room.add("four")
        client.until_rows("one", "three", "four")
    # Who looks at a screen sees old rows until there are new ones, never none.
    counts = [fact["count"] for fact in client.heard if "count" in fact]
    assert 0 not in counts[counts.index(2) :]


def test_it_begins_anew_after_truncate(
    follow: Follow, electric: Electric, room: Room, program: str
) -> None:
    room.add("one", "two")
    client = follow(electric, room, program)
    client.until_rows("one", "two")
    room.writer.execute("truncate app.chat_messages")
    client.until_rows()
    room.add("after")
    client.until_rows("after")


def test_the_client_learns_the_number_of_a_transaction(
    follow: Follow, electric: Electric, room: Room
) -> None:
    client = follow(electric, room, "shape.mjs")
    client.until_rows()
    txid = room.add("mine")
    client.until_said(txid=txid)


def test_a_collection_waits_for_a_transaction(
    follow: Follow, electric: Electric, room: Room
) -> None:
    room.add("one")
    client = follow(electric, room, _COLLECTION)
    client.until_rows("one")
    txid = room.add("mine")
    client.tell("wait", txid=txid, seconds=30)
    client.until_said(awaited=txid)
    # What is written elsewhere does not come by this shape, so who waits for it is told.
    txid = room.add("elsewhere", thread_id=room.other_id)
    client.tell("wait", txid=txid, seconds=1)
    client.until_said(missed="TimeoutWaitingForTxIdError")


@_LIVE
@pytest.mark.parametrize("late_ms", [0, 400], ids=["soon", "late"])
def test_a_message_is_shown_at_once_and_stays(
    follow: Follow, electric: Electric, room: Room, *, sse: bool, late_ms: int
) -> None:
    """The row made here gives way to the synced one in one step, whichever answer comes first."""
    room.add("there")
    client = follow(electric, room, _COLLECTION, sse=sse, LATE_MS=str(late_ms))
    client.until_rows("there")
    client.tell("send", content="hello")
    (mine,) = [row for row in client.until_rows("there", "hello") if row["content"] == "hello"]
    client.until_said(persisted="hello")
    (shown,) = [row for row in _states(client)[-1] if row["content"] == "hello"]
    assert (mine["id"], shown["id"][:5]) == (mine["client_message_id"], "chat_")
    assert shown["client_message_id"] == mine["client_message_id"]
    facts = [next(iter(fact)) for fact in client.heard]
    assert facts.index("written") < facts.index("persisted")
    for states in (_contents(client), _screens(client)):
        _assert_neither_gaps_nor_doubles(states, {"there", "hello"})
    # It is a row as all others are.
    room.change("hello", to="hello again")
    client.until_rows("there", "hello again")
    room.remove("hello again")
    client.until_rows("there")


def test_a_message_arrives_also_when_all_rows_come_anew(follow: Follow, start: Start) -> None:
    """It is written while no Electric is there, so its transaction comes by no stream."""
    first = start()
    with connect(first.server, "test") as writer:
        room = enter_room(writer)
        room.add("there")
        client = follow(first, room, _COLLECTION)
        client.until_rows("there")
        first.kill()
        client.tell("send", content="hello")
        client.until(lambda fact: "written" in fact)
        start(port=first.port)
        client.until_said(persisted="hello")
    # The collection has it twice for a while, for it takes all rows even while the message waits.
    assert [row["content"] for row in _states(client)[-1]].count("hello") == 2
    _assert_neither_gaps_nor_doubles(_screens(client), {"there", "hello"})


def test_messages_of_many_come_between(follow: Follow, electric: Electric, room: Room) -> None:
    client = follow(electric, room, _COLLECTION)
    client.until_rows()
    mine = {f"mine {number}" for number in range(6)}
    others = {f"other {number}" for number in range(6)}
    for one, other in zip(mine, others, strict=True):
        client.tell("send", content=one)
        room.add(other)
    client.until_rows(*mine, *others)
    client.until(lambda _: sum("persisted" in fact for fact in client.heard) == len(mine))
    for states in (_contents(client), _screens(client)):
        _assert_neither_gaps_nor_doubles(states, mine | others)


def test_a_message_that_is_not_written_is_not_shown_any_more(
    follow: Follow, electric: Electric, room: Room
) -> None:
    room.add("there")
    client = follow(electric, room, _COLLECTION)
    client.until_rows("there")
    # The one character that Postgres can't keep.
    client.tell("send", content="a\0b")
    client.until_rows("there", "a\0b")
    client.until_rows("there")
    client.until_said(refused="22021")
    client.tell("send", content="and on")
    client.until_said(persisted="and on")
    assert sorted(row["content"] for row in _states(client)[-1]) == ["and on", "there"]


@pytest.mark.parametrize("program", ["shape.mjs", _COLLECTION])
def test_a_token_is_renewed_in_time_and_after_the_gatekeeper_was_started_again(
    electric: Electric, room: Room, settings: Settings, tmp_path: Path, program: str
) -> None:
    """A gatekeeper that starts again knows no token that it gave away."""
    lay_out_programs(settings, tmp_path)
    room.add("one")
    issuer = identify(electric, tmp_path)
    with ExitStack() as stack:
        with serving(electric, **issuer.settings(), token_ttl_s=10) as first:
            port = urlsplit(first.url).port
            way = through("token", first, room, bearer(issuer))
            environment = {"WAY": json.dumps(way), "THREAD": json.dumps(room.thread)}
            client = stack.enter_context(running(tmp_path, program, environment))
            client.until_rows("one")
            until = monotonic() + 12
            while monotonic() < until:
                room.add("more")
                client.until_said(digest=room.digest())
            assert not [fact for fact in client.heard if "failed" in fact]
        room.add("meanwhile")
        with serving(electric, **issuer.settings(), gatekeeper_port=port):
            client.until_said(digest=room.digest())
            assert {"failed": 401} in client.heard


def _states(client: Client) -> list[list[Fact]]:
    """Return the rows it has had, one state after another."""
    return [fact["rows"] for fact in client.heard if "rows" in fact]


def _contents(client: Client) -> list[list[str]]:
    return [[row["content"] for row in rows] for rows in _states(client)]


def _screens(client: Client) -> list[list[str]]:
    return [fact["screen"] for fact in client.heard if "screen" in fact]


def _assert_neither_gaps_nor_doubles(states: list[list[str]], finally_: set[str]) -> None:
    """Fail if anything was there twice at a time, or away after it had been there."""
    seen: set[str] = set()
    for contents in states:
        seen |= set(contents)
        assert sorted(seen) == sorted(contents)
    assert seen == finally_
