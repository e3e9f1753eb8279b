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

__all__ = ["CHUNK_BYTES", "LEVEL", "compress", "cut", "decompress", "zstd"]

CHUNK_BYTES = 1 << 20
"""Bytes of a chunk, uncompressed. docs/uploads.md says why so many."""

LEVEL = 6
"""Of zstd. docs/uploads.md has what other levels gain and cost."""

_GZIP = zlib.MAX_WBITS | 16


def cut(stream: BinaryIO) -> Iterator[bytes]:
    """Cut a stream into chunks of one size, the last one excepted, however it is read."""
    held = bytearray()
    while block := stream.read(CHUNK_BYTES - len(held)):
        held += block
        if len(held) == CHUNK_BYTES:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


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
    if len(content) != size_bytes or hashlib.sha256(content).digest() != sha256:
        raise SessionbaseError(
            ExitCode.DAMAGED,
            f"the chunk {sha256.hex()} does not hold what its SHA-256 says",
            hint="It was stored so, or its bytes were changed since. docs/uploads.md, "
            '"When a content is wrong".',
        )
    return content


def _open_zstd(packed: bytes, most: int) -> bytes:
    return zstd.ZstdDecompressor().decompress(packed, most)


def _open_gzip(packed: bytes, most: int) -> bytes:
    return zlib.decompressobj(_GZIP).decompress(packed, most)


_OPENERS: dict[str, Callable[[bytes, int], bytes]] = {
    "identity": lambda packed, _: packed,
    "gzip": _open_gzip,
    "zstd": _open_zstd,
}
