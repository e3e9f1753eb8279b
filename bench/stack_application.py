"""The application that web servers are compared with: a small answer, a stream, an answer held."""

import asyncio
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

STREAM_BYTES = 256 << 20
_PIECE = bytes(64 << 10)


async def _small(_: Request) -> Response:
    return Response(b"[]", media_type="application/json")


async def _stream(_: Request) -> Response:
    return StreamingResponse(_pieces())


async def _pieces() -> AsyncIterator[bytes]:
    for _ in range(STREAM_BYTES // len(_PIECE)):
        yield _PIECE


async def _held(request: Request) -> Response:
    await request.app.state.let_go.wait()
    return Response(b"[]", media_type="application/json")


async def _let_go(request: Request) -> Response:
    request.app.state.let_go.set()
    return Response(status_code=204)


application = Starlette(
    routes=[
        Route("/small", _small),
        Route("/stream", _stream),
        Route("/held", _held),
        Route("/let-go", _let_go),
    ]
)
application.state.let_go = asyncio.Event()
