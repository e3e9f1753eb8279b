"""What nginx makes of requests and answers: headers, bodies, sizes, logs."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tests.py.proxy.nginxes import HOST, UPLOAD_LIMIT, Proxy
from tests.py.proxy.witnesses import Witness
from tests.py.waiting import wait_until

_FORGED = {
    "forwarded": "for=192.0.2.9;proto=http;host=evil.example",
    "x-forwarded-for": "192.0.2.9",
    "x-forwarded-host": "evil.example",
    "x-forwarded-port": "81",
    "x-forwarded-prefix": "/evil",
    "x-forwarded-proto": "http",
    "x-forwarded-server": "evil.example",
    "x-original-url": "/ready",
    "x-real-ip": "192.0.2.9",
    "x-request-id": "chosen",
    "x-rewrite-url": "/ready",
}
_PIECE = b"x" * 65_536
_SECRETS = {
    "authorization": "Bearer in-the-header-authorization",
    "cookie": "__Host-sessionbase=in-the-cookie",
    "referer": "https://chat.example/?in-the-referer",
    "user-agent": "in-the-user-agent",
}


def test_forged_headers_of_proxies_are_not_believed(ask: httpx.Client, witness: Witness) -> None:
    ask.get("/v1/sessions", headers=_FORGED)
    (seen,) = witness.seen
    told = {name: seen.of(name) for name in _FORGED if seen.of(name)}
    assert told == {
        "x-forwarded-for": ["127.0.0.1"],
        "x-forwarded-host": [HOST],
        "x-forwarded-proto": ["https"],
    }
    assert seen.of("host") == [HOST]


def test_what_the_gatekeeper_goes_by_is_passed_on(ask: httpx.Client, witness: Witness) -> None:
    sent = {
        "authorization": "Bearer a.b.c",
        "cookie": "__Host-sessionbase=secret",
        "if-none-match": '"etag"',
        "origin": "https://chat.example",
        "range": "bytes=0-1",
        "sec-fetch-site": "same-origin",
    }
    ask.get("/api/uploads/u", headers=sent)
    (seen,) = witness.seen
    assert {name: seen.of(name) for name in sent} == {name: [sent[name]] for name in sent}


def test_headers_of_answers_reach_the_client(ask: httpx.Client, witness: Witness) -> None:
    sent = {
        "cache-control": "private, no-cache",
        "electric-cursor": "17",
        "electric-handle": "1-2",
        "electric-offset": "0_inf",
        # Every column of a wide table; nginx's own buffer for headers has 4 or 8 KB.
        "electric-schema": "s" * 40_000,
        # Empty, and there.
        "electric-up-to-date": "",
        "etag": '"etag"',
        "x-request-id": "0123456789abcdef",
    }

    async def answer(_: Request) -> Response:
        return JSONResponse([], headers=sent)

    witness.answer = answer
    got = ask.get("/v1/shape").headers
    assert {name: got.get_list(name) for name in sent} == {name: [sent[name]] for name in sent}


def test_what_the_gatekeeper_says_nothing_of_is_not_kept(ask: httpx.Client) -> None:
    assert ask.get("/v1/sessions").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("http2", [True, False], ids=["HTTP/2", "HTTP/1.1"])
def test_an_event_reaches_the_client_while_the_next_is_not_there(
    proxy: Proxy, witness: Witness, http2: bool
) -> None:
    witness.answer = _Events().answer
    with (
        proxy.client(http2=http2) as client,
        client.stream("GET", "/v1/shape?live_sse=true") as response,
    ):
        pieces = response.iter_raw()
        arrived = [(next(pieces), time.monotonic()) for _ in range(3)]
    assert [piece for piece, _ in arrived] == [b"data: 0\n\n", b"data: 1\n\n", b"data: 2\n\n"]
    assert all(one - two > 0.1 for (_, two), (_, one) in pairwise(arrived))


def test_an_upload_is_handed_on_while_it_comes(ask: httpx.Client, witness: Witness) -> None:
    first, last = threading.Event(), threading.Event()

    async def answer(request: Request) -> Response:
        size = 0
        async for piece in request.stream():
            size += len(piece)
            first.set()
        return JSONResponse({"size": size})

    def body() -> Iterator[bytes]:
        yield _PIECE
        # Nothing more before the gatekeeper has some.
        assert first.wait(10), "the upload is kept back"
        for _ in range(40):
            yield _PIECE
        last.set()

    witness.answer = answer
    assert ask.post("/api/uploads", content=body()).json() == {"size": 41 * len(_PIECE)}
    assert last.is_set()


@pytest.mark.parametrize(
    ("path", "limit"), [("/api/uploads", UPLOAD_LIMIT), ("/rpc/f", 1 << 20)], ids=["upload", "call"]
)
@pytest.mark.parametrize("is_announced", [True, False], ids=["announced", "streamed"])
def test_a_body_over_the_limit_is_too_large(
    proxy: Proxy, witness: Witness, path: str, limit: int, is_announced: bool
) -> None:
    async def answer(request: Request) -> Response:
        return JSONResponse({"size": len(await request.body())})

    witness.answer = answer

    def post(size: int) -> httpx.Response:
        body = b"x" * size
        pieces = (body[at : at + len(_PIECE)] for at in range(0, size, len(_PIECE)))
        # With HTTP/2 this client goes on to send, and does not see that it was answered.
        with proxy.client(http2=False) as client:
            return client.post(path, content=body if is_announced else pieces)

    assert post(limit).json() == {"size": limit}
    refused = post(limit + 1)
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too_large")


def test_an_address_of_8_kb_reaches_the_gatekeeper(proxy: Proxy, witness: Witness) -> None:
    query = "a" * 8192
    # HTTP/2 would send it compressed.
    with proxy.client(http2=False) as client:
        assert client.get(f"/v1/shape?{query}").status_code == 200
    assert witness.seen[0].target == f"/v1/shape?{query}"


def test_a_request_that_no_buffer_holds_is_refused_in_the_same_words(
    proxy: Proxy, witness: Witness
) -> None:
    with proxy.client(http2=False) as client:
        long_line = client.get(f"/v1/shape?{'a' * 20_000}")
        long_header = client.get("/v1/shape", headers={"x-long": "a" * 20_000})
    assert (long_line.status_code, long_line.json()["error"]["code"]) == (414, "uri_too_long")
    assert (long_header.status_code, long_header.json()["error"]["code"]) == (400, "bad_request")
    assert witness.seen == []


def test_a_gatekeeper_that_is_away_is_503_and_when_to_come_again(
    ask: httpx.Client, proxy: Proxy, witness: Witness
) -> None:
    conf = proxy.folder / "conf.d" / "sessionbase.conf"
    assert witness.address in conf.read_text()
    witness.close()
    answer = ask.get("/v1/shape?offset=-1")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"]["code"] == "unavailable"
    assert answer.headers["cache-control"] == "no-store"


def test_a_503_of_the_gatekeeper_says_itself_when(ask: httpx.Client, witness: Witness) -> None:
    async def answer(_: Request) -> Response:
        return JSONResponse({"mine": True}, 503, {"retry-after": "7"})

    witness.answer = answer
    got = ask.get("/v1/shape")
    assert (got.json(), got.headers.get_list("retry-after")) == ({"mine": True}, ["7"])


def test_the_log_says_what_was_asked_and_no_secret(
    ask: httpx.Client, proxy: Proxy, witness: Witness
) -> None:
    ask.get("/v1/sessions/s-1/shapes/todos?in=the-query", headers=_SECRETS)
    with proxy.client(http2=False) as client:
        client.post("/rpc/f?in=the-query", headers=_SECRETS, content=b"in-the-body" * 200_000)
    ask.get("/nowhere?in=the-query", headers=_SECRETS)
    witness.close()
    ask.get("/v1/shape?in=the-query", headers=_SECRETS)
    wait_until(lambda: len(proxy.log_lines()) == 4)
    told = {(line["method"], line["path"], line["status"]) for line in proxy.log_lines()}
    assert told == {
        ("GET", "/v1/sessions/s-1/shapes/todos", "200"),
        ("POST", "/rpc/f", "413"),
        ("GET", "/nowhere", "404"),
        ("GET", "/v1/shape", "503"),
    }
    for secret in ("in-the-", "the-query", "Bearer", "__Host"):
        assert secret not in proxy.logged()


class _Events:
    """A stream of three events, a moment apart, that then stays open."""

    async def answer(self, _: Request) -> Response:
        """Answer."""
        return StreamingResponse(self._pieces(), media_type="text/event-stream")

    async def _pieces(self) -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"data: %d\n\n" % number
            await asyncio.sleep(0.3)
        await asyncio.sleep(3600)
