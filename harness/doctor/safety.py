"""What loses data one day: settings, numbers that run out, sort orders that changed, clocks."""

import time
from collections.abc import Iterator

from harness.doctor.patient import Patient, span
from harness.doctor.symptoms import Symptom, Urgency

OLD_AGE = 600_000_000
"""Transactions that a database may be behind. From 200 million on autovacuum catches up."""

VERY_OLD_AGE = 1_500_000_000
"""Of 2.1 billion, at which Postgres takes no write any more."""

CLOCK_S = 2
FAR_OFF_S = 30
"""How far a token's clock may be off: SESSIONBASE_JWT_LEEWAY_S."""

MANY_CHECKPOINTS = 100

_SAFE_SETTINGS = {
    "fsync": (Urgency.BROKEN, "after a crash of the machine the data may not be readable"),
    "full_page_writes": (Urgency.BROKEN, "after a crash of the machine pages may be half old"),
    "synchronous_commit": (Urgency.SOON, "after a crash the last second of writes is gone"),
}
_SETTINGS = "select name, setting from pg_settings where name = any (%s)"
_AGES = """
    select
        datname::text,
        age(datfrozenxid)::bigint,
        mxid_age(datminmxid)::bigint
    from pg_database
    order by greatest(age(datfrozenxid), mxid_age(datminmxid)) desc
    limit 1
"""
_COLLATIONS = """
    select count(*)::int
    from pg_database
    where datname = current_database()
        and datcollversion is distinct from pg_database_collation_actual_version(oid)
        and datcollversion is not null
    union all
    select count(distinct used.oid)::int
    from pg_collation as used
    inner join pg_index as index
        on used.oid = any (index.indcollation::oid [])
    where used.collprovider <> 'd'
        and used.collversion is not null
        and used.collversion is distinct from pg_collation_actual_version(used.oid)
"""
_CHECKPOINTS_15 = "select checkpoints_timed, checkpoints_req from pg_stat_bgwriter"
_CHECKPOINTS_17 = "select num_timed, num_requested from pg_stat_checkpointer"
_FIRST_CHECKPOINTER = 17


def examine_settings(patient: Patient) -> Iterator[Symptom]:
    """Look for settings by which what was acknowledged can be lost."""
    found = dict(patient.rows(_SETTINGS, [list(_SAFE_SETTINGS)]))
    for name, (urgency, comes_of_it) in _SAFE_SETTINGS.items():
        if found[name] == "off":
            yield Symptom(
                urgency,
                f"setting {name}",
                f"off: {comes_of_it}",
                f"alter system set {name} = on; select pg_reload_conf()",
            )
    if "off" not in found.values():
        yield Symptom(Urgency.FINE, "settings", f"{', '.join(found)} are on")


def examine_ages(patient: Patient) -> Iterator[Symptom]:
    """Look how near the cluster is to the end of its transaction and multixact numbers."""
    name, transactions, multixacts = patient.row(_AGES)
    oldest = max(transactions, multixacts)
    found = f"{transactions:,} transactions and {multixacts:,} multixacts of 2.1 billion ({name})"
    if oldest < OLD_AGE:
        yield Symptom(Urgency.FINE, "age", found)
        return
    yield Symptom(
        Urgency.BROKEN if oldest >= VERY_OLD_AGE else Urgency.SOON,
        "age",
        found,
        "End what holds it back, which is named here too: old transactions, slots that nobody "
        f"reads. Then: vacuumdb --freeze --jobs=2 {name}",
    )


def examine_collations(patient: Patient) -> Iterator[Symptom]:
    """Look whether the sort order is still that which indexes were built in."""
    changed = sum(row[0] for row in patient.rows(_COLLATIONS))
    if not changed:
        yield Symptom(Urgency.FINE, "collations", "as indexes were built")
        return
    name = patient.server.database
    yield Symptom(
        Urgency.BROKEN,
        "collations",
        f"the sort order of {changed} is no longer that which indexes were built in",
        f'reindex database "{name}"; alter database "{name}" refresh collation version; and alter '
        "collation NAME refresh version for each other one",
    )


def examine_clock(patient: Patient) -> Iterator[Symptom]:
    """Hold the server's clock against this machine's, to within the question's own time."""
    before = time.time()
    (theirs,) = patient.row("select extract(epoch from clock_timestamp())::float8")
    after = time.time()
    off = theirs - (before + after) / 2
    # What the way there took can't be told from a difference.
    surely = max(abs(off) - (after - before) / 2, 0)
    if surely < CLOCK_S:
        yield Symptom(Urgency.FINE, "clock", f"within {CLOCK_S} s of this machine's")
        return
    yield Symptom(
        Urgency.BROKEN if surely >= FAR_OFF_S else Urgency.SOON,
        "clock",
        f"the server's is {span(surely)} {'ahead of' if off > 0 else 'behind'} this machine's",
        "timedatectl set-ntp true, on the one that is wrong; step it back only while nobody writes",
    )


def examine_checkpoints(patient: Patient) -> Iterator[Symptom]:
    """Look whether checkpoints come by the clock, or because the log is full."""
    query = _CHECKPOINTS_17 if patient.major >= _FIRST_CHECKPOINTER else _CHECKPOINTS_15
    timed, requested = patient.row(query)
    found = f"{timed} by the clock, {requested} asked for"
    if requested < MANY_CHECKPOINTS or requested < timed:
        yield Symptom(Urgency.FINE, "checkpoints", found)
        return
    (most,) = patient.row("select pg_size_bytes(current_setting('max_wal_size')) / 1048576")
    yield Symptom(
        Urgency.SOON,
        "checkpoints",
        found,
        f"alter system set max_wal_size = '{most * 2}MB'; select pg_reload_conf()",
    )


def examine_writable(patient: Patient) -> Iterator[Symptom]:
    """Look whether this login may write."""
    (setting, is_standby) = patient.row(
        "select current_setting('transaction_read_only'), pg_is_in_recovery()"
    )
    if setting == "on" and not is_standby:
        name = patient.server.database
        yield Symptom(
            Urgency.BROKEN,
            "read-only",
            "transactions are read-only here",
            f'alter database "{name}" reset default_transaction_read_only; alter system reset '
            "default_transaction_read_only; select pg_reload_conf(); or it is in DATABASE_URL",
        )
