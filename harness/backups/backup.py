"""Makes a backup: a folder with what pg_dump wrote, and a manifest to check it by."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness import __version__
from harness.backups.facts import read_facts
from harness.backups.manifest import DUMP, FORMAT, Manifest, list_files, write_manifest
from harness.backups.programs import check_program, run_program
from harness.connections import Connection, Server, check_server, connect
from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings


@dataclass(frozen=True)
class BackupRequest:
    """Where to. folder: must not be there yet; None: one named after the database and the time.

    jobs: how many connections read at a time.
    """

    folder: Path | None = None
    jobs: int = 1


@dataclass(frozen=True)
class Backup:
    """A backup that was made."""

    folder: Path
    manifest: Manifest


def back_up(server: Server, settings: Settings, request: BackupRequest, tell: Tell) -> Backup:
    """Back a database up, as it is at one moment, while others go on writing.

    The folder has its name when it is whole, and not before.
    Raises SessionbaseError: REFUSED if the folder is there; NO_PERMISSION for a login that row
    level security binds; NOT_THERE if nothing of sessionbase is in the database; what connect()
    and run_program() raise.
    """
    made_at = datetime.now(UTC)
    folder = request.folder or Path("backups") / f"{server.database}-{made_at:%Y%m%dT%H%M%SZ}"
    unfinished = _make_folder(folder)
    try:
        with connect(server, "backup") as connection:
            check_server(connection)
            check_program(settings, "pg_dump", connection.info.server_version)
            _check_login(connection)
            with connection.transaction():
                connection.execute("set transaction isolation level repeatable read, read only")
                manifest = _dump(connection, server, settings, request, unfinished, tell)
        write_manifest(unfinished, manifest)
        unfinished.rename(folder)
    except OSError as error:
        raise SessionbaseError(
            ExitCode.BACKUP_FAILED, f"can't write {folder}: {error.strerror}"
        ) from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Backup(folder, manifest)


def _dump(  # noqa: PLR0913, PLR0917 - one step of many parts
    connection: Connection,
    server: Server,
    settings: Settings,
    request: BackupRequest,
    folder: Path,
    tell: Tell,
) -> Manifest:
    """Dump what the open transaction sees, and sum it up."""
    ((snapshot, made_at),) = connection.execute("select pg_export_snapshot(), now()").fetchall()
    run_program(
        server,
        settings,
        tell,
        "pg_dump",
        "--format=directory",
        f"--jobs={request.jobs}",
        f"--snapshot={snapshot}",
        f"--file={folder / DUMP}",
    )
    tell("summing up every table")
    facts = read_facts(connection)
    return Manifest(
        FORMAT, made_at, f"sessionbase {__version__}", server.database, facts, list_files(folder)
    )


def _make_folder(folder: Path) -> Path:
    """Make a folder beside the one that is wanted, for the caller's eyes only."""
    if folder.exists():
        raise SessionbaseError(
            ExitCode.REFUSED, f"{folder} is there already", hint="Name a new folder in --out."
        )
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    try:
        # What an earlier run that was killed left.
        shutil.rmtree(unfinished, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished.mkdir(mode=0o700)
    except OSError as error:
        raise SessionbaseError(
            ExitCode.REFUSED, f"can't make {unfinished}: {error.strerror}"
        ) from None
    return unfinished


def _check_login(connection: Connection) -> None:
    ((sees_all, login, is_there),) = connection.execute(
        "select rolsuper or rolbypassrls, rolname, to_regclass('ops.migrations') is not null "
        "from pg_roles where rolname = current_user"
    ).fetchall()
    if not is_there:
        raise SessionbaseError(
            ExitCode.NOT_THERE,
            f"nothing of sessionbase is in the database {connection.info.dbname}",
            hint="invoke migrate",
        )
    if not sees_all:
        raise SessionbaseError(
            ExitCode.NO_PERMISSION,
            f"row level security binds {login}, so its backup would lack rows",
            hint="Use a login that is a superuser or has BYPASSRLS: docs/backups.md.",
        )
