"""Plain HTTP requests, many at once, by the least of a client: it must not be what is measured."""

import asyncio
import resource
from dataclasses import dataclass
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit

import httptools

from harness.errors import ExitCode, SessionbaseError

_AT_ONCE = 200
_OTHER_FILES = 500


@dataclass(frozen=True)
class Request:
    """A request of a URL's host for a target, with further header lines and no body."""

    url: str
    target: str
    headers: tuple[str, ...] = ()
    method: str = "GET"

    @property
    def raw(self) -> bytes:
        """The request as it is sent."""
        lines = (f"{self.method} {self.target} HTTP/1.1", f"Host: {urlsplit(self.url).netloc}")
        return "\r\n".join([*lines, *self.headers, "", ""]).encode()


@dataclass(frozen=True)
class Answer:
    """What came: headers by their names in lower case, the body, and when it ended."""

    headers: dict[str, str]
    body: bytes
    ended: float

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


class Connected(asyncio.Protocol):
    """A connection that stays, as a browser's does, for one request at a time: connected_to()."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._begin()

    def send(self, request: Request) -> asyncio.Future[Answer]:
        """Send a request, and give what its answer comes into.

        That fails with SessionbaseError (FAILED) for any status but 200, and if there is no answer.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answer = answer
        if self._transport is None or self._transport.is_closing():
            self._fail("a connection is closed")
        else:
            self._transport.write(request.raw)
        return answer

    def close(self) -> None:
        """Close it."""
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        """End."""
        self._fail("a connection broke off")

    def data_received(self, data: bytes) -> None:
        """Read on."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail("an answer is not HTTP")
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """Give the answer to who waits for it."""
        status = self._parser.get_status_code()
        answer = Answer(self._headers, b"".join(self._pieces), perf_counter())
        self._begin()
        if status != 200:  # noqa: PLR2004 - the one status that is a success
            self._fail(f"answered with {status}")
        elif self._answer and not self._answer.done():
            self._answer.set_result(answer)

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._pieces: list[bytes] = []

    def _fail(self, why: str) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(SessionbaseError(ExitCode.FAILED, why))


async def connected_to(url: str) -> Connected:
    """Connect to a URL's host. Raises SessionbaseError (FAILED)."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    try:
        _, connected = await loop.create_connection(
            Connected, parts.hostname or "", parts.port or 80
        )
    except OSError as error:
        raise SessionbaseError(
            ExitCode.FAILED, f"can't connect to {url}: {error.strerror}"
        ) from None
    return connected


async def get(request: Request) -> Answer:
    """Ask once, on a connection of its own. Raises SessionbaseError (FAILED)."""
    connected = await connected_to(request.url)
    try:
        return await connected.send(request)
    finally:
        connected.close()


@dataclass(frozen=True)
class Throughput:
    """Answers and megabytes (10^6 bytes) a second."""

    answers: float
    megabytes: float


async def throughput(request: Request, clients: int, seconds: float, least: int) -> Throughput:
    """Ask again and again on so many connections. least: bytes that an answer has."""
    connections = [await connected_to(request.url) for _ in range(clients)]
    began = perf_counter()
    ends_at = began + seconds
    sizes: list[int] = []

    async def ask(connected: Connected) -> None:
        while perf_counter() < ends_at:
            answer = await connected.send(request)
            if len(answer.body) < least:
                raise SessionbaseError(ExitCode.FAILED, "an answer was too short")
            sizes.append(len(answer.body))

    try:
        await asyncio.gather(*(ask(connected) for connected in connections))
    finally:
        for connected in connections:
            connected.close()
    lasted = perf_counter() - began
    return Throughput(len(sizes) / lasted, sum(sizes) / 1e6 / lasted)


@dataclass(frozen=True)
class Held:
    """A request that was sent on a connection of its own, and what its answer comes into."""

    connected: Connected
    answer: asyncio.Future[Answer]

    def close(self) -> None:
        """Close the connection."""
        self.connected.close()


async def hold(request: Request, count: int) -> list[Held]:
    """Send a request on so many connections.

    Whoever answers may be slower than this: that all were sent is not that all were read.
    """
    allow_files(count)
    held: list[Held] = []
    for begin in range(0, count, _AT_ONCE):
        many = min(_AT_ONCE, count - begin)
        connections = await asyncio.gather(*(connected_to(request.url) for _ in range(many)))
        held += [Held(connected, connected.send(request)) for connected in connections]
    return held


def allow_files(count: int) -> None:
    """Let this process, and those it starts, have so many connections. Raises REFUSED."""
    wanted = count + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise SessionbaseError(
            ExitCode.REFUSED,
            f"{count:,} connections need {wanted:,} open files, and {hard:,} are allowed",
            hint=f"Raise the limit (ulimit -n {wanted}), or hold fewer: --rows.",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
