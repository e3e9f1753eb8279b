"""Stopping what applications write while data is moved, and letting them go on. As authorizer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import Cursor, sql
from psycopg.rows import class_row, tuple_row

from harness import console
from harness.connections import Connection, Server, connect
from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError

_LOOK_S = 0.1
_LONGEST_REASON = 400
_STATE = """
    select since, reason, begun_by
    from app.maintenance
    where scope = 'writes'
        and since is not null
"""
_BEGIN = "select since, reason, begun_by from app.begin_maintenance(%s)"
_END = "select since, reason, begun_by from app.end_maintenance()"
_WRITERS = "select pid, virtual_transaction from app.open_writers()"


@dataclass(frozen=True)
class Maintenance:
    """The mark. since: when it was set; begun_by: the login that set it."""

    since: datetime
    reason: str
    begun_by: str

    def facts(self) -> dict[str, Any]:
        """Return the same as plain data, for JSON."""
        return asdict(self) | {"since": self.since.isoformat()}


def maintenance_state(server: Server) -> Maintenance | None:
    """Return the mark, or None if writing is not stopped."""
    with connect(server, "maintenance") as connection:
        return _ask(connection, _STATE)


def begin_maintenance(
    server: Server, reason: str, *, wait_s: float = 30.0, tell: Tell = lambda _: None
) -> Maintenance:
    """Stop what app_user writes, and wait until who has written has committed or given up.

    After it returned, nothing that applications write comes in. If writing was stopped already,
    it stays stopped for the first reason, which is returned.

    Raises SessionbaseError: REFUSED for a reason that is empty, too long, or not one line;
    WRITERS_STAY if a transaction that writes does not end within wait_s seconds: the mark is set
    then, unless the message says otherwise.
    """
    if not 0 < len(reason) <= _LONGEST_REASON or not reason.isprintable():
        raise SessionbaseError(
            ExitCode.REFUSED,
            f"a reason is one line of 1 to {_LONGEST_REASON} characters",
            hint="It is what writers are told.",
        )
    end = time.monotonic() + wait_s
    with connect(server, "maintenance") as connection:
        mark = _mark(connection, reason, wait_s)
        writers = _writers(connection)
        while writers:
            if time.monotonic() > end:
                raise _stays(writers)
            tell(f"waiting for {len(writers)} transactions that write")
            time.sleep(_LOOK_S)
            # Who has come since finds the mark.
            writers &= _writers(connection)
    return mark


def end_maintenance(server: Server) -> Maintenance | None:
    """Let app_user write again, and return the mark that was; None if there was none."""
    with connect(server, "maintenance") as connection:
        return _ask(connection, _END)


def report_maintenance(mark: Maintenance | None, was: Maintenance | None, *, as_json: bool) -> None:
    """Show the mark. was: the one that was just taken away."""
    if as_json:
        facts = {"maintenance": mark.facts() if mark else None}
        console.show_json(facts | ({"ended": was.facts()} if was else {}))
    elif mark:
        console.say(
            f"under maintenance since {_time(mark.since)}, by {mark.begun_by}: {mark.reason}"
        )
        console.say(
            "Writes are refused with SB503; reading goes on. End it: invoke maintenance --end"
        )
    elif was:
        console.say(f"maintenance has ended; it was since {_time(was.since)}: {was.reason}")
    else:
        console.say("not under maintenance: applications may write")


def _mark(connection: Connection, reason: str, wait_s: float) -> Maintenance:
    try:
        mark = _ask(connection, _BEGIN, reason, lock_timeout_s=wait_s)
    except psycopg.errors.LockNotAvailable:
        raise SessionbaseError(
            ExitCode.WRITERS_STAY,
            f"writing can't be stopped: for {wait_s:.0f} s a transaction of isolation level "
            "repeatable read or serializable has been writing, or another one sets the mark",
            hint="The mark is not set. `invoke psql --command 'table pg_stat_activity'` shows who; "
            "end it, and run the same again.",
        ) from None
    if mark is None:
        raise SessionbaseError(
            ExitCode.FAILED,
            "app.maintenance has lost its row, so writing can't be stopped",
            hint="insert into app.maintenance (scope) values ('writes')",
        )
    return mark


def _writers(connection: Connection) -> set[tuple[int | None, str]]:
    with _as_operator(connection.cursor(row_factory=tuple_row)) as cursor:
        return set(cursor.execute(_WRITERS).fetchall())


def _stays(writers: set[tuple[int | None, str]]) -> SessionbaseError:
    pids = sorted(pid for pid, _ in writers if pid is not None)
    shown = ", ".join(map(str, pids)) or "none: it is a prepared transaction"
    return SessionbaseError(
        ExitCode.WRITERS_STAY,
        f"the mark is set, but {len(writers)} transactions that have written before do not end "
        f"(backend processes: {shown})",
        hint="Wait, or end them (select pg_terminate_backend(PID)), and run the same again; or let "
        "writing go on: invoke maintenance --end",
    )


def _ask(
    connection: Connection, statement: str, *arguments: object, lock_timeout_s: float = 0
) -> Maintenance | None:
    with _as_operator(connection.cursor(row_factory=class_row(Maintenance))) as cursor:
        cursor.execute(
            sql.SQL("set local lock_timeout = {}").format(sql.Literal(int(lock_timeout_s * 1000)))
        )
        return cursor.execute(statement.encode(), arguments).fetchone()


@contextmanager
def _as_operator(cursor: Cursor[Any]) -> Iterator[Cursor[Any]]:
    """Be authorizer for one transaction."""
    with cursor.connection.transaction():
        cursor.execute("set local role authorizer")
        yield cursor


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
