"""Runs commands as a person does, in a process of their own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from harness.connections import Server
from harness.settings import PROJECT

Invoke = Callable[..., subprocess.CompletedProcess[str]]

COMMAND_SECONDS = 120


def run_invoke(
    *arguments: str, environment: dict[str, str], answers: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `invoke ARGUMENTS`; answers is what is typed at its questions."""
    return subprocess.run(
        [sys.executable, "-m", "invoke", *arguments],
        check=False,
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")} | environment,
        input=answers,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
    )


def checked(invoke: Invoke, secret: str) -> Invoke:
    """Wrap a way to run commands: whatever is printed, it is no traceback and no secret."""

    def run(*arguments: str, answers: str = "") -> subprocess.CompletedProcess[str]:
        result = invoke(*arguments, answers=answers)
        assert "Traceback" not in result.stdout + result.stderr
        assert secret not in result.stdout + result.stderr
        return result

    return run


def invoke_on(server: Server, home: Path) -> Invoke:
    """Return a way to run commands with DATABASE_URL set to a server."""
    password = str(conninfo_to_dict(server.conninfo)["password"])
    environment = {"DATABASE_URL": server.conninfo, "SESSIONBASE_HOME": str(home)}

    def run(*arguments: str, answers: str = "") -> subprocess.CompletedProcess[str]:
        return run_invoke(*arguments, environment=environment, answers=answers)

    return checked(run, password)


@pytest.fixture
def invoke(database: Server, tmp_path: Path) -> Invoke:
    """Run commands on the migrated database of this test, by DATABASE_URL."""
    return invoke_on(database, tmp_path / "home")


@pytest.fixture
def invoke_empty(empty_database: Server, tmp_path: Path) -> Invoke:
    """Run commands on an empty database, by DATABASE_URL."""
    return invoke_on(empty_database, tmp_path / "home")


@pytest.fixture
def home(open_folder: Path) -> Path:
    """Return a folder for an embedded server."""
    return open_folder / "home"


@pytest.fixture
def invoke_embedded(home: Path) -> Iterator[Invoke]:
    """Run commands on an embedded server of this test, without DATABASE_URL."""

    def run(*arguments: str, answers: str = "") -> subprocess.CompletedProcess[str]:
        # Empty, it also overrules a .env that someone works with.
        environment = {"SESSIONBASE_HOME": str(home), "DATABASE_URL": ""}
        result = run_invoke(*arguments, environment=environment, answers=answers)
        password = home / "postgres" / "password"
        if password.exists():
            assert password.read_text() not in result.stdout + result.stderr
        return result

    yield checked(run, "\0")
    run("pg-stop")
