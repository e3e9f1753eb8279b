"""Whatever became of the rows behind everybody's back, no wrong byte is given, and it is said."""

import gzip

import pytest
from backports import zstd

from harness.connections import Connection
from harness.errors import ExitCode, SessionbaseError
from harness.uploads import Stored, read_upload
from tests.py.uploads.conftest import ACCOUNT, store

CONTENT = b"".join(b"%04d " % number for number in range(9))
CHUNK = "update app.upload_chunks set {} where sha256 = sha256('0003 ')"
PLACE = "app.upload_content_chunks where content_sha256 = %(sha256)s and chunk_index = "


@pytest.fixture
def stored(opened: Connection, small_chunks: int) -> Stored:
    assert small_chunks == 5
    return store(opened, CONTENT)


def read_until_it_fails(opened: Connection, stored: Stored, damage: str) -> tuple[bytes, str]:
    """Change a row, and take it back. Return what was given until then, and what was said."""
    given: list[bytes] = []
    with opened.transaction(force_rollback=True):
        assert opened.execute(damage, stored.content.named()).rowcount == 1
        with pytest.raises(SessionbaseError) as caught:
            given.extend(read_upload(opened, ACCOUNT, stored.upload["id"]))
    assert caught.value.code == ExitCode.DAMAGED
    assert "docs/uploads.md" in caught.value.hint
    return b"".join(given), caught.value.what


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("zstd", b"no frame"),
        ("gzip", b"no gzip"),
        ("zstd", zstd.compress(b"0004 ")),
        ("gzip", gzip.compress(b"0004 ", mtime=0)),
        ("zstd", zstd.compress(b"0003 ")[:-1]),
        ("gzip", gzip.compress(b"0003 ", mtime=0)[:12]),
        # More than it says, and very much more.
        ("zstd", zstd.compress(b"0003 0003 ")),
        ("zstd", zstd.compress(b"0003 " * 10**6)),
        ("gzip", gzip.compress(b"0003 " * 10**5, mtime=0)),
    ],
)
def test_a_chunk_that_holds_something_else(
    opened: Connection, stored: Stored, encoding: str, packed: bytes
) -> None:
    damage = CHUNK.format(f"encoding = '{encoding}', chunk = '\\x{packed.hex()}'")
    given, said = read_until_it_fails(opened, stored, damage)
    assert given == CONTENT[:15]
    assert said.endswith("does not hold what its SHA-256 says")


def test_a_chunk_at_the_wrong_place(opened: Connection, stored: Stored) -> None:
    # It is right by itself, so only the SHA-256 of the whole says it.
    swap = f"update {PLACE.replace(' where', ' set chunk_sha256 = %(other)s where')}3"
    swap = swap.replace("%(other)s", "sha256('0004 ')")
    given, said = read_until_it_fails(opened, stored, swap)
    assert given == CONTENT.replace(b"0003", b"0004")
    assert said.startswith("the content of upload ")
    assert said.endswith("does not hold what its SHA-256 says")


def test_a_hole(opened: Connection, stored: Stored) -> None:
    given, said = read_until_it_fails(opened, stored, f"delete from {PLACE} 3")
    assert given == CONTENT[:15]
    assert said.endswith("has no byte 15")


def test_a_missing_end(opened: Connection, stored: Stored) -> None:
    given, said = read_until_it_fails(opened, stored, f"delete from {PLACE} 8")
    assert given == CONTENT[:40]
    assert said.endswith("ends after 40 of 45 bytes")
