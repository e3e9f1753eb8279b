"""Nothing that applications write comes in after maintenance began, whoever had begun before."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from harness.acting import acting_as, find_account
from harness.connections import Connection, Server, connect
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.importer import import_folder
from harness.legacy.results import ImportRequest
from harness.maintenance import (
    Maintenance,
    begin_maintenance,
    end_maintenance,
    maintenance_state,
)
from harness.settings import EXAMPLES
from tests.py.waiting import wait_until

ACCOUNT = "00000000-0000-4000-8000-000000000001"
_LEVELS = ("read committed", "repeatable read", "serializable")
_WRITERS = 6


@contextmanager
def writer(
    server: Server, level: str = "read committed", prepare: str = "select"
) -> Iterator[Connection]:
    """Give a connection that is in a transaction of an application. prepare: what it runs before.

    Who would wait for ever fails.
    """
    with connect(server, "test") as connection:
        connection.execute("set lock_timeout = '20s'")
        connection.execute(prepare.encode())
        connection.execute(f"begin isolation level {level}".encode())
        connection.execute("set local role app_user")
        connection.execute(
            "select set_config('request.jwt.claims', %s, true)", [json.dumps({"sub": ACCOUNT})]
        )
        yield connection


def append(connection: Connection, text: str) -> None:
    connection.execute(
        "select from api.append_message(session_id => 's', role => 'user', content => %s)", [text]
    )


def texts(server: Server) -> set[str]:
    with connect(server, "test") as connection:
        return {text for (text,) in connection.execute("select content from app.chat_messages")}


def in_background(deed: Callable[[], Maintenance]) -> "Future[Maintenance]":
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(deed)
    finally:
        pool.shutdown(wait=False)


@pytest.mark.parametrize("level", _LEVELS)
def test_who_has_written_is_waited_for(database: Server, level: str) -> None:
    with writer(database, level) as early:
        append(early, "before the mark")
        beginning = in_background(lambda: begin_maintenance(database, "a test"))
        if level == "read committed":
            # The mark is there at once for all others; only who began is still waited for.
            wait_until(lambda: maintenance_state(database) is not None)
            with writer(database) as late, pytest.raises(psycopg.Error, match="a test") as refused:
                append(late, "after the mark")
            assert refused.value.sqlstate == "SB503"
        else:
            # The mark can't be set while such a transaction holds it.
            with connect(database, "test") as admin:
                wait_until(lambda: bool(admin.execute(_WAITING, ["begin_maintenance"]).fetchall()))
            assert maintenance_state(database) is None
        assert not beginning.done()
        early.execute("commit")
    assert beginning.result(30).reason == "a test"
    assert texts(database) == {"before the mark"}


_WAITING = """
    select from pg_stat_activity
    where wait_event_type = 'Lock'
        and query ~ %s
        and datname = current_database()
"""


@pytest.mark.parametrize(
    ("level", "code"), list(zip(_LEVELS, ("SB503", "40001", "40001"), strict=True))
)
def test_who_began_and_had_not_written_is_refused(database: Server, level: str, code: str) -> None:
    with writer(database, level) as early:
        # The view of what there is stands still from here on, if it does at all.
        assert early.execute("select count(*) from api.list_sessions()").fetchone() == (0,)
        begin_maintenance(database, "a test", wait_s=0)
        with pytest.raises(psycopg.Error) as refused:
            append(early, "too late")
        assert refused.value.sqlstate == code
    assert texts(database) == set()
    end_maintenance(database)
    with writer(database, level) as again:
        append(again, "after the end")
        again.execute("commit")
    assert texts(database) == {"after the end"}


@pytest.mark.parametrize("add", ["execute add", "explain (analyze) execute add"])
def test_who_waits_for_a_table_while_it_begins_is_refused(database: Server, add: str) -> None:
    """The mark is set while a statement waits for its table's lock.

    EXPLAIN runs it with a snapshot from before it had the lock: were app.require_account() stable
    it would look for the mark with that one, and not find it. All else takes one afterwards.
    """
    prepare = (
        "prepare add as insert into app.todos (account_id, body, author_account_id) "
        f"values ('{ACCOUNT}', 'too late', '{ACCOUNT}')"
    )
    with (
        writer(database, prepare=prepare) as early,
        connect(database, "test") as holder,
        connect(database, "test") as admin,
        ThreadPoolExecutor(1) as pool,
    ):
        holder.execute("begin")
        holder.execute("lock table app.todos in share mode")
        adding = pool.submit(early.execute, add.encode())
        wait_until(lambda: bool(admin.execute(_WAITING, ["execute add"]).fetchall()))
        begin_maintenance(database, "a test", wait_s=0)
        holder.execute("rollback")
        with pytest.raises(psycopg.Error) as refused:
            adding.result(30)
        assert refused.value.sqlstate == "SB503"
        assert admin.execute("select from app.todos").rowcount == 0


def test_nothing_comes_in_once_it_has_begun(database: Server) -> None:
    """Many write as fast as they can, in each isolation level, while it is begun and ended."""
    stop, acknowledged, refusals = threading.Event(), set[str](), list[str]()

    def write(number: int) -> None:
        level = _LEVELS[number % len(_LEVELS)]
        with connect(database, "test") as connection:
            turn = 0
            while not stop.is_set():
                turn += 1
                text = f"{number} {turn}"
                try:
                    with connection.transaction():
                        connection.execute(f"set transaction isolation level {level}".encode())
                        connection.execute("set local role app_user")
                        connection.execute(
                            "select set_config('request.jwt.claims', %s, true)",
                            [json.dumps({"sub": ACCOUNT})],
                        )
                        append(connection, text)
                except psycopg.Error as error:
                    refusals.append(error.sqlstate or "")
                else:
                    acknowledged.add(text)

    with ThreadPoolExecutor(_WRITERS) as pool:
        writers = [pool.submit(write, number) for number in range(_WRITERS)]
        try:
            for _ in range(5):
                before = len(acknowledged)
                wait_until(lambda before=before: len(acknowledged) > before + 5)  # type: ignore[misc]
                begin_maintenance(database, "a test")
                there = texts(database)
                met = refusals.count("SB503")
                wait_until(lambda met=met: refusals.count("SB503") > met + 5)  # type: ignore[misc]
                assert texts(database) == there
                end_maintenance(database)
        finally:
            stop.set()
        for one in writers:
            one.result()
    assert texts(database) == acknowledged
    assert set(refusals) <= {"SB503", "40001", "40P01"}


def test_who_does_not_end_is_named(database: Server) -> None:
    with writer(database) as stays:
        append(stays, "and never ends")
        with pytest.raises(SessionbaseError) as raised:
            begin_maintenance(database, "a test", wait_s=0.3)
        assert raised.value.code == ExitCode.WRITERS_STAY
        assert str(stays.info.backend_pid) in raised.value.what
        assert maintenance_state(database) is not None
        stays.execute("rollback")
    assert begin_maintenance(database, "another").reason == "a test"


@pytest.mark.parametrize("level", _LEVELS[1:])
def test_who_holds_the_mark_and_does_not_end_keeps_it_from_being_set(
    database: Server, level: str
) -> None:
    with writer(database, level) as stays:
        append(stays, "and never ends")
        with pytest.raises(SessionbaseError) as raised:
            begin_maintenance(database, "a test", wait_s=0.3)
        assert raised.value.code == ExitCode.WRITERS_STAY
        assert "The mark is not set" in raised.value.hint
    assert maintenance_state(database) is None


@pytest.mark.parametrize("reason", ["", "x" * 401, "two\nlines", "\x07"])
def test_a_reason_is_one_line(database: Server, reason: str) -> None:
    with pytest.raises(SessionbaseError) as raised:
        begin_maintenance(database, reason)
    assert raised.value.code == ExitCode.REFUSED
    assert maintenance_state(database) is None


def test_a_mark_that_has_lost_its_row_is_told(database: Server, connection: Connection) -> None:
    connection.execute("delete from app.maintenance")
    with pytest.raises(SessionbaseError) as raised:
        begin_maintenance(database, "a test")
    assert raised.value.code == ExitCode.FAILED
    assert "lost its row" in raised.value.what


def test_the_import_goes_on(database: Server) -> None:
    begin_maintenance(database, "a test")
    done = import_folder(database, ImportRequest(EXAMPLES), lambda *_: None)
    assert done.changed
    assert maintenance_state(database) is not None


def test_commands_that_write_as_an_account_say_so(database: Server) -> None:
    begin_maintenance(database, "a test")
    with connect(database, "test") as connection:
        account_id = find_account(connection, None)
        with pytest.raises(SessionbaseError) as raised, acting_as(connection, account_id):
            append(connection, "x")
    assert raised.value.code == ExitCode.UNDER_MAINTENANCE
    assert raised.value.what.endswith(": a test")
    assert texts(database) == set()
