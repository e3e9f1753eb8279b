"""Who has tables of sessionbase: what a migration waits for that gets no lock."""

from harness.connections import SCHEMAS, Connection

_MOST_SHOWN = 5
# Everybody may see process, role, name and transaction of others, and no more is asked.
_HOLDERS = """
    select
        held.pid,
        activity.usename::text,
        activity.application_name,
        extract(epoch from clock_timestamp() - activity.xact_start)::float8
    from pg_catalog.pg_locks as held
    inner join pg_catalog.pg_class as class on held.relation = class.oid
    inner join pg_catalog.pg_namespace as namespace on class.relnamespace = namespace.oid
    left join pg_catalog.pg_stat_activity as activity on held.pid = activity.pid
    where held.locktype = 'relation'
        and held.granted
        and held.database = (select oid from pg_database where datname = current_database())
        and held.pid is distinct from pg_backend_pid()
        and namespace.nspname = any (%s)
    group by held.pid, activity.usename, activity.application_name, activity.xact_start
    order by activity.xact_start nulls first, held.pid
"""


def who_holds(connection: Connection) -> str:
    """Name those who have locks on tables of sessionbase now, the oldest first; "" if nobody."""
    rows = connection.execute(_HOLDERS, [list(SCHEMAS)]).fetchall()
    shown = [_in_words(*row) for row in rows[:_MOST_SHOWN]]
    if len(rows) > _MOST_SHOWN:
        shown.append(f"and {len(rows) - _MOST_SHOWN} more")
    return ", ".join(shown)


def _in_words(pid: int | None, login: str | None, name: str | None, seconds: float | None) -> str:
    if pid is None:
        return "a prepared transaction (table pg_prepared_xacts)"
    known = ", ".join(one for one in (login, name) if one)
    since = "" if seconds is None else f" for {max(seconds, 0):.0f} s"
    return f"process {pid} ({known or 'unknown'}){since}"
