"""Long polls and server-sent events: when they answer, when not, and when they end."""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest

from harness.connections import Connection, connect
from tests.py.electric.conftest import Start
from tests.py.electric.electrics import Electric

_INSERT = "insert into rec.messages (account_id, id, session_id, role) values ('a1', %s, 's1', 'u')"
_QUIET_S = 0.7
_SOON_S = 5


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as made:
        yield made


@pytest.fixture
def live(electric: Electric, ask: httpx.Client, table: Connection) -> dict[str, str]:  # noqa: ARG001 - it has to be there
    """Return what to ask for what is new in the shape of the whole table."""
    return live_query(electric, ask)


def live_query(electric: Electric, ask: httpx.Client, **definition: str) -> dict[str, str]:
    """Fetch a shape to its end; return what to ask for what is new in it."""
    query = definition | {
        "table": "rec.messages",
        "secret": electric.secret,
        "offset": "-1",
    }
    headers = ask.get("/v1/shape", params=query).headers
    found = {"handle": headers["electric-handle"], "offset": headers["electric-offset"]}
    headers = ask.get("/v1/shape", params=query | found).headers
    return query | found | {"offset": headers["electric-offset"], "live": "true"}


def test_a_poll_answers_at_commit_and_not_before(
    ask: httpx.Client, electric: Electric, live: dict[str, str], pool: ThreadPoolExecutor
) -> None:
    with connect(electric.server, "test") as writer:
        with writer.transaction():
            writer.execute(_INSERT, ["p1"])
            waiting = pool.submit(ask.get, "/v1/shape", params=live)
            _assert_waits(waiting)
        answer = waiting.result(_SOON_S)
    assert answer.json()[0]["key"].endswith('/"p1"')


def test_a_poll_does_not_answer_to_what_is_rolled_back_or_of_others(
    ask: httpx.Client, electric: Electric, table: Connection, pool: ThreadPoolExecutor
) -> None:
    query = live_query(electric, ask, where="session_id = 's9'")
    waiting = pool.submit(ask.get, "/v1/shape", params=query)
    with table.transaction(force_rollback=True):
        table.execute(_INSERT, ["p2"])
    table.execute(_INSERT, ["p3"])
    _assert_waits(waiting)
    table.execute("update rec.messages set session_id = 's9' where id = 'p3'")
    keys = [message.get("key") for message in waiting.result(_SOON_S).json()]
    assert keys == ['"rec"."messages"/"a1"/"p3"', None]


def test_a_poll_ends_when_a_change_shows_that_the_table_was_altered(
    ask: httpx.Client, live: dict[str, str], pool: ThreadPoolExecutor, table: Connection
) -> None:
    waiting = pool.submit(ask.get, "/v1/shape", params=live)
    _assert_waits(waiting)
    table.execute("alter table rec.messages add column note text")
    _assert_waits(waiting)
    table.execute(_INSERT, ["p5"])
    assert waiting.result(_SOON_S).status_code == httpx.codes.CONFLICT


def test_many_wait_for_one_commit(
    ask: httpx.Client, live: dict[str, str], pool: ThreadPoolExecutor, table: Connection
) -> None:
    waiting = [pool.submit(ask.get, "/v1/shape", params=live) for _ in range(4)]
    _assert_waits(waiting[0])
    table.execute(_INSERT, ["p4"])
    bodies = {one.result(_SOON_S).text for one in waiting}
    assert len(bodies) == 1
    assert "p4" in bodies.pop()


def test_small_answers_are_sent_at_once(ask: httpx.Client, live: dict[str, str]) -> None:
    """Held back until the client's system confirms what came before, each would take 40 ms."""
    query = {name: value for name, value in live.items() if name != "live"}
    seconds = [ask.get("/v1/shape", params=query).elapsed.total_seconds() for _ in range(21)]
    assert statistics.median(seconds) < 0.03


def test_events_come_one_transaction_after_another_with_signs_of_life_between(
    start: Start, make_table: Callable[[Connection], None]
) -> None:
    electric = start(1, 0.4, 2.5)
    with connect(electric.server, "test") as writer, electric.client() as ask:
        make_table(writer)
        query = live_query(electric, ask) | {"live_sse": "true"}
        lines: list[str] = []
        began = time.monotonic()
        with ask.stream("GET", "/v1/shape", params=query) as response:
            for line in response.iter_lines():
                if line.startswith(": keep-alive") and not any("e1" in one for one in lines):
                    with writer.transaction():
                        writer.execute(_INSERT, ["e1"])
                        writer.execute(_INSERT, ["e2"])
                lines.append(line)
        seconds = time.monotonic() - began
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data")]
    assert [event["headers"].get("operation") for event in events] == ["insert", "insert", None]
    assert events[2]["headers"]["control"] == "up-to-date"
    kinds = [line.split(":")[0] for line in lines if line]
    assert kinds[0] == kinds[-1] == ""
    assert 2.4 < seconds < 4


def test_rotation_ends_events_and_the_409_comes_on_reconnecting(
    ask: httpx.Client, live: dict[str, str], table: Connection
) -> None:
    with ask.stream("GET", "/v1/shape", params=live | {"live_sse": "true"}) as response:
        table.execute("truncate rec.messages")
        assert [line for line in response.iter_lines() if line] == []
    assert ask.get("/v1/shape", params=live).status_code == httpx.codes.CONFLICT


def test_an_offset_that_is_not_there_is_held_and_refused(
    start: Start, make_table: Callable[[Connection], None]
) -> None:
    electric = start(1, 1, 1)
    with connect(electric.server, "test") as writer, electric.client() as ask:
        make_table(writer)
        query = live_query(electric, ask) | {"offset": "99999999999999_0"}
        began = time.monotonic()
        answer = ask.get("/v1/shape", params=query)
    assert time.monotonic() - began >= 0.5
    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert answer.json()["errors"] == {"offset": ["out of bounds for this shape"]}


def _assert_waits(waiting: Future[httpx.Response]) -> None:
    """Fail if there is an answer. That there is none yet can only be seen by waiting a while."""
    time.sleep(_QUIET_S)
    assert not waiting.done()
