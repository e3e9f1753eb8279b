"""Fixtures: a real server for the whole run, and databases of their own for tests."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.connections import Connection, Server, connect
from harness.embedded.binaries import find_binaries
from harness.embedded.postgres import EmbeddedPostgres
from harness.settings import Settings
from harness.testing.electrics import TestElectric, choose_electric, parse_electric
from harness.testing.pair import Pair, containers, open_pair
from harness.testing.servers import Databases, TestServer, open_server, parse_choice, resolve

_OURS = ("SESSIONBASE_", "ELECTRIC_", "DATABASE_URL", "PGTAP_SQL", "PG_PROVE")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgres",
        default="auto",
        help="what the tests run on: auto, embedded, container or url (DATABASE_URL)",
    )
    parser.addoption(
        "--electric",
        default="auto",
        help="what tests of sync run on: auto, stand-in, container or url (ELECTRIC_URL)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Open the server before the first test, so that the header can name it."""
    settings = Settings()
    postgres = resolve(settings, parse_choice(config.getoption("--postgres")))
    config.stash[_ELECTRIC] = choose_electric(
        settings, parse_electric(config.getoption("--electric")), postgres
    )
    if _only_hands_out(config):
        return
    stack = ExitStack()
    config.add_cleanup(stack.close)
    config.stash[_SERVER] = stack.enter_context(open_server(settings, postgres))
    config.stash[_GIVEN] = settings
    config.stash[_SETTINGS] = settings.model_copy(
        update={"database_url": None, "electric_url": None, "electric_secret": None}
    )
    for name in list(os.environ):
        # Tests say themselves what is set.
        if name.startswith(_OURS):
            del os.environ[name]


def _only_hands_out(config: pytest.Config) -> bool:
    """Whether the tests are run by other processes, each of which opens a server."""
    is_worker = hasattr(config, "workerinput")
    return bool(config.getoption("numprocesses", None)) and not is_worker


def pytest_report_header(config: pytest.Config) -> list[str]:
    if _only_hands_out(config):
        postgres = f"postgres: {config.getoption('--postgres')}, one for each worker"
    else:
        postgres = config.stash[_SERVER].header
    return [postgres, config.stash[_ELECTRIC].header]


@pytest.fixture(scope="session")
def settings(pytestconfig: pytest.Config) -> Settings:
    """Return the settings of this run, without a DATABASE_URL and an ELECTRIC_URL."""
    return pytestconfig.stash[_SETTINGS]


@pytest.fixture(scope="session")
def given_settings(pytestconfig: pytest.Config) -> Settings:
    """Return the settings of this run, for who needs the servers that they name."""
    return pytestconfig.stash[_GIVEN]


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config) -> Server:
    """Return the server of this run; its own database stays untouched."""
    return pytestconfig.stash[_SERVER].server


@pytest.fixture(scope="session")
def databases(server: Server, settings: Settings) -> Iterator[Databases]:
    """Make databases for tests that need more than one."""
    made = Databases(server, settings)
    yield made
    made.drop_template()


@pytest.fixture
def empty_database(databases: Databases) -> Iterator[Server]:
    """Give a database with nothing in it."""
    with databases.empty() as made:
        yield made


@pytest.fixture
def database(databases: Databases) -> Iterator[Server]:
    """Give a database with all of sql/ applied, of this test alone."""
    with databases.migrated() as made:
        yield made


@pytest.fixture
def connection(database: Server) -> Iterator[Connection]:
    """Give a connection to the migrated database, as a superuser: it sees every row."""
    with connect(database, "test") as opened:
        yield opened


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Give a folder that every account can pass through: as root, an embedded server is another's.

    tmp_path is not such a folder.
    """
    with tempfile.TemporaryDirectory(prefix="sessionbase-test-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture
def server_to_kill(open_folder: Path, settings: Settings) -> Iterator[EmbeddedPostgres]:
    """Give a server of a test's own, to kill. It does not run yet, and keeps what it commits."""
    made = EmbeddedPostgres(open_folder / "postgres", find_binaries(settings))
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="session")
def electric_choice(pytestconfig: pytest.Config) -> str:
    """Return which Electric this run is on: stand-in, container or url."""
    return pytestconfig.stash[_ELECTRIC].choice


@pytest.fixture(scope="session")
def pair(settings: Settings) -> Iterator[Pair]:
    """Run Postgres and Electric in containers, of which there is one pair for the whole run."""
    with containers() as run, open_pair(settings, run) as opened:
        yield opened


_SERVER = pytest.StashKey[TestServer]()
_ELECTRIC = pytest.StashKey[TestElectric]()
_SETTINGS = pytest.StashKey[Settings]()
_GIVEN = pytest.StashKey[Settings]()
