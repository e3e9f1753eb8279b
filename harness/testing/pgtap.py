"""Runs tests/sql by pg_prove, on a migrated database with pgTAP in a schema of its own."""

import os
import subprocess
from pathlib import Path

from harness.connections import Server, connect
from harness.embedded.binaries import find_program
from harness.settings import PROJECT, Settings
from harness.testing.debian import PgTapTools

SQL_TESTS = PROJECT / "tests" / "sql"


def matching_tests(expression: str) -> list[Path]:
    """List the test files whose name contains the expression; all for an empty one."""
    return [path for path in sorted(SQL_TESTS.glob("*.sql")) if expression in path.name]


def run_pg_prove(server: Server, settings: Settings, tools: PgTapTools, tests: list[Path]) -> int:
    """Run test files one after the other; each rolls back what it does. Return the exit code."""
    _install_pgtap(server, tools.pgtap_sql)
    environment = os.environ | server.environment()
    environment["PGOPTIONS"] = f"{environment.get('PGOPTIONS', '')} -c search_path=tap"
    environment["PGAPPNAME"] = "sessionbase test"
    command = [*tools.pg_prove, "--psql-bin", str(find_program(settings, "psql")), *map(str, tests)]
    return subprocess.run(command, check=False, env=environment, cwd=PROJECT).returncode


def _install_pgtap(server: Server, pgtap_sql: Path) -> None:
    """Define pgTAP in schema tap, where every role may call it, and what our tests share."""
    with connect(server, "test") as connection, connection.transaction():
        connection.execute("create schema tap")
        connection.execute("set local search_path = tap")
        connection.execute(pgtap_sql.read_bytes())
        connection.execute("grant usage on schema tap to public")
        connection.execute("grant execute on all functions in schema tap to public")
        connection.execute("create schema tests")
        for helper in sorted((SQL_TESTS / "lib").glob("*.sql")):
            connection.execute(helper.read_bytes())
