"""The commands of docs/gatekeeper-http.md do what stands there."""

import json
import re
import subprocess
from pathlib import Path

from harness.connections import Server
from harness.settings import PROJECT
from tests.py.gatekeeper.personas import OWNER, asking

COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(commands: str, url: str, folder: Path) -> str:
    """Run commands as a terminal would; return what they print."""
    done = subprocess.run(
        ["/bin/bash", "-e", "-o", "pipefail", "-c", commands],
        cwd=folder,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "URL": url, "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_command_does_what_is_said(database: Server, tmp_path: Path) -> None:
    page = (PROJECT / "docs" / "gatekeeper-http.md").read_text(encoding="utf-8")
    sessions, functions, errors, uploads = COMMANDS.findall(page)
    with asking(database, OWNER) as gatekeeper:
        appended, listed = map(json.loads, run_each(functions, gatekeeper.url, tmp_path))
        assert appended["content"] == "Why does the build fail?"
        assert [thread["id"] for thread in listed] == [appended["thread_id"]]

        found = json.loads(run(sessions, gatekeeper.url, tmp_path))
        assert [one["session_id"] for one in found["sessions"]] == ["session-default"]
        assert found.keys() == {"sessions", "next", "shapes"}

        refused = json.loads(run(errors, gatekeeper.url, tmp_path))
        assert json.dumps(refused) in page

        assert run(uploads, gatekeeper.url, tmp_path) == '{"type": "'
        assert {path.name for path in tmp_path.iterdir()} >= {"log.jsonl", "stored.json"}


def run_each(commands: str, url: str, folder: Path) -> list[str]:
    """Run commands one by one; return what each prints."""
    return [run(command, url, folder) for command in commands.splitlines()]
