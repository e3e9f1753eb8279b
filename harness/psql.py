"""Runs psql on a server."""

import os
import signal
import subprocess

from harness.connections import Server
from harness.embedded.binaries import find_program
from harness.settings import Settings


def run_psql(server: Server, settings: Settings, command: str) -> int:
    """Run a command, or without one open a prompt. Return psql's exit code.

    Ctrl-C is psql's business: it cancels a line or a statement there, and ends nothing here.
    """
    arguments = ["--command", command] if command else []
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return subprocess.run(
            [str(find_program(settings, "psql")), *arguments],
            check=False,
            env=os.environ | server.environment(),
        ).returncode
    finally:
        signal.signal(signal.SIGINT, before)
