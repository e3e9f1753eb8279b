"""What a database's catalog says of schema api: its functions, and the rows that they give."""

from dataclasses import dataclass
from typing import Any

from harness.connections import Connection

_LEADING = {"txid", "cursor", "role"}
"""What a function can put before the columns of a table."""

FUNCTIONS = """
    select
        p.proname,
        coalesce(pg_catalog.obj_description(p.oid, 'pg_proc'), ''),
        p.provolatile = 'v',
        pg_catalog.format_type(p.prorettype, null),
        p.proretset,
        coalesce(
            (
                select pg_catalog.array_agg(
                    array[
                        p.proargnames[place]::text,
                        pg_catalog.format_type(type, null),
                        pg_catalog.pg_get_function_arg_default(p.oid, place::integer)
                    ]
                    order by place
                )
                from pg_catalog.unnest(p.proargtypes::oid[]) with ordinality as _(type, place)
            ),
            '{}'
        )
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'api'::regnamespace
        and pg_catalog.has_function_privilege('app_user', p.oid, 'execute')
    order by p.proname collate "C"
"""
"""The functions that applications may call; what catalog_of() takes first."""

RELATIONS = """
    select
        pg_catalog.format('%s.%s', relation.relnamespace::regnamespace, relation.relname),
        coalesce(
            pg_catalog.obj_description(relation.reltype, 'pg_type'),
            pg_catalog.obj_description(relation.oid, 'pg_class'),
            ''
        ),
        pg_catalog.array_agg(
            array[
                a.attname::text,
                pg_catalog.format_type(a.atttypid, a.atttypmod),
                coalesce(pg_catalog.col_description(relation.oid, a.attnum), '')
            ]
            order by a.attnum
        )
    from pg_catalog.pg_class as relation
    inner join pg_catalog.pg_attribute as a on relation.oid = a.attrelid
    where a.attnum > 0
        and not a.attisdropped
        and (
            (
                relation.relnamespace in ('app'::regnamespace, 'auth'::regnamespace)
                and relation.relkind = 'r'
            )
            or (relation.relnamespace = 'api'::regnamespace and relation.relkind = 'c')
        )
    group by relation.oid
    order by relation.relnamespace::regnamespace::text, relation.relname collate "C"
"""
"""The tables of schema app and the composite types of schema api; what it takes then."""


@dataclass(frozen=True)
class Argument:
    """An argument of a function. default: as SQL; None where the argument must be given."""

    name: str
    type: str
    default: str | None


@dataclass(frozen=True)
class Function:
    """A function of schema api. result: a type's name; many: whether it gives a set of rows."""

    name: str
    comment: str
    writes: bool
    arguments: tuple[Argument, ...]
    result: str
    many: bool


@dataclass(frozen=True)
class Column:
    """A column of a row that functions give."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class Rows:
    """A table or a composite type."""

    name: str
    comment: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Given:
    """What functions give of a table. types: with what each puts before the table's columns."""

    table: Rows
    types: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Catalog:
    """Schema api: its functions, the tables they give rows of, and what other types they give."""

    functions: dict[str, Function]
    given: dict[str, Given]
    others: dict[str, Rows]


def read_catalog(connection: Connection) -> Catalog:
    """Read schema api. Raises what connect() raises."""
    functions, relations = (connection.execute(query) for query in (FUNCTIONS, RELATIONS))
    return catalog_of(functions.fetchall(), relations.fetchall())


def catalog_of(
    function_rows: list[tuple[Any, ...]], relation_rows: list[tuple[Any, ...]]
) -> Catalog:
    """Make a catalog of what FUNCTIONS and RELATIONS answered."""
    functions, relations = _functions_of(function_rows), _relations_of(relation_rows)
    results = sorted({function.result for function in functions.values()} & relations.keys())
    given = {}
    for name, table in relations.items():
        types = tuple(
            (result, leading)
            for result in results
            if (leading := _leading(relations[result], table)) is not None
        )
        if not name.startswith("api.") and types:
            given[name] = Given(table, types)
    told = {result for found in given.values() for result, _ in found.types}
    others = {name: relations[name] for name in results if name not in told}
    return Catalog(functions, given, others)


def _leading(relation: Rows, table: Rows) -> tuple[str, ...] | None:
    """Return what a type has before the columns of a table; None if they are not those."""
    names = [column.name for column in relation.columns]
    of_table = [column.name for column in table.columns]
    before = names[: len(names) - len(of_table)]
    return tuple(before) if names == before + of_table and set(before) <= _LEADING else None


def _functions_of(rows: list[tuple[Any, ...]]) -> dict[str, Function]:
    return {
        name: Function(
            name,
            comment,
            writes=writes,
            arguments=tuple(Argument(*argument) for argument in arguments),
            result=result,
            many=many,
        )
        for name, comment, writes, result, many, arguments in rows
    }


def _relations_of(rows: list[tuple[Any, ...]]) -> dict[str, Rows]:
    return {
        name: Rows(name, comment, tuple(Column(*column) for column in columns))
        for name, comment, columns in rows
    }
