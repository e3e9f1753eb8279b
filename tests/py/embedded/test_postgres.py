"""The embedded server: starts, is shared, survives, and is private."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from harness.connections import Server, connect
from harness.embedded.binaries import find_binaries
from harness.embedded.postgres import EmbeddedPostgres
from harness.errors import ExitCode, SessionbaseError
from harness.settings import PROJECT, Settings
from tests.py.waiting import wait_until

DEADLINE_S = 30


@pytest.fixture
def folder(open_folder: Path) -> Path:
    """Return where a server keeps all that is its own."""
    return open_folder / "postgres"


@pytest.fixture
def postgres(folder: Path, settings: Settings) -> Iterator[EmbeddedPostgres]:
    """Return a server that does not run yet; it is removed afterwards."""
    made = EmbeddedPostgres(folder, find_binaries(settings), throwaway=True)
    yield made
    made.remove()


def pid_of(postgres: EmbeddedPostgres) -> int:
    pid = postgres.status().pid
    assert pid is not None
    return pid


def one(server: Server, statement: str) -> object:
    with connect(server, "test") as connection:
        row = connection.execute(statement).fetchone()
        assert row is not None
        return row[0]


def processes_in(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder / "data"):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def test_it_is_ready_for_electric_and_for_utf8(postgres: EmbeddedPostgres) -> None:
    server = postgres.ensure_running()
    assert one(server, "select current_setting('wal_level')") == "logical"
    assert one(server, "select current_setting('server_encoding')") == "UTF8"
    assert one(server, "select upper('é') || current_database()") == "Ésessionbase"


def test_it_listens_on_loopback_only_and_wants_its_password(postgres: EmbeddedPostgres) -> None:
    server = postgres.ensure_running()
    assert one(server, "select current_setting('listen_addresses')") == "127.0.0.1"
    assert one(server, "select current_setting('unix_socket_directories')") == ""
    for wrong in ("password=wrong", "password=''"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"{server.conninfo} {wrong}")


def test_nothing_that_is_printed_has_the_password(postgres: EmbeddedPostgres, folder: Path) -> None:
    server = postgres.ensure_running()
    password = (folder / "password").read_text()
    assert password in server.conninfo
    assert password not in f"{server} {server!r} {server.label} {postgres.status()}"
    assert (folder / "password").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_it_never_runs_as_root(postgres: EmbeddedPostgres) -> None:
    postgres.ensure_running()
    assert psutil.Process(pid_of(postgres)).uids().effective != 0


def test_permissions_of_folders_that_are_not_its_own_stay(
    postgres: EmbeddedPostgres, folder: Path
) -> None:
    before = {parent: parent.stat().st_mode for parent in folder.parents}
    postgres.ensure_running()
    assert {parent: parent.stat().st_mode for parent in folder.parents} == before


def test_started_twice_it_is_one(postgres: EmbeddedPostgres) -> None:
    postgres.ensure_running()
    pid = pid_of(postgres)
    postgres.ensure_running()
    assert pid_of(postgres) == pid


def test_two_commands_at_once_share_it(postgres: EmbeddedPostgres, folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from harness.settings import load;"
        "from harness.embedded.binaries import find_binaries;"
        "from harness.embedded.postgres import EmbeddedPostgres as E;"
        "e = E(Path(sys.argv[1]), find_binaries(load()), throwaway=True);"
        "e.ensure_running(); print(e.status().pid)"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    pids = {run.communicate(timeout=DEADLINE_S)[0].strip() for run in runs}
    assert pids == {str(pid_of(postgres))}


def test_stopped_and_started_it_has_its_data_and_its_port(postgres: EmbeddedPostgres) -> None:
    server = postgres.ensure_running()
    port = postgres.status().port
    with connect(server, "test") as connection:
        connection.execute("create table kept as select 42 as answer")
    assert postgres.stop()
    assert not postgres.status().running
    assert not postgres.stop()
    assert one(postgres.ensure_running(), "select answer from kept") == 42
    assert postgres.status().port == port


def test_another_port_is_taken_when_its_own_is_gone(postgres: EmbeddedPostgres) -> None:
    postgres.ensure_running()
    port = postgres.status().port
    postgres.stop()
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        assert one(postgres.ensure_running(), "select 1") == 1
        assert postgres.status().port != port


def test_kill_9_of_the_postmaster_is_survived(postgres: EmbeddedPostgres) -> None:
    server = postgres.ensure_running()
    with connect(server, "test") as connection:
        connection.execute("create table kept as select 42 as answer")
        connection.execute("checkpoint")
    killed = pid_of(postgres)
    os.kill(killed, signal.SIGKILL)
    assert one(postgres.ensure_running(), "select answer from kept") == 42
    assert pid_of(postgres) != killed


def test_kill_9_of_everything_is_survived(postgres: EmbeddedPostgres, folder: Path) -> None:
    with connect(postgres.ensure_running(), "test") as connection:
        connection.execute("create table kept as select 42 as answer")
        connection.execute("checkpoint")
    for process in processes_in(folder):
        process.kill()
    assert one(postgres.ensure_running(), "select answer from kept") == 42


def test_a_process_number_that_went_to_another_program_is_not_taken_for_the_server(
    postgres: EmbeddedPostgres, folder: Path
) -> None:
    postgres.ensure_running()
    postgres.stop()
    (folder / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{folder / 'data'}\n")
    assert not postgres.status().running
    assert one(postgres.ensure_running(), "select 1") == 1


def test_a_server_whose_folder_root_may_not_see_is_found_all_the_same(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is for root in a container, of a process that runs as nobody."""
    postgres.ensure_running()
    pid = pid_of(postgres)

    def denied(process: psutil.Process) -> str:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "cwd", denied)
    assert pid_of(postgres) == pid
    assert one(postgres.ensure_running(), "select 1") == 1
    assert pid_of(postgres) == pid


def test_an_initdb_that_was_killed_is_begun_anew(
    postgres: EmbeddedPostgres, folder: Path, settings: Settings
) -> None:
    (folder / "unfinished" / "base").mkdir(parents=True)
    find_binaries(settings).give(folder)
    assert one(postgres.ensure_running(), "select 1") == 1


def test_a_server_that_can_not_start_says_why(postgres: EmbeddedPostgres, folder: Path) -> None:
    postgres.ensure_running()
    postgres.stop()
    with (folder / "data" / "postgresql.conf").open("a") as configuration:
        configuration.write("shared_buffers = nonsense\n")
    with pytest.raises(SessionbaseError) as caught:
        postgres.ensure_running()
    assert caught.value.code == ExitCode.SERVER_WONT_START
    assert "its log says last" in caught.value.what


def test_a_killed_test_run_leaves_no_server() -> None:
    code = (
        "import sys, time; from harness.settings import load;"
        "from harness.embedded.guardian import temporary_postgres as t;"
        "from harness.connections import connect\n"
        "with t(load()) as s, connect(s, 'test') as c:\n"
        "    print(c.execute('show data_directory').fetchone()[0], flush=True)\n"
        "    time.sleep(600)"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    folder = Path(run.stdout.readline().strip()).parent
    assert processes_in(folder)
    run.kill()
    run.communicate()
    wait_until(lambda: not folder.parent.exists())
    assert not processes_in(folder)
