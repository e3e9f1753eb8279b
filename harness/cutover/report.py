"""What is kept of a cutover: one page to read, and the same as JSON."""

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import __version__
from harness.connections import Server
from harness.cutover.archive import sync_folder
from harness.cutover.journal import Facts, Journal
from harness.cutover.request import STEPS, CutoverRequest
from harness.legacy.page import environment

_COUNTS = ("read", "imported", "unchanged", "adopted", "quarantined")


def write_report(server: Server, request: CutoverRequest, journal: Journal) -> Facts:
    """Write cutover.html and cutover.json into the folder, and return what they hold.

    Every step but this one must be done. Of records they hold counts and places, never content.
    Raises OSError.
    """
    return write_pages(request.folder, "cutover", _facts(server, request, journal))


def write_pages(folder: Path, name: str, facts: Facts) -> Facts:
    """Write facts as NAME.json and, through the template of that name, as NAME.html.

    Return them, with where both are. Raises OSError.
    """
    page, data = folder / f"{name}.html", folder / f"{name}.json"
    facts = facts | {"page": str(page), "json": str(data)}
    _write(data, json.dumps(facts, indent=2) + "\n")
    _write(page, _render(name, facts))
    sync_folder(folder)
    return facts


def step_facts(journal: Journal) -> list[dict[str, Any]]:
    """Return the steps that are done, in order: what they do, seconds, how often they began."""
    return [
        {
            "step": name,
            "what": what,
            "seconds": journal.seconds(name),
            "attempts": journal.attempts(name),
        }
        for name, what in STEPS.items()
        if journal.facts(name) is not None
    ]


def total_of(imported: Facts) -> dict[str, int]:
    """Return what became of the records of all files together, by the import's facts."""
    return {name: sum(file[name] for file in imported["files"]) for name in _COUNTS}


def rollback_of(request: CutoverRequest, archive: Facts) -> str:
    """Return the command that leads back, ready to be copied."""
    words = ["invoke", "rollback", "--archive", archive["path"], "--data", str(request.data)]
    return shlex.join(words)


def _facts(server: Server, request: CutoverRequest, journal: Journal) -> Facts:
    found = {name: journal.facts(name) or {} for name in STEPS}
    imported, archive = found["import"], found["archive"]
    steps = step_facts(journal)
    return {
        "rehearsal": request.rehearse,
        "server": server.label,
        "folder": str(request.data),
        "account": imported["account"],
        "version": __version__,
        "begun_at": journal.begun_at.isoformat(),
        "finished_at": datetime.now(UTC).isoformat(),
        "seconds": round(sum(step["seconds"] for step in steps), 3),
        "steps": steps,
        "estimate": found["preflight"]["estimate"],
        "notes": found["preflight"]["notes"],
        "archive": {name: archive[name] for name in ("path", "sha256", "size_bytes", "sums")},
        "import": imported,
        "total": total_of(imported),
        "verify": found["verify"],
        "check": found["check"],
        "migrated": len(found["migrate"]["applied"]),
        "rollback": None if request.rehearse else rollback_of(request, archive),
    }


def _render(name: str, facts: Facts) -> str:
    page = environment(Path(__file__).parent).get_template(f"{name}.html.j2").render(facts)
    # The name of a folder can hold bytes that are no text, which no file of UTF-8 can hold.
    return page.encode(errors="replace").decode()


def _write(path: Path, text: str) -> None:
    """Write a file so that it is there whole, or as it was."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
