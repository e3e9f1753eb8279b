"""invoke review: silent success, findings with an exit code of their own, and no scratch left."""

import json
import re
from pathlib import Path

import pytest
from psycopg import sql

from harness.connections import Connection, Server
from harness.errors import ExitCode
from tests.py.commands.conftest import Invoke, invoke_on
from tests.py.documents.showing import missing, missing_but_for_figures, shown_block


@pytest.fixture
def invoke(database: Server, connection: Connection, tmp_path: Path) -> Invoke:
    """Return a way to run commands on a migrated database, which has its rights as if migrated."""
    connection.execute(
        sql.SQL("revoke all on database {} from public").format(sql.Identifier(database.database))
    )
    return invoke_on(database, tmp_path)


def scratch_databases(connection: Connection) -> list[str]:
    rows = connection.execute(
        "select datname from pg_database where starts_with(datname, 'sessionbase_review_')"
    ).fetchall()
    return [name for (name,) in rows]


def test_a_clean_database_passes(invoke: Invoke, connection: Connection) -> None:
    result = invoke("review")
    assert result.returncode == ExitCode.OK, result.stdout + result.stderr
    shown = re.sub(r"postgresql://\S+", "...", shown_block("docs/dba-guide.md", "command    tried"))
    assert missing_but_for_figures(shown, result.stdout) == []
    assert "tried on a scratch database" in result.stdout
    assert scratch_databases(connection) == []


def test_json_has_the_same_facts(invoke: Invoke, connection: Connection) -> None:
    connection.execute("alter table app.todos disable row level security")
    result = invoke("review", "--json")
    assert result.returncode == ExitCode.REVIEW_FAILED
    facts = json.loads(result.stdout)
    assert "row-security-off" in {finding["code"] for finding in facts["findings"]}
    assert facts["proof"]["cells"] == facts["cells"]
    assert facts["proof"]["tried"] == sum(facts["proof"]["outcomes"].values())


def test_without_a_proof_it_says_so(invoke: Invoke, connection: Connection) -> None:
    connection.execute("grant update on app.todos to app_user")
    result = invoke("review", "--no-proof")
    assert result.returncode == ExitCode.REVIEW_FAILED
    assert missing(shown_block("docs/dba-guide.md", "code   "), result.stdout) == []
    assert "Nothing was proved by doing: it was not asked for." in result.stdout


def test_a_login_that_may_not_prove_compares(
    database: Server, connection: Connection, invoke: Invoke, tmp_path: Path
) -> None:
    del invoke
    connection.execute("create role review_reader login password 'much-loved'")
    name = sql.Identifier(database.database)
    connection.execute(sql.SQL("grant connect on database {} to review_reader").format(name))
    try:
        reader = Server(
            f"{database.conninfo} user=review_reader password=much-loved", embedded=False
        )
        result = invoke_on(reader, tmp_path)("review")
    finally:
        connection.execute("drop owned by review_reader")
        connection.execute("drop role review_reader")
    assert result.returncode == ExitCode.OK, result.stdout + result.stderr
    assert "the login is no superuser" in result.stdout


def test_a_database_that_is_not_migrated_is_pending(empty_database: Server, tmp_path: Path) -> None:
    result = invoke_on(empty_database, tmp_path)("review")
    assert result.returncode == ExitCode.PENDING
    assert "invoke migrate" in result.stderr
