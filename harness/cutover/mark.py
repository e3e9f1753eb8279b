"""The mark of maintenance, as a cutover sets it, even where nobody knows of it yet."""

from datetime import datetime

from harness.connections import Server, connect
from harness.console import Tell
from harness.maintenance import begin_maintenance


def close(server: Server, begun_at: datetime, tell: Tell) -> bool:
    """Refuse what applications write, if that is not refused yet, and wait for who has written.

    begun_at: when the cutover was begun. False: the database does not know how to.
    Raises what begin_maintenance() raises, WRITERS_STAY among it.
    """
    with connect(server, "cutover") as connection:
        row = connection.execute(
            "select to_regprocedure('app.begin_maintenance(text)') is not null"
        ).fetchone()
    if not (row and row[0]):
        return False
    begin_maintenance(server, f"cutover, begun {begun_at:%Y-%m-%d %H:%M} UTC", tell=tell)
    return True
