"""The mark of maintenance, as a cutover sets it, even where nobody knows of it yet."""

from datetime import datetime

from harness.connections import Connection, Server, connect
from harness.console import Tell
from harness.maintenance import begin_maintenance


def close(server: Server, begun_at: datetime, tell: Tell) -> bool:
    """Refuse what applications write, if that is not refused yet, and wait for who has written.

    begun_at: when the cutover was begun. False: the database does not know how to.
    Raises what begin_maintenance() raises, WRITERS_STAY among it.
    """
    with connect(server, "cutover") as connection:
        if not knows(connection, "app", "begin_maintenance"):
            return False
    begin_maintenance(server, f"cutover, begun {begun_at:%Y-%m-%d %H:%M} UTC", tell=tell)
    return True


def knows(connection: Connection, schema: str, function: str) -> bool:
    """Say whether a database has a function; for this no right on its schema is needed."""
    row = connection.execute(
        "select exists (select from pg_proc as function "
        "inner join pg_namespace as namespace on function.pronamespace = namespace.oid "
        "where namespace.nspname = %s and function.proname = %s)",
        [schema, function],
    ).fetchone()
    return bool(row and row[0])
