"""Killed at any moment, a reading that is run again ends as if nothing was."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.connections import Connection, Server
from harness.settings import PROJECT
from tests.py.session_logs.builders import (
    Account,
    document,
    gemini,
    lines_of,
    new_account,
    rollout,
)

ROUNDS = 5
MOST_ROUNDS = 15
"""Moments are measured on a machine that others use too: all of a few can come too late."""
PATIENCE_S = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write logs of both kinds, some with faults, one of many batches."""
    path = tmp_path_factory.mktemp("kill")
    (path / "a.jsonl").write_bytes(lines_of(rollout(300, "a")))
    (path / "b.jsonl").write_bytes(lines_of([*rollout(40, "b"), b"oops", b""])[:-30])
    (path / "c.json").write_bytes(document(gemini(60)))
    for n in range(10):
        (path / f"d{n}.jsonl").write_bytes(lines_of(rollout(5, f"d{n}")))
    return path


def start(account: Account, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.py.session_logs.ingesting",
            account.server.conninfo,
            account.id,
            str(folder),
        ],
        cwd=PROJECT,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(account: Account, folder: Path) -> float:
    begin = time.monotonic()
    process = start(account, folder)
    _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, told
    return time.monotonic() - begin


def test_a_client_killed_at_random_moments(shared: tuple[Server, Connection], folder: Path) -> None:
    whole = new_account(*shared)
    seconds = run(whole, folder)
    undisturbed = whole.state()
    assert len(undisturbed[1]) == len(list(folder.iterdir()))

    dice = random.Random()  # noqa: S311 - other moments every time
    half_way = rounds = 0
    while rounds < ROUNDS or (not half_way and rounds < MOST_ROUNDS):
        rounds += 1
        account = new_account(*shared)
        # Twice in a row: what a run that went on leaves is gone on with too.
        for _ in range(2):
            process = start(account, folder)
            try:
                process.communicate(timeout=dice.uniform(0.4 * seconds, 0.9 * seconds))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
            half_way += len(
                account.rows(
                    "select from app.session_logs where account_id = %s and content_sha256 is null"
                )
            )
        run(account, folder)
        assert account.state() == undisturbed
        versions = account.versions()
        run(account, folder)
        assert account.versions() == versions
    # Or nothing was shown.
    assert half_way
