"""Under maintenance what writes is refused in fixed words, and what reads goes on."""

import httpx

from harness.connections import Server
from harness.maintenance import begin_maintenance, end_maintenance
from tests.py.gatekeeper.personas import OWNER, SHARED, asking

REASON = "what only operators need to know"
BYTES = {"content-type": "application/octet-stream"}
WRITES = (
    ("/rpc/add_todo", {"body": "x"}),
    ("/rpc/append_message", {"session_id": SHARED, "role": "user", "content": "x"}),
)


def write(client: httpx.Client) -> list[httpx.Response]:
    """Write in every way there is."""
    answers = [client.post(path, json=body) for path, body in WRITES]
    answers.append(client.post("/api/uploads?name=log.jsonl", content=b"x", headers=BYTES))
    return answers


def test_writes_are_refused_and_reads_go_on(database: Server) -> None:
    with asking(database, OWNER) as gatekeeper, gatekeeper.client() as client:
        *_, stored = before = write(client)
        assert {answer.status_code for answer in before} <= {200, 201}
        begin_maintenance(database, REASON)
        for answer in write(client):
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "SB503"
            assert "maintenance" in answer.json()["error"]["message"]
            assert REASON not in answer.text
            assert answer.headers["retry-after"] == "30"
            assert answer.headers["cache-control"] == "no-store"
        listed = client.post("/rpc/list_todos", json={})
        assert (listed.status_code, len(listed.json())) == (200, 1)
        assert client.get(f"/api/uploads/{stored.json()['id']}").content == b"x"
        end_maintenance(database)
        assert {answer.status_code for answer in write(client)} <= {200, 201}
