"""The files of sql/: which there are, in which order, and what each is."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import ExitCode, SessionbaseError

Kind = Literal["versioned", "function", "policy"]

_FOLDERS: tuple[tuple[str, Kind], ...] = (
    ("migrations", "versioned"),
    ("functions", "function"),
    ("policies", "policy"),
)
_VERSIONED_NAME = re.compile(r"\d{4}_[a-z][a-z0-9_]*\.sql")
_NO_TRANSACTION = "-- no-transaction"


@dataclass(frozen=True)
class SqlFile:
    """A file of sql/. name is its path below sql/; checksum is the SHA-256 of its bytes."""

    name: str
    kind: Kind
    checksum: str
    text: str

    @property
    def no_transaction(self) -> bool:
        """Whether its first line asks to be run outside a transaction."""
        return self.text.split("\n", 1)[0].strip() == _NO_TRANSACTION


def discover(folder: Path) -> list[SqlFile]:
    """List all files in the order they apply: migrations by number, functions, policies.

    Raises SessionbaseError (MIGRATION_MISPLACED) for a name out of form or a number used twice.
    """
    files = [
        _read(path, f"{subfolder}/{path.name}", kind)
        for subfolder, kind in _FOLDERS
        for path in sorted((folder / subfolder).glob("*.sql"))
    ]
    _check_names([file.name for file in files if file.kind == "versioned"])
    _check_repeatable([file for file in files if file.kind != "versioned"])
    return files


def _read(path: Path, name: str, kind: Kind) -> SqlFile:
    content = path.read_bytes()
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise SessionbaseError(
            ExitCode.MIGRATION_FAILED, f"sql/{name} is not UTF-8 at byte {error.start}"
        ) from None
    return SqlFile(name, kind, hashlib.sha256(content).hexdigest(), text)


def _check_names(names: list[str]) -> None:
    numbers: dict[str, str] = {}
    for name in names:
        base = name.removeprefix("migrations/")
        if not _VERSIONED_NAME.fullmatch(base):
            raise SessionbaseError(
                ExitCode.MIGRATION_MISPLACED,
                f"sql/{name} is no name for a migration",
                hint="Four digits, then lower-case words: 0012_add_labels.sql.",
            )
        if base[:4] in numbers:
            raise SessionbaseError(
                ExitCode.MIGRATION_MISPLACED,
                f"sql/{numbers[base[:4]]} and sql/{name} have the same number",
                hint="Give the newer one the next free number.",
            )
        numbers[base[:4]] = name


def _check_repeatable(files: list[SqlFile]) -> None:
    for file in files:
        if file.no_transaction:
            raise SessionbaseError(
                ExitCode.MIGRATION_MISPLACED,
                f"sql/{file.name} can't ask for no transaction",
                hint="Functions and policies are applied in one transaction. "
                "What can't be belongs into sql/migrations/.",
            )
