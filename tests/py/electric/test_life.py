"""How a stand-in starts, ends, is killed, cut off and refused."""

import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from harness.connections import Connection, Server, connect
from harness.errors import ExitCode
from tests.py.commands.conftest import run_invoke
from tests.py.electric.conftest import Start
from tests.py.electric.electrics import SECRET
from tests.py.electric.test_waiting import live_query
from tests.py.waiting import wait_until

_WALSENDERS = """
    select pg_terminate_backend(active_pid)
    from pg_replication_slots
    where database = current_database()
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_leaves_no_slot_behind(start: Start, how: signal.Signals) -> None:
    electric = start()
    assert electric.slots() == 1
    assert electric.end(how) == ""
    assert electric.slots() == 0


def test_it_ends_at_once_while_clients_wait(
    start: Start, make_table: Callable[[Connection], None]
) -> None:
    electric = start()
    with connect(electric.server, "test") as writer, electric.client() as ask:
        make_table(writer)
        live = live_query(electric, ask)
        with ask.stream("GET", "/v1/shape", params=live | {"live_sse": "true"}) as events:
            electric.end()
            with pytest.raises(httpx.TransportError):
                events.read()
    assert electric.process
    assert electric.process.returncode == 0


def test_after_a_restart_everybody_begins_anew(
    start: Start, make_table: Callable[[Connection], None]
) -> None:
    first = start()
    with connect(first.server, "test") as writer, first.client() as ask:
        make_table(writer)
        live = live_query(first, ask)
    first.end()
    second = start()
    with second.client() as ask:
        answer = ask.get("/v1/shape", params=live)
    assert answer.status_code == httpx.codes.CONFLICT
    assert answer.headers["electric-handle"] != live["handle"]


def test_cut_off_from_postgres_it_begins_anew_by_itself(
    start: Start, make_table: Callable[[Connection], None]
) -> None:
    electric = start()
    with connect(electric.server, "test") as writer, electric.client() as ask:
        make_table(writer)
        live = live_query(electric, ask)
        writer.execute(_WALSENDERS)
        wait_until(lambda: ask.get("/v1/health").status_code == httpx.codes.ACCEPTED)
        starting = ask.get("/v1/shape", params=live)
        wait_until(lambda: ask.get("/v1/health").status_code == httpx.codes.OK)
        answer = ask.get("/v1/shape", params=live)
    assert starting.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert answer.status_code == httpx.codes.CONFLICT


def test_the_secret_is_never_printed(
    start: Start, make_table: Callable[[Connection], None]
) -> None:
    electric = start()
    with connect(electric.server, "test") as writer, electric.client() as ask:
        make_table(writer)
        live = live_query(electric, ask)
        for query in (live | {"offset": "x"}, live | {"secret": SECRET + "wrong"}):
            assert ask.get("/v1/shape", params=query).is_client_error
        ask.get(f"/{SECRET}", params={"secret": SECRET})
    assert SECRET not in electric.end()


def test_two_stand_ins_follow_one_server(start: Start) -> None:
    assert start().url != start().url


def test_each_of_the_two_roles_does_its_part(
    database: Server, make_table: Callable[[Connection], None], start: Start
) -> None:
    """Who streams has no grant on any table; who reads snapshots can't stream."""
    with connect(database, "test") as writer:
        make_table(writer)
        # Logins of this test's own, for the roles may be somebody's whose password they have.
        streaming = _made_login(writer, database, "electric_repl", "replication")
        reading = _made_login(writer, database, "electric_read", "noreplication")
        try:
            electric = start(ELECTRIC_DATABASE_URL=streaming, ELECTRIC_POOLED_DATABASE_URL=reading)
            with electric.client() as ask:
                live = live_query(electric, ask)
                writer.execute("delete from rec.messages where id = 'm3'")
                answer = ask.get("/v1/shape", params=live)
            assert answer.json()[0]["key"].endswith('/"m3"')
            _assert_may_not_read(streaming)
            electric.end()
        finally:
            writer.execute("drop role test_electric_repl")
            writer.execute("drop role test_electric_read")


def _made_login(writer: Connection, database: Server, role: str, attribute: str) -> str:
    login, password = f"test_{role}", "of-this-test"
    writer.execute(
        sql.SQL("create role {} login {} password {} in role {}").format(
            sql.Identifier(login), sql.SQL(attribute), sql.Literal(password), sql.Identifier(role)
        )
    )
    return make_conninfo(database.conninfo, user=login, password=password)


def _assert_may_not_read(conninfo: str) -> None:
    with (
        psycopg.connect(conninfo) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("select from rec.messages")


def test_a_quiet_stream_is_kept_alive(
    start: Start, make_table: Callable[[Connection], None], database: Server
) -> None:
    """Postgres ends a stream whose reader says nothing; a short patience shows it."""
    with connect(database, "test") as writer:
        name = sql.Identifier(database.database)
        writer.execute(sql.SQL("alter database {} set wal_sender_timeout = '500ms'").format(name))
        make_table(writer)
        electric = start()
        with electric.client() as ask:
            live = live_query(electric, ask)
            writer.execute("select pg_sleep(1.5)")
            writer.execute("delete from rec.messages where id = 'm3'")
            answer = ask.get("/v1/shape", params=live)
    assert answer.status_code == httpx.codes.OK
    assert answer.json()[0]["key"].endswith('/"m3"')


def test_it_refuses_production(database: Server, tmp_path: Path) -> None:
    result = run_invoke(
        *("electric", "--port", "0"),
        environment={
            "DATABASE_URL": database.conninfo,
            "SESSIONBASE_HOME": str(tmp_path),
            "SESSIONBASE_ENV": "production",
        },
    )
    assert result.returncode == ExitCode.REFUSED
    assert "stand-in" in result.stderr
    assert "docs/sync.md" in result.stderr


def test_it_says_which_publication_is_not_there(database: Server, tmp_path: Path) -> None:
    result = run_invoke(
        *("electric", "--port", "0"),
        environment={
            "DATABASE_URL": database.conninfo,
            "SESSIONBASE_HOME": str(tmp_path),
            "ELECTRIC_REPLICATION_STREAM_ID": "other",
        },
    )
    assert result.returncode == ExitCode.REFUSED
    assert "no publication electric_publication_other" in result.stderr
