"""A chunk as one frame of zstd: as it is kept, or made so; and never one that was not checked."""

import gzip
import hashlib

import pytest

from harness.chunks import as_frame, zstd
from harness.errors import ExitCode, SessionbaseError

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).digest()


def framed(encoding: str, packed: bytes) -> bytes:
    return as_frame(encoding, packed, SHA256, len(CONTENT))


def test_a_frame_that_is_kept_is_given_as_it_is() -> None:
    kept = zstd.compress(CONTENT, 6)
    assert framed("zstd", kept) == kept


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("identity", CONTENT),
        ("gzip", gzip.compress(CONTENT)),
        ("zstd", zstd.compress(CONTENT) + zstd.compress(b"behind it")),
        ("zstd", zstd.compress(CONTENT) + b"no frame"),
    ],
)
def test_anything_else_becomes_one_frame(encoding: str, packed: bytes) -> None:
    opener = zstd.ZstdDecompressor()
    made = framed(encoding, packed)
    assert made != packed
    assert (opener.decompress(made), opener.eof, opener.unused_data) == (CONTENT, True, b"")


def test_a_window_that_no_browser_opens_is_made_narrower() -> None:
    # Of a stream whose end is not known the frame says the widest window that it may need.
    wide = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 25})
    kept = wide.compress(CONTENT) + wide.flush()
    narrow: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}
    with pytest.raises(zstd.ZstdError):
        zstd.decompress(kept, options=narrow)
    assert zstd.decompress(framed("zstd", kept), options=narrow) == CONTENT


@pytest.mark.parametrize("content", [CONTENT + b"x", CONTENT[:-1], b"x" + CONTENT[1:], b""])
@pytest.mark.parametrize("encoding", ["identity", "zstd"])
def test_another_content_is_refused(encoding: str, content: bytes) -> None:
    with pytest.raises(SessionbaseError) as refused:
        framed(encoding, content if encoding == "identity" else zstd.compress(content))
    assert refused.value.code == ExitCode.DAMAGED
