"""A database where somebody can sign in, and a gatekeeper in front of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from harness.connections import Connection, Server, connect
from harness.testing.servers import Databases
from tests.py.electric.electrics import SECRET, Electric
from tests.py.gatekeeper.gatekeepers import Gatekeeper, running
from tests.py.gatekeeper.issuers import Issuer, new_issuer
from tests.py.login_sessions.people import Person, enrol

ORIGIN = "https://chat.example"
SAME_ORIGIN = {"sec-fetch-site": "same-origin"}

Client = Callable[..., httpx.Client]


@pytest.fixture(scope="module")
def migrated(databases: Databases) -> Iterator[Server]:
    """Return a migrated database of this module alone."""
    with databases.migrated() as made:
        yield made


@pytest.fixture
def admin(migrated: Server) -> Iterator[Connection]:
    """Give a connection as a superuser: it sees every row."""
    with connect(migrated, "test") as opened:
        yield opened


@pytest.fixture
def other_admin(migrated: Server) -> Iterator[Connection]:
    """Give another one."""
    with connect(migrated, "test") as opened:
        yield opened


@pytest.fixture
def ada(admin: Connection) -> Person:
    """Return somebody who may sign in."""
    return enrol(admin, "ada")


@pytest.fixture
def bob(admin: Connection) -> Person:
    """Return somebody else."""
    return enrol(admin, "bob")


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    """Return an identity provider."""
    return new_issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="module")
def gatekeeper(migrated: Server, issuer: Issuer) -> Iterator[Gatekeeper]:
    """Return a gatekeeper that believes the issuer. No Electric is behind it."""
    nowhere = Electric("http://127.0.0.1:9", SECRET, migrated)
    with running(nowhere, public_origin=ORIGIN, **issuer.settings()) as started:
        yield started


@pytest.fixture
def client(gatekeeper: Gatekeeper) -> Iterator[Client]:
    """Return a way to make HTTP clients that send a login cookie, or none, and no other."""
    with ExitStack() as stack:

        def make(secret: str | None = None, **headers: str) -> httpx.Client:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            if secret is not None:
                named["cookie"] = f"__Host-sessionbase={secret}"
            return stack.enter_context(gatekeeper.client(**named))

        yield make


@pytest.fixture
def migrated_three(
    migrated: Server, admin: Connection, other_admin: Connection
) -> Iterator[tuple[Connection, Connection, Connection]]:
    """Give three connections: one looks on while the others wait for each other."""
    with connect(migrated, "test") as third:
        yield admin, other_admin, third
