"""Whatever accounts try, row level security and a plain model of the intent say the same."""

from collections import Counter

import psycopg
import pytest

from harness.connections import Connection
from tests.py.policies.choices import MALFORMED, NOTHING_CLAIMED
from tests.py.policies.fuzz import Fuzz, Seen
from tests.py.policies.model import NO_ACCOUNT, NO_RIGHT, Rights, read_rights
from tests.py.policies.statements import TABLES

SEEDS = [1, 2, 3, 4]
STEPS = 2000
COMMANDS = ("select", "insert", "update", "delete")

DEFAULT_ACCOUNT = "00000000-0000-4000-8000-000000000001"


def left_out(seen: Seen, rights: Rights) -> list[str]:
    """Return what the intent speaks of and no statement came to: a right used, a refusal."""
    # What the bytes of uploads are kept in holds on to itself by SHA-256; pgTAP tries that.
    rights = {table: commands for table, commands in rights.items() if table in TABLES}
    wanted = [
        (table, command, "some" if command in commands else NO_RIGHT)
        for table, commands in rights.items()
        for command in COMMANDS
        if (table, command) != ("app.memberships", "insert")
    ]
    wanted += [
        (table, "insert", NO_RIGHT) for table, commands in rights.items() if "insert" in commands
    ]
    wanted += [("principal", "active", "some")]
    wanted += [
        ("principal", kind, came)
        for kind in ("disabled", "unknown", "silent", "malformed")
        for came in ("none", NO_ACCOUNT)
    ]
    return [" ".join(what) for what in wanted if not seen[what]]


def test_any_statement_of_any_account_does_what_the_intent_says(connection: Connection) -> None:
    rights = read_rights()
    seen: Seen = Counter()
    for seed in SEEDS:
        fuzz = Fuzz(connection, rights, seed)
        fuzz.run(STEPS)
        seen += fuzz.seen
    assert left_out(seen, rights) == []


def ask(connection: Connection, claims: str, sql: str) -> list[tuple[object, ...]]:
    """Run a statement as app_user in a transaction of its own."""
    with connection.transaction():
        connection.execute("set local role app_user")
        connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])
        return connection.execute(sql.encode()).fetchall()


@pytest.mark.parametrize("claims", [NOTHING_CLAIMED, *MALFORMED])
def test_claims_that_name_no_account_are_nobody_s_on_a_new_connection(
    connection: Connection, claims: str
) -> None:
    text = claims.replace("{account}", DEFAULT_ACCOUNT)
    assert ask(connection, text, "select id from app.accounts") == []
    with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification):
        ask(connection, text, "delete from app.todos")
    named = f'{{"sub": "{DEFAULT_ACCOUNT}"}}'
    assert len(ask(connection, named, "select id from app.accounts")) == 1
