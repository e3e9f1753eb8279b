"""The stage of all attacks: a database, the stand-in, a recorder, a gatekeeper."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.connections import Connection, connect
from harness.testing.servers import Databases
from tests.py.attacks.attacked import KEEP_NOTHING, LONG_POLL_S, Gatekeeper, running
from tests.py.attacks.canonical import Canon
from tests.py.attacks.credentials import Issuer
from tests.py.attacks.guests import Guest
from tests.py.attacks.recorder import Recorder, recording
from tests.py.attacks.scene import set_scene
from tests.py.attacks.striking import Stage
from tests.py.electric.electrics import SECRET, Electric, stand_in

_KEEP_ALIVE_S = 1
_SSE_S = 20


@pytest.fixture(scope="package")
def attacked_electric(databases: Databases) -> Iterator[Electric]:
    """Return a stand-in with rows of several accounts. What follows is always the stand-in.

    A real Electric answers the same way, and takes five times as long to hold a poll.
    """
    with databases.migrated() as server:
        with connect(server, "test") as connection:
            set_scene(connection)
        with stand_in(server, LONG_POLL_S, _KEEP_ALIVE_S, _SSE_S) as electric:
            yield electric


@pytest.fixture(scope="package")
def recorder(attacked_electric: Electric) -> Iterator[Recorder]:
    """Return what stands between gatekeeper and Electric, and keeps what is asked."""
    with recording(attacked_electric.port) as recorder:
        yield recorder


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for keys and logs."""
    return tmp_path_factory.mktemp("attacks")


@pytest.fixture(scope="package")
def issuer(folder: Path) -> Issuer:
    """Return the identity provider that the gatekeeper trusts."""
    return Issuer(folder / "jwks.json")


@pytest.fixture(scope="package")
def environment(attacked_electric: Electric, recorder: Recorder) -> dict[str, str]:
    """Return the settings by which a gatekeeper reaches all that is behind it."""
    return {
        "DATABASE_URL": attacked_electric.server.conninfo,
        "ELECTRIC_URL": f"http://127.0.0.1:{recorder.port}",
        "ELECTRIC_SECRET": SECRET,
    }


@pytest.fixture(scope="package")
def gatekeeper(folder: Path, issuer: Issuer, environment: dict[str, str]) -> Iterator[Gatekeeper]:
    """Return a gatekeeper in a process of its own."""
    with running(folder, issuer, environment) as gatekeeper:
        yield gatekeeper


@pytest.fixture(scope="package")
def stage(
    folder: Path,
    issuer: Issuer,
    environment: dict[str, str],
    recorder: Recorder,
    attacked_electric: Electric,
) -> Iterator[Stage]:
    """Return the stage on which attacks are made.

    Its gatekeeper keeps no answers: whatever it answers with 200, Electric was asked for.
    """
    canon = Canon(f"127.0.0.1:{recorder.port}", SECRET)
    with running(folder, issuer, environment | KEEP_NOTHING) as gatekeeper:
        yield Stage(gatekeeper, recorder, attacked_electric.server, canon)


@pytest.fixture
def writer(attacked_electric: Electric) -> Iterator[Connection]:
    """Give a connection as a superuser, to write what is synced and to revoke."""
    with connect(attacked_electric.server, "test") as opened:
        yield opened


@pytest.fixture
def guest(gatekeeper: Gatekeeper, writer: Connection) -> Guest:
    """Return an account of this test alone."""
    return Guest(gatekeeper).enter(writer)
