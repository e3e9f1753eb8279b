"""However large an upload is, a gatekeeper has some chunks of it in memory and no more."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import httpx
import pytest

from harness.connections import Server
from harness.settings import PROJECT
from tests.py.waiting import wait_until

MIB = 1 << 20
SIZE_MIB = 100
GROWTH_MIB = 40
"""What a gatekeeper may take for it: chunks both ways, and what threads and connections take."""


@pytest.fixture
def process(database: Server) -> Iterator[tuple[str, int]]:
    """Run a gatekeeper in a process of its own; give its address and its number."""
    usual = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG"}}
    settings = {
        "GATEKEEPER_DATABASE_URL": database.conninfo,
        "ELECTRIC_URL": "http://127.0.0.1:9",
        "SESSIONBASE_GATEKEEPER_PORT": "0",
        "SESSIONBASE_METRICS_PORT": "-1",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "invoke", "gatekeeper"],
        cwd=PROJECT,
        env=usual | settings,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        try:
            lines = iter(running.stdout.readline, "")
            url = next(line.strip() for line in lines if line.startswith("http://"))
            wait_until(lambda: answers(url))
            yield url, running.pid
        finally:
            running.send_signal(signal.SIGTERM)
            running.communicate(timeout=30)


def answers(url: str) -> bool:
    """Say whether a gatekeeper can be asked."""
    try:
        return httpx.get(f"{url}/health", trust_env=False).is_success
    except httpx.ConnectError:
        return False


def memory_mib(pid: int, field: str = "VmHWM") -> float:
    """Return how much memory a process has, or had at most."""
    lines = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return int(lines[field].split()[0]) / 1024


def blocks(digest: "hashlib._Hash") -> Iterator[bytes]:
    """Give a content whose half compresses."""
    dice = Random(3)  # noqa: S311 - the same every time
    for _ in range(SIZE_MIB):
        block = dice.randbytes(MIB // 2) + bytes(MIB // 2)
        digest.update(block)
        yield block


def test_a_large_upload_is_never_whole_in_memory(process: tuple[str, int]) -> None:
    url, pid = process
    headers = {"content-type": "application/octet-stream", "accept-encoding": "identity"}
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
        small = client.post("/api/uploads?name=small", content=b"x" * MIB).headers["location"]
        assert len(client.get(small).content) == MIB
        before = memory_mib(pid, "VmRSS")

        sent, got = hashlib.sha256(), hashlib.sha256()
        stored = client.post("/api/uploads?name=large", content=blocks(sent))
        assert stored.json()["size_bytes"] == SIZE_MIB * MIB
        with client.stream("GET", stored.headers["location"]) as answer:
            for block in answer.iter_raw():
                got.update(block)
        assert got.digest() == sent.digest()
        grown = memory_mib(pid) - before
        assert grown < GROWTH_MIB < SIZE_MIB
