"""What the doctor finds, in which order, what mends it, and what scripts are told."""

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from harness import connections
from harness.connections import Connection, Server, connect
from harness.doctor import server as server_examination
from harness.doctor import slots as slot_examination
from harness.doctor.examination import examine
from harness.doctor.symptoms import Urgency
from harness.embedded.binaries import find_program
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.runner import Migrator
from harness.settings import Settings
from harness.testing.servers import Databases
from tests.py.commands.conftest import Invoke, invoke_on, run_invoke
from tests.py.doctor.conftest import (
    PUBLICATION,
    SLOT,
    broken_in,
    found_in,
    make_slot,
    run_sql,
    write_log,
)
from tests.py.documents.showing import missing_but_for_figures, shown_block
from tests.py.waiting import wait_until


def test_a_healthy_database_is_fine(doctor: Invoke) -> None:
    result = doctor("doctor", "--all")
    assert result.returncode == ExitCode.OK
    lines = result.stdout.splitlines()
    assert all(line.startswith("fine    ") for line in lines)
    assert len({line.split(":")[0] for line in lines}) == len(lines) > 25
    assert "fine    migrations: all of sql/ is in force" in lines
    assert "fine    wal_level: logical" in lines
    assert "fine    sync: registry, publication, grants, policies and identities agree" in lines


def test_json_is_json_and_nothing_else(doctor: Invoke, hand: Connection) -> None:
    facts = json.loads(doctor("doctor", "--json").stdout)
    assert facts["healthy"] is True
    assert {one["urgency"] for one in facts["symptoms"]} == {"fine"}
    assert {one["remedy"] for one in facts["symptoms"]} == {None}
    assert {one["harm"] for one in facts["symptoms"]} == {None}

    make_slot(hand)
    hand.execute(f"alter publication {PUBLICATION} drop table app.todos")
    result = doctor("doctor", "--json")
    assert result.returncode == ExitCode.SICK
    facts = json.loads(result.stdout)
    assert facts["healthy"] is False
    assert facts["symptoms"][0] == {
        "urgency": "broken",
        "examination": "sync",
        "what": "table that is not published: app.todos",
        "found": "Electric refuses its shapes",
        "harm": "Clients of that shape get nothing, or not every change.",
        "remedy": f"alter publication {PUBLICATION} add table app.todos",
    }
    # The most urgent first.
    urgencies = [one["urgency"] for one in facts["symptoms"]]
    assert urgencies == sorted(urgencies, key=["broken", "soon", "fine"].index)
    assert set(urgencies) == {"broken", "soon", "fine"}


def test_what_the_page_on_sync_shows_is_said(doctor: Invoke, hand: Connection) -> None:
    make_slot(hand)
    hand.execute(f"alter publication {PUBLICATION} drop table app.todos")
    shown = shown_block("docs/sync.md", "broken  table that is not published")
    assert missing_but_for_figures(shown, doctor("doctor").stdout) == []


def test_a_remedy_stands_whole_on_its_own_line(doctor: Invoke, hand: Connection) -> None:
    hand.execute(f"drop publication {PUBLICATION}")
    result = doctor("doctor")
    assert result.returncode == ExitCode.SICK
    said, harm, remedy = result.stdout.splitlines()[:3]
    assert said == f"broken  no publication: {PUBLICATION}: Electric refuses every shape"
    assert harm == "        Clients of that shape get nothing, or not every change."
    run_sql(hand, remedy.strip())
    assert doctor("doctor").returncode == ExitCode.OK


def test_an_empty_database_waits_for_its_migrations(
    rooms: Databases, settings: Settings, tmp_path: Path
) -> None:
    with rooms.empty() as server:
        result = invoke_on(server, tmp_path / "home")("doctor")
        assert result.returncode == ExitCode.SICK
        assert result.stdout.splitlines()[2] == "        invoke migrate"
        symptoms = examine(server, settings)
        assert broken_in(symptoms) == ["migrations", "sync"]
        assert "files of sql/ are not in force" in found_in(symptoms, "migrations").found
        assert found_in(symptoms, "sync").found == "sync.check() is not there"


def test_what_the_files_say_is_mended_by_applying_them_again(
    patient: Server, hand: Connection, settings: Settings
) -> None:
    hand.execute("update sync.shapes set where_template = 'true' where name = 'session_todos'")
    hand.execute("update sync.shapes set table_name = 'gone' where name = 'thread_messages'")
    hand.execute("update sync.shapes set columns = '{id,id,x}' where name = 'session_members'")
    hand.execute("delete from sync.shapes where name = 'session_timeline'")
    hand.execute("revoke all on app.todos from electric_read")
    hand.execute('drop policy "Electric reads all messages" on app.chat_messages')
    sick = examine(patient, settings)
    for what, remedies in {
        "shape with a condition that is not simple: session_todos": 1,
        "shape without a table: thread_messages": 1,
        "shape with a wrong column: session_members": 2,
        "table that electric_read may not read: app.todos": 1,
        "table whose rows electric_read does not see: app.chat_messages": 1,
    }.items():
        asked = [one.remedy for one in sick if one.what == what]
        assert len(asked) == remedies, what
        assert all(remedy.endswith("invoke migrate --reapply") for remedy in asked), what
    assert "table that is published without a shape: app.session_events" in broken_in(sick)

    Migrator(settings).apply(patient, reapply=True)
    assert broken_in(examine(patient, settings)) == []


def test_a_policy_that_no_file_declares_ends_nothing(
    patient: Server, hand: Connection, settings: Settings
) -> None:
    hand.execute('create policy "By hand" on app.todos for select to app_user using (true)')
    symptoms = examine(patient, settings)
    assert broken_in(symptoms) == ["migrations"]
    assert "By hand" in found_in(symptoms, "migrations").found
    assert found_in(symptoms, "migrations").remedy
    assert found_in(symptoms, "sync").urgency == Urgency.FINE


def test_a_slot_that_nobody_reads_is_urgent_once_it_keeps_much(
    patient: Server, hand: Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_slot(hand)
    what = f"replication slot {SLOT}"
    idle = found_in(examine(patient, settings), what)
    assert idle.urgency == Urgency.SOON
    assert idle.found == "nobody reads it, keeps 0.00 GiB of log"
    assert idle.remedy == (
        f"Start Electric. If that is gone for good: select pg_drop_replication_slot('{SLOT}'); "
        "then empty Electric's storage folder"
    )

    # A gibibyte takes long to write.
    write_log(hand, 2)
    monkeypatch.setattr(slot_examination, "_MUCH_LOG", 1 << 24)
    assert found_in(examine(patient, settings), what).urgency == Urgency.BROKEN


@contextmanager
def reader_of(server: Server, settings: Settings, name: str) -> Iterator[None]:
    """Read a slot as Electric does, with the protocol of pgoutput."""
    process = subprocess.Popen(
        [
            *(find_program(settings, "pg_recvlogical"), "--start", "-f", "/dev/null"),
            *("-S", name, "-o", "proto_version=1", "-o", f"publication_names={PUBLICATION}"),
            *("-d", server.conninfo),
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def test_a_slot_that_is_read_is_fine_unless_its_reader_is_far_behind(
    patient: Server, hand: Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_slot(hand)
    is_read = "select active from pg_replication_slots"
    with reader_of(patient, settings, SLOT):
        wait_until(lambda: hand.execute(is_read).fetchone() == (True,))
        symptoms = examine(patient, settings)
        assert found_in(symptoms, f"replication slot {SLOT}").urgency == Urgency.FINE
        assert found_in(symptoms, "max_wal_senders").found == "1 of 10 in use"

        monkeypatch.setattr(slot_examination, "_MUCH_LOG", 0)
        behind = found_in(examine(patient, settings), f"replication slot {SLOT}")
        assert behind.urgency == Urgency.SOON
        assert behind.found.startswith("is read, and far behind")
    wait_until(lambda: hand.execute(is_read).fetchone() == (False,))


def test_a_slot_without_a_bound_is_said(
    patient: Server, hand: Connection, settings: Settings
) -> None:
    what = "max_slot_wal_keep_size"
    assert what not in {one.what for one in examine(patient, settings)}
    make_slot(hand)
    unbounded = found_in(examine(patient, settings), what)
    assert unbounded.urgency == Urgency.SOON
    for statement in unbounded.remedy.split("; "):
        hand.execute(statement.encode())
    wait_until(lambda: what not in {one.what for one in examine(patient, settings)})


def test_a_slot_is_about_to_be_lost_and_then_lost(
    patient: Server, hand: Connection, settings: Settings, doctor: Invoke
) -> None:
    make_slot(hand)
    hand.execute("alter system set max_slot_wal_keep_size = '1MB'")
    hand.execute("select pg_reload_conf()")
    status = "select wal_status from pg_replication_slots"
    write_log(hand, 3)
    wait_until(lambda: hand.execute(status).fetchone() == ("unreserved",))
    soon = found_in(examine(patient, settings), f"replication slot {SLOT}")
    assert soon.urgency == Urgency.BROKEN
    assert soon.found.startswith("about to be lost: keeps 0.0")

    hand.execute("checkpoint")
    wait_until(lambda: hand.execute(status).fetchone() == ("lost",))
    assert doctor("doctor").returncode == ExitCode.SICK
    lost = found_in(examine(patient, settings), f"replication slot {SLOT}")
    assert lost.found == "lost: the log it needs is gone, and with it every shape"
    run_sql(hand, lost.remedy)
    assert broken_in(examine(patient, settings)) == []


def test_no_slot_is_left_for_electric(
    patient: Server, hand: Connection, settings: Settings
) -> None:
    for number in range(9):
        hand.execute("select pg_create_physical_replication_slot(%s)", [f"standby_{number}"])
    assert found_in(examine(patient, settings), "max_replication_slots").found == "9 of 10 in use"

    hand.execute("select pg_create_physical_replication_slot('standby_9')")
    assert broken_in(examine(patient, settings)) == ["max_replication_slots"]
    standby = found_in(examine(patient, settings), "replication slot standby_9")
    assert "Electric" not in standby.remedy

    hand.execute("select pg_drop_replication_slot('standby_9')")
    make_slot(hand)
    assert broken_in(examine(patient, settings)) == []


def test_the_slot_of_another_database_is_in_the_way(
    patient: Server, rooms: Databases, settings: Settings
) -> None:
    with rooms.migrated() as other, connect(other, "test") as connection:
        make_slot(connection)
        try:
            symptoms = examine(patient, settings)
        finally:
            connection.execute("select pg_drop_replication_slot(%s)", [SLOT])
        assert other.database in found_in(symptoms, "stream id sessionbase").found
        what = f"replication slot {SLOT} of database {other.database}"
        assert found_in(symptoms, what).urgency == Urgency.SOON
    assert broken_in(symptoms) == []


def test_the_publication_of_another_stream_id_is_looked_at_too(
    patient: Server, hand: Connection, settings: Settings
) -> None:
    make_slot(hand, "electric_slot_other")
    missing = "no publication: electric_publication_other"
    assert broken_in(examine(patient, settings)) == [missing]
    run_sql(hand, found_in(examine(patient, settings), missing).remedy)
    assert broken_in(examine(patient, settings)) == []

    # What is wrong with both is said of each, and what is of neither once.
    hand.execute("alter table app.todos replica identity default")
    for name in (PUBLICATION, "electric_publication_other"):
        hand.execute(f"alter publication {name} drop table app.sessions")
    symptoms = examine(patient, settings)
    assert sorted(one.remedy for one in symptoms if one.urgency == Urgency.BROKEN) == [
        "alter publication electric_publication_other add table app.sessions",
        f"alter publication {PUBLICATION} add table app.sessions",
        "alter table app.todos replica identity full",
    ]


@pytest.fixture
def poor(patient: Server, hand: Connection) -> Iterator[Server]:
    """Give the patient as a login sees it that may connect and nothing else."""
    name, password = f"poor_{secrets.token_hex(4)}", secrets.token_hex(8)
    login = sql.Identifier(name)
    hand.execute(sql.SQL("create role {} login password {}").format(login, password))
    grant = sql.SQL("grant connect on database {} to {}")
    hand.execute(grant.format(sql.Identifier(patient.database), login))
    yield Server(make_conninfo(patient.conninfo, user=name, password=password), embedded=False)
    hand.execute(sql.SQL("drop owned by {}").format(login))
    hand.execute(sql.SQL("drop role {}").format(login))


def test_what_a_login_may_not_look_at_is_not_taken_for_well(
    poor: Server, hand: Connection, settings: Settings, tmp_path: Path
) -> None:
    make_slot(hand)
    result = invoke_on(poor, tmp_path / "home")("doctor")
    assert result.returncode == ExitCode.SICK
    symptoms = examine(poor, settings)
    assert broken_in(symptoms) == ["maintenance", "migrations", "sync", "imports", "quarantine"]
    assert "docs/logins.md" in found_in(symptoms, "migrations").remedy
    # What everybody may see is there all the same.
    assert "keeps 0.00 GiB" in found_in(symptoms, f"replication slot {SLOT}").found

    hand.execute(found_in(symptoms, "sync").remedy.encode())
    symptoms = examine(poor, settings)
    assert broken_in(symptoms) == []
    assert found_in(symptoms, "maintenance").found == "writing is not stopped"
    hand.execute("select from app.begin_maintenance('moving')")
    assert broken_in(examine(poor, settings)) == ["maintenance"]
    assert found_in(examine(poor, settings), "maintenance").found.endswith(": moving")


def test_a_server_that_does_not_serve_is_looked_at_to_the_end(
    patient: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No older server runs here, and wal_level needs a restart; so others are wanted.
    for module in (connections, server_examination):
        monkeypatch.setattr(module, "OLDEST_MAJOR", 99)
        monkeypatch.setattr(module, "NEEDED_WAL_LEVEL", "replica")
    symptoms = examine(patient, settings)
    assert broken_in(symptoms) == ["Postgres", "wal_level", "migrations"]
    assert "restart Postgres" in found_in(symptoms, "wal_level").remedy
    assert found_in(symptoms, "sync").urgency == Urgency.FINE


def test_a_server_that_may_not_be_written_is_said(patient: Server, settings: Settings) -> None:
    options = "-c default_transaction_read_only=on"
    standby = Server(make_conninfo(patient.conninfo, options=options), embedded=False)
    symptoms = examine(standby, settings)
    assert broken_in(symptoms) == ["read-only", "migrations"]
    assert "standby" in found_in(symptoms, "migrations").remedy


def test_a_server_that_is_not_there_is_said_as_everywhere(
    patient: Server, settings: Settings, tmp_path: Path
) -> None:
    gone = make_conninfo(patient.conninfo, password="canary-text")
    result = run_invoke(
        "doctor", environment={"DATABASE_URL": gone, "SESSIONBASE_HOME": str(tmp_path)}
    )
    assert result.returncode == ExitCode.UNREACHABLE
    assert "canary-text" not in result.stdout + result.stderr
    with pytest.raises(SessionbaseError) as caught:
        examine(Server(gone, embedded=False), settings)
    assert caught.value.code == ExitCode.UNREACHABLE
