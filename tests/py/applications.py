"""A login as an application server has it, for a test."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql
from psycopg.conninfo import make_conninfo

from harness.connections import Server, connect


@contextmanager
def application_login(migrated: Server) -> Iterator[dict[str, str]]:
    """Give the user and password of a login that is like app_server.

    Of the whole server, not only of this database. It is not app_server itself, for the password
    of that is not for tests to change.
    """
    login = {"user": f"app_server_{secrets.token_hex(4)}", "password": secrets.token_hex(16)}
    user = sql.Identifier(login["user"])
    with connect(migrated, "test") as connection:
        connection.execute(
            sql.SQL("create role {} login noinherit password {} in role app_user").format(
                user, sql.Literal(login["password"])
            )
        )
        # A database that migrations were applied to lets in only who is named.
        connection.execute(
            sql.SQL("grant connect on database {} to {}").format(
                sql.Identifier(migrated.database), user
            )
        )
    try:
        yield login
    finally:
        with connect(migrated, "test") as connection:
            connection.execute(sql.SQL("drop owned by {}").format(user))
            connection.execute(sql.SQL("drop role {}").format(user))


def as_login(server: Server, login: dict[str, str]) -> Server:
    """Return the same database for a login."""
    return Server(make_conninfo(server.conninfo, **login), embedded=server.embedded)
