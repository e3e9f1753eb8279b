"""What ingest-sessions prints: for people or, as JSON, for machines."""

from typing import get_args

from harness import console
from harness.errors import ExitCode
from harness.session_logs.results import IngestResult, LogResult, Status

_SHOWN = 20
_REASONS = {
    "not_json": "It is no JSON.",
    "not_an_object": "It is JSON, and no object.",
    "unfinished": "It has no line feed yet: when the log has grown it is read again.",
    "too_large": "It is too large to be read; its begin is shown.",
    "damaged": "It is no JSON value.",
    "cut_off": "The file ends within it.",
}
"""Why an entry is broken, in words."""


def report_ingest(result: IngestResult, *, as_json: bool) -> ExitCode:
    """Show what was read. LOGS_REFUSED if a log was not."""
    if as_json:
        console.show_json(result.facts())
    else:
        _show(result)
    return ExitCode.LOGS_REFUSED if result.count("refused") else ExitCode.OK


def _show(result: IngestResult) -> None:
    rows = [_sums(status, result.logs) for status in get_args(Status) if result.count(status)]
    columns = ["logs", "count", "bytes", "entries added", "entries broken"]
    console.say(f"session logs to {result.server}")
    console.show_table("", columns, rows)
    _show_some("refused", [[log.path, log.note] for log in result.logs if log.status == "refused"])
    noted = [log for log in result.logs if log.note and log.status not in {"refused", "empty"}]
    _show_some("of note", [[log.path, f"{log.status}: {log.note}"] for log in noted])
    broken = [
        [log.path, one.line, _REASONS.get(one.reason, one.reason)]
        for log in result.logs
        for one in log.broken
    ]
    if broken:
        console.show_table(
            "broken entries (the first), which are in the timeline as they stand in the log",
            ["file", "line", "why"],
            broken[:_SHOWN],
        )
    if result.links:
        console.say(f"{result.links:,} symbolic links in folders were not followed.")
    if result.dry_run:
        console.say("Dry run: nothing was written.")
    elif not any(result.count(status) for status in ("new", "grown", "rewritten")):
        console.say("Nothing changed.")


def _sums(status: Status, logs: list[LogResult]) -> list[object]:
    those = [log for log in logs if log.status == status]
    return [
        status,
        len(those),
        sum(log.size_bytes for log in those),
        sum(log.added for log in those),
        sum(log.broken_count for log in those),
    ]


def _show_some(title: str, rows: list[list[str]]) -> None:
    if not rows:
        return
    more = f" (the first {_SHOWN} of {len(rows):,})" if len(rows) > _SHOWN else ""
    console.show_table(title + more, ["file", "what"], rows[:_SHOWN])
