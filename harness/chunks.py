"""What the bytes of an upload are cut into, and how a chunk is compressed and opened again."""

import hashlib
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from harness.errors import ExitCode, SessionbaseError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["CHUNK_BYTES", "LEVEL", "Cutter", "as_frame", "compress", "cut", "decompress", "zstd"]

CHUNK_BYTES = 1 << 20
"""Bytes of a chunk, uncompressed. docs/uploads.md says why so many."""

LEVEL = 6
"""Of zstd. docs/uploads.md has what other levels gain and cost."""

_GZIP = zlib.MAX_WBITS | 16

_PASSING_LEVEL = 1
"""Of zstd, for a chunk that is kept in another encoding and is sent in this one."""

_WIDEST_WINDOW: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}
"""8 MiB: what a browser opens of Content-Encoding: zstd (RFC 9659)."""


class Cutter:
    """Cuts bytes into chunks of one size, the last one excepted, however they come in."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, block: bytes) -> Iterator[bytes]:
        """Take the next bytes; give the chunks that are full by now. Give all before the next."""
        rest = memoryview(block)
        while rest:
            room = CHUNK_BYTES - len(self._held)
            self._held += rest[:room]
            rest = rest[room:]
            if len(self._held) == CHUNK_BYTES:
                yield self._take()

    def rest(self) -> Iterator[bytes]:
        """Give the last chunk, if something is left."""
        if self._held:
            yield self._take()

    def _take(self) -> bytes:
        chunk = bytes(self._held)
        self._held.clear()
        return chunk


def cut(stream: BinaryIO) -> Iterator[bytes]:
    """Cut a stream into chunks of one size, the last one excepted, however it is read."""
    cutter = Cutter()
    while block := stream.read(CHUNK_BYTES):
        yield from cutter.feed(block)
    yield from cutter.rest()


def compress(content: bytes) -> tuple[str, bytes]:
    """Return an encoding, and a chunk in it: as it is, where compressing makes it no smaller."""
    packed = zstd.compress(content, LEVEL)
    return ("zstd", packed) if len(packed) < len(content) else ("identity", content)


def decompress(encoding: str, packed: bytes, sha256: bytes, size_bytes: int) -> bytes:
    """Return what a chunk holds, and never more bytes than it says.

    Raises SessionbaseError (DAMAGED) if that is not what its size and SHA-256 say.
    """
    try:
        content = _OPENERS[encoding](packed, size_bytes + 1)
    except (zlib.error, zstd.ZstdError, EOFError):
        content = b""
    if not _is(content, sha256, size_bytes):
        raise SessionbaseError(
            ExitCode.DAMAGED,
            f"the chunk {sha256.hex()} does not hold what its SHA-256 says",
            hint="It was stored so, or its bytes were changed since. docs/uploads.md, "
            '"When a content is wrong".',
        )
    return content


def as_frame(encoding: str, packed: bytes, sha256: bytes, size_bytes: int) -> bytes:
    """Return a chunk as one frame of zstd that any client opens, after its content was checked.

    As it is kept, where it is kept so. Frames one behind the other are their contents one behind
    the other (RFC 8878). Raises what decompress() raises.
    """
    if encoding == "zstd":
        opener = zstd.ZstdDecompressor(options=_WIDEST_WINDOW)
        try:
            content = opener.decompress(packed, size_bytes + 1)
        except zstd.ZstdError:
            content = b""
        # Behind its frame a chunk can have bytes that decompress() never sees.
        is_one_frame = opener.eof and not opener.unused_data
        if is_one_frame and _is(content, sha256, size_bytes):
            return packed
    return zstd.compress(decompress(encoding, packed, sha256, size_bytes), _PASSING_LEVEL)


def _is(content: bytes, sha256: bytes, size_bytes: int) -> bool:
    return len(content) == size_bytes and hashlib.sha256(content).digest() == sha256


def _open_zstd(packed: bytes, most: int) -> bytes:
    return zstd.ZstdDecompressor().decompress(packed, most)


def _open_gzip(packed: bytes, most: int) -> bytes:
    return zlib.decompressobj(_GZIP).decompress(packed, most)


_OPENERS: dict[str, Callable[[bytes, int], bytes]] = {
    "identity": lambda packed, _: packed,
    "gzip": _open_gzip,
    "zstd": _open_zstd,
}
