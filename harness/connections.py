"""Connections to the one Postgres a command works on, and what that Postgres must be."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from harness.errors import ExitCode, SessionbaseError

OLDEST_MAJOR = 15
NEWEST_MAJOR = 18
NEEDED_WAL_LEVEL = "logical"

Connection = psycopg.Connection[tuple[Any, ...]]
"""A connection whose rows are tuples."""


@dataclass(frozen=True)
class Server:
    """A Postgres database to work on. conninfo holds the password, so it is never printed."""

    conninfo: str = field(repr=False)
    embedded: bool

    @property
    def label(self) -> str:
        """Where the server is, without a password."""
        parts = conninfo_to_dict(self.conninfo)
        host, port = parts.get("host") or "(default host)", parts.get("port") or "5432"
        user, name = parts.get("user") or "(default user)", self.database
        return f"postgresql://{user}@{host}:{port}/{name}"

    @property
    def database(self) -> str:
        """Name of the database."""
        parts = conninfo_to_dict(self.conninfo)
        return str(parts.get("dbname") or parts.get("user") or "(default database)")

    def with_database(self, name: str) -> "Server":
        """Return the same server with another database."""
        return Server(make_conninfo(self.conninfo, dbname=name), embedded=self.embedded)


def server_of_url(url: str) -> Server:
    """Make a Server of DATABASE_URL. Raises SessionbaseError (BAD_SETTINGS) if it is not one."""
    try:
        parts: dict[str, Any] = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # libpq's message can quote the URL, password included, so it is not passed on.
        raise SessionbaseError(
            ExitCode.BAD_SETTINGS,
            "DATABASE_URL is not a Postgres connection URL",
            hint="It looks like postgresql://user:password@host:5432/database; "
            "special characters in the password are percent-encoded.",
        ) from None
    parts.setdefault("connect_timeout", "10")
    return Server(make_conninfo(**parts), embedded=False)


@contextmanager
def connect(server: Server, purpose: str) -> Iterator[Connection]:
    """Connect in autocommit mode; purpose is what pg_stat_activity shows behind "sessionbase".

    Raises SessionbaseError: UNREACHABLE if it can't or the connection is lost, NO_PERMISSION for
    what the login may not do, FAILED where the server gives a statement up.
    """
    try:
        connection = psycopg.connect(
            server.conninfo, autocommit=True, application_name=f"sessionbase {purpose}"
        )
    except psycopg.OperationalError as error:
        raise SessionbaseError(
            ExitCode.UNREACHABLE,
            f"can't connect to {server.label}: {first_line(error)}",
            hint="Check that the server runs and that DATABASE_URL has the right host, port, "
            "user, password and database.",
        ) from None
    try:
        with connection:
            yield connection
    except psycopg.errors.InsufficientPrivilege as error:
        raise SessionbaseError(
            ExitCode.NO_PERMISSION,
            f"{server.label}: {error.diag.message_primary}",
            hint="The login needs the rights that docs/logins.md lists for this command.",
        ) from None
    except psycopg.OperationalError as error:
        if not connection.broken:
            # The server is there and gave up on a statement: a timeout, no space, too many locks.
            raise SessionbaseError(
                ExitCode.FAILED,
                f"{server.label} gave up: {error.sqlstate} {error.diag.message_primary}",
                hint="What was not committed is undone. Mend the cause and run the command again.",
            ) from None
        raise SessionbaseError(
            ExitCode.UNREACHABLE,
            f"the connection to {server.label} was lost: {first_line(error)}",
            hint="What was not committed is undone. Run the command again.",
        ) from None


def check_server(connection: Connection) -> None:
    """Check that the server is one sessionbase can live on, before anything is done to it.

    Raises SessionbaseError: TOO_OLD, WRONG_ENCODING, WRONG_WAL_LEVEL.
    """
    major = connection.info.server_version // 10_000
    if major < OLDEST_MAJOR:
        raise SessionbaseError(
            ExitCode.TOO_OLD,
            f"the server is Postgres {major}; sessionbase needs {OLDEST_MAJOR} to {NEWEST_MAJOR}",
            hint="Upgrade the server, or give another one in DATABASE_URL.",
        )
    _check_setting(
        connection,
        "server_encoding",
        "UTF8",
        ExitCode.WRONG_ENCODING,
        "Make the database with encoding UTF8: "
        "create database NAME encoding 'UTF8' template template0;",
    )
    _check_setting(
        connection,
        "wal_level",
        NEEDED_WAL_LEVEL,
        ExitCode.WRONG_WAL_LEVEL,
        "As an administrator: alter system set wal_level = 'logical'; then restart the server. "
        "Managed services have a switch for it (Amazon RDS: rds.logical_replication).",
    )


def _check_setting(
    connection: Connection, name: str, wanted: str, code: ExitCode, hint: str
) -> None:
    row = connection.execute("select current_setting(%s)", [name]).fetchone()
    found = row[0] if row else None
    if found != wanted:
        raise SessionbaseError(code, f"the server's {name} is {found}, not {wanted}", hint=hint)


def first_line(error: BaseException | None) -> str:
    """Return the first line of an error's text, which of libpq's is the one that matters."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
