"""A gatekeeper that runs, and who asks it."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from gatekeeper.metrics import exposing
from gatekeeper.run import listening, web_of
from gatekeeper.settings import GatekeeperSettings
from harness.connections import server_of_url
from harness.ports import free_port
from harness.settings import PROJECT
from tests.py.attacks.credentials import Issuer, encoded
from tests.py.attacks.scene import AUDIENCE, ISSUER, SUBJECTS
from tests.py.waiting import wait_until

TOKEN_SECRET = b"key-of-tests-number-one-32-bytes"
TOKEN_KEY = encoded(TOKEN_SECRET)

LONG_POLL_S = 4
"""How long Electric holds a poll here."""

KEEP_NOTHING = {"SESSIONBASE_CACHE_BYTES": "0"}
"""The setting of a gatekeeper that asks Electric each time."""


@dataclass
class Gatekeeper:
    """A gatekeeper at a port, what it printed, and the issuer that it trusts."""

    port: int
    metrics_port: int
    log: Path
    issuer: Issuer = field(repr=False)
    holding: int = 0
    """How many answers a test has it hold now."""

    @property
    def host(self) -> str:
        """What a good client calls it."""
        return f"127.0.0.1:{self.port}"

    def client(self, account: str | None = None) -> httpx.Client:
        """Return an HTTP client, signed in as an account by a token of the issuer."""
        headers = {"authorization": f"Bearer {self.jwt(account)}"} if account else {}
        return httpx.Client(
            base_url=f"http://{self.host}", headers=headers, timeout=30, trust_env=False
        )

    def jwt(self, account: str) -> str:
        """Return a good token of the issuer."""
        return self.issuer.token(SUBJECTS[account])

    def shape_token(self, account: str, **asked: str) -> dict[str, Any]:
        """Ask for a shape token, as an account."""
        with self.client(account) as client:
            answer = client.post("/v1/shape-tokens", json=asked)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def printed(self) -> str:
        """Return all that it printed so far."""
        return self.log.read_text("utf-8", errors="backslashreplace")

    def figures(self) -> str:
        """Return what Prometheus would read."""
        answer = httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics", trust_env=False)
        return answer.text

    def held(self) -> float:
        """Return how many answers it holds."""
        lines = re.findall(r"(?m)^gatekeeper_held\{.*\} (\S+)$", self.figures())
        return sum(map(float, lines))


@contextmanager
def running(
    folder: Path, issuer: Issuer, environment: dict[str, str], take_out: str = ""
) -> Iterator[Gatekeeper]:
    """Run a gatekeeper until the block ends. take_out: the defence that it is to lack."""
    log = folder / f"gatekeeper-{uuid4()}.log"
    metrics_port = free_port()
    with log.open("wb") as printed:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.py.attacks.serving", *([take_out] if take_out else [])],
            cwd=PROJECT,
            env={"PATH": os.environ["PATH"]} | _settings(issuer, metrics_port) | environment,
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Gatekeeper(_started(process, log), metrics_port, log, issuer)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
    finally:
        process.kill()
        process.wait()


@contextmanager
def running_here(folder: Path, issuer: Issuer, environment: dict[str, str]) -> Iterator[Gatekeeper]:
    """Run a gatekeeper in a thread of this process, so that parts of it can be replaced."""
    metrics_port = free_port()
    named = _settings(issuer, metrics_port) | environment
    with pytest.MonkeyPatch.context() as patch:
        for name, value in named.items():
            patch.setenv(name, value)
        settings = GatekeeperSettings()
    web = web_of(server_of_url(environment["DATABASE_URL"]), settings)
    with listening(settings) as listener, exposing(web.parts.metrics, settings, 0):
        listener.listen()
        thread = threading.Thread(target=asyncio.run, args=(web.run_on(listener),))
        thread.start()
        try:
            yield Gatekeeper(listener.getsockname()[1], metrics_port, folder / "none", issuer)
        finally:
            web.end()
            thread.join(20)


def _settings(issuer: Issuer, metrics_port: int) -> dict[str, str]:
    ours = {
        "GATEKEEPER_PORT": "0",
        "METRICS_PORT": str(metrics_port),
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
        "JWKS_FILE": str(issuer.file),
        "JWT_LEEWAY_S": "0",
        "TOKEN_KEYS": f"now:{TOKEN_KEY}",
        "PUBLIC_ORIGIN": "https://chat.example",
        # What is tried here is not how many requests there may be.
        "REQUESTS_PER_SECOND": "100000",
        "SHAPES_PER_MINUTE": "100000",
        "DRAIN_S": "0",
    }
    return {f"SESSIONBASE_{name}": value for name, value in ours.items()}


def _started(process: subprocess.Popen[bytes], log: Path) -> int:
    """Return the port that it printed, once it answers there."""

    def answers() -> bool:
        assert process.poll() is None, log.read_text("utf-8")
        lines = log.read_text("utf-8").splitlines()
        url = next((line for line in lines if line.startswith("http://")), "")
        ports.append(int(url.rsplit(":", 1)[1]) if url else 0)
        try:
            return bool(url) and httpx.get(f"{url}/health", trust_env=False).is_success
        except httpx.TransportError:
            return False

    ports: list[int] = []
    wait_until(answers)
    return ports[-1]
