"""How it ends: what is left, what is said, and what is refused before anything starts."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil
import pytest

from harness.connections import Server, connect
from harness.testing.servers import Databases
from harness.up.state import Part
from tests.py.up.ups import Home, is_there, new_home, wait_gone


@contextmanager
def home_on(server: Server) -> Iterator[Home]:
    """Make a home whose commands work on a server."""
    with new_home(DATABASE_URL=server.conninfo) as home:
        yield home


@pytest.fixture(scope="module")
def home(databases: Databases) -> Iterator[Home]:
    """Return a home of this module, and a database on the tests' server."""
    with databases.migrated() as server, home_on(server) as home:
        yield home


def test_a_part_that_ends_is_named_and_the_others_end_too(home: Home) -> None:
    with home.up() as up:
        pids = up.pids()
        os.kill(up.pid("electric"), signal.SIGKILL)
        assert up.process.wait(60) == 1
        said = up.printed.read_text()
        assert "electric ended by itself (signal 9)" in said
        assert str(home.folder / "up" / "electric.log") in said
        assert not any(is_there(pid) for pid in pids)
        assert home.state is None


def test_nothing_outlives_an_up_that_is_killed(home: Home) -> None:
    with home.up() as up:
        pids = up.pids()
        assert len(pids) == 3
        up.end(signal.SIGKILL)
        wait_gone(pids)
        assert home.invoke("status").returncode == 1
        # The next one needs no help.
        with home.up() as again:
            assert httpx.get(f"{again.address}/ready", trust_env=False).status_code == 200


def test_down_ends_it_from_elsewhere(home: Home) -> None:
    with home.up() as up:
        pids = up.pids()
        result = home.invoke("down")
        assert (result.returncode, result.stdout.strip()) == (0, "ended")
        assert not any(is_there(pid) for pid in pids)
        assert up.process.wait(10) == 0


def test_without_the_sample_it_is_one_account(home: Home) -> None:
    with home.up("--no-sample") as up:
        assert {part["name"] for part in up.facts["parts"]} == {
            "postgres",
            "electric",
            "gatekeeper",
        }
        with httpx.Client(base_url=up.address, trust_env=False) as client:
            assert client.get("/viewer-config.json").json() == {"sign_in": None}
            assert client.get("/auth/session").json()["kind"] == "single"


def test_the_port_that_is_asked_for_must_be_free(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = home.invoke("up", "--port", str(port))
    assert result.returncode == 41
    assert f"port {port} of 127.0.0.1 is taken" in result.stderr
    assert home.state is None


@pytest.mark.parametrize(
    ("options", "variables", "said"),
    [
        ([], {"SESSIONBASE_ENV": "production"}, "SESSIONBASE_ENV is production"),
        (["--detach"], {"SESSIONBASE_ENV": "production"}, "SESSIONBASE_ENV is production"),
        (["--demo", "--no-sample"], {}, "--no-sample has none"),
        (["--port", "70000"], {}, "from 0 to 65535"),
    ],
)
def test_what_is_refused(
    home: Home, options: list[str], variables: dict[str, str], said: str
) -> None:
    result = home.invoke("up", *options, **variables)
    assert result.returncode == 41
    assert said in result.stderr
    assert home.state is None


def test_the_sample_is_not_mixed_with_what_others_keep(database: Server) -> None:
    with connect(database, "test") as connection, home_on(database) as home:
        connection.execute(
            "insert into app.sessions (account_id, id) select id, 'theirs' from app.accounts"
        )
        result = home.invoke("up", "--port", "0")
        assert result.returncode == 41
        assert "has sessions already" in result.stderr
        ((accounts, sessions),) = connection.execute(
            "select (select count(*) from app.accounts), (select count(*) from app.sessions)"
        ).fetchall()
        assert (accounts, sessions) == (1, 1)
        with home.up("--no-sample") as up:
            seen = httpx.get(f"{up.address}/v1/sessions", trust_env=False).json()["sessions"]
            assert [row["session_id"] for row in seen] == ["theirs"]


def test_a_number_that_another_process_has_by_now_is_not_it() -> None:
    mine = psutil.Process()
    assert Part("x", "", mine.pid, mine.create_time()).process() == mine
    assert Part("x", "", mine.pid, mine.create_time() - 60).process() is None
    assert Part("x", "", None, None).process() is None
