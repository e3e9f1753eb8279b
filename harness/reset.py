"""Throws a database's contents away, after asking twice."""

from collections.abc import Callable

from psycopg import sql

from harness.connections import PUBLICATION, SCHEMAS, connect, server_of_url
from harness.embedded.postgres import DATABASE, project_postgres
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings

Ask = Callable[[str], str]


def reset(settings: Settings, database: str | None, ask: Ask) -> str:
    """Delete the embedded server's folder, or sessionbase's schemas on another server.

    database: the name of the database, which a server that is not the embedded one demands.
    ask puts a question to a person and returns the answer. Returns what was done, in words.
    Raises SessionbaseError (REFUSED) unless everything agrees.
    """
    if settings.database_url is None:
        return _reset_embedded(settings, database, ask)
    server = server_of_url(settings.database_url.get_secret_value())
    with connect(server, "reset") as connection:
        [(found,)] = connection.execute("select current_database()").fetchall()
        if database != found:
            raise SessionbaseError(
                ExitCode.REFUSED,
                f"{server.label} is not the embedded server",
                hint=f"If it is what you mean to empty: invoke reset --database '{found}'",
            )
        _ask_twice(ask, f"schemas {', '.join(SCHEMAS)} and all they hold in {server.label}", found)
        with connection.transaction():
            for schema in SCHEMAS:
                connection.execute(
                    sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema))
                )
            # Without its tables it would be left, and in the way of the migration that makes it.
            connection.execute(
                sql.SQL("drop publication if exists {}").format(sql.Identifier(PUBLICATION))
            )
    return f"the schemas {', '.join(SCHEMAS)} are gone from {server.label}; roles and rights stay"


def _reset_embedded(settings: Settings, database: str | None, ask: Ask) -> str:
    if database:
        raise SessionbaseError(
            ExitCode.REFUSED,
            "--database is for a server of DATABASE_URL, which is not set",
            hint="To delete the embedded server: invoke reset",
        )
    postgres = project_postgres(settings)
    folder = postgres.status().folder
    _ask_twice(ask, f"the embedded server and all its data in {folder}", DATABASE)
    postgres.remove()
    return f"the embedded server in {folder} is gone; the next command makes a new one"


def _ask_twice(ask: Ask, what: str, name: str) -> None:
    if ask(f"This deletes {what}. Go on? (yes/no)") != "yes":
        raise SessionbaseError(ExitCode.REFUSED, "not reset: the answer was not yes")
    if ask(f"It can't be undone. Type the database's name, {name}, to delete it") != name:
        raise SessionbaseError(ExitCode.REFUSED, "not reset: that was not the database's name")
