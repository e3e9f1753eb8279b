"""The steps of a cutover, each of which may be done again: killed anywhere, it ends the same."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from harness import console
from harness.connections import Server, connect
from harness.cutover import preflight
from harness.cutover.archive import take_archive
from harness.cutover.bringing import Bringing
from harness.cutover.journal import Facts, Journal
from harness.cutover.mark import close
from harness.cutover.request import CutoverRequest
from harness.cutover.sums import Sums, check_sums, read_sums, sums_of
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.expectations import DERIVED
from harness.legacy.steps import FILES
from harness.legacy.verifier import Difference, VerifyRequest, verify_folder
from harness.maintenance import end_maintenance
from harness.migrations.runner import Migrator
from harness.review.review import review
from harness.settings import Settings

_MOST_SHOWN = 20
_MOST_LOOKED_AT = 10_000
_DERIVED = {column.fields[0] for column in DERIVED}
_BOTH_WAYS = (
    "The doors stay closed. Either mend it and run the same command again, which goes on here; "
    "or go back to where you were: invoke rollback (docs/runbook.md)."
)


@dataclass(frozen=True)
class Night:
    """What the steps work with.

    real: the database that is meant; server: the one that is worked on, which of a rehearsal is
    another. write_report: writes what is to be kept of the night.
    """

    settings: Settings
    real: Server
    server: Server
    request: CutoverRequest
    journal: Journal
    write_report: Callable[[], Facts]

    def facts(self, step: str) -> Facts:
        """Return what a step found that must be done by now."""
        found = self.journal.facts(step)
        if found is None:
            raise AssertionError(f"{step} is done by now")
        return found

    @property
    def sums(self) -> Sums:
        """The sums of the files that were archived."""
        sums: Sums = self.facts("archive")["sums"]
        return sums


def look(night: Night) -> Facts:
    """Look whether it can work. Raises SessionbaseError (NOT_READY) with every problem."""
    name = trial_database(night.real)
    with console.progress() as tell:
        try:
            found = preflight.look(night.real, night.settings, night.request, name, tell)
        finally:
            preflight.clear(night.request)
    for one in found.findings.notes:
        console.note(f"{one.what}: {one.found}")
    preflight.refuse(found)
    if found.estimate:
        console.step(f"about {found.estimate.total_s:,.0f} s, reckoned from {found.estimate.basis}")
    return found.facts()


def archive(night: Night) -> Facts:
    """Archive the files, and read the archive back."""
    with console.progress() as tell:
        whole = take_archive(night.request.data, night.request.folder / "archive", tell)
    console.step(f"archive: {whole.path}, SHA-256 {whole.sha256}")
    return {**whole.facts(), "sums": sums_of(whole)}


def close_doors(night: Night) -> Facts:
    """Mark maintenance, where the database knows of it yet."""
    with console.progress() as tell:
        if close(night.server, night.journal.begun_at, tell):
            return {"closed": True}
    why = "the database is older than the mark: it is set when it is migrated, before the import"
    console.note(why)
    return {"closed": False, "why": why}


def migrate(night: Night) -> Facts:
    """Migrate, and mark maintenance if that could not be done before."""
    with console.progress() as tell:
        applied = Migrator(night.settings, tell=tell, warn=console.note).apply(night.server)
    _keep_closed(night)
    return {"applied": [file.name for file in applied]}


def bring_in(night: Night) -> Facts:
    """Import what was archived, and nothing else."""
    _keep_closed(night)
    with console.progress() as tell:
        check_sums(night.sums, read_sums(night.request.data, tell), "before the import")
    brought = Bringing(night.server, night.request, night.sums)
    result = brought.found_since(night.journal.first_begun("import"))
    if result is None:
        with console.watching() as watch:
            result = brought.bring_in(watch)
    sums: Sums = {file.file: file.sha256 for file in result.files}
    check_sums(night.sums, sums, "by the import")
    return result.facts()


def verify(night: Night) -> Facts:
    """Compare every record. Raises SessionbaseError (CUTOVER_STOPPED) if one differs."""
    _keep_closed(night)
    asked = night.request.import_of(night.request.data)
    with console.progress() as tell:
        found = verify_folder(
            night.server, VerifyRequest(asked.folder, asked.account, _MOST_LOOKED_AT), tell
        )
    different = [one for one in found.differences if not _is_of_more_messages(night, one)]
    unseen = found.difference_count - len(found.differences)
    if different or unseen:
        raise stopped(
            f"{len(different) + unseen:,} differences between the files and {found.server}",
            [_in_words(one) for one in different[:_MOST_SHOWN]],
        )
    return {"files": [asdict(file) for file in found.files]}


def _is_of_more_messages(night: Night, one: Difference) -> bool:
    """Say whether only the files of a second archive made the difference.

    What a thread says of its messages was right for those of the first one, and follows what came
    since. The messages are compared themselves, and the thread with them.
    """
    return (
        night.journal.was_undone("archive")
        and one.file == FILES["threads"]
        and one.field in _DERIVED
        and one.since
    )


def check(night: Night) -> Facts:
    """Ask sync.check() and the review of rights. Raises SessionbaseError (CUTOVER_STOPPED)."""
    with connect(night.server, "cutover") as connection:
        problems = connection.execute(
            "select problem, object, detail, remedy from sync.check(%s::text)",
            [f"electric_publication_{night.settings.electric_replication_stream_id}"],
        ).fetchall()
    with console.progress() as tell:
        # What the proof tries is a scratch database of the same sql/, and not this one.
        found = review(night.settings, night.server, tell, with_proof=False)
    lines = [" ".join(f"{one}" for one in row) for row in problems]
    lines += [
        f"{one.code}: {one.object} {one.role}: {one.found}, wanted: {one.wanted}"
        for one in found.findings
    ]
    if lines:
        raise stopped(
            f"sync.check() has {len(problems)} problems, and the review {len(found.findings)}",
            lines[:_MOST_SHOWN],
        )
    return {"sync_problems": 0, "review_findings": 0, "cells": found.cells}


def open_doors(night: Night) -> Facts:
    """Lift maintenance, if the files are still those that were archived."""
    with console.progress() as tell:
        check_sums(night.sums, read_sums(night.request.data, tell), "before the doors opened")
    end_maintenance(night.server)
    return {"closed": False}


def report(night: Night) -> Facts:
    """Write the report."""
    return night.write_report()


DO: dict[str, Callable[[Night], Facts]] = {
    "preflight": look,
    "archive": archive,
    "maintenance": close_doors,
    "migrate": migrate,
    "import": bring_in,
    "verify": verify,
    "check": check,
    "open": open_doors,
    "report": report,
}
"""What does each step."""


def check_quarantine(imported: Facts, most: int) -> None:
    """See that not too many records were kept out. Raises SessionbaseError (CUTOVER_STOPPED)."""
    files: list[dict[str, Any]] = imported["files"]
    out = sum(file["quarantined"] for file in files)
    if out > most:
        lines = [
            f"{one['count']:,} of {one['file']}, {one['field'] or '-'}: {one['meaning']}"
            for one in imported["reasons"]
            if one["fate"] == "quarantined"
        ]
        raise stopped(
            f"{out:,} records were quarantined, and --max-quarantine allows {most:,}", lines
        )


def trial_database(real: Server) -> str:
    """Return the name of the database in which a sample is tried."""
    return f"sessionbase_trial_{database_id(real)}"


def database_id(server: Server) -> str:
    """Return the number that the server has for a database, whatever its name."""
    with connect(server, "cutover") as connection:
        row = connection.execute(
            "select oid::text from pg_database where datname = current_database()"
        ).fetchone()
    return str(row and row[0])


def stopped(what: str, lines: list[str]) -> SessionbaseError:
    """Return an error that says what is wrong, where, and both ways on."""
    return SessionbaseError(
        ExitCode.CUTOVER_STOPPED,
        what,
        excerpt="\n".join(f"  {line}" for line in lines),
        hint=_BOTH_WAYS,
    )


def _keep_closed(night: Night) -> None:
    """Mark maintenance again, should somebody have lifted it meanwhile."""
    with console.progress() as tell:
        is_closed = close(night.server, night.journal.begun_at, tell)
    if not is_closed:
        raise AssertionError("a migrated database knows of maintenance")


def _in_words(one: Difference) -> str:
    place = "" if one.record is None else f", record {one.record:,}"
    return f"{one.file}{place}, {one.field}: {one.what}"
