"""Every shape of the registry can be had: Electric takes its table, columns and condition."""

import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from harness.connections import Connection
from tests.py.electric.electrics import Electric
from tests.py.sync.world import SESSIONS, World

_SHAPES = "select name, table_name, columns, where_template, params from sync.shapes order by name"
_SHARED = """
    insert into app.session_members (account_id, session_id, member_account_id, role)
    values (%s, %s, %s, 'viewer')
    on conflict (account_id, session_id, member_account_id) do nothing
"""
_OF_ACCOUNTS = """
    select class.relname
    from pg_class as class
    inner join pg_attribute as attribute on attribute.attrelid = class.oid
    where class.relnamespace = 'app'::regnamespace
        and class.relkind = 'r'
        and attribute.attname = 'account_id'
"""
Shape = tuple[str, str, list[str], str, list[str]]


@pytest.fixture(scope="module")
def world(electric: Electric) -> Iterator[World]:
    """Fill the database once, with other accounts each time.

    A real Electric's database and shapes are there for the next run too, and an old shape begins
    with its old snapshot.
    """
    with psycopg.connect(electric.server.conninfo, autocommit=True) as connection:
        made = World(connection, seed=secrets.randbits(32))
        one, other, *_ = made.accounts
        for owner, member in ((one, other), (other, one)):
            connection.execute(_SHARED, [owner, SESSIONS[0], member])
        yield made
        _remove(connection, made)


def test_rows_of_every_shape_come_and_go(
    electric: Electric, ask: httpx.Client, writer: Connection, world: World
) -> None:
    shapes: list[Shape] = writer.execute(_SHAPES).fetchall()
    for shape in shapes:
        query, params = _query(shape, world), _params(shape, world)
        answer = ask.get("/v1/shape", params=query | {"secret": electric.secret})
        assert answer.status_code == httpx.codes.OK, (shape[0], answer.text)
        came = [message["value"] for message in answer.json() if "value" in message]
        assert _sorted(came) == _sorted(_selected(writer, shape, params)), shape[0]
        assert came, shape[0]
        key = answer.json()[0]["key"]

        query |= {
            "secret": electric.secret,
            "handle": answer.headers["electric-handle"],
            "offset": answer.headers["electric-offset"],
            "live": "true",
        }
        _touch(writer, shape, params)
        changed = ask.get("/v1/shape", params=query).json()
        assert key in [message.get("key") for message in changed], shape[0]
    assert len(shapes) > 10


def _remove(connection: Connection, world: World) -> None:
    tables = connection.execute(_OF_ACCOUNTS).fetchall()
    with connection.transaction():
        # Without foreign keys, so in any order.
        connection.execute("set local session_replication_role = replica")
        for (table,) in tables:
            query = sql.SQL("delete from {} where account_id = any(%s)")
            connection.execute(query.format(sql.Identifier("app", table)), [world.accounts])
        connection.execute("delete from app.accounts where id = any(%s)", [world.accounts])


def _query(shape: Shape, world: World) -> dict[str, str]:
    _, table, columns, where, _ = shape
    numbered = {f"params[{n}]": value for n, value in enumerate(_params(shape, world), 1)}
    listed = ",".join(f'"{column}"' for column in columns)
    return {
        "table": f"app.{table}",
        "columns": listed,
        "where": where,
        "offset": "-1",
        **numbered,
    }


def _params(shape: Shape, world: World) -> list[str]:
    account = str(world.accounts[0])
    values = {
        "account_id": account,
        "member_account_id": account,
        "session_id": SESSIONS[0],
        "thread_id": f"{SESSIONS[0]}thread-1",
    }
    return [values[name] for name in shape[4]]


def _selected(connection: Connection, shape: Shape, params: list[str]) -> list[dict[str, Any]]:
    _, table, columns, where, _ = shape
    listed = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(c)) for c in columns)
    query = sql.SQL("select {} from {} where ").format(listed, sql.Identifier("app", table))
    with psycopg.RawCursor(connection) as cursor:
        cursor.execute("set time zone 'UTC'")
        cursor.execute((query + sql.SQL(where)).as_string(connection).encode(), params)
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def _touch(connection: Connection, shape: Shape, params: list[str]) -> None:
    """Update a synced column of every row of a shape; a trigger raises the row's version."""
    _, table, _, where, _ = shape
    query = sql.SQL("update {} set row_version = row_version where ").format(
        sql.Identifier("app", table)
    )
    with psycopg.RawCursor(connection) as cursor:
        cursor.execute((query + sql.SQL(where)).as_string(connection).encode(), params)


def _sorted(rows: list[dict[str, Any]]) -> list[list[tuple[str, Any]]]:
    return sorted((sorted(row.items()) for row in rows), key=str)
