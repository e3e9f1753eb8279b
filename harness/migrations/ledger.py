"""The ledger in the database: which files are in force, and the policies they declared."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from harness.connections import SCHEMAS, Connection
from harness.migrations.failures import FileError
from harness.migrations.files import SqlFile

Policies = dict[tuple[str, str], str]
"""Policies by (table, name), each with its definition as the catalog shows it."""


@dataclass(frozen=True)
class Entry:
    """A file that is in force."""

    name: str
    kind: str
    checksum: str
    applied_at: datetime
    applied_by: str
    policies: Policies


def read(connection: Connection) -> dict[str, Entry]:
    """Return the ledger by file name; empty for a database that has none yet."""
    if not exists(connection):
        return {}
    rows = connection.execute(
        "select file, kind, checksum, applied_at, applied_by, policies from ops.migrations"
    )
    return {
        name: Entry(
            name,
            kind,
            checksum,
            applied_at,
            applied_by,
            {(p["table"], p["policy"]): p["definition"] for p in policies},
        )
        for name, kind, checksum, applied_at, applied_by, policies in rows
    }


def exists(connection: Connection) -> bool:
    """Whether the database has a ledger, that is: whether the first migration was applied."""
    row = connection.execute("select to_regclass('ops.migrations') is not null").fetchone()
    return bool(row and row[0])


def is_hidden(connection: Connection) -> bool:
    """Whether there is a ledger that this login may not look at."""
    row = connection.execute(
        """
        select not has_schema_privilege(oid, 'usage')
        from pg_catalog.pg_namespace
        where nspname = 'ops'
        """
    ).fetchone()
    return bool(row and row[0])


def record_applied(
    connection: Connection, file: SqlFile, duration_ms: int, policies: Policies
) -> None:
    """Write down that a file is in force, in the transaction that applied it."""
    declared = [
        {"table": table, "policy": name, "definition": definition}
        for (table, name), definition in sorted(policies.items())
    ]
    connection.execute(
        """
        insert into ops.migrations (file, kind, checksum, duration_ms, policies)
        values (%s, %s, %s, %s, %s)
        on conflict (file) do update
            set
                checksum = excluded.checksum,
                applied_at = default,
                applied_by = default,
                duration_ms = excluded.duration_ms,
                policies = excluded.policies
        """,
        [file.name, file.kind, file.checksum, duration_ms, Jsonb(declared)],
    )
    connection.execute(
        """
        insert into ops.migration_attempts (file, kind, checksum, duration_ms, outcome)
        values (%s, %s, %s, %s, 'applied')
        """,
        [file.name, file.kind, file.checksum, duration_ms],
    )


def record_failed(connection: Connection, error: FileError) -> None:
    """Write down that a file failed, after its transaction was rolled back."""
    place = error.cause.place
    connection.execute(
        """
        insert into ops.migration_attempts
            (file, kind, checksum, duration_ms, outcome, sqlstate, line, message)
        values (%s, %s, %s, %s, 'failed', %s, %s, %s)
        """,
        [
            error.file.name,
            error.file.kind,
            error.file.checksum,
            error.duration_ms,
            error.cause.sqlstate,
            place.line if place else None,
            error.cause.message,
        ],
    )


def forget(connection: Connection, name: str) -> None:
    """Strike out a function or policy file that is gone from sql/."""
    connection.execute("delete from ops.migrations where file = %s", [name])


def policy_ids(connection: Connection) -> list[int]:
    """Return the catalog's ids of all policies, to tell later ones from them."""
    return [row[0] for row in connection.execute("select oid from pg_catalog.pg_policy")]


def policies_in_force(connection: Connection, besides: list[int] | None = None) -> Policies:
    """Return the policies on sessionbase's tables, as the catalog shows them now.

    besides: ids of policies to leave out.
    """
    rows = connection.execute(
        """
        select
            format('%%I.%%I', shown.schemaname, shown.tablename),
            shown.policyname,
            concat_ws(
                ' ',
                lower(shown.permissive),
                'for',
                lower(shown.cmd),
                'to',
                array_to_string(shown.roles, ', '),
                'using (' || shown.qual || ')',
                'with check (' || shown.with_check || ')'
            )
        from pg_catalog.pg_policies as shown
        inner join pg_catalog.pg_policy as policy
            on policy.polname = shown.policyname
                and policy.polrelid = format('%%I.%%I', shown.schemaname, shown.tablename)::regclass
        where shown.schemaname = any (%s)
            and policy.oid <> all (%s::oid[])
        """,
        [list(SCHEMAS), besides or []],
    )
    return {(table, name): definition for table, name, definition in rows}
