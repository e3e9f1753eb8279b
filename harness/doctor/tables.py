"""Tables, indexes, sequences and constraints: what is not kept up, not whole or near its end."""

from collections.abc import Iterator

from harness.connections import SCHEMAS
from harness.doctor.patient import Patient
from harness.doctor.symptoms import Symptom, Urgency

DEAD_ROWS = 50_000
DEAD_SHARE = 1.0
"""How many dead rows to a live one. From 0.2 on autovacuum clears them away."""

FULL = 0.8
"""The share of a sequence that is worth a step."""

_MOST_SHOWN = 5
_AUTOVACUUM = """
    select
        current_setting('autovacuum'),
        current_setting('track_counts'),
        array(
            select format('%%I.%%I', namespace.nspname, class.relname)
            from pg_class as class
            inner join pg_namespace as namespace
                on class.relnamespace = namespace.oid
            where namespace.nspname = any (%(schemas)s)
                and class.reloptions && '{autovacuum_enabled=false,autovacuum_enabled=off}'
            order by 1
        )
"""
_DEAD = """
    select format('%%I.%%I', schemaname, relname), n_dead_tup, n_live_tup
    from pg_stat_user_tables
    where schemaname = any (%(schemas)s)
        and n_dead_tup >= %(rows)s
        and n_dead_tup >= %(share)s * n_live_tup
    order by n_dead_tup desc
    limit %(most)s
"""
_INDEXES = """
    select
        format('%%I.%%I', namespace.nspname, class.relname),
        index.indisunique
    from pg_index as index
    inner join pg_class as class
        on index.indexrelid = class.oid
    inner join pg_namespace as namespace
        on class.relnamespace = namespace.oid
    where namespace.nspname = any (%(schemas)s)
        and class.relkind = 'i'
        and not (index.indisvalid and index.indisready and index.indislive)
        and not exists (
            select from pg_stat_progress_create_index as building
            where building.index_relid = index.indexrelid
        )
    order by 1
"""
_SEQUENCES = """
    select
        format('%%I.%%I', schemaname, sequencename),
        (last_value - min_value)::float8 / nullif(max_value - min_value, 0)
    from pg_sequences
    where schemaname = any (%(schemas)s)
        and increment_by > 0
        and not cycle
        and last_value is not null
    order by 2 desc
"""
_CONSTRAINTS = """
    select format('alter table %%s validate constraint %%I', conrelid::regclass, conname)
    from pg_constraint as one
    inner join pg_namespace as namespace
        on one.connamespace = namespace.oid
    where namespace.nspname = any (%(schemas)s)
        and not one.convalidated
        and coalesce((to_jsonb(one) ->> 'conenforced')::boolean, true)
    order by 1
"""
_OURS = {"schemas": list(SCHEMAS)}


def examine_autovacuum(patient: Patient) -> Iterator[Symptom]:
    """Look whether autovacuum works, and on every table."""
    autovacuum, counts, without = patient.row(_AUTOVACUUM, _OURS)
    for name, value in (("autovacuum", autovacuum), ("track_counts", counts)):
        if value == "off":
            yield Symptom(
                Urgency.SOON,
                name,
                "off: nothing clears dead rows away",
                f"alter system set {name} = on; select pg_reload_conf()",
            )
    for table in without:
        yield Symptom(
            Urgency.SOON,
            f"autovacuum of {table}",
            "off",
            f"alter table {table} reset (autovacuum_enabled)",
        )
    if autovacuum == counts == "on" and not without:
        yield Symptom(Urgency.FINE, "autovacuum", "on")


def examine_dead_rows(patient: Patient) -> Iterator[Symptom]:
    """Look for tables that are dead rows for the most part."""
    found = patient.rows(
        _DEAD, _OURS | {"rows": DEAD_ROWS, "share": DEAD_SHARE, "most": _MOST_SHOWN}
    )
    for table, dead, live in found:
        yield Symptom(
            Urgency.SOON,
            f"dead rows of {table}",
            f"{dead:,}, and {live:,} live ones",
            f"vacuum (verbose, analyze) {table}; what can't be removed yet an old transaction or a "
            "slot still sees, which is named here too",
        )
    if not found:
        yield Symptom(Urgency.FINE, "dead rows", "few in every table")


def examine_indexes(patient: Patient) -> Iterator[Symptom]:
    """Look for indexes that are not whole, and that nobody builds now."""
    found = patient.rows(_INDEXES, _OURS)
    for name, is_unique in found:
        yield Symptom(
            Urgency.BROKEN if is_unique else Urgency.SOON,
            f"index {name}",
            "not valid: no read uses it"
            + (", and it may not keep what must be unique" if is_unique else ""),
            f"reindex index concurrently {name}",
        )
    if not found:
        yield Symptom(Urgency.FINE, "indexes", "all are valid")


def examine_sequences(patient: Patient) -> Iterator[Symptom]:
    """Look how near sequences are to their ends."""
    found = patient.rows(_SEQUENCES, _OURS)
    for name, used in found:
        if used >= FULL:
            yield Symptom(
                Urgency.BROKEN,
                f"sequence {name}",
                f"{used:.0%} of its numbers are used",
                f"alter sequence {name} as bigint no maxvalue, and its column with it: alter table "
                "TABLE alter column COLUMN type bigint, in a migration",
            )
    if not any(used >= FULL for _, used in found):
        most = f"{found[0][1]:.0%} of the fullest is used" if found else "none is in use"
        yield Symptom(Urgency.FINE, "sequences", most)


def examine_constraints(patient: Patient) -> Iterator[Symptom]:
    """Look for constraints that rows from before may break."""
    found = [statement for (statement,) in patient.rows(_CONSTRAINTS, _OURS)]
    for statement in found:
        yield Symptom(
            Urgency.SOON,
            f"constraint {statement.rsplit(' ', 1)[1]}",
            "not validated: rows from before it may break it",
            statement,
        )
    if not found:
        yield Symptom(Urgency.FINE, "constraints", "all are validated")
