"""What somebody began and did not end: maintenance, imports, and records that were kept out."""

from collections.abc import Iterator

import psycopg

from harness.doctor.patient import Patient, span
from harness.doctor.symptoms import Symptom, Urgency

# The lock of an import is on its account, as legacy.take_lock has it.
_IMPORTS = """
    select
        run.id,
        run.account_id::text,
        run.imported_by,
        extract(epoch from clock_timestamp() - run.started_at)::float8,
        exists (
            select from pg_locks as held
            where held.locktype = 'advisory'
                and held.granted
                and held.database = (select oid from pg_database where datname = current_database())
                and (held.classid::bigint << 32 | held.objid::bigint)
                = hashtextextended('sessionbase import ' || run.account_id::text, 0)
        )
    from legacy.import_runs as run
    where run.outcome = 'running'
    order by run.id
"""
_KEPT_OUT = """
    select
        latest.account_id::text,
        sum(file.quarantined_count)::bigint
    from (
        select distinct on (account_id) account_id, id
        from legacy.import_runs
        where outcome = 'finished'
        order by account_id, id desc
    ) as latest
    inner join legacy.import_files as file
        on latest.id = file.run_id
    group by latest.account_id
    having sum(file.quarantined_count) > 0
    order by 2 desc
"""
_MARK = """
    select begun_by, extract(epoch from clock_timestamp() - since)::float8, reason
    from app.maintenance
    where scope = 'writes' and since is not null
"""
_LOOK = (
    "select kind, file_name, ordinal, reason, field from legacy.quarantine where account_id = '{}'"
)


def examine_maintenance(patient: Patient) -> Iterator[Symptom]:
    """Look whether writing is stopped, since when and by whom."""
    try:
        marks = patient.rows(_MARK)
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return
    for by, ago, reason in marks:
        yield Symptom(
            Urgency.BROKEN,
            "maintenance",
            f"{by} stopped writing {span(ago)} ago: {reason}",
            "When it is done: invoke maintenance --end",
        )
    if not marks:
        yield Symptom(Urgency.FINE, "maintenance", "writing is not stopped")


def examine_imports(patient: Patient) -> Iterator[Symptom]:
    """Look for imports that were interrupted, and for those under way."""
    try:
        found = patient.rows(_IMPORTS)
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return
    for run, account, by, ago, is_running in found:
        if is_running:
            told = f"run {run} of {by} is under way, begun {span(ago)} ago"
            yield Symptom(Urgency.FINE, "imports", told)
            continue
        yield Symptom(
            Urgency.BROKEN,
            f"import into account {account}",
            f"run {run} of {by}, begun {span(ago)} ago, did not end",
            f"invoke import-legacy --data DIR --account {account}, with the same files: it goes on "
            "where it was",
        )
    if not found:
        yield Symptom(Urgency.FINE, "imports", "none is unfinished")


def examine_quarantine(patient: Patient) -> Iterator[Symptom]:
    """Look for records that the last import of an account kept out."""
    try:
        found = patient.rows(_KEPT_OUT)
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return
    for account, count in found:
        yield Symptom(
            Urgency.SOON,
            f"quarantine of account {account}",
            f"{count:,} records were kept out by its last import",
            f'invoke psql --command "{_LOOK.format(account)}"; mend the files, and import them '
            "again: docs/import.md",
        )
    if not found:
        yield Symptom(Urgency.FINE, "quarantine", "no record waits")
