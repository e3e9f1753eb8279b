"""Imports a data folder of the old viewer: reads its files, lets the database do the rest."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from harness import __version__
from harness.connections import Connection, Server, check_server, connect
from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.elements import ArrayFile

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
class FileResult:
    """What became of a file's records. missing: there was no file, which is an empty store."""

    file: str
    missing: bool
    size_bytes: int | None
    sha256: str | None
    read: int
    imported: int
    unchanged: int
    adopted: int
    quarantined: int


@dataclass(frozen=True)
class Note:
    """Where and why a record was mended or kept out; never a value of it."""

    fate: str
    file: str
    record: int
    byte_offset: int
    reason: str
    meaning: str
    field: str | None
    sqlstate: str | None


@dataclass(frozen=True)
class ImportResult:
    """What an import did. sessions: those its records belong to, new or not."""

    run_id: int
    server: str
    folder: str
    dry_run: bool
    files: list[FileResult]
    sessions: int
    threads_made: int
    notes: list[Note]

    @property
    def changed(self) -> int:
        """How many records came in."""
        return sum(file.imported + file.adopted for file in self.files)

    @property
    def quarantined(self) -> int:
        """How many records were kept out."""
        return sum(file.quarantined for file in self.files)

    def facts(self) -> dict[str, Any]:
        """Return the same as plain data, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class ImportRequest:
    """What to import: a folder, into the account of a name or id (None: the only one)."""

    folder: Path
    account: str | None
    dry_run: bool


def find_files(folder: Path) -> dict[str, Path | None]:
    """Find the three files by kind; None for one that is not there.

    Raises SessionbaseError (NO_DATA_FOLDER) if there is no folder, or none of the files in it.
    """
    hint = f"--data names the viewer's data folder, with {', '.join(FILES.values())} in it."
    try:
        names = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise SessionbaseError(
            ExitCode.NO_DATA_FOLDER, f"can't read the folder {folder}: {error.strerror}", hint=hint
        ) from None
    # What stands there and is no file, a folder or a dead link, is an error when it is read.
    there = {kind: folder / name for kind, name in FILES.items() if name in names}
    if not there:
        raise SessionbaseError(
            ExitCode.NO_DATA_FOLDER, f"{folder} holds none of the viewer's files", hint=hint
        )
    return {kind: there.get(kind) for kind in FILES}


def check_folder(folder: Path, tell: Tell) -> None:
    """Read all files through, so that a damaged one stops an import before anything is done.

    Raises SessionbaseError: NO_DATA_FOLDER, NOT_AN_ARRAY, CUT_OFF.
    """
    for path in find_files(folder).values():
        if path:
            tell(f"checking {path.name}")
            ArrayFile(path).check()


def import_folder(server: Server, request: ImportRequest, tell: Tell) -> ImportResult:
    """Import a folder in one transaction: all of it, or nothing.

    Raises SessionbaseError for anything that keeps the whole import from happening. A record that
    can't come in does not: it is quarantined and counted.
    """
    with connect(server, "import") as connection:
        check_server(connection)
        with _in_words(), connection.transaction(force_rollback=request.dry_run):
            connection.execute("set local role importer")
            run_id = _begin(connection, request.account)
            for kind, path in find_files(request.folder).items():
                tell(f"reading {FILES[kind]}")
                _take_in(connection, run_id, kind, path)
            for kind, statement in _IMPORT.items():
                tell(f"importing {FILES[kind]}")
                connection.execute(statement, [run_id])
            connection.execute("select legacy.finish_import(%s)", [run_id])
            return _result(connection, run_id, server, request)


_IMPORT = {
    "threads": "select legacy.import_threads(%s)",
    "messages": "select legacy.import_messages(%s)",
    "tool_events": "select legacy.import_tool_events(%s)",
}


@contextmanager
def _in_words() -> Iterator[None]:
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
            else "Nothing was imported. The server's log has the message; please report it.",
        ) from None


def _begin(connection: Connection, account: str | None) -> int:
    row = connection.execute(
        "select legacy.begin_import(legacy.find_account(%s), %s)", [account, __version__]
    ).fetchone()
    if row is None:
        raise AssertionError("a select of a function gives a row")
    return int(row[0])


def _take_in(connection: Connection, run_id: int, kind: str, path: Path | None) -> None:
    """Copy a file's records into staging and register the file. No file is an empty store."""
    file = ArrayFile(path) if path else None
    if file:
        _stage(connection, run_id, kind, file)
    connection.execute(
        "select legacy.register_file(%s, %s, %s, %s, %s, %s)",
        [
            run_id,
            kind,
            FILES[kind],
            file and file.sha256,
            file and file.size_bytes,
            file.count if file else 0,
        ],
    )


def _stage(connection: Connection, run_id: int, kind: str, file: ArrayFile) -> None:
    statement = """
        copy legacy.staged_records (run_id, kind, ordinal, byte_offset, raw)
        from stdin (format binary)
    """
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(["int8", "text", "int8", "int8", "bytea"])
        for element in file.elements():
            copy.write_row((run_id, kind, element.ordinal, element.offset, element.raw))


def _result(
    connection: Connection, run_id: int, server: Server, request: ImportRequest
) -> ImportResult:
    with connection.cursor(row_factory=dict_row) as cursor:
        files = cursor.execute("select * from legacy.import_summary(%s)", [run_id]).fetchall()
        notes = cursor.execute(
            "select * from legacy.import_notes(%s, %s)", [run_id, _NOTES_SHOWN]
        ).fetchall()
        totals = cursor.execute("select * from legacy.import_totals(%s)", [run_id]).fetchone()
    if totals is None:
        raise AssertionError("the run just made has totals")
    return ImportResult(
        run_id=run_id,
        server=server.label,
        folder=str(request.folder),
        dry_run=request.dry_run,
        files=[_file_result(file) for file in files],
        sessions=totals["session_count"],
        threads_made=totals["made_thread_count"],
        notes=[_note(note) for note in notes],
    )


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
