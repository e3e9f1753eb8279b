"""The passwords of the roles that log in: set from the environment, and known to nobody else."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from harness.connections import Server, connect
from harness.embedded.guardian import temporary_postgres
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.runner import Migrator
from harness.passwords import set_passwords
from harness.settings import Settings
from tests.py.commands.conftest import run_invoke
from tests.py.waiting import wait_until

ROLES = ("app_server", "electric_read", "electric_repl")


@pytest.fixture(scope="module")
def own_server(settings: Settings) -> Iterator[Server]:
    """Run a server of these tests: roles are of a whole server, so others would lose theirs."""
    with temporary_postgres(settings) as server:
        yield server


@pytest.fixture(scope="module")
def migrated(own_server: Server, settings: Settings) -> Server:
    Migrator(settings).apply(own_server)
    return own_server


def variables(**passwords: str) -> dict[str, str]:
    return {f"SESSIONBASE_{role}_PASSWORD".upper(): text for role, text in passwords.items()}


def logs_in(server: Server, role: str, password: str) -> bool:
    conninfo = make_conninfo(server.conninfo, user=role, password=password)
    try:
        with psycopg.connect(conninfo) as connection:
            return connection.execute("select session_user::text").fetchone() == (role,)
    except psycopg.OperationalError as error:
        if "password authentication failed" not in str(error):
            raise
        return False


def test_every_role_logs_in_with_its_own_and_with_no_other(
    migrated: Server, tmp_path: Path
) -> None:
    first = {role: secrets.token_hex(12) for role in ROLES}
    assert not any(logs_in(migrated, role, password) for role, password in first.items())
    environment = {"DATABASE_URL": migrated.conninfo, "SESSIONBASE_HOME": str(tmp_path)}
    result = run_invoke("set-passwords", environment=environment | variables(**first))
    assert (result.returncode, result.stdout) == (
        ExitCode.OK,
        "passwords set: app_server, electric_read, electric_repl\n",
    )
    assert not any(password in result.stdout + result.stderr for password in first.values())
    assert all(logs_in(migrated, role, password) for role, password in first.items())

    # One that is set alone is changed alone.
    second = secrets.token_hex(12)
    result = run_invoke("set-passwords", environment=environment | variables(app_server=second))
    assert result.stdout == "passwords set: app_server\n"
    assert logs_in(migrated, "app_server", second)
    assert not logs_in(migrated, "app_server", first["app_server"])
    assert logs_in(migrated, "electric_repl", first["electric_repl"])


def test_the_server_is_told_verifiers_only(migrated: Server, settings: Settings) -> None:
    password = secrets.token_hex(12)
    given = settings.model_copy(update={"app_server_password": SecretStr(password)})
    with connect(migrated, "test") as watcher:
        row = watcher.execute("select current_setting('data_directory')").fetchone()
        assert row is not None
        watcher.execute("alter system set log_statement = 'all'")
        watcher.execute("select pg_reload_conf()")
        wait_until(lambda: logs_all(migrated))
        set_passwords(migrated, given)
        watcher.execute("alter system reset log_statement")
        watcher.execute("select pg_reload_conf()")
    log = Path(row[0]).with_name("log").read_text()
    assert """alter role "app_server" password 'SCRAM-SHA-256$""" in log
    assert password not in log
    assert logs_in(migrated, "app_server", password)


def logs_all(server: Server) -> bool:
    with connect(server, "test") as connection:
        row = connection.execute("select current_setting('log_statement')").fetchone()
    return row == ("all",)


def test_a_password_that_urls_would_break_is_refused_and_not_shown(
    migrated: Server, tmp_path: Path
) -> None:
    for wrong in ("canary@canary/canary:canary", "canary"):
        environment = {"DATABASE_URL": migrated.conninfo, "SESSIONBASE_HOME": str(tmp_path)}
        result = run_invoke(
            "set-passwords", environment=environment | variables(electric_read=wrong)
        )
        assert result.returncode == ExitCode.BAD_SETTINGS
        assert "SESSIONBASE_ELECTRIC_READ_PASSWORD" in result.stderr
        assert "canary" not in result.stdout + result.stderr


def test_without_a_password_it_says_which_there_are(migrated: Server, settings: Settings) -> None:
    with pytest.raises(SessionbaseError) as caught:
        set_passwords(migrated, settings)
    assert caught.value.code == ExitCode.REFUSED
    assert all(name in caught.value.hint for name in variables(**dict.fromkeys(ROLES, "")))


def test_of_roles_that_are_not_all_there_none_is_changed(
    migrated: Server, settings: Settings
) -> None:
    password = secrets.token_hex(12)
    both = {"app_server_password": SecretStr(password), "electric_repl_password": SecretStr("x")}
    with connect(migrated, "test") as connection:
        connection.execute("alter role electric_repl rename to elsewhere")
        try:
            with pytest.raises(SessionbaseError) as caught:
                set_passwords(migrated, settings.model_copy(update=both))
        finally:
            connection.execute("alter role elsewhere rename to electric_repl")
    assert (caught.value.code, caught.value.what) == (
        ExitCode.PENDING,
        "there is no role electric_repl",
    )
    assert not logs_in(migrated, "app_server", password)


def test_a_login_that_may_not_is_told_so(migrated: Server, settings: Settings) -> None:
    poor = Server(make_conninfo(migrated.conninfo, options="-c role=app_server"), embedded=False)
    given = settings.model_copy(update={"app_server_password": SecretStr(secrets.token_hex(12))})
    given = given.model_copy(update={"electric_read_password": SecretStr(secrets.token_hex(12))})
    with pytest.raises(SessionbaseError) as caught:
        set_passwords(poor, given)
    assert caught.value.code == ExitCode.NO_PERMISSION
