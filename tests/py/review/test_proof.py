"""The proof: green on a clean database, and what a deviation lets through is seen."""

from typing import LiteralString

import pytest

from harness.connections import Connection, Server
from harness.review import proof as proof_module
from harness.review.intent import Intent, TableIntent, load_intent
from harness.review.proof import Proof, prove
from harness.review.seed import rows_there
from harness.review.trials import OUTCOMES, PRINCIPALS

DEVIATIONS: dict[tuple[str, str], LiteralString] = {
    # Each is about another table, so one proof shows them all: by table and role.
    ("app.ui_settings", "app_user"): (
        'alter policy "An account reads its own settings" on app.ui_settings using (true)'
    ),
    ("app.todos", "sessionbase_owner"): "alter table app.todos no force row level security",
    ("app.session_events", "app_user"): "grant truncate on app.session_events to app_user",
    (
        "app.chat_threads",
        "app_user",
    ): "grant update (message_count) on app.chat_threads to app_user",
    ("app.misalignments", "app_user"): "drop trigger require_account on app.misalignments",
    ("app.sessions", "electric_read"): 'drop policy "Electric reads all sessions" on app.sessions',
    ("app.session_uploads", "app_user"): "revoke delete on app.session_uploads from app_user",
    ("app.hook_decisions", "app_user"): (
        'alter policy "An account adds hook decisions where it may edit" on app.hook_decisions '
        "with check (account_id = (select app.current_account_id()) or (account_id, session_id) in "
        "(select s.account_id, s.session_id from app.memberships s where s.role <> 'viewer'))"
    ),
    ("app.chat_messages", "app_user"): (
        'alter policy "An account removes messages where it may edit" on app.chat_messages '
        "using (account_id = (select app.current_account_id()) or account_id in "
        "(select s.account_id from app.memberships s where s.role <> 'viewer'))"
    ),
    ("app.session_repo_bindings", "reviewer"): (
        "grant delete on app.session_repo_bindings to reviewer"
    ),
    (
        "legacy.staged_records",
        "importer",
    ): "grant select (raw) on legacy.staged_records to importer",
    ("legacy.reasons", "import_definer"): "grant insert (code) on legacy.reasons to import_definer",
}


def shown(proof: Proof) -> set[tuple[str, str]]:
    return {(finding.object, finding.role) for finding in proof.findings()}


def failures(proof: Proof, table: str) -> set[tuple[str, str, str]]:
    """Return what did not hold on a table: as whom, with which command, and on what."""
    failed = (a for a in proof.attempts if a.table == table and not a.holds)
    return {(a.principal, a.command, a.aim) for a in failed}


def intent_of(*tables: str) -> Intent:
    """Return the intent with some of its tables only, which is tried faster."""
    intent = load_intent()
    return intent.model_copy(update={"tables": {name: intent.tables[name] for name in tables}})


def test_every_cell_of_a_clean_database_is_tried_and_holds_and_nothing_stays(
    database: Server, connection: Connection
) -> None:
    intent = load_intent()
    proof = prove(database, intent)
    assert list(proof.findings()) == []
    assert proof.cells == len(list(intent.matrix()))
    assert set(proof.counts()) == set(OUTCOMES) - {"failed"}
    asked = {attempt.principal for attempt in proof.attempts if attempt.role == "app_user"}
    assert asked == {principal.name for principal in PRINCIPALS}
    assert connection.execute("select count(*) from app.accounts").fetchall() == [(1,)]
    assert connection.execute("select count(*) from app.sessions").fetchall() == [(0,)]


def test_every_table_of_the_intent_has_rows_to_reach() -> None:
    assert [table for table in load_intent().tables if not rows_there(table)] == []


def test_deviations_come_through_and_nothing_else(database: Server, connection: Connection) -> None:
    for change in DEVIATIONS.values():
        connection.execute(change)
    proof = prove(database, load_intent())
    assert shown(proof) == set(DEVIATIONS)
    # The policy for select hides this hole from whoever reads, and from nobody else.
    aim = "a row of another session of the same account, without reading"
    assert failures(proof, "app.chat_messages") == {
        ("a member as editor", "delete", aim),
        ("a member as owner", "delete", aim),
    }


def test_a_disabled_account_that_is_let_in_is_seen(
    database: Server, connection: Connection
) -> None:
    connection.execute(
        "create or replace function app.current_account_id() returns uuid language sql stable "
        "security definer set search_path = pg_catalog, pg_temp as "
        "$$ select id from app.accounts where id = app.claimed_account_id() $$"
    )
    found = failures(prove(database, intent_of("app.todos")), "app.todos")
    assert {principal for principal, _, _ in found} == {"a disabled account"}
    assert {command for _, command, _ in found} == {"select", "insert", "update", "delete"}


def test_memberships_of_others_that_show_are_seen(database: Server, connection: Connection) -> None:
    connection.execute(
        "create or replace view app.memberships with (security_barrier) as "
        "select account_id, session_id, role from app.session_members"
    )
    proof = prove(database, intent_of("app.memberships", "app.todos"))
    assert shown(proof) >= {("app.memberships", "app_user"), ("app.todos", "app_user")}


def test_a_table_without_rows_to_reach_is_no_proof(
    database: Server, connection: Connection
) -> None:
    connection.execute("create table app.notes (body text)")
    connection.execute("alter table app.notes owner to sessionbase_owner")
    intent = intent_of().model_copy(update={"tables": {"app.notes": TableIntent()}})
    findings = list(prove(database, intent).findings())
    assert {(finding.code, finding.object) for finding in findings} == {
        ("proof-without-control", "app.notes")
    }


def test_rows_that_are_not_there_are_no_proof(
    database: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plant_nothing(_: Connection) -> None:
        pass

    monkeypatch.setattr(proof_module, "plant", plant_nothing)
    proof = prove(database, intent_of("app.todos", "app.memberships"))
    assert [attempt for attempt in proof.attempts if attempt.holds] == []
