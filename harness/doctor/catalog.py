"""All that is examined, in order of urgency, and what each does to users if it is not well.

docs/doctor.md has a row for each; a test holds the two together.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.doctor import activity, safety, storage, tables, work
from harness.doctor.electric import examine_electric
from harness.doctor.gatekeeper import examine_gatekeeper
from harness.doctor.patient import Patient
from harness.doctor.server import examine_server
from harness.doctor.slots import examine_room, examine_slots
from harness.doctor.symptoms import Symptom
from harness.doctor.sync import examine_migrations, examine_sync, examine_version


@dataclass(frozen=True)
class Examination:
    """Something that is looked at. harm: what it does to users if it is not well, in a sentence."""

    title: str
    harm: str
    look: Callable[[Patient], Iterator[Symptom]]


def _nothing(_: Patient) -> Iterator[Symptom]:
    yield from ()


UNREACHABLE = Examination("connection", "Nobody can read or write anything.", _nothing)

EXAMINATIONS = (
    Examination("sessionbase", "", examine_version),
    Examination(
        "disk",
        "Once it is full Postgres stops, and nobody can read or write.",
        storage.examine_disk,
    ),
    Examination(
        "server", "What needs it fails: sync of every client, or every write.", examine_server
    ),
    Examination("read-only", "Every write fails.", safety.examine_writable),
    Examination(
        "synchronous standbys", "Every write waits, without end.", activity.examine_synchronous
    ),
    Examination(
        "connections",
        "Who comes next is turned away: pages fail, at random.",
        activity.examine_connections,
    ),
    Examination(
        "locks", "Those who wait see a page that hangs, then an error.", activity.examine_locks
    ),
    Examination(
        "transactions",
        "Dead rows and log pile up behind it, and all gets slower.",
        activity.examine_transactions,
    ),
    Examination("maintenance", "Every write is refused.", work.examine_maintenance),
    Examination(
        "checksums",
        "Rows are lost or wrong, and backups take that along.",
        storage.examine_checksums,
    ),
    Examination(
        "transaction age",
        "At the end Postgres takes no write until a vacuum of hours is done.",
        safety.examine_ages,
    ),
    Examination(
        "migrations",
        "Functions, tables or policies are not those of this version: calls fail, or allow what "
        "they should not.",
        examine_migrations,
    ),
    Examination("sync", "Clients of that shape get nothing, or not every change.", examine_sync),
    Examination(
        "replication slots",
        "Its log fills the disk, or is thrown away and clients read everything anew.",
        examine_slots,
    ),
    Examination(
        "room for replication", "Electric can't connect: clients get no changes.", examine_room
    ),
    Examination("Electric", "Clients get no changes, or somebody gets too much.", examine_electric),
    Examination("gatekeeper", "Nobody gets in: no sync, no writes.", examine_gatekeeper),
    Examination(
        "archive",
        "Its log fills the disk, and no later moment can be restored.",
        storage.examine_archive,
    ),
    Examination(
        "settings", "What people were told is stored can be gone.", safety.examine_settings
    ),
    Examination(
        "last backup",
        "What was written since is lost with the machine.",
        storage.examine_backups,
    ),
    Examination(
        "imports",
        "A part of the account's old messages is not there yet.",
        work.examine_imports,
    ),
    Examination(
        "quarantine",
        "These records are kept byte for byte, and nobody sees them.",
        work.examine_quarantine,
    ),
    Examination(
        "collations",
        "Rows are not found, lists are out of order, and doubles come in.",
        safety.examine_collations,
    ),
    Examination("indexes", "Reads are slow, or doubles come in.", tables.examine_indexes),
    Examination("sequences", "At its end every insert fails.", tables.examine_sequences),
    Examination(
        "constraints",
        "Old rows may be what functions do not expect.",
        tables.examine_constraints,
    ),
    Examination(
        "autovacuum", "Tables grow, and everything gets slower.", tables.examine_autovacuum
    ),
    Examination("dead rows", "Reads of that table are slow.", tables.examine_dead_rows),
    Examination(
        "clock",
        "Tokens are refused or live too long, and times of messages are wrong.",
        safety.examine_clock,
    ),
    Examination("checkpoints", "Writes are slow in waves.", safety.examine_checkpoints),
    Examination("temporary files", "Some reads are slow.", storage.examine_temporary_files),
)
"""In order of urgency."""
