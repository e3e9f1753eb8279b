"""What the bench of the rehearsal found, for people and for machines."""

from typing import Any

from bench.rehearsal import Rehearsed
from bench.report import Findings, Table, machine_facts, where
from harness.cutover.request import STEPS

_COLUMNS = ["step", "undisturbed, s", "rehearsed, s", "estimated, s", "killed in it"]


def rehearsal_findings(report: Rehearsed) -> Findings:
    """Return what a page, a person and a machine are shown."""
    table = Table(_title(report), _COLUMNS, {"step"}, _rows(report))
    return Findings(_facts(report), [table], [_sentence(report), where(report.environment)])


def _facts(found: Rehearsed) -> dict[str, Any]:
    return {
        "messages": found.order.messages,
        "seed": found.order.seed,
        "environment": machine_facts(found.environment),
        "size_bytes": found.size_bytes,
        "forecast": found.forecast,
        "seconds": found.seconds,
        "killed": dict(found.killed),
        "killed_rehearsals": dict(found.killed_rehearsals),
        "databases": found.rounds,
        "wall_s": found.wall_s,
        "rows": {table: count for table, (count, _) in found.contents.items()},
    }


def _title(found: Rehearsed) -> str:
    return f"{found.order.messages:,} messages, {found.size_bytes / 1e6:,.0f} MB of files"


def _sentence(found: Rehearsed) -> str:
    killed = found.killed.total()
    databases = "1 database" if found.rounds == 1 else f"{found.rounds} databases"
    walls = ", ".join(f"{part} {seconds:,.1f} s" for part, seconds in found.wall_s.items())
    rows = sum(count for count, _ in found.contents.values())
    return (
        f"Killed {killed} times with seed {found.order.seed}, in {databases}, and "
        f"{found.killed_rehearsals.total()} times in a rehearsal: no difference in {rows:,} rows. "
        f"With all processes: {walls}."
    )


def _rows(found: Rehearsed) -> list[list[str]]:
    rehearsed = {one["step"]: one["seconds"] for one in found.forecast["steps"]}
    estimated = found.forecast["estimate"]["seconds"]
    return [
        [
            step,
            f"{found.seconds[step]:,.1f}",
            _seconds(rehearsed.get(step)),
            _seconds(estimated.get(step)),
            str(found.killed[step]),
        ]
        for step in STEPS
    ]


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"
