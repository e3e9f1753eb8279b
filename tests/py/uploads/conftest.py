"""A database with two accounts for a module's tests, and small chunks where a test wants many."""

import io
from collections.abc import Iterator
from uuid import UUID

import pytest

from harness import chunks
from harness.connections import Connection, Server, connect
from harness.testing.servers import Databases
from harness.uploads import About, Stored, store_upload

ACCOUNT = UUID("00000000-0000-4000-8000-000000000001")
OTHER = UUID("00000000-0000-4000-8000-00000000000b")


@pytest.fixture(scope="module")
def shared(databases: Databases) -> Iterator[Server]:
    """Give a database that the tests of a module share; each stores contents of its own."""
    with databases.migrated() as server:
        with connect(server, "test") as connection:
            connection.execute("insert into app.accounts (id, name) values (%s, 'other')", [OTHER])
        yield server


@pytest.fixture
def opened(shared: Server) -> Iterator[Connection]:
    """Give a connection to it, as a superuser that acts as an account."""
    with connect(shared, "test") as connection:
        yield connection


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> int:
    """Make chunks so small that a short content has many. Return their size."""
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 5)
    return 5


def store(connection: Connection, content: bytes, account: UUID = ACCOUNT) -> Stored:
    """Store a content as an upload of an account."""
    return store_upload(connection, account, io.BytesIO(content), About("log"))
