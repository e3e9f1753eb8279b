"""A small disk in memory, which can be filled and freed. It needs root, and the right to mount."""

import os
import subprocess
from pathlib import Path

from harness.errors import ExitCode, SessionbaseError

_SIZE_MB = 1024
_ROOM_BYTES = 2 << 20
_PIECE_BYTES = 1 << 16
_PAGE_BYTES = 4096


class SmallDisk:
    """A tmpfs on a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def mount(self) -> None:
        """Mount it. Raises SessionbaseError (NO_PERMISSION) where that is not allowed."""
        if os.geteuid() != 0:
            raise SessionbaseError(ExitCode.NO_PERMISSION, "needs root")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        options = f"size={_SIZE_MB}m,mode=0711"
        said = _run("mount", "-t", "tmpfs", "-o", options, "sessionbase-drill", str(self.folder))
        if said:
            raise SessionbaseError(ExitCode.NO_PERMISSION, f"needs the right to mount: {said}")

    def fill(self) -> int:
        """Make it so small that it is nearly full, and fill the rest; return the bytes of that."""
        stat = os.statvfs(self.folder)
        used = (stat.f_blocks - stat.f_bfree) * stat.f_frsize
        self._resize(f"{(used + _ROOM_BYTES) // _PAGE_BYTES * _PAGE_BYTES}")
        written = 0
        with self._ballast.open("wb", buffering=0) as ballast:
            try:
                while True:
                    written += ballast.write(bytes(_PIECE_BYTES))
            except OSError:
                # Full: what was wanted.
                return written

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)
        self._resize(f"{_SIZE_MB}m")

    def unmount(self) -> None:
        """Take it away, and all that is on it."""
        said = _run("umount", str(self.folder))
        if said:
            raise SessionbaseError(ExitCode.FAILED, f"can't unmount {self.folder}: {said}")
        self.folder.rmdir()

    def _resize(self, size: str) -> None:
        said = _run("mount", "-o", f"remount,size={size}", str(self.folder))
        if said:
            raise SessionbaseError(ExitCode.FAILED, f"can't make the disk {size}: {said}")


def _run(*command: str) -> str:
    """Return what a command complained of; nothing if it worked."""
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    return "" if result.returncode == 0 else result.stderr.strip() or f"exit {result.returncode}"
