"""Each ill that a database can have, made in earnest, and found; and what mends it mends it."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from pydantic import SecretStr

from harness.connections import Connection, Server
from harness.doctor import activity, safety, slots, storage, tables
from harness.doctor.catalog import EXAMINATIONS
from harness.doctor.symptoms import Symptom, Urgency
from harness.embedded.binaries import find_program
from harness.errors import ExitCode
from harness.settings import PROJECT, Settings
from tests.py.commands.conftest import Invoke
from tests.py.doctor.conftest import as_shown, found_in, look_at, make_slot, reload, write_log
from tests.py.documents.showing import missing_but_for_figures, shown_block
from tests.py.electric.electrics import stand_in
from tests.py.gatekeeper.gatekeepers import running
from tests.py.waiting import wait_until

ACCOUNT = "00000000-0000-4000-8000-000000000001"
Look = Callable[[str], list[Symptom]]


@pytest.fixture
def look(patient: Server, settings: Settings) -> Look:
    return lambda title: look_at(patient, settings, title)


def only(symptoms: list[Symptom]) -> Symptom:
    (one,) = symptoms
    return one


def is_fine(symptoms: list[Symptom]) -> bool:
    return all(one.urgency == Urgency.FINE for one in symptoms)


def mend(connection: Connection, symptom: Symptom) -> None:
    """Run a remedy that is SQL, up to its words."""
    for statement in symptom.remedy.split("; "):
        if not statement.startswith(("and ", "then ", "or ", "what ")):
            connection.execute(statement.encode())


def test_the_page_has_a_row_for_each_examination() -> None:
    page = (PROJECT / "docs" / "doctor.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")]
    shown = [
        (row[0].removeprefix("| "), row[2], row[3].removesuffix(" |"))
        for row in rows
        if len(row) == 4 and row[0] not in {"| examination", "| ---"}
    ]
    assert [(title, harm) for title, harm, _ in shown] == [
        (one.title, one.harm) for one in EXAMINATIONS if one.harm
    ]
    assert all(mends for _, _, mends in shown)


def test_what_is_well_is_said_in_few_lines(doctor: Invoke, hand: Connection) -> None:
    lines = doctor("doctor").stdout.splitlines()
    assert lines[0].startswith("fine    all ")
    assert 5 <= len(lines) <= 10
    assert all(line.startswith("        ") for line in lines[1:])
    make_slot(hand)
    lines = doctor("doctor").stdout.splitlines()
    assert [line[:8] for line in lines if line[0] != " "] == ["soon    ", "soon    ", "fine    "]


def test_a_full_disk_is_said_before_it_is_full(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = only(look("disk"))
    assert whole.urgency == Urgency.FINE
    assert " free of " in whole.found
    # The disk is as it is, so what counts as little is more.
    most = 1 << 60
    monkeypatch.setattr(storage, "LITTLE", (1.0, most, most))
    soon = only(look("disk"))
    assert soon.urgency == Urgency.SOON
    assert "never a file of pg_wal" in soon.remedy
    monkeypatch.setattr(storage, "NEXT_TO_NOTHING", (1.0, most, most))
    assert only(look("disk")).urgency == Urgency.BROKEN


def test_the_disk_of_a_server_elsewhere_is_not_taken_for_this_ones(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_LOOPBACK", {"elsewhere"})
    assert "not to be seen from here" in only(look("disk")).found


def test_a_backup_that_is_old_is_said(
    patient: Server, look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doctor: Invoke
) -> None:
    monkeypatch.chdir(tmp_path)
    assert only(look("last backup")).found == "not known: none is in backups/ here"
    assert doctor("backup", "--out", str(tmp_path / "backups" / "one")).returncode == ExitCode.OK
    assert only(look("last backup")).urgency == Urgency.FINE
    assert only(look("last backup")).found.endswith(" s ago")

    manifest = tmp_path / "backups" / "one" / "manifest.json"
    facts = json.loads(manifest.read_text())
    assert facts["database"] == patient.database
    facts["made_at"] = (datetime.now(UTC) - timedelta(days=4)).isoformat()
    manifest.write_text(json.dumps(facts))
    old = only(look("last backup"))
    assert (old.urgency, old.found, old.remedy) == (Urgency.SOON, "4 days ago", "invoke backup")
    manifest.write_text("{")
    assert "not known" in only(look("last backup")).found


def test_much_that_is_sorted_on_disk_is_said(
    look: Look, hand: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_fine(look("temporary files"))
    monkeypatch.setattr(storage, "MUCH_TEMPORARY", 1 << 20)
    assert is_fine(look("temporary files"))
    hand.execute("set work_mem = '64kB'")
    hand.execute("select count(*) from (select i from generate_series(1, 300000) i order by -i) s")
    hand.execute("select pg_stat_force_next_flush()")
    wait_until(lambda: only(look("temporary files")).urgency == Urgency.SOON)
    assert "log_temp_files" in only(look("temporary files")).remedy


def test_connections_that_run_out_are_said(patient: Server, look: Look) -> None:
    assert is_fine(look("connections"))
    with ExitStack() as opened:

        def open_more(count: int) -> None:
            for _ in range(count):
                opened.enter_context(psycopg.connect(patient.conninfo, autocommit=True))

        open_more(80)
        soon = only(look("connections"))
        assert soon.urgency == Urgency.SOON
        assert " of 97 are in use; postgres has " in soon.found
        assert "pg_terminate_backend" in soon.remedy
        open_more(14)
        assert only(look("connections")).urgency == Urgency.BROKEN
    wait_until(lambda: is_fine(look("connections")))


def test_a_transaction_that_does_nothing_is_said(
    patient: Server, look: Look, hand: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(psycopg.connect(patient.conninfo)) as idle:
        idle.execute("select 'canary-text'")
        assert is_fine(look("transactions"))
        monkeypatch.setattr(activity, "IDLE_S", 0)
        ill = only(look("transactions"))
        assert ill.urgency == Urgency.SOON
        assert ill.what == f"transaction of process {idle.info.backend_pid}"
        assert "canary-text" not in str(ill)
        monkeypatch.setattr(activity, "LONG_S", 0)
        assert only(look("transactions")).urgency == Urgency.BROKEN
        mend(hand, ill)
        wait_until(lambda: is_fine(look("transactions")))


@contextmanager
def sleeping(patient: Server) -> Iterator[int]:
    """Run a query that lasts until it is cancelled; give its process."""
    with psycopg.connect(patient.conninfo) as busy:

        def sleep() -> None:
            with pytest.raises(psycopg.errors.QueryCanceled):
                busy.execute("select pg_sleep(60)")

        working = Thread(target=sleep)
        working.start()
        yield busy.info.backend_pid
        working.join()


def test_a_transaction_that_lasts_is_said(
    patient: Server, look: Look, hand: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sleeping(patient) as pid:
        monkeypatch.setattr(activity, "LONG_S", 0)
        wait_until(lambda: not is_fine(look("transactions")))
        ill = only(look("transactions"))
        assert ill.remedy == f"select pg_cancel_backend({pid})"
        assert "at work" in ill.found
        mend(hand, ill)


def test_who_holds_up_others_is_named(
    patient: Server, look: Look, hand: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "WAIT_S", 0)
    assert is_fine(look("locks"))
    with closing(psycopg.connect(patient.conninfo)) as holder, ExitStack() as stack:
        holder.execute("lock table app.todos")
        waiters = [stack.enter_context(psycopg.connect(patient.conninfo)) for _ in range(2)]
        threads = [
            Thread(target=waiter.execute, args=["select 'canary-text' from app.todos"])
            for waiter in waiters
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: look("locks")[0].found.startswith("2 wait"))
        ill = only(look("locks"))
        assert ill.urgency == Urgency.SOON
        assert ill.what == f"locks of process {holder.info.backend_pid}"
        for waiter in waiters:
            assert f"{waiter.info.backend_pid} (postgres)" in ill.found
        assert "canary-text" not in str(ill)
        monkeypatch.setattr(activity, "LONG_WAIT_S", 0)
        broken = only(look("locks"))
        assert broken.urgency == Urgency.BROKEN
        mend(hand, ill)
        for thread in threads:
            thread.join()
    assert is_fine(look("locks"))
    (harm,) = (one.harm for one in EXAMINATIONS if one.title == "locks")
    finding, _ = shown_block("docs/doctor.md", "broken  locks of process").split("\nsoon")
    shown = finding.replace("app_server", "postgres").replace("3 min", "...")
    assert missing_but_for_figures(shown, as_shown(broken, harm)) == []


def test_what_waits_for_a_lock_for_long_is_not_taken_for_well(
    patient: Server, doctor: Invoke
) -> None:
    with psycopg.connect(patient.conninfo) as holder:
        holder.execute("lock table legacy.import_runs")
        result = doctor("doctor")
    assert result.returncode == ExitCode.SICK
    assert "broken  imports: not looked at: Postgres gave up (55P03)" in result.stdout
    assert "gave up: 55P03" in result.stdout.split("broken  migrations: ")[1]


def test_commits_that_wait_for_a_standby_are_said(look: Look, hand: Connection) -> None:
    hand.execute("alter system set synchronous_standby_names = 'gone'")
    reload(hand)
    ill = only(look("synchronous standbys"))
    assert ill.urgency == Urgency.BROKEN
    hand.execute(ill.remedy.split("this server: ")[1].split("; ")[0].encode())
    reload(hand)
    assert is_fine(look("synchronous standbys"))


@pytest.mark.parametrize(
    ("name", "urgency"),
    [
        ("fsync", Urgency.BROKEN),
        ("full_page_writes", Urgency.BROKEN),
        ("synchronous_commit", Urgency.SOON),
    ],
)
def test_settings_that_lose_data_are_said(
    look: Look, hand: Connection, name: str, urgency: Urgency
) -> None:
    assert is_fine(look("settings"))
    hand.execute(f"alter system set {name} = off")
    reload(hand)
    ill = only(look("settings"))
    assert (ill.urgency, ill.what) == (urgency, f"setting {name}")
    mend(hand, ill)
    wait_until(lambda: is_fine(look("settings")))


def test_numbers_of_transactions_that_run_out_are_said(
    look: Look, hand: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_fine(look("transaction age"))
    for _ in range(100):
        hand.execute("select pg_current_xact_id()")
    # A thousand million of them take long.
    monkeypatch.setattr(safety, "OLD_AGE", 100)
    ill = only(look("transaction age"))
    assert ill.urgency == Urgency.SOON
    assert "vacuumdb --freeze" in ill.remedy
    monkeypatch.setattr(safety, "VERY_OLD_AGE", 100)
    assert only(look("transaction age")).urgency == Urgency.BROKEN


def test_a_sort_order_that_changed_is_said(look: Look, hand: Connection) -> None:
    assert is_fine(look("collations"))
    found = hand.execute(
        "select format('%I.%I', nspname, collname), c.oid from pg_collation c "
        "join pg_namespace n on n.oid = collnamespace "
        "where pg_collation_actual_version(c.oid) is not null and collprovider <> 'd' limit 1"
    ).fetchone()
    assert found is not None
    name, number = found
    hand.execute("create table public.sorted (word text)")
    hand.execute(f"create index sorted_idx on public.sorted (word collate {name})")
    hand.execute("update pg_collation set collversion = 'before' where oid = %s", [number])
    try:
        ill = only(look("collations"))
        assert ill.urgency == Urgency.BROKEN
        assert "reindex database" in ill.remedy
        hand.execute(f"alter collation {name} refresh version")
        assert is_fine(look("collations"))
    finally:
        hand.execute("drop table public.sorted")


@pytest.mark.parametrize(("off", "urgency"), [(5, Urgency.SOON), (-600, Urgency.BROKEN)])
def test_clocks_that_differ_are_said(
    look: Look, monkeypatch: pytest.MonkeyPatch, off: int, urgency: Urgency
) -> None:
    assert is_fine(look("clock"))
    ours = time.time
    monkeypatch.setattr(time, "time", lambda: ours() - off)
    ill = only(look("clock"))
    assert ill.urgency == urgency
    assert ("ahead of" if off > 0 else "behind") in ill.found


def test_checkpoints_that_come_too_often_are_said(
    look: Look, hand: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safety, "MANY_CHECKPOINTS", 10**9)
    assert is_fine(look("checkpoints"))
    for _ in range(3):
        write_log(hand, 1)
        hand.execute("checkpoint")
    monkeypatch.setattr(safety, "MANY_CHECKPOINTS", 3)
    wait_until(lambda: not is_fine(look("checkpoints")))
    assert "alter system set max_wal_size = '4096MB'" in only(look("checkpoints")).remedy


def test_autovacuum_that_is_off_is_said(look: Look, hand: Connection) -> None:
    assert is_fine(look("autovacuum"))
    hand.execute("alter system set autovacuum = off")
    reload(hand)
    hand.execute("alter table app.todos set (autovacuum_enabled = off)")
    ill = look("autovacuum")
    assert [one.what for one in ill] == ["autovacuum", "autovacuum of app.todos"]
    for one in ill:
        mend(hand, one)
    wait_until(lambda: is_fine(look("autovacuum")))


def test_dead_rows_are_said(look: Look, hand: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_fine(look("dead rows"))
    monkeypatch.setattr(tables, "DEAD_ROWS", 500)
    hand.execute("alter table app.accounts set (autovacuum_enabled = off)")
    for _ in range(3):
        hand.execute("insert into app.accounts (name) select 'dead ' || generate_series(1, 200)")
        hand.execute("delete from app.accounts where name like 'dead %'")
    hand.execute("select pg_stat_force_next_flush()")
    wait_until(lambda: not is_fine(look("dead rows")))
    ill = only(look("dead rows"))
    assert (ill.what, ill.urgency) == ("dead rows of app.accounts", Urgency.SOON)
    hand.execute(ill.remedy.split("; ")[0].encode())
    wait_until(lambda: is_fine(look("dead rows")))


@pytest.mark.parametrize("unique", [True, False])
def test_an_index_that_is_not_whole_is_said(look: Look, hand: Connection, unique: bool) -> None:
    assert is_fine(look("indexes"))
    hand.execute("insert into app.accounts (name) values ('index 10'), ('index 20')")
    build = "create unique index concurrently half on app.accounts (length(name))"
    if not unique:
        build = "create index concurrently half on app.accounts ((1 / (length(name) - 8)))"
    with pytest.raises(psycopg.Error):
        hand.execute(build.encode())
    ill = only(look("indexes"))
    assert ill.what == "index app.half"
    assert ill.urgency == (Urgency.BROKEN if unique else Urgency.SOON)
    hand.execute("delete from app.accounts where name like 'index %'")
    mend(hand, ill)
    assert is_fine(look("indexes"))


def test_a_sequence_near_its_end_is_said(look: Look, hand: Connection) -> None:
    assert is_fine(look("sequences"))
    hand.execute("create sequence app.small as integer")
    hand.execute("select setval('app.small', 1700000000)")
    assert is_fine(look("sequences"))
    hand.execute("select setval('app.small', 1800000000)")
    ill = only(look("sequences"))
    assert ill.urgency == Urgency.BROKEN
    assert ill.found == "84% of its numbers are used"
    hand.execute(ill.remedy.split(", and")[0].encode())
    assert is_fine(look("sequences"))


def test_a_constraint_that_is_not_validated_is_said(look: Look, hand: Connection) -> None:
    assert is_fine(look("constraints"))
    hand.execute("alter table app.todos add constraint later check (body <> 'x') not valid")
    ill = only(look("constraints"))
    assert ill.what == "constraint later"
    mend(hand, ill)
    assert is_fine(look("constraints"))


def test_writing_that_is_still_stopped_is_said(look: Look, doctor: Invoke) -> None:
    assert is_fine(look("maintenance"))
    assert doctor("maintenance", "--begin", "moving").returncode == ExitCode.OK
    ill = only(look("maintenance"))
    assert ill.urgency == Urgency.BROKEN
    assert ill.found.startswith("postgres stopped writing ")
    assert ill.found.endswith(" s ago: moving")
    assert ill.remedy == "When it is done: invoke maintenance --end"
    assert doctor("maintenance", "--end").returncode == ExitCode.OK
    assert is_fine(look("maintenance"))


def test_an_import_that_did_not_end_is_said(look: Look, hand: Connection) -> None:
    assert is_fine(look("imports"))
    hand.execute(
        "insert into legacy.import_runs (account_id, tool_version) values (%s, 'test')", [ACCOUNT]
    )
    ill = only(look("imports"))
    assert ill.urgency == Urgency.BROKEN
    assert ill.what == f"import into account {ACCOUNT}"
    assert "invoke import-legacy --data DIR" in ill.remedy
    # One that is under way holds its account.
    hand.execute("select legacy.take_lock(%s)", [ACCOUNT])
    running = only(look("imports"))
    assert running.urgency == Urgency.FINE
    assert "is under way" in running.found


def test_records_that_were_kept_out_are_said(doctor: Invoke, look: Look, tmp_path: Path) -> None:
    assert is_fine(look("quarantine"))
    (tmp_path / "chat-threads.json").write_text('[{"id": 5}]')
    told = doctor("import-legacy", "--data", str(tmp_path), "--max-quarantine", "1")
    assert told.returncode == ExitCode.OK, told.stderr
    ill = only(look("quarantine"))
    assert ill.urgency == Urgency.SOON
    assert ill.found == "1 records were kept out by its last import"
    command = ill.remedy.split('"')[1]
    assert "chat-threads.json" in doctor("psql", "--command", command).stdout


def test_a_reader_that_is_behind_is_said(
    patient: Server,
    look: Look,
    hand: Connection,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_slot(hand, "slow")
    program = find_program(settings, "pg_recvlogical")
    read = subprocess.Popen(
        [
            *(program, "--start", "-f", "-", "-S", "slow", "-o", "proto_version=1"),
            *("-o", "publication_names=electric_publication_sessionbase"),
            *("--status-interval=0", "-d", patient.conninfo),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ,
    )
    try:
        is_read = "select active from pg_replication_slots"
        wait_until(lambda: hand.execute(is_read).fetchone() == (True,))
        assert is_fine(look("replication slots")[:1])
        write_log(hand, 2)
        monkeypatch.setattr(slots, "FAR_BEHIND", 1 << 10)
        ill = found_in(look("replication slots"), "replication slot slow")
        assert ill.urgency == Urgency.SOON
        assert " GiB behind" in ill.found
    finally:
        read.terminate()
        read.wait()
    wait_until(lambda: hand.execute(is_read).fetchone() == (False,))


def test_a_gatekeeper_that_is_away_or_not_ready_is_said(
    patient: Server, settings: Settings
) -> None:
    def asked(url: str) -> Symptom:
        known = settings.model_copy(update={"gatekeeper_url": SecretStr(url)})
        return only(look_at(patient, known, "gatekeeper"))

    told = only(look_at(patient, settings, "gatekeeper"))
    assert told.found == "not asked, for SESSIONBASE_GATEKEEPER_URL is not set"
    assert "can't be reached: " in asked("http://127.0.0.1:1").found
    assert asked("gatekeeper").what == "SESSIONBASE_GATEKEEPER_URL"
    with stand_in(patient) as electric:
        assert "is none (status 4" in asked(electric.url).found
        with running(electric) as gatekeeper:
            well = asked(gatekeeper.url)
            assert (well.urgency, well.found) == (Urgency.FINE, f"ready at {gatekeeper.url}")
    with stand_in(patient) as electric, ExitStack() as stack:
        gatekeeper = stack.enter_context(running(electric, electric_url="http://127.0.0.1:1"))
        away = asked(gatekeeper.url)
        assert away.urgency == Urgency.BROKEN
        assert "lives, and is not ready" in away.found
