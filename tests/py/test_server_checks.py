"""Servers sessionbase can't live on are refused before anything is done; logins may be poor."""

import secrets
from collections.abc import Iterator

import pytest
from psycopg.conninfo import make_conninfo

from harness import connections
from harness.connections import Connection, Server, connect
from harness.console import quiet_watch
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.importer import import_folder
from harness.legacy.results import ImportRequest
from harness.migrations.files import discover
from harness.migrations.runner import Migrator
from harness.migrations.script import ScriptError, run_script
from harness.settings import EXAMPLES, SQL, Settings


def refusal(server: Server, settings: Settings) -> SessionbaseError:
    with pytest.raises(SessionbaseError) as caught:
        Migrator(settings).apply(server)
    with connect(server, "test") as connection:
        assert connection.execute("select to_regnamespace('ops')").fetchone() == (None,)
    return caught.value


def test_too_old(
    empty_database: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No older server runs here, so this one is made too old.
    monkeypatch.setattr(connections, "OLDEST_MAJOR", 99)
    error = refusal(empty_database, settings)
    assert error.code == ExitCode.TOO_OLD


def test_wrong_wal_level(
    empty_database: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # wal_level itself needs a restart of the server that all tests share; so another is wanted.
    monkeypatch.setattr(connections, "NEEDED_WAL_LEVEL", "replica")
    error = refusal(empty_database, settings)
    assert error.code == ExitCode.WRONG_WAL_LEVEL
    assert "wal_level is logical" in error.what


def test_wrong_encoding(server: Server, settings: Settings) -> None:
    name = f"sessionbase_test_{secrets.token_hex(4)}"
    with connect(server, "test") as connection:
        connection.execute(
            f"create database {name} template template0 "
            "encoding 'LATIN1' locale_provider libc locale 'C'"
        )
        try:
            error = refusal(server.with_database(name), settings)
        finally:
            connection.execute(f"drop database {name}")
    assert error.code == ExitCode.WRONG_ENCODING


def test_read_only(database: Server, settings: Settings) -> None:
    options = "-c default_transaction_read_only=on"
    standby = Server(make_conninfo(database.conninfo, options=options), embedded=False)
    with pytest.raises(SessionbaseError) as caught:
        Migrator(settings).apply(standby)
    assert caught.value.code == ExitCode.READ_ONLY


def test_a_database_that_belongs_to_another_is_refused(
    poor_login: Server, empty_database: Server, settings: Settings
) -> None:
    """Postgres would only warn that PUBLIC keeps its rights."""
    name = empty_database.database
    with connect(empty_database, "test") as connection:
        connection.execute(f"alter database {name} owner to current_user")
        connection.execute(f"grant create on database {name} to public")
    with pytest.raises(SessionbaseError) as caught:
        Migrator(settings).apply(poor_login)
    assert caught.value.code == ExitCode.NO_PERMISSION
    assert f"alter database {name} owner to poor_" in caught.value.excerpt


def test_a_database_without_schema_public_is_as_good(
    empty_database: Server, settings: Settings
) -> None:
    with connect(empty_database, "test") as connection:
        connection.execute("drop schema public")
    assert len(Migrator(settings).apply(empty_database)) == len(discover(SQL))


def test_a_wrong_password_is_unreachable_and_not_shown(
    empty_database: Server, settings: Settings
) -> None:
    wrong = Server(make_conninfo(empty_database.conninfo, password="canary-text"), embedded=False)
    with pytest.raises(SessionbaseError) as caught:
        Migrator(settings).apply(wrong)
    assert caught.value.code == ExitCode.UNREACHABLE
    assert "canary-text" not in caught.value.what


def test_a_lost_connection_is_said(database: Server, connection: Connection) -> None:
    def lose() -> None:
        with connect(database, "lost") as lost:
            connection.execute("select pg_terminate_backend(%s)", [lost.info.backend_pid])
            lost.execute("select 1")

    with pytest.raises(SessionbaseError) as caught:
        lose()
    assert caught.value.code == ExitCode.UNREACHABLE


def test_a_statement_the_server_gives_up_is_no_lost_connection(database: Server) -> None:
    def give_up() -> None:
        with connect(database, "test") as connection:
            connection.execute("set statement_timeout = '10ms'")
            connection.execute("select pg_sleep(60)")

    with pytest.raises(SessionbaseError) as caught:
        give_up()
    assert caught.value.code == ExitCode.SERVER_GAVE_UP
    assert "57014" in caught.value.what


@pytest.fixture
def poor_login(empty_database: Server, database: Server) -> Iterator[Server]:
    """Return the empty database as its owner sees it: a login that may create roles, no more.

    What docs/logins.md tells an administrator to do beforehand is done; the roles are there
    since the other database was migrated.
    """
    name, password = f"poor_{secrets.token_hex(4)}", secrets.token_hex(8)
    with connect(database, "test") as connection:
        connection.execute(f"create role {name} login createrole password '{password}'")
        connection.execute(f"alter database {empty_database.database} owner to {name}")
        connection.execute(
            f"grant sessionbase_owner, authorizer, bookkeeper, import_definer, importer to {name} "
            "with admin option"
        )
    yield Server(
        make_conninfo(empty_database.conninfo, user=name, password=password), embedded=False
    )
    with connect(empty_database, "test") as connection:
        connection.execute(f"alter database {empty_database.database} owner to current_user")
        connection.execute(f"drop owned by {name} cascade")
        connection.execute(f"drop role {name}")


def test_a_login_without_superuser_migrates_and_imports(
    poor_login: Server, settings: Settings
) -> None:
    assert len(Migrator(settings).apply(poor_login)) == len(discover(SQL))
    result = import_folder(poor_login, ImportRequest(EXAMPLES, None, dry_run=False), quiet_watch)
    assert result.changed > 0
    assert Migrator(settings).apply(poor_login, reapply=True)


def test_a_login_without_rights_is_told_what_it_lacks(
    database: Server, connection: Connection, settings: Settings
) -> None:
    connection.execute("create role rightless login password 'x'")
    connection.execute(f"grant connect on database {database.database} to rightless")
    try:
        poor = Server(
            make_conninfo(database.conninfo, user="rightless", password="x"), embedded=False
        )
        for action in (
            lambda: Migrator(settings).apply(poor),
            lambda: import_folder(poor, ImportRequest(EXAMPLES, None, dry_run=False), print),
        ):
            with pytest.raises(SessionbaseError) as caught:
                action()
            assert caught.value.code == ExitCode.NO_PERMISSION
            assert "docs/logins.md" in caught.value.hint
    finally:
        connection.execute("drop owned by rightless cascade")
        connection.execute("drop role rightless")


def test_a_role_that_policies_do_not_bind_is_refused(connection: Connection) -> None:
    first = next(file for file in discover(SQL) if file.kind == "versioned")
    # Never committed, for other databases of the cluster have the same role.
    connection.execute("begin; alter role reviewer bypassrls")
    with pytest.raises(ScriptError, match="has BYPASSRLS"):
        run_script(connection, first.text)
    connection.execute("rollback")
