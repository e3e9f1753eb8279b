"""POST /rpc/{function}: what it takes, what it answers, and what it says no to."""

import json
from typing import Any

import httpx
import pytest

from gatekeeper import functions, rpc
from gatekeeper.errors import forbidden
from gatekeeper.sqlstates import STATUSES
from harness.connections import Connection, Server
from harness.guide.entries import load_entries
from tests.py.gatekeeper.personas import (
    DISABLED,
    EDITOR,
    OWNER,
    SHARED,
    STRANGER,
    VIEWER,
    Clients,
    asking,
)

SECRET = "what a row holds"  # noqa: S105
JSON = {"content-type": "application/json"}


@pytest.fixture
def current(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make gatekeepers read the catalog at every call."""
    monkeypatch.setattr(functions, "_FRESH_S", 0.0)


def error_of(answer: httpx.Response, status: int) -> dict[str, str]:
    """Return what an answer says is wrong."""
    assert answer.status_code == status, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    error: dict[str, str] = answer.json()["error"]
    return error


def todo_of(client: httpx.Client, **given: Any) -> dict[str, Any]:  # noqa: ANN401 - any argument
    answer = client.post("/rpc/add_todo", json={"body": "x"} | given)
    assert answer.status_code == 200, answer.text
    row: dict[str, Any] = answer.json()
    return row


def define(root: Connection, signature: str, kind: str, body: str) -> None:
    """Make a function that app_user may execute. signature: name(arguments) returns type."""
    made = f"create function api.{signature} language plpgsql {kind}"
    root.execute(f"{made} as $$ begin {body} end $$".encode())
    function = signature.partition(" returns ")[0]
    root.execute(f"grant execute on function api.{function} to app_user".encode())


def test_a_row_is_an_object_and_rows_are_an_array(owner: httpx.Client, root: Connection) -> None:
    todo = todo_of(owner, body="Read the log")
    (row,) = root.execute(
        "select to_jsonb(t) from app.todos as t where id = %s", [todo["id"]]
    ).fetchall()
    assert {name: value for name, value in todo.items() if name != "txid"} == row[0]
    assert isinstance(todo["txid"], int)
    assert isinstance(todo["row_version"], int)
    assert "T" in todo["created_at"]

    todos = owner.post("/rpc/list_todos", json={"page_size": 1000})
    assert {name: value for name, value in todo.items() if name != "txid"} in todos.json()
    assert owner.post("/rpc/list_todos", json={"session_id": "none"}).json() == []


def test_txid_is_the_transactions(owner: httpx.Client, root: Connection) -> None:
    todo = todo_of(owner)
    ((xmin,),) = root.execute(
        "select xmin::text::bigint from app.todos where id = %s", [todo["id"]]
    ).fetchall()
    assert todo["txid"] == xmin


@pytest.mark.parametrize(
    "text", ["'; drop table app.todos; --", "%s %(a)s $1 {} \\", '"ä\u2028\U0001f600"']
)
def test_any_text_arrives_as_it_is(owner: httpx.Client, text: str) -> None:
    assert todo_of(owner, body=text)["body"] == text


@pytest.mark.parametrize(
    "value", ['{"a": [1, null, {"b": "\\u00e4"}]}', '{"n": 123456789012345678901234567890.5}']
)
def test_json_arrives_as_it_is(owner: httpx.Client, root: Connection, value: str) -> None:
    body = f'{{"profile_id": "p", "settings": {value}}}'
    assert owner.post("/rpc/save_ui_settings", content=body, headers=JSON).status_code == 200
    ((same,),) = root.execute(
        "select settings = %s::jsonb from app.ui_settings where profile_id = 'p'", [value]
    ).fetchall()
    assert same


def test_null_is_null_for_json_too(owner: httpx.Client, root: Connection) -> None:
    body = {"session_id": SHARED, "tool_name": "search", "arguments": None}
    event = owner.post("/rpc/start_tool_event", json=body)
    assert event.status_code == 200, event.text
    ((is_null,),) = root.execute(
        "select arguments is null from app.chat_tool_events where id = %s", [event.json()["id"]]
    ).fetchall()
    assert is_null


def test_an_argument_that_is_left_out_has_its_default(owner: httpx.Client) -> None:
    for _ in range(3):
        todo_of(owner)
    assert len(owner.post("/rpc/list_todos", json={"page_size": 2}).json()) == 2
    assert len(owner.post("/rpc/list_todos", json={}).json()) > 2


def test_who_asks_decides(personas: Clients) -> None:
    wanted = {"session_id": SHARED, "account_id": str(OWNER)}
    written = {
        account: client.post("/rpc/add_todo", json={"body": "x"} | wanted).status_code
        for account, client in personas.items()
    }
    assert written == {OWNER: 200, EDITOR: 200, VIEWER: 403, STRANGER: 404, DISABLED: 401}
    seen = {
        account: len(client.post("/rpc/list_todos", json=wanted).json())
        for account, client in personas.items()
    }
    assert seen == {OWNER: 2, EDITOR: 2, VIEWER: 2, STRANGER: 0, DISABLED: 0}


def test_statuses_are_those_of_the_guide() -> None:
    told = {code: entry.http for code, entry in load_entries().general.codes.items()}
    assert told == STATUSES


def test_what_a_function_says_is_passed_on(personas: Clients) -> None:
    owner = personas[OWNER]
    gone = owner.post("/rpc/update_todo", json={"todo_id": "todo_gone", "body": "x"})
    assert error_of(gone, 404) == {
        "code": "SB404",
        "message": 'there is no todo "todo_gone" that you may see',
        "hint": "Of a session that is shared with you, account_id is the account that owns it.",
    }
    todo = todo_of(owner, session_id=SHARED)
    late = {"todo_id": todo["id"], "body": "y", "expected_row_version": 99}
    assert error_of(owner.post("/rpc/update_todo", json=late), 409)["code"] == "SB409"
    theirs = {"todo_id": todo["id"], "body": "y", "account_id": str(OWNER)}
    told = error_of(personas[VIEWER].post("/rpc/update_todo", json=theirs), 403)
    assert told["code"] == "42501"
    assert told["message"].startswith("you may read todo")
    assert personas[EDITOR].post("/rpc/update_todo", json=theirs).status_code == 200
    none = error_of(owner.post("/rpc/list_sessions", json={"page_size": 0}), 400)
    assert (none["code"], none["message"]) == ("22023", "a page has 1 to 1000 rows")


def test_a_state_that_does_not_allow_it(owner: httpx.Client) -> None:
    event = owner.post(
        "/rpc/start_tool_event", json={"session_id": SHARED, "tool_name": "search"}
    ).json()
    end = {"tool_event_id": event["id"], "status": "succeeded"}
    assert owner.post("/rpc/finish_tool_event", json=end).status_code == 200
    again = owner.post("/rpc/finish_tool_event", json=end | {"status": "failed"})
    assert error_of(again, 422)["code"] == "SB422"


@pytest.mark.parametrize(
    ("function", "body", "code", "hint"),
    [
        ("add_todo", {"body": None}, "23502", "The column is body."),
        ("open_session", {"session_id": SECRET * 99}, "23514", "The constraint is "),
        ("add_todo", {"body": " "}, "23514", "The constraint is "),
        ("save_ui_settings", {"profile_id": "p", "settings": {"a": f"{SECRET}\0"}}, "22P05", ""),
        ("add_todo", {"body": f"{SECRET}\0"}, "22021", ""),
        ("list_unused_upload_contents", {"older_than": SECRET}, "22007", ""),
    ],
)
def test_what_postgres_says_is_said_in_fixed_words(
    owner: httpx.Client, function: str, body: dict[str, object], code: str, hint: str
) -> None:
    answer = owner.post(f"/rpc/{function}", json=body)
    error = error_of(answer, 400)
    assert error["code"] == code
    assert error["hint"].startswith(hint)
    assert SECRET not in answer.text


def test_row_level_security_is_not_quoted(owner: httpx.Client) -> None:
    answer = owner.post("/rpc/open_session", json={"account_id": str(STRANGER)})
    assert error_of(answer, 403) == {"code": "42501", "message": "You may not do that.", "hint": ""}


@pytest.mark.usefixtures("current")
def test_a_fault_of_ours_tells_nothing(owner: httpx.Client, root: Connection) -> None:
    define(
        root, "faulty() returns text", "volatile", f"raise exception '{SECRET}' using detail = 'x';"
    )
    answer = owner.post("/rpc/faulty", json={})
    assert error_of(answer, 500)["code"] == "internal"
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"body": "x", "titel": "y"}, "Object contains unknown field `titel`"),
        ({}, "Object missing required field `body`"),
        ({"body": 5}, "Expected `str | null`, got `int` - at `$.body`"),
        ({"body": "x", "account_id": "me"}, "Invalid UUID - at `$.account_id`"),
        ([], "Expected `object`, got `array`"),
    ],
)
def test_a_wrong_argument_is_named(owner: httpx.Client, body: object, message: str) -> None:
    error = error_of(owner.post("/rpc/add_todo", json=body), 400)
    assert (error["code"], error["message"]) == ("bad_request", message)


@pytest.mark.parametrize("number", ["2147483648", "1.5", "1e999", '"1"', "true"])
def test_a_number_that_is_none_is_refused(owner: httpx.Client, number: str) -> None:
    body = f'{{"page_size": {number}}}'
    error_of(owner.post("/rpc/list_todos", content=body, headers=JSON), 400)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{} {}",
        b"\xff",
        b'{"body": "\xff"}',
        b'{"body": "\\ud800"}',
        b'{"body": ' + b"[" * 100_000,
        b'{"profile_id": "p", "settings": ' + b"[" * 300_000 + b"]" * 300_000 + b"}",
        b'{"profile_id": "p", "settings": {"a": 1e999999}}',
        b'{"profile_id": "p", "settings": {"a": "\xff"}}',
    ],
)
def test_a_body_that_is_no_json_object_is_refused(owner: httpx.Client, body: bytes) -> None:
    function = "save_ui_settings" if b"profile" in body else "add_todo"
    answer = owner.post(f"/rpc/{function}", content=body, headers=JSON)
    error_of(answer, 400)


def test_deep_json_is_refused_by_postgres_too(owner: httpx.Client) -> None:
    deep = "[" * 500 + "]" * 500
    body = f'{{"profile_id": "p", "settings": {{"a": {deep}}}}}'
    answer = owner.post("/rpc/save_ui_settings", content=body, headers=JSON)
    assert answer.status_code in {200, 400}, answer.text


def test_a_body_over_the_limit_is_refused(shared: Server) -> None:
    body = json.dumps({"body": "x" * 2000}).encode()
    with (
        asking(shared, OWNER, body_limit_bytes=len(body) - 1) as gatekeeper,
        gatekeeper.client() as client,
    ):
        said = client.post("/rpc/add_todo", content=body, headers=JSON)
        unsaid = client.post("/rpc/add_todo", content=iter([body]), headers=JSON)
        assert error_of(said, 413)["code"] == error_of(unsaid, 413)["code"] == "too_large"
        assert (
            client.post("/rpc/add_todo", content=body[:-3] + b'"}', headers=JSON).status_code == 200
        )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        JSON | {"content-encoding": "gzip"},
    ],
)
def test_another_kind_of_body_is_refused(owner: httpx.Client, headers: dict[str, str]) -> None:
    answer = owner.post("/rpc/add_todo", content=b'{"body": "x"}', headers=headers)
    assert error_of(answer, 415)["code"] == "unsupported_media_type"


@pytest.mark.parametrize(
    "name", ["nothing", "clock", "txid", "open_session()", "open_session;", "Open_session", "api.x"]
)
def test_a_function_that_is_not_there_is_not_found(owner: httpx.Client, name: str) -> None:
    assert error_of(owner.post(f"/rpc/{name}", json={}), 404)["code"] == "not_found"


def test_only_post_is_taken_and_no_query(owner: httpx.Client) -> None:
    answer = owner.get("/rpc/list_todos")
    assert error_of(answer, 405)["code"] == "method_not_allowed"
    assert answer.headers["allow"] == "POST"
    error_of(owner.post("/rpc/list_todos?page_size=1", json={}), 400)


@pytest.mark.usefixtures("current")
def test_a_function_that_app_user_may_not_execute_is_not_there(
    owner: httpx.Client, root: Connection
) -> None:
    root.execute("create function api.hidden() returns text language sql as $$ select 'x' $$")
    root.execute("revoke all on function api.hidden() from public")
    assert owner.post("/rpc/hidden", json={}).status_code == 404
    root.execute("grant execute on function api.hidden() to app_user")
    assert owner.post("/rpc/hidden", json={}).json() == "x"


@pytest.mark.usefixtures("current")
@pytest.mark.parametrize(("kind", "mode"), [("stable", "on"), ("volatile", "off")])
def test_what_only_reads_runs_read_only(
    owner: httpx.Client, root: Connection, kind: str, mode: str
) -> None:
    body = "return current_setting('transaction_read_only');"
    define(root, f"mode_{kind}() returns text", kind, body)
    assert owner.post(f"/rpc/mode_{kind}", json={}).json() == mode


@pytest.mark.usefixtures("current")
def test_a_row_that_is_null_is_null(owner: httpx.Client, root: Connection) -> None:
    define(root, "nothing_at_all() returns text", "stable", "return null;")
    assert owner.post("/rpc/nothing_at_all", json={}).json() is None


def test_a_migration_is_seen_without_a_restart(
    shared: Server, root: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(functions, "_FRESH_S", 1000.0)
    define(root, "moved(a text) returns text", "stable", "return a;")
    with asking(shared, OWNER) as gatekeeper, gatekeeper.client() as client:
        assert client.post("/rpc/moved", json={"a": "x"}).json() == "x"
        root.execute("drop function api.moved(text)")
        define(root, "moved(b text) returns text", "stable", "return b;")
        error_of(client.post("/rpc/moved", json={"b": "x"}), 400)
        # Only when Postgres knows no such function it turns out that the catalog is another.
        assert "field `a`" in error_of(client.post("/rpc/moved", json={"a": "x"}), 400)["message"]
        assert client.post("/rpc/moved", json={"b": "x"}).json() == "x"


@pytest.mark.usefixtures("current")
@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_what_another_call_was_in_the_way_of_is_called_again(
    owner: httpx.Client, root: Connection, code: str
) -> None:
    tried = f"tried_{code.lower()}"
    root.execute(f"create sequence api.{tried}; grant usage on sequence api.{tried} to app_user")
    fail = f"raise exception '{SECRET}' using errcode = '{code}';"
    body = f"if nextval('api.{tried}') < give then {fail} end if; return currval('api.{tried}');"
    define(root, f"f_{tried}(give integer) returns bigint", "volatile", body)

    assert owner.post(f"/rpc/f_{tried}", json={"give": 3}).json() == 3
    root.execute(f"alter sequence api.{tried} restart")
    answer = owner.post(f"/rpc/f_{tried}", json={"give": 99})
    assert error_of(answer, 503)["code"] == code
    assert answer.headers["retry-after"] == "1"
    assert SECRET not in answer.text
    ((tries,),) = root.execute(f"select last_value from api.{tried}").fetchall()
    assert tries == 4


def test_what_takes_too_long_is_given_up(shared: Server, root: Connection) -> None:
    with asking(shared, OWNER, function_timeout_s=1) as gatekeeper, gatekeeper.client() as client:
        todo = todo_of(client)
        change = {"todo_id": todo["id"], "body": "y"}
        with root.transaction():
            root.execute("select from app.todos where id = %s for update", [todo["id"]])
            answer = client.post("/rpc/update_todo", json=change)
        assert error_of(answer, 503)["code"] == "57014"
        assert client.post("/rpc/update_todo", json=change).status_code == 200


def test_an_answer_that_is_too_long_is_not_given(
    owner: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        todo_of(owner, body="x" * 1000)
    monkeypatch.setattr(rpc, "_ANSWER_BYTES", 3000)
    error = error_of(owner.post("/rpc/list_todos", json={}), 400)
    assert "page_size" in error["message"]
    assert len(owner.post("/rpc/list_todos", json={"page_size": 1}).json()) == 1


def test_a_write_is_checked_for_where_it_comes_from(
    owner: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise forbidden()

    assert owner.post("/rpc/list_todos", json={}).status_code == 200
    monkeypatch.setattr(rpc, "check_same_site", refuse)
    assert error_of(owner.post("/rpc/list_todos", json={}), 403)["code"] == "forbidden"
