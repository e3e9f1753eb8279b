"""An Electric that runs, and how a stand-in is started and ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from harness.connections import Server, connect
from harness.settings import PROJECT
from tests.py.waiting import wait_until

SECRET = "secret-of-tests"  # noqa: S105
_SLOTS = "select count(*) from pg_replication_slots where database = current_database()"


@dataclass
class Electric:
    """An Electric at an address, and the database it follows. process is None for a real one."""

    url: str
    secret: str = field(repr=False)
    server: Server
    process: subprocess.Popen[str] | None = None

    def client(self) -> httpx.Client:
        """Return an HTTP client that waits as long as the longest poll."""
        return httpx.Client(base_url=self.url, timeout=40, trust_env=False)

    def slots(self) -> int:
        """Count the replication slots on the database."""
        with connect(self.server, "test") as connection:
            row = connection.execute(_SLOTS).fetchone()
            return int(row[0]) if row else 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rsplit(":", 1)[1])

    def kill(self) -> None:
        """End it as a crash would."""
        self.end(signal.SIGKILL)

    def end(self, how: signal.Signals = signal.SIGINT) -> str:
        """End it, and return what else it printed once its slot is gone."""
        if self.process is None:
            raise AssertionError("a real Electric is not ours to end")
        others = self.slots() - 1
        self.process.send_signal(how)
        printed, _ = self.process.communicate(timeout=30)
        wait_until(lambda: self.slots() == others)
        return printed


@contextmanager
def stand_in(server: Server, *seconds: float, port: int = 0, **settings: str) -> Iterator[Electric]:
    """Run a stand-in on a database. seconds: of a long poll, to a keep-alive, of an SSE stream."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.py.electric.standing_in", str(port), *map(str, seconds)],
        cwd=PROJECT,
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": server.conninfo,
            "ELECTRIC_SECRET": SECRET,
        }
        | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        url = _printed_url(process)
        electric = Electric(url, SECRET, server, process)
        yield electric
        if process.poll() is None:
            electric.end()
    finally:
        process.kill()
        process.communicate()


def _printed_url(process: subprocess.Popen[str]) -> str:
    printed = []
    for line in process.stdout or []:
        printed.append(line)
        if line.startswith("http://"):
            return line.strip().removesuffix("/v1/shape")
    raise AssertionError("".join(printed))
