"""A server that may be made ill, and what is asked of what the doctor finds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.connections import Connection, Server, connect
from harness.doctor.symptoms import Symptom, Urgency
from harness.embedded.guardian import temporary_postgres
from harness.settings import Settings
from harness.testing.servers import Databases
from tests.py.commands.conftest import Invoke, invoke_on

SLOT = "electric_slot_sessionbase"
PUBLICATION = "electric_publication_sessionbase"


@pytest.fixture(scope="module")
def clinic(settings: Settings) -> Iterator[Server]:
    """Run a server of these tests: what they do to slots would hurt others on a shared one."""
    with temporary_postgres(settings) as server:
        yield server


@pytest.fixture(scope="module")
def rooms(clinic: Server, settings: Settings) -> Iterator[Databases]:
    made = Databases(clinic, settings)
    yield made
    made.drop_template()


@pytest.fixture
def patient(rooms: Databases, clinic: Server) -> Iterator[Server]:
    """Give a healthy database, and leave no slot and no setting behind."""
    with rooms.migrated() as server:
        yield server
        with connect(clinic, "test") as connection:
            for (name,) in connection.execute("select slot_name from pg_replication_slots"):
                connection.execute("select pg_drop_replication_slot(%s)", [name])
            connection.execute("alter system reset all")
            connection.execute("select pg_reload_conf()")


@pytest.fixture
def doctor(patient: Server, tmp_path: Path) -> Invoke:
    """Run commands on the patient."""
    return invoke_on(patient, tmp_path / "home")


@pytest.fixture
def hand(patient: Server) -> Iterator[Connection]:
    """Give a connection to the patient, as a superuser."""
    with connect(patient, "test") as opened:
        yield opened


def found_in(symptoms: list[Symptom], what: str) -> Symptom:
    [one] = [one for one in symptoms if one.what == what]
    return one


def broken_in(symptoms: list[Symptom]) -> list[str]:
    return [one.what for one in symptoms if one.urgency == Urgency.BROKEN]


def make_slot(connection: Connection, name: str = SLOT) -> None:
    connection.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [name])


def write_log(connection: Connection, segments: int) -> None:
    """Fill segments of the log, each begun at once."""
    for _ in range(segments):
        connection.execute("select pg_logical_emit_message(false, 'test', 'x')")
        connection.execute("select pg_switch_wal()")


def run_sql(connection: Connection, remedy: str) -> None:
    """Run a remedy that is SQL, without the words behind it."""
    connection.execute(remedy.split("; then ", maxsplit=1)[0].encode())
