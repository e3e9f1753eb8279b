"""The program: how it starts, says what it does, and ends."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from harness.connections import Server
from harness.ports import free_port
from harness.settings import PROJECT
from tests.py.gatekeeper.upstreams import SECRET, Upstream, upstream
from tests.py.waiting import wait_until

_KEYS = "k1:" + "A" * 43
_SHAPE = "/v1/shapes/account_sessions?offset=-1"


class Program:
    """`invoke gatekeeper`, started. printed: all that it said."""

    def __init__(self, server: Server, behind: Upstream, printed: Path, **settings: str) -> None:
        self.printed = printed
        usual = {
            "PATH": os.environ["PATH"],
            "GATEKEEPER_DATABASE_URL": server.conninfo,
            "ELECTRIC_URL": behind.url,
            "ELECTRIC_SECRET": SECRET,
            "SESSIONBASE_DRAIN_S": "0",
            "SESSIONBASE_METRICS_PORT": "-1",
        }
        with printed.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "invoke", "gatekeeper", "--port", "0"],
                cwd=PROJECT,
                env=usual | settings,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def text(self) -> str:
        """Return what it has said so far."""
        return self.printed.read_text()

    def url(self) -> str:
        """Return where it serves, once it does."""
        found: list[str] = []

        def serves() -> bool:
            assert self.process.poll() is None, self.text()
            found[:] = re.findall(r"^http://\S+$", self.text(), re.MULTILINE)
            return bool(found) and _answers(f"{found[0]}/ready")

        wait_until(serves)
        return found[0]

    def end(self) -> int:
        """Tell it to end, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False


Run = Callable[..., Program]


@pytest.fixture
def run(database: Server, tmp_path: Path) -> Iterator[Run]:
    """Return a way to run the program; it ends with the test."""
    with ExitStack() as stack:
        behind = stack.enter_context(upstream())

        @contextmanager
        def running(**settings: str) -> Iterator[Program]:
            program = Program(database, behind, tmp_path / "printed", **settings)
            try:
                yield program
            finally:
                program.process.terminate()
                program.process.wait(30)

        yield lambda **settings: stack.enter_context(running(**settings))


def test_it_says_what_it_is_and_logs_in_json(run: Run) -> None:
    program = run()
    url = program.url()
    assert "SINGLE-TENANT MODE" in program.text()
    order = {"shape": "account_sessions"}
    token = httpx.post(f"{url}/v1/shape-tokens", json=order, trust_env=False).json()["token"]
    headers = {"authorization": f"Bearer {token}"}
    answer = httpx.get(f"{url}/v1/shape?offset=-1", headers=headers, trust_env=False)
    assert answer.is_success
    assert program.end() == 0
    lines = [json.loads(line) for line in program.text().splitlines() if line.startswith("{")]
    seen = [line for line in lines if line.get("route") == "/v1/shape"]
    assert [line["request_id"] for line in seen] == [answer.headers["x-request-id"]]
    assert (seen[0]["status"], seen[0]["method"], seen[0]["level"]) == (200, "GET", "info")
    assert {line["event"] for line in lines} >= {"request"}
    for hidden in (SECRET, token, token.rsplit(".", 1)[1], "offset"):
        assert hidden not in program.text()


def test_figures_are_on_a_port_of_their_own(run: Run) -> None:
    with httpx.Client(trust_env=False) as client:
        port = free_port()
        url = run(SESSIONBASE_METRICS_PORT=str(port)).url()
        client.get(f"{url}{_SHAPE}")
        figures = client.get(f"http://127.0.0.1:{port}/metrics").text
        assert client.get(f"{url}/metrics").status_code == 404
    line = 'gatekeeper_requests_total{method="GET",route="/v1/shapes/{shape}",status="200"} 1.0'
    assert line in figures
    assert 'gatekeeper_electric_requests_total{status="200"} 1.0' in figures


def test_several_processes_take_each_others_tokens(
    run: Run,
) -> None:
    program = run(SESSIONBASE_GATEKEEPER_PROCESSES="2", SESSIONBASE_TOKEN_KEYS=_KEYS)
    url = program.url()
    order = {"shape": "account_sessions"}
    token = httpx.post(f"{url}/v1/shape-tokens", json=order, trust_env=False).json()["token"]
    headers = {"authorization": f"Bearer {token}"}
    for _ in range(12):
        # A connection of its own each, which the kernel gives to either.
        answer = httpx.get(f"{url}/v1/shape?offset=-1", headers=headers, trust_env=False)
        assert answer.status_code == 200
    assert program.end() == 0


def test_if_one_of_several_ends_all_do(run: Run) -> None:
    program = run(SESSIONBASE_GATEKEEPER_PROCESSES="2", SESSIONBASE_TOKEN_KEYS=_KEYS)
    program.url()
    first, *_ = _children(program.process.pid)
    os.kill(first, signal.SIGKILL)
    assert program.process.wait(30) == 1
    assert "ended by itself" in program.text()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"GATEKEEPER_DATABASE_URL": "postgresql://x:pass@127.0.0.1:9/x"}, "can't connect"),
        ({"SESSIONBASE_GATEKEEPER_HOST": "0.0.0.0"}, "must be a loopback address"),  # noqa: S104
    ],
)
def test_why_it_does_not_start_is_said(run: Run, variables: dict[str, str], said: str) -> None:
    program = run(**variables)
    assert program.process.wait(60) in {10, 11}
    assert said in program.text()
    for hidden in ("Traceback", "pass@", SECRET):
        assert hidden not in program.text()


def _children(pid: int) -> list[int]:
    printed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)],  # noqa: S607 - wherever it is
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [int(line) for line in printed.split()]
