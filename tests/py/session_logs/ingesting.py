"""Reads logs in a process of its own, in small batches, so that a test can kill it.

Arguments: conninfo, account, folder.
"""

import sys
from pathlib import Path

from harness.connections import Server
from harness.console import quiet_watch
from harness.session_logs.ingest import ingest_logs
from harness.session_logs.results import IngestRequest
from tests.py.session_logs.builders import SMALL


def main(conninfo: str, account: str, folder: str) -> None:
    """Read the logs of a folder."""
    request = IngestRequest([Path(folder)], account, wait_s=30)
    ingest_logs(Server(conninfo, embedded=True), request, quiet_watch, SMALL)


if __name__ == "__main__":
    main(*sys.argv[1:])
