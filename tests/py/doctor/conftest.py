"""A server that may be made ill, and what is asked of what the doctor finds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.connections import Connection, Server, connect
from harness.doctor.catalog import EXAMINATIONS
from harness.doctor.patient import Patient
from harness.doctor.symptoms import Symptom, Urgency
from harness.embedded.guardian import temporary_postgres
from harness.settings import Settings
from harness.testing.servers import Databases
from tests.py.commands.conftest import Invoke, invoke_on
from tests.py.waiting import wait_until

SLOT = "electric_slot_sessionbase"
PUBLICATION = "electric_publication_sessionbase"


@pytest.fixture(scope="module")
def clinic(settings: Settings) -> Iterator[Server]:
    """Run a server of these tests: what they do to slots would hurt others on a shared one."""
    with temporary_postgres(settings) as server:
        with connect(server, "test") as connection:
            set_well(connection)
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
            set_well(connection)


@pytest.fixture
def doctor(patient: Server, tmp_path: Path) -> Invoke:
    """Run commands on the patient."""
    return invoke_on(patient, tmp_path / "home")


@pytest.fixture
def hand(patient: Server) -> Iterator[Connection]:
    """Give a connection to the patient, as a superuser."""
    with connect(patient, "test") as opened:
        yield opened


def set_well(connection: Connection) -> None:
    """Undo what a test set, and what is set for servers that nothing is worth a disk flush to."""
    connection.execute("alter system reset all")
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        connection.execute(f"alter system set {name} = on".encode())
    reload(connection)


def reload(connection: Connection) -> None:
    """Read settings anew, and wait until this connection has them."""
    before = connection.execute("select pg_conf_load_time()").fetchone()
    connection.execute("select pg_reload_conf()")
    wait_until(lambda: connection.execute("select pg_conf_load_time()").fetchone() != before)


def found_in(symptoms: list[Symptom], what: str) -> Symptom:
    [one] = [one for one in symptoms if one.what == what]
    return one


def broken_in(symptoms: list[Symptom]) -> list[str]:
    return [one.what for one in symptoms if one.urgency == Urgency.BROKEN]


def look_at(server: Server, settings: Settings, title: str) -> list[Symptom]:
    """Do one examination. What is not well says what it does to users, and what mends it."""
    (examination,) = [one for one in EXAMINATIONS if one.title == title]
    with connect(server, "test") as connection:
        symptoms = list(examination.look(Patient(server, connection, settings)))
    assert examination.harm
    assert all((one.urgency == Urgency.FINE) == (not one.remedy) for one in symptoms)
    return symptoms


def as_shown(symptom: Symptom, harm: str = "") -> str:
    """Return a finding as the command shows it. harm: what it does to users, if it is not told."""
    lines = (f"{symptom.what}: {symptom.found}", symptom.harm or harm, symptom.remedy)
    return f"{symptom.urgency.name.lower():8}" + "\n        ".join(lines)


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
