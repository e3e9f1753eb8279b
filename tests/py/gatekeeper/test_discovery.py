"""GET /v1/sessions: what Postgres shows who asks, and nothing that can't be had."""

import json
from typing import Any
from uuid import UUID

import httpx
import pytest

from harness.connections import Connection, Server, connect
from tests.py.gatekeeper.personas import (
    DISABLED,
    EDITOR,
    OWNER,
    SHARED,
    STRANGER,
    VIEWER,
    Clients,
)


def found_by(client: httpx.Client, **query: str) -> dict[str, Any]:
    answer = client.get("/v1/sessions", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    found: dict[str, Any] = answer.json()
    return found


def authorize(connection: Connection, account: UUID, session: dict[str, Any], shape: str) -> None:
    """Ask Postgres for a shape of a session. Fails where it may not be had."""
    with connection.transaction():
        connection.execute("set local role app_user")
        claims = json.dumps({"sub": str(account)})
        connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])
        connection.execute(
            "select * from sync.authorize_shape(%s, %s, account_id => %s)",
            [shape, session["session_id"], session["owner"]],
        )


def test_everybody_finds_what_they_may_see(personas: Clients) -> None:
    found = {
        account: {
            (one["session_id"], one["owner"], one["role"]) for one in found_by(client)["sessions"]
        }
        for account, client in personas.items()
    }
    owner = str(OWNER)
    assert found == {
        OWNER: {(SHARED, owner, "owner"), ("session-own", owner, "owner")},
        VIEWER: {(SHARED, owner, "viewer")},
        EDITOR: {(SHARED, owner, "editor")},
        STRANGER: {("session-own", str(STRANGER), "owner")},
        DISABLED: set(),
    }


def test_each_shape_that_is_named_may_be_had(personas: Clients, shared: Server) -> None:
    tried = 0
    with connect(shared, "test") as connection:
        for account, client in personas.items():
            found = found_by(client)
            takes = {shape["name"]: shape["takes"] for shape in found["shapes"]}
            for session in found["sessions"]:
                for name in session["shapes"]:
                    assert "session_id" in takes[name]
                    if "thread_id" not in takes[name]:
                        authorize(connection, account, session, name)
                        tried += 1
        names = connection.execute("select name from sync.shapes").fetchall()
    assert {name for (name,) in names} == takes.keys()
    assert tried > 40


def test_pages_follow_each_other(personas: Clients, shared: Server) -> None:
    with connect(shared, "test") as connection:
        connection.execute(
            "insert into app.sessions (account_id, id) select %s, 'paged ' || n "
            "from generate_series(1, 5) as n",
            [STRANGER],
        )
    whole = found_by(personas[STRANGER])
    assert whole["next"] is None
    assert len(whole["sessions"]) == 6
    paged: list[object] = []
    after = None
    while len(paged) <= len(whole["sessions"]):
        query: dict[str, str] = {"after": after} if after else {}
        page = found_by(personas[STRANGER], page_size="2", **query)
        paged += page["sessions"]
        after = page["next"]
        if after is None:
            break
        assert len(page["sessions"]) == 2
    assert paged == whole["sessions"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("page_size=0", "22023"),
        ("page_size=1001", "22023"),
        ("page_size=x", "bad_request"),
        ("page_size=-1", "bad_request"),
        ("page_size=9999999999", "bad_request"),
        ("page_size=", "bad_request"),
        ("page_size=1&page_size=2", "bad_request"),
        ("after=nothing", "22023"),
        ("after=%00", "bad_request"),
        ("owner=me", "bad_request"),
    ],
)
def test_what_is_wrong_is_refused(personas: Clients, query: str, code: str) -> None:
    answer = personas[OWNER].get(f"/v1/sessions?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
