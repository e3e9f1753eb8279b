"""What is asked of a cutover, and what its steps are."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from harness.legacy.results import ImportRequest, OnConflict

STEPS = {
    "preflight": "looking whether it can work, and how long it will take",
    "archive": "archiving the old files",
    "maintenance": "closing the doors",
    "migrate": "migrating the database",
    "import": "importing",
    "verify": "comparing every record with the database",
    "check": "checking sync and policies",
    "open": "opening the doors",
    "report": "writing the report",
}
"""The steps in order, and what they do, in words."""

_WAIT_S = 30
"""How long the server may take to see that a killed import is gone, in seconds."""


@dataclass(frozen=True)
class CutoverRequest:
    """What to do: bring a folder into an account (None: the only one), with notes in folder out.

    rehearse: in a database of its own, which is dropped at the end.
    """

    data: Path
    out: Path
    account: str | None = None
    on_conflict: OnConflict = "quarantine"
    jobs: int = 1
    max_quarantine: int = 0
    rehearse: bool = False

    @property
    def folder(self) -> Path:
        """Where journal, archive and report go."""
        return self.out / "rehearsal" if self.rehearse else self.out

    def command(self) -> str:
        """Return the command that asks for this, ready to be copied."""
        options = {
            "--data": self.data,
            "--out": self.out,
            "--account": self.account,
            "--on-conflict": None if self.on_conflict == "quarantine" else self.on_conflict,
            "--jobs": None if self.jobs == 1 else self.jobs,
            "--max-quarantine": self.max_quarantine or None,
        }
        words = ["invoke", "cutover"]
        for name, value in options.items():
            words += [] if value is None else [name, str(value)]
        return shlex.join(words + ["--rehearse"] * self.rehearse)

    def import_of(self, folder: Path, *, alone: bool = False) -> ImportRequest:
        """Return the same as what is asked of an import of a folder.

        alone: into a database of its own, which has one account only, as a rehearsal's has.
        """
        return ImportRequest(
            folder,
            None if alone or self.rehearse else self.account,
            on_conflict=self.on_conflict,
            jobs=self.jobs,
            wait_s=_WAIT_S,
        )
