"""Callers on connections of their own, all at once or one behind the other, without sleeping."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeAlias

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from harness.connections import Connection, Server
from tests.py.waiting import wait_until

OWNER = "00000000-0000-4000-8000-000000000001"
"""The account that the migrations make."""
MEMBER = "00000000-0000-4000-8000-00000000000d"
SESSION = "session-default"
MANY = 12
"""How many ask at a time where all want the same."""
DEADLINE_S = 60
_LONGEST_WAIT_S = 30
_PAUSE = 4711

Row: TypeAlias = dict[str, Any]
Deed: TypeAlias = Callable[[], Any]
"""Something to be done, on another thread than the one that says so."""
Doing: TypeAlias = Future[Any]


class Caller:
    """A connection of an application: as app_user, with an account claimed."""

    def __init__(self, connection: psycopg.Connection[Row], account: str) -> None:
        self._connection = connection
        self.pid = connection.info.backend_pid
        self.account = account
        # Who would wait for ever fails.
        connection.execute(f"set lock_timeout = '{_LONGEST_WAIT_S}s'")
        connection.execute("set role app_user")
        connection.execute(
            "select set_config('request.jwt.claims', %s, false)", [json.dumps({"sub": account})]
        )

    def call(self, function: str, **arguments: object) -> list[Row]:
        """Call a function of schema api by named arguments, and return its rows."""
        named = ", ".join(f"{name} => %({name})s" for name in arguments)
        values = {
            name: Jsonb(value) if isinstance(value, dict | list) else value
            for name, value in arguments.items()
        }
        text = f"select * from api.{function}({named})"
        return self._connection.execute(text.encode(), values).fetchall()

    def one(self, function: str, **arguments: object) -> Row:
        """Call a function that gives exactly one row."""
        (row,) = self.call(function, **arguments)
        return row

    def run(self, sql: str, *values: object) -> None:
        """Run a statement on the tables themselves."""
        self._connection.execute(sql.encode(), values)

    def rows(self, sql: str, *values: object) -> list[Row]:
        """Query the tables themselves."""
        return self._connection.execute(sql.encode(), values or None).fetchall()

    def close(self) -> None:
        """Go."""
        self._connection.close()

    def begin(self, level: str = "read committed") -> None:
        """Begin a transaction, which stays open."""
        self._connection.execute(f"begin isolation level {level}".encode())

    def commit(self) -> None:
        """Commit it."""
        self._connection.execute("commit")

    def rollback(self) -> None:
        """Undo it."""
        self._connection.execute("rollback")


def removing(function: str, thread: str) -> dict[str, object]:
    """Return what names a thread to remove_thread, and its session to what clears all of it."""
    return {"thread_id": thread} if function == "remove_thread" else {"session_id": SESSION}


def asking(caller: Caller, function: str, **arguments: object) -> Callable[[], Row]:
    """Put off a call that gives one row."""
    return partial(caller.one, function, **arguments)


class Stage:
    """A database with two accounts, callers that write into it, and a superuser who looks on."""

    def __init__(self, server: Server, closing: ExitStack) -> None:
        self._server = server
        self._closing = closing
        self._pids: list[int] = []
        self._pool = closing.enter_context(ThreadPoolExecutor())
        self.watch: Connection = closing.enter_context(
            psycopg.connect(server.conninfo, autocommit=True)
        )
        self.watch.execute("insert into app.accounts (id, name) values (%s, 'member')", [MEMBER])

    def caller(self, account: str = OWNER) -> Caller:
        """Connect once more."""
        connection = psycopg.connect(self._server.conninfo, autocommit=True, row_factory=dict_row)
        self._closing.callback(connection.close)
        made = Caller(connection, account)
        self._pids.append(made.pid)
        return made

    def callers(self, count: int) -> list[Caller]:
        """Connect this often."""
        return [self.caller() for _ in range(count)]

    def end(self) -> None:
        """End every caller's backend, so that none waits for another when connections close."""
        self.ask("select pg_terminate_backend(pid) from unnest(%s::integer[]) as pid", self._pids)

    def ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Query as a superuser, who sees every row."""
        return self.watch.execute(sql.encode(), values or None).fetchall()

    def do(self, sql: str) -> None:
        """Do something as a superuser."""
        self.watch.execute(sql.encode())

    def value(self, sql: str, *values: object) -> Any:  # noqa: ANN401 - whatever is asked for
        """Query one value."""
        ((found,),) = self.ask(sql, *values)
        return found

    def pause(self, command: str, table: str) -> None:
        """Hold up every statement of this kind once it is done, also if it found no row."""
        self.do(f"""
            create function public.pause() returns trigger language plpgsql as
            'begin perform pg_advisory_xact_lock_shared({_PAUSE}); return null; end';
            create trigger pause after {command} on {table}
            for each statement execute function public.pause();
            select pg_advisory_lock({_PAUSE});
        """)

    def go_on(self) -> None:
        """Let all go on that are held up."""
        self.do(f"select pg_advisory_unlock({_PAUSE})")

    def waiting(self, deed: Deed, caller: Caller, *, behind: Caller) -> Doing:
        """Do something on another thread, and return once it waits for a lock of another caller."""
        doing = self._pool.submit(deed)

        def is_behind() -> bool:
            assert not doing.done(), f"it waited for nobody: {outcome(doing)}"
            return bool(self.value("select %s = any(pg_blocking_pids(%s))", behind.pid, caller.pid))

        wait_until(is_behind)
        return doing

    def settled(self, deed: Deed, caller: Caller) -> Doing:
        """Do something on another thread, and return once it is done or waits for a lock."""
        doing = self._pool.submit(deed)
        wait_until(
            lambda: (
                doing.done()
                or bool(self.value("select cardinality(pg_blocking_pids(%s)) > 0", caller.pid))
            )
        )
        return doing


@contextmanager
def open_stage(server: Server) -> Iterator[Stage]:
    """Open a stage on a database, and close every connection afterwards."""
    with ExitStack() as closing:
        stage = Stage(server, closing)
        try:
            yield stage
        finally:
            stage.end()


def outcome(doing: Doing) -> Any:  # noqa: ANN401 - whatever was done
    """Return what came of it: its value, or the code of the error."""
    try:
        return doing.result(DEADLINE_S)
    except psycopg.Error as error:
        return code_of(error)


def code_of(error: psycopg.Error) -> str:
    """Return an error's five characters."""
    return error.sqlstate or type(error).__name__


def at_once(deeds: Sequence[Deed]) -> list[Any]:
    """Do all at once, each on a thread that waits for the others; return what came of each."""
    barrier = threading.Barrier(len(deeds))

    def run(deed: Deed) -> Any:  # noqa: ANN401 - whatever was done
        barrier.wait(DEADLINE_S)
        return deed()

    with ThreadPoolExecutor(len(deeds)) as pool:
        return [outcome(doing) for doing in [pool.submit(run, deed) for deed in deeds]]


def rows_of(outcomes: Sequence[Any]) -> list[Row]:
    """Return the rows of outcomes none of which is an error."""
    errors = [came for came in outcomes if isinstance(came, str)]
    assert errors == []
    return [came for came in outcomes if not isinstance(came, str)]
