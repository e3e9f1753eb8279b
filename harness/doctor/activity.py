"""Who is connected, who stands in whose way, and for how long.

Shown are processes, roles and times. No query, for those hold what people wrote.
"""

from collections.abc import Iterator

from harness.doctor.patient import Patient, span
from harness.doctor.symptoms import Symptom, Urgency

MANY = 0.8
"""The share of connections in use that is worth a look."""

TOO_MANY = 0.95
IDLE_S = 60
"""How long a transaction may do nothing."""

LONG_S = 3_600
"""How long one may last that does something."""

WAIT_S = 5
LONG_WAIT_S = 60

_MOST_SHOWN = 5
_CONNECTIONS = """
    select
        (select count(*) from pg_stat_activity where backend_type = 'client backend'),
        current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0)
"""
_MOST = """
    select coalesce(usename::text, '?'), count(*), count(*) filter (where state = 'idle')
    from pg_stat_activity
    where backend_type = 'client backend'
    group by 1
    order by 2 desc, 1
    limit 1
"""
_END_IDLE = (
    "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'ROLE' and "
    "state = 'idle' and state_change < now() - interval '10 minutes'"
)
_SEES_ALL = "select pg_has_role(current_user, 'pg_read_all_stats', 'usage')"
_TRANSACTIONS = """
    select
        pid,
        coalesce(usename::text, '?'),
        state like 'idle in transaction%',
        extract(epoch from clock_timestamp() - xact_start)::float8,
        extract(epoch from clock_timestamp() - state_change)::float8
    from pg_stat_activity
    where backend_type = 'client backend'
        and pid <> pg_backend_pid()
        and xact_start is not null
    order by xact_start
"""
_WAITS = """
    select
        blocker.pid,
        coalesce(blocker.usename::text, '?'),
        coalesce(blocker.state, '?'),
        count(*),
        max(extract(epoch from clock_timestamp() - waiting.since))::float8,
        string_agg(distinct waiting.pid::text || ' (' || waiting.role || ')', ', ')
    from (
        select
            activity.pid,
            coalesce(activity.usename::text, '?') as role,
            coalesce(held.waitstart, activity.state_change) as since,
            unnest(pg_blocking_pids(activity.pid)) as blocked_by
        from pg_stat_activity as activity
        inner join pg_locks as held
            on activity.pid = held.pid and not held.granted
    ) as waiting
    inner join pg_stat_activity as blocker
        on waiting.blocked_by = blocker.pid
    where cardinality(pg_blocking_pids(blocker.pid)) = 0
    group by 1, 2, 3
    order by 5 desc
"""
_SYNCHRONOUS = """
    select
        current_setting('synchronous_standby_names'),
        (select count(*) from pg_stat_replication where sync_state in ('sync', 'quorum'))
"""


def examine_connections(patient: Patient) -> Iterator[Symptom]:
    """Count connections, and look whether this login sees what the others do."""
    used, most = patient.row(_CONNECTIONS)
    role, of_role, idle = patient.row(_MOST)
    found = f"{used} of {most}"
    if used >= most * MANY:
        urgency = Urgency.BROKEN if used >= most * TOO_MANY else Urgency.SOON
        yield Symptom(
            urgency,
            "connections",
            f"{found} are in use; {role} has {of_role}, {idle} of them idle",
            _END_IDLE.replace("ROLE", role),
        )
    else:
        yield Symptom(Urgency.FINE, "connections", found)
    if not patient.row(_SEES_ALL)[0]:
        yield Symptom(
            Urgency.SOON,
            "transactions of others",
            "not looked at: this login sees its own only",
            f'grant pg_read_all_stats to "{patient.connection.info.user}"',
        )


def examine_transactions(patient: Patient) -> Iterator[Symptom]:
    """Look for transactions that do nothing, or last long."""
    found = patient.rows(_TRANSACTIONS)
    ill = [_transaction(*row) for row in found]
    shown = [one for one in ill if one][:_MOST_SHOWN]
    yield from shown
    if not shown:
        oldest = span(found[0][3]) if found else "none"
        yield Symptom(Urgency.FINE, "oldest transaction", oldest)


def _transaction(
    pid: int, role: str, is_idle: bool, lasted: float, unchanged: float
) -> Symptom | None:
    what = f"transaction of process {pid}"
    if is_idle and unchanged >= IDLE_S:
        return Symptom(
            Urgency.BROKEN if lasted >= LONG_S else Urgency.SOON,
            what,
            f"{role} began it {span(lasted)} ago and has done nothing for {span(unchanged)}",
            f"select pg_terminate_backend({pid})",
        )
    if lasted >= LONG_S:
        found = f"{role} began it {span(lasted)} ago, and it is at work"
        return Symptom(Urgency.SOON, what, found, f"select pg_cancel_backend({pid})")
    return None


def examine_locks(patient: Patient) -> Iterator[Symptom]:
    """Look for locks that somebody waits for, and name who has them and waits for nobody."""
    ill = [row for row in patient.rows(_WAITS) if row[4] >= WAIT_S]
    for pid, role, state, waiting, longest, who in ill[:_MOST_SHOWN]:
        yield Symptom(
            Urgency.BROKEN if longest >= LONG_WAIT_S else Urgency.SOON,
            f"locks of process {pid}",
            f"{waiting} wait for what {role} has ({state}), the longest for {span(longest)}: {who}",
            f"select pg_terminate_backend({pid})",
        )
    if not ill:
        yield Symptom(Urgency.FINE, "locks", "nobody waits")


def examine_synchronous(patient: Patient) -> Iterator[Symptom]:
    """Look whether commits wait for a standby that is not there."""
    names, connected = patient.row(_SYNCHRONOUS)
    if names and not connected:
        yield Symptom(
            Urgency.BROKEN,
            "synchronous standbys",
            "commits wait for one, and none is connected",
            "Start the standby; or, and what only the standby would have saved is then lost with "
            "this server: alter system set synchronous_standby_names = ''; select pg_reload_conf()",
        )
    else:
        found = f"{connected} connected" if names else "none is waited for"
        yield Symptom(Urgency.FINE, "synchronous standbys", found)
