"""What people type, what they read, and the exit codes that scripts use."""

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from harness.connections import Connection, Server
from harness.errors import ExitCode
from harness.migrations.files import discover
from harness.settings import PROJECT, SQL
from tests.py.commands.conftest import invoke_on, run_invoke

Invoke = Callable[..., subprocess.CompletedProcess[str]]

FILES = len(discover(SQL))


def test_migrate_tells_pending_from_nothing_to_do(invoke_empty: Invoke) -> None:
    status = invoke_empty("migrate", "--status")
    assert status.returncode == ExitCode.PENDING
    assert f"{FILES} files to apply" in status.stdout

    assert invoke_empty("migrate").returncode == ExitCode.OK

    status = invoke_empty("migrate", "--status")
    assert status.returncode == ExitCode.OK
    assert "nothing to do" in status.stdout


def test_migrate_dry_run_shows_the_plan_and_does_nothing(invoke_empty: Invoke) -> None:
    for _ in range(2):
        plan = invoke_empty("migrate", "--dry-run", "--json")
        assert plan.returncode == ExitCode.PENDING
        shown = [file["file"] for file in json.loads(plan.stdout)["would_apply"]]
        assert shown == [f"sql/{file.name}" for file in discover(SQL)]


def test_migrate_json_is_json_and_nothing_else(invoke_empty: Invoke) -> None:
    assert len(json.loads(invoke_empty("migrate", "--json").stdout)["applied"]) == FILES
    status = json.loads(invoke_empty("migrate", "--status", "--json").stdout)
    assert status["pending"] is False
    assert {file["state"] for file in status["files"]} == {"applied"}


def test_import_migrates_first_and_a_second_run_says_nothing_changed(
    invoke_empty: Invoke,
) -> None:
    first = invoke_empty("import-legacy")
    assert first.returncode == ExitCode.OK
    assert "chat-messages.json" in first.stdout
    assert "invoke psql" in first.stdout
    assert "Nothing changed." not in first.stdout
    second = invoke_empty("import-legacy")
    assert second.returncode == ExitCode.OK
    assert "Nothing changed." in second.stdout


def test_a_dry_run_does_not_migrate_a_server_that_is_not_ours(invoke_empty: Invoke) -> None:
    refused = invoke_empty("import-legacy", "--dry-run")
    assert refused.returncode == ExitCode.PENDING
    assert invoke_empty("migrate", "--status").returncode == ExitCode.PENDING


def test_an_import_dry_run_reports_and_keeps_nothing(
    invoke: Invoke, connection: Connection
) -> None:
    facts = json.loads(invoke("import-legacy", "--dry-run", "--json").stdout)
    assert facts["dry_run"] is True
    assert sum(file["read"] for file in facts["files"]) > 0
    assert connection.execute("select count(*) from app.chat_messages").fetchone() == (0,)


def test_import_json_has_the_facts_of_every_file(invoke: Invoke) -> None:
    facts = json.loads(invoke("import-legacy", "--json").stdout)
    assert [file["file"] for file in facts["files"]] == [
        "chat-threads.json",
        "chat-messages.json",
        "chat-tool-events.json",
    ]
    for file in facts["files"]:
        came = file["imported"] + file["unchanged"] + file["adopted"] + file["quarantined"]
        assert file["read"] == came > 0


def test_a_quarantined_record_is_shown_and_fails_the_command(
    invoke: Invoke, connection: Connection, tmp_path: Path
) -> None:
    (tmp_path / "chat-messages.json").write_text('[{"id": 5, "content": "canary-text"}]')
    result = invoke("import-legacy", "--data", str(tmp_path))
    assert result.returncode == ExitCode.QUARANTINED
    assert "legacy.quarantine" in result.stdout
    assert "chat-threads.json is not there: taken as an empty store" in result.stdout
    assert "canary-text" not in result.stdout + result.stderr
    assert connection.execute("select count(*) from legacy.quarantine").fetchone() == (1,)


def test_an_empty_file_stops_before_anything_is_done(invoke_empty: Invoke, tmp_path: Path) -> None:
    (tmp_path / "chat-threads.json").write_text("")
    result = invoke_empty("import-legacy", "--data", str(tmp_path))
    assert result.returncode == ExitCode.NOT_AN_ARRAY
    assert "chat-threads.json" in result.stderr
    assert invoke_empty("migrate", "--status").returncode == ExitCode.PENDING


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"id": "canary-text"}', "no JSON array"),
        ('[{"id": "canary-text"}] {}', "behind the closing ]"),
        ('[{"id": "canary-text"}, {"id', "without the closing ]"),
    ],
)
def test_a_damaged_file_is_said_and_its_rest_kept(
    invoke: Invoke, tmp_path: Path, content: str, fault: str
) -> None:
    (tmp_path / "chat-threads.json").write_text(content)
    result = invoke("import-legacy", "--data", str(tmp_path))
    assert result.returncode == ExitCode.QUARANTINED
    assert fault in result.stdout
    assert "canary-text" not in result.stdout + result.stderr


def test_quarantined_records_may_be_allowed(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "chat-threads.json").write_text("[1, 2]")
    command = ["import-legacy", "--data", str(tmp_path), "--max-quarantine"]
    assert invoke(*command, "1").returncode == ExitCode.QUARANTINED
    assert invoke(*command, "2").returncode == ExitCode.OK


@pytest.mark.parametrize(
    "options",
    [
        ["--on-conflict", "merge"],
        ["--jobs", "0"],
        ["--wait", "-1"],
        ["--max-quarantine", "-1"],
        ["--report", "nowhere/report.html"],
    ],
)
def test_an_option_out_of_its_range_is_refused(invoke_empty: Invoke, options: list[str]) -> None:
    result = invoke_empty("import-legacy", *options)
    assert result.returncode == ExitCode.REFUSED
    assert options[1].partition("/")[0] in result.stderr or options[0] in result.stderr
    assert invoke_empty("migrate", "--status").returncode == ExitCode.PENDING


def test_the_report_is_a_page_of_its_own(invoke: Invoke, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    result = invoke("import-legacy", "--report", str(page))
    assert result.returncode == ExitCode.OK
    assert str(page) in result.stderr
    assert "chat-messages.json" in page.read_text()


@pytest.mark.parametrize("folder", ["nowhere", "empty"])
def test_a_missing_folder_is_said(invoke: Invoke, tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    result = invoke("import-legacy", "--data", str(tmp_path / folder))
    assert result.returncode == ExitCode.NO_DATA_FOLDER
    assert "chat-threads.json" in result.stderr


def test_an_unknown_account_is_said(invoke: Invoke) -> None:
    result = invoke("import-legacy", "--account", "nobody-here")
    assert result.returncode == ExitCode.NO_ACCOUNT
    assert "there is no active account nobody-here" in result.stderr


def test_psql_runs_a_command_and_passes_failure_on(invoke: Invoke) -> None:
    asked = invoke("psql", "--command", "select 'ans' || 'wer' from app.accounts")
    assert asked.returncode == ExitCode.OK
    assert "answer" in asked.stdout
    assert invoke("psql", "--command", "select nonsense").returncode == ExitCode.FAILED


def test_a_broken_migration_is_shown_on_the_terminal(
    invoke: Invoke, connection: Connection
) -> None:
    connection.execute(
        "update ops.migrations set checksum = repeat('0', 64) where file like '%0003_chat.sql'"
    )
    result = invoke("migrate")
    assert result.returncode == ExitCode.MIGRATION_CHANGED
    assert "sql/migrations/0003_chat.sql was changed after it had been applied" in result.stderr
    assert "0" * 64 in result.stderr


def test_reset_wants_the_name_and_two_answers(
    invoke: Invoke, database: Server, connection: Connection
) -> None:
    name = database.database
    for options, answers in (
        ([], f"yes\n{name}\n"),
        (["--database", "another"], f"yes\n{name}\n"),
        (["--database", name], ""),
        (["--database", name], "no\n"),
        (["--database", name], "yes\nanother\n"),
    ):
        assert invoke("reset", *options, answers=answers).returncode == ExitCode.REFUSED
        assert connection.execute("select count(*) from app.accounts").fetchone() == (1,)

    done = invoke("reset", "--database", name, answers=f"yes\n{name}\n")
    assert done.returncode == ExitCode.OK
    assert connection.execute("select to_regclass('app.accounts')").fetchone() == (None,)
    assert invoke("migrate", "--status").returncode == ExitCode.PENDING
    assert invoke("migrate").returncode == ExitCode.OK


def test_reset_of_the_embedded_server_takes_no_name(invoke_embedded: Invoke, home: Path) -> None:
    invoke_embedded("pg-start")
    refused = invoke_embedded("reset", "--database", "sessionbase", answers="yes\nsessionbase\n")
    assert refused.returncode == ExitCode.REFUSED
    assert (home / "postgres" / "data").exists()


@pytest.mark.parametrize(
    ("variable", "value", "arguments", "code"),
    [
        ("SESSIONBASE_HOME", "/etc/passwd", ["pg-start"], ExitCode.FAILED),
        ("SESSIONBASE_HOME", "~no-such-account/x", ["pg-start"], ExitCode.BAD_SETTINGS),
        ("SESSIONBASE_POSTGRES_BIN", "nowhere", ["pg-start"], ExitCode.MISSING_TOOL),
        ("PG_PROVE", "/nowhere/pg_prove", ["test", "--sql"], ExitCode.MISSING_TOOL),
        ("PGTAP_SQL", "/nowhere/pgtap.sql", ["test", "--sql"], ExitCode.MISSING_TOOL),
        (
            "DATABASE_URL",
            "postgresql://a@b?connect_timeout=x",
            ["migrate"],
            ExitCode.BAD_SETTINGS,
        ),
    ],
)
def test_a_setting_that_leads_nowhere_is_said(
    home: Path, variable: str, value: str, arguments: list[str], code: ExitCode
) -> None:
    environment = {"SESSIONBASE_HOME": str(home), "DATABASE_URL": "", variable: value}
    result = run_invoke(*arguments, environment=environment)
    assert "Traceback" not in result.stderr
    assert "error:" in result.stderr
    assert result.returncode == code


def test_ctrl_c_is_psqls_business(database: Server) -> None:
    """It cancels the line in psql, which then runs the next one."""
    pid, terminal = pty.fork()
    if pid == 0:
        environment = os.environ | {"DATABASE_URL": database.conninfo, "PAGER": "cat"}
        os.chdir(PROJECT)
        # What a terminal starts takes interrupts; what a worker of pytest-xdist starts does not.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execve(sys.executable, [sys.executable, "-m", "invoke", "psql"], environment)
    shown = read_until(terminal, b"=#")
    os.write(terminal, b"select 'half")
    shown += read_until(terminal, b"half")
    shown += press_ctrl_c(terminal, b"=#")
    os.write(terminal, b"select 'still' || 'here';\n\\q\n")
    shown += read_until(terminal, b"stillhere")
    with contextlib.suppress(OSError):
        while os.read(terminal, 4096):
            pass
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert b"interrupted" not in shown


def press_ctrl_c(terminal: int, mark: bytes) -> bytes:
    """Press it as a person does, again after a while: between two keys readline may not see one."""
    shown = b""
    for _ in range(5):
        os.write(terminal, b"\x03")
        while select.select([terminal], [], [], 5)[0]:
            shown += os.read(terminal, 4096)
            if mark in shown:
                return shown
    raise AssertionError(shown)


def read_until(terminal: int, mark: bytes) -> bytes:
    shown = b""
    while mark not in shown:
        assert select.select([terminal], [], [], 30)[0], shown
        shown += os.read(terminal, 4096)
    return shown


def test_the_embedded_server_is_not_touched_when_database_url_is_set(
    invoke: Invoke, tmp_path: Path
) -> None:
    invoke("migrate")
    invoke("import-legacy")
    for name in ("pg-start", "pg-stop", "pg-status"):
        assert invoke(name).returncode == ExitCode.REFUSED
    assert not (tmp_path / "home").exists()


def test_the_embedded_server_from_first_import_to_reset(
    invoke_embedded: Invoke, home: Path
) -> None:
    assert invoke_embedded("pg-status").returncode == ExitCode.FAILED
    imported = invoke_embedded("import-legacy")
    assert imported.returncode == ExitCode.OK
    assert "examples/legacy to postgresql://" in imported.stdout

    status = json.loads(invoke_embedded("pg-status", "--json").stdout)
    assert status["running"] is True
    assert status["folder"] == str(home / "postgres")

    assert "stopped" in invoke_embedded("pg-stop").stdout
    assert "Nothing changed." in invoke_embedded("import-legacy").stdout
    assert invoke_embedded("reset", answers="yes\nno\n").returncode == ExitCode.REFUSED
    assert invoke_embedded("reset", answers="yes\nsessionbase\n").returncode == ExitCode.OK
    assert not (home / "postgres").exists()


def test_an_embedded_dry_run_works_on_a_fresh_machine(invoke_embedded: Invoke) -> None:
    dry = invoke_embedded("import-legacy", "--dry-run")
    assert dry.returncode == ExitCode.OK
    assert "Dry run: nothing was kept." in dry.stdout


def test_a_login_that_only_imports_can_import(
    database: Server, connection: Connection, tmp_path: Path
) -> None:
    connection.execute("create role only_imports login password 'some-password'")
    try:
        connection.execute("grant importer to only_imports")
        connection.execute(f"grant connect on database {database.database} to only_imports")
        conninfo = make_conninfo(database.conninfo, user="only_imports", password="some-password")
        invoke = invoke_on(Server(conninfo, embedded=False), tmp_path)
        assert invoke("import-legacy").returncode == ExitCode.OK
        assert invoke("migrate").returncode == ExitCode.NO_PERMISSION
    finally:
        connection.execute("drop owned by only_imports")
        connection.execute("drop role only_imports")
    [(messages,)] = connection.execute("select count(*) from app.chat_messages").fetchall()
    assert messages > 0


def test_no_server_is_a_clear_error(server: Server, tmp_path: Path) -> None:
    gone = Server(make_conninfo(server.conninfo, port=1), embedded=False)
    result = invoke_on(gone, tmp_path)("migrate")
    assert result.returncode == ExitCode.UNREACHABLE
    assert "can't connect to postgresql://" in result.stderr
