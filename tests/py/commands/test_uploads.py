"""An operator stores a file and writes it back."""

import json
import random
import re
from pathlib import Path

import pytest

from harness.connections import Connection
from harness.errors import ExitCode
from tests.py.commands.conftest import Invoke
from tests.py.documents.showing import missing_but_for_figures, shown_block

CONTENT = random.Random(3).randbytes(1_500_000) + b"and a log\n" * 100_000  # noqa: S311


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "rollout.jsonl"
    path.write_bytes(CONTENT)
    return path


def test_a_file_is_stored_and_written_back(invoke: Invoke, log: Path, tmp_path: Path) -> None:
    stored = invoke("store-upload", str(log), "--session", "session-1", "--json")
    assert stored.returncode == ExitCode.OK
    said = json.loads(stored.stdout)
    assert said["upload"]["original_name"] == "rollout.jsonl"
    assert said["upload"]["session_id"] == "session-1"
    assert said["upload"]["source_path"] == str(log)
    assert said["upload"]["size_bytes"] == len(CONTENT)
    assert said["upload"]["charset"] is None
    assert said["chunks"] == said["sent_chunks"] == 3
    assert 1_500_000 < said["sent_bytes"] < 1_510_000

    out = tmp_path / "out"
    written = invoke("read-upload", said["upload"]["id"], "--out", str(out))
    assert written.returncode == ExitCode.OK
    assert out.read_bytes() == CONTENT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "rollout.jsonl"]

    again = invoke("store-upload", str(log))
    assert "every chunk was there already" in again.stdout
    assert "charset none" in again.stdout


def test_a_content_goes_to_standard_output(invoke: Invoke, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("größer\n" * 200_000)
    told = invoke("store-upload", str(log), "--session", "session-1").stdout
    (upload,) = re.findall(r"^stored: (.*)$", told, re.MULTILINE)
    _, shown = shown_block("docs/uploads.md", "$ invoke store-upload").split("\n", 1)
    shown = re.sub(r"upload_[0-9a-f-]+", upload, shown)
    shown = re.sub(r"SHA-256 \w+", "SHA-256 ", shown)
    assert missing_but_for_figures(shown, told) == []
    assert invoke("read-upload", upload).stdout == log.read_text()


def test_what_is_not_there_is_said(invoke: Invoke, tmp_path: Path) -> None:
    absent = invoke("read-upload", "upload_nothing", "--out", str(tmp_path / "out"))
    assert absent.returncode == ExitCode.NOT_THERE
    assert 'there is no upload "upload_nothing" that you may see' in absent.stderr
    assert list(tmp_path.iterdir()) == []

    no_file = invoke("store-upload", str(tmp_path / "nothing"))
    assert no_file.returncode == ExitCode.NO_DATA_FOLDER
    assert "No such file" in no_file.stderr
    assert invoke("store-upload", str(tmp_path)).returncode == ExitCode.NO_DATA_FOLDER


def test_a_damaged_content_leaves_no_file(
    invoke: Invoke, log: Path, tmp_path: Path, connection: Connection
) -> None:
    stored = json.loads(invoke("store-upload", str(log), "--json").stdout)
    connection.execute("update app.upload_chunks set encoding = 'gzip'")
    out = tmp_path / "out"
    damaged = invoke("read-upload", stored["upload"]["id"], "--out", str(out))
    assert damaged.returncode == ExitCode.DAMAGED
    assert "does not hold what its SHA-256 says" in damaged.stderr
    assert not out.exists()
    assert not list(tmp_path.glob(".upload-*"))


def test_of_several_accounts_one_is_named(
    invoke: Invoke, log: Path, connection: Connection
) -> None:
    connection.execute("insert into app.accounts (name) values ('anna')")
    unnamed = invoke("store-upload", str(log))
    assert unnamed.returncode == ExitCode.NO_ACCOUNT
    assert "the account must be named" in unnamed.stderr
    stored = json.loads(invoke("store-upload", str(log), "--account", "anna", "--json").stdout)
    found = connection.execute(
        "select name from app.accounts where id = %s", [stored["upload"]["account_id"]]
    )
    assert found.fetchall() == [("anna",)]
    others = invoke("read-upload", stored["upload"]["id"], "--account", "default")
    assert others.returncode in {ExitCode.NOT_THERE, ExitCode.NO_ACCOUNT}
