"""The server the tests run on, and the databases on it."""

import gc
import itertools
import os
import warnings
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Literal, cast, get_args

import docker
from docker.errors import APIError, DockerException
from testcontainers.community.postgres import PostgresContainer

from harness.connections import Server, connect, server_of_url
from harness.databases import create_database, drop_database
from harness.embedded.guardian import temporary_postgres
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.runner import Migrator
from harness.settings import Settings

Choice = Literal["auto", "embedded", "container", "url"]

_IMAGE = "postgres:18-alpine"
_DOCKER_API = "1.44"


@dataclass(frozen=True)
class TestServer:
    """A server for tests, how it was chosen, and the version it answers with."""

    __test__ = False

    server: Server
    choice: Choice
    version: str

    @property
    def header(self) -> str:
        """One line for the head of a test report."""
        return f"postgres: {self.choice}, {self.version}, {self.server.label}"


def parse_choice(text: str) -> Choice:
    """Read the option --postgres. Raises SessionbaseError (BAD_SETTINGS)."""
    check_choice("--postgres", text, get_args(Choice))
    return cast("Choice", text)


def check_choice(option: str, text: str, choices: Collection[str]) -> None:
    """Hold what was given for an option to its choices. Raises SessionbaseError (BAD_SETTINGS)."""
    if text not in choices:
        raise SessionbaseError(
            ExitCode.BAD_SETTINGS,
            f"{option}={text} is not known",
            hint=f"It is one of {', '.join(choices)}.",
        )


@contextmanager
def open_server(settings: Settings, choice: Choice) -> Iterator[TestServer]:
    """Open the server that tests run on, and end it, if it was started for them.

    auto: the one of DATABASE_URL if that is set, a container if a Docker engine answers, else
    the embedded one in a folder of its own.
    """
    choice = resolve(settings, choice)
    with _open(settings, choice) as server, connect(server, "test") as connection:
        row = connection.execute("select current_setting('server_version')").fetchone()
        yield TestServer(server, choice, f"Postgres {row[0] if row else '?'}")


def resolve(settings: Settings, choice: Choice) -> Choice:
    """Return what auto comes to, and any other choice as it is."""
    if choice != "auto":
        return choice
    if settings.database_url:
        return "url"
    return "container" if docker_answers() else "embedded"


@cache
def docker_answers() -> bool:
    """Ask whether a Docker engine is at hand; once, for it takes a while where none is."""
    with warnings.catch_warnings():
        # The docker package leaves a socket open where no engine answers, and says so when
        # that is collected: here, rather than in the middle of some test.
        warnings.simplefilter("ignore", ResourceWarning)
        answers = _ping_docker()
        gc.collect()
    return answers


def _ping_docker() -> bool:
    # With a version named, nothing is asked of the engine before ping.
    with closing(docker.from_env(version=_DOCKER_API)) as client:
        try:
            client.ping()
        except APIError:
            # An engine that knows other versions only; testcontainers negotiates.
            return True
        except (DockerException, OSError):
            return False
    return True


@contextmanager
def _open(settings: Settings, choice: Choice) -> Iterator[Server]:
    if choice == "embedded":
        with temporary_postgres(settings) as server:
            yield server
    elif choice == "container":
        container = PostgresContainer(_IMAGE, driver=None)
        with container.with_command("postgres -c wal_level=logical -c fsync=off") as running:
            yield server_of_url(running.get_connection_url())
    elif settings.database_url:
        yield server_of_url(settings.database_url.get_secret_value())
    else:
        raise SessionbaseError(
            ExitCode.BAD_SETTINGS,
            "--postgres=url needs DATABASE_URL",
            hint="Its login must be allowed to create databases and roles.",
        )


class Databases:
    """Makes databases for tests: one migrated template, and clones of it in milliseconds."""

    def __init__(self, server: Server, settings: Settings) -> None:
        self._server = server
        self._settings = settings
        self._prefix = f"sessionbase_test_{os.getpid()}"
        self._numbers = itertools.count()
        self._template: str | None = None

    @contextmanager
    def empty(self) -> Iterator[Server]:
        """Give a database with nothing in it, and drop it afterwards."""
        with self._made("template0") as server:
            yield server

    @contextmanager
    def migrated(self) -> Iterator[Server]:
        """Give a database with all of sql/ applied, and drop it afterwards."""
        if self._template is None:
            self._template = f"{self._prefix}_template"
            template = create_database(self._server, self._template, "template0", "test")
            Migrator(self._settings).apply(template)
        with self._made(self._template) as server:
            yield server

    def drop_template(self) -> None:
        """Drop the template, if one was made."""
        if self._template:
            drop_database(self._server, self._template, "test")

    @contextmanager
    def _made(self, template: str) -> Iterator[Server]:
        name = f"{self._prefix}_{next(self._numbers)}"
        try:
            yield create_database(self._server, name, template, "test")
        finally:
            drop_database(self._server, name, "test")
