"""One request to Electric and its answer, which any number of clients follow, each at its pace."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus

from gatekeeper.electric import Reply
from gatekeeper.errors import Refusal, bad_request, unavailable
from gatekeeper.logs import LOG
from gatekeeper.queries import HANDLE

MUST_REFETCH = b'[{"headers":{"control":"must-refetch"}}]'

_KEPT = (
    "electric-handle",
    "electric-offset",
    "electric-schema",
    "electric-cursor",
    "electric-up-to-date",
    "electric-has-data",
    "electric-snapshot",
    "etag",
)
"""What of Electric's headers a client is told."""

_PRINTABLE = re.compile(r"[\x20-\x7e\x80-\xff]*")
_MAX_AGE = re.compile(r"(?:^|[ ,])max-age=(\d{1,7})")
_SHARED_MAX_AGE = re.compile(r"(?:^|[ ,])s-maxage=(\d{1,7})")
_LONGEST_RETRY_S = 60
_BARE = ("", "identity")


@dataclass(frozen=True)
class Head:
    """Status and headers, of which a client may know.

    max_age_s: how long it may be kept here. length: of the body, in bytes, if that is known.
    """

    status: int
    headers: dict[str, str]
    media_type: str
    max_age_s: int = 0
    length: int | None = None

    @property
    def etag(self) -> str | None:
        """The tag by which a client may ask whether it has this answer already."""
        return self.headers.get("etag")

    @cached_property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers to send, but for those of a body's length.

        Nobody but the client may keep an answer, and it asks before it uses it again.
        """
        kept = "no-store" if self.status == HTTPStatus.CONFLICT else "private, no-cache"
        own = {
            "content-type": self.media_type,
            "cache-control": kept,
            "vary": "authorization, cookie, accept-encoding",
            "x-content-type-options": "nosniff",
        }
        return [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in (own | self.headers).items()
        ]


class Exchange:
    """An answer as it comes in. counted: bytes that the books have of it."""

    def __init__(self, key: bytes, *, begins: bool) -> None:
        self.key = key
        self.begins = begins
        self.head: Head | None = None
        self.pieces: list[bytes] = []
        self.size = 0
        self.counted = 0
        self.followers = 0
        self.is_complete = False
        self.task: asyncio.Task[None] | None = None
        self._failure: Refusal | None = None
        self._wakers: set[Waker] = set()

    @property
    def failure(self) -> Refusal | None:
        """What it failed with, if it did."""
        return self._failure

    @property
    def handle(self) -> str | None:
        """Which of a shape's lives it is of."""
        return self.head.headers.get("electric-handle") if self.head else None

    def begin(self, head: Head) -> None:
        """Take the head."""
        self.head = head
        self._wake()

    def add(self, piece: bytes) -> None:
        """Take a piece of the body."""
        self.pieces.append(piece)
        self.size += len(piece)
        self._wake()

    def complete(self) -> None:
        """Note that this was all."""
        self.is_complete = True
        self._wake()

    def fail(self, refusal: Refusal) -> None:
        """Note that no more will come."""
        if not self.is_complete and self._failure is None:
            self._failure = refusal
            self._wake()

    def cancel(self) -> None:
        """Cut off the request, if it is under way."""
        if self.task and not self.task.done() and self.task is not asyncio.current_task():
            self.task.cancel()

    @contextmanager
    def waking(self, waker: "Waker") -> Iterator[None]:
        """Wake a follower with everything that happens, until the block ends."""
        self._wakers.add(waker)
        try:
            yield
        finally:
            self._wakers.discard(waker)

    async def body(self, gone: asyncio.Future[None]) -> AsyncIterator[bytes]:
        """Give the pieces, those that are there and those that come.

        Ends early if it failed, and once nobody is there any more to take them.
        """
        place, waker = 0, Waker()
        gone.add_done_callback(waker.wake)
        with self.waking(waker):
            while not gone.done():
                while not gone.done() and place < len(self.pieces):
                    yield self.pieces[place]
                    place += 1
                if self.is_complete or self._failure:
                    return
                await waker.sleep()

    def _wake(self) -> None:
        for waker in self._wakers:
            waker.wake()


class Waker:
    """Wakes one task with whatever happens first. That task looks itself what it was.

    Thousands wait at a time, so it is a future and no more: asyncio.wait() makes tasks, and looks
    through all that it was given each time.
    """

    __slots__ = ("_sleeping",)

    def __init__(self) -> None:
        self._sleeping: asyncio.Future[None] | None = None

    async def sleep(self, seconds: float | None = None) -> None:
        """Wait for wake(), and so long at most.

        Look before whether there is anything to wait for: nothing of what was before is kept.
        """
        loop = asyncio.get_running_loop()
        self._sleeping = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, self.wake)
        try:
            await self._sleeping
        finally:
            if timer:
                timer.cancel()

    def wake(self, _: object = None) -> None:
        """Wake it, if it sleeps."""
        if self._sleeping and not self._sleeping.done():
            self._sleeping.set_result(None)


def head_of(reply: Reply, media_type: str) -> Head:
    """Return what a client may know of an answer's head. Raises Refusal for what is none."""
    if reply.status == HTTPStatus.CONFLICT:
        handle = reply.headers.get("electric-handle", "")
        known = {"electric-handle": handle} if HANDLE.fullmatch(handle) else {}
        return Head(reply.status, known, "application/json")
    if reply.status == HTTPStatus.BAD_REQUEST:
        # Its text names tables and columns.
        raise bad_request()
    if reply.status != HTTPStatus.OK:
        LOG.warning("electric_refused", status=reply.status)
        raise unavailable(_retry_after(reply))
    headers = {name: reply.headers[name] for name in _KEPT if name in reply.headers}
    given = reply.headers.get("content-type", "").partition(";")[0]
    if (
        given != media_type
        or not {"electric-handle", "electric-offset"} <= headers.keys()
        or not all(_PRINTABLE.fullmatch(value) for value in headers.values())
        or reply.headers.get("content-encoding", "") not in _BARE
    ):
        LOG.error("electric_not_understood")
        raise unavailable()
    return Head(reply.status, headers, media_type, _max_age(reply), reply.length)


def _max_age(reply: Reply) -> int:
    """Return for how many seconds a cache that all share may keep an answer."""
    control = reply.headers.get("cache-control", "")
    if "no-store" in control or "no-cache" in control or "private" in control:
        return 0
    found = _SHARED_MAX_AGE.search(control) or _MAX_AGE.search(control)
    return int(found[1]) if found else 0


def _retry_after(reply: Reply) -> int:
    given = reply.headers.get("retry-after", "")
    return min(int(given), _LONGEST_RETRY_S) if re.fullmatch(r"[0-9]{1,4}", given) else 1
