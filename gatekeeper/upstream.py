"""Asking Electric once for all who want the same, and keeping what does not change."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from gatekeeper.cache import Cache
from gatekeeper.electric import Electric, Reply
from gatekeeper.errors import Refusal, unavailable
from gatekeeper.exchanges import Exchange, Head, head_of
from gatekeeper.handles import Handles
from gatekeeper.logs import LOG, where
from gatekeeper.metrics import Metrics
from gatekeeper.queries import Protocol
from gatekeeper.settings import GatekeeperSettings
from gatekeeper.shapes import Definition, protocol_query

_CONFLICT = 409


class Upstream:
    """The requests to Electric that are under way, and the answers that are kept."""

    def __init__(self, settings: GatekeeperSettings, electric: Electric, metrics: Metrics) -> None:
        self._electric = electric
        self._metrics = metrics
        self._chunk_bytes = settings.chunk_bytes
        self._buffer_bytes = settings.buffer_bytes
        self._cache = Cache(settings.cache_bytes, metrics)
        self.handles = Handles(self._beginning, metrics)
        self._pending: dict[bytes, Exchange] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._buffered = 0
        self._is_closed = False

    @contextmanager
    def follow(self, definition: Definition, protocol: Protocol) -> Iterator[Exchange]:
        """Give the answer to a request: one that is kept, one under way, or a new one.

        Once the last who follows it has left, the request to Electric is cut off.
        Raises Refusal (503) if too much is under way.
        """
        shape, place = definition.query(), protocol_query(protocol)
        exchange = self._find(shape, place, protocol)
        exchange.followers += 1
        try:
            yield exchange
        finally:
            exchange.followers -= 1
            if not exchange.followers:
                self._abandon(exchange)

    async def events(self, definition: Definition, protocol: Protocol) -> tuple[Head, Reply]:
        """Ask for an event stream, which is nobody else's. Close the reply. Raises Refusal."""
        query = definition.query() + b"&" + protocol_query(protocol)
        self._metrics.shared.labels("events").inc()
        reply = await self._ask(query, "text/event-stream")
        try:
            head = head_of(reply, "text/event-stream")
        except BaseException:
            reply.close()
            raise
        self._learn(definition.query(), head)
        return head, reply

    def close(self) -> None:
        """Tell all who wait to come again, and begin nothing any more."""
        self._is_closed = True
        self.handles.close()
        for exchange in list(self._pending.values()):
            self._end(exchange, unavailable())

    async def closed(self) -> None:
        """Close, and wait until nothing is under way."""
        self.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _find(self, shape: bytes, place: bytes, protocol: Protocol) -> Exchange:
        key = shape + b"&" + place
        if not protocol.is_retry:
            kept = self._cache.get(key, protocol.expired_handle)
            if kept:
                self._metrics.shared.labels("cache").inc()
                return kept
        pending = self._pending.get(key)
        if pending:
            self._metrics.shared.labels("shared").inc()
            return pending
        if self._is_closed or self._buffered > self._buffer_bytes:
            raise unavailable()
        self._metrics.shared.labels("electric").inc()
        return self._begin(Exchange(key, begins=protocol.offset == "-1"), shape, protocol)

    def _begin(self, exchange: Exchange, shape: bytes, protocol: Protocol) -> Exchange:
        may_keep = not protocol.live and protocol.offset != "now"
        self._pending[exchange.key] = exchange
        exchange.task = asyncio.create_task(self._run(exchange, shape, may_keep=may_keep))
        self._tasks.add(exchange.task)
        exchange.task.add_done_callback(self._tasks.discard)
        return exchange

    async def _run(self, exchange: Exchange, shape: bytes, *, may_keep: bool) -> None:
        try:
            await self._read(exchange, shape)
            if may_keep:
                self._keep(exchange, shape)
        except Refusal as refusal:
            self._end(exchange, refusal)
        except Exception as error:  # noqa: BLE001 - who waits must be told, whatever it was
            LOG.error("fault", error=where(error))
            self._end(exchange, unavailable())
        finally:
            self._forget(exchange)

    async def _read(self, exchange: Exchange, shape: bytes) -> None:
        reply = await self._ask(exchange.key, "application/json")
        try:
            head = head_of(reply, "application/json")
            self._learn(shape, head)
            exchange.begin(head)
            if exchange.head and exchange.head.status == _CONFLICT:
                exchange.complete()
                return
            async for piece in reply.pieces():
                exchange.add(piece)
                self._count(exchange, exchange.size)
                if exchange.size > self._chunk_bytes:
                    LOG.error("answer_too_large", limit=self._chunk_bytes)
                    raise unavailable()
            exchange.complete()
        finally:
            reply.close()

    async def _beginning(self, shape: bytes) -> Head:
        """Ask for the beginning of a shape, and read the answer's head only."""
        if self._is_closed:
            raise unavailable()
        reply = await self._ask(shape + b"&offset=-1", "application/json")
        try:
            head = head_of(reply, "application/json")
        finally:
            reply.close()
        self._learn(shape, head)
        return head

    def _learn(self, shape: bytes, head: Head) -> None:
        """Note the handle. If a shape is over, whoever begins must not be given its beginning."""
        if self.handles.learn(shape, head) or head.status == _CONFLICT:
            self._cache.drop(shape)

    async def _ask(self, query: bytes, accept: str) -> Reply:
        try:
            reply = await self._electric.ask(query, accept)
        except Refusal:
            self._metrics.electric.labels("failed").inc()
            raise
        self._metrics.electric.labels(str(reply.status)).inc()
        return reply

    def _keep(self, exchange: Exchange, shape: bytes) -> None:
        """Keep what is never written again: a beginning, or a chunk of the log that is full."""
        head = exchange.head
        if head is None or not (exchange.begins or "electric-up-to-date" not in head.headers):
            return
        if head.max_age_s and self._cache.put(exchange, shape, head.max_age_s):
            self._count(exchange, 0)

    def _count(self, exchange: Exchange, size: int) -> None:
        """Note how much of the memory for answers under way one takes."""
        self._buffered += size - exchange.counted
        exchange.counted = size
        self._metrics.buffer_bytes.set(self._buffered)

    def _end(self, exchange: Exchange, refusal: Refusal) -> None:
        exchange.fail(refusal)
        self._forget(exchange)
        exchange.cancel()

    def _forget(self, exchange: Exchange) -> None:
        """Let nobody else follow it."""
        if self._pending.get(exchange.key) is exchange:
            del self._pending[exchange.key]
        if not exchange.followers:
            self._count(exchange, 0)

    def _abandon(self, exchange: Exchange) -> None:
        """Free what only those used who have left."""
        self._count(exchange, 0)
        self._forget(exchange)
        exchange.cancel()
