"""What `invoke lint` says of row level security: nothing today, and something for each fault."""

from pathlib import Path

import pytest

from harness import row_security
from harness.connections import Connection, Server
from harness.errors import ExitCode, SessionbaseError
from harness.testing.servers import Databases
from tests.py.documents.showing import shown_block

WHO = "(select app.current_account_id())"

FAULTS = {
    "a policy that lets everybody see all": (
        "create policy x on app.todos for select to app_user using (true)",
        "SEC008 app.todos.x to app_user",
    ),
    "an accepted policy that is for another role now": (
        'alter policy "Electric reads all todos" on app.todos to app_user',
        "SEC008 app.todos.Electric reads all todos to app_user",
    ),
    "a policy for everybody": (
        f"create policy x on app.todos for select using (account_id = {WHO})",
        "SEC003 app.todos.x to public",
    ),
    "rows of all for who has no account": (
        f"create policy x on app.todos for select to app_user using ({WHO} is null)",
        "SEC038 app.todos.x to app_user",
    ),
    "rows of all for who has an account": (
        f"create policy x on app.todos for select to app_user using ({WHO} is not null)",
        "SEC005 app.todos.x to app_user",
    ),
    "a debugging aid left in": (
        f"create policy x on app.todos to app_user using (account_id = {WHO} or true)",
        "SEC011 app.todos.x to app_user",
    ),
    "who asks is asked anew for every row": (
        "create policy x on app.todos to app_user using (account_id = app.current_account_id())",
        "PERF001 app.todos.x to app_user",
    ),
    "a table whose owner is not bound": (
        "alter table app.todos no force row level security",
        "SEC002 app.todos",
    ),
    "a table whose policies are not in force": (
        "alter table app.todos disable row level security",
        "SEC032 app.todos",
    ),
    "a table without row level security": ("create table app.t ()", "SEC001 app.t"),
    "a table whose key tells of other accounts": (
        "create unique index x on app.todos (id)",
        "SEC035 app.todos (x)",
    ),
    "a view behind the policies' back": (
        "create view app.v as select * from app.todos",
        "VIEW001 app.v",
    ),
    "a definer function that whoever asks can lead astray": (
        "create function app.f() returns int language sql security definer as 'select 1'",
        "SEC015 app.f",
    ),
    "rights on tables to come": (
        "alter default privileges in schema app grant select on tables to app_user",
        "SEC044 app",
    ),
}

_NOTES = f"""
    create table app.notes (
        account_id uuid references app.accounts (id), id text, body text,
        primary key (account_id, id)
    );
    alter table app.notes owner to sessionbase_owner;
    alter table app.notes enable row level security;
    alter table app.notes force row level security;
    create policy "An account reads its own notes" on app.notes
        for select to app_user using (account_id = {WHO});
    create policy "An account adds its own notes" on app.notes
        for insert to app_user with check (account_id = {WHO});
    create policy "An account removes its own notes" on app.notes
        for delete to app_user using (account_id = {WHO});
    grant select, insert, delete on app.notes to app_user;
    create trigger require_account before insert or update or delete on app.notes
        for each statement execute function app.require_account();
"""


@pytest.fixture(scope="module")
def before(databases: Databases) -> list[str]:
    """Return what is said of a database as it should be; on a server that is ours, nothing.

    A server that others use may have roles that pgrls finds fault with.
    """
    with databases.migrated() as database:
        return row_security.judge(database)


def test_nothing_is_wrong_with_our_own(before: list[str]) -> None:
    assert [line for line in before if " app." in line or " legacy." in line] == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_database_is_found(
    fault: str, before: list[str], database: Server, connection: Connection
) -> None:
    statement, expected = FAULTS[fault]
    connection.execute(statement)
    new = set(row_security.judge(database)) - set(before)
    assert any(line.startswith(f"{expected}: ") for line in new), new


def test_what_is_accepted_and_not_found_any_more_is_said(
    database: Server, connection: Connection
) -> None:
    connection.execute('drop policy "Electric reads all todos" on app.todos')
    lines = row_security.judge(database)
    for rule in ("SEC005", "SEC008", "SEC038"):
        assert (
            f"{rule} app.todos.Electric reads all todos to electric_read: "
            "accepted in pgrls.toml, but not found any more" in lines
        )


def test_a_new_table_is_told_what_the_guide_says(
    before: list[str], database: Server, connection: Connection
) -> None:
    connection.execute(_NOTES.encode())
    told = sorted(set(row_security.judge(database)) - set(before))
    assert told == shown_block("docs/dba-guide.md", "SEC007").splitlines()


def test_nothing_is_accepted_without_a_reason(database: Server, tmp_path: Path) -> None:
    config = tmp_path / "pgrls.toml"
    config.write_text('[[accepted]]\nrules = ["SEC001"]\nat = ["ops.migrations"]\n')
    with pytest.raises(SessionbaseError) as raised:
        row_security.judge(database, config)
    assert raised.value.code == ExitCode.FAILED
    assert "SEC001" in raised.value.what


def test_an_analyser_that_can_not_do_its_work_is_no_clean_result(
    database: Server, tmp_path: Path
) -> None:
    config = tmp_path / "pgrls.toml"
    config.write_text('[lint]\ndisable = ["NO_SUCH_RULE"]\n')
    with pytest.raises(SessionbaseError, match="NO_SUCH_RULE") as raised:
        row_security.judge(database, config)
    assert raised.value.code == ExitCode.FAILED
