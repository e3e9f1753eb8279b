"""How much one account may ask of one process."""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from uuid import UUID

from gatekeeper.errors import too_many_requests, unavailable
from gatekeeper.settings import GatekeeperSettings

_BURST_SECONDS = 10
_MINUTE = 60
_TRANSFER_AGAIN_S = 5
_REMEMBERED = 100_000
"""Accounts; whoever asked longest ago is forgotten, with nothing used."""


class Rate:
    """So many in so many seconds an account: a bucket that fills again steadily."""

    def __init__(self, amount: int, seconds: int) -> None:
        self._size = float(amount)
        self._per_second = amount / seconds
        self._left: OrderedDict[UUID, tuple[float, float]] = OrderedDict()

    def take(self, account_id: UUID) -> None:
        """Count one. Raises Refusal (429) with how long to wait."""
        now = monotonic()
        left, since = self._left.pop(account_id, (self._size, now))
        left = min(self._size, left + (now - since) * self._per_second)
        if left < 1:
            self._left[account_id] = (left, now)
            raise too_many_requests(max(1, round((1 - left) / self._per_second)))
        self._left[account_id] = (left - 1, now)
        if len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)


class Limits:
    """The limits of one process."""

    def __init__(self, settings: GatekeeperSettings) -> None:
        self._transfers_in_all = settings.transfers
        # One account leaves room for others.
        self._transfers_each = -(-settings.transfers // 4)
        self._transfers: Counter[UUID] = Counter()
        self._streams_each = settings.streams_per_account
        self._streams: Counter[UUID] = Counter()
        self.requests = Rate(settings.requests_per_second * _BURST_SECONDS, _BURST_SECONDS)
        self.shapes = Rate(settings.shapes_per_minute, _MINUTE)

    @contextmanager
    def stream(self, account_id: UUID) -> Iterator[None]:
        """Hold an answer for an account. Raises Refusal (429) if it has too many."""
        if self._streams[account_id] >= self._streams_each:
            raise too_many_requests()
        self._streams[account_id] += 1
        try:
            yield
        finally:
            self._streams[account_id] -= 1
            if not self._streams[account_id]:
                del self._streams[account_id]

    @contextmanager
    def transfer(self, account_id: UUID) -> Iterator[None]:
        """Hold an upload or a download, which takes some chunks of memory.

        Raises Refusal: 429 if the account has a quarter of all, 503 if there are too many.
        """
        if self._transfers[account_id] >= self._transfers_each:
            raise too_many_requests()
        if self._transfers.total() >= self._transfers_in_all:
            raise unavailable(_TRANSFER_AGAIN_S)
        self._transfers[account_id] += 1
        try:
            yield
        finally:
            self._transfers[account_id] -= 1
            if not self._transfers[account_id]:
                del self._transfers[account_id]
