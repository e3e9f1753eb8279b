"""Runs pg_dump and pg_restore, says what they are at, and keeps what they say of rows to itself."""

import os
import re
import subprocess
from pathlib import Path

from harness.connections import Server
from harness.console import Tell
from harness.embedded.binaries import find_program
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings

_AT_TABLE = re.compile(r'(?:dumping contents of table|processing data for table) "?([\w."]+)')
_ERROR = re.compile(r"pg_\w+: error: (.*)")


def run_program(server: Server, settings: Settings, tell: Tell, *command: str) -> None:
    """Run one of them on a server's database.

    Raises SessionbaseError: MISSING_TOOL; BACKUP_FAILED with the first line of its first error,
    for what follows can quote a row.
    """
    program = find_program(settings, command[0])
    process = subprocess.Popen(
        [str(program), "--verbose", "--no-password", *command[1:]],
        env=os.environ | server.environment() | {"PGAPPNAME": f"sessionbase {command[0]}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    error = ""
    with process:
        for line in process.stderr or []:
            if found := _AT_TABLE.search(line):
                tell(f"{command[0]}: {found[1]}")
            elif not error and (failed := _ERROR.match(line)):
                error = failed[1]
    if process.returncode:
        raise SessionbaseError(
            ExitCode.BACKUP_FAILED,
            f"{command[0]} failed: {error or f'exit code {process.returncode}'}",
            hint="The server's log has more of it.",
        )


def check_program(settings: Settings, name: str, server_version: int) -> Path:
    """Find a program that is not older than the server. Raises SessionbaseError (MISSING_TOOL)."""
    program = find_program(settings, name)
    words = subprocess.run(
        [str(program), "--version"], check=True, capture_output=True, text=True
    ).stdout.split()
    major, wanted = int(words[2].split(".")[0]), server_version // 10_000
    if major < wanted:
        raise SessionbaseError(
            ExitCode.MISSING_TOOL,
            f"{program} is of Postgres {major}, and the server is Postgres {wanted}",
            hint="Set SESSIONBASE_POSTGRES_BIN to the folder of newer programs.",
        )
    return program
