"""Answers that are kept: what Electric never writes again, so many bytes of it, for a time."""

from collections import OrderedDict, defaultdict
from time import monotonic

from gatekeeper.exchanges import Exchange
from gatekeeper.metrics import Metrics

_OVERHEAD = 2048
"""About what an entry takes besides its body."""


class Cache:
    """Answers by the request that they are of; who was used longest ago goes first.

    Whoever is given one was authorized before: a key is a whole definition, and nothing else.
    """

    def __init__(self, limit: int, metrics: Metrics) -> None:
        self._limit = limit
        self._metrics = metrics
        self._entries: OrderedDict[bytes, tuple[Exchange, bytes, float]] = OrderedDict()
        self._of_shape: defaultdict[bytes, set[bytes]] = defaultdict(set)
        self._size = 0

    def get(self, key: bytes, expired_handle: str | None) -> Exchange | None:
        """Return what is kept, unless its time is over or the client knows its handle is."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        exchange, _, until = entry
        if monotonic() > until or exchange.handle == expired_handle:
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return exchange

    def put(self, exchange: Exchange, shape: bytes, seconds: int) -> bool:
        """Keep an answer, if it fits at all, and say so."""
        size = exchange.size + _OVERHEAD
        if size > self._limit:
            return False
        if exchange.key in self._entries:
            self._remove(exchange.key)
        self._entries[exchange.key] = (exchange, shape, monotonic() + seconds)
        self._of_shape[shape].add(exchange.key)
        self._resize(size)
        while self._size > self._limit:
            self._remove(next(iter(self._entries)))
        return True

    def drop(self, shape: bytes) -> None:
        """Forget all of a shape."""
        for key in list(self._of_shape.get(shape, ())):
            self._remove(key)

    def _remove(self, key: bytes) -> None:
        exchange, shape, _ = self._entries.pop(key)
        self._of_shape[shape].discard(key)
        if not self._of_shape[shape]:
            del self._of_shape[shape]
        self._resize(-exchange.size - _OVERHEAD)

    def _resize(self, by: int) -> None:
        self._size += by
        self._metrics.cache_bytes.set(self._size)
