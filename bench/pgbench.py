"""Runs pgbench, and reads its rate."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.connections import Server
from harness.errors import ExitCode, SessionbaseError

_RATE = re.compile(r"^tps = ([0-9.]+) \(without initial connection time\)", re.MULTILINE)


def environment_as(server: Server, account_id: str | None = None) -> dict[str, str]:
    """Return what pgbench needs to connect; with an account, every connection runs as that one."""
    known = os.environ | server.environment()
    if account_id:
        known["PGOPTIONS"] = f'-c role=app_user -c request.jwt.claims={{"sub":"{account_id}"}}'
    return known


def transactions_per_second(
    pgbench: Path,
    environment: Mapping[str, str],
    scripts: Sequence[Path],
    *options: str,
) -> float:
    """Let pgbench run scripts at random, prepared, and return its rate.

    Not from its log: pgbench 15 notes 0 for a statement whose answer is there at once.
    Raises SessionbaseError (FAILED) if pgbench fails.
    """
    command = [
        *(str(pgbench), "--no-vacuum", "--protocol=prepared", *options),
        *(f"--file={script}" for script in scripts),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    rate = _RATE.search(done.stdout)
    if done.returncode != 0 or rate is None:
        raise SessionbaseError(
            ExitCode.FAILED, f"pgbench failed: {done.stderr.strip().splitlines()[:1]}"
        )
    return float(rate[1])
