"""Places to cut over in."""

from pathlib import Path

import pytest

from harness.connections import Server
from harness.settings import Settings
from tests.py.cutover.nights import Place, close_to_public, write_data


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder that no test changes."""
    return write_data(tmp_path_factory.mktemp("cutover") / "data")


@pytest.fixture
def place(database: Server, settings: Settings, data: Path, tmp_path: Path) -> Place:
    """Return a migrated database, the data folder, and a folder for the notes."""
    return Place(close_to_public(database), settings, data, tmp_path / "out")


@pytest.fixture
def new_place(empty_database: Server, settings: Settings, data: Path, tmp_path: Path) -> Place:
    """Return the same with a database that has nothing of sessionbase yet."""
    return Place(empty_database, settings, data, tmp_path / "out")
