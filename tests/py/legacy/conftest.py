"""Accounts to import into."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.connections import Connection, Server, connect
from harness.testing.servers import Databases
from tests.py.legacy.builders import Target, default_target, new_target


@pytest.fixture(scope="module")
def shared(databases: Databases) -> Iterator[tuple[Server, Connection]]:
    """Give a database that the tests of a module share, each with an account of its own."""
    with databases.migrated() as server, connect(server, "test") as opened:
        yield server, opened


@pytest.fixture
def target(shared: tuple[Server, Connection]) -> Target:
    """Return an account of this test alone, in a database that has others."""
    return new_target(*shared)


@pytest.fixture
def alone(database: Server, connection: Connection) -> Target:
    """Return the only account of a database of this test alone."""
    return default_target(database, connection)


@pytest.fixture(scope="module")
def own(databases: Databases) -> Iterator[Target]:
    """Give the only account of a database of the module; tests empty it before each import."""
    with databases.migrated() as server, connect(server, "test") as opened:
        yield default_target(server, opened)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return where to write a data folder."""
    return tmp_path / "data"
