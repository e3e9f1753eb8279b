"""A table as the catalog has it, and what of it a shape may be made."""

import json
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from harness.embedded.electric.asking import Asked, InvalidRequestError
from harness.embedded.electric.pgoutput import Relation

_FIND = """
    select
        class.oid::int8 as oid,
        class.relreplident = 'f' as has_whole_old_rows,
        exists (
            select
            from pg_publication_tables as published
            where published.pubname = $3
                and published.schemaname = namespace.nspname
                and published.tablename = class.relname
        ) as is_published
    from pg_class as class
    inner join pg_namespace as namespace on namespace.oid = class.relnamespace
    where namespace.nspname = $1
        and class.relname = $2
        and class.relkind in ('r', 'p')
"""
_COLUMNS = """
    select
        attribute.attname as name,
        attribute.atttypid::int8 as type_oid,
        format_type(attribute.atttypid, attribute.atttypmod) as type,
        coalesce(element.typname, type.typname) as base_type,
        case when element.oid is null then 0 else greatest(attribute.attndims, 1) end as dims,
        attribute.atttypmod as modifier,
        attribute.attnotnull as not_null,
        attribute.attgenerated <> '' as is_generated,
        array_position(key.indkey::int2[], attribute.attnum) as pk_index
    from pg_attribute as attribute
    inner join pg_type as type on type.oid = attribute.atttypid
    left join pg_type as element on element.oid = type.typelem and type.typcategory = 'A'
    left join pg_index as key on key.indrelid = attribute.attrelid and key.indisprimary
    where attribute.attrelid = $1
        and attribute.attnum > 0
        and not attribute.attisdropped
    order by attribute.attnum
"""
_MODIFIER_HEADER = 4


@dataclass(frozen=True)
class Column:
    """A column. type is as in SQL; described is its entry in the header electric-schema."""

    name: str
    type_oid: int
    type: str
    described: str
    pk_index: int | None


@dataclass(frozen=True)
class Table:
    """A table. columns are those that are streamed: all that are not generated."""

    oid: int
    schema: str
    name: str
    columns: tuple[Column, ...]
    generated: frozenset[str]
    is_published: bool
    has_whole_old_rows: bool

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the primary key's columns in order; without one, all columns are the key."""
        indexed = [(c.pk_index, c.name) for c in self.columns if c.pk_index is not None]
        return tuple(name for _, name in sorted(indexed)) or tuple(c.name for c in self.columns)

    def is_as(self, relation: Relation) -> bool:
        """Whether a change was made while the table was as it is here."""
        ours = tuple((c.name, c.type_oid) for c in self.columns)
        return relation.has_whole_old_rows and relation.columns == ours


@dataclass(frozen=True)
class Definition:
    """What makes a shape the same as another."""

    table: Table
    where: str | None
    params: tuple[str, ...]
    columns: tuple[str, ...]
    replica: str
    log: str

    def schema_header(self) -> str:
        """Describe the columns for the header electric-schema."""
        described = {c.name: json.loads(c.described) for c in self.table.columns}
        return json.dumps({name: described[name] for name in self.columns}, separators=(",", ":"))


async def find_table(
    connection: AsyncConnection[Any], name: tuple[str, str], publication: str
) -> Table:
    """Look a table up. Raises InvalidRequestError if there is none."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_FIND, [*name, publication])
        found = await cursor.fetchone()
        if found is None:
            raise InvalidRequestError(
                table=f'Table "{name[0]}"."{name[1]}" does not exist. If the table name contains '
                "capitals or special characters you must quote it."
            )
        await cursor.execute(_COLUMNS, [found["oid"]])
        columns = await cursor.fetchall()
    return Table(
        oid=found["oid"],
        schema=name[0],
        name=name[1],
        columns=tuple(_column(column) for column in columns if not column["is_generated"]),
        generated=frozenset(column["name"] for column in columns if column["is_generated"]),
        is_published=found["is_published"],
        has_whole_old_rows=found["has_whole_old_rows"],
    )


def define(asked: Asked, table: Table) -> Definition:
    """Make the definition of the shape that is asked for. Raises InvalidRequestError."""
    names = {column.name for column in table.columns}
    columns = asked.columns or tuple(sorted(names | table.generated))
    unknown = sorted(set(columns) - names - table.generated)
    if unknown:
        raise InvalidRequestError(
            columns=f"The following columns are not found on the table: {', '.join(unknown)}"
        )
    missing = [name for name in table.key if name not in columns]
    if missing:
        raise InvalidRequestError(
            columns="The list of columns must include all primary key columns, missing: "
            + ", ".join(missing)
        )
    unstreamed = sorted(set(columns) & table.generated)
    if unstreamed:
        raise InvalidRequestError(
            columns=f"The following columns are generated and are not streamed: "
            f"{', '.join(unstreamed)}. Leave them out in columns."
        )
    return Definition(table, asked.where, asked.params, columns, asked.replica, asked.log)


def _column(row: dict[str, Any]) -> Column:
    described: dict[str, Any] = {"type": row["base_type"]}
    modifier = row["modifier"]
    if modifier >= 0:
        described |= _modified(row["base_type"], modifier)
    if row["dims"]:
        described["dims"] = row["dims"]
    if row["not_null"]:
        described["not_null"] = True
    if row["pk_index"] is not None:
        described["pk_index"] = row["pk_index"]
    return Column(row["name"], row["type_oid"], row["type"], json.dumps(described), row["pk_index"])


def _modified(base_type: str, modifier: int) -> dict[str, int]:
    """Say what the modifier of a type means, for the types where Electric does."""
    length = modifier - _MODIFIER_HEADER
    if base_type == "varchar":
        return {"max_length": length}
    if base_type == "bpchar":
        return {"length": length}
    if base_type == "numeric":
        return {"precision": length >> 16, "scale": length & 0x7FF}
    if base_type in {"time", "timetz", "timestamp", "timestamptz"}:
        return {"precision": modifier}
    return {}
