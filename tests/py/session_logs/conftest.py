"""Accounts to read logs into."""

from collections.abc import Iterator

import pytest

from harness.connections import Connection, Server, connect
from harness.testing.servers import Databases
from tests.py.session_logs.builders import Account, new_account


@pytest.fixture(scope="module")
def shared(databases: Databases) -> Iterator[tuple[Server, Connection]]:
    """Give a database that the tests of a module share, each with an account of its own."""
    with databases.migrated() as server, connect(server, "test") as opened:
        yield server, opened


@pytest.fixture
def account(shared: tuple[Server, Connection]) -> Account:
    """Return an account of this test alone."""
    return new_account(*shared)
