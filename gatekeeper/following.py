"""Giving a client its part of an answer that others follow too, for as long as it may have it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from time import time
from typing import Any

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from gatekeeper.allowing import while_allowed
from gatekeeper.electric import Reply
from gatekeeper.errors import Refusal, not_signed_in, unavailable
from gatekeeper.exchanges import MUST_REFETCH, Exchange, Head, Waker
from gatekeeper.logs import LOG
from gatekeeper.parts import Parts
from gatekeeper.queries import Protocol
from gatekeeper.tokens import Claim

_STREAM_SECONDS = 60.0
_END: Message = {"type": "http.response.body", "body": b""}
_SEND_SECONDS = 60.0
"""How long a client may take for a part: who takes nothing is cut off."""
_PART_BYTES = 256 << 10
"""How much is given to the connection before it must have sent what it was given before."""


class _Gone(Exception):  # noqa: N818 - it is no fault
    """The client has left, or takes nothing any more."""


@dataclass
class Following:
    """A claim, and where its client is. if_none_match: the tags of answers that it has."""

    parts: Parts
    claim: Claim
    protocol: Protocol
    if_none_match: str

    def require_not_known_revoked(self) -> None:
        """Refuse (401) what is known here to be revoked, before Electric is asked."""
        if self.parts.revocations.is_revoked(self.claim):
            self.parts.metrics.revoked.inc()
            raise not_signed_in("token_invalid", "What was allowed has been revoked.")

    async def require_unrevoked(self) -> None:
        """Refuse (401) what was revoked or has run out since it was claimed; Postgres is asked."""
        await self.parts.revocations.check()
        self.require_not_known_revoked()
        if time() >= self.claim.expires_at:
            raise not_signed_in("token_expired", "What was allowed has run out.")

    async def refetch(self, *ends: asyncio.Future[Any]) -> Head | None:
        """Return the head of a must-refetch if the client's handle is not its shape's.

        Electric is asked if that is not known. Raises Refusal: 401 if what was claimed ends
        meanwhile or one of the ends is done, 429, 503.
        """
        handles, shape = self.parts.upstream.handles, self.claim.definition.query()
        handle = self.protocol.handle
        if handle is None or handles.knows(shape, handle):
            return None
        pay = partial(self.parts.limits.shapes.take, self.claim.account_id)
        async with while_allowed(self.parts.revocations, self.claim, *ends):
            return await handles.verify(shape, handle, pay)


class LogResponse(Response):
    """A piece of a shape's log. Raises Refusal as long as nothing was sent."""

    def __init__(self, following: Following) -> None:
        self.background = None
        self.following = following

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Wait for the answer if need be, then give it."""
        gone = asyncio.create_task(_left(receive))
        try:
            with suppress(_Gone):
                await self._answer(gone, send)
        finally:
            gone.cancel()

    async def _answer(self, gone: asyncio.Task[None], send: Send) -> None:
        following = self.following
        parts, claim = following.parts, following.claim
        try:
            refetch = await following.refetch(gone)
        except Refusal:
            if gone.done():
                raise _Gone from None
            raise
        if refetch:
            await following.require_unrevoked()
            await _send_whole(send, refetch, [MUST_REFETCH])
            return
        with ExitStack() as stack:
            exchange = stack.enter_context(
                parts.upstream.follow(claim.definition, following.protocol)
            )
            if exchange.head is None:
                if following.protocol.live:
                    stack.enter_context(parts.limits.stream(claim.account_id))
                    stack.enter_context(parts.metrics.held.labels("poll").track_inprogress())
                await _wait(exchange, following, gone)
            await following.require_unrevoked()
            await _give(exchange, following.if_none_match, gone, send)


class EventsResponse(Response):
    """A shape's log as server-sent events, of this client alone. Raises Refusal as above."""

    def __init__(self, following: Following) -> None:
        self.background = None
        self.following = following

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Give events until the client leaves, Electric ends, or what was claimed does."""
        following = self.following
        parts, claim = following.parts, following.claim
        with (
            parts.limits.stream(claim.account_id),
            parts.metrics.held.labels("events").track_inprogress(),
            parts.revocations.watch(claim) as revoked,
        ):
            refetch = await following.refetch()
            if refetch:
                await following.require_unrevoked()
                await _send_whole(send, refetch, [MUST_REFETCH])
                return
            head, reply = await parts.upstream.events(claim.definition, following.protocol)
            try:
                await following.require_unrevoked()
                if head.status != HTTPStatus.OK:
                    await _send_whole(send, head, [MUST_REFETCH])
                    return
                with suppress(_Gone):
                    await self._pass_on(head, reply, revoked, receive, send)
            finally:
                reply.close()

    async def _pass_on(
        self, head: Head, reply: Reply, revoked: asyncio.Event, receive: Receive, send: Send
    ) -> None:
        following = self.following
        await send(_start(head, 200, [(b"x-accel-buffering", b"no")]))
        # nginx keeps the head of an HTTP/2 answer until there is a byte behind it: up to 21 s.
        await _send_piece(send, b": open\n\n")
        deadline = asyncio.get_running_loop().time() + min(
            _STREAM_SECONDS, following.claim.expires_at - time()
        )
        pieces = reply.pieces()
        own = [asyncio.create_task(_left(receive)), asyncio.create_task(revoked.wait())]
        ends: list[asyncio.Future[Any]] = [*own]
        if following.parts.draining:
            ends.append(following.parts.draining)
        try:
            while piece := await _next_piece(pieces, ends, deadline):
                await following.require_unrevoked()
                await _send_piece(send, piece)
        except Refusal:
            # Its beginning is sent, so it can only end; who comes again is told why.
            LOG.info("events_ended")
        finally:
            for task in own:
                task.cancel()
        await send(_END)


async def _wait(exchange: Exchange, following: Following, gone: asyncio.Task[None]) -> None:
    """Wait for the head of an answer, or until what was claimed is revoked or runs out.

    Raises _Gone if the client leaves before.
    """
    claim, waker = following.claim, Waker()
    gone.add_done_callback(waker.wake)
    with (
        following.parts.revocations.watch(claim, waker.wake) as revoked,
        exchange.waking(waker),
    ):
        while exchange.head is None and exchange.failure is None:
            if revoked.is_set() or time() >= claim.expires_at:
                return
            await waker.sleep(claim.expires_at - time())
            if gone.done():
                raise _Gone


async def _give(
    exchange: Exchange, if_none_match: str, gone: asyncio.Task[None], send: Send
) -> None:
    """Give the answer. Raises Refusal if there is none, _Gone if the client leaves."""
    if exchange.failure and not exchange.pieces:
        raise exchange.failure
    head = exchange.head
    if head is None:
        raise unavailable()
    if head.status == HTTPStatus.CONFLICT:
        await _send_whole(send, head, [MUST_REFETCH])
    elif head.etag and head.etag in [tag.strip() for tag in if_none_match.split(",")]:
        await send(_start(head, HTTPStatus.NOT_MODIFIED, []))
        await send(_END)
    elif exchange.is_complete:
        await _send_whole(send, head, exchange.pieces)
    else:
        await _send_as_it_comes(exchange, head, gone, send)


async def _send_as_it_comes(
    exchange: Exchange, head: Head, gone: asyncio.Task[None], send: Send
) -> None:
    length = [] if head.length is None else [(b"content-length", str(head.length).encode())]
    await send(_start(head, head.status, length))
    async for piece in exchange.body(gone):
        await _send_piece(send, piece)
    if gone.done():
        raise _Gone
    if exchange.is_complete:
        # Otherwise the server cuts the connection, so that nobody takes it for whole.
        await send(_END)


async def _send_whole(send: Send, head: Head, pieces: list[bytes]) -> None:
    length = str(sum(map(len, pieces))).encode()
    await send(_start(head, head.status, [(b"content-length", length)]))
    for piece in pieces[:-1]:
        await _send_piece(send, piece)
    await _send_piece(send, pieces[-1] if pieces else b"", is_last=True)


def _start(head: Head, status: int, more: list[tuple[bytes, bytes]]) -> Message:
    return {
        "type": "http.response.start",
        "status": status,
        "headers": [*head.raw_headers, *more],
    }


async def _send_piece(send: Send, piece: bytes, *, is_last: bool = False) -> None:
    """Send, as fast as the client takes it. Raises _Gone if it takes nothing."""
    place, view = 0, memoryview(piece)
    while len(piece) - place > _PART_BYTES:
        await _send_part(send, view[place : place + _PART_BYTES], is_last=False)
        place += _PART_BYTES
    await _send_part(send, view[place:] if place else piece, is_last=is_last)


async def _send_part(send: Send, part: bytes | memoryview, *, is_last: bool) -> None:
    try:
        async with asyncio.timeout(_SEND_SECONDS):
            await send({"type": "http.response.body", "body": part, "more_body": not is_last})
    except (TimeoutError, OSError):
        raise _Gone from None


async def _left(receive: Receive) -> None:
    """Wait until the client has left. What it sends is not read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _next_piece(
    pieces: AsyncIterator[bytes], ends: list[asyncio.Future[Any]], deadline: float
) -> bytes:
    """Return what Electric says next; nothing if it ends, or one of the ends or the time comes."""
    piece = asyncio.ensure_future(anext(pieces, b""))
    timeout = deadline - asyncio.get_running_loop().time()
    await asyncio.wait([piece, *ends], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    if piece.done() and not any(end.done() for end in ends):
        return piece.result()
    piece.cancel()
    with suppress(asyncio.CancelledError, Refusal):
        await piece
    return b""
