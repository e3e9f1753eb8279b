"""Shapes in both styles, in front of the stand-in: who gets what, and who is refused."""

from collections.abc import Iterator
from contextlib import ExitStack
from threading import Timer
from time import monotonic
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from harness.connections import Connection
from harness.testing.servers import Databases
from tests.py.electric.electrics import Electric, stand_in
from tests.py.gatekeeper.gatekeepers import running
from tests.py.gatekeeper.personas import DISABLED, OWNER, SHARED, STRANGER, VIEWER, cast
from tests.py.gatekeeper.upstreams import HANDLE
from tests.py.waiting import wait_until

Clients = dict[str, httpx.Client]

_PEOPLE = {"owner": OWNER, "viewer": VIEWER, "stranger": STRANGER, "disabled": DISABLED}
_TODOS = f"/v1/sessions/{quote(SHARED, safe='')}/shapes/session_todos"
_TODO = "insert into app.todos (account_id, id, session_id, body) values (%s, %s, %s, %s)"
_MEMBER = """
    insert into app.session_members (account_id, session_id, member_account_id, role)
    values (%s, %s, %s, 'viewer')
"""
_TABLE = [
    ("table", "app.todos"),
    ("where", "session_id = $2 and account_id = $1"),
    ("replica", "default"),
    ("log", "full"),
    ("params[1]", str(OWNER)),
    ("params[2]", SHARED),
]


@pytest.fixture(scope="module")
def electric(databases: Databases) -> Iterator[Electric]:
    """Return a stand-in over a database with people in it."""
    with databases.migrated() as made:
        cast(made)
        with stand_in(made, 9.0, 1.0, 6.0) as electric:
            yield electric


@pytest.fixture(scope="module")
def people(electric: Electric) -> Iterator[Clients]:
    """Return a client of each, of a gatekeeper that knows no other."""
    with ExitStack() as stack:
        made = {}
        for name, account in _PEOPLE.items():
            gatekeeper = stack.enter_context(running(electric, single_account_id=account))
            made[name] = stack.enter_context(gatekeeper.client())
        yield made


@pytest.fixture(autouse=True)
def _no_todos(writer: Connection) -> None:
    writer.execute("delete from app.todos")


def order(client: httpx.Client, **more: str) -> httpx.Response:
    """Ask for a token for the todos of the shared session, as of its owner's."""
    wanted = {"shape": "session_todos", "session_id": SHARED, "owner": str(OWNER)} | more
    return client.post("/v1/shape-tokens", json=wanted)


def bearer(client: httpx.Client) -> dict[str, str]:
    """Return the header with a token."""
    return {"authorization": f"Bearer {order(client).json()['token']}"}


def rows(answer: httpx.Response) -> list[dict[str, Any]]:
    """Return the rows of an answer's messages."""
    assert answer.status_code == 200, answer.text
    return [message["value"] for message in answer.json() if "value" in message]


def next_query(answer: httpx.Response, **more: str) -> dict[str, str]:
    """Return the query that goes on where an answer ended."""
    headers = answer.headers
    return {"offset": headers["electric-offset"], "handle": headers["electric-handle"]} | more


def test_rows_come_by_name_and_by_token(people: Clients, writer: Connection) -> None:
    writer.execute(_TODO, [OWNER, "t1", SHARED, "of the shared session"])
    writer.execute(_TODO, [STRANGER, "t2", "session-own", "a stranger's"])
    for person in ("owner", "viewer"):
        client = people[person]
        query = {"offset": "-1", "owner": str(OWNER)}
        by_name = rows(client.get(_TODOS, params=query))
        by_token = rows(client.get("/v1/shape?offset=-1", headers=bearer(client)))
        assert [row["id"] for row in by_name] == ["t1"]
        assert by_token == by_name


def test_the_missing_and_the_foreign_session_are_one_answer(
    people: Clients, writer: Connection
) -> None:
    writer.execute(_TODO, [OWNER, "t1", SHARED, "there it is"])
    query = {"offset": "-1", "owner": str(OWNER)}
    assert len(rows(people["owner"].get(_TODOS, params=query))) == 1
    foreign = people["stranger"].get(_TODOS, params=query)
    missing = people["stranger"].get("/v1/sessions/nowhere/shapes/session_todos?offset=-1")
    unknown = people["owner"].get(_TODOS.replace("todos", "secrets"), params=query)
    disabled = people["disabled"].get("/v1/shapes/account_sessions?offset=-1")
    answers = [foreign, missing, unknown, disabled, order(people["stranger"])]
    assert {(answer.status_code, answer.content) for answer in answers} == {(403, foreign.content)}
    assert foreign.json()["error"]["code"] == "forbidden"
    assert foreign.headers["cache-control"] == "no-store"


def test_shapes_of_the_account_have_a_route_of_their_own(people: Clients) -> None:
    query = {"offset": "-1"}
    mine = rows(people["stranger"].get("/v1/shapes/account_sessions", params=query))
    assert [row["id"] for row in mine] == ["session-own"]
    shared = rows(people["viewer"].get("/v1/shapes/account_memberships", params=query))
    assert [row["session_id"] for row in shared] == [SHARED]
    assert people["viewer"].get("/v1/shapes/session_todos?offset=-1").status_code == 400


def test_what_a_client_repeats_of_the_shape_must_be_what_postgres_says(people: Clients) -> None:
    client = people["owner"]
    told = order(client).json()
    columns = ",".join(f'"{column}"' for column in told["params"]["columns"])
    same = dict(_TABLE) | {"columns": columns, "queryable_columns": columns, "offset": "-1"}
    headers = {"authorization": f"Bearer {told['token']}"}
    assert client.get("/v1/shape", params=same, headers=headers).status_code == 200
    assert client.get(_TODOS, params=same).status_code == 200
    assert told["params"]["table"] == "app.todos"
    assert told["params"]["params"] == [str(OWNER), SHARED]
    assert told["url"] == f"{str(client.base_url).rstrip('/')}/v1/shape"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("table", "todos"),
        ("table", '"app"."todos"'),
        ("table", "APP.TODOS"),
        ("table", "app.upload_chunks"),
        ("where", "true"),
        ("where", "(session_id = $2 and account_id = $1)"),
        ("params[2]", "session-own"),
        ("params[1]", str(STRANGER)),
        ("replica", "full"),
        ("log", "changes_only"),
        ("columns", "id"),
        ("queryable_columns", '"id"'),
    ],
)
def test_another_shape_than_the_claims_is_forbidden(people: Clients, name: str, value: str) -> None:
    client = people["owner"]
    other = dict(_TABLE) | {"offset": "-1"}
    headers = bearer(client)
    assert client.get("/v1/shape", params=other, headers=headers).status_code == 200
    other[name] = value
    for answer in (
        client.get("/v1/shape", params=other, headers=headers),
        client.get(_TODOS, params=other),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")


def test_fewer_or_more_params_are_forbidden(people: Clients) -> None:
    client, headers = people["owner"], bearer(people["owner"])
    for params in ({"params[1]": str(OWNER)}, dict(_TABLE[4:]) | {"params[3]": "x"}):
        answer = client.get("/v1/shape", params=params | {"offset": "-1"}, headers=headers)
        assert answer.status_code == 403


def test_other_methods_and_bodies_are_refused(people: Clients) -> None:
    client, headers = people["owner"], bearer(people["owner"])
    for path in ("/v1/shape?offset=-1", f"{_TODOS}?offset=-1"):
        for method in ("POST", "PUT", "DELETE", "HEAD", "PATCH"):
            answer = client.request(method, path, headers=headers if "shape?" in path else {})
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET, OPTIONS")
        assert client.options(path).headers["allow"] == "GET, OPTIONS"
    subset = {"offset": "-1", "subset__where": "true"}
    assert client.get("/v1/shape", params=subset, headers=headers).status_code == 400
    body = client.request("GET", "/v1/shape?offset=-1", headers=headers, content=b"{}")
    assert body.status_code == 400


def test_a_path_that_is_nearly_the_route_is_none(people: Clients) -> None:
    client, headers = people["owner"], bearer(people["owner"])
    for path in ("/v1/shape/", "//v1/shape", "/v1//shape", "/V1/shape", "/v1/shape/x"):
        answer = client.get(f"{str(client.base_url).rstrip('/')}{path}?offset=-1", headers=headers)
        assert answer.status_code == 404, path


def test_a_shape_is_nobodys_without_a_token(people: Clients) -> None:
    client = people["owner"]
    answer = client.get("/v1/shape?offset=-1")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "not_signed_in")
    answer = client.get("/v1/shape?offset=-1", headers={"authorization": "Bearer a.b.c"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "token_invalid")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"session_id": "s"}',
        b'{"shape": "session_todos", "where": "true"}',
        b'{"shape": "session_todos", "session_id": ["s"]}',
        b'{"shape": "session_todos", "session_id": "s", "owner": "x"}',
        b'{"shape": "session_todos", "session_id": "\\u0000"}',
        b'{"shape": "session_todos"}',
    ],
)
def test_an_order_that_is_none_is_refused(people: Clients, body: bytes) -> None:
    answer = people["owner"].post(
        "/v1/shape-tokens", content=body, headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


def test_a_live_poll_brings_what_is_written(people: Clients, writer: Connection) -> None:
    client, headers = people["viewer"], bearer(people["viewer"])
    first = client.get("/v1/shape?offset=-1", headers=headers)
    writer.execute(_TODO, [OWNER, "t9", SHARED, "written since"])
    query = next_query(first, live="true", cursor="")
    seen: list[str] = []
    while "t9" not in seen:
        answer = client.get("/v1/shape", params=query, headers=headers)
        seen += [row["id"] for row in rows(answer)]
        query = next_query(answer, live="true", cursor=answer.headers["electric-cursor"])
    assert answer.headers["electric-up-to-date"] == ""


@pytest.mark.parametrize("more", [{}, {"live_sse": "true"}])
def test_who_is_no_member_any_more_is_told_at_once(
    people: Clients, writer: Connection, more: dict[str, str]
) -> None:
    headers = bearer(people["viewer"])
    query = {"offset": "-1", "owner": str(OWNER)}
    first = people["viewer"].get(_TODOS, params=query)
    live = next_query(first, live="true", **more)
    while "electric-up-to-date" not in first.headers:
        first = people["viewer"].get("/v1/shape", params=next_query(first), headers=headers)
        live = next_query(first, live="true", **more)
    member = [OWNER, SHARED, VIEWER]
    begun = monotonic()
    timer = Timer(0.5, lambda: remove(writer, member))
    timer.start()
    try:
        answer = people["viewer"].get("/v1/shape", params=live, headers=headers)
        while answer.is_success and not more:
            # What an earlier test wrote can come a moment late.
            live = next_query(answer, live="true", cursor=answer.headers["electric-cursor"])
            answer = people["viewer"].get("/v1/shape", params=live, headers=headers)
    finally:
        timer.join()
    # Of itself the poll is held for 9 s and the stream for 6; a busy machine needs some of them.
    assert 0.4 < monotonic() - begun < 5
    assert answer.status_code == (200 if more else 401)
    again = people["viewer"].get("/v1/shape", params=live, headers=headers)
    assert (again.status_code, again.json()["error"]["code"]) == (401, "token_invalid")
    assert order(people["viewer"]).status_code == 403
    writer.execute(_MEMBER, member)
    # For a second after it, what was issued since is not told from what was issued before.
    wait_until(lambda: people["viewer"].get(_TODOS, params=query).is_success)


def remove(writer: Connection, member: list[object]) -> None:
    """Take somebody out of a session."""
    where = "account_id = %s and session_id = %s and member_account_id = %s"
    writer.execute(f"delete from app.session_members where {where}".encode(), member)


def test_nobody_else_may_keep_an_answer(people: Clients) -> None:
    answer = people["owner"].get(_TODOS, params={"offset": "-1"})
    headers = answer.headers
    assert headers["cache-control"] == "private, no-cache"
    assert headers["vary"] == "authorization, cookie, accept-encoding"
    assert headers["x-content-type-options"] == "nosniff"
    told = {name for name in headers if name.startswith(("electric", "access"))}
    assert told == {
        "electric-handle",
        "electric-offset",
        "electric-schema",
        "electric-has-data",
    }
    assert {"etag", "x-request-id", "content-length"} <= set(headers)


def test_who_has_the_answer_is_told_so(people: Clients) -> None:
    client = people["owner"]
    tag = client.get(_TODOS, params={"offset": "-1"}).headers["etag"]
    headers = {"if-none-match": f'"other", {tag}'}
    answer = client.get(_TODOS, params={"offset": "-1"}, headers=headers)
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert client.get(_TODOS, params={"offset": "-1"}).status_code == 200


def test_a_handle_that_is_over_must_be_fetched_anew(people: Clients) -> None:
    client = people["owner"]
    first = client.get(_TODOS, params={"offset": "-1"})
    old = {"offset": "5_0", "handle": HANDLE}
    answer = client.get(_TODOS, params=old)
    assert answer.status_code == 409
    assert answer.json() == [{"headers": {"control": "must-refetch"}}]
    assert answer.headers["electric-handle"] == first.headers["electric-handle"]
    assert answer.headers["cache-control"] == "no-store"


def test_an_event_stream_brings_what_is_written_and_ends(
    people: Clients, writer: Connection
) -> None:
    client, headers = people["viewer"], bearer(people["viewer"])
    first = client.get("/v1/shape?offset=-1", headers=headers)
    query = next_query(first, live="true", live_sse="true", experimental_live_sse="true")
    with client.stream("GET", "/v1/shape", params=query, headers=headers) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        writer.execute(_TODO, [OWNER, "t10", SHARED, "seen at once"])
        lines = list(answer.iter_lines())
    assert any('"t10"' in line for line in lines)
    assert ": keep-alive" in lines
