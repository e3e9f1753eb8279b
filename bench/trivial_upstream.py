"""An upstream that does nothing but answer, so that what stands in front of it is what is measured.

`python -m bench.trivial_upstream BYTES` prints the port that it took. It speaks as much of
Electric's API as a gatekeeper asks for: a snapshot of so many bytes that is always the same, polls
that it holds until POST /release answers them all with one change, and its health.
"""

import asyncio
import sys

HANDLE = "1-1700000000000000"
_CHANGE = (
    b'[{"key":"k","value":{"id":"k"},"headers":{"operation":"insert"}},'
    b'{"headers":{"control":"up-to-date","global_last_seen_lsn":"1"}}]'
)
_NOTHING = b'[{"headers":{"control":"up-to-date","global_last_seen_lsn":"1"}}]'
_ENDED = b"\r\n\r\n"


class Upstream(asyncio.Protocol):
    """A connection. held: those whose poll is not answered yet, of all connections."""

    def __init__(self, snapshot: bytes, held: "set[Upstream]") -> None:
        self._snapshot = snapshot
        self._held = held
        self._read = b""
        self._transport: asyncio.Transport | None = None
        self._is_last = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - it listens on TCP
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        """End."""
        self._held.discard(self)

    def data_received(self, data: bytes) -> None:
        """Answer each request whose head is there; none has a body."""
        self._read += data
        while _ENDED in self._read:
            head, _, self._read = self._read.partition(_ENDED)
            self._is_last = b"\r\nconnection: close" in head.lower()
            self._answer(head.partition(b"\r\n")[0])

    def give(self, body: bytes, offset: str, cache: str, more: str = "") -> None:
        """Answer with a body."""
        if self._transport and not self._transport.is_closing():
            self._transport.write(_head(len(body), offset, cache, more) + body)
            if self._is_last:
                self._transport.close()

    def _answer(self, line: bytes) -> None:
        if line.startswith(b"POST /release"):
            released = list(self._held)
            self._held.clear()
            for one in released:
                one.give(
                    _CHANGE,
                    "1_0",
                    "public, max-age=5",
                    "electric-cursor: 1\r\nelectric-up-to-date: \r\n",
                )
            self.give(b"%d" % len(released), "0_0", "no-store")
        elif b"/v1/health" in line:
            self.give(b'{"status":"active"}', "0_0", "no-store")
        elif b"offset=-1" in line:
            self.give(self._snapshot, "0_0", "public, max-age=604800, s-maxage=3600")
        elif b"live=true" in line:
            self._held.add(self)
        else:
            self.give(_NOTHING, "0_inf", "public, max-age=60", "electric-up-to-date: \r\n")


def _head(size: int, offset: str, cache: str, more: str) -> bytes:
    return (
        "HTTP/1.1 200 OK\r\n"
        "content-type: application/json; charset=utf-8\r\n"
        f"content-length: {size}\r\n"
        f"cache-control: {cache}\r\n"
        f'etag: "{HANDLE}:{offset}"\r\n'
        f"electric-handle: {HANDLE}\r\n"
        f"electric-offset: {offset}\r\n"
        'electric-schema: {"id":{"type":"text","not_null":true,"pk_index":0}}\r\n'
        f"electric-has-data: true\r\n{more}\r\n"
    ).encode()


def snapshot_of(size: int) -> bytes:
    """Return a snapshot of about so many bytes."""
    row = b'{"key":"k","value":{"id":"k","content":"%s"},"headers":{"operation":"insert"}}'
    rows = [row % (b"x" * 1000)] * max(1, size // 1070)
    end = b'{"headers":{"control":"snapshot-end","xip_list":[],"xmax":"1","xmin":"1"}}'
    return b"[" + b",".join([*rows, end]) + b"]"


async def _serve(size: int) -> None:
    snapshot, held = snapshot_of(size), set[Upstream]()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Upstream(snapshot, held), "127.0.0.1", 0, backlog=4096
    )
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
