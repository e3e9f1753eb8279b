"""A folder of SQL files to change at will, and migrators over it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.connections import Server, connect
from harness.migrations.runner import Migrator
from harness.settings import SQL, Settings

Apply = Callable[..., list[str]]
Write = Callable[[str, str], Path]


@pytest.fixture
def sql_folder(tmp_path: Path) -> Path:
    """Return a copy of sql/."""
    return Path(shutil.copytree(SQL, tmp_path / "sql"))


@pytest.fixture
def write(sql_folder: Path) -> Write:
    """Return a function that writes a file of the copy."""

    def written(name: str, text: str) -> Path:
        path = sql_folder / name
        path.write_text(text)
        return path

    return written


@pytest.fixture
def apply(sql_folder: Path, database: Server, settings: Settings) -> Apply:
    """Return a function that migrates the migrated database to the copy, and says what it did."""

    def applied(**changed: int) -> list[str]:
        migrator = Migrator(settings.model_copy(update=changed), sql_folder)
        return [file.name for file in migrator.apply(database)]

    return applied


@pytest.fixture
def query(database: Server) -> Callable[..., list[tuple[object, ...]]]:
    """Return a function that asks the migrated database something."""

    def asked(statement: str, *values: object) -> list[tuple[object, ...]]:
        with connect(database, "test") as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    return asked
