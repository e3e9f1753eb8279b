"""The archive of the old viewer's data folder: what a rollback puts back, byte for byte.

legacy-<UTC time>.tar.zst has a manifest as its first member, then the files, each below data/. Any
tar with zstd opens it. The manifest stands beside it too, with the archive's own sum. An archive
has its name when it was read back whole, and not before.
"""

import fcntl
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol, TypeVar, cast

import msgspec

from harness import __version__
from harness.chunks import zstd
from harness.console import Tell
from harness.cutover.folder import (
    Contents,
    DataFile,
    LeftOut,
    Summed,
    facts_of,
    list_contents,
    names,
    open_regular,
)
from harness.errors import ExitCode, SessionbaseError

SUFFIX = ".tar.zst"
_MANIFEST = "manifest.json"
_DATA = "data/"
_FORMAT = 1
_LEVEL = 3
_SLACK_BYTES = 1 << 20
"""What an archive may be larger than its files, for those that do not become smaller."""

_LARGEST_MANIFEST = 256 << 20
_PIECE = 1 << 20
_BROKEN = (tarfile.TarError, zstd.ZstdError, EOFError, OSError, msgspec.MsgspecError, ValueError)
"""What reading a damaged archive raises."""


_Kind = TypeVar("_Kind")


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an archive holds. folder: where the files stood.

    left_out: what stood there and is not in it, for it was no regular file.
    """

    format: int
    made_at: datetime
    made_by: str
    folder: str
    files: list[DataFile]
    left_out: list[LeftOut]

    @property
    def size_bytes(self) -> int:
        """How large the files are."""
        return sum(file.size_bytes for file in self.files)


class _Beside(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands beside an archive: its manifest, and its own sum."""

    archive: str
    size_bytes: int
    sha256: str
    manifest: Manifest


@dataclass(frozen=True)
class Archive:
    """An archive that was read back whole.

    sha256 and size_bytes are of the archive. is_new: whether this call made it.
    """

    path: Path
    manifest: Manifest
    sha256: str
    size_bytes: int
    is_new: bool = False

    def facts(self) -> dict[str, Any]:
        """Return the same as plain data, for JSON."""
        return {
            "path": str(self.path),
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "is_new": self.is_new,
            "made_at": self.manifest.made_at.isoformat(),
            "files": [msgspec.to_builtins(file) for file in self.manifest.files],
            "left_out": [msgspec.to_builtins(one) for one in self.manifest.left_out],
        }


class _Sink(Protocol):
    """Takes the bytes of a file of an archive as they are read."""

    def __call__(self, file: DataFile, stream: Summed) -> None: ...


def take_archive(data: Path, out: Path, tell: Tell) -> Archive:
    """Archive a data folder into the folder out, read the archive back, and make it read-only.

    An archive of the very same files that is there already is read back and returned instead.

    Raises SessionbaseError: what list_contents() raises; REFUSED for an out in the data folder, or
    where another archive is being taken; DATA_CHANGED if the folder changed meanwhile;
    ARCHIVE_FAILED if it can't be written or read back, or if room lacks. Nothing is left of an
    archive that failed. OSError for a file of the folder that can't be read.
    """
    contents = list_contents(data, tell)
    if out.resolve().is_relative_to(data.resolve()):
        raise SessionbaseError(
            ExitCode.REFUSED,
            f"{out} is in the data folder, of which the archive is taken",
            hint="Name a folder elsewhere, best on another disk.",
        )
    with _in_words(out), _alone(out):
        if known := _find_same(out, contents, tell):
            return known
        _check_room(out, contents)
        made_at = datetime.now(UTC).replace(microsecond=0)
        manifest = Manifest(
            _FORMAT,
            made_at,
            f"sessionbase {__version__}",
            os.fsencode(data.resolve()).decode(errors="backslashreplace"),
            contents.files,
            contents.left_out,
        )
        return _take(data, _free_name(out, made_at), manifest, tell)


def check_archive(path: Path, tell: Tell) -> Archive:
    """Read all of an archive, and compare every file with the manifest.

    Raises SessionbaseError: NOT_THERE; DAMAGED if it is not what was written.
    """
    return _checked(path, tell, lambda _, stream: stream.drain())


def unpack_archive(path: Path, into: Path, tell: Tell) -> Archive:
    """Write the files of an archive into a new folder, as they were: bytes, times, permissions.

    Who is not root can't give files to somebody else, so they are the caller's then.
    Raises SessionbaseError: REFUSED if the folder is there; NOT_THERE; DAMAGED, and then the
    folder is not there. OSError for what can't be written.
    """
    try:
        into.mkdir(parents=True, mode=0o700)
    except FileExistsError:
        raise SessionbaseError(
            ExitCode.REFUSED, f"{into} is there already", hint="Name a new folder."
        ) from None
    try:
        return _checked(path, tell, lambda file, stream: _write_file(into, file, stream))
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        raise


def sync_folder(folder: Path) -> None:
    """See to it that the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _in_words(out: Path) -> Iterator[None]:
    """Turn what the folder of archives can't take into an error for a person."""
    try:
        yield
    except OSError as error:
        raise SessionbaseError(
            ExitCode.ARCHIVE_FAILED,
            f"can't write the archive into {out}: {error.strerror}",
            hint="Nothing was changed. Mend it, or name another folder, and run the same again.",
        ) from None


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold the folder of archives for one at a time, and clear away what a killed one left."""
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SessionbaseError(
                ExitCode.REFUSED,
                f"another archive is being taken into {out}",
                hint="Wait until it is there, and run the same again.",
            ) from None
        for left in out.glob(".legacy-*.unfinished"):
            left.unlink()
        yield
    finally:
        os.close(descriptor)


def _find_same(out: Path, contents: Contents, tell: Tell) -> Archive | None:
    """Return the newest whole archive that holds the very same."""
    for path in sorted(out.glob(f"legacy-*{SUFFIX}"), reverse=True):
        with suppress(SessionbaseError):
            beside = _read_beside(path)
            if beside and _is_of(beside.manifest, contents):
                return check_archive(path, tell)
    return None


def _is_of(manifest: Manifest, contents: Contents) -> bool:
    return manifest.files == contents.files and manifest.left_out == contents.left_out


def _check_room(out: Path, contents: Contents) -> None:
    """See to it that even files which do not become smaller have room."""
    needed = sum(file.size_bytes for file in contents.files) + _SLACK_BYTES
    free = shutil.disk_usage(out).free
    if free < needed:
        raise SessionbaseError(
            ExitCode.ARCHIVE_FAILED,
            f"{out} has room for {free:,} bytes, and the archive may need {needed:,}",
            hint="Make room, or name a folder on another disk.",
        )


def _free_name(out: Path, made_at: datetime) -> Path:
    """Return a name that nothing has: not even of two archives in one second is one lost."""
    stem = f"legacy-{made_at:%Y%m%dT%H%M%SZ}"
    candidates = (
        out / f"{stem}{more}{SUFFIX}" for more in chain([""], map("-{}".format, count(2)))
    )
    return next(path for path in candidates if not path.exists())


def _take(data: Path, path: Path, manifest: Manifest, tell: Tell) -> Archive:
    unfinished = path.with_name(f".{path.name}.unfinished")
    beside = path.with_name(f".{path.name}.manifest.unfinished")
    try:
        with unfinished.open("xb") as stream:
            _write(data, stream, manifest, tell)
            _keep(stream)
        _check_unchanged(data, manifest)
        found = _read_back(unfinished, manifest, tell)
        with beside.open("xb") as stream:
            stream.write(_encode(_Beside(path.name, found.size_bytes, found.sha256, manifest)))
            _keep(stream)
        # What has an archive's name has its manifest.
        beside.replace(beside_of(path))
        unfinished.replace(path)
        sync_folder(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)
        beside.unlink(missing_ok=True)
    return Archive(path, manifest, found.sha256, found.size_bytes, is_new=True)


def beside_of(path: Path) -> Path:
    """Return where the manifest of an archive stands."""
    return path.with_name(f"{path.name.removesuffix(SUFFIX)}.{_MANIFEST}")


def _write(data: Path, stream: BinaryIO, manifest: Manifest, tell: Tell) -> None:
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: _LEVEL,
        zstd.CompressionParameter.checksum_flag: 1,
    }
    with (
        zstd.ZstdFile(stream, "wb", options=options) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        text = _encode(manifest)
        member = tarfile.TarInfo(_MANIFEST)
        member.size, member.mode = len(text), 0o400
        member.mtime = int(manifest.made_at.timestamp())
        tar.addfile(member, _Once(text))
        for file in manifest.files:
            _write_member(data, tar, file, tell)


class _Once:
    """Bytes as a stream."""

    def __init__(self, content: bytes) -> None:
        self._left = memoryview(content)

    def read(self, size: int = -1, /) -> bytes:
        """Read, as a stream does."""
        piece, self._left = self._left[:size], self._left[size:]
        return bytes(piece)


def _write_member(data: Path, tar: tarfile.TarFile, file: DataFile, tell: Tell) -> None:
    member = tarfile.TarInfo(f"{_DATA}{file.name}")
    member.size, member.mode = file.size_bytes, file.mode
    member.uid, member.gid = file.uid, file.gid
    member.mtime = file.mtime_ns // 1_000_000_000
    with _open_again(data, file) as stream:
        summed = Summed(stream, tell, f"archiving {file.name}")
        try:
            tar.addfile(member, summed)
        except OSError:
            # A file that became shorter, or a disk that is full.
            if os.fstat(stream.fileno()).st_size >= file.size_bytes:
                raise
            raise _changed(data, file.name) from None
        if facts_of(stream, file.name, summed) != file:
            raise _changed(data, file.name)


def _open_again(data: Path, file: DataFile) -> BinaryIO:
    try:
        return open_regular(data / file.name)
    except OSError:
        raise _changed(data, file.name) from None


def _changed(data: Path, name: str) -> SessionbaseError:
    return SessionbaseError(
        ExitCode.DATA_CHANGED,
        f"{name} in {data} changed while the archive was taken",
        hint="End the old viewer, and whatever else writes there, and run the same again.",
    )


def _check_unchanged(data: Path, manifest: Manifest) -> None:
    """Compare the folder once more with what was archived: names, sizes, times."""
    known = {file.name for file in manifest.files} | {one.name for one in manifest.left_out}
    for name in sorted({name for name, _ in names(data)} ^ known):
        raise _changed(data, name)
    for file in manifest.files:
        with _open_again(data, file) as stream:
            found = os.fstat(stream.fileno())
        if (found.st_size, found.st_mtime_ns) != (file.size_bytes, file.mtime_ns):
            raise _changed(data, file.name)


def _read_back(path: Path, manifest: Manifest, tell: Tell) -> Archive:
    """Read an archive that was just written, from the disk, and compare it with what it is of."""
    with path.open("rb") as stream:
        # Not what the system still has in memory.
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        found = check_archive(path, tell)
        if found.manifest == manifest:
            return found
        why = "its manifest is another"
    except SessionbaseError as error:
        why = error.what
    raise SessionbaseError(
        ExitCode.ARCHIVE_FAILED,
        f"the archive can't be read back: {why}",
        hint="Look to the disk, or name a folder on another one; nothing was changed.",
    )


def _checked(path: Path, tell: Tell, sink: _Sink) -> Archive:
    """Read an archive, give each file to a sink, and compare it with the manifest."""
    try:
        stream = open_regular(path)
    except OSError as error:
        raise SessionbaseError(
            ExitCode.NOT_THERE,
            f"can't read the archive {path}: {error.strerror}",
            hint=f"Name the file legacy-...{SUFFIX} that was taken before the cutover.",
        ) from None
    with stream:
        raw = Summed(stream, tell, f"reading {path.name}")
        manifest = _read_all(path, raw, sink)
    beside = _read_beside(path)
    if beside and (beside.sha256, beside.manifest) != (raw.sha256, manifest):
        raise _damaged(path, f"it is not what {beside_of(path).name} says")
    return Archive(path, manifest, raw.sha256, raw.size_bytes)


def _read_all(path: Path, raw: Summed, sink: _Sink) -> Manifest:
    with (
        _as_damaged(path),
        zstd.ZstdFile(cast("BinaryIO", raw), "rb") as packed,
    ):
        with tarfile.open(fileobj=packed, mode="r|") as tar:
            manifest = _first_member(path, tar)
            for file in manifest.files:
                _give(path, tar, file, sink)
            if tar.next():
                raise _damaged(path, "it holds more than its manifest says")
        # To the end, where the sum of zstd stands.
        while packed.read(_PIECE):
            pass
    return manifest


@contextmanager
def _as_damaged(path: Path) -> Iterator[None]:
    try:
        yield
    except _WriteFailedError as error:
        raise error.error from None
    except _BROKEN as error:
        raise _damaged(path, f"it can't be read ({type(error).__name__})") from None


class _WriteFailedError(Exception):
    """What was read could not be written: no fault of the archive."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error


def _first_member(path: Path, tar: tarfile.TarFile) -> Manifest:
    member = tar.next()
    stream = tar.extractfile(member) if member else None
    if member is None or member.name != _MANIFEST or stream is None:
        raise _damaged(path, "it does not begin with a manifest")
    manifest = _decode(stream.read(_LARGEST_MANIFEST), Manifest)
    if manifest.format != _FORMAT:
        raise _damaged(path, f"it is of format {manifest.format}, and this program reads {_FORMAT}")
    return manifest


def _give(path: Path, tar: tarfile.TarFile, file: DataFile, sink: _Sink) -> None:
    member = tar.next()
    stream = tar.extractfile(member) if member else None
    if member is None or stream is None or member.name != f"{_DATA}{file.name}":
        raise _damaged(path, f"{file.name} is missing")
    summed = Summed(cast("BinaryIO", stream))
    sink(file, summed)
    if (summed.size_bytes, summed.sha256) != (file.size_bytes, file.sha256):
        raise _damaged(path, f"{file.name} is not what was archived")


def _write_file(into: Path, file: DataFile, stream: Summed) -> None:
    """Write a file below a folder of our own, and nowhere else."""
    place = PurePosixPath(file.name)
    if place.is_absolute() or ".." in place.parts or not place.parts:
        raise ValueError(file.name)
    path = into / place
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as written:
            while piece := stream.read(_PIECE):
                written.write(piece)
            if os.geteuid() == 0:
                os.fchown(written.fileno(), file.uid, file.gid)
            os.fchmod(written.fileno(), file.mode)
            written.flush()
            os.utime(written.fileno(), ns=(file.mtime_ns, file.mtime_ns))
            os.fsync(written.fileno())
    except OSError as error:
        raise _WriteFailedError(error) from None


def _keep(stream: BinaryIO) -> None:
    """Make a file read-only, and see to it that it is on the disk."""
    os.fchmod(stream.fileno(), 0o400)
    stream.flush()
    os.fsync(stream.fileno())


def _read_beside(path: Path) -> _Beside | None:
    """Return what stands beside an archive; None where only the archive was carried along."""
    beside = beside_of(path)
    try:
        return _decode(beside.read_bytes(), _Beside)
    except FileNotFoundError:
        return None
    except _BROKEN:
        raise _damaged(path, f"{beside.name} can't be read") from None


def _damaged(path: Path, what: str) -> SessionbaseError:
    return SessionbaseError(
        ExitCode.DAMAGED,
        f"the archive {path} is damaged: {what}",
        hint="Take another archive of the same files, or another copy of this one.",
    )


def _encode(what: msgspec.Struct) -> bytes:
    """Write it as JSON of ASCII, which holds names of files that are no UTF-8."""
    return json.dumps(msgspec.to_builtins(what), indent=2).encode() + b"\n"


def _decode(text: bytes, kind: type[_Kind]) -> _Kind:
    return msgspec.convert(json.loads(text), kind)
