"""A gatekeeper in front of a stand-in for Electric, over a migrated database."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from harness.connections import Connection, Server, connect
from harness.testing.servers import Databases
from tests.py.electric.electrics import Electric, stand_in
from tests.py.gatekeeper.gatekeepers import Gatekeeper, running
from tests.py.gatekeeper.issuers import Issuer, new_issuer
from tests.py.gatekeeper.personas import (
    DISABLED,
    EDITOR,
    OWNER,
    STRANGER,
    VIEWER,
    Clients,
    cast,
    clients,
)

Start = Callable[..., Gatekeeper]

LONG_POLL_S, KEEP_ALIVE_S, SSE_S = 2.0, 1.0, 4.0
"""How long the stand-in holds a poll, until it sends a sign of life, and holds a stream."""


@pytest.fixture(scope="module")
def electric(databases: Databases) -> Iterator[Electric]:
    """Return a stand-in and the database it follows, of this module alone."""
    with (
        databases.migrated() as made,
        stand_in(made, LONG_POLL_S, KEEP_ALIVE_S, SSE_S) as electric,
    ):
        yield electric


@pytest.fixture
def start(electric: Electric) -> Iterator[Start]:
    """Return a way to start gatekeepers with settings of a test's own; they end with the test."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running(electric, **settings))


@pytest.fixture
def single(start: Start) -> Gatekeeper:
    """Return a gatekeeper in single-tenant mode."""
    return start()


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    """Return an identity provider."""
    return new_issuer(tmp_path)


@pytest.fixture
def gatekeeper(start: Start, issuer: Issuer) -> Gatekeeper:
    """Return a gatekeeper that believes the issuer."""
    return start(**issuer.settings())


@pytest.fixture
def ask(single: Gatekeeper) -> Iterator[httpx.Client]:
    """Return an HTTP client of the one in single-tenant mode."""
    with single.client() as client:
        yield client


@pytest.fixture
def writer(electric: Electric) -> Iterator[Connection]:
    """Give a connection to the database, as a superuser: it sees every row."""
    with connect(electric.server, "test") as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(databases: Databases) -> Iterator[Server]:
    """Give a database with the personas, of this module."""
    with databases.migrated() as server:
        cast(server)
        yield server


@pytest.fixture(scope="module")
def personas(shared: Server) -> Iterator[Clients]:
    """Give an HTTP client for each persona."""
    with clients(shared, OWNER, VIEWER, EDITOR, STRANGER, DISABLED) as made:
        yield made


@pytest.fixture
def owner(personas: Clients) -> httpx.Client:
    """Return the owner's."""
    return personas[OWNER]


@pytest.fixture
def root(shared: Server) -> Iterator[Connection]:
    """Give a connection as a superuser."""
    with connect(shared, "test") as opened:
        yield opened
