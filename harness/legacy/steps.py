"""The steps of an import in the database: one function here for each function of schema legacy."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from harness import __version__
from harness.connections import Connection
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.reader import FileFault, RecordFile, ResumePoint
from harness.legacy.results import FileResult, ImportRequest, ImportResult, Note, Reason
from harness.legacy.staging import StagedBatch, copy_batch

FILES = {
    "threads": "chat-threads.json",
    "messages": "chat-messages.json",
    "tool_events": "chat-tool-events.json",
}
"""The files by kind of record, in the order they are imported."""

_NOTES_SHOWN = 20

_CODES = {
    "SB001": ExitCode.NO_ACCOUNT,
    "SB002": ExitCode.IMPORT_RUNNING,
    "SB003": ExitCode.IMPORT_FAILED,
    "SB004": ExitCode.IMPORT_FAILED,
}


@dataclass(frozen=True)
class Run:
    """A run under way. attempt: how often it was begun or resumed."""

    id: int
    attempt: int
    builds: bool


@dataclass(frozen=True)
class Interrupted:
    """A run that was begun and not finished. points: by kind, where it can go on."""

    id: int
    on_conflict: str
    points: dict[str, ResumePoint]


@contextmanager
def in_words() -> Iterator[None]:
    """Turn what the import functions raise into errors for a person."""
    try:
        yield
    except (psycopg.errors.InsufficientPrivilege, psycopg.OperationalError):
        raise
    except psycopg.Error as error:
        code = _CODES.get(error.sqlstate or "", ExitCode.IMPORT_FAILED)
        # Only of our own errors is it known that the message holds nothing of a record.
        known = error.sqlstate in _CODES
        raise SessionbaseError(
            code,
            f"{error.diag.message_primary}" if known else f"the import failed: {error.sqlstate}",
            hint=(error.diag.message_hint or "")
            if known
            else "What was committed stays, and the same command goes on there. The server's log "
            "has the message; please report it.",
        ) from None


def become_importer(connection: Connection) -> None:
    """Act as importer, and let the server notice soon if this process dies.

    Batches are committed without waiting for the disk: a crash of the server takes back some of
    the last ones whole, and a rerun brings them in again. The end of the run does wait.
    """
    connection.execute("set role importer")
    # Whatever the login's own are, times are read here as written.
    connection.execute("set datestyle = 'ISO, YMD'")
    connection.execute("set timezone = 'UTC'")
    connection.execute("set synchronous_commit = off")
    # A batch's staging table fits.
    connection.execute("set temp_buffers = '16MB'")
    connection.execute("select legacy.open_staging()")
    try:
        connection.execute("set client_connection_check_interval = '1s'")
    except psycopg.errors.InvalidParameterValue:
        # Not every system can tell; there a statement under way is ended before it is noticed.
        return


def find_account(connection: Connection, account: str | None) -> str:
    """Return the id of an account. Raises SessionbaseError (NO_ACCOUNT)."""
    return str(_value(connection, "select legacy.find_account(%s)", account))


def interrupted_run(connection: Connection, account_id: str) -> Interrupted | None:
    """Take the account's lock, and return the run that was interrupted, if there is one."""
    rows = connection.execute("select * from legacy.interrupted_run(%s)", [account_id]).fetchall()
    if not rows:
        return None
    points = {
        kind: ResumePoint(number=number, ordinal=ordinal, end=end, prefix_sha256=prefix)
        for _, _, kind, number, ordinal, end, prefix in rows
        if kind is not None
    }
    return Interrupted(rows[0][0], rows[0][1], points)


def begin(
    connection: Connection,
    account_id: str,
    request: ImportRequest,
    *,
    builds: bool,
    resumed: int | None,
) -> Run:
    """Begin a run, or resume one."""
    row = connection.execute(
        "select run_id, attempt, builds from legacy.begin_import(%s, %s, %s, %s, %s)",
        [account_id, __version__, request.on_conflict, builds, resumed],
    ).fetchone()
    if row is None:
        raise AssertionError("a select of a function gives a row")
    return Run(*row)


def import_batch(
    connection: Connection,
    run: Run,
    file: RecordFile,
    staged: StagedBatch,
    *,
    only_if_clean: bool = False,
) -> bool:
    """Copy a batch and import it, in the transaction that is open.

    False: it must be rolled back, for it is not clean.
    """
    copy_batch(connection, file, staged, "pg_temp")
    place = [*_place(run, staged), only_if_clean]
    call = "select legacy.import_batch(%s, %s, %s, %s, %s, %s, %s, %s, %s)"
    return bool(_value(connection, call, *place))


def forget_plans(connection: Connection) -> None:
    """Have the server plan its statements anew, for tables of the size they have by now.

    It keeps the plans of functions and foreign keys, and in a table of a page or two reading all
    of it is as good as any index.
    """
    connection.execute("discard plans")


def stage_batch(connection: Connection, run: Run, file: RecordFile, staged: StagedBatch) -> None:
    """Copy a batch, to be loaded later, in the transaction that is open."""
    copy_batch(connection, file, staged, "legacy")
    call = "select legacy.stage_batch(%s, %s, %s, %s, %s, %s, %s, %s)"
    _value(connection, call, *_place(run, staged))


def _place(run: Run, staged: StagedBatch) -> list[object]:
    return [
        run.id,
        run.attempt,
        staged.kind,
        staged.number,
        staged.first,
        staged.count,
        staged.end,
        staged.prefix_sha256,
    ]


def begin_build(connection: Connection, run: Run) -> list[tuple[str, int, int]]:
    """Take the indexes off; return the batches to load: kind, number, where it ends in its file."""
    call = "select kind, number, end_byte from legacy.begin_build(%s, %s)"
    return [(row[0], row[1], row[2]) for row in connection.execute(call, [run.id, run.attempt])]


def load_batch(connection: Connection, run: Run, kind: str, number: int) -> None:
    """Load a staged batch."""
    call = "select legacy.load_batch(%s, %s, %s, %s)"
    _value(connection, call, run.id, run.attempt, kind, number)


def end_build(connection: Connection, run: Run) -> None:
    """Build the indexes again."""
    _value(connection, "select legacy.end_build(%s, %s)", run.id, run.attempt)


def give_up_build(connection: Connection, run: Run) -> None:
    """Forget what was staged."""
    _value(connection, "select legacy.give_up_build(%s, %s)", run.id, run.attempt)


def register_file(connection: Connection, run: Run, kind: str, file: RecordFile | None) -> None:
    """Say what file was read to its end. None: there was none, which is an empty store."""
    _value(
        connection,
        "select legacy.register_file(%s, %s, %s, %s, %s, %s, %s, %s)",
        run.id,
        run.attempt,
        kind,
        FILES[kind],
        file and file.sha256,
        file and file.size_bytes,
        file.count if file else 0,
        Jsonb([asdict(fault) for fault in file.faults] if file else []),
    )


def note_faults(connection: Connection, run: Run, kind: str, file: RecordFile) -> None:
    """Say what is wrong with a file before it is read to its end: a resumed run does not see it."""
    _value(
        connection,
        "select legacy.register_file(%s, %s, %s, %s, null, null, %s, %s)",
        run.id,
        run.attempt,
        kind,
        FILES[kind],
        file.count,
        Jsonb([asdict(fault) for fault in file.faults]),
    )


def finish(connection: Connection, run: Run) -> None:
    """End the run, with every sum checked. What it brought is on the disk when this returns."""
    with connection.transaction():
        connection.execute("set local synchronous_commit = on")
        _value(connection, "select legacy.finish_import(%s, %s)", run.id, run.attempt)


def let_go(connection: Connection) -> None:
    """Release the account now: the server takes a moment to see that a connection is closed."""
    connection.execute("select pg_advisory_unlock_all()")


def result(
    connection: Connection, run: Run, server: str, request: ImportRequest, seconds: float
) -> ImportResult:
    """Ask what the run did. seconds: how long it took the client, this time."""
    with connection.cursor(row_factory=dict_row) as cursor:

        def rows(query: str, *parameters: object) -> list[dict[str, Any]]:
            return cursor.execute(query.encode(), [run.id, *parameters]).fetchall()

        (totals,) = rows("select * from legacy.import_totals(%s)")
        files = rows("select * from legacy.import_summary(%s)")
        notes = rows("select * from legacy.import_notes(%s, %s)", _NOTES_SHOWN)
        reasons = rows("select * from legacy.import_reasons(%s)")
    return ImportResult(
        run_id=run.id,
        server=server,
        folder=str(request.folder),
        account=totals["account_name"],
        version=__version__,
        dry_run=request.dry_run,
        on_conflict=request.on_conflict,
        started_at=totals["started_at"],
        seconds=seconds,
        attempts=totals["attempt"],
        files=[_file_result(row) for row in files],
        sessions=totals["session_count"],
        threads_made=totals["made_thread_count"],
        notes=[_note(row) for row in notes],
        reasons=[_reason(row) for row in reasons],
    )


def _value(connection: Connection, call: str, *parameters: object) -> object:
    row = connection.execute(call.encode(), parameters).fetchone()
    return row[0] if row else None


def _file_result(row: dict[str, Any]) -> FileResult:
    return FileResult(
        file=row["file_name"],
        missing=row["sha256"] is None,
        size_bytes=row["size_bytes"],
        sha256=row["sha256"],
        read=row["read_count"],
        imported=row["imported_count"],
        unchanged=row["unchanged_count"],
        adopted=row["adopted_count"],
        quarantined=row["quarantined_count"],
        faults=[FileFault(**fault) for fault in row["faults"]],
    )


def _note(row: dict[str, Any]) -> Note:
    return Note(
        fate=row["fate"],
        file=row["file_name"],
        record=row["ordinal"] + 1,
        byte_offset=row["byte_offset"],
        reason=row["reason"],
        meaning=row["meaning"],
        field=row["field"],
        sqlstate=row["sqlstate"],
    )


def _reason(row: dict[str, Any]) -> Reason:
    return Reason(
        fate=row["fate"],
        file=FILES[row["kind"]],
        reason=row["reason"],
        meaning=row["meaning"],
        field=row["field"],
        sqlstate=row["sqlstate"],
        count=row["record_count"],
    )
