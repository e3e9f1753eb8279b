"""Whether the import reads what was archived: asked before it, of what it read, and after it."""

from pathlib import Path

from harness.console import Tell
from harness.cutover.archive import Archive
from harness.cutover.folder import sum_up
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.importer import find_files
from harness.legacy.steps import FILES

Sums = dict[str, str | None]
"""SHA-256 of the three files in hexadecimal, by name; None for one that is not there."""


def sums_of(archive: Archive) -> Sums:
    """Return the sums of the three files that are in an archive."""
    there = {file.name: file.sha256 for file in archive.manifest.files}
    return {name: there.get(name) for name in FILES.values()}


def read_sums(data: Path, tell: Tell) -> Sums:
    """Read the three files. Raises SessionbaseError (NO_DATA_FOLDER); OSError."""
    found = find_files(data)
    return {
        FILES[kind]: sum_up(data, FILES[kind], tell).sha256 if path else None
        for kind, path in found.items()
    }


def check_sums(archived: Sums, found: Sums, when: str) -> None:
    """Compare the files with those that were archived. Raises SessionbaseError (DATA_CHANGED).

    when: in words, when they were read.
    """
    changed = [name for name in archived if archived[name] != found.get(name)]
    if changed:
        raise SessionbaseError(
            ExitCode.DATA_CHANGED,
            f"{', '.join(changed)}, read {when}, is not what was archived",
            hint="Something still writes into the folder: end it, the old viewer above all. Then "
            "the same command takes a new archive beside the old one, and goes on. A record that "
            "was changed after it had come in is a conflict: --on-conflict=replace takes what "
            "the files say now.",
        )
