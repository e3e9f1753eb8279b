"""Finds session logs: the files that a viewer shows of a folder."""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import ExitCode, SessionbaseError

ENDINGS = (".jsonl", ".ndjson", ".json")
FOLDERS = (".codex/sessions", "sessions", "artifacts/sessions")
"""Where, in a folder, its logs are. One that has none of these is itself a folder of logs."""

USUAL = Path("~/.codex/sessions")


@dataclass
class Found:
    """What was found. links: symbolic links that were passed over. unreadable: and why."""

    logs: list[Path] = field(default_factory=list)
    links: int = 0
    unreadable: list[tuple[Path, str]] = field(default_factory=list)


def find_logs(paths: Iterable[Path]) -> Found:
    """Find the logs of some files and folders, in the order given, each once.

    A path that is named may be a symbolic link; those within a folder are not followed, so that
    nothing outside of it comes in and no circle is walked. Raises SessionbaseError
    (NO_DATA_FOLDER) for a path that is not there, or if there is no log at all.
    """
    found, seen = Found(), set[Path]()
    for path in paths:
        for log in _logs_of(path.expanduser(), found):
            if log not in seen:
                seen.add(log)
                found.logs.append(log)
    if not found.logs and not found.unreadable:
        raise SessionbaseError(
            ExitCode.NO_DATA_FOLDER,
            "there is no session log",
            hint=f"Looked for files ending in {', '.join(ENDINGS)}. Name the folder that has them, "
            "or the files.",
        )
    return found


def _logs_of(path: Path, found: Found) -> Iterator[Path]:
    try:
        real = path.resolve(strict=True)
        kind = real.stat().st_mode
    except (OSError, RuntimeError) as error:
        raise SessionbaseError(
            ExitCode.NO_DATA_FOLDER,
            f"can't read {path}: {error.strerror if isinstance(error, OSError) else error}",
            hint="Name a session log, or a folder with some.",
        ) from None
    if stat.S_ISDIR(kind):
        roots = [real / folder for folder in FOLDERS if (real / folder).is_dir()]
        for root in roots or [real]:
            yield from _below(root, found)
    elif stat.S_ISREG(kind):
        yield real
    else:
        found.unreadable.append((path, "it is neither a file nor a folder"))


def _below(root: Path, found: Found) -> Iterator[Path]:
    """Give the logs below a folder, in order of their names."""

    def note(error: OSError) -> None:
        found.unreadable.append((Path(error.filename), error.strerror or "it can't be read"))

    if root.is_symlink():
        found.links += 1
        return
    for folder, folders, names in os.walk(root, onerror=note):
        folders.sort()
        found.links += sum((Path(folder) / name).is_symlink() for name in folders)
        for name in sorted(names):
            if name.lower().endswith(ENDINGS):
                path = Path(folder) / name
                if path.is_symlink():
                    found.links += 1
                elif path.is_file():
                    yield path
