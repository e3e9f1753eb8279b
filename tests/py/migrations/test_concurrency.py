"""Two at once, killed half-way, and tables that others hold."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.connections import Connection, Server, connect
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.files import discover
from harness.migrations.runner import Migrator
from harness.settings import PROJECT, SQL, Settings
from tests.py.waiting import wait_until

Apply = Callable[..., list[str]]
Query = Callable[..., list[tuple[object, ...]]]
Write = Callable[[str, str], Path]

NEW = "migrations/0999_new.sql"
MIGRATE_LOCK = "hashtextextended('sessionbase migrate', 0)"
DEADLINE_S = 30


def waits_for_lock(connection: Connection, statement_part: str) -> bool:
    row = connection.execute(
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like %s",
        [f"%{statement_part}%"],
    ).fetchone()
    return row is not None and bool(row[0])


def test_two_at_once_apply_every_file_once(empty_database: Server, settings: Settings) -> None:
    applied: list[int] = []
    runs = [
        threading.Thread(
            target=lambda: applied.append(len(Migrator(settings).apply(empty_database)))
        )
        for _ in range(2)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join(DEADLINE_S)
    assert sorted(applied) == [0, len(discover(SQL))]
    with connect(empty_database, "test") as connection:
        repeated = connection.execute(
            "select file from ops.migration_attempts group by file having count(*) > 1"
        )
        assert repeated.fetchall() == []


def test_the_second_says_that_it_waits_and_goes_on(
    database: Server, connection: Connection, settings: Settings
) -> None:
    connection.execute(f"select pg_advisory_lock({MIGRATE_LOCK})")
    said: list[str] = []

    def release(text: str) -> None:
        said.append(text)
        connection.execute(f"select pg_advisory_unlock({MIGRATE_LOCK})")

    assert Migrator(settings, warn=release).apply(database) == []
    assert said == ["another migrate works on this database; waiting for it"]


def test_waiting_has_an_end(apply: Apply, connection: Connection) -> None:
    connection.execute(f"select pg_advisory_lock({MIGRATE_LOCK})")
    with pytest.raises(SessionbaseError) as caught:
        apply(migrate_wait_s=0)
    assert caught.value.code == ExitCode.MIGRATION_LOCKED


def test_a_locked_table_is_tried_again(
    write: Write, database: Server, connection: Connection, settings: Settings, sql_folder: Path
) -> None:
    write(NEW, "alter table app.todos add column probe text;\n")
    said: list[str] = []

    def release(text: str) -> None:
        said.append(text)
        connection.execute("commit")

    connection.execute("begin")
    connection.execute("lock table app.todos in access share mode")
    quick = settings.model_copy(update={"lock_timeout_ms": 50})
    applied = Migrator(quick, sql_folder, warn=release).apply(database)
    assert [file.name for file in applied] == [NEW]
    assert said == ["a table is locked by others; this was try 1 of 10"]


def test_a_deadlock_with_the_application_is_tried_again(
    write: Write, database: Server, connection: Connection, settings: Settings, sql_folder: Path
) -> None:
    write(
        NEW,
        "alter table app.todos add column probe text;\n"
        "select pg_advisory_xact_lock(4711);\n"
        "alter table app.chat_threads add column probe text;\n",
    )
    said: list[str] = []
    applied: list[str] = []
    # Locks are waited for so long that Postgres finds the deadlock, and in the migration.
    patient = settings.model_copy(update={"lock_timeout_ms": 30_000})
    connection.execute("set deadlock_timeout = '30s'")
    connection.execute("select pg_advisory_lock(4711)")

    def migrate() -> None:
        done = Migrator(patient, sql_folder, warn=said.append).apply(database)
        applied.extend(file.name for file in done)

    run = threading.Thread(target=migrate)
    connection.execute("begin")
    connection.execute("lock table app.chat_threads in access share mode")
    run.start()
    with connect(database, "watch") as watch:
        wait_until(lambda: waits_for_lock(watch, "pg_advisory_xact_lock(4711)"))
    connection.execute("select pg_advisory_unlock(4711)")
    connection.execute("lock table app.todos in access share mode")
    connection.execute("commit")
    run.join(DEADLINE_S)
    assert applied == [NEW]
    assert said == ["a table is locked by others; this was try 1 of 10"]


@pytest.mark.parametrize("code", ["55P03", "40P01"])
def test_locks_and_deadlocks_are_no_fault_of_the_file(
    write: Write, apply: Apply, query: Query, code: str
) -> None:
    write(
        NEW,
        "create table app.probe (id bigint);\n"
        f"do $$ begin raise exception 'too late' using errcode = '{code}'; end $$;\n",
    )
    with pytest.raises(SessionbaseError) as caught:
        apply(lock_tries=1)
    assert caught.value.code == ExitCode.MIGRATION_FAILED
    assert f"{code}: too late" in caught.value.excerpt
    # Nobody has a table by now.
    assert "each time it was tried. Run the same again when imports" in caught.value.hint
    assert "Mend" not in caught.value.hint
    assert query("select to_regclass('app.probe') is null") == [(True,)]


def test_a_concurrent_build_waits_for_the_application(
    write: Write, apply: Apply, query: Query, database: Server, connection: Connection
) -> None:
    write(
        NEW,
        "-- no-transaction\ncreate index concurrently probe_idx on app.todos (body);\n",
    )
    applied: list[str] = []
    connection.execute("begin")
    connection.execute("lock table app.todos in row exclusive mode")
    run = threading.Thread(target=lambda: applied.extend(apply(lock_timeout_ms=50)))
    run.start()
    with connect(database, "watch") as watch:
        wait_until(lambda: waits_for_lock(watch, "create index concurrently"))
    time.sleep(0.2)  # longer than the lock timeout of a file in a transaction
    connection.execute("commit")
    run.join(DEADLINE_S)
    assert applied == [NEW]
    assert query("select indisvalid from pg_index where indexrelid = 'app.probe_idx'::regclass")


def test_a_table_that_stays_locked_is_given_up(
    write: Write, apply: Apply, connection: Connection
) -> None:
    write(NEW, "alter table app.todos add column probe text;\n")
    with connection.transaction():
        connection.execute("lock table app.todos in access share mode")
        with pytest.raises(SessionbaseError) as caught:
            apply(lock_timeout_ms=50, lock_tries=2)
        pid = connection.info.backend_pid
    assert "55P03" in caught.value.excerpt
    assert (
        f"Just now these have tables: process {pid} ({connection.info.user}, sessionbase test) for "
        in (caught.value.hint)
    )
    assert "when imports and long transactions have ended" in caught.value.hint


def test_killed_half_way_leaves_nothing_and_a_rerun_finishes(
    write: Write, apply: Apply, query: Query, database: Server, connection: Connection
) -> None:
    path = write(NEW, "create table app.probe (id bigint);\nselect pg_advisory_xact_lock(4711);\n")
    connection.execute("select pg_advisory_lock(4711)")
    code = (
        "import sys; from pathlib import Path; from harness.connections import server_of_url;"
        "from harness.migrations.runner import Migrator; from harness.settings import load;"
        "Migrator(load(), Path(sys.argv[1])).apply(server_of_url(sys.argv[2]))"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code, str(path.parent.parent), database.conninfo], cwd=PROJECT
    )
    wait_until(lambda: waits_for_lock(connection, "pg_advisory_xact_lock(4711)"))
    os.kill(run.pid, signal.SIGKILL)
    run.wait(DEADLINE_S)
    connection.execute("select pg_advisory_unlock(4711)")

    assert apply() == [NEW]
    assert query("select to_regclass('app.probe') is not null") == [(True,)]
    assert query("select outcome from ops.migration_attempts where file = %s", NEW) == [
        ("applied",)
    ]
