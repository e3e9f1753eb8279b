"""Ends what a drill leaves behind, however it ends: Postgres, and the small disk.

Run as `python -m drill.guardian FOLDER` with a pipe as standard input: once the other end of the
pipe is closed, by the drill itself or by the kernel because it was killed, the server in the folder
is stopped and the disk taken away. What is printed stays.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drill.disks import SmallDisk
from harness.embedded.binaries import find_binaries
from harness.embedded.postgres import EmbeddedPostgres
from harness.settings import PROJECT, load

_END_S = 60


@contextmanager
def guarded(home: Path) -> Iterator[None]:
    """See to it that nothing of a drill's folder outlives the caller."""
    guardian = subprocess.Popen(
        [sys.executable, "-m", "drill.guardian", str(home)],
        stdin=subprocess.PIPE,
        cwd=PROJECT,
        start_new_session=True,
    )
    try:
        yield
    finally:
        guardian.communicate(timeout=_END_S)


def _main(home: Path) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    disk = SmallDisk(home / "disk")
    if disk.folder.is_mount():
        disk.free()
    EmbeddedPostgres(disk.folder / "postgres", find_binaries(load())).remove()
    if disk.folder.is_mount():
        disk.unmount()


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
