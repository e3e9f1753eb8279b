"""The page an operator keeps of an import: one file, to be read without a network, and printed."""

import shlex
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment

from harness.legacy.results import FILE_FAULTS, ImportResult, Reason
from harness.templates import Filters, template_environment

_TEMPLATE = "page.html.j2"
_MINUTE = 60
_HOUR = 60 * _MINUTE

_CONFLICTS = {
    "conflict": "kept out",
    "id_in_use": "kept out",
    "conflict_kept": "the database kept its own",
    "conflict_replaced": "replaced what the database had",
}
"""By the code of a reason: what became of a record whose id the database has with other content."""


def render_page(result: ImportResult) -> str:
    """Return the page as HTML, with nothing in it but what is known of the import.

    Of a record it has the place and the names of fields, never the content.
    """
    page = (
        environment()
        .get_template(_TEMPLATE)
        .render(
            {field.name: getattr(result, field.name) for field in fields(result)},
            outcome=outcome_of(result),
            complete=_is_complete(result),
            total={name: _sum(result, name) for name in _COUNTS},
            conflicts=[reason for reason in result.reasons if reason.reason in _CONFLICTS],
            conflict_outcomes=_CONFLICTS,
        )
    )
    # The name of a folder can hold bytes that are no text, which no file of UTF-8 can hold.
    return page.encode(errors="replace").decode()


_COUNTS = ("read", "imported", "unchanged", "adopted", "quarantined")


def outcome_of(result: ImportResult) -> str:
    """Say in one sentence what came of an import."""
    sentence = _outcome(result)
    return f"Dry run, nothing was kept: {sentence}" if result.dry_run else sentence


def _outcome(result: ImportResult) -> str:
    read, out, kept = _sum(result, "read"), result.quarantined, _kept_own(result.reasons)
    if not read:
        return "The files hold no records"
    if out:
        return f"{out:,} of {read:,} records {'was' if out == 1 else 'were'} kept out"
    if kept:
        return f"{read - kept:,} records are in; for {kept:,} the database kept its own content"
    if not result.changed:
        return f"Nothing changed: all {read:,} records were in already"
    return "The only record is in" if read == 1 else f"All {read:,} records are in"


def _is_complete(result: ImportResult) -> bool:
    """Whether no record asks for a decision."""
    return not result.quarantined and not _kept_own(result.reasons)


def _kept_own(reasons: list[Reason]) -> int:
    return sum(reason.count for reason in reasons if reason.reason == "conflict_kept")


def _sum(result: ImportResult, name: str) -> int:
    return sum(int(getattr(file, name)) for file in result.files)


def environment(*folders: Path) -> Environment:
    """Return what fills templates of such pages; folders: where else they are than here."""
    filters: Filters = {
        "number": lambda value: f"{value:,}",
        "utc": _utc,
        "duration": _duration,
        "fault": lambda code: FILE_FAULTS.get(code, code),
        "shell": shlex.quote,
        # A mend names the record as a whole with a star.
        "field": lambda name: "the whole record" if name == "*" else name or "-",
    }
    return template_environment(*folders, Path(__file__).parent, is_html=True, filters=filters)


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _duration(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes = f"{whole // _MINUTE % 60} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {minutes}" if whole >= _HOUR else minutes
