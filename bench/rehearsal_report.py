"""What the bench of the rehearsal found, for people and for machines."""

from dataclasses import asdict
from pathlib import Path

from bench.rehearsal import Rehearsed
from bench.report import machine_facts, markdown_table, where, write_page
from harness import console
from harness.cutover.request import STEPS

_COLUMNS = ["step", "undisturbed, s", "rehearsed, s", "estimated, s", "killed in it"]


def show_rehearsal_report(found: Rehearsed, *, as_json: bool, out: Path | None) -> None:
    """Print it, and write it to a file of Markdown if one is named."""
    if out:
        write_page(out, _markdown(found))
    if as_json:
        facts = asdict(found) | {"environment": machine_facts(found.environment)}
        console.show_json(facts)
        return
    console.show_table(_title(found), _COLUMNS, _rows(found))
    console.say(_sentence(found))
    console.say(where(found.environment))


def _markdown(found: Rehearsed) -> str:
    table = "\n".join(markdown_table(_COLUMNS, {"step"}, _rows(found)))
    return f"{_title(found)}:\n\n{table}\n\n{_sentence(found)}\n\n{where(found.environment)}\n"


def _title(found: Rehearsed) -> str:
    return f"{found.order.messages:,} messages, {found.size_bytes / 1e6:,.0f} MB of files"


def _sentence(found: Rehearsed) -> str:
    killed = found.killed.total()
    walls = ", ".join(f"{part} {seconds:,.1f} s" for part, seconds in found.wall_s.items())
    rows = sum(count for count, _ in found.contents.values())
    return (
        f"Killed {killed} times with seed {found.order.seed}, in {found.rounds} databases, and "
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
