"""Electric's HTTP: routes, headers, long polls and server-sent events."""

import asyncio
import hmac
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
import psycopg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from harness.embedded.electric.asking import (
    BEFORE_ALL,
    Asked,
    InvalidRequestError,
    Offset,
    read_request,
    write_offset,
)
from harness.embedded.electric.changes import snapshot_message
from harness.embedded.electric.conditions import check_condition
from harness.embedded.electric.reading import Reader, begin_snapshot, read_rows
from harness.embedded.electric.shapes import SNAPSHOT_END, Shape, Shapes
from harness.embedded.electric.tables import Definition, define

VERSION = "1.7.12"
"""The version of Electric whose recordings the stand-in is held to."""

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_JSON = "application/json; charset=utf-8"
_UNCACHED = {"cache-control": "no-store", "surrogate-control": "no-store"}
_PRIVATE = {"cache-control": "max-age=0, private, must-revalidate"}
_FIRST_CACHE = "public, max-age=604800, s-maxage=3600, stale-while-revalidate=2629746"
_LOG_CACHE = "public, max-age=60, stale-while-revalidate=300"
_LIVE_CACHE = "public, max-age=5, stale-while-revalidate=5"
_MUST_REFETCH = b'[{"headers":{"control":"must-refetch"}}]'
_CURSOR_EPOCH = 1_728_432_000
"""2024-10-09, from which cursors count seconds."""


@dataclass(frozen=True)
class Timings:
    """How long things take, in seconds: as in Electric, unless a test is in a hurry."""

    long_poll: float = 20
    keep_alive: float = 21
    sse: float = 60


class UnavailableError(Exception):
    """A request that Electric answers with 503."""


@dataclass
class StandIn:
    """What the routes work with. is_active: whether the stream flows."""

    reader: Reader
    shapes: Shapes
    secret: str | None
    timings: Timings
    is_active: bool = False

    def application(self) -> Starlette:
        """Return the application to serve."""
        return Starlette(routes=[Route("/{path:path}", self._answer, methods=_METHODS)])

    async def _answer(self, request: Request) -> Response:
        response = await self._route(request)
        headers = response.headers
        if self.secret:
            # Without one, a page of anybody's could read what is here through its reader's browser.
            headers["access-control-allow-origin"] = request.headers.get("origin", "*")
            headers["access-control-allow-methods"] = "GET, POST, HEAD, DELETE, OPTIONS"
            headers["access-control-expose-headers"] = "*"
        headers["electric-server"] = f"ElectricSQL/{VERSION} (sessionbase's stand-in)"
        headers["x-request-id"] = secrets.token_hex(10)
        if response.status_code != HTTPStatus.NO_CONTENT:
            headers["vary"] = "accept-encoding"
        return response

    async def _route(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        match method, request.url.path:
            case "GET", "/":
                return Response(b"")
            case "GET", "/v1/health":
                return self._health()
            case "OPTIONS", "/v1/shape":
                return Response(status_code=204)
            case (("GET" | "POST" | "DELETE"), "/v1/shape"):
                return await self._shape(request, method)
        return Response(b"Not found", 404, _PRIVATE)

    def _health(self) -> Response:
        state = "active" if self.is_active else "starting"
        cache = {"cache-control": "no-cache, no-store, must-revalidate"}
        return _json({"status": state}, 200 if self.is_active else 202, cache)

    async def _shape(self, request: Request, method: str) -> Response:
        query = request.query_params
        given = query.get("secret", query.get("api_secret", ""))
        if self.secret and not hmac.compare_digest(given.encode(), self.secret.encode()):
            body = {"message": "Unauthorized - Invalid API secret"}
            return _json(body, 401, _PRIVATE, media_type=None)
        if method == "DELETE":
            return _json({"message": "DELETE not allowed"}, 405, {"cache-control": "no-cache"})
        try:
            asked = read_request(query.multi_items(), await request.body())
            response = await self._serve(asked, request.headers.get("if-none-match", ""))
        except InvalidRequestError as error:
            told = {"message": "Invalid request", "errors": error.errors}
            response = _json(told, 400, _UNCACHED)
        except UnavailableError as error:
            response = _json({"message": str(error)}, 503, _UNCACHED | {"retry-after": "10"})
        if method == "POST":
            response.headers["cache-control"] = "no-cache"
        return response

    async def _serve(self, asked: Asked, known_tags: str) -> Response:
        if not self.is_active:
            raise UnavailableError("The stream from Postgres does not flow yet")
        try:
            definition = await self._define(asked)
            shape = await self.shapes.get(definition)
            if asked.subset:
                return await self._subset(asked, shape)
        except psycopg.DataError as error:
            # A condition that fails on a row, as by a division by zero.
            said = f"Unexpected error while creating snapshot: {error.diag.message_primary}"
            return _json({"message": said}, 500, _UNCACHED)
        except psycopg.Error as error:
            message = error.diag.message_primary or "Postgres can't be reached"
            raise UnavailableError(f"Unable to create initial snapshot: {message}") from None
        if asked.offset not in {None, BEFORE_ALL} and asked.handle != shape.handle:
            return _refetch(shape.handle)
        response = await self._log(asked, shape)
        tag = response.headers.get("etag")
        if tag and tag in [known.strip() for known in known_tags.split(",")]:
            del response.headers["electric-schema"]
            kept = {k: v for k, v in response.headers.items() if k != "content-length"}
            return Response(status_code=304, headers=kept)
        return response

    async def _define(self, asked: Asked) -> Definition:
        async with self.reader.catalog() as connection:
            table = await self.reader.find(connection, asked.table)
            definition = define(asked, table)
            if definition.where and not self.shapes.has(definition):
                await check_condition(
                    connection, table, definition.where, definition.params, "where"
                )
            if asked.subset and asked.subset.where:
                await check_condition(
                    connection, table, asked.subset.where, asked.subset.params, "subset"
                )
        name = f'Database table "{table.schema}.{table.name}"'
        if not table.is_published:
            raise UnavailableError(
                f'{name} is missing from the publication "{self.reader.publication}" and the '
                "ELECTRIC_MANUAL_TABLE_PUBLISHING setting prevents Electric from adding it"
            )
        if not table.has_whole_old_rows:
            raise UnavailableError(f"{name} does not have its replica identity set to FULL")
        return definition

    async def _subset(self, asked: Asked, shape: Shape) -> Response:
        mark = random.getrandbits(31)
        async with self.reader.connected() as connection:
            visibility, lsn = await begin_snapshot(connection)
            rows = await read_rows(connection, shape.definition, asked.subset)
        body = {
            "metadata": {"snapshot_mark": mark, "database_lsn": str(lsn), **visibility.facts()},
            "data": [snapshot_message(shape.definition, row, mark) for row in rows],
        }
        headers = {
            "cache-control": "no-cache",
            "electric-snapshot": "true",
            "electric-handle": shape.handle,
            "electric-schema": shape.definition.schema_header(),
            "electric-offset": write_offset(SNAPSHOT_END),
        }
        return _json(body, 200, headers)

    async def _log(self, asked: Asked, shape: Shape) -> Response:
        if asked.offset == BEFORE_ALL:
            return self._data(asked, shape, shape.body, SNAPSHOT_END, cache=_FIRST_CACHE)
        offset = shape.end if asked.offset is None else asked.offset
        if offset > shape.end:
            await _until(lambda: offset <= shape.end, shape, self.timings.long_poll / 2)
            if offset > shape.end:
                raise InvalidRequestError(offset="out of bounds for this shape")
        if asked.sse:
            return self._events(asked, shape, offset)
        if asked.live:
            await _until(lambda: bool(shape.since(offset)), shape, self.timings.long_poll)
        if shape.is_over:
            return _refetch(None)
        messages = shape.since(offset)
        is_news = bool(messages) or not (asked.live or asked.offset is None)
        body = b"[" + b",".join([*messages, self._up_to_date()]) + b"]"
        cache = _LIVE_CACHE if asked.live else _LOG_CACHE
        return self._data(asked, shape, body, shape.end, cache=cache, is_news=is_news)

    def _data(  # noqa: PLR0913 - what an answer is made of
        self,
        asked: Asked,
        shape: Shape,
        body: bytes,
        end: Offset,
        *,
        cache: str,
        is_news: bool = True,
    ) -> Response:
        headers = self._headers(asked, shape, end, cache=cache, is_news=is_news)
        if asked.offset != BEFORE_ALL:
            headers["electric-up-to-date"] = ""
        return Response(body, 200, headers, _JSON)

    def _headers(
        self, asked: Asked, shape: Shape, end: Offset, *, cache: str, is_news: bool
    ) -> dict[str, str]:
        tag = f"{shape.handle}:{asked.offset_text}:{write_offset(end)}"
        # An answer without news is like the one before, and must not be taken for it.
        tag += "" if is_news else f":{time.monotonic_ns()}"
        headers = {
            "cache-control": cache,
            "etag": f'"{tag}"',
            "electric-handle": shape.handle,
            "electric-has-data": "true" if is_news else "false",
            "electric-offset": write_offset(end),
        }
        if asked.live:
            headers["electric-cursor"] = _next_cursor(asked.cursor, self.timings.long_poll)
        else:
            headers["electric-schema"] = shape.definition.schema_header()
        return headers

    def _events(self, asked: Asked, shape: Shape, offset: Offset) -> Response:
        cache = f"public, max-age={max(1, int(self.timings.sse) - 1)}"
        headers = self._headers(asked, shape, shape.end, cache=cache, is_news=True)
        headers |= {"electric-up-to-date": "", "connection": "keep-alive"}
        # As a header, for Starlette would name a charset with it.
        headers["content-type"] = "text/event-stream"
        return StreamingResponse(self._stream(shape, offset), 200, headers)

    async def _stream(self, shape: Shape, offset: Offset) -> AsyncIterator[bytes]:
        """Give events until the time is up or the shape is over; the 409 comes on reconnecting."""
        ends_at = time.monotonic() + self.timings.sse
        while not shape.is_over and time.monotonic() < ends_at:
            messages, end = shape.since(offset), shape.end
            if messages:
                offset = end
                lines = [*messages, self._up_to_date()]
                yield b"".join(b"data: " + line + b"\n\n" for line in lines)
                continue
            patience = min(self.timings.keep_alive, ends_at - time.monotonic())
            await _until(lambda: bool(shape.since(end)), shape, patience)  # noqa: B023
            if not shape.since(end) and not shape.is_over and time.monotonic() < ends_at:
                yield b": keep-alive\n\n"

    def _up_to_date(self) -> bytes:
        lsn = str(self.shapes.seen_lsn)
        headers = {"control": "up-to-date", "global_last_seen_lsn": lsn}
        return msgspec.json.encode({"headers": headers})


async def _until(is_true: Callable[[], bool], shape: Shape, seconds: float) -> None:
    """Wait until something is true of a shape, it is over, or the time is."""
    try:
        async with asyncio.timeout(seconds):
            while not is_true() and not shape.is_over:
                await shape.changed.wait()
    except TimeoutError:
        return


def _refetch(handle: str | None) -> Response:
    """Answer that a client must begin anew, and with which handle, where that is known."""
    headers = {"cache-control": f"public, max-age={60 if handle else 1}, must-revalidate"}
    if handle:
        headers |= {"electric-handle": handle, "etag": f'"{handle}::"'}
    return Response(_MUST_REFETCH, 409, headers, _JSON)


def _next_cursor(known: str, interval: float) -> str:
    """Return when the interval ends that we are in; another number, if the client has that one."""
    step = max(1, int(interval))
    cursor = -(-int(time.time() - _CURSOR_EPOCH) // step) * step
    if str(cursor) == known:
        cursor += 1 + secrets.randbelow(3_600)
    return str(cursor)


def _json(
    body: Any,  # noqa: ANN401 - whatever is JSON
    status: int,
    headers: dict[str, str],
    media_type: str | None = _JSON,
) -> Response:
    return Response(msgspec.json.encode(body), status, headers, media_type)
