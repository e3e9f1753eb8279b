"""invoke test: pgTAP by pg_prove, then pytest; what fails, fails the whole."""

import os
import subprocess
import sys

from harness import console
from harness.errors import ExitCode, SessionbaseError
from harness.options import check_least
from harness.settings import PROJECT, Settings
from harness.testing.debian import find_tools
from harness.testing.electrics import ElectricChoice, choose_electric, parse_electric
from harness.testing.pgtap import matching_tests, run_pg_prove
from harness.testing.servers import Choice, Databases, open_server, parse_choice, resolve

_PYTEST_NO_TESTS = 5
_MOST_WORKERS = 4


def run_tests(  # noqa: PLR0913 - its options
    settings: Settings,
    *,
    parts: set[str],
    expression: str,
    postgres: str,
    electric: str = "auto",
    workers: int = 0,
) -> ExitCode:
    """Run the parts named ("sql", "py") of the tests.

    expression: part of a name of a pgTAP file, and pytest's -k. postgres, electric: what to run on.
    workers: how many processes run pytest's tests, each on a server of its own; 0: as workers_for()
    says.
    FAILED if a test fails, NO_TESTS if the expression fits none at all.
    """
    check_least("--workers", workers)
    choice, electric_choice = parse_choice(postgres), parse_electric(electric)
    if "py" in parts:
        # Before anything is started: what pytest refuses it refuses with a traceback.
        choose_electric(settings, electric_choice, resolve(settings, choice))
    codes = []
    if "sql" in parts:
        codes.append(_run_sql(settings, expression, choice))
    if "py" in parts:
        workers = workers or workers_for(settings, expression, choice)
        codes.append(_run_py(expression, choice, electric_choice, workers))
    if ExitCode.FAILED in codes:
        return ExitCode.FAILED
    if ExitCode.OK not in codes:
        raise SessionbaseError(ExitCode.NO_TESTS, f"no test has {expression!r} in its name")
    return ExitCode.OK


def _run_sql(settings: Settings, expression: str, choice: Choice) -> ExitCode:
    tests = matching_tests(expression)
    if not tests:
        console.say(f"pgTAP: no file of tests/sql has {expression!r} in its name")
        return ExitCode.NO_TESTS
    tools = find_tools(settings, console.note)
    with open_server(settings, choice) as opened:
        console.say(opened.header)
        databases = Databases(opened.server, settings)
        with databases.migrated() as server:
            code = run_pg_prove(server, settings, tools, tests)
        databases.drop_template()
    return ExitCode.FAILED if code else ExitCode.OK


def workers_for(settings: Settings, expression: str, choice: Choice) -> int:
    """Say how many processes run the tests: one for each core, up to four.

    But one alone for a few tests, and on a server that is given: roles are a whole server's, so
    tests that change them would meet.
    """
    given = settings.database_url and choice in {"auto", "url"}
    if expression or given or settings.electric_url:
        return 1
    return min(len(os.sched_getaffinity(0)), _MOST_WORKERS)


def _run_py(expression: str, choice: Choice, electric: ElectricChoice, workers: int) -> ExitCode:
    command = [sys.executable, "-m", "pytest", f"--postgres={choice}", f"--electric={electric}"]
    if workers > 1:
        # A file's tests stay together: they share what is made for them.
        command += [f"--numprocesses={workers}", "--dist=loadfile"]
    if expression:
        command += ["-k", expression]
    code = subprocess.run(command, check=False, cwd=PROJECT).returncode
    if code == _PYTEST_NO_TESTS:
        return ExitCode.NO_TESTS
    return ExitCode.FAILED if code else ExitCode.OK
