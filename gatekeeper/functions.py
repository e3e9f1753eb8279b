"""Schema api as the catalog has it: which functions there are, and what each takes."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from math import inf
from time import monotonic
from typing import Annotated, Any
from uuid import UUID

import msgspec
from psycopg import sql

from gatekeeper.database import Database
from harness.guide.catalog import FUNCTIONS, RELATIONS, Catalog, Function, catalog_of

_FRESH_S = 5.0
"""How long the catalog is believed: a migration is seen that soon, without a restart."""

_Int = Annotated[int, msgspec.Meta(ge=-(1 << 31), le=(1 << 31) - 1)]
_Bigint = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_Time = Annotated[datetime, msgspec.Meta(tz=True)]

_TYPES: dict[str, Any] = {
    "bigint": _Bigint | None,
    "bigint[]": list[_Bigint | None] | None,
    "boolean": bool | None,
    "integer": _Int | None,
    "interval": str | None,
    "jsonb": msgspec.Raw,
    "text": str | None,
    "text[]": list[str | None] | None,
    "timestamp with time zone": _Time | None,
    "uuid": UUID | None,
}
"""What an argument of a type is in JSON. bytea is not among them: JSON has no bytes."""


@dataclass(frozen=True)
class Callable:
    """A function that can be called with JSON. arguments: a struct of its arguments."""

    function: Function
    arguments: type[msgspec.Struct]
    _decoder: msgspec.json.Decoder[Any]

    def read(self, body: bytes) -> dict[str, object]:
        """Return the arguments that are given, by name.

        Raises ValueError whose text names the argument that is wrong, missing or unknown, and
        holds no value; RecursionError.
        """
        given = self._decoder.decode(body)
        values = ((name, getattr(given, name)) for name in given.__struct_fields__)
        return {name: _plain(value) for name, value in values if value is not msgspec.UNSET}

    def query(self, names: list[str]) -> sql.Composed:
        """Return the call with those arguments, in their order, and then the limit.

        It answers one row: the result as JSON text, or null if that is longer than the limit in
        bytes; and how long it is.
        """
        types = {argument.name: argument.type for argument in self.function.arguments}
        named = sql.SQL(", ").join(
            sql.SQL("{} => {}::{}").format(
                sql.Identifier(name), sql.Placeholder(), sql.SQL(types[name])
            )
            for name in names
        )
        result = (
            "coalesce(json_agg(given), '[]')"
            if self.function.many
            else "coalesce(to_json(given), 'null')"
        )
        return sql.SQL(
            """
            with answer as materialized (
                select {}::text as body
                from api.{}({}) as given
            )

            select
                case when octet_length(body) <= {} then body end,
                octet_length(body)
            from answer
            """
        ).format(sql.SQL(result), sql.Identifier(self.function.name), named, sql.Placeholder())


class Functions:
    """The functions of schema api that app_user may execute."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, Callable] = {}
        self._catalog = Catalog({}, {}, {})
        self._read_at = -inf
        self._lock = asyncio.Lock()

    async def find(self, name: str) -> Function | None:
        """Return a function, if there is one of this name. Raises Refusal (503)."""
        return (await self.catalog()).functions.get(name)

    async def catalog(self) -> Catalog:
        """Return schema api, as it was a few seconds ago at most. Raises Refusal (503)."""
        async with self._lock:
            if monotonic() - self._read_at >= _FRESH_S:
                await self._read()
        return self._catalog

    def callable(self, function: Function) -> Callable | None:
        """Return how a function is called with JSON; None if it takes what JSON has none of."""
        known = self._known.get(function.name)
        if known is None or known.function != function:
            known = _callable(function)
            if known:
                self._known[function.name] = known
        return known

    def forget(self) -> None:
        """Read the catalog anew next time, for it has turned out to be another."""
        self._read_at = -inf

    async def _read(self) -> None:
        async with self._database.serving() as connection:
            functions, relations = [
                await (await connection.execute(query)).fetchall()
                for query in (FUNCTIONS, RELATIONS)
            ]
        self._catalog = catalog_of(functions, relations)
        self._read_at = monotonic()


def _callable(function: Function) -> Callable | None:
    if any(argument.type not in _TYPES for argument in function.arguments):
        return None
    fields = [
        (argument.name, _TYPES[argument.type])
        if argument.default is None
        else (argument.name, _TYPES[argument.type], msgspec.UNSET)
        for argument in function.arguments
    ]
    # Without keywords only it would refuse an argument that must be given behind one that must not.
    struct = msgspec.defstruct(function.name, fields, forbid_unknown_fields=True, kw_only=True)
    return Callable(function, struct, msgspec.json.Decoder(struct))


def _plain(value: object) -> object:
    """Return a value for Postgres. JSON's null is null for jsonb too, as it is in PostgREST."""
    if isinstance(value, msgspec.Raw):
        text = bytes(value).decode()
        return None if text.strip() == "null" else text
    return value
