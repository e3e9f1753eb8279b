"""An Electric that says what a test wants, and remembers every byte that it was asked."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

SECRET = "secret-of-the-upstream"  # noqa: S105
HANDLE = "12345678-1763891000000000"

Writer = asyncio.StreamWriter
Answer = Callable[["Asked", Writer], Awaitable[None]]


@dataclass(frozen=True)
class Asked:
    """A request: its first line's target, and its headers by their names in lower case."""

    method: str
    target: str
    headers: dict[str, str]


@dataclass
class Upstream:
    """One that runs. asked: all requests of shapes so far. left: how many were cut off."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    left: int = 0
    answer: Answer = field(default=lambda _, writer: give(writer, b"[]"))
    loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                await self._answer(_read(head), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, asked: Asked, reader: asyncio.StreamReader, writer: Writer) -> None:
        if asked.target == "/v1/health":
            await give(writer, b'{"status":"active"}')
            return
        self.asked.append(asked)
        answering = asyncio.ensure_future(self.answer(asked, writer))
        leaving = asyncio.ensure_future(reader.read(1))
        await asyncio.wait([answering, leaving], return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            self.left += 1
            answering.cancel()
            raise ConnectionResetError
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        answering.result()


async def give(writer: Writer, body: bytes, status: str = "200 OK", **headers: str | None) -> None:
    """Give a whole answer, with the headers that one of Electric's has. None leaves one out."""
    usual: dict[str, str | None] = {
        "content_type": "application/json; charset=utf-8",
        "electric_handle": HANDLE,
        "electric_offset": "0_0",
        "electric_schema": "{}",
        "etag": '"a-tag"',
        "cache_control": "public, max-age=60",
        "access_control_allow_origin": "https://evil.example",
        "electric_server": "ElectricSQL/1.7.12",
        "set_cookie": "a=b",
        "content_length": str(len(body)),
    }
    lines = [f"HTTP/1.1 {status}"]
    for name, value in (usual | headers).items():
        if value is not None:
            lines.append(f"{name.replace('_', '-')}: {value}")
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
    await writer.drain()


def _read(head: str) -> Asked:
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ")
    pairs = [line.partition(":") for line in lines if line]
    return Asked(method, target, {name.lower(): value.strip() for name, _, value in pairs})


@contextmanager
def upstream() -> Iterator[Upstream]:
    """Run one in a thread."""
    made, ready, end = Upstream(), Event(), asyncio.Event()

    async def run() -> None:
        made.loop = asyncio.get_running_loop()
        server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await end.wait()
        server.close()
        others: list[asyncio.Task[Any]] = [
            task for task in asyncio.all_tasks() if task is not asyncio.current_task()
        ]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(10)
    try:
        yield made
    finally:
        assert made.loop
        made.loop.call_soon_threadsafe(end.set)
        thread.join(10)
