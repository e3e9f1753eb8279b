"""One command, and everything is there: the page, people to sign in as, what they have."""

import json
import signal
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from tests.py.up.ups import Home, Up, is_there, new_home, signed_in, wait_gone
from tests.py.waiting import wait_until

_INGESTED = "session-0195a001-0000-7000-8000-00000000c0de"
_COUNT = """
    select 'threads: ' || count(*)
    from app.chat_threads
    where session_id = 'tour'
        and mode = 'session'
"""


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """Return a home with an embedded Postgres of its own."""
    with new_home() as home:
        yield home


@pytest.fixture(scope="module")
def up(home: Home) -> Iterator[Up]:
    """Run it, with people who talk."""
    with home.up("--demo") as up:
        yield up


def sessions_of(client: httpx.Client) -> dict[str, str]:
    """Return the sessions that somebody sees, and as what."""
    rows = client.get("/v1/sessions").json()["sessions"]
    return {row["session_id"]: row["role"] for row in rows}


def call(client: httpx.Client, function: str, **given: object) -> list[dict[str, object]]:
    """Call a function as somebody."""
    answer = client.post(f"/rpc/{function}", json=given)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, object]] = answer.json()
    return rows


def test_what_it_prints_is_there_at_once(up: Up) -> None:
    with httpx.Client(base_url=up.address, trust_env=False) as client:
        assert client.get("/ready").json() == {"status": "ready"}
        assert "A tiny viewer" in client.get("/").text
        assert client.get("/auth/session").status_code == 401
    assert 0 < up.facts["seconds"] < time.time() - up.facts["up"]["created"] + 1
    assert any("stand-in" in note for note in up.facts["notes"])


def test_ada_has_the_sample_and_shares_the_tour(up: Up) -> None:
    with signed_in(up, "ada") as ada:
        sessions = sessions_of(ada)
        assert sessions["tour"] == "owner"
        assert set(sessions) > {"tour", "session-default"}
        assert call(ada, "list_todos", session_id="tour")
        statuses = {row["status"] for row in call(ada, "list_tool_events", session_id="tour")}
        assert statuses >= {"failed", "succeeded"}
        (upload,) = call(ada, "list_uploads", session_id="tour")
        assert ada.get(f"/api/uploads/{upload['id']}").status_code == 200
        events = call(ada, "list_session_events", session_id=_INGESTED)
        assert len(events) > 3


def test_bo_is_a_member_and_may_write(up: Up) -> None:
    with signed_in(up, "ada") as ada:
        owner = ada.get("/auth/session").json()["account_id"]
    with signed_in(up, "bo") as bo:
        assert sessions_of(bo) == {"tour": "editor", "bo-notes": "owner"}
        answer = bo.post(
            "/rpc/append_message",
            json={"session_id": "tour", "role": "user", "content": "Hello.", "account_id": owner},
        )
        assert answer.status_code == 200, answer.text


def test_cy_is_a_stranger_to_them(up: Up) -> None:
    with signed_in(up, "ada") as ada:
        owner = ada.get("/auth/session").json()["account_id"]
        assert "tour" in sessions_of(ada)
    with signed_in(up, "cy") as cy:
        assert sessions_of(cy) == {"cy-garden": "owner"}
        seen = cy.get(f"/v1/sessions/tour/shapes/session_messages?offset=-1&owner={owner}")
        assert seen.status_code == 403


def test_people_go_on_talking(up: Up) -> None:
    with signed_in(up, "ada") as ada:

        def said() -> int:
            threads = call(ada, "list_threads", session_id="tour", mode="general")
            return sum(int(str(row["message_count"])) for row in threads)

        before = said()
        wait_until(lambda: said() > before)


def test_status_says_what_runs(up: Up) -> None:
    result = up.home.invoke("status", "--json")
    assert result.returncode == 0, result.stdout
    facts = json.loads(result.stdout)
    assert (facts["up"]["pid"], facts["healthy"]) == (up.process.pid, True)
    assert {part["name"]: part["health"] for part in facts["parts"]} == dict.fromkeys(
        ("postgres", "electric", "provider", "gatekeeper", "talk"), "well"
    )
    shown = up.home.invoke("status").stdout
    assert up.address in shown
    assert str(up.pid("gatekeeper")) in shown


def test_a_second_one_says_that_it_is_up(up: Up) -> None:
    for options in ([], ["--detach"]):
        result = up.home.invoke("up", *options)
        assert result.returncode == 0, result.stderr
        assert "it is up already" in result.stdout
        assert up.address in result.stdout
    assert up.process.poll() is None


def test_no_secret_is_in_logs_and_state(up: Up) -> None:
    secret = psutil.Process(up.pid("gatekeeper")).environ()["ELECTRIC_SECRET"]
    password = (up.home.folder / "postgres" / "password").read_text()
    with signed_in(up, "bo") as bo:
        cookie = bo.headers["cookie"].partition("=")[2]
    files = [path for path in (up.home.folder / "up").iterdir() if path.is_file()]
    assert {path.name for path in files} >= {"gatekeeper.log", "electric.log", "state.json"}
    for path in [*files, up.printed]:
        text = path.read_text()
        for hidden in (secret, password, cookie):
            assert hidden not in text, path.name
    # The files are where they would be: what is no secret is found.
    assert "/auth/session" in (up.home.folder / "up" / "gatekeeper.log").read_text()
    assert up.address in (up.home.folder / "up" / "state.json").read_text()
    for part in up.facts["parts"]:
        if part["pid"]:
            arguments = " ".join(psutil.Process(part["pid"]).cmdline())
            assert secret not in arguments
            assert password not in arguments


def test_ctrl_c_ends_all_of_it(up: Up) -> None:
    pids = up.pids()
    assert len(pids) == 5
    assert all(is_there(pid) for pid in pids)
    assert up.end(signal.SIGINT) == 0
    assert not any(is_there(pid) for pid in pids)
    assert up.home.state is None
    assert up.home.invoke("status").returncode == 1


def test_the_data_stay_and_nothing_is_told_twice(home: Home, up: Up) -> None:
    wait_gone([up.process.pid])
    result = home.invoke("up", "--port", "0", "--detach", "--json")
    assert result.returncode == 0, result.stderr
    again = json.loads(result.stdout)
    pids = [part["pid"] for part in again["parts"]]
    counted = home.invoke("psql", "--command", _COUNT)
    assert "threads: 1" in counted.stdout
    assert home.invoke("down").stdout.strip() == "ended"
    wait_gone(pids)
    assert home.invoke("down").stdout.strip() == "nothing is up"
