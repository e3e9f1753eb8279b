"""Imports a folder in a process of its own, in small batches, so that a test can kill it.

Arguments: conninfo, folder, records a batch, connections, build or not ("build", "batches").
"""

import sys
from functools import partial
from pathlib import Path
from unittest import mock

from harness.connections import Server
from harness.console import quiet_watch
from harness.legacy import importer
from harness.legacy.reader import RecordFile
from harness.legacy.results import ImportRequest


def main(conninfo: str, folder: str, batch_records: str, jobs: str, way: str) -> None:
    """Import into the only account."""
    small = partial(RecordFile, batch_records=int(batch_records))
    request = ImportRequest(Path(folder), jobs=int(jobs), builds=way == "build", wait_s=30)
    with mock.patch.object(importer, "RecordFile", small):
        importer.import_folder(Server(conninfo, embedded=True), request, quiet_watch)


if __name__ == "__main__":
    main(*sys.argv[1:])
