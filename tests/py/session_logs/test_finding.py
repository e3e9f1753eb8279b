"""Which files of a folder are its session logs."""

import os
from pathlib import Path

import pytest

from harness.errors import ExitCode, SessionbaseError
from harness.session_logs.finding import Found, find_logs


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def names(found: Found, root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in found.logs]


def test_the_folders_of_a_viewer(tmp_path: Path) -> None:
    there = [
        ".codex/sessions/2026/03/02/rollout-1.jsonl",
        "sessions/a.ndjson",
        "sessions/b.JSON",
        "artifacts/sessions/c.json",
    ]
    touch(tmp_path, *there, "package.json", "sessions/notes.txt", "data/chat-threads.json")
    assert names(find_logs([tmp_path]), tmp_path) == there


def test_a_folder_of_logs_a_file_and_each_once(tmp_path: Path) -> None:
    touch(tmp_path, "2026/b.jsonl", "2026/a.jsonl", "c.log")
    found = find_logs([tmp_path / "c.log", tmp_path, tmp_path / "2026" / "a.jsonl"])
    # What is named is taken by any name.
    assert names(found, tmp_path) == ["c.log", "2026/a.jsonl", "2026/b.jsonl"]


def test_links_are_not_followed_but_for_what_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "outside/secret.jsonl", "logs/own.jsonl")
    logs = tmp_path / "logs"
    (logs / "circle").symlink_to(logs)
    (logs / "file.jsonl").symlink_to(tmp_path / "outside" / "secret.jsonl")
    (logs / "dead.jsonl").symlink_to(tmp_path / "nowhere")
    found = find_logs([logs])
    assert names(found, tmp_path) == ["logs/own.jsonl"]
    assert found.links == 3
    # By its own name, so that it is the same log however it is named.
    assert names(find_logs([logs / "file.jsonl"]), tmp_path) == ["outside/secret.jsonl"]


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    touch(tmp_path, "log.jsonl")
    assert names(find_logs([tmp_path]), tmp_path) == ["log.jsonl"]
    found = find_logs([tmp_path / "pipe.jsonl"])
    assert found.unreadable == [(tmp_path / "pipe.jsonl", "it is neither a file nor a folder")]


@pytest.mark.parametrize("name", ["nothing", "empty", "circle"])
def test_nothing_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(SessionbaseError) as raised:
        find_logs([tmp_path / name])
    assert raised.value.code == ExitCode.NO_DATA_FOLDER
