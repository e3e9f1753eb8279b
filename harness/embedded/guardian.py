"""Ends a test run's server when the test run ends, however it ends.

Run as `python -m harness.embedded.guardian FOLDER` with a pipe as standard input: once the other
end of the pipe is closed, by the test run itself or by the kernel because it was killed, the
server in the folder is stopped and the folder deleted.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.connections import Server
from harness.embedded.binaries import find_binaries
from harness.embedded.postgres import EmbeddedPostgres
from harness.settings import PROJECT, Settings, load

_GUARDIAN_SECONDS = 60


@contextmanager
def temporary_postgres(settings: Settings) -> Iterator[Server]:
    """Run a server of its own in a temporary folder; it never outlives the caller."""
    parent = Path(tempfile.mkdtemp(prefix="sessionbase-test-"))
    # The account the server runs as must be able to pass, not to look.
    parent.chmod(0o711)
    folder = parent / "postgres"
    guardian = subprocess.Popen(
        [sys.executable, "-m", "harness.embedded.guardian", str(folder)],
        stdin=subprocess.PIPE,
        cwd=PROJECT,
        start_new_session=True,
    )
    try:
        yield EmbeddedPostgres(folder, find_binaries(settings), throwaway=True).ensure_running()
    finally:
        guardian.communicate(timeout=_GUARDIAN_SECONDS)


def _main(folder: Path) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    EmbeddedPostgres(folder, find_binaries(load()), throwaway=True).remove()
    folder.parent.rmdir()


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
