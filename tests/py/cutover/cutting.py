"""Cuts over in a process of its own, in small batches, so that a test can kill it anywhere.

Arguments: conninfo, home, data folder, out folder, and "rehearse" or "really".
"""

import sys
from functools import partial
from pathlib import Path
from unittest import mock

from harness import console
from harness.connections import Server
from harness.cutover.request import CutoverRequest
from harness.cutover.run import cut_over
from harness.errors import SessionbaseError
from harness.legacy import importer
from harness.legacy.reader import RecordFile
from harness.settings import Settings

BATCH_RECORDS = 40


def main(conninfo: str, home: str, data: str, out: str, way: str) -> int:
    """Cut over into the only account; return the exit code."""
    settings = Settings(home=Path(home))
    request = CutoverRequest(Path(data), Path(out), rehearse=way == "rehearse", max_quarantine=99)
    small = partial(RecordFile, batch_records=BATCH_RECORDS)
    with mock.patch.object(importer, "RecordFile", small):
        try:
            cut_over(Server(conninfo, embedded=False), settings, request)
        except SessionbaseError as error:
            console.show_error(error)
            return int(error.code)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
