"""What is on the disk: how full it is, whether its bytes are whole, and how far it is copied."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import psutil
import psycopg

from harness.backups.manifest import MANIFEST
from harness.doctor.patient import Patient, size, span
from harness.doctor.symptoms import Symptom, Urgency

LITTLE = (0.10, 5 << 30, 50 << 30)
"""What is soon too little: a share of the disk, but so many bytes at least, and at most."""

NEXT_TO_NOTHING = (0.03, 1 << 30, 10 << 30)
"""What will not last the night, in the same way."""

MUCH_TEMPORARY = 10 << 30
"""Bytes of temporary files a day that are worth a look."""

BACKUPS = Path("backups")
"""Where `invoke backup` puts them, unless it is told otherwise."""

OLD_BACKUP = timedelta(hours=36)

_LOOPBACK = {"", "localhost", "127.0.0.1", "::1"}
_SAME_START_S = 5
_DIRECTORY = """
    select
        current_setting('data_directory', true),
        extract(epoch from pg_postmaster_start_time())::float8,
        pg_database_size(current_database())
"""
_ARCHIVER = """
    select
        archived_count,
        failed_count,
        extract(epoch from clock_timestamp() - last_archived_time)::float8,
        extract(epoch from clock_timestamp() - last_failed_time)::float8,
        current_setting('archive_mode')
    from pg_stat_archiver
"""
_DATABASE = """
    select
        coalesce(checksum_failures, 0),
        current_setting('data_checksums'),
        temp_files,
        temp_bytes,
        extract(epoch from clock_timestamp() - coalesce(stats_reset, pg_postmaster_start_time()))
        ::float8
    from pg_stat_database
    where datname = current_database()
"""


def examine_disk(patient: Patient) -> Iterator[Symptom]:
    """Look how much room there is beside the data, where that is on this machine."""
    try:
        directory, started, used = patient.row(_DIRECTORY)
    except psycopg.errors.InsufficientPrivilege:
        directory, started, used = None, 0, 0
    known = f"; the database has {size(used)}" if used else ""
    if not (directory and _is_here(patient, directory, started)):
        # On a server elsewhere that is so, always.
        where = directory or "its data"
        found = f"not to be seen from here: df -h {where}, on the server{known}"
        yield Symptom(Urgency.FINE, "disk", found)
        return
    places = {Path(directory).stat().st_dev: directory}
    # The log can be on a disk of its own, though not every login may look.
    with suppress(OSError):
        log = Path(directory, "pg_wal").resolve(strict=True)
        places.setdefault(log.stat().st_dev, str(log))
    for place in places.values():
        yield _room(place, known)


def _is_here(patient: Patient, directory: str, started: float) -> bool:
    """Whether the server runs on this machine, and not only behind a port of it."""
    host = patient.connection.info.host
    if host not in _LOOPBACK and not host.startswith("/"):
        return False
    if not Path(directory).exists():
        return False
    return any(
        process.info["name"] in {"postgres", "postmaster"}
        and abs((process.info["create_time"] or 0) - started) < _SAME_START_S
        for process in psutil.process_iter(["name", "create_time"])
    )


def _room(place: str, known: str) -> Symptom:
    total, _, free = shutil.disk_usage(place)
    found = f"{size(free)} free of {size(total)}{known}"
    if free >= _bound(total, *LITTLE):
        return Symptom(Urgency.FINE, "disk", found)
    return Symptom(
        Urgency.BROKEN if free < _bound(total, *NEXT_TO_NOTHING) else Urgency.SOON,
        f"disk of {place}",
        found,
        f"du -xh --max-depth=2 {place} | sort -h | tail: old logs and dumps go first, never a file "
        "of pg_wal by hand; a slot that keeps log is named here too",
    )


def _bound(total: int, share: float, least: int, most: int) -> float:
    return min(max(total * share, least), most)


def examine_checksums(patient: Patient) -> Iterator[Symptom]:
    """Look whether pages were read that are not what was written."""
    failures, on, *_ = patient.row(_DATABASE)
    if failures:
        yield Symptom(
            Urgency.BROKEN,
            "checksums",
            f"{failures} pages were read that are not what was written",
            "The disk or memory lies: stop writing, copy the data directory, restore on another "
            "machine (docs/backups.md). Which tables: pg_amcheck --heapallindexed DATABASE",
        )
    else:
        found = "no page was found damaged" if on == "on" else "off: damage is not noticed"
        yield Symptom(Urgency.FINE, "checksums", found)


def examine_temporary_files(patient: Patient) -> Iterator[Symptom]:
    """Look how much is sorted and joined on disk."""
    _, _, files, used, since = patient.row(_DATABASE)
    a_day = used / max(since / 86_400, 1)
    if a_day < MUCH_TEMPORARY:
        yield Symptom(Urgency.FINE, "temporary files", f"{size(a_day)} a day")
        return
    yield Symptom(
        Urgency.SOON,
        "temporary files",
        f"{size(a_day)} a day, in {files} files",
        "alter system set log_temp_files = '10MB'; select pg_reload_conf(); then look in the log "
        "which queries they are of",
    )


def examine_archive(patient: Patient) -> Iterator[Symptom]:
    """Look whether the log is archived, where it is meant to be."""
    archived, failed, last, last_failed, mode = patient.row(_ARCHIVER)
    if mode == "off":
        found = "off: no point in time can be restored"
        yield Symptom(Urgency.FINE, "archive", found)
    elif last_failed is not None and (last is None or last_failed < last):
        since = f"the last that did was {span(last)} ago" if last is not None else "none ever did"
        yield Symptom(
            Urgency.BROKEN,
            "archive",
            f"a segment of the log does not get there ({failed} tries failed); {since}",
            "The server's log has what archive_command said. Mend that; Postgres tries again by "
            "itself. Never remove a file of pg_wal.",
        )
    else:
        when = f", the last {span(last)} ago" if last is not None else ""
        yield Symptom(Urgency.FINE, "archive", f"{archived} segments{when}")


def examine_backups(patient: Patient) -> Iterator[Symptom]:
    """Look how old the newest backup is, of those that `invoke backup` made here."""
    newest = max(_backups(patient.server.database), default=None)
    if newest is None:
        yield Symptom(Urgency.FINE, "last backup", f"not known: none is in {BACKUPS}/ here")
        return
    age = datetime.now(UTC) - newest
    found = f"{span(age.total_seconds())} ago"
    if age > OLD_BACKUP:
        yield Symptom(Urgency.SOON, "last backup", found, "invoke backup")
    else:
        yield Symptom(Urgency.FINE, "last backup", found)


class _Made(msgspec.Struct):
    """What of a manifest says when it was made, and of what."""

    made_at: datetime
    database: str


def _backups(database: str) -> Iterator[datetime]:
    for manifest in BACKUPS.glob(f"*/{MANIFEST}"):
        # One that can't be read is no backup; invoke restore says why.
        with suppress(OSError, msgspec.DecodeError):
            made = msgspec.json.decode(manifest.read_bytes(), type=_Made)
            if made.database == database:
                yield made.made_at
