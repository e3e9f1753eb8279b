"""export-legacy and verify-import, as a person runs them."""

import json
from pathlib import Path

from harness.connections import Connection
from harness.errors import ExitCode
from harness.settings import EXAMPLES
from tests.py.commands.conftest import Invoke

MESSAGES = "chat-messages.json"


def test_what_is_exported_is_what_was_imported(invoke: Invoke, tmp_path: Path) -> None:
    assert invoke("import-legacy").returncode == ExitCode.OK
    assert invoke("export-legacy", "--out", str(tmp_path / "out")).returncode == ExitCode.OK
    written = (tmp_path / "out" / MESSAGES).read_bytes()
    assert written == (EXAMPLES / MESSAGES).read_bytes()
    refused = invoke("export-legacy", "--out", str(tmp_path / "out"))
    assert refused.returncode == ExitCode.REFUSED
    assert "--force" in refused.stderr
    result = invoke("export-legacy", "--out", str(tmp_path / "out"), "--force", "--json")
    assert [file["records"] for file in json.loads(result.stdout)["files"]] == [6, 18, 5]


def test_what_differs_is_shown_without_what_it_says(invoke: Invoke, connection: Connection) -> None:
    invoke("import-legacy")
    same = invoke("verify-import")
    assert same.returncode == ExitCode.OK
    assert "say the same" in same.stdout
    connection.execute("update app.chat_messages set content = 'canary' where role = 'user'")
    other = invoke("verify-import")
    assert other.returncode == ExitCode.DIFFERENT
    assert "content" in other.stdout
    assert "canary" not in other.stdout + other.stderr
    facts = json.loads(invoke("verify-import", "--limit", "1", "--json").stdout)
    assert len(facts["differences"]) == 1
    assert facts["difference_count"] > 1
