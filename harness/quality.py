"""The linters and formatters, and what each looks at."""

import shutil
import subprocess
import sys
from pathlib import Path

from harness import console, row_security
from harness.errors import ExitCode, SessionbaseError
from harness.settings import PROJECT, load

_SQL = ("sql/migrations", "sql/functions", "sql/policies", "tests/sql")


def lint() -> ExitCode:
    """Run every linter, also after one has found something. FAILED if any did."""
    product = [
        str(path) for folder in _SQL[:3] for path in sorted((PROJECT / folder).glob("*.sql"))
    ]
    commands = [
        ["sqlfluff", "lint", "--disable-progress-bar", *_SQL],
        ["squawk", *product],
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["hadolint", "deploy/Dockerfile"],
    ]
    # Every one is run before any is judged.
    failed = [command[0] for command in commands if _run(command) != 0]
    if not _row_security_is_clean():
        failed.append("pgrls")
    if failed:
        console.say(f"not clean: {', '.join(failed)}")
        return ExitCode.FAILED
    console.say("clean: sqlfluff, squawk, ruff, mypy, hadolint, pgrls")
    return ExitCode.OK


def fmt() -> ExitCode:
    """Format SQL and Python in place."""
    commands = [
        ["sqlfluff", "fix", "--disable-progress-bar", *_SQL],
        ["ruff", "check", "--fix", "."],
        ["ruff", "format", "."],
    ]
    codes = [_run(command) for command in commands]
    return ExitCode.FAILED if any(codes) else ExitCode.OK


def find_tool(name: str) -> str:
    """Return a program of the test requirements. Raises SessionbaseError (MISSING_TOOL)."""
    beside = Path(sys.executable).parent / name
    program = str(beside) if beside.exists() else shutil.which(name)
    if program is None:
        raise SessionbaseError(
            ExitCode.MISSING_TOOL,
            f"{name} is not installed",
            hint="python3 -m pip install -e '.[test]'",
        )
    return program


def _row_security_is_clean() -> bool:
    console.note(f"$ pgrls lint --config {row_security.CONFIG.name} ...")
    lines = row_security.lint(load())
    for line in lines:
        console.say(line)
    if lines:
        console.say(
            "`pgrls explain RULE` says more. Mend it; or accept it, with the reason, in "
            f"{row_security.CONFIG.name}."
        )
    return not lines


def _run(command: list[str]) -> int:
    """Run a tool of this Python's environment, active or not, in the project's folder."""
    program = find_tool(command[0])
    console.note(f"$ {' '.join(command[:3])}{' ...' if command[3:] else ''}")
    return subprocess.run([program, *command[1:]], check=False, cwd=PROJECT).returncode
