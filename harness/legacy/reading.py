"""What the export and the verification have in common: a view of one account that stands still."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from harness.connections import Connection, Server, check_server, connect
from harness.errors import ExitCode, SessionbaseError

_NO_ACCOUNT = "SB001"


@contextmanager
def reading(server: Server, purpose: str, account: str | None) -> Iterator[tuple[Connection, str]]:
    """Connect, and give the connection and the id of the account of a name or id.

    All that is read is of one moment, whatever is written meanwhile. It is read as
    import_definer, whose policies show every row of an account: who may not become that role may
    not read an account as a whole.

    Raises SessionbaseError: NO_ACCOUNT; and what connect() raises, NO_PERMISSION among it.
    """
    with connect(server, purpose) as connection:
        check_server(connection)
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        with connection.transaction():
            connection.execute("set local role import_definer")
            yield connection, _account_id(connection, account)


def _account_id(connection: Connection, account: str | None) -> str:
    try:
        row = connection.execute("select legacy.find_account(%s)::text", [account]).fetchone()
    except psycopg.Error as error:
        if error.sqlstate != _NO_ACCOUNT:
            raise
        raise SessionbaseError(
            ExitCode.NO_ACCOUNT,
            f"{error.diag.message_primary}",
            hint=error.diag.message_hint or "",
        ) from None
    if row is None:
        raise AssertionError("a select of a function gives a row")
    return str(row[0])
