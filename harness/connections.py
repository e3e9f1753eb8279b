"""Connections to the one Postgres a command works on, and what that Postgres must be."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from harness.errors import ExitCode, SessionbaseError

SCHEMAS = ("app", "api", "auth", "legacy", "sync", "ops")
"""What sessionbase has of a database."""

PUBLICATION = "electric_publication_sessionbase"
"""What Electric streams of it. A publication is in no schema."""

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
        host, port = parts.get("host") or "localhost", parts.get("port") or "5432"
        return f"postgresql://{parts.get('user')}@{host}:{port}/{self.database}"

    @property
    def database(self) -> str:
        """Name of the database."""
        return str(conninfo_to_dict(self.conninfo)["dbname"])

    def environment(self) -> dict[str, str]:
        """Return the variables that make psql and its kin connect here; secrets among them."""
        return {
            option.envvar.decode(): option.val.decode()
            for option in pq.Conninfo.parse(self.conninfo.encode())
            if option.envvar and option.val
        }

    def with_database(self, name: str) -> "Server":
        """Return the same server with another database."""
        return Server(make_conninfo(self.conninfo, dbname=name), embedded=self.embedded)


def server_of_url(url: str) -> Server:
    """Make a Server of DATABASE_URL, with what it leaves out taken from libpq's variables.

    Raises SessionbaseError (BAD_SETTINGS), which quotes nothing of it, if it is not one.
    """
    try:
        parts: dict[str, Any] = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # libpq's message can quote the URL, password included, so it is not passed on.
        raise _not_a_url() from None
    for option in pq.Conninfo.get_defaults():
        name = option.keyword.decode()
        if name in {"host", "port", "user", "dbname"} and option.val:
            parts.setdefault(name, option.val.decode())
    # As libpq does, but said, so that what is shown is what is used.
    parts.setdefault("dbname", parts.get("user"))
    parts.setdefault("connect_timeout", "10")
    _refuse_misread_password(parts)
    return Server(make_conninfo(**parts), embedded=False)


def _refuse_misread_password(parts: dict[str, Any]) -> None:
    """Refuse a URL in which a password with @ or / has slipped into other parts."""
    names = f"{parts.get('user')}{parts.get('host')}{parts.get('dbname')}"
    ports = str(parts.get("port") or "0").split(",")
    if "@" in names or "://" in names or not all(port.isdecimal() for port in ports):
        raise _not_a_url()


def _not_a_url() -> SessionbaseError:
    return SessionbaseError(
        ExitCode.BAD_SETTINGS,
        "DATABASE_URL is not a Postgres connection URL",
        hint="It looks like postgresql://user:password@host:5432/database; special characters in "
        "the password are percent-encoded: @ is %40, / is %2F, : is %3A.",
    )


@contextmanager
def connect(server: Server, purpose: str) -> Iterator[Connection]:
    """Connect in autocommit mode; purpose is what pg_stat_activity shows behind "sessionbase".

    Raises SessionbaseError: UNREACHABLE if it can't or the connection is lost, NO_PERMISSION for
    what the login may not do, SERVER_GAVE_UP where the server gives a statement up.
    """
    try:
        connection = psycopg.connect(
            server.conninfo, autocommit=True, application_name=f"sessionbase {purpose}"
        )
    except psycopg.ProgrammingError:
        raise _not_a_url() from None
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
    except psycopg.Error as error:
        if connection.broken:
            raise connection_lost(server, error) from None
        # The server is there and gave up on a statement: a timeout, no space, a deadlock.
        raise SessionbaseError(
            ExitCode.SERVER_GAVE_UP,
            f"{server.label} gave up: {error.sqlstate} {error.diag.message_primary}",
            hint="What was not committed is undone. Mend the cause and run the command again.",
        ) from None


def connection_lost(server: Server, error: psycopg.Error) -> SessionbaseError:
    """Return what to raise (UNREACHABLE) when a connection broke."""
    return SessionbaseError(
        ExitCode.UNREACHABLE,
        f"the connection to {server.label} was lost: {first_line(error)}",
        hint="What was not committed is undone. Run the command again.",
    )


def check_server(connection: Connection) -> None:
    """Check that the server is one sessionbase can live on, before anything is done to it.

    Raises SessionbaseError: TOO_OLD, READ_ONLY, WRONG_ENCODING, WRONG_WAL_LEVEL.
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
        "transaction_read_only",
        "off",
        ExitCode.READ_ONLY,
        "It may be a standby: give the primary in DATABASE_URL.",
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
