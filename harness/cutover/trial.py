"""A dry import of a sample, in a database of its own, and how long the night will take by it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness import console
from harness.connections import Server, connect
from harness.console import Tell
from harness.cutover.archive import take_archive
from harness.cutover.request import CutoverRequest
from harness.cutover.survey import Surveyed
from harness.databases import create_database, drop_database
from harness.legacy.importer import import_folder
from harness.legacy.results import ImportResult
from harness.legacy.verifier import VerifyRequest, verify_folder
from harness.migrations.runner import Migrator
from harness.settings import Settings

_PURPOSE = "cutover trial"


@dataclass(frozen=True)
class Trial:
    """What trying a sample showed. Times in seconds; grown_bytes: what the database grew by."""

    imported: ImportResult
    differences: int
    archive_s: float
    import_s: float
    verify_s: float
    grown_bytes: int


@dataclass(frozen=True)
class Estimate:
    """How long each step will take, in seconds, and how much room the database will need.

    basis: what it was reckoned from, in words.
    """

    seconds: dict[str, float]
    needed_bytes: int
    basis: str

    @property
    def total_s(self) -> float:
        """All steps together."""
        return sum(self.seconds.values())

    def facts(self) -> dict[str, Any]:
        """Return the same as plain data, for JSON."""
        return {**asdict(self), "total_s": self.total_s}


@contextmanager
def scratch_database(server: Server, settings: Settings, name: str) -> Iterator[Server]:
    """Give a migrated database beside the server's own; what a killed run left of it is dropped."""
    drop_database(server, name, _PURPOSE)
    try:
        scratch = create_database(server, name, "template0", _PURPOSE)
        Migrator(settings).apply(scratch)
        yield scratch
    finally:
        drop_database(server, name, _PURPOSE)


def try_sample(scratch: Server, request: CutoverRequest, sample: Path, tell: Tell) -> Trial:
    """Archive, import and verify a sample in a database of its own.

    The account is the one that migrations make. Raises what those steps raise.
    """
    clock = Stopwatch()
    take_archive(sample, sample.with_name("sample-archive"), tell)
    archive_s = clock.lap()
    tell("trying a sample: importing")
    before = _size(scratch)
    clock.lap()
    imported = import_folder(scratch, request.import_of(sample, alone=True), console.quiet_watch)
    import_s = clock.lap()
    verified = verify_folder(scratch, VerifyRequest(sample, limit=0), tell)
    verify_s = clock.lap()
    grown = _size(scratch) - before
    return Trial(imported, verified.difference_count, archive_s, import_s, verify_s, grown)


def estimate(files: list[Surveyed], survey_s: float, migrate_s: float, trial: Trial) -> Estimate:
    """Reckon the night from a trial, each step by the bytes it has to go through.

    survey_s: how long reading all files took. migrate_s: how long all migrations take.
    """
    total = sum(file.size_bytes for file in files)
    tried = sum(file.sampled_bytes for file in files)
    times = max(1.0, total / tried) if tried else 1.0
    seconds = {
        # Both read all files once more than the sample was read: to compare them with the archive.
        "archive": trial.archive_s * times,
        "migrate": migrate_s,
        "import": trial.import_s * times + survey_s,
        "verify": trial.verify_s * times + survey_s,
    }
    records = sum(file.sampled for file in files)
    basis = (
        f"{records:,} of {sum(file.records for file in files):,} records "
        f"({tried / 1e6:,.1f} of {total / 1e6:,.1f} MB) archived, imported and verified in "
        f"{trial.archive_s + trial.import_s + trial.verify_s:.1f} s, "
        "in a database of their own on this server"
    )
    # What is staged is as large as the files, and is there until the keys are built.
    return Estimate(seconds, int(trial.grown_bytes * times) + total, basis)


class Stopwatch:
    """Counts from when it is made, or was last asked."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def lap(self) -> float:
        """Return the seconds since then."""
        before, self._since = self._since, time.monotonic()
        return self._since - before


def _size(server: Server) -> int:
    with connect(server, _PURPOSE) as connection:
        row = connection.execute("select pg_database_size(current_database())").fetchone()
    return int(row[0]) if row else 0
