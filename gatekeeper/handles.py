"""Handles: which of them is which definition's, as Electric itself said.

Electric takes a handle for a definition's own if 27 bits of a hash agree. Part of a definition is
its users' choice, so that is no proof: here a handle goes on to Electric only with the definition
that Electric named it for.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic

from gatekeeper.errors import unavailable
from gatekeeper.exchanges import Head
from gatekeeper.metrics import Metrics

_KNOWN = 50_000
"""Definitions whose handle is remembered, some 20 MB; who was asked for longest ago goes first."""
_REFUSED = 10_000
_REFUSED_SECONDS = 10.0
"""For how long a handle is refused without asking Electric again."""

Ask = Callable[[bytes], Awaitable[Head]]
"""Asks Electric for the beginning of a shape, and reads the answer's head only."""


@dataclass(eq=False)
class _Question:
    """Electric is being asked for a shape's handle. waiting: by how many."""

    task: asyncio.Task[Head]
    waiting: int = 0


class Handles:
    """The handles of a process. A shape is given as the query of its definition, whole."""

    def __init__(self, ask: Ask, metrics: Metrics) -> None:
        self._ask = ask
        self._metrics = metrics
        self._known: OrderedDict[bytes, str] = OrderedDict()
        self._refused: OrderedDict[tuple[bytes, str], float] = OrderedDict()
        self._questions: dict[bytes, _Question] = {}

    def learn(self, shape: bytes, head: Head) -> bool:
        """Note which handle Electric names for a shape; say whether it was another until now."""
        key, handle = _digest(shape), head.headers.get("electric-handle")
        before = self._known.pop(key, None)
        if handle is not None:
            self._known[key] = handle
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        return before not in {None, handle}

    def knows(self, shape: bytes, handle: str) -> bool:
        """Say whether a handle is known to be the one that a shape has now."""
        return self._is_known(_digest(shape), handle)

    async def verify(self, shape: bytes, handle: str, pay: Callable[[], None]) -> Head | None:
        """Return None if a handle is the shape's, else what Electric says to one that is over.

        Electric is asked if that is not known; who asks at the same time shares the question, and
        whoever begins it pays. Raises Refusal: what pay() raises, 503 if Electric does not answer.
        """
        key = _digest(shape)
        if self._is_known(key, handle):
            return None
        current = self._known.get(key)
        if current is None or self._refused.get((key, handle), 0) < monotonic():
            current = await self._current(key, shape, handle, pay)
            if current == handle:
                self._metrics.handles.labels("verified").inc()
                return None
            self._refuse(key, handle)
        self._metrics.handles.labels("refused").inc()
        known = {"electric-handle": current} if current else {}
        return Head(HTTPStatus.CONFLICT, known, "application/json")

    def close(self) -> None:
        """Tell all who wait to come again."""
        for question in self._questions.values():
            question.task.cancel()

    def _is_known(self, key: bytes, handle: str) -> bool:
        if self._known.get(key) != handle:
            return False
        self._known.move_to_end(key)
        return True

    async def _current(
        self, key: bytes, shape: bytes, handle: str, pay: Callable[[], None]
    ) -> str | None:
        joined = key in self._questions
        head = await self._answer(key, shape, pay)
        current = head.headers.get("electric-handle")
        if joined and current != handle:
            # The shape may have begun anew after that was asked, and the client know of it.
            head = await self._answer(key, shape, pay)
            current = head.headers.get("electric-handle")
        return current

    async def _answer(self, key: bytes, shape: bytes, pay: Callable[[], None]) -> Head:
        """Ask, or wait with those who do. The last who leaves takes the question along."""
        question = self._questions.get(key)
        if question is None:
            pay()
            question = _Question(asyncio.create_task(self._asked(key, shape)))
            self._questions[key] = question
        question.waiting += 1
        try:
            return await asyncio.shield(question.task)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if question.task.cancelled() and task and not task.cancelling():
                # By close(), not by who waits here.
                raise unavailable() from None
            raise
        finally:
            question.waiting -= 1
            if not question.waiting:
                self._forget(key, question)

    async def _asked(self, key: bytes, shape: bytes) -> Head:
        try:
            return await self._ask(shape)
        finally:
            # Who comes now may know of more than this answer does.
            self._questions.pop(key, None)

    def _forget(self, key: bytes, question: _Question) -> None:
        if self._questions.get(key) is question:
            del self._questions[key]
        question.task.cancel()

    def _refuse(self, key: bytes, handle: str) -> None:
        self._refused.pop((key, handle), None)
        self._refused[key, handle] = monotonic() + _REFUSED_SECONDS
        if len(self._refused) > _REFUSED:
            self._refused.popitem(last=False)


def _digest(shape: bytes) -> bytes:
    """Return what stands for a definition: shorter than it is, and nothing that can be searched."""
    return hashlib.sha256(shape).digest()
