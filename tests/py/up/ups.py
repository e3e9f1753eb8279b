"""`invoke up` as a person runs it: in a process and a home of its own, over HTTP."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from harness.settings import PROJECT
from harness.up.state import State, read_state
from tests.py.waiting import wait_until

COMMAND_SECONDS = 120


@dataclass
class Home:
    """Where it keeps everything, and what is set besides."""

    folder: Path
    variables: dict[str, str]

    @property
    def state(self) -> State | None:
        """What is noted as up."""
        return read_state(self.folder / "up")

    def environment(self) -> dict[str, str]:
        """Return what a command is run with."""
        usual = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
        ours = {"SESSIONBASE_HOME": str(self.folder), "DATABASE_URL": "", "ELECTRIC_URL": ""}
        return usual | ours | self.variables

    def invoke(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        result = subprocess.run(
            [sys.executable, "-m", "invoke", *arguments],
            check=False,
            cwd=PROJECT,
            env=self.environment() | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        assert "Traceback" not in result.stdout + result.stderr
        return result

    @contextmanager
    def up(self, *options: str) -> Iterator["Up"]:
        """Run `invoke up` in the foreground, until it has printed where it is."""
        printed = self.folder.parent / "printed"
        with printed.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "invoke", "up", "--port", "0", "--json", *options],
                cwd=PROJECT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        try:
            yield Up(self, process, printed, _read_document(process, printed))
        finally:
            process.terminate()
            process.communicate(timeout=COMMAND_SECONDS)


@dataclass
class Up:
    """An `invoke up` that is ready. facts: what it printed."""

    home: Home
    process: subprocess.Popen[str]
    printed: Path
    facts: dict[str, Any] = field(repr=False)

    @property
    def address(self) -> str:
        """Where the page is."""
        return str(self.facts["address"])

    def pid(self, name: str) -> int:
        """Return the process of a part."""
        (found,) = [part["pid"] for part in self.facts["parts"] if part["name"] == name]
        return int(found)

    def pids(self) -> list[int]:
        """Return all processes, Postgres among them if it is embedded."""
        return [part["pid"] for part in self.facts["parts"] if part["pid"]]

    def end(self, number: int) -> int:
        """Send it a signal, and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(COMMAND_SECONDS)


def _read_document(process: subprocess.Popen[str], printed: Path) -> dict[str, Any]:
    text = ""
    for line in process.stdout or []:
        text += line
        if line == "}\n":
            document: dict[str, Any] = json.loads(text)
            return document
    raise AssertionError(f"it ended: {printed.read_text()}")


@contextmanager
def new_home(**variables: str) -> Iterator[Home]:
    """Make a home that any account can pass through, and a tiny page to be served."""
    with TemporaryDirectory(prefix="sessionbase-test-") as parent:
        Path(parent).chmod(0o711)
        viewer = Path(parent) / "viewer"
        (viewer / "assets").mkdir(parents=True)
        (viewer / "index.html").write_text("<!doctype html><title>A tiny viewer</title>")
        (viewer / "assets" / "index-12345678.js").write_text("export {};")
        home = Home(Path(parent) / "home", {"SESSIONBASE_VIEWER_DIR": str(viewer)} | variables)
        try:
            yield home
        finally:
            home.invoke("down")


@contextmanager
def signed_in(up: Up, person: str) -> Iterator[httpx.Client]:
    """Sign in as a page does, and give a client with the cookie."""
    with httpx.Client(base_url=up.address, trust_env=False, timeout=30) as client:
        told = client.get("/viewer-config.json").json()["sign_in"]
        asked = request_of(told["client_id"], f"{up.address}/")
        token = token_of(client, told["authorize_url"], asked, person)
        answer = client.post("/auth/session", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 201, answer.text
        # httpx keeps no Secure cookie for http://; a browser does, of this host.
        client.headers["cookie"] = answer.headers["set-cookie"].split(";")[0]
        client.headers["sec-fetch-site"] = "same-origin"
        yield client


def request_of(client_id: str, redirect_uri: str) -> dict[str, str]:
    """Return an authentication request of OpenID Connect."""
    return {
        "response_type": "id_token",
        "response_mode": "fragment",
        "scope": "openid",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "state": "state-of-this-test",
        "nonce": "nonce-of-this-test",
    }


def token_of(client: httpx.Client, authorize_url: str, asked: dict[str, str], person: str) -> str:
    """Choose a person on the provider's page, and return the token that comes back."""
    page = client.get(authorize_url, params=asked)
    assert page.status_code == 200
    answer = client.post(authorize_url, data=asked | {"person": person})
    assert answer.status_code == 303
    back = fragment_of(answer)
    assert back["state"] == asked["state"]
    return back["id_token"]


def fragment_of(answer: httpx.Response) -> dict[str, str]:
    """Return what an answer sends the browser back with."""
    return {
        name: value
        for name, (value,) in parse_qs(urlsplit(answer.headers["location"]).fragment).items()
    }


def wait_gone(pids: list[int]) -> None:
    """Wait until none of these processes is there any more. Fails after 30 s."""
    wait_until(lambda: not any(is_there(pid) for pid in pids))


def is_there(pid: int) -> bool:
    """Say whether a process lives."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended, and whose end nobody has asked for, still has its number.
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:1]
