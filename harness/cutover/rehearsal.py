"""The database of a rehearsal: beside the real one on the same server, and gone afterwards."""

from harness.connections import Server, connect
from harness.cutover.night import database_id
from harness.databases import create_database, drop_database

_PURPOSE = "rehearsal"


def rehearsal_database(real: Server) -> Server:
    """Return the database in which a cutover of another one is rehearsed, there or not."""
    return real.with_database(f"sessionbase_rehearsal_{database_id(real)}")


def is_there(real: Server, rehearsal: Server) -> bool:
    """Say whether it is there: of a rehearsal that was killed."""
    with connect(real, _PURPOSE) as connection:
        row = connection.execute(
            "select exists (select from pg_database where datname = %s)", [rehearsal.database]
        ).fetchone()
    return bool(row and row[0])


def make(real: Server, rehearsal: Server) -> None:
    """Make it anew. Raises what connect() raises."""
    drop(real, rehearsal)
    create_database(real, rehearsal.database, "template0", _PURPOSE)


def drop(real: Server, rehearsal: Server) -> None:
    """Drop it, if it is there. Raises what connect() raises."""
    drop_database(real, rehearsal.database, _PURPOSE)
