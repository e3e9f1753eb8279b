"""The comparison with the intent: silent on a clean database, and each deviation is its finding."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import pytest
from psycopg import sql

from harness.connections import Connection, Server, connect
from harness.review.catalog import read_catalog
from harness.review.compare import compare
from harness.review.findings import Finding
from harness.review.intent import load_intent

VIEWERS: LiteralString = """
    account_id = (select app.current_account_id())
    or (account_id, session_id) in (
        select shared.account_id, shared.session_id from app.memberships as shared
    )
"""
EDITORS: LiteralString = """
    account_id = (select app.current_account_id())
    or (account_id, session_id) in (
        select shared.account_id, shared.session_id from app.memberships as shared
        where shared.role in ('editor', 'owner')
    )
"""

DEVIATIONS: dict[str, tuple[LiteralString, tuple[str, str, str]]] = {
    "a policy is gone": (
        'drop policy "Electric reads all sessions" on app.sessions',
        ("policy-missing", "app.sessions", "electric_read"),
    ),
    "a policy to PUBLIC": (
        'create policy "Anybody" on app.todos for select using (true)',
        ("policy-roles", "app.todos", "PUBLIC"),
    ),
    "a policy to two roles": (
        'create policy "Two" on app.todos for select to app_user, reviewer using (true)',
        ("policy-roles", "app.todos", "app_user, reviewer"),
    ),
    "a policy for every command": (
        'create policy "All" on app.todos to app_user using (true)',
        ("policy-for-all-commands", "app.todos", "app_user"),
    ),
    "a policy that the intent does not know": (
        'create policy "Reviewing" on app.todos for select to reviewer using (true)',
        ("policy-without-cell", "app.todos", "reviewer"),
    ),
    "a policy where row security is off": (
        'create policy "Reading" on legacy.reasons for select to reviewer using (true)',
        ("policy-without-cell", "legacy.reasons", "reviewer"),
    ),
    "a second policy for a cell": (
        'create policy "Again" on app.todos for select to electric_read using (true)',
        ("policy-repeated", "app.todos", "electric_read"),
    ),
    "own said as all": (
        'alter policy "An account reads its own settings" on app.ui_settings using (true)',
        ("policy-text", "app.ui_settings", "app_user"),
    ),
    "a condition that is always true beside it": (
        (
            'alter policy "An account reads its own settings" on app.ui_settings '
            "using (account_id = (select app.current_account_id()) or account_id is not null)"
        ),
        ("policy-text", "app.ui_settings", "app_user"),
    ),
    "viewers let in where editors may": (
        (
            'alter policy "An account removes messages where it may edit" '
            f"on app.chat_messages using ({VIEWERS})"
        ),
        ("policy-text", "app.chat_messages", "app_user"),
    ),
    "a check that forgets the author": (
        (
            'alter policy "An account adds hook decisions where it may edit" '
            f"on app.hook_decisions with check ({EDITORS})"
        ),
        ("policy-text", "app.hook_decisions", "app_user"),
    ),
    "an update whose check lets more through": (
        (
            'alter policy "An account changes its own uploads" on app.session_uploads '
            "with check (true)"
        ),
        ("policy-text", "app.session_uploads", "app_user"),
    ),
    "row security off": (
        "alter table app.todos disable row level security",
        ("row-security-off", "app.todos", ""),
    ),
    "the owner not bound": (
        "alter table app.todos no force row level security",
        ("row-security-not-forced", "app.todos", "sessionbase_owner"),
    ),
    "row security where it must be off": (
        "alter table legacy.staged_records enable row level security",
        ("row-security-on", "legacy.staged_records", ""),
    ),
    "a table that the intent does not know": (
        "create table app.notes (body text); alter table app.notes owner to sessionbase_owner",
        ("table-unknown", "app.notes", ""),
    ),
    "a materialized view that the intent does not know": (
        "create materialized view app.copy as select 1 as one",
        ("table-unknown", "app.copy", ""),
    ),
    "a table that is gone": ("drop table sync.shapes", ("table-missing", "sync.shapes", "")),
    "another owner": (
        "alter table ops.migrations owner to postgres",
        ("table-owner", "ops.migrations", "postgres"),
    ),
    "a privilege on a table": (
        "grant truncate on app.todos to app_user",
        ("table-privilege", "app.todos", "app_user"),
    ),
    "a privilege on a table where columns are listed": (
        "grant update on app.todos to app_user",
        ("table-privilege", "app.todos", "app_user"),
    ),
    "a privilege that is gone": (
        "revoke delete on app.todos from app_user",
        ("table-privilege", "app.todos", "app_user"),
    ),
    "a privilege of PUBLIC": (
        "grant select on ops.migrations to public",
        ("table-privilege", "ops.migrations", "PUBLIC"),
    ),
    "a privilege of a role that the intent does not know": (
        "grant select on app.todos to pg_monitor",
        ("table-privilege", "app.todos", "pg_monitor"),
    ),
    "a privilege on a view": (
        "grant insert on app.memberships to app_user",
        ("table-privilege", "app.memberships", "app_user"),
    ),
    "a privilege on columns": (
        "grant update (id, row_version) on app.todos to app_user",
        ("column-privilege", "app.todos", "app_user"),
    ),
    "a privilege on columns that is gone": (
        "revoke insert (body, completed) on app.todos from app_user",
        ("column-privilege", "app.todos", "app_user"),
    ),
    "a grant option": (
        "grant select on app.todos to electric_read with grant option",
        ("grant-option", "app.todos", "electric_read"),
    ),
    "a privilege on a sequence": (
        "grant usage on sequence legacy.quarantine_id_seq to importer",
        ("sequence-privilege", "legacy.quarantine_id_seq", "importer"),
    ),
    "a privilege on a schema": (
        "grant create on schema app to app_user",
        ("schema-privilege", "app", "app_user"),
    ),
    "PUBLIC in schema public": (
        "grant create on schema public to public",
        ("schema-privilege", "public", "PUBLIC"),
    ),
    "another owner of a schema": (
        "alter schema api owner to authorizer",
        ("schema-owner", "api", "authorizer"),
    ),
    "a function made a definer": (
        "alter function app.raise_row_version() security definer",
        ("function-definer", "app.raise_row_version()", "sessionbase_owner"),
    ),
    "a definer made no definer": (
        "alter function app.current_account_id() security invoker",
        ("function-definer", "app.current_account_id()", "authorizer"),
    ),
    "a definer whose search_path is not pinned": (
        "alter function app.current_account_id() reset search_path",
        ("function-search-path", "app.current_account_id()", "authorizer"),
    ),
    "a definer that looks in public first": (
        "alter function app.current_account_id() set search_path = public, pg_temp",
        ("function-search-path", "app.current_account_id()", "authorizer"),
    ),
    "a function that PUBLIC may execute": (
        "grant execute on function app.raise_row_version() to public",
        ("function-privilege", "app.raise_row_version()", "PUBLIC"),
    ),
    "a function that nobody may execute any more": (
        "revoke execute on function app.current_account_id() from app_user",
        ("function-privilege", "app.current_account_id()", "app_user"),
    ),
    "another owner of a function": (
        "alter function app.current_account_id() owner to sessionbase_owner",
        ("function-owner", "app.current_account_id()", "sessionbase_owner"),
    ),
    "a function owned by who is no owner": (
        "alter function app.raise_row_version() owner to postgres",
        ("function-owner", "app.raise_row_version()", "postgres"),
    ),
    "a function that is gone": (
        "drop function app.drop_chat_keys()",
        ("function-missing", "app.drop_chat_keys()", ""),
    ),
    "a view without a barrier": (
        "alter view app.memberships reset (security_barrier)",
        ("view-barrier", "app.memberships", ""),
    ),
    "a view that no longer runs as who asks": (
        "alter view legacy.source_records set (security_invoker = false)",
        ("view-barrier", "legacy.source_records", ""),
    ),
    "a publication": (
        "create publication leak for table app.upload_chunks",
        ("publication", "leak", ""),
    ),
    "a publication of everything": (
        "create publication leak for all tables",
        ("publication", "leak", ""),
    ),
    "PUBLIC in new functions": (
        "alter default privileges for role sessionbase_owner grant execute on functions to public",
        ("default-privilege", "sessionbase_owner", "PUBLIC"),
    ),
    "a role in new tables of a schema": (
        (
            "alter default privileges for role sessionbase_owner in schema app "
            "grant select on tables to app_user"
        ),
        ("default-privilege", "sessionbase_owner", "app_user"),
    ),
    "a role that policies do not bind": (
        "alter role app_user bypassrls",
        ("role-attribute", "app_user", "app_user"),
    ),
    "a role that may log in": (
        "alter role authorizer login",
        ("role-attribute", "authorizer", "authorizer"),
    ),
    "a role that may make roles": (
        "alter role importer createrole",
        ("role-attribute", "importer", "importer"),
    ),
    "a role that may read everything": (
        "grant pg_read_all_data to reviewer",
        ("membership", "pg_read_all_data", "reviewer"),
    ),
    "a stranger who may act as app_user": (
        "create role review_stranger login; grant app_user to review_stranger",
        ("membership", "app_user", "review_stranger"),
    ),
    "a stranger who may act as an owner": (
        "create role review_stranger login; grant authorizer to review_stranger",
        ("membership", "authorizer", "review_stranger"),
    ),
    "a membership that is gone": (
        "revoke app_user from app_server",
        ("membership", "app_user", "app_server"),
    ),
    "a member who may add members": (
        "grant app_user to app_server with admin option",
        ("membership", "app_user", "app_server"),
    ),
}


@pytest.fixture
def connection(connection: Connection) -> Connection:
    """Return a connection to a migrated database; a clone does not have its database's rights."""
    connection.execute(
        sql.SQL("revoke all on database {} from public").format(
            sql.Identifier(connection.info.dbname)
        )
    )
    return connection


def review(connection: Connection) -> tuple[Finding, ...]:
    return compare(read_catalog(connection), load_intent())


def kinds(findings: tuple[Finding, ...]) -> list[tuple[str, str, str]]:
    return [(finding.code, finding.object, finding.role) for finding in findings]


@contextmanager
def rolled_back(connection: Connection, change: LiteralString) -> Iterator[None]:
    with connection.transaction(force_rollback=True):
        connection.execute(change)
        yield


def test_a_clean_database_has_no_finding(connection: Connection) -> None:
    assert review(connection) == ()


def test_every_deviation_is_its_finding_and_no_other(connection: Connection) -> None:
    missed = {}
    for name, (change, wanted) in DEVIATIONS.items():
        with rolled_back(connection, change):
            found = kinds(review(connection))
        if found != [wanted]:
            missed[name] = found
    assert missed == {}


def test_findings_say_what_is_and_what_should_be(connection: Connection) -> None:
    with rolled_back(connection, "grant update (id, row_version) on app.todos to app_user"):
        [finding] = review(connection)
    assert finding.found == "may update id, row_version"
    assert finding.wanted == "no such privilege"


def test_any_login_may_read_the_catalog(connection: Connection) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute("set local session authorization reviewer")
        assert review(connection) == ()


def test_a_login_that_migrated_may_act_as_the_owners(connection: Connection) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute("create role review_admin login createrole")
        connection.execute("grant sessionbase_owner, import_definer to review_admin")
        assert {finding.code for finding in review(connection)} == {"membership"}
        connection.execute("update ops.migrations set applied_by = 'review_admin'")
        assert review(connection) == ()


def test_people_may_import_and_review(connection: Connection) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute("create role review_operator login")
        connection.execute("grant importer, reviewer to review_operator")
        assert review(connection) == ()


def test_a_database_without_sessionbase_lacks_all_of_it(empty_database: Server) -> None:
    with connect(empty_database, "test") as connection:
        codes = {finding.code for finding in review(connection)}
    assert {"schema-missing", "table-missing", "function-missing", "default-privilege"} <= codes


def test_a_role_that_is_gone_is_missing(connection: Connection) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute("alter role reviewer rename to review_gone")
        codes = [finding.code for finding in review(connection)]
    assert "role-missing" in codes
