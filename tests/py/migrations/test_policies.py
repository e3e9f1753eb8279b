"""What is in the database and in no file is an error, for policies."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.connections import Server
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.runner import Migrator
from harness.settings import Settings

Apply = Callable[..., list[str]]
Query = Callable[..., list[tuple[object, ...]]]
Write = Callable[[str, str], Path]

HAND_MADE = 'create policy "Everybody reads" on app.chat_messages for select using (true)'
LOOSENED = 'alter policy "The import finds any account" on app.accounts to public'
DROPPED = 'drop policy "The import finds any account" on app.accounts'


def refusal(apply: Apply) -> SessionbaseError:
    with pytest.raises(SessionbaseError) as caught:
        apply()
    assert caught.value.code == ExitCode.POLICY_UNDECLARED
    return caught.value


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (HAND_MADE, '"Everybody reads" on app.chat_messages is in no file'),
        (LOOSENED, '"The import finds any account" on app.accounts was changed by hand'),
        (DROPPED, '"The import finds any account" on app.accounts is gone'),
    ],
)
def test_a_policy_that_differs_from_the_files_is_named(
    apply: Apply, query: Query, statement: str, said: str
) -> None:
    query(statement)
    assert said in refusal(apply).what


@pytest.mark.parametrize("statement", [LOOSENED, DROPPED])
def test_reapply_puts_a_changed_or_dropped_policy_back(
    apply: Apply, query: Query, database: Server, settings: Settings, statement: str
) -> None:
    ask = (
        "select policyname, roles, cmd, qual from pg_policies where tablename = 'accounts' "
        "order by policyname"
    )
    before = query(ask)
    query(statement)
    assert query(ask) != before
    Migrator(settings).apply(database, reapply=True)
    assert query(ask) == before
    assert apply() == []


def test_reapply_does_not_hide_a_policy_that_is_in_no_file(
    query: Query, database: Server, settings: Settings
) -> None:
    query(HAND_MADE)
    with pytest.raises(SessionbaseError, match="Everybody reads"):
        Migrator(settings).apply(database, reapply=True)


def test_a_policy_renamed_in_its_file_must_be_dropped_there(
    sql_folder: Path, apply: Apply, query: Query
) -> None:
    path = sql_folder / "policies/app.accounts.sql"
    old, new = "The import finds any account", "The import looks an account up"
    names = "select policyname from pg_policies where tablename = 'accounts'"
    path.write_text(path.read_text().replace(old, new))
    assert f'"{old}" on app.accounts is in no file' in refusal(apply).what
    assert (old,) in query(names)
    path.write_text(f'drop policy if exists "{old}" on app.accounts;\n{path.read_text()}')
    assert apply() == ["policies/app.accounts.sql"]
    assert (new,) in query(names)
    assert (old,) not in query(names)


def test_a_policy_file_that_is_gone_leaves_no_policy_behind(
    sql_folder: Path, apply: Apply, query: Query
) -> None:
    (sql_folder / "policies/app.accounts.sql").unlink()
    assert "is in no file" in refusal(apply).what
    for (name,) in query("select policyname from pg_policies where tablename = 'accounts'"):
        query(f'drop policy "{name}" on app.accounts')
    assert apply() == []
    assert query("select from ops.migrations where file = 'policies/app.accounts.sql'") == []


def test_a_migration_takes_a_table_out_whose_policy_file_is_gone(
    sql_folder: Path, apply: Apply, query: Query
) -> None:
    new = sql_folder / "migrations/9999_no_claims.sql"
    (sql_folder / "policies/legacy.thread_claims.sql").unlink()
    assert "is in no file" in refusal(apply).what
    new.write_text("select 1;\n")
    assert "is in no file" in refusal(apply).what
    new.with_name("9999_no_claims.sql").unlink()
    query("delete from ops.migrations where file = 'migrations/9999_no_claims.sql'")
    new.write_text("drop table legacy.thread_claims;\n")
    assert apply() == ["migrations/9999_no_claims.sql"]
    assert (
        query("select from ops.migrations where file = 'policies/legacy.thread_claims.sql'") == []
    )
