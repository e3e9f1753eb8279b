"""However large a content is, neither side has more of it in memory than some chunks."""

import hashlib
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from harness.chunks import CHUNK_BYTES
from harness.connections import Connection, Server
from harness.uploads import About, read_upload, store_upload
from tests.py.uploads.conftest import ACCOUNT

CHUNKS = 64
CLIENT_MB = 30
SERVER_MB = 20


class Made:
    """A stream of so many chunks that are made as they are read; half of each does not compress."""

    def __init__(self) -> None:
        self._left = CHUNKS * CHUNK_BYTES
        self._dice = Random(7)  # noqa: S311 - the same bytes every time
        self.sha256 = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        size = min(size, self._left)
        self._left -= size
        content = self._dice.randbytes(size // 2) + bytes(size - size // 2)
        self.sha256.update(content)
        return content


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
def test_a_content_is_never_whole_in_memory(opened: Connection, shared: Server) -> None:
    backend = Path(f"/proc/{opened.info.backend_pid}/status")
    of_its_own: list[int] = []

    def watch(_text: str, _done: int, _total: int) -> None:
        if shared.embedded and backend.exists():
            # Without the shared buffers, which all backends have together.
            lines = dict(line.split(":", 1) for line in backend.read_text().splitlines())
            of_its_own.append(int(lines["RssAnon"].split()[0]) * 1024)

    made = Made()
    stored = store_upload(opened, ACCOUNT, made, About("large"), watch)  # type: ignore[arg-type]
    assert stored.content.sent_chunks == CHUNKS

    digest = hashlib.sha256()
    for piece in read_upload(opened, ACCOUNT, stored.upload["id"]):
        assert len(piece) <= CHUNK_BYTES
        digest.update(piece)
        watch("", 0, 0)
    assert digest.digest() == made.sha256.digest()

    assert tracemalloc.get_traced_memory()[1] < CLIENT_MB * 10**6 < CHUNKS * CHUNK_BYTES
    assert max(of_its_own, default=0) < SERVER_MB * 10**6 < CHUNKS * CHUNK_BYTES
