"""What is asked of a reading of logs, and what it says it did."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Status = Literal["new", "grown", "rewritten", "unchanged", "empty", "refused"]
"""What a log was to the database. A reading that was interrupted goes on as what it was."""

BROKEN_SHOWN = 20
"""Of how many broken entries the places are told."""


@dataclass(frozen=True)
class IngestRequest:
    """What to read: files and folders, for the account of a name or id (None: the only one).

    bundled: whether the logs were shipped with a viewer, and not found on disk.
    wait_s: how long to wait for another run that reads the same log, in seconds.
    """

    paths: list[Path]
    account: str | None = None
    bundled: bool = False
    dry_run: bool = False
    wait_s: float = 10.0


@dataclass(frozen=True)
class Broken:
    """Where an entry is that could not be read, and why. line: or place in a document's list."""

    line: int
    reason: str


@dataclass
class LogResult:
    """What became of a log.

    events: in its timeline, of which so many were added. broken: places of the first of those
    that were added and can't be read. note: what else there is to say.
    """

    path: str
    status: Status
    size_bytes: int = 0
    format: str | None = None
    session_id: str | None = None
    events: int = 0
    added: int = 0
    broken_count: int = 0
    broken: list[Broken] = field(default_factory=list)
    note: str = ""


@dataclass(frozen=True)
class IngestResult:
    """What a reading did. links: symbolic links in folders, which were not followed."""

    server: str
    dry_run: bool
    seconds: float
    links: int
    logs: list[LogResult]

    def count(self, status: Status) -> int:
        """Count the logs of a status."""
        return sum(log.status == status for log in self.logs)

    @property
    def read_bytes(self) -> int:
        """How many bytes the logs have that were not refused."""
        return sum(log.size_bytes for log in self.logs if log.status != "refused")

    @property
    def added(self) -> int:
        """How many entries were added to timelines."""
        return sum(log.added for log in self.logs)

    def facts(self) -> dict[str, Any]:
        """Return the same as plain data, for JSON."""
        return asdict(self)
