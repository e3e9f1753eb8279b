"""deploy/Dockerfile: what gets into the image is enough, and is no secret."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.connections import Server, connect
from harness.settings import PROJECT

_DOCKERFILE = (PROJECT / "deploy" / "Dockerfile").read_text()
_INVOKE = f"""
import runpy, sys
# What is installed in place would stand in for what the image lacks.
sys.path[:] = [folder for folder in sys.path if folder != {str(PROJECT)!r}]
runpy.run_module("invoke", run_name="__main__", alter_sys=True)
"""
_IGNORED = (PROJECT / "deploy" / "Dockerfile.dockerignore").read_text()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Lay out the files that `COPY . .` sees, in a folder of their own."""
    # All is left out, some is taken in again.
    patterns = [line for line in _IGNORED.splitlines() if line and not line.startswith("#")]
    assert (patterns[0], patterns[-1]) == ("*", "**/__pycache__")
    folder = tmp_path / "app"
    for pattern in patterns[1:-1]:
        assert pattern.startswith("!")
        source, target = PROJECT / pattern[1:], folder / pattern[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, target)
    return folder


@pytest.fixture
def run(image: Path, empty_database: Server) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a way to run commands in that folder, with what compose.yaml sets."""
    environment = {"DATABASE_URL": empty_database.conninfo, "PYTHONDONTWRITEBYTECODE": "1"}

    def ran(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", _INVOKE, *command],
            check=False,
            cwd=image,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"} | environment,
            capture_output=True,
            text=True,
        )

    return ran


def test_it_migrates_with_nothing_but_what_is_in_it(
    run: Callable[..., subprocess.CompletedProcess[str]], image: Path, empty_database: Server
) -> None:
    before = {path for path in image.rglob("*") if path.is_file()}
    result = run("migrate")
    assert (result.returncode, result.stderr) == (0, "")
    assert str(PROJECT) not in result.stdout
    with connect(empty_database, "test") as connection:
        row = connection.execute("select count(*) from sync.shapes").fetchone()
    assert row is not None
    assert row[0] > 0
    # Its root can't be written, so nothing may want to.
    assert {path for path in image.rglob("*") if path.is_file()} == before


def test_no_secret_gets_in(image: Path) -> None:
    names = {path.name for path in image.rglob("*")}
    assert "tasks.py" in names
    assert not names & {".env", ".git", ".sessionbase", "deploy", "tests"}


def test_it_runs_as_nobody_in_particular() -> None:
    (user,) = re.findall(r"^USER (\S+)$", _DOCKERFILE, re.MULTILINE)
    assert int(user) > 0
    assert f"--uid {user} " in _DOCKERFILE


def test_what_it_is_made_of_is_pinned() -> None:
    bases = re.findall(r"^FROM (\S+)", _DOCKERFILE, re.MULTILINE)
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", bases[0])
