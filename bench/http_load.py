"""Plain HTTP requests, many at once, by the least of a client: it must not be what is measured."""

import asyncio
import resource
from dataclasses import dataclass
from time import perf_counter
from urllib.parse import urlsplit

from harness.errors import ExitCode, SessionbaseError

_WINDOW = 1 << 20
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
        """The request as it is sent; the answer's end is the connection's."""
        host = urlsplit(self.url).netloc
        lines = (f"{self.method} {self.target} HTTP/1.1", f"Host: {host}", "Connection: close")
        return "\r\n".join([*lines, *self.headers, "", ""]).encode()


@dataclass(frozen=True)
class Answer:
    """What came: the head's lines in lower case, the body with its framing, and when it ended."""

    head: str
    body: bytes
    ended: float

    @property
    def text(self) -> str:
        """The body, with its framing, as text."""
        return self.body.decode("utf-8", "replace")

    def header(self, name: str) -> str:
        """Return a header's value, or nothing."""
        for line in self.head.splitlines()[1:]:
            found, _, value = line.partition(":")
            if found.strip() == name:
                return value.strip()
        return ""


class Connected:
    """A connection that a request was sent on. Make it by send()."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def answer(self) -> Answer:
        """Read to the end. Raises SessionbaseError (FAILED) for any status but 200."""
        try:
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            if head.split(" ", 2)[1] != "200":
                raise SessionbaseError(ExitCode.FAILED, f"answered with {head.splitlines()[0]}")
            pieces = []
            while piece := await self._reader.read(_WINDOW):
                pieces.append(piece)
            return Answer(head, b"".join(pieces), perf_counter())
        except (OSError, asyncio.IncompleteReadError) as error:
            raise SessionbaseError(
                ExitCode.FAILED, f"a connection broke off: {type(error).__name__}"
            ) from None
        finally:
            self._writer.close()


async def send(request: Request) -> Connected:
    """Connect, and send a request. Raises SessionbaseError (FAILED)."""
    parts = urlsplit(request.url)
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=_WINDOW)
        writer.write(request.raw)
        await writer.drain()
    except OSError as error:
        raise SessionbaseError(
            ExitCode.FAILED, f"can't connect to {request.url}: {error.strerror}"
        ) from None
    return Connected(reader, writer)


async def get(request: Request) -> Answer:
    """Ask, and read the answer."""
    return await (await send(request)).answer()


@dataclass(frozen=True)
class Throughput:
    """Answers and megabytes (10^6 bytes) a second."""

    answers: float
    megabytes: float


async def throughput(request: Request, clients: int, seconds: float, least: int) -> Throughput:
    """Ask again and again on so many connections at a time. least: bytes that an answer has."""
    began = perf_counter()
    ends_at = began + seconds
    sizes: list[int] = []

    async def ask() -> None:
        while perf_counter() < ends_at:
            answer = await get(request)
            if len(answer.body) < least:
                raise SessionbaseError(ExitCode.FAILED, "an answer was too short")
            sizes.append(len(answer.body))

    await asyncio.gather(*(ask() for _ in range(clients)))
    lasted = perf_counter() - began
    return Throughput(len(sizes) / lasted, sum(sizes) / 1e6 / lasted)


async def hold(request: Request, count: int) -> list[asyncio.Task[Answer]]:
    """Send a request on so many connections, all of which stay open. Gives what reads each."""
    allow_files(count)
    held: list[asyncio.Task[Answer]] = []
    for begin in range(0, count, _AT_ONCE):
        many = min(_AT_ONCE, count - begin)
        sent = await asyncio.gather(*(send(request) for _ in range(many)))
        held += [asyncio.create_task(one.answer()) for one in sent]
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
