"""The manifest of a backup: what is in its folder, and what it was made of."""

import hashlib
from datetime import datetime
from pathlib import Path

import msgspec

from harness.backups.facts import Facts
from harness.errors import ExitCode, SessionbaseError

MANIFEST = "manifest.json"
DUMP = "dump"
"""The folder that pg_dump wrote."""

FORMAT = 1
_PIECE = 1 << 20


class BackupFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the dump."""

    name: str
    size_bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of a backup. made_at: the moment whose rows it holds. database: its name."""

    format: int
    made_at: datetime
    made_by: str
    database: str
    facts: Facts
    files: list[BackupFile]

    @property
    def size_bytes(self) -> int:
        """How large the dump is."""
        return sum(file.size_bytes for file in self.files)

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return sum(table.rows for table in self.facts.tables)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it into a backup's folder."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    (folder / MANIFEST).write_bytes(text + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """Read it, and compare every file with it.

    Raises SessionbaseError: NOT_THERE if the folder is no backup, DAMAGED if it is not whole.
    """
    try:
        text = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise SessionbaseError(
            ExitCode.NOT_THERE,
            f"{folder} is no backup: {MANIFEST}: {error.strerror}",
            hint="Name the folder that `invoke backup` made.",
        ) from None
    try:
        manifest = msgspec.json.decode(text, type=Manifest)
    except msgspec.DecodeError:
        raise _damaged(folder, f"{MANIFEST} can't be read") from None
    if manifest.format != FORMAT:
        raise SessionbaseError(
            ExitCode.DAMAGED,
            f"{folder} is a backup of format {manifest.format}, and this program reads {FORMAT}",
            hint="Restore it with the version of sessionbase that made it.",
        )
    _check_files(folder, manifest)
    return manifest


def list_files(folder: Path) -> list[BackupFile]:
    """Return every file of a backup's dump, with its sum."""
    paths = sorted(path for path in (folder / DUMP).rglob("*") if path.is_file())
    return [
        BackupFile(str(path.relative_to(folder)), path.stat().st_size, _sha256(path))
        for path in paths
    ]


def _check_files(folder: Path, manifest: Manifest) -> None:
    found = {file.name: file for file in list_files(folder)}
    wanted = {file.name: file for file in manifest.files}
    if missing := sorted(wanted.keys() - found.keys()):
        raise _damaged(folder, f"{missing[0]} is missing")
    if further := sorted(found.keys() - wanted.keys()):
        raise _damaged(folder, f"{further[0]} is not of it")
    if changed := sorted(name for name in wanted if wanted[name] != found[name]):
        raise _damaged(folder, f"{changed[0]} is not what was written")


def _damaged(folder: Path, what: str) -> SessionbaseError:
    return SessionbaseError(
        ExitCode.DAMAGED,
        f"the backup in {folder} is damaged: {what}",
        hint="Restore another one; nothing was changed.",
    )


def _sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            found.update(piece)
    return found.hexdigest()
