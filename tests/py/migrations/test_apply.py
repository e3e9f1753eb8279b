"""Applying: once, in order, whole or not at all, and written down."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.connections import Connection, Server, connect
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.files import discover
from harness.migrations.runner import Migrator
from harness.migrations.script import Place, ScriptError, run_script
from harness.settings import SQL, Settings

Apply = Callable[..., list[str]]
Query = Callable[..., list[tuple[object, ...]]]
Write = Callable[[str, str], Path]

NEW = "migrations/0999_new.sql"
TABLE = "set local role sessionbase_owner;\n\ncreate table app.probe (id bigint);\n"
EXISTS = "select to_regclass('app.probe') is not null"


def failure(apply: Apply, **changed: int) -> SessionbaseError:
    with pytest.raises(SessionbaseError) as caught:
        apply(**changed)
    return caught.value


def test_a_fresh_database_gets_every_file_in_order(
    empty_database: Server, settings: Settings
) -> None:
    applied = Migrator(settings).apply(empty_database)
    assert [file.name for file in applied] == [file.name for file in discover(SQL)]
    assert [file.kind for file in applied] == sorted(
        (file.kind for file in applied), key=["versioned", "function", "policy"].index
    )


def test_a_second_run_does_nothing(apply: Apply, query: Query) -> None:
    before = query("table ops.migrations")
    assert apply() == []
    assert query("table ops.migrations") == before


def test_the_ledger_says_what_was_applied_by_whom_and_when(
    write: Write, apply: Apply, query: Query
) -> None:
    write(NEW, TABLE)
    assert apply() == [NEW]
    [row] = query(
        """
        select kind, checksum ~ '^[0-9a-f]{64}$', applied_by = session_user,
            now() - applied_at < interval '1 minute', duration_ms >= 0
        from ops.migrations where file = %s
        """,
        NEW,
    )
    assert row == ("versioned", True, True, True, True)
    assert query("select outcome from ops.migration_attempts where file = %s", NEW) == [
        ("applied",)
    ]


def test_an_edited_file_is_refused_with_both_checksums(
    sql_folder: Path, apply: Apply, query: Query
) -> None:
    path = sql_folder / "migrations/0003_chat.sql"
    path.write_text(path.read_text() + "-- edited\n")
    error = failure(apply)
    [(applied,)] = query(
        "select checksum from ops.migrations where file = 'migrations/0003_chat.sql'"
    )
    [now] = [f.checksum for f in discover(sql_folder) if f.name == "migrations/0003_chat.sql"]
    assert error.code == ExitCode.MIGRATION_CHANGED
    assert str(applied) in error.what
    assert now in error.what
    assert "sql/migrations/0003_chat.sql" in error.what


def test_a_syntax_error_is_shown_where_it_is(write: Write, apply: Apply) -> None:
    write(NEW, "set local role sessionbase_owner;\n\n-- é\ncreate tabel app.probe (id bigint);\n")
    error = failure(apply)
    assert error.code == ExitCode.MIGRATION_FAILED
    assert f"sql/{NEW}, line 4, column 8" in error.what
    assert error.excerpt.splitlines() == [
        "  2 | ",
        "  3 | -- é",
        "  4 | create tabel app.probe (id bigint);",
        "    |        ^",
        '  42601: syntax error at or near "tabel"',
    ]


def test_an_error_without_a_position_names_its_statement(write: Write, apply: Apply) -> None:
    write(NEW, f"{TABLE}\n/* ; */ create table app.probe (\n    id bigint\n);\n")
    error = failure(apply)
    assert f"sql/{NEW}, line 5, column 9 (the statement that begins there)" in error.what
    assert "42P07" in error.excerpt


def test_a_failed_file_leaves_the_database_as_it_was_and_is_written_down(
    write: Write, apply: Apply, query: Query
) -> None:
    write(NEW, f"{TABLE}select 1 / 0;\n")
    failure(apply)
    assert query(EXISTS) == [(False,)]
    assert query("select count(*) from ops.migrations where file = %s", NEW) == [(0,)]
    assert query(
        "select outcome, sqlstate, line, message from ops.migration_attempts where file = %s", NEW
    ) == [("failed", "22012", 4, "division by zero")]


def test_what_was_applied_before_a_failure_stays_and_the_mended_rest_follows(
    write: Write, apply: Apply, query: Query
) -> None:
    write("migrations/0998_before.sql", TABLE)
    write(NEW, "select nonsense;\n")
    failure(apply)
    assert query(EXISTS) == [(True,)]
    write(NEW, "select 1;\n")
    assert apply() == [NEW]


def test_a_changed_function_is_applied_again_and_nothing_else(
    sql_folder: Path, apply: Apply
) -> None:
    path = sql_folder / "functions/app_chat.sql"
    path.write_text(path.read_text().replace("'General'", "'Anything'"))
    assert apply() == ["functions/app_chat.sql"]
    assert apply() == []


def test_functions_and_policies_are_applied_whole_or_not_at_all(
    write: Write, apply: Apply, query: Query
) -> None:
    write("functions/a_probe.sql", "create function app.probe() returns int return 1;\n")
    write("policies/z_broken.sql", "select nonsense;\n")
    before = query("table ops.migrations")
    error = failure(apply)
    assert "sql/policies/z_broken.sql, line 1, column 8" in error.what
    assert query("select to_regproc('app.probe') is null") == [(True,)]
    assert query("table ops.migrations") == before
    assert query(
        "select file, outcome from ops.migration_attempts where file ~ 'probe|broken'"
    ) == [("policies/z_broken.sql", "failed")]


def test_a_file_that_ends_its_transaction_is_refused(write: Write, apply: Apply) -> None:
    write(NEW, "commit;\nbegin;\n")
    assert "ends its transaction" in failure(apply).what


def test_a_no_transaction_file_builds_an_index_concurrently(
    write: Write, apply: Apply, query: Query
) -> None:
    text = "-- no-transaction\ncreate index concurrently probe_idx on app.chat_threads (title);\n"
    write(NEW, text)
    assert apply() == [NEW]
    assert query("select indisvalid from pg_index where indexrelid = 'app.probe_idx'::regclass")
    write("migrations/0998_in_transaction.sql", "select 1;\n")
    assert failure(apply).code == ExitCode.MIGRATION_MISPLACED


def test_a_script_longer_than_any_buffer_is_run(connection: Connection) -> None:
    run_script(connection, f"select 1; -- {'x' * 30_000_000}\nselect 2;")
    with pytest.raises(ScriptError) as caught:
        run_script(connection, f"select 1; -- {'x' * 30_000_000}\nselect 1 / 0;")
    assert caught.value.place == Place(2, 1, whole_statement=True)


def test_without_the_first_line_the_same_statement_is_refused(write: Write, apply: Apply) -> None:
    write(NEW, "create index concurrently probe_idx on app.chat_threads (title);\n")
    assert "25001" in failure(apply).excerpt


def test_a_no_transaction_file_holds_one_statement(write: Write, apply: Apply) -> None:
    write(NEW, "-- no-transaction\nselect 1;\nselect 2;\n")
    error = failure(apply)
    assert "42601" in error.excerpt
    assert "look at what it left" in error.hint


def test_an_index_that_a_failed_build_left_is_not_taken_for_done(
    write: Write, apply: Apply, query: Query
) -> None:
    query("insert into app.accounts (name, status) values ('second', 'active')")
    write(
        NEW,
        "-- no-transaction\n"
        "create unique index concurrently if not exists probe_idx on app.accounts (status);\n",
    )
    assert "23505" in failure(apply).excerpt
    assert "app.probe_idx" in failure(apply).what


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("migrations/0004_again.sql", "same number"),
        ("migrations/add_labels.sql", "no name for a migration"),
        ("migrations/0999_Labels.sql", "no name for a migration"),
        (
            "migrations/0000_early.sql",
            "is new, but sql/migrations/0015_maintenance.sql was applied",
        ),
    ],
)
def test_a_misplaced_file_is_refused(write: Write, apply: Apply, name: str, said: str) -> None:
    write(name, "select 1;\n")
    error = failure(apply)
    assert error.code == ExitCode.MIGRATION_MISPLACED
    assert said in error.what


def test_an_applied_file_that_is_gone_is_refused(sql_folder: Path, apply: Apply) -> None:
    (sql_folder / "migrations/0007_shapes.sql").unlink()
    error = failure(apply)
    assert error.code == ExitCode.MIGRATION_MISPLACED
    assert "sql/migrations/0007_shapes.sql" in error.what


def test_a_repeatable_file_can_not_ask_for_no_transaction(write: Write, apply: Apply) -> None:
    write("functions/probe.sql", "-- no-transaction\nselect 1;\n")
    assert failure(apply).code == ExitCode.MIGRATION_MISPLACED


def test_a_file_that_is_not_utf8_is_named_with_the_byte(sql_folder: Path, apply: Apply) -> None:
    (sql_folder / NEW).write_bytes(b"select '\xff';")
    assert f"sql/{NEW} is not UTF-8 at byte 8" in failure(apply).what


def test_statements_are_told_apart_as_the_server_does(empty_database: Server) -> None:
    """A failing statement behind each file of ours must be found on its own line."""
    with connect(empty_database, "test") as connection:
        files = discover(SQL)
        assert len(files) > 50
        for file in files:
            text = f"{file.text}\nselect 1 / 0;\n"
            with pytest.raises(ScriptError) as caught, connection.transaction():
                run_script(connection, text)
            assert caught.value.sqlstate == "22012"
            assert caught.value.place == Place(text.count("\n"), 1, whole_statement=True)
            with connection.transaction():
                run_script(connection, file.text)
