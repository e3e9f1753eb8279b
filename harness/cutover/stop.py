"""What is kept of a cutover that stopped: how far it came, why, and what to do now."""

import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harness import __version__, console
from harness.connections import connect
from harness.cutover.journal import Facts, Journal
from harness.cutover.mark import knows
from harness.cutover.night import Night
from harness.cutover.report import rollback_of, total_of, write_pages
from harness.cutover.request import STEPS, CutoverRequest
from harness.errors import INTERRUPTED, ExitCode, SessionbaseError, of_os_error
from harness.maintenance import maintenance_state

NAME = "stopped"
_OURS = {ExitCode.CUTOVER_STOPPED, ExitCode.NOT_READY}
"""Whose lines are made by the cutover itself, of places and counts. Others can quote a row."""


@dataclass(frozen=True)
class Reason:
    """Why it stopped. code: what the command exits with; lines: the places; remedy: what mends."""

    code: int
    why: str
    lines: list[str]
    remedy: str


def keep_stop(night: Night, step: str, error: BaseException) -> Facts:
    """Write stopped.html and stopped.json, and return what they hold.

    step: the one that did not come to its end. A page that can't be written is null in the facts,
    and said, for the error is what matters. Of records there are counts and places, never content.
    """
    facts = _facts(night, step, reason_of(error))
    try:
        return write_pages(night.request.folder, NAME, facts)
    except OSError as failed:
        console.note(f"the report can't be written: {failed.strerror}")
        return facts | {"page": None, "json": None}


def forget_stop(request: CutoverRequest) -> None:
    """Take away what was written of a stop: it goes on now. Raises OSError."""
    for suffix in ("html", "json"):
        (request.folder / f"{NAME}.{suffix}").unlink(missing_ok=True)


def reason_of(error: BaseException) -> Reason:
    """Say why something ended, without what only a programmer could read, and without rows."""
    if isinstance(error, KeyboardInterrupt):
        return Reason(INTERRUPTED, "interrupted", [], "Nothing is wrong: it goes on where it was.")
    if isinstance(error, OSError):
        error = of_os_error(error)
    if not isinstance(error, SessionbaseError):
        why = f"a fault of the program ({type(error).__name__})"
        return Reason(ExitCode.FAILED, why, [], "Report what stands in the terminal.")
    lines = error.excerpt.splitlines() if error.code in _OURS else []
    return Reason(
        error.code, error.what, textwrap.dedent("\n".join(lines)).splitlines(), error.hint
    )


def doors_of(night: Night) -> str:
    """Return "open", "closed", or "unknown": what the database says, or else the journal.

    Of a rehearsal "untouched": its database has doors of its own, through which nobody goes.
    """
    if night.request.rehearse:
        return "untouched"
    try:
        with connect(night.server, "cutover") as connection:
            knows_mark = knows(connection, "app", "begin_maintenance")
        return "closed" if knows_mark and maintenance_state(night.server) else "open"
    except SessionbaseError:
        return "closed" if _was_closed(night.journal) else "unknown"


def _was_closed(journal: Journal) -> bool:
    """Say whether the doors were closed for certain, and not opened again, as far as is noted."""
    is_closed = (
        journal.was_begun("import")
        or journal.facts("migrate") is not None
        or bool((journal.facts("maintenance") or {}).get("closed"))
    )
    return is_closed and not journal.attempts("open")


def _facts(night: Night, step: str, reason: Reason) -> Facts:
    request, journal = night.request, night.journal
    archive, imported = journal.facts("archive"), journal.facts("import")
    # Of a rehearsal the archive is gone when anybody reads this.
    archive = None if request.rehearse else archive
    return {
        "rehearsal": request.rehearse,
        "server": night.server.label,
        "folder": str(request.data),
        "account": request.account,
        "version": __version__,
        "begun_at": journal.begun_at.isoformat(),
        "stopped_at": datetime.now(UTC).isoformat(),
        "stopped": {
            "step": step,
            "exit_code": int(reason.code),
            "why": reason.why,
            "lines": reason.lines,
        },
        "doors": doors_of(night),
        "remedy": reason.remedy,
        "again": request.command(),
        "rollback": rollback_of(request, archive) if archive else None,
        "steps": [_step(journal, name, step) for name in STEPS],
        "archive": archive and {name: archive[name] for name in ("path", "sha256", "size_bytes")},
        "total": imported and total_of(imported),
    }


def _step(journal: Journal, name: str, stopped: str) -> dict[str, Any]:
    is_done = journal.facts(name) is not None
    return {
        "step": name,
        "what": STEPS[name],
        "state": "stopped" if name == stopped else "done" if is_done else "to do",
        "seconds": journal.seconds(name) if is_done else None,
        "attempts": journal.attempts(name),
    }
