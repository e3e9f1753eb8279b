"""Looks, before anything is changed, whether the night can work: every problem at once."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.connections import Connection, Server, connect
from harness.console import Tell
from harness.cutover import space
from harness.cutover.finding import Findings
from harness.cutover.request import CutoverRequest
from harness.cutover.server_checks import (
    check_account,
    check_login,
    check_migrations,
    check_what_it_is,
    has_rows,
)
from harness.cutover.survey import Surveyed, survey
from harness.cutover.trial import Estimate, Stopwatch, estimate, scratch_database, try_sample
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.results import ImportResult
from harness.settings import Settings


@dataclass
class Preflight:
    """What was found. files: empty where they could not be read. estimate: None where none is."""

    findings: Findings = field(default_factory=Findings)
    files: list[Surveyed] = field(default_factory=list)
    estimate: Estimate | None = None

    def facts(self) -> dict[str, Any]:
        """Return the same as plain data, for JSON."""
        return {
            **self.findings.facts(),
            "files": [file.facts() for file in self.files],
            "estimate": self.estimate and self.estimate.facts(),
        }


def look(
    server: Server, settings: Settings, request: CutoverRequest, scratch_name: str, tell: Tell
) -> Preflight:
    """Look at server, files and room, and try a sample of the records.

    scratch_name: of the database it is tried in, which is dropped again.
    Raises SessionbaseError if the server can't be reached.
    """
    found = Preflight()
    survey_s = _look_at_files(request, found, tell)
    tell("asking the server")
    with connect(server, "preflight") as connection:
        may_make = _look_at_server(connection, server, settings, request, found)
        if found.findings.problems:
            found.findings.note("dry import", "not tried: mend what is above first")
        elif may_make:
            with found.findings.asking("dry import"):
                _try(server, settings, request, scratch_name, found, survey_s, tell)
        else:
            found.findings.note(
                "dry import",
                "not tried, and no estimate: the login may not make a database to try it in",
            )
        files = sum(file.size_bytes for file in found.files)
        # Without a trial: as rows and keys may be, and as is staged.
        needed = found.estimate.needed_bytes if found.estimate else 4 * files
        with found.findings.asking("room for the database"):
            space.check_database(connection, server, needed, found.findings)
    return found


def look_at_login(server: Server, request: CutoverRequest) -> Preflight:
    """Look at nothing but what the login may do. Raises what connect() raises."""
    found = Preflight()
    with connect(server, "preflight") as connection, found.findings.asking("rights"):
        check_login(connection, found.findings, rehearse=request.rehearse)
    return found


def refuse(found: Preflight) -> None:
    """Raise SessionbaseError (NOT_READY) with every problem, if there is one."""
    problems = found.findings.problems
    if problems:
        raise SessionbaseError(
            ExitCode.NOT_READY,
            f"not ready: {len(problems)} to mend; nothing was changed",
            excerpt="\n".join(f"  {one.what}: {one.found}\n      {one.remedy}" for one in problems),
            hint="Mend them all, and run the same command again.",
        )


def _look_at_files(request: CutoverRequest, found: Preflight, tell: Tell) -> float:
    """Read all files; return how long it took, in seconds."""
    clock = Stopwatch()
    with found.findings.asking("files"):
        shutil.rmtree(_sample(request), ignore_errors=True)
        found.files = survey(request.data, _sample(request), tell)
        for file in found.files:
            found.findings.add(file.file, _in_words(file))
            for fault in file.faults:
                found.findings.note(file.file, fault)
    size = sum(file.size_bytes for file in found.files)
    with found.findings.asking("room for the archive"):
        space.check_folder(request.folder, size, found.findings)
    return clock.lap()


def _look_at_server(
    connection: Connection,
    server: Server,
    settings: Settings,
    request: CutoverRequest,
    found: Preflight,
) -> bool:
    """Look at all that the server says. Returns whether the login may make a database."""
    findings, may_make = found.findings, False
    with findings.asking("Postgres"):
        check_what_it_is(connection, findings)
    with findings.asking("rights"):
        may_make = check_login(connection, findings, rehearse=request.rehearse)
    check_migrations(server, settings, findings)
    with findings.asking("account"):
        check_account(connection, request.account, findings)
    with findings.asking("rows"):
        if has_rows(connection):
            findings.note("rows", "messages are there already, so keys are kept while rows come in")
    return may_make


def _try(  # noqa: PLR0913, PLR0917 - what a trial needs
    server: Server,
    settings: Settings,
    request: CutoverRequest,
    scratch_name: str,
    found: Preflight,
    survey_s: float,
    tell: Tell,
) -> None:
    clock = Stopwatch()
    tell("trying a sample: migrating a database for it")
    with scratch_database(server, settings, scratch_name) as scratch:
        migrate_s = clock.lap()
        trial = try_sample(scratch, request, _sample(request), tell)
    found.estimate = estimate(found.files, survey_s, migrate_s, trial)
    _judge(trial.imported, trial.differences, request, found)


def _judge(
    imported: ImportResult, differences: int, request: CutoverRequest, found: Preflight
) -> None:
    """Take down what the dry import would have kept out, and what was not as it should be."""
    findings, read = found.findings, sum(file.read for file in imported.files)
    whole = read == sum(file.records for file in found.files)
    # What is damaged is in no sample, and is kept out as well.
    out = imported.quarantined + sum(file.damaged for file in found.files)
    said = f"{'all' if whole else 'the first'} {read:,} records tried, {out:,} to be kept out"
    remedy = f"invoke import-legacy --dry-run says which; or --max-quarantine={out} if it may be so"
    findings.add("dry import", said, remedy if out > request.max_quarantine else "")
    if differences:
        findings.add(
            "dry import",
            f"{differences:,} differences between the sample and its database",
            "This is a fault of sessionbase: report it, and leave the cutover.",
        )


def _sample(request: CutoverRequest) -> Path:
    return request.folder / "sample"


def clear(request: CutoverRequest) -> None:
    """Remove the sample."""
    for name in ("sample", "sample-archive"):
        shutil.rmtree(request.folder / name, ignore_errors=True)


def _in_words(file: Surveyed) -> str:
    if file.missing:
        return "is not there: taken as an empty store"
    damaged = f", {file.damaged:,} pieces damaged" if file.damaged else ""
    return f"{file.size_bytes:,} bytes, {file.records:,} records{damaged}"
