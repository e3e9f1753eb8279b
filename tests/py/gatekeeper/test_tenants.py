"""Functions and uploads where one gatekeeper serves several accounts, each with its own token."""

import io
from collections.abc import Iterator
from contextlib import ExitStack
from uuid import UUID

import httpx
import pytest

from harness.connections import Connection, Server
from harness.uploads import About, store_upload
from tests.py.gatekeeper.personas import (
    DISABLED,
    EDITOR,
    OWNER,
    SHARED,
    STRANGER,
    VIEWER,
    Clients,
    nowhere,
    tenants,
)

_BYTES = {"content-type": "application/octet-stream"}
_OF_OWNER = {"account_id": str(OWNER)}


@pytest.fixture(scope="module")
def together(shared: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """Give an HTTP client for each account, all of one gatekeeper."""
    with ExitStack() as stack:
        made = stack.enter_context(tenants(nowhere(shared), tmp_path_factory.mktemp("issuer")))
        yield {
            account: stack.enter_context(made.client(account))
            for account in (OWNER, VIEWER, EDITOR, STRANGER, DISABLED)
        }


def statuses(together: Clients, path: str, **body: object) -> dict[UUID, int]:
    """Call as each account; return the statuses."""
    return {
        account: client.post(f"/rpc/{path}", json=body).status_code
        for account, client in together.items()
    }


def count(root: Connection, table: str) -> int:
    ((rows,),) = root.execute(f"select count(*) from app.{table}".encode()).fetchall()
    return int(rows)


def test_members_read_and_editors_write(together: Clients, root: Connection) -> None:
    before = count(root, "todos")
    written = statuses(together, "add_todo", body="x", session_id=SHARED, **_OF_OWNER)
    assert written == {OWNER: 200, EDITOR: 200, VIEWER: 403, STRANGER: 404, DISABLED: 403}
    assert count(root, "todos") == before + 2
    seen = {
        account: len(client.post("/rpc/list_todos", json={"session_id": SHARED} | _OF_OWNER).json())
        for account, client in together.items()
        if account != DISABLED
    }
    assert seen == {OWNER: 2, EDITOR: 2, VIEWER: 2, STRANGER: 0}


def test_a_viewer_changes_nothing_that_it_reads(together: Clients, root: Connection) -> None:
    todo = together[OWNER].post("/rpc/add_todo", json={"body": "own", "session_id": SHARED}).json()
    change = {"todo_id": todo["id"], "body": "theirs"} | _OF_OWNER
    read = together[VIEWER].post("/rpc/list_todos", json={"session_id": SHARED} | _OF_OWNER).json()
    assert todo["id"] in [row["id"] for row in read]
    refused = together[VIEWER].post("/rpc/update_todo", json=change)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "42501")
    assert root.execute("select body from app.todos where id = %s", [todo["id"]]).fetchall() == [
        ("own",)
    ]
    assert together[EDITOR].post("/rpc/update_todo", json=change).json()["body"] == "theirs"


def test_what_is_foreign_and_what_is_nowhere_are_one_answer(
    together: Clients, root: Connection
) -> None:
    todo = together[OWNER].post("/rpc/add_todo", json={"body": "own", "session_id": SHARED}).json()
    stranger = together[STRANGER]

    def change(todo_id: str) -> httpx.Response:
        return stranger.post("/rpc/update_todo", json={"todo_id": todo_id, "body": "x"} | _OF_OWNER)

    there, nowhere_ = change(todo["id"]), change("todo_nowhere")
    assert there.status_code == nowhere_.status_code == 404
    assert there.text.replace(todo["id"], "todo_nowhere") == nowhere_.text
    assert root.execute("select body from app.todos where id = %s", [todo["id"]]).fetchall() == [
        ("own",)
    ]
    assert stranger.post("/rpc/list_todos", json=_OF_OWNER | {"session_id": SHARED}).json() == []


def test_one_id_of_a_session_is_each_accounts_own(together: Clients) -> None:
    for account in (OWNER, STRANGER):
        made = together[account].post(
            "/rpc/add_todo", json={"body": f"of {account}", "session_id": "session-own"}
        )
        assert made.json()["account_id"] == str(account)
    for account in (OWNER, STRANGER):
        rows = together[account].post("/rpc/list_todos", json={"session_id": "session-own"}).json()
        assert {row["body"] for row in rows} == {f"of {account}"}


def test_bytes_are_the_owners_alone(together: Clients, root: Connection) -> None:
    about = About("log.jsonl", session_id=SHARED)
    upload = store_upload(root, OWNER, io.BytesIO(b"the owner's"), about).upload["id"]

    def read(account: UUID, upload_id: str) -> httpx.Response:
        return together[account].get(f"/api/uploads/{upload_id}", params={"owner": str(OWNER)})

    assert {account: read(account, upload).status_code for account in together} == {
        OWNER: 200,
        VIEWER: 403,
        EDITOR: 403,
        STRANGER: 404,
        DISABLED: 403,
    }
    assert read(OWNER, upload).content == b"the owner's"
    foreign, missing = read(STRANGER, upload), read(STRANGER, "upload_nowhere")
    assert foreign.status_code == missing.status_code
    assert foreign.text.replace(upload, "upload_nowhere") == missing.text


def test_what_is_stored_is_whose_token_it_was(together: Clients, root: Connection) -> None:
    for account in (OWNER, VIEWER, STRANGER):
        answer = together[account].post(
            "/api/uploads",
            params={"name": "x", "session_id": SHARED},
            content=b"x",
            headers=_BYTES,
        )
        assert answer.json()["account_id"] == str(account)
        for other in {OWNER, VIEWER, STRANGER} - {account}:
            assert together[other].get(answer.headers["location"]).status_code == 404
    before = count(root, "session_uploads")
    refused = together[DISABLED].post("/api/uploads?name=x", content=b"x", headers=_BYTES)
    assert refused.status_code == 403
    assert count(root, "session_uploads") == before


def test_without_a_token_nobody_is_anybody(together: Clients, root: Connection) -> None:
    before = count(root, "todos"), count(root, "session_uploads")
    url = str(together[OWNER].base_url)
    with httpx.Client(base_url=url, trust_env=False) as nobody:
        answers = [
            nobody.post("/rpc/add_todo", json={"body": "x"}),
            nobody.post("/rpc/list_todos", json=_OF_OWNER),
            nobody.post("/api/uploads?name=x", content=b"x", headers=_BYTES),
            nobody.get("/api/uploads/upload_nowhere"),
        ]
    assert [answer.status_code for answer in answers] == [401] * 4
    assert (count(root, "todos"), count(root, "session_uploads")) == before
