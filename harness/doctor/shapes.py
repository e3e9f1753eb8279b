"""Whether Electric serves the shapes of the registry, and of this database."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from uuid import uuid4

import psycopg

from harness.connections import Connection
from harness.doctor.asking import Answer, Electric
from harness.doctor.slots import Slot, read_slots
from harness.doctor.symptoms import Symptom, Urgency

_TABLES = """
    select distinct on (table_schema, table_name)
        table_schema || '.' || table_name,
        array_to_string(columns, ',')
    from sync.shapes
    order by table_schema, table_name, name
"""
_NEXT_XID = "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
_PUBLISHED = """
    select schemaname || '.' || tablename
    from pg_publication_tables
    where pubname = %s
"""
_DATABASE = "Electric's database"
_SAME_DATABASE = (
    "Give Electric's DATABASE_URL and ELECTRIC_POOLED_DATABASE_URL the server and database of "
    "DATABASE_URL here."
)
_NOT_PUBLISHED = "not in the publication that it follows"
_NOT_GRANTED = "the login of its ELECTRIC_POOLED_DATABASE_URL may not read it"
_NOT_FULL = "without replica identity FULL"
_NOT_THERE = "its database has no such table or column"
_REFUSALS = {
    "missing from the publication": _NOT_PUBLISHED,
    "permission denied": _NOT_GRANTED,
    "replica identity": _NOT_FULL,
    "does not exist": _NOT_THERE,
    "not found on the table": _NOT_THERE,
}


@dataclass(frozen=True)
class _Served:
    """How a table's probe went. refusal is None if its shapes are served. xmax: of the snapshot."""

    table: str
    refusal: str | None
    xmax: int | None = None


def examine_shapes(electric: Electric, connection: Connection, stream: str) -> Iterator[Symptom]:
    """Ask for a shape of every table of the registry, of an account that does not exist.

    stream: the stream id that it should have. Raises NoAnswerError.
    """
    try:
        tables = connection.execute(_TABLES).fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
        # Said already, with its remedy: whoever may not see it may not execute sync.check() either.
        return
    before = _next_xid(connection)
    served = [_probe(electric, table, columns) for table, columns in tables]
    after = _next_xid(connection)
    refused: dict[str, list[str]] = defaultdict(list)
    for one in served:
        if one.refusal:
            refused[one.refusal].append(one.table)
    for refusal, names in sorted(refused.items()):
        yield Symptom(
            Urgency.BROKEN,
            "Electric's shapes",
            f"of {', '.join(names)} none is served: {refusal}",
            _remedy(connection, refusal, names, f"electric_publication_{stream}"),
        )
    if served and not refused:
        yield Symptom(Urgency.FINE, "Electric's shapes", f"of {len(served)} tables are served")
    if any(one.xmax is not None and not before <= one.xmax <= after for one in served):
        # Then whoever reads a slot here is another one.
        yield Symptom(Urgency.BROKEN, _DATABASE, "it reads rows of another server", _SAME_DATABASE)
        return
    # The slots only now, for the questions wake one that sleeps.
    yield _followed(stream, _stream_id(electric), read_slots(connection))


def _next_xid(connection: Connection) -> int:
    row = connection.execute(_NEXT_XID).fetchone()
    if row is None:
        raise AssertionError("a select without from gives a row")
    return int(row[0])


def _probe(electric: Electric, table: str, columns: str) -> _Served:
    """Ask for the rows of an account that nobody has: new, for what is known is not read again."""
    query = {"table": table, "columns": columns, "where": "account_id = $1", "offset": "-1"}
    answer = electric.shape(query | {"params[1]": str(uuid4())})
    if answer.status == HTTPStatus.OK:
        return _Served(table, None, _xmax(answer))
    # Its words may be Postgres' and are not passed on; which of them are there says what it is.
    text = answer.body.decode(errors="replace").lower()
    known = (ours for theirs, ours in _REFUSALS.items() if theirs in text)
    return _Served(table, next(known, f"it answers with status {answer.status}"))


def _xmax(answer: Answer) -> int | None:
    """Return where the snapshot's transactions end; None where the answer does not say."""
    messages = answer.json()
    ends = [
        one["headers"].get("xmax")
        for one in (messages if isinstance(messages, list) else [])
        if isinstance(one, dict) and isinstance(one.get("headers"), dict)
    ]
    return next((int(end) for end in ends if isinstance(end, str) and end.isdecimal()), None)


def _remedy(connection: Connection, refusal: str, tables: list[str], publication: str) -> str:
    if refusal == _NOT_PUBLISHED:
        published = {row[0] for row in connection.execute(_PUBLISHED, [publication])}
        missing = [table for table in tables if table not in published]
        if missing:
            return f"alter publication {publication} add table {', '.join(missing)}"
        return (
            f"{publication} of this database has them. Give it a minute to look again; if it does "
            "not see them then, it follows another database or has another "
            "ELECTRIC_REPLICATION_STREAM_ID."
        )
    if refusal == _NOT_GRANTED:
        return "It has to be electric_read. If it is: invoke migrate --reapply"
    if refusal == _NOT_FULL:
        return "; ".join(f"alter table {table} replica identity full" for table in tables)
    if refusal == _NOT_THERE:
        return "Give Electric the database of DATABASE_URL, or that one its migrations."
    return "Its log says why."


def _stream_id(electric: Electric) -> str | None:
    """Return the stream id that it has: what is not published it refuses by the publication's name.

    None where it does not say.
    """
    answer = electric.shape({"table": "pg_catalog.pg_class", "offset": "-1"})
    named = re.search(rb'missing from the publication \\?"electric_publication_(\w+)', answer.body)
    return named[1].decode() if named else None


def _followed(stream: str, its_own: str | None, slots: Sequence[Slot]) -> Symptom:
    """Say whether what reads the slot of the stream id reads that of this database."""
    if its_own is not None and its_own != stream:
        return Symptom(
            Urgency.BROKEN,
            _DATABASE,
            f"its stream id is {its_own}, not {stream}",
            "Give both the same ELECTRIC_REPLICATION_STREAM_ID, if both have the same database.",
        )
    ours = [slot for slot in slots if slot.stream_id == stream and slot.is_read]
    if any(slot.is_here for slot in ours):
        found = f"it follows this one, by stream id {stream}"
        return Symptom(Urgency.FINE, _DATABASE, found)
    if ours:
        found = f"it follows {ours[0].database}, not this one"
        return Symptom(Urgency.BROKEN, _DATABASE, found, _SAME_DATABASE)
    return Symptom(
        Urgency.BROKEN,
        _DATABASE,
        f"nobody reads electric_slot_{stream} on this server: it follows another one, or sleeps",
        f"{_SAME_DATABASE} One that sleeps (ELECTRIC_REPLICATION_IDLE_TIMEOUT) was just woken: "
        "look again.",
    )
