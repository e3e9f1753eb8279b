"""What Electric is asked, how often, and what of its answers gets through."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from math import inf
from time import monotonic, sleep
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from gatekeeper import following
from gatekeeper.database import Database
from gatekeeper.exchanges import Head
from gatekeeper.principals import Principal
from gatekeeper.shapes import authorize
from harness.connections import Server
from tests.py.electric.electrics import Electric
from tests.py.gatekeeper.gatekeepers import Gatekeeper, running
from tests.py.gatekeeper.personas import OWNER, SHARED
from tests.py.gatekeeper.upstreams import HANDLE, SECRET, Asked, Upstream, Writer, give, upstream
from tests.py.waiting import wait_until

_SHAPE = "/v1/sessions/session-own/shapes/session_todos"
_LIVE = {"offset": "0_0", "handle": HANDLE, "live": "true"}
_BEGUN = Head(200, {"electric-handle": HANDLE}, "application/json")

Made = Callable[..., Gatekeeper]


@pytest.fixture(scope="module")
def todos(shared: Server) -> bytes:
    """Return what Electric is asked of the shape, wherever a client is in it."""

    async def ask() -> bytes:
        database = Database(shared, 1)
        async with (
            database.opened(),
            database.acting(Principal(OWNER, None, inf, "single")) as connection,
        ):
            return (await authorize(connection, "session_todos", "session-own")).query()

    return asyncio.run(ask())


@pytest.fixture
def behind() -> Iterator[Upstream]:
    """Return an Electric that does what the test says."""
    with upstream() as made:
        yield made


@pytest.fixture
def start(behind: Upstream, shared: Server, todos: bytes) -> Iterator[Made]:
    """Return a way to start gatekeepers in front of it, in single-tenant mode.

    They know HANDLE, as if a client had begun with the shape already.
    """
    with ExitStack() as stack:

        def run(**settings: Any) -> Gatekeeper:  # noqa: ANN401 - any setting
            made = stack.enter_context(running(Electric(behind.url, SECRET, shared), **settings))
            made.web.parts.upstream.handles.learn(todos, _BEGUN)
            return made

        yield run


@pytest.fixture
def ask(start: Made) -> Iterator[httpx.Client]:
    """Return a client of one with the usual settings."""
    with start().client() as client:
        yield client


@contextmanager
def together(gatekeeper: str, query: dict[str, str], count: int) -> Iterator[list[httpx.Response]]:
    """Have many clients ask the same at a time. Gives the list that their answers come into."""
    answers: list[httpx.Response] = []

    def one() -> None:
        with httpx.Client(base_url=gatekeeper, timeout=40, trust_env=False) as client:
            answers.append(client.get(_SHAPE, params=query))

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    yield answers
    for thread in threads:
        thread.join(40)


class Hold:
    """An answer that waits until it is let go."""

    def __init__(self) -> None:
        self._go = asyncio.Event()

    async def __call__(self, _: Asked, writer: Writer) -> None:
        """Wait, then answer."""
        await self._go.wait()
        await give(writer, b'["news"]', cache_control="public, max-age=5", electric_cursor="7")

    def let_go(self, behind: Upstream) -> None:
        """Let it answer."""
        assert behind.loop
        behind.loop.call_soon_threadsafe(self._go.set)


def held(gatekeeper: Gatekeeper) -> float:
    """Return how many polls are held."""
    value = gatekeeper.web.parts.metrics.registry.get_sample_value(
        "gatekeeper_held", {"kind": "poll"}
    )
    return value or 0


def test_electric_is_asked_what_postgres_said_and_nothing_of_the_client(
    ask: httpx.Client, behind: Upstream
) -> None:
    headers = {
        "cookie": "a=b",
        "origin": "https://evil.example",
        "x-forwarded-for": "1.2.3.4",
        "traceparent": "00-1-2-3",
        "x-request-id": "x" * 30,
        "if-none-match": '"other"',
        "accept-encoding": "gzip",
    }
    query = {
        "offset": "0_0",
        "handle": HANDLE,
        "cursor": "12",
        "cache-buster": "1763891000000-abc",
        "expired_handle": "1-1763891000000000",
        "log": "full",
    }
    assert ask.get(_SHAPE, params=query, headers=headers).status_code == 200
    (asked,) = behind.asked
    path, _, sent = asked.target.partition("?")
    assert (asked.method, path) == ("GET", "/v1/shape")
    pairs = dict(parse_qsl(sent, keep_blank_values=True))
    assert len(pairs) == len(sent.split("&"))
    columns = pairs.pop("columns")
    assert columns.startswith('"account_id","id","session_id","body"')
    assert pairs == {
        "table": "app.todos",
        "where": "(session_id = $2 and account_id = $1)",
        "params[1]": str(OWNER),
        "params[2]": "session-own",
        "queryable_columns": columns,
        "replica": "default",
        "log": "full",
        "offset": "0_0",
        "handle": HANDLE,
        "secret": SECRET,
    }
    assert sent.endswith(f"&secret={SECRET}")
    assert asked.headers == {
        "host": urlsplit(behind.url).netloc,
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": "sessionbase",
    }


def test_an_id_with_signs_of_a_query_in_it_is_one_parameter(
    ask: httpx.Client, behind: Upstream
) -> None:
    path = f"/v1/sessions/{httpx.QueryParams({'x': SHARED})}".replace("x=", "").replace("+", "%20")
    assert ask.get(f"{path}/shapes/session_todos?offset=-1").status_code == 200
    pairs = parse_qsl(behind.asked[0].target.partition("?")[2], strict_parsing=True)
    assert [value for name, value in pairs if name == "params[2]"] == [SHARED]


def test_many_clients_ask_once(start: Made, behind: Upstream) -> None:
    gatekeeper, hold = start(), Hold()
    behind.answer = hold
    with together(gatekeeper.url, _LIVE, 25) as answers:
        wait_until(lambda: held(gatekeeper) == 25)
        hold.let_go(behind)
    assert len(behind.asked) == 1
    assert [answer.content for answer in answers] == [b'["news"]'] * 25
    assert {answer.headers["electric-cursor"] for answer in answers} == {"7"}
    wait_until(lambda: held(gatekeeper) == 0)


def test_the_last_who_leaves_ends_the_request(start: Made, behind: Upstream) -> None:
    gatekeeper = start()
    behind.answer = Hold()
    for times in range(1, 3):
        with gatekeeper.asked(_SHAPE, _LIVE):
            wait_until(lambda times=times: len(behind.asked) == times)  # type: ignore[misc]
            assert behind.left == times - 1
        wait_until(lambda times=times: behind.left == times)  # type: ignore[misc]
    behind.answer = hold = Hold()
    with together(gatekeeper.url, _LIVE, 1):
        wait_until(lambda: held(gatekeeper) == 1)
        with gatekeeper.asked(_SHAPE, _LIVE):
            wait_until(lambda: held(gatekeeper) == 2)
        wait_until(lambda: held(gatekeeper) == 1)
        assert behind.left == 2
        hold.let_go(behind)
    assert behind.left == 2
    assert len(behind.asked) == 3


def test_a_beginning_is_asked_for_once_and_then_kept(ask: httpx.Client, behind: Upstream) -> None:
    for _ in range(3):
        assert ask.get(_SHAPE, params={"offset": "-1"}).content == b"[]"
    assert len(behind.asked) == 1
    ask.get("/v1/sessions/session-own/shapes/session_threads", params={"offset": "-1"})
    assert len(behind.asked) == 2


def test_what_a_client_knows_to_be_over_is_asked_for_anew(
    ask: httpx.Client, behind: Upstream
) -> None:
    first = {"offset": "-1"}
    ask.get(_SHAPE, params=first)
    ask.get(_SHAPE, params=first | {"expired_handle": "9-1763891000000000"})
    assert len(behind.asked) == 1
    ask.get(_SHAPE, params=first | {"expired_handle": HANDLE})
    assert len(behind.asked) == 2
    ask.get(_SHAPE, params=first | {"cache-buster": "1763891000000-abc"})
    assert len(behind.asked) == 3

    async def over(_: Asked, writer: Writer) -> None:
        await give(writer, b"[1]", "409 Conflict", electric_handle="1-1763891000000000")

    behind.answer = over
    answer = ask.get(_SHAPE, params=_LIVE)
    assert (answer.status_code, answer.headers["electric-handle"]) == (409, "1-1763891000000000")
    assert answer.json() == [{"headers": {"control": "must-refetch"}}]
    assert ask.get(_SHAPE, params=first).status_code == 409
    assert len(behind.asked) == 5


@pytest.mark.parametrize(
    "headers",
    [
        {"cache_control": "no-store"},
        {"cache_control": "public, max-age=0"},
        {"cache_control": None},
        {"electric_up_to_date": "", "offset": "0_0"},
    ],
)
def test_what_may_change_is_not_kept(
    ask: httpx.Client, behind: Upstream, headers: dict[str, Any]
) -> None:
    query = {"offset": headers.pop("offset", "-1"), "handle": HANDLE}

    async def answer(_: Asked, writer: Writer) -> None:
        await give(writer, b"[]", **headers)

    behind.answer = answer
    for _ in range(2):
        assert ask.get(_SHAPE, params=query).status_code == 200
    assert len(behind.asked) == 2


def test_the_cache_has_a_bound(start: Made, behind: Upstream) -> None:
    async def large(_: Asked, writer: Writer) -> None:
        await give(writer, b'["' + b"x" * 60_000 + b'"]')

    behind.answer = large
    gatekeeper = start(cache_bytes=200_000)
    with gatekeeper.client() as client:
        for place in (*range(6), 5, 4, 3, 0):
            query = {"offset": f"{place}_0", "handle": HANDLE}
            assert len(client.get(_SHAPE, params=query).content) == 60_004
    assert len(behind.asked) == 7
    parts = gatekeeper.web.parts
    kept = parts.metrics.registry.get_sample_value("gatekeeper_cache_bytes")
    assert kept
    assert 180_000 < kept <= 200_000


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [
        ("301 Moved", {"location": "/v1/health"}, (503, "unavailable", "1")),
        ("400 Bad Request", {}, (400, "bad_request", None)),
        ("401 Unauthorized", {}, (503, "unavailable", "1")),
        ("404 Not Found", {}, (503, "unavailable", "1")),
        ("500 Internal Server Error", {}, (503, "unavailable", "1")),
        ("503 Service Unavailable", {"retry_after": "7"}, (503, "unavailable", "7")),
        ("503 Service Unavailable", {"retry_after": "99999"}, (503, "unavailable", "1")),
        ("200 OK", {"electric_handle": None}, (503, "unavailable", "1")),
        ("200 OK", {"electric_offset": None}, (503, "unavailable", "1")),
        ("200 OK", {"content_type": "text/html"}, (503, "unavailable", "1")),
        ("200 OK", {"content_encoding": "gzip"}, (503, "unavailable", "1")),
    ],
)
def test_nothing_of_electrics_errors_gets_through(
    ask: httpx.Client,
    behind: Upstream,
    status: str,
    headers: dict[str, Any],
    told: tuple[int, str, str | None],
) -> None:
    async def answer(_: Asked, writer: Writer) -> None:
        await give(writer, b'{"message": "column \\"secret_column\\""}', status, **headers)

    behind.answer = answer
    seen = ask.get(_SHAPE, params={"offset": "-1"})
    assert (
        seen.status_code,
        seen.json()["error"]["code"],
        seen.headers.get("retry-after"),
    ) == told
    assert "secret" not in seen.text
    assert seen.headers["cache-control"] == "no-store"
    assert len(behind.asked) == 1


def test_only_electrics_own_headers_get_through(ask: httpx.Client, behind: Upstream) -> None:
    async def answer(_: Asked, writer: Writer) -> None:
        await give(writer, b"[]", electric_up_to_date="", electric_internal_known_error="x")

    behind.answer = answer
    headers = ask.get(_SHAPE, params={"offset": "-1"}).headers
    assert headers["electric-up-to-date"] == ""
    assert not {
        "set-cookie",
        "electric-server",
        "electric-internal-known-error",
        "access-control-allow-origin",
    } & set(headers)


def test_nobody_is_told_the_secret_when_electric_is_gone(
    start: Made, behind: Upstream, capfd: pytest.CaptureFixture[str]
) -> None:
    gatekeeper = start()

    async def nonsense(_: Asked, writer: Writer) -> None:
        # Of what aiohttp then raises, the text has the address in it.
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: nonsense\r\n\r\n")
        await writer.drain()

    behind.answer = nonsense
    with gatekeeper.client() as client:
        answer = client.get(_SHAPE, params={"offset": "-1"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    printed = "".join(capfd.readouterr())
    assert "electric_failed" in printed
    assert SECRET not in printed + answer.text
    assert "session-own" not in printed


def test_an_answer_that_breaks_off_is_not_taken_for_whole(
    ask: httpx.Client, behind: Upstream
) -> None:
    async def half(_: Asked, writer: Writer) -> None:
        await give(writer, b'[{"half":', content_length="1000")
        await asyncio.sleep(0.3)
        writer.transport.abort()

    behind.answer = half
    with pytest.raises(httpx.RemoteProtocolError):
        ask.get(_SHAPE, params={"offset": "-1"})


def test_who_leaves_in_the_middle_of_an_answer_ends_the_request(
    start: Made, behind: Upstream
) -> None:
    async def endless(_: Asked, writer: Writer) -> None:
        await give(writer, b"[", content_length="1000")
        await asyncio.Event().wait()

    behind.answer = endless
    with start().client() as client:
        with client.stream("GET", _SHAPE, params={"offset": "-1"}) as opened:
            pieces = opened.iter_raw(1)
            assert next(pieces) == b"["
            assert behind.left == 0
        wait_until(lambda: behind.left == 1)


def test_an_answer_that_is_too_large_is_cut_off(start: Made, behind: Upstream) -> None:
    async def large(_: Asked, writer: Writer) -> None:
        await give(writer, b"x" * 300_000)

    behind.answer = large
    with start(chunk_bytes=100_000).client() as client, pytest.raises(httpx.RemoteProtocolError):
        client.get(_SHAPE, params={"offset": "-1"})


def test_a_slow_client_slows_no_other(start: Made, behind: Upstream) -> None:
    body = b'["' + b"x" * 20_000_000 + b'"]'

    async def large(_: Asked, writer: Writer) -> None:
        await give(writer, body)

    behind.answer = large
    gatekeeper = start(cache_bytes=0)
    with gatekeeper.client() as slow, gatekeeper.client() as fast:
        with slow.stream("GET", _SHAPE, params={"offset": "-1"}) as opened:
            pieces = opened.iter_raw(1000)
            next(pieces)
            assert fast.get(_SHAPE, params={"offset": "-1"}).content == body
            assert sum(map(len, pieces)) == len(body) - 1000
        registry = gatekeeper.web.parts.metrics.registry
        wait_until(lambda: registry.get_sample_value("gatekeeper_buffer_bytes") == 0)


def test_a_client_that_takes_nothing_is_cut_off(
    start: Made, behind: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def large(_: Asked, writer: Writer) -> None:
        # In one piece, and more than sockets take by themselves.
        await give(writer, b"x" * 30_000_000)

    monkeypatch.setattr(following, "_SEND_SECONDS", 0.3)
    behind.answer = large
    gatekeeper = start(cache_bytes=0)
    registry = gatekeeper.web.parts.metrics.registry

    def held_bytes() -> float | None:
        return registry.get_sample_value("gatekeeper_buffer_bytes")

    with (
        gatekeeper.client() as client,
        client.stream("GET", _SHAPE, params={"offset": "-1"}) as opened,
    ):
        pieces = opened.iter_raw(1000)
        next(pieces)
        wait_until(lambda: held_bytes() == 0)
        with pytest.raises(httpx.RemoteProtocolError):
            list(pieces)


@pytest.mark.parametrize("tells_length", [True, False])
def test_an_answer_that_still_comes_has_the_length_that_electric_tells(
    ask: httpx.Client, behind: Upstream, *, tells_length: bool
) -> None:
    async def in_two(_: Asked, writer: Writer) -> None:
        length = "4" if tells_length else None
        await give(writer, b"[1", content_length=length)
        await asyncio.sleep(0.3)
        writer.write(b"2]")
        writer.close()

    behind.answer = in_two
    answer = ask.get(_SHAPE, params={"offset": "-1"})
    assert answer.text == "[12]"
    assert answer.headers.get("content-length") == ("4" if tells_length else None)


def test_too_much_under_way_begins_nothing_new(start: Made, behind: Upstream) -> None:
    async def large(_: Asked, writer: Writer) -> None:
        # More than sockets take by themselves.
        await give(writer, b"x" * 30_000_000)

    behind.answer = large
    gatekeeper = start(cache_bytes=0, buffer_bytes=4_000_000)
    with gatekeeper.client() as slow, gatekeeper.client() as other:
        with slow.stream("GET", _SHAPE, params={"offset": "-1"}) as opened:
            # Kept, for httpx closes the connection with it.
            pieces = opened.iter_raw(1000)
            next(pieces)
            registry = gatekeeper.web.parts.metrics.registry
            wait_until(
                lambda: (registry.get_sample_value("gatekeeper_buffer_bytes") or 0) > 4_000_000
            )
            path = "/v1/sessions/session-own/shapes/session_threads"
            assert other.get(path, params={"offset": "-1"}).status_code == 503
        wait_until(lambda: registry.get_sample_value("gatekeeper_buffer_bytes") == 0)
        assert other.get(path, params={"offset": "-1"}).status_code == 200


def test_a_held_poll_ends_with_what_allowed_it(start: Made, behind: Upstream) -> None:
    behind.answer = Hold()
    gatekeeper = start(token_ttl_s=10)
    tokens = gatekeeper.web.parts.tokens
    tokens._ttl_s = 1  # noqa: SLF001 - less than may be set, for a test has no time
    with gatekeeper.client() as client:
        order = {"shape": "session_todos", "session_id": "session-own"}
        token = client.post("/v1/shape-tokens", json=order).json()["token"]
        headers = {"authorization": f"Bearer {token}"}
        answer = client.get("/v1/shape", params=_LIVE, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "token_expired")
    wait_until(lambda: behind.left == 1)


def test_an_event_stream_is_ones_own_and_ends_with_what_allowed_it(
    start: Made, behind: Upstream
) -> None:
    async def events(_: Asked, writer: Writer) -> None:
        await give(writer, b"", content_type="text/event-stream", content_length=None)
        while True:
            writer.write(b"data: {}\n\n")
            await writer.drain()
            await asyncio.sleep(0.1)

    behind.answer = events
    gatekeeper = start()
    gatekeeper.web.parts.tokens._ttl_s = 2  # noqa: SLF001 - as above
    query = _LIVE | {"live_sse": "true"}
    with gatekeeper.client() as one, gatekeeper.client() as two:
        with (
            one.stream("GET", _SHAPE, params=query) as first,
            two.stream("GET", _SHAPE, params=query) as second,
        ):
            assert first.headers["x-accel-buffering"] == "no"
            assert "content-length" not in first.headers
            of_second = second.iter_lines()
            assert [next(of_second) for _ in range(3)] == [": open", "", "data: {}"]
            lines = list(first.iter_lines())
        assert 10 < len(lines) < 80
    assert len(behind.asked) == 2
    assert all(asked.headers["accept"] == "text/event-stream" for asked in behind.asked)
    wait_until(lambda: behind.left == 2)


def test_an_event_stream_without_events_ends_with_what_allowed_it(
    start: Made, behind: Upstream
) -> None:
    async def silent(_: Asked, writer: Writer) -> None:
        await give(writer, b"", content_type="text/event-stream", content_length=None)
        await asyncio.Event().wait()

    behind.answer = silent
    gatekeeper = start()
    gatekeeper.web.parts.tokens._ttl_s = 1  # noqa: SLF001 - as above
    since = monotonic()
    with (
        gatekeeper.client() as client,
        client.stream("GET", _SHAPE, params=_LIVE | {"live_sse": "true"}) as answer,
    ):
        assert list(answer.iter_lines()) == [": open", ""]
    assert 0.5 < monotonic() - since < 5
    wait_until(lambda: behind.left == 1)


def test_limits_are_an_accounts(start: Made, behind: Upstream) -> None:
    gatekeeper, hold = start(streams_per_account=2), Hold()
    behind.answer = hold
    with together(gatekeeper.url, _LIVE, 2):
        wait_until(lambda: held(gatekeeper) == 2)
        with gatekeeper.client() as third:
            refused = third.get(_SHAPE, params=_LIVE)
        hold.let_go(behind)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_requests")
    assert refused.headers["retry-after"] == "1"
    with gatekeeper.client() as client:
        assert client.get(_SHAPE, params=_LIVE).status_code == 200


@pytest.mark.parametrize("limit", ["shapes_per_minute", "requests_per_second"])
def test_who_asks_too_often_must_wait(start: Made, limit: str) -> None:
    gatekeeper = start(**{limit: 1})
    burst = 10 if limit == "requests_per_second" else 1
    begun, seen = monotonic(), list[httpx.Response]()
    with gatekeeper.client() as client:
        while not seen or seen[-1].is_success:
            seen.append(client.get(_SHAPE, params={"offset": "-1"}))
    # While it asks, a second may pass, and one more is let in for each.
    most = burst + int(monotonic() - begun)
    assert [answer.status_code for answer in seen[:burst]] == [200] * burst
    assert len(seen) - 1 <= most
    assert seen[-1].status_code == 429
    assert 1 <= int(seen[-1].headers["retry-after"]) <= 60


def test_a_name_that_was_made_to_point_here_is_refused(ask: httpx.Client) -> None:
    for host in ("evil.example", "evil.example:3100", "", "127.0.0.1.evil.example"):
        answer = ask.get(_SHAPE, params={"offset": "-1"}, headers={"host": host})
        assert answer.status_code in {400, 403}, host
    assert ask.get(_SHAPE, params={"offset": "-1"}, headers={"host": "localhost"}).is_success


def test_it_is_not_ready_without_electric(start: Made, behind: Upstream) -> None:
    gatekeeper = start()
    with gatekeeper.client() as client:
        assert client.get("/ready").status_code == 200
        gatekeeper.web.parts.electric._base = "http://127.0.0.1:9"  # noqa: SLF001 - as if it ended
        assert client.get("/ready").status_code == 503
        assert client.get("/health").status_code == 200
    assert not behind.asked


def test_an_ending_gatekeeper_lets_go_of_who_waits(start: Made, behind: Upstream) -> None:
    gatekeeper = start(drain_s=0.5, drain_lead_s=0.5)
    behind.answer = Hold()
    with together(gatekeeper.url, _LIVE, 3) as answers, gatekeeper.client() as client:
        wait_until(lambda: held(gatekeeper) == 3)
        client.get("/health")
        gatekeeper.web.end()
        sleep(0.2)
        assert client.get("/ready").status_code == 503
    assert [(answer.status_code, answer.headers["retry-after"]) for answer in answers] == [
        (503, "1")
    ] * 3
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{gatekeeper.url}/health", trust_env=False)
