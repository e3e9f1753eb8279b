"""What stands in the old viewer's data folder: every regular file with its sum, and what else."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.importer import find_files

_TOLD_EVERY = 64 << 20
"""How often it is said how far the reading is, in bytes."""

_KINDS: dict[str, Callable[[int], bool]] = {
    "symbolic link": stat.S_ISLNK,
    "socket": stat.S_ISSOCK,
    "named pipe": stat.S_ISFIFO,
    "device": lambda mode: stat.S_ISBLK(mode) or stat.S_ISCHR(mode),
}


class DataFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A regular file of the folder. name: its path in the folder, with slashes.

    mtime_ns: when it was changed, in nanoseconds since 1970. mode: its permission bits.
    """

    name: str
    size_bytes: int
    sha256: str
    mtime_ns: int
    mode: int
    uid: int
    gid: int


class LeftOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is no regular file, and so in no archive. kind: in words."""

    name: str
    kind: str


class Contents(msgspec.Struct, frozen=True):
    """All of a folder, in the order of the names."""

    files: list[DataFile]
    left_out: list[LeftOut]


class Summed:
    """A stream whose bytes are counted and summed as they are read, and told of."""

    def __init__(self, stream: BinaryIO, tell: Tell | None = None, what: str = "") -> None:
        self._stream = stream
        self._tell = tell
        self._what = what
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    def read(self, size: int = -1, /) -> bytes:
        """Read, as a stream does."""
        data = self._stream.read(size)
        before, self.size_bytes = self.size_bytes, self.size_bytes + len(data)
        self._hash.update(data)
        if self._tell and before // _TOLD_EVERY != self.size_bytes // _TOLD_EVERY:
            self._tell(f"{self._what}: {self.size_bytes >> 20:,} MiB")
        return data

    def drain(self) -> None:
        """Read all that is left."""
        while self.read(1 << 20):
            pass

    @property
    def sha256(self) -> str:
        """The sum of what was read so far, in hexadecimal."""
        return self._hash.hexdigest()


def list_contents(folder: Path, tell: Tell) -> Contents:
    """List a data folder, with folders in it, and sum up every file.

    Raises SessionbaseError: NO_DATA_FOLDER if none of the viewer's files is there; REFUSED if one
    of them is no regular file, for it would be in no archive. OSError for what can't be read.
    """
    for path in find_files(folder).values():
        if path and not stat.S_ISREG(path.lstat().st_mode):
            raise SessionbaseError(
                ExitCode.REFUSED,
                f"{path} is no regular file, so no archive would hold it",
                hint="Put the file itself in its place, and try again.",
            )
    contents = Contents([], [])
    for name, mode in names(folder):
        if stat.S_ISREG(mode):
            contents.files.append(sum_up(folder, name, tell))
        else:
            contents.left_out.append(LeftOut(name, _kind(mode)))
    return contents


def names(folder: Path) -> list[tuple[str, int]]:
    """Return the path of all that is in a folder and no folder, and its st_mode, in order."""
    return sorted(_walk(folder, ""))


def sum_up(folder: Path, name: str, tell: Tell) -> DataFile:
    """Read a file of a folder from its beginning to its end."""
    with open_regular(folder / name) as stream:
        summed = Summed(stream, tell, f"reading {name}")
        summed.drain()
        return facts_of(stream, name, summed)


def facts_of(stream: BinaryIO, name: str, summed: Summed) -> DataFile:
    """Return what is known of an open file that was read to its end."""
    found = os.fstat(stream.fileno())
    return DataFile(
        name,
        summed.size_bytes,
        summed.sha256,
        found.st_mtime_ns,
        stat.S_IMODE(found.st_mode),
        found.st_uid,
        found.st_gid,
    )


def open_regular(path: Path) -> BinaryIO:
    """Open a file, and neither what a link leads to nor a pipe that waits for a writer."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                yield from _walk(Path(entry.path), f"{prefix}{entry.name}/")
            else:
                yield f"{prefix}{entry.name}", mode


def _kind(mode: int) -> str:
    return next((kind for kind, is_one in _KINDS.items() if is_one(mode)), "something else")
