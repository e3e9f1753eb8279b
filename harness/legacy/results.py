"""What is asked of an import, and what it says it did."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, cast, get_args

from harness.errors import ExitCode, SessionbaseError
from harness.legacy.reader import FileFault

OnConflict = Literal["quarantine", "keep", "replace"]
"""What becomes of a record whose id the database has with other content."""


def on_conflict_of(text: str) -> OnConflict:
    """Return what a user's word means. Raises SessionbaseError (REFUSED) if it means nothing."""
    for known in get_args(OnConflict):
        if text == known:
            return cast("OnConflict", text)
    raise SessionbaseError(
        ExitCode.REFUSED,
        f"--on-conflict={text} means nothing here",
        hint=f"It is one of {', '.join(get_args(OnConflict))}.",
    )


@dataclass(frozen=True)
class ImportRequest:
    """What to import: a folder, into the account of a name or id (None: the only one).

    jobs: how many connections bring messages and tool events in.
    builds: whether to load empty tables without indexes and build them afterwards; None: if the
    files are large enough for it to pay.
    wait_s: how long to wait for another import into the account to end, in seconds.
    """

    folder: Path
    account: str | None = None
    dry_run: bool = False
    on_conflict: OnConflict = "quarantine"
    jobs: int = 1
    builds: bool | None = None
    wait_s: float = 10.0


FILE_FAULTS = {
    "byte_order_mark": "It begins with a byte order mark, which was passed over.",
    "not_an_array": "It is no JSON array: it was read as a row of values.",
    "missing_comma": "A comma is missing between two records; both were read.",
    "extra_comma": "A comma stands where no record follows; it was passed over.",
    "no_end": "It ends without the closing ]. Compare it with a backup.",
    "after_end": "Something stands behind the closing ]; it is in the quarantine.",
}
"""What the codes of file faults mean, in words."""


@dataclass(frozen=True)
class FileResult:
    """What became of a file's records. missing: there was no file, which is an empty store."""

    file: str
    missing: bool
    size_bytes: int | None
    sha256: str | None
    read: int
    imported: int
    unchanged: int
    adopted: int
    quarantined: int
    faults: list[FileFault] = field(default_factory=list)


@dataclass(frozen=True)
class Note:
    """Where and why a record was mended or kept out; never a value of it."""

    fate: str
    file: str
    record: int
    byte_offset: int
    reason: str
    meaning: str
    field: str | None
    sqlstate: str | None


@dataclass(frozen=True)
class Reason:
    """How many records were mended or kept out for one reason, in one field."""

    fate: str
    file: str
    reason: str
    meaning: str
    field: str | None
    sqlstate: str | None
    count: int


@dataclass(frozen=True)
class ImportResult:
    """What an import did.

    account: its name. sessions: how many the account has now. attempts: more than one if the run
    was interrupted and resumed. notes: the first of each fate. reasons: all of them, counted.
    """

    run_id: int
    server: str
    folder: str
    account: str
    version: str
    dry_run: bool
    on_conflict: str
    started_at: datetime
    seconds: float
    attempts: int
    files: list[FileResult]
    sessions: int
    threads_made: int
    notes: list[Note]
    reasons: list[Reason]

    @property
    def changed(self) -> int:
        """How many records came in."""
        return sum(file.imported + file.adopted for file in self.files)

    @property
    def quarantined(self) -> int:
        """How many records were kept out."""
        return sum(file.quarantined for file in self.files)

    def facts(self) -> dict[str, Any]:
        """Return the same as plain data, for JSON."""
        return asdict(self)
