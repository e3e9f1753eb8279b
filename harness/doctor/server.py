"""How the server is: its version, what its log holds, and the slots that keep the log."""

from collections.abc import Iterator

from psycopg.rows import dict_row

from harness.connections import Connection
from harness.doctor.symptoms import Symptom, Urgency

_GIB = 1 << 30
_MUCH_LOG = _GIB
"""Bytes of retained log from which an idle slot is worth a step."""

_IN_USE = """
    select 'max_replication_slots', count(*)
    from pg_replication_slots

    union all

    select 'max_wal_senders', count(*)
    from pg_stat_replication
"""
_SLOTS = """
    select
        slot_name,
        active,
        wal_status,
        coalesce(
            pg_wal_lsn_diff(
                case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
                else pg_current_wal_lsn() end,
                restart_lsn
            ),
            0
        )::bigint as retained
    from pg_replication_slots
    where database = current_database()
        or slot_type = 'physical'
    order by slot_name
"""


def examine_server(connection: Connection) -> Iterator[Symptom]:
    """Look at the version, wal_level and the room for Electric's slot."""
    version = _setting(connection, "server_version")
    yield Symptom(Urgency.FINE, "Postgres", f"version {version}")
    level = _setting(connection, "wal_level")
    if level == "logical":
        yield Symptom(Urgency.FINE, "wal_level", level)
    else:
        yield Symptom(
            Urgency.BROKEN,
            "wal_level",
            f"{level}: nothing can be synced",
            "alter system set wal_level = 'logical', then restart Postgres",
        )
    for setting, used in connection.execute(_IN_USE).fetchall():
        yield _room(setting, int(_setting(connection, setting)), used)


def _room(setting: str, most: int, used: int) -> Symptom:
    if used < most:
        return Symptom(Urgency.FINE, setting, f"{used} of {most} in use")
    return Symptom(
        Urgency.SOON,
        setting,
        f"all {most} in use: Electric can't connect anew",
        f"alter system set {setting} = {most + 5}, then restart Postgres",
    )


def examine_slots(connection: Connection) -> Iterator[Symptom]:
    """Look at every replication slot: is it read, and how much log does it keep."""
    unbounded = _setting(connection, "max_slot_wal_keep_size") == "-1"
    with connection.cursor(row_factory=dict_row) as cursor:
        slots = cursor.execute(_SLOTS).fetchall()
    for slot in slots:
        yield _slot(slot["slot_name"], slot["active"], slot["wal_status"], slot["retained"])
    if unbounded and slots:
        yield Symptom(
            Urgency.SOON,
            "max_slot_wal_keep_size",
            "without a bound: a slot that nobody reads fills the disk",
            "alter system set max_slot_wal_keep_size = '20GB', then select pg_reload_conf()",
        )


def _slot(name: str, is_active: bool, wal_status: str | None, retained: int) -> Symptom:
    what = f"replication slot {name}"
    drop = f"select pg_drop_replication_slot('{name}')"
    if wal_status == "lost":
        return Symptom(
            Urgency.BROKEN,
            what,
            "lost: the log it needs is gone, and with it every shape",
            f"{drop}, empty Electric's storage folder, and start Electric",
        )
    keeps = f"keeps {retained / _GIB:.2f} GiB of log"
    if is_active:
        return Symptom(Urgency.FINE, what, f"is read, {keeps}")
    urgency = Urgency.BROKEN if retained > _MUCH_LOG else Urgency.SOON
    return Symptom(
        urgency,
        what,
        f"nobody reads it, {keeps}",
        f"Start Electric. If it is gone for good: {drop}, and empty its storage folder",
    )


def _setting(connection: Connection, name: str) -> str:
    row = connection.execute("select current_setting(%s)", [name]).fetchone()
    if row is None:
        raise AssertionError("a select without from gives a row")
    return str(row[0])
