"""Data folders, and what stands in them."""

import os
from pathlib import Path

from harness.cutover.archive import Archive, take_archive

THREADS, MESSAGES, TOOLS = "chat-threads.json", "chat-messages.json", "chat-tool-events.json"


def silent(_: str) -> None:
    """Take no note."""


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files below a folder, each of another time and with other permissions."""
    for number, (name, content) in enumerate(sorted(files.items())):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o640 if number % 2 else 0o600)
        os.utime(path, ns=(10**18 + number, 10**18 + number * 7))
    return folder


def seen(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Return bytes, time and permissions of every file that is not kept of a rollback."""
    return {
        str(path.relative_to(folder)): (
            path.read_bytes(),
            path.stat().st_mtime_ns,
            path.stat().st_mode,
        )
        for path in folder.rglob("*")
        if path.is_file() and not path.relative_to(folder).parts[0].startswith("before-rollback-")
    }


def kept(folder: Path) -> list[bytes]:
    """Return what every file holds, wherever below a folder it stands."""
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


def archive(folder: Path) -> Archive:
    """Archive a folder beside it."""
    return take_archive(folder, folder.parent / "archives", silent)
