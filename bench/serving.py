"""Servers that a bench measures, each a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import TextIO

import psutil

from harness.connections import Server
from harness.errors import ExitCode, SessionbaseError
from harness.settings import PROJECT

SECRET = "secret-of-the-bench"  # noqa: S105 - of servers that live as long as the bench

ELECTRIC = [sys.executable, "-m", "invoke", "electric", "--port", "0"]
_GATEKEEPER = [sys.executable, "-m", "invoke", "gatekeeper", "--port", "0"]


@contextmanager
def serve_gatekeeper(
    server: Server, upstream: str, **more: str
) -> Iterator[tuple[str, psutil.Process]]:
    """Run a gatekeeper in front of an Electric. more: variables of its environment."""
    environment = {
        "DATABASE_URL": server.conninfo,
        "ELECTRIC_URL": upstream,
        "SESSIONBASE_METRICS_PORT": "-1",
        # One account asks for all; what one account may do is not what is measured.
        "SESSIONBASE_STREAMS_PER_ACCOUNT": "1000000",
        "SESSIONBASE_SHAPES_PER_MINUTE": "1000000",
        "SESSIONBASE_REQUESTS_PER_SECOND": "1000000",
    }
    with serving(_GATEKEEPER, environment | more) as served:
        yield served


@contextmanager
def serving(
    command: list[str], environment: dict[str, str]
) -> Iterator[tuple[str, psutil.Process]]:
    """Run a server that prints its address. Raises SessionbaseError (FAILED) if it ends instead."""
    ours = {"PATH": os.environ["PATH"], "ELECTRICSECRET": SECRET}
    # Its log goes to a file: who writes into a pipe that nobody reads stands still once it is full.
    with TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env=ours | environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield _printed_url(process, log), psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def _printed_url(process: subprocess.Popen[str], log: TextIO) -> str:
    for line in process.stdout or []:
        if line.startswith("http://"):
            return line.strip().removesuffix("/v1/shape")
    log.seek(0)
    raise SessionbaseError(ExitCode.FAILED, f"a server did not start: {log.read()[-500:]}")
