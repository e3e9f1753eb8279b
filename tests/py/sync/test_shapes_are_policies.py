"""The rows of a shape are exactly those that row level security shows who may have it."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from harness.connections import Connection
from tests.py.sync.world import SESSIONS, THREADS, World

Rows = list[tuple[object, ...]]
Shape = tuple[str, str, list[str], list[str]]
"""Name, table, columns, and what its parameters stand for."""

NOBODY = None


def as_role(connection: Connection, role: str, sub: UUID | None) -> None:
    connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
    claims = json.dumps({"sub": str(sub)}) if sub else ""
    connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])


def read_shapes(connection: Connection) -> list[Shape]:
    found = connection.execute(
        "select name, table_name, columns, params from sync.shapes order by name"
    ).fetchall()
    return [(row[0], row[1], row[2], row[3]) for row in found]


def definition(
    connection: Connection, who: UUID | None, shape: str, place: Mapping[str, object]
) -> tuple[str, list[str]] | str:
    """Return condition and parameters as the database gives them, or the SQLSTATE of its no."""
    try:
        with connection.transaction(force_rollback=True):
            as_role(connection, "app_user", who)
            row = connection.execute(
                "select where_clause, params from sync.authorize_shape(%s, %s, %s, %s)",
                [shape, place.get("session_id"), place.get("thread_id"), place.get("account_id")],
            ).fetchone()
    except psycopg.Error as error:
        return error.sqlstate or ""
    assert row is not None
    return row[0], row[1]


def rows_of_shape(connection: Connection, shape: Shape, condition: str, params: list[str]) -> Rows:
    """Read what Electric would: as its role, by the condition, with positional parameters."""
    _, table, columns, _ = shape
    with connection.transaction(force_rollback=True):
        as_role(connection, "electric_read", NOBODY)
        with psycopg.RawCursor(connection) as cursor:
            query = sql.SQL("select {} from {} where ").format(_list(columns), _table(table))
            cursor.execute(query.as_string(connection).encode() + condition.encode(), params)
            return sorted(cursor.fetchall(), key=str)


def rows_by_policy(
    connection: Connection, who: UUID | None, shape: Shape, place: Mapping[str, object]
) -> Rows:
    """Read what the policies show, in that place."""
    _, table, columns, _ = shape
    fields = dict(place)
    if table == "sessions" and "session_id" in fields:
        fields["id"] = fields.pop("session_id")
    where = sql.SQL(" and ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in fields
    )
    with connection.transaction(force_rollback=True):
        as_role(connection, "app_user", who)
        query = sql.SQL("select {} from {} where {}").format(_list(columns), _table(table), where)
        return sorted(connection.execute(query, fields).fetchall(), key=str)


def _list(columns: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _table(name: str) -> sql.Identifier:
    return sql.Identifier("app", name)


def places(shape: Shape, world: World, who: UUID | None) -> Iterator[dict[str, object]]:
    """Give every place that somebody could ask a shape of."""
    wanted = shape[3]
    if wanted == ["member_account_id"]:
        yield {"member_account_id": who}
    elif wanted == ["account_id"]:
        for account in world.accounts:
            yield {"account_id": account}
    else:
        threads: tuple[str | None, ...] = THREADS if "thread_id" in wanted else (None,)
        for account in world.accounts:
            for session in (*SESSIONS, "session-unknown"):
                for thread in threads:
                    place: dict[str, object] = {"account_id": account, "session_id": session}
                    if thread:
                        place["thread_id"] = session + thread
                    yield place


@pytest.mark.parametrize("seed", range(3))
def test_a_shape_has_the_rows_that_policies_show(connection: Connection, seed: int) -> None:
    world = World(connection, seed)
    shapes = read_shapes(connection)
    outcomes: Counter[tuple[str, str]] = Counter()
    for shape in shapes:
        for who in (*world.accounts, world.unknown, NOBODY):
            for place in places(shape, world, who):
                visible = rows_by_policy(connection, who, shape, place)
                answer = definition(connection, who, shape[0], place)
                if isinstance(answer, str):
                    asks_at_all = who in world.accounts[:-1]
                    assert answer == ("SB404" if asks_at_all else "28000"), (shape[0], who, place)
                    foreign = shape[3] == ["account_id"] and place["account_id"] != who
                    assert visible == [] or foreign, (shape[0], who, place)
                    outcomes[shape[0], "refused"] += 1
                    continue
                assert rows_of_shape(connection, shape, *answer) == visible, (shape[0], who, place)
                outcomes[shape[0], "rows" if visible else "no rows"] += 1
    # Each shape was given with rows, and refused where there were rows.
    for shape in shapes:
        assert outcomes[shape[0], "rows"], shape[0]
        assert outcomes[shape[0], "refused"], shape[0]


def test_what_is_foreign_and_what_is_missing_is_refused_alike(connection: Connection) -> None:
    world = World(connection, seed=1)
    who = world.accounts[0]
    foreign = definition(
        connection, who, "session", {"account_id": world.disabled, "session_id": "session-unknown"}
    )
    missing = definition(
        connection, who, "session", {"account_id": world.unknown, "session_id": "session-a"}
    )
    assert foreign == missing == "SB404"
    assert definition(connection, who, "no_such_shape", {}) == "SB404"


def test_the_parameters_are_those_that_were_decided_on(connection: Connection) -> None:
    world = World(connection, seed=2)
    who = world.accounts[0]
    place = {"session_id": "session-a", "thread_id": "session-athread-1"}
    assert definition(connection, who, "thread_messages", place) == (
        "thread_id = $3 and session_id = $2 and account_id = $1",
        [str(who), "session-a", "session-athread-1"],
    )
    assert definition(connection, who, "account_memberships", {}) == (
        "member_account_id = $1",
        [str(who)],
    )
