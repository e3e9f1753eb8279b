"""Replication slots: who reads them, how much log they keep, and whether Electric finds room."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from psycopg.rows import class_row

from harness.connections import Connection
from harness.doctor.patient import Patient
from harness.doctor.server import setting_of
from harness.doctor.symptoms import Symptom, Urgency

_GIB = 1 << 30
_MUCH_LOG = _GIB
"""Bytes of retained log that are worth a step."""

FAR_BEHIND = 256 << 20
"""Bytes of log that who reads a slot may not have confirmed yet."""

_ELECTRIC = "electric_slot_"
_AT_RANDOM = re.compile(r"_[0-9a-f]{8}$")

# Those of other databases too: names are unique in a cluster, and its log is one.
_SLOTS = """
    select
        slot_name as name,
        coalesce(database::text, '') as database,
        database is not distinct from current_database() as is_here,
        active as is_read,
        temporary as is_temporary,
        coalesce(wal_status, '') as wal_status,
        coalesce(
            pg_wal_lsn_diff(
                case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
                else pg_current_wal_lsn() end,
                restart_lsn
            ),
            0
        )::bigint as retained,
        coalesce(
            pg_wal_lsn_diff(
                case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
                else pg_current_wal_lsn() end,
                confirmed_flush_lsn
            ),
            0
        )::bigint as behind
    from pg_replication_slots
    order by slot_name
"""
_PUBLICATIONS = """
    select regexp_replace(pubname::text, '^electric_publication_', '')
    from pg_publication
    where pubname ~ '^electric_publication_.'
"""


@dataclass(frozen=True)
class Slot:
    """A slot of the cluster. is_here: of this database. retained: bytes of log it keeps.

    behind: bytes of log that who reads it has not confirmed.
    """

    name: str
    database: str
    is_here: bool
    is_read: bool
    is_temporary: bool
    wal_status: str
    retained: int
    behind: int

    @property
    def stream_id(self) -> str | None:
        """Electric's stream id, if Electric made the slot, or the stand-in."""
        if not self.name.startswith(_ELECTRIC):
            return None
        stream = self.name.removeprefix(_ELECTRIC)
        # The stand-in's names end at random, and its slots are gone when it is.
        return _AT_RANDOM.sub("", stream) if self.is_temporary else stream


def read_slots(connection: Connection) -> list[Slot]:
    """Return every slot of the cluster."""
    with connection.cursor(row_factory=class_row(Slot)) as cursor:
        return cursor.execute(_SLOTS).fetchall()


def stream_ids(connection: Connection, slots: list[Slot]) -> list[str]:
    """Return the stream ids that this database has a publication or a slot of, sorted."""
    published = {str(row[0]) for row in connection.execute(_PUBLICATIONS)}
    read = {slot.stream_id for slot in slots if slot.is_here and slot.stream_id}
    return sorted(published | read)


def examine_room(patient: Patient) -> Iterator[Symptom]:
    """Look whether Electric could make its slot and connect."""
    connection = patient.connection
    slots = read_slots(connection)
    most = int(setting_of(connection, "max_replication_slots"))
    if len(slots) < most:
        found = f"{len(slots)} of {most} in use"
        yield Symptom(Urgency.FINE, "max_replication_slots", found)
    elif any(slot.is_here and slot.stream_id for slot in slots):
        found = f"all {most} in use, Electric's among them"
        yield Symptom(Urgency.FINE, "max_replication_slots", found)
    else:
        yield Symptom(
            Urgency.BROKEN,
            "max_replication_slots",
            f"all {most} in use: there is none left for Electric",
            f"Drop one that nobody reads, or: alter system set max_replication_slots = {most + 5};"
            " then restart Postgres",
        )
    row = connection.execute("select count(*) from pg_stat_replication").fetchone()
    used, most = row[0] if row else 0, int(setting_of(connection, "max_wal_senders"))
    if used < most:
        yield Symptom(Urgency.FINE, "max_wal_senders", f"{used} of {most} in use")
    else:
        yield Symptom(
            Urgency.SOON,
            "max_wal_senders",
            f"all {most} in use: who is not connected now can't connect",
            f"alter system set max_wal_senders = {most + 5}; then restart Postgres",
        )


def examine_slots(patient: Patient) -> Iterator[Symptom]:
    """Look at every slot: is it read, how much log does it keep, and is it of this database."""
    connection = patient.connection
    slots = read_slots(connection)
    here = set(stream_ids(connection, slots))
    for slot in slots:
        yield _slot(slot)
        if not slot.is_here and not slot.is_temporary and slot.stream_id in here:
            yield Symptom(
                Urgency.SOON,
                f"stream id {slot.stream_id}",
                f"its slot is of database {slot.database}: an Electric of this one can't have it",
                "Give it another ELECTRIC_REPLICATION_STREAM_ID, as docs/sync.md says.",
            )
    if slots and setting_of(connection, "max_slot_wal_keep_size") == "-1":
        yield Symptom(
            Urgency.SOON,
            "max_slot_wal_keep_size",
            "without a bound: a slot that nobody reads fills the disk",
            "alter system set max_slot_wal_keep_size = '20GB'; select pg_reload_conf()",
        )


def _slot(slot: Slot) -> Symptom:
    what = f"replication slot {slot.name}"
    if slot.database and not slot.is_here:
        what += f" of database {slot.database}"
    reader = "Electric" if slot.stream_id else "what reads it"
    drop = f"select pg_drop_replication_slot('{slot.name}')"
    if slot.stream_id:
        drop += "; then empty Electric's storage folder"
    look = f"See whether {reader} keeps up: its log, its CPU."
    keeps = f"keeps {slot.retained / _GIB:.2f} GiB of log"
    if slot.wal_status == "lost":
        found = "lost: the log it needs is gone"
        if slot.stream_id:
            found += ", and with it every shape"
        return Symptom(Urgency.BROKEN, what, found, f"{drop}; then start {reader}")
    if slot.wal_status == "unreserved":
        found = f"about to be lost: {keeps}, more than max_slot_wal_keep_size"
        return Symptom(Urgency.BROKEN, what, found, f"Start {reader} now, or raise the bound.")
    if slot.is_read and slot.retained > _MUCH_LOG:
        found = f"is read, and far behind: {keeps}"
        return Symptom(Urgency.SOON, what, found, look)
    if slot.is_read and slot.behind > FAR_BEHIND:
        found = f"is read, and {slot.behind / _GIB:.2f} GiB behind"
        return Symptom(Urgency.SOON, what, found, look)
    if slot.is_read:
        return Symptom(Urgency.FINE, what, f"is read, {keeps}")
    urgency = Urgency.BROKEN if slot.retained > _MUCH_LOG else Urgency.SOON
    found = f"nobody reads it, {keeps}"
    return Symptom(urgency, what, found, f"Start {reader}. If that is gone for good: {drop}")
