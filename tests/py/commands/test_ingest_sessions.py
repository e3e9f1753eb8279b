"""invoke ingest-sessions, as it is typed and as a script reads it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from harness.connections import Connection
from harness.errors import ExitCode
from harness.settings import PROJECT

Invoke = Callable[..., subprocess.CompletedProcess[str]]

EXAMPLES = str(PROJECT / "examples" / "sessions")


def test_the_examples(invoke_empty: Invoke) -> None:
    first = invoke_empty("ingest-sessions", "--path", EXAMPLES)
    assert first.returncode == ExitCode.OK
    assert "new" in first.stdout
    # The broken line is shown with its place.
    assert "7a3f1c52-9d04-4e0b-9c11-00000000c0de.jsonl" in first.stdout
    assert "It is no JSON." in first.stdout
    second = invoke_empty("ingest-sessions", "--", EXAMPLES)
    assert second.returncode == ExitCode.OK
    assert "Nothing changed." in second.stdout


def test_paths_with_blanks_and_facts_as_json(
    invoke: Invoke, tmp_path: Path, connection: Connection
) -> None:
    logs = tmp_path / "two words"
    logs.mkdir()
    (logs / "a log.jsonl").write_text('{"type":"a"}\n{"type":\n')
    (logs / "b.jsonl").write_text("nothing\n")
    dry = invoke("ingest-sessions", "--dry-run", "--json", "--", str(logs), EXAMPLES)
    assert [log["status"] for log in json.loads(dry.stdout)["logs"]] == [
        "new",
        "refused",
        *["new"] * 3,
    ]
    assert connection.execute("select from app.session_logs").fetchall() == []

    result = invoke("ingest-sessions", "--json", "--path", str(logs), "--path", EXAMPLES)
    assert result.returncode == ExitCode.LOGS_REFUSED
    facts = json.loads(result.stdout)
    first, second = facts["logs"][:2]
    assert (first["status"], first["events"], first["broken"]) == (
        "new",
        2,
        [{"line": 2, "reason": "not_json"}],
    )
    assert (second["status"], second["note"]) == ("refused", "it is no session log")
    assert len(facts["logs"]) == 5


def test_a_refused_log_is_named_and_the_exit_code_says_so(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text("nothing\n")
    result = invoke("ingest-sessions", "--path", str(tmp_path))
    assert result.returncode == ExitCode.LOGS_REFUSED
    assert "b.jsonl" in result.stdout
    assert "it is no session log" in result.stdout


def test_nothing_there(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("ingest-sessions", "--path", str(tmp_path / "nowhere"))
    assert result.returncode == ExitCode.NO_DATA_FOLDER
    assert "nowhere" in result.stderr


def test_a_pending_migration_stops_a_dry_run(invoke_empty: Invoke) -> None:
    result = invoke_empty("ingest-sessions", "--dry-run", "--path", EXAMPLES)
    assert result.returncode == ExitCode.PENDING
