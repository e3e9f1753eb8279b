"""The server that is measured on, and databases that all begin in the same state."""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from harness.connections import Server, connect, server_of_url
from harness.databases import create_database, drop_database
from harness.embedded.binaries import find_binaries, home_of, make_folder
from harness.embedded.postgres import EmbeddedPostgres
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings

_SETTINGS = (
    "shared_buffers",
    "max_wal_size",
    "wal_level",
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "autovacuum",
)


@dataclass(frozen=True)
class Place:
    """Where to measure: a server, and a folder for the files that are imported."""

    server: Server
    folder: Path


@contextmanager
def open_place(settings: Settings) -> Iterator[Place]:
    """Open the server of DATABASE_URL, or else one for this bench alone, set up as users have it.

    It is in a folder of a fixed name on the disk the project is on, so that what a killed bench
    left is found and thrown away.
    Raises SessionbaseError (REFUSED) if another bench is running: they would slow each other.
    """
    home = home_of(settings) / "bench"
    make_folder(home)
    try:
        with FileLock(home.with_name("bench.lock"), timeout=0):
            yield from _places(settings, home)
    except Timeout:
        raise SessionbaseError(
            ExitCode.REFUSED, "another bench is running", hint="Wait for it to end."
        ) from None


def _places(settings: Settings, home: Path) -> Iterator[Place]:
    files = home / "files"
    shutil.rmtree(files, ignore_errors=True)
    try:
        if settings.database_url:
            yield Place(server_of_url(settings.database_url.get_secret_value()), files)
        else:
            yield from _embedded(settings, home, files)
    finally:
        shutil.rmtree(files, ignore_errors=True)


def _embedded(settings: Settings, home: Path, files: Path) -> Iterator[Place]:
    postgres = EmbeddedPostgres(home / "postgres", find_binaries(settings))
    postgres.remove()
    try:
        yield Place(postgres.ensure_running(), files)
    finally:
        postgres.remove()


class Databases:
    """Makes databases on a server: named templates, and clones of them."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._prefix = f"sessionbase_bench_{os.getpid()}"
        self._numbers = itertools.count()
        self._templates: dict[str, str] = {}

    def make_template(
        self, name: str, based_on: str | None, fill: Callable[[Server], object]
    ) -> None:
        """Make a template of another one (None: of an empty database) and fill it."""
        database = f"{self._prefix}_{name}"
        server = self._create(database, self._templates[based_on] if based_on else "template0")
        self._templates[name] = database
        fill(server)

    @contextmanager
    def clone(self, template: str) -> Iterator[Server]:
        """Give a copy of a template, and drop it afterwards."""
        database = f"{self._prefix}_{next(self._numbers)}"
        try:
            yield self._create(database, self._templates[template])
        finally:
            drop_database(self._server, database, "bench")

    def drop_templates(self) -> None:
        """Drop all templates."""
        while self._templates:
            drop_database(self._server, self._templates.popitem()[1], "bench")

    def _create(self, database: str, template: str) -> Server:
        return create_database(self._server, database, template, "bench", by_files=True)


@contextmanager
def open_databases(server: Server) -> Iterator[Databases]:
    """Make databases on a server, all gone afterwards."""
    databases = Databases(server)
    try:
        yield databases
    finally:
        with suppress(SessionbaseError):
            # If the server is gone, so are they, and why it is gone matters more.
            databases.drop_templates()


def environment_of(server: Server) -> dict[str, str]:
    """Return the server's version and those of its settings that decide how fast it writes."""
    with connect(server, "bench") as connection:
        found = connection.execute(
            "select name, current_setting(name) from pg_settings where name = any (%s)",
            [["server_version", *_SETTINGS]],
        ).fetchall()
    known = dict(found)
    return {"postgres": known["server_version"], **{name: known[name] for name in _SETTINGS}}
