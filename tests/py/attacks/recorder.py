"""What reached Electric: a server between gatekeeper and Electric that keeps every byte."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_END = b"\r\n\r\n"
_MOST = 1 << 16


class Recorder:
    """Passes bytes on as they are, and keeps those of the requests.

    canned: an answer to give in Electric's place; the connection is closed after it.
    """

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._heads: list[bytes] = []
        self._open: dict[int, bytearray] = {}
        self.port = 0
        self.canned: bytes | None = None

    @property
    def count(self) -> int:
        """How many requests there were."""
        return len(self._heads)

    def heads(self, since: int = 0) -> list[bytes]:
        """Return requests without the empty line at their end, oldest first."""
        return self._heads[since:]

    def strays(self) -> list[bytes]:
        """Return bytes that belong to no request that has ended: bodies, say."""
        return [bytes(rest) for rest in self._open.values() if rest]

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        key = id(writer)
        self._open[key] = bytearray()
        try:
            await self._pass_on(key, reader, writer)
        finally:
            rest = self._open.pop(key)
            if rest:
                # Kept as a request that is none, so that nobody overlooks it.
                self._heads.append(bytes(rest))
            writer.close()

    async def _pass_on(
        self, key: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        back, onward = await asyncio.open_connection("127.0.0.1", self._upstream_port)

        async def requests() -> None:
            while data := await reader.read(_MOST):
                self._keep(key, data)
                if self.canned is not None:
                    writer.write(self.canned)
                    await writer.drain()
                    return
                onward.write(data)
                await onward.drain()

        async def answers() -> None:
            while data := await back.read(_MOST):
                writer.write(data)
                await writer.drain()

        both = [asyncio.create_task(requests()), asyncio.create_task(answers())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            onward.close()

    def _keep(self, key: int, data: bytes) -> None:
        rest = self._open[key]
        rest += data
        while _END in rest:
            head, _, rest = rest.partition(_END)
            self._heads.append(bytes(head))
        self._open[key] = rest


@contextmanager
def recording(upstream_port: int) -> Iterator[Recorder]:
    """Run a recorder in a thread of its own."""
    recorder = Recorder(upstream_port)
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    ended = asyncio.Event()

    async def serve() -> None:
        server = await asyncio.start_server(recorder._serve, "127.0.0.1", 0)  # noqa: SLF001
        recorder.port = server.sockets[0].getsockname()[1]
        ready.set()
        await ended.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10), "the recorder did not start"
        yield recorder
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)
        loop.close()
