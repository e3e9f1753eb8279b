"""What an import left in a database, summed up so that two databases can be compared."""

from psycopg import sql

from harness.connections import Connection

TABLES = {
    "app": ("sessions", "chat_threads", "chat_messages", "chat_tool_events"),
    "legacy": (
        "import_runs",
        "import_files",
        "import_batches",
        "kept_records",
        "quarantine",
        "made_threads",
        "thread_claims",
        "staged_records",
        "judged_records",
        "known_records",
    ),
}
"""What an import writes."""

IGNORED = {
    "app": [],
    "legacy": [
        "id",
        "run_id",
        "last_run_id",
        "attempt",
        "started_at",
        "finished_at",
        "imported_by",
    ],
}
"""Columns that differ from run to run and say nothing of what came in, by schema.

Names of rows that sequences count, when it was, how often it was tried.
"""
_SUM = sql.SQL(
    "select count(*), coalesce(sum(('x' || left(md5((to_jsonb(one) - %s::text[])::text), 15))"
    "::bit(60)::bigint), 0)::text from {} as one"
)

Contents = dict[str, tuple[int, str]]
"""By table: how many rows, and a sum over all of them that knows no order."""


def read_contents(connection: Connection) -> Contents:
    """Sum up every table that an import writes, as a login that no policy binds."""
    return {
        f"{schema}.{table}": connection.execute(
            _SUM.format(sql.Identifier(schema, table)), [IGNORED[schema]]
        ).fetchone()
        or (0, "")
        for schema, tables in TABLES.items()
        for table in tables
    }
