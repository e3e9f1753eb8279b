"""How the server is: its version, and whether anything can be synced from it."""

from collections.abc import Iterator

from harness.connections import NEEDED_WAL_LEVEL, OLDEST_MAJOR, Connection
from harness.doctor.patient import Patient
from harness.doctor.symptoms import Symptom, Urgency


def examine_server(patient: Patient) -> Iterator[Symptom]:
    """Look at the version, wal_level, and whether it is a standby."""
    yield from symptoms_of(patient.connection)


def symptoms_of(connection: Connection) -> Iterator[Symptom]:
    """Return the same of any connection."""
    version = setting_of(connection, "server_version")
    if connection.info.server_version // 10_000 >= OLDEST_MAJOR:
        yield Symptom(Urgency.FINE, "Postgres", f"version {version}")
    else:
        yield Symptom(
            Urgency.BROKEN,
            "Postgres",
            f"version {version}: too old",
            f"Upgrade it to {OLDEST_MAJOR} or newer.",
        )
    level = setting_of(connection, "wal_level")
    if level == NEEDED_WAL_LEVEL:
        yield Symptom(Urgency.FINE, "wal_level", level)
    else:
        yield Symptom(
            Urgency.BROKEN,
            "wal_level",
            f"{level}: nothing can be synced",
            "alter system set wal_level = 'logical'; then restart Postgres",
        )
    if _is_standby(connection):
        yield Symptom(
            Urgency.BROKEN,
            "standby",
            "this server only follows another: Electric's slot has to be there",
            "Give the primary in DATABASE_URL.",
        )


def _is_standby(connection: Connection) -> bool:
    row = connection.execute("select pg_is_in_recovery()").fetchone()
    return bool(row and row[0])


def setting_of(connection: Connection, name: str) -> str:
    """Return a setting of the server as text."""
    row = connection.execute("select current_setting(%s)", [name]).fetchone()
    if row is None:
        raise AssertionError("a select without from gives a row")
    return str(row[0])
