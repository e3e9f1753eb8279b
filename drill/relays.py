"""A relay of TCP connections, which can be told to cut them, hold them and half-close them.

docs/decisions/0023-drill.md says why it is our own.
"""

import asyncio
import socket
import struct
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any, Literal, TypeVar

Cut = Literal["cut", "reset", "half_close"]

_HOST = "127.0.0.1"
_PIECE = 65_536
_LINGER_OFF = struct.pack("ii", 1, 0)
"""With this a socket that is closed sends RST, and nothing that it still had to send."""
_ANSWER_S = 10

T = TypeVar("T")


@dataclass(eq=False)
class _Link:
    """A connection that was made to us, and the one that we made for it."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter


class Relay:
    """Relays to a port of this machine from one of its own; name is what reports call it.

    held: how many bytes had to wait while it was stalled. refused: how many connections it turned
    away.
    """

    def __init__(self, name: str, target: int) -> None:
        self.name = name
        self.held = 0
        self.refused = 0
        self._target = target
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._flows = asyncio.Event()
        self._flows.set()
        self._is_open = True
        self._thread = Thread(target=self._loop.run_forever, name=f"relay {name}", daemon=True)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._serve, _HOST, 0))
        self.port = int(self._server.sockets[0].getsockname()[1])

    def aim(self, target: int) -> None:
        """Relay new connections to another port."""
        self._target = target

    @property
    def connections(self) -> int:
        """How many connections go through it now."""
        return len(self._links)

    def break_off(self, how: Cut) -> int:
        """End what goes through it; return how many connections that were.

        cut: both sides see an end. reset: both see RST. half_close: who connected sees an end,
        while what it sends still arrives, until restore().
        """
        return self._do(self._break_off(how))

    def stall(self) -> int:
        """Let nothing through, and keep connections; return how many there are."""
        return self._do(self._set_flow(flows=False))

    def refuse(self) -> None:
        """Turn new connections away."""
        self._is_open = False

    def restore(self) -> None:
        """Relay again as if nothing had been. What was half closed is closed."""
        self._is_open = True
        self._do(self._set_flow(flows=True))

    def close(self) -> None:
        """End, and everything that goes through it."""
        self.restore()
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_ANSWER_S)
        self._loop.close()

    def _do(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(_ANSWER_S)

    async def _serve(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        if not self._is_open:
            self.refused += 1
            _reset(near)
            return
        try:
            answers, far = await asyncio.open_connection(_HOST, self._target)
        except OSError:
            # Nobody listens behind: who connected is told in the way the kernel would.
            _reset(near)
            return
        link = _Link(near, far)
        self._links.add(link)
        try:
            await asyncio.gather(self._pump(reader, far), self._pump(answers, near))
        finally:
            self._links.discard(link)
            near.close()
            far.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes from one side, and its end."""
        # Who was told an end takes nothing any more (RuntimeError).
        with suppress(OSError, RuntimeError):
            while piece := await reader.read(_PIECE):
                if not self._flows.is_set():
                    self.held += len(piece)
                    await self._flows.wait()
                writer.write(piece)
                await writer.drain()
        with suppress(OSError, RuntimeError):
            writer.write_eof()

    async def _break_off(self, how: Cut) -> int:
        links = list(self._links)
        for link in links:
            if how == "half_close":
                with suppress(OSError, RuntimeError):
                    link.near.write_eof()
                continue
            for writer in (link.near, link.far):
                _reset(writer) if how == "reset" else writer.close()
        return len(links)

    async def _set_flow(self, *, flows: bool) -> int:
        if flows:
            self._flows.set()
            for link in self._links:
                # An end that only one side was told is no end: nobody else closes it.
                if _is_half_closed(link.near):
                    link.near.close()
                    link.far.close()
        else:
            self._flows.clear()
        return len(self._links)

    async def _close(self) -> None:
        self._server.close()
        for link in self._links:
            link.near.transport.abort()
            link.far.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def _is_half_closed(writer: asyncio.StreamWriter) -> bool:
    # asyncio keeps it, and has no other way to ask for it.
    return bool(getattr(writer.transport, "_eof", False))


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF)
    writer.transport.abort()
