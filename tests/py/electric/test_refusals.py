"""What an Electric refuses: by publication, identity, grants, policies and conditions."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from psycopg import sql

from harness.connections import Connection
from tests.py.electric.electrics import Electric
from tests.py.electric.following import Follower

Ask = Callable[..., httpx.Response]


@pytest.fixture
def shape(electric: Electric, ask: httpx.Client, table: Connection) -> Ask:  # noqa: ARG001 - it has to be there
    """Return a way to ask for a shape of the recordings' table."""

    def asked(**query: str) -> httpx.Response:
        known = {"table": "rec.messages", "offset": "-1", "secret": electric.secret}
        return ask.get("/v1/shape", params=known | query)

    return asked


@pytest.fixture
def new_table(table: Connection) -> str:
    """Make a table that no Electric has seen: of one that it has shapes of it looks up no more."""
    name = f"t{uuid4().hex}"
    identifier = sql.Identifier("rec", name)
    for statement in (
        "create table {} (id text primary key)",
        "alter table {} replica identity full",
        "alter publication electric_publication_sessionbase add table {}",
        "grant select on {} to electric_read",
    ):
        table.execute(sql.SQL(statement).format(identifier))
    return f"rec.{name}"


def test_a_table_that_is_not_published_is_refused(
    shape: Ask, table: Connection, new_table: str
) -> None:
    table.execute(f"alter publication electric_publication_sessionbase drop table {new_table}")
    answer = shape(table=new_table)
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert "missing from the publication" in answer.json()["message"]


def test_a_catalog_is_refused(shape: Ask) -> None:
    assert shape(table="pg_catalog.pg_class").status_code == httpx.codes.SERVICE_UNAVAILABLE


def test_upload_contents_are_refused(shape: Ask) -> None:
    answer = shape(table="app.upload_chunks")
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE


def test_a_new_table_that_is_published_is_taken(shape: Ask, new_table: str) -> None:
    assert shape(table=new_table).status_code == httpx.codes.OK


def test_another_identity_than_full_is_refused(
    shape: Ask, table: Connection, new_table: str
) -> None:
    table.execute(f"alter table {new_table} replica identity default")
    answer = shape(table=new_table)
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert "FULL" in answer.json()["message"]


def test_without_a_grant_there_is_no_snapshot(shape: Ask, table: Connection) -> None:
    table.execute("revoke select on rec.messages from electric_read")
    answer = shape()
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert "permission denied" in answer.json()["message"]
    table.execute("grant select on rec.messages to electric_read")
    assert shape().status_code == httpx.codes.OK


def test_without_a_policy_a_snapshot_is_empty(shape: Ask, table: Connection) -> None:
    table.execute("alter table rec.messages enable row level security")
    assert len(shape().json()) == 1
    table.execute('create policy "x" on rec.messages for select to electric_read using (true)')
    assert len(shape(where="true").json()) == 5


@pytest.mark.parametrize(
    "where",
    [
        "true) or (true",
        "true) union select * from pg_authid --",
        "true; drop table rec.messages",
        "true order by id",
        "exists (table pg_authid)",
        "'unclosed",
        "$$unclosed",
        "id = 7",
        "id",
        "seq = $1 and id = $3",
        "count(*) > 0",
        "set_config('role', 'postgres', false) <> ''",
        "pg_catalog.set_config/* */('role', 'postgres', false) <> ''",
        "\"set_config\"('role', 'postgres', false) <> ''",
        "at < now()",
        "at < current_timestamp",
    ],
)
def test_what_is_no_condition_is_refused(where: str, shape: Ask) -> None:
    answer = shape(where=where, **{"params[1]": "1"})
    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert set(answer.json()["errors"]) == {"where"}


def test_a_subquery_of_a_catalog_is_refused(shape: Ask) -> None:
    """Electric takes subqueries, of tables that it may have shapes of; it names the table then."""
    answer = shape(where="id in (select rolname from pg_roles)")
    assert answer.status_code == httpx.codes.BAD_REQUEST


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("messages.id like '%3'", "At location 0: unknown reference messages.id"),
        ('1 = "messages" . "seq"', "At location 4: unknown reference messages.seq"),
        ("rec.messages.seq > 3", "At location 0: unknown reference rec.messages.seq"),
        ("seq % 2 = 0", 'At location 4: unknown binary operator "%"'),
        ("extra->>'k' is null", 'At location 5: unknown binary operator "->>"'),
        ("id ~ '3'", 'At location 3: unknown binary operator "~"'),
        ("score::numeric(10, 2) = 1.5", "At location 7: unsupported type numeric"),
    ],
)
def test_what_is_a_condition_for_postgres_only_is_refused(
    where: str, said: str, shape: Ask, table: Connection
) -> None:
    table.execute(f"select from rec.messages where {where}")
    answer = shape(where=where)
    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert answer.json()["errors"] == {"where": [said]}


@pytest.mark.parametrize(
    ("where", "params", "ids"),
    [
        ("id = 'm3' -- and nothing else", {}, {"m3"}),
        ("id like '%3' and '{}' = '{}'", {}, {"m3"}),
        ('"seq" > $1', {"params[1]": "3"}, {"m1"}),
        ("id = $1", {"params[1]": "m1' or true --"}, set()),
        ("lower(content) = any(array['other session', '{x}']) and not (done)", {}, {"m3"}),
        ("content = 'now() (select' or id in ('m3') and seq between (3) and (4)", {}, {"m3"}),
        ("seq::text = '3' and score is null or score = coalesce(null, 1.5)", {}, {"m1", "m3"}),
        ("uid = $1", {"params[1]": "00000000-0000-0000-0000-000000000001"}, {"m1"}),
        ("seq = $1", {"params[1]": "2", "params[2]": "unused"}, {"m2"}),
    ],
)
def test_what_is_a_condition_is_asked_of_postgres(
    where: str, params: dict[str, str], ids: set[str], shape: Ask
) -> None:
    answer = shape(where=where, **params)
    rows: list[dict[str, Any]] = [one["value"] for one in answer.json() if "value" in one]
    assert {row["id"] for row in rows} == ids


@pytest.mark.parametrize(
    "body",
    ["[]", "no JSON", '{"subset": {}, "params": [1]}', '{"limit": "many", "order_by": "id"}'],
)
def test_a_body_that_is_none_is_refused(body: str, electric: Electric, ask: httpx.Client) -> None:
    query = {"table": "rec.messages", "offset": "-1", "secret": electric.secret}
    answer = ask.post("/v1/shape", params=query, content=body)
    assert answer.status_code == httpx.codes.BAD_REQUEST


@pytest.mark.parametrize("name", ["table", "where", "columns", "subset__where"])
def test_null_characters_are_refused(name: str, shape: Ask) -> None:
    assert shape(**{name: 'id\0"'}).status_code == httpx.codes.BAD_REQUEST


def test_a_value_that_is_not_of_its_type_is_refused(shape: Ask) -> None:
    answer = shape(where="uid = $1", **{"params[1]": "no uuid"})
    assert answer.status_code == httpx.codes.BAD_REQUEST


def test_a_row_that_a_condition_fails_on_is_not_in_the_shape(
    electric: Electric, shape: Ask, table: Connection
) -> None:
    fragile = Follower(electric, {"table": "rec.messages", "where": "10 / seq > 1"})
    fragile.follow(until=lambda rows: len(rows) == 4)
    with table.transaction():
        table.execute("update rec.messages set seq = 0 where id = 'm3'")
        table.execute("update rec.messages set content = 'new' where id = 'm2'")
    fragile.follow(until=lambda rows: len(rows) == 3)
    assert fragile.rows['"rec"."messages"/"a1"/"m2"']["content"] == "new"
    # To take a snapshot is another matter.
    answer = shape(where="20 / seq > 1")
    assert answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR
    assert "division by zero" in answer.json()["message"]
    table.execute("update rec.messages set seq = 1 where id = 'm3'")
    fragile.follow(until=lambda rows: len(rows) == 4)
    assert fragile.rotations == 0


def test_keys_are_quoted_and_their_slashes_doubled(electric: Electric, table: Connection) -> None:
    table.execute("""
        insert into rec.messages (account_id, id, session_id, role) values ('a/"1', 'm', 's9', 'u')
    """)
    follower = Follower(electric, {"table": "rec.messages", "where": "session_id = 's9'"})
    follower.follow(until=lambda rows: set(rows) == {'"rec"."messages"/"a//"1"/"m"'})
    table.execute("update rec.messages set content = 'new' where session_id = 's9'")
    follower.follow(until=lambda rows: [row["content"] for row in rows.values()] == ["new"])


def test_a_shape_does_not_outlive_its_table_as_it_was(
    electric: Electric, table: Connection
) -> None:
    follower = Follower(electric, {"table": "rec.messages"})
    follower.follow(until=lambda rows: len(rows) == 4)
    # Electric learns of it with the next change.
    table.execute("alter table rec.messages add column note text not null default 'none'")
    table.execute("delete from rec.messages where id = 'm3'")
    follower.follow(until=lambda rows: [row.get("note") for row in rows.values()] == ["none"] * 3)
    assert follower.rotations > 0
