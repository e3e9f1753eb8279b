"""Shapes: what a client may follow, as Postgres defines it for who asks."""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote
from uuid import UUID

from gatekeeper.database import Connection
from gatekeeper.errors import forbidden
from gatekeeper.queries import Asked, Protocol

_AUTHORIZE = """
    select table_schema, table_name, where_clause, params, columns
    from sync.authorize_shape(%s, session_id => %s, thread_id => %s, account_id => %s)
"""
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Definition:
    """A shape, whole: what Electric is asked, but for where a client is in it.

    table: the one canonical spelling, schema.table.
    """

    table: str
    where: str
    params: tuple[str, ...]
    columns: tuple[str, ...]
    replica: str = "default"
    log: str = "full"

    def named(self) -> dict[str, str]:
        """Return what Electric calls it by, params apart, each in its one spelling."""
        columns = ",".join(f'"{column}"' for column in self.columns)
        return {
            "table": self.table,
            "where": self.where,
            "columns": columns,
            "queryable_columns": columns,
            "replica": self.replica,
            "log": self.log,
        }

    def query(self) -> bytes:
        """Return the part of Electric's query that is the same for all who follow the shape."""
        return _query_of(self)

    def require(self, asked: Asked) -> None:
        """Refuse (403) a request that says something else of the shape than Postgres does."""
        if asked.shape:
            named = self.named()
            if any(named[name] != value for name, value in asked.shape.items()):
                raise forbidden()
        if asked.params and asked.params != self.params:
            raise forbidden()


def protocol_query(protocol: Protocol) -> bytes:
    """Return the other part: where clients are.

    Who is at one place asks one question: what only tells caches apart is left out.
    """
    pairs = {"offset": protocol.offset}
    if protocol.handle is not None:
        pairs["handle"] = protocol.handle
    if protocol.live:
        pairs["live"] = "true"
    if protocol.sse:
        pairs["live_sse"] = "true"
    return _encoded(pairs)


async def authorize(
    connection: Connection,
    shape: str,
    session_id: str | None = None,
    thread_id: str | None = None,
    owner: UUID | None = None,
) -> Definition:
    """Return the definition of a shape for who asks: the connection acts as them.

    Raises Refusal: 403 if there is no such shape or session, or not for them; 400.
    """
    cursor = await connection.execute(_AUTHORIZE, [shape, session_id, thread_id, owner])
    row = await cursor.fetchone()
    if row is None:
        raise forbidden()
    schema, table, where, params, columns = row
    if not all(_NAME.fullmatch(name) for name in (schema, table, *columns)):
        raise ValueError("sync.shapes has a name that would need quotes")
    return Definition(f"{schema}.{table}", where, tuple(params), tuple(columns))


@lru_cache(maxsize=10_000)
def _query_of(definition: Definition) -> bytes:
    # In parentheses, so that nothing can ever be read as a part of one branch of it.
    pairs = definition.named() | {"where": f"({definition.where})"}
    pairs |= {f"params[{number}]": value for number, value in enumerate(definition.params, 1)}
    return _encoded(pairs)


def _encoded(pairs: dict[str, str]) -> bytes:
    return "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(pairs.items())
    ).encode()
