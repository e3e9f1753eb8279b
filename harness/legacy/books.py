"""What the verification reads of the database: plain selects, a thousand records at a time."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from harness.connections import Connection
from harness.legacy.expectations import COLUMNS, DERIVED, Column, Json, Number

_TABLES = {
    "threads": "app.chat_threads",
    "messages": "app.chat_messages",
    "tool_events": "app.chat_tool_events",
}
_READ: Final = {
    "text": "{0}",
    "count": "{0}",
    # As microseconds since 1970, for a year may be beyond what Python's times can be.
    "time": "(extract(epoch from {0}) * 1000000)::bigint",
    "json": "{0}::text",
    "items": "{0}::text",
}


@dataclass(frozen=True, slots=True)
class Place:
    """What the books say of a record. record_id: None if it was quarantined.

    offset and sha256 are None where an older version kept no such books.
    """

    ordinal: int
    fate: str
    record_id: str | None
    offset: int | None
    sha256: bytes | None


@dataclass(frozen=True, slots=True)
class Row:
    """A row. columns: by name, jsonb as text; derived: those of a thread its messages decide."""

    row_version: int
    columns: dict[str, object]
    derived: dict[str, object]


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of legacy.kept_records, with the SHA-256 of its bytes in place of them.

    mends: as JSON text.
    """

    mends: str
    sha256: bytes | None
    row_version: int | None
    run_id: int
    ordinal: int
    offset: int


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A row of legacy.quarantine. sha256: of its bytes, and noted_sha256 what the row says."""

    reason: str
    sha256: bytes
    noted_sha256: bytes
    offset: int


@dataclass
class Facts:
    """What the database has for some records: by id, by ordinal, by SHA-256."""

    rows: dict[str, Row] = field(default_factory=dict)
    from_messages: dict[str, dict[str, object]] = field(default_factory=dict)
    kept: dict[str, Kept] = field(default_factory=dict)
    quarantined: dict[int, Quarantined] = field(default_factory=dict)
    met_since: dict[bytes, Quarantined] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the ledger says of a file."""

    sha256: bytes | None
    size_bytes: int | None
    read_count: int
    letters: dict[str, int]


class Books:
    """The books of an account's last finished run, and the rows they are about.

    Rows are looked up by their keys, with the account as a column and not as a constant: of a
    constant that the statistics do not have, as right after an import, the planner thinks that it
    has one row, takes any index that begins with the account, and reads all of its rows each time.
    """

    def __init__(self, connection: Connection, account_id: str) -> None:
        self._connection = connection
        self._account_id = account_id
        self.run_id = self._value(
            "select max(id) from legacy.import_runs where account_id = %s and outcome = 'finished'",
            account_id,
        )
        # Where not one sum is booked, an older version has run.
        self.are_whole = bool(
            self._value(
                "select count(*) from legacy.import_batches "
                "where run_id = %s and prefix_sha256 <> ''",
                self.run_id,
            )
        )

    def _value(self, query: str, *parameters: object) -> Any:  # noqa: ANN401 - as the query says
        row = self._connection.execute(query.encode(), parameters).fetchone()
        return row[0] if row else None

    def _rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(query.encode(), parameters).fetchall()

    def ledger(self, kind: str) -> Ledger:
        """Return what the ledger says of a file."""
        ((sha256, size_bytes, read_count, *counts),) = self._rows(
            "select sha256, size_bytes, read_count, "
            "imported_count, unchanged_count, adopted_count, quarantined_count "
            "from legacy.import_files where run_id = %s and kind = %s",
            self.run_id,
            kind,
        ) or [(None, None, 0, 0, 0, 0, 0)]
        return Ledger(sha256, size_bytes, read_count, dict(zip("iuaq", counts, strict=True)))

    def places(self, kind: str) -> Iterator[Place]:
        """Give what the books say of each record, in order, a batch in memory."""
        numbers = self._rows(
            "select number from legacy.import_batches where run_id = %s and kind = %s order by 1",
            self.run_id,
            kind,
        )
        for (number,) in numbers:
            ((first, fates, ids, offsets, sums),) = self._rows(
                "select first_ordinal, fates, record_ids, byte_offsets, record_sha256s "
                "from legacy.import_batches where run_id = %s and kind = %s and number = %s",
                self.run_id,
                kind,
                number,
            )
            entries = zip(fates, ids, offsets, sums, strict=True)
            for ordinal, (fate, record_id, offset, sha256) in enumerate(entries, first):
                yield Place(ordinal, fate, record_id, offset, sha256 or None)

    def twins(self, kind: str) -> Iterator[int]:
        """Give the ordinals of records whose id an earlier one of the run has, in order."""
        query = """
            select named.ordinal
            from (
                select
                    batch.first_ordinal + entry.place - 1 as ordinal,
                    row_number() over (
                        partition by entry.record_id
                        order by batch.first_ordinal + entry.place
                    ) as occurrence
                from legacy.import_batches as batch
                cross join lateral unnest(batch.record_ids)
                with ordinality as entry (record_id, place)
                where batch.run_id = %s
                    and batch.kind = %s
                    and entry.record_id is not null
            ) as named
            where named.occurrence > 1
            order by 1
        """
        with self._connection.cursor(name=f"twins_{kind}") as cursor:
            cursor.execute(query, [self.run_id, kind])
            for (ordinal,) in cursor:
                yield int(ordinal)

    def facts(self, kind: str, ids: Sequence[str], first: int, last: int) -> Facts:
        """Return what the database has for the records of these ids and places."""
        facts = Facts(
            rows=self._rows_of(kind, ids),
            kept=self._kept_of(kind, ids),
            quarantined=self._quarantined_at(kind, first, last),
        )
        if kind == "threads":
            facts.from_messages = self._from_messages(ids)
        return facts

    def _rows_of(self, kind: str, ids: Sequence[str]) -> dict[str, Row]:
        columns = (*COLUMNS[kind], Column("extra", "json", ()))
        derived = DERIVED if kind == "threads" else ()
        read = ", ".join(_READ[column.shape].format(column.name) for column in columns + derived)
        found = self._rows(
            f"""
            with wanted as materialized (
                select %s::uuid as account_id, unnest(%s::text[]) as id
            )

            select wanted.id, standing.*
            from wanted
            cross join lateral (
                select row_version, {read}
                from {_TABLES[kind]} as row
                where row.account_id = wanted.account_id
                    and row.id = wanted.id
                offset 0
            ) as standing
            """,  # noqa: S608 - names from here
            self._account_id,
            list(ids),
        )
        return {
            record_id: Row(
                row_version,
                _by_name(columns, values[: len(columns)]),
                _by_name(derived, values[len(columns) :]),
            )
            for record_id, row_version, *values in found
        }

    def _from_messages(self, ids: Sequence[str]) -> dict[str, dict[str, object]]:
        """Return what the messages of threads say of them."""
        found = self._rows(
            """
            with thread as materialized (
                select %s::uuid as account_id, unnest(%s::text[]) as id
            )

            select
                thread.id,
                counted.message_count,
                newest.content,
                newest.created_at
            from thread
            cross join lateral (
                select count(*) as message_count
                from app.chat_messages as message
                where message.account_id = thread.account_id
                    and message.thread_id = thread.id
            ) as counted
            left join lateral (
                select
                    left(message.content, 280) as content,
                    (extract(epoch from message.created_at) * 1000000)::bigint as created_at
                from app.chat_messages as message
                where message.account_id = thread.account_id
                    and message.thread_id = thread.id
                order by message.created_at desc, message.id desc
                limit 1
            ) as newest
                on true
            """,
            self._account_id,
            list(ids),
        )
        return {thread_id: _by_name(DERIVED, values) for thread_id, *values in found}

    def _kept_of(self, kind: str, ids: Sequence[str]) -> dict[str, Kept]:
        found = self._rows(
            """
            with wanted as materialized (
                select %s::uuid as account_id, unnest(%s::text[]) as id
            )

            select wanted.id, kept.*
            from wanted
            cross join lateral (
                select mends::text, sha256(raw), row_version, run_id, ordinal, byte_offset
                from legacy.kept_records as row
                where row.account_id = wanted.account_id
                    and row.kind = %s
                    and row.record_id = wanted.id
                offset 0
            ) as kept
            """,
            self._account_id,
            list(ids),
            kind,
        )
        return {record_id: Kept(*values) for record_id, *values in found}

    def kept_raw(self, kind: str, record_id: str) -> bytes:
        """Return the bytes that are kept of a record."""
        raw = self._value(
            "select raw from legacy.kept_records "
            "where account_id = %s and kind = %s and record_id = %s",
            self._account_id,
            kind,
            record_id,
        )
        return bytes(raw or b"")

    def _quarantined_at(self, kind: str, first: int, last: int) -> dict[int, Quarantined]:
        found = self._rows(
            "select kept.ordinal, kept.reason, sha256(kept.raw), kept.raw_sha256, kept.byte_offset "
            "from (select %s::uuid as account_id offset 0) as owner "
            "inner join legacy.quarantine as kept on owner.account_id = kept.account_id "
            "where kept.last_run_id = %s and kept.kind = %s and kept.ordinal between %s and %s",
            self._account_id,
            self.run_id,
            kind,
            first,
            last,
        )
        return {ordinal: Quarantined(*values) for ordinal, *values in found}

    def met_since(self, kind: str, sums: Sequence[bytes]) -> dict[bytes, Quarantined]:
        """Return what a later run, that did not finish, met again and noted as its own."""
        found = self._rows(
            "select distinct on (kept.raw_sha256) "
            "kept.reason, sha256(kept.raw), kept.raw_sha256, kept.byte_offset "
            "from (select %s::uuid as account_id offset 0) as owner "
            "inner join legacy.quarantine as kept on owner.account_id = kept.account_id "
            "where kept.kind = %s and kept.raw_sha256 = any(%s) and kept.last_run_id > %s "
            "order by kept.raw_sha256",
            self._account_id,
            kind,
            list(sums),
            self.run_id,
        )
        return {values[2]: Quarantined(*values) for values in found}

    def was_brought_before(self, kind: str, ids: Sequence[str]) -> set[str]:
        """Return those of some ids that an earlier run names."""
        found = self._rows(
            "select distinct named.record_id from legacy.import_runs as run "
            "inner join legacy.import_batches as batch on run.id = batch.run_id "
            "cross join lateral unnest(batch.record_ids) as named (record_id) "
            "where run.account_id = %s and run.id < %s and batch.kind = %s "
            "and named.record_id = any(%s)",
            self._account_id,
            self.run_id,
            kind,
            list(ids),
        )
        return {record_id for (record_id,) in found}

    def more(self, kind: str) -> int:
        """Count the rows that no run has brought or made."""
        made = "select thread_id from legacy.made_threads where account_id = %(account_id)s"
        query = f"""
            select count(*)
            from {_TABLES[kind]} as standing
            where standing.account_id = %(account_id)s
                and not exists (
                    select
                    from legacy.import_runs as run
                    inner join legacy.import_batches as batch
                        on run.id = batch.run_id
                    cross join lateral unnest(batch.record_ids) as named (record_id)
                    where run.account_id = %(account_id)s
                        and batch.kind = %(kind)s
                        and standing.id = named.record_id
                )
                {f"and standing.id not in ({made})" if kind == "threads" else ""}
        """  # noqa: S608 - names from here
        row = self._connection.execute(
            query.encode(), {"account_id": self._account_id, "kind": kind}
        ).fetchone()
        return int(row[0]) if row else 0


def _by_name(columns: Sequence[Column], values: Sequence[Any]) -> dict[str, object]:
    return {column.name: value for column, value in zip(columns, values, strict=True)}


def json_of(text: str) -> Json:
    """Read what Postgres wrote: nothing in it needs to be replaced."""
    return json.loads(text, parse_int=Number, parse_float=Number)
