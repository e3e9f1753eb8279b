"""What the commands print: the same facts for people and, as JSON, for machines."""

from pathlib import Path
from typing import Any

from harness import console
from harness.connections import Server
from harness.embedded.postgres import Status
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.page import render_page
from harness.legacy.results import FILE_FAULTS, ImportResult
from harness.migrations.files import SqlFile
from harness.migrations.plan import Plan

_LOOK = "select title, status, message_count from app.chat_threads"


def report_plan(server: Server, plan: Plan, *, as_json: bool) -> ExitCode:
    """Show every file and its state. PENDING if there is something to do."""
    facts = [
        {
            "file": f"sql/{step.file.name}",
            "kind": step.file.kind,
            "state": step.state,
            "checksum": step.file.checksum,
            "applied_at": step.entry and step.entry.applied_at.isoformat(timespec="seconds"),
            "applied_by": step.entry and step.entry.applied_by,
        }
        for step in plan.steps
    ]
    gone = [f"sql/{entry.name}" for entry in plan.gone]
    if as_json:
        console.show_json(
            {"server": server.label, "pending": plan.is_pending, "files": facts, "gone": gone}
        )
    else:
        columns = ["file", "kind", "state", "applied_at", "applied_by"]
        console.show_table(server.label, columns, [[f[c] for c in columns] for f in facts])
        for name in gone:
            console.say(f"{name} is gone: its entry will be struck out")
        waiting = len(plan.versioned) + len(plan.repeatable)
        console.say(f"{waiting} files to apply" if plan.is_pending else "nothing to do")
    return ExitCode.PENDING if plan.is_pending else ExitCode.OK


def report_dry_run(server: Server, plan: Plan, *, as_json: bool) -> ExitCode:
    """Show what would be applied, in order, and nothing of what is in force."""
    steps = [*plan.versioned, *plan.repeatable]
    if as_json:
        console.show_json(
            {
                "server": server.label,
                "dry_run": True,
                "would_apply": [_file_facts(f) for f in steps],
            }
        )
    elif steps:
        console.show_table(
            f"{server.label}: would apply",
            ["file", "kind", "transaction"],
            [[f"sql/{f.name}", f.kind, _transaction(f)] for f in steps],
        )
    else:
        console.say("nothing to do")
    return ExitCode.PENDING if plan.is_pending else ExitCode.OK


def report_applied(server: Server, applied: list[SqlFile], *, as_json: bool) -> None:
    """Show what was applied."""
    if as_json:
        console.show_json({"server": server.label, "applied": [_file_facts(f) for f in applied]})
    elif applied:
        console.show_table(
            f"{server.label}: applied",
            ["file", "kind"],
            [[f"sql/{f.name}", f.kind] for f in applied],
        )
        console.say(f"{len(applied)} files applied")
    else:
        console.say(f"{server.label}: nothing to do")


def report_import(result: ImportResult, *, as_json: bool, max_quarantine: int = 0) -> ExitCode:
    """Show what came in. QUARANTINED if more than so many records did not."""
    if as_json:
        console.show_json(result.facts())
    else:
        _show_import(result)
    return ExitCode.QUARANTINED if result.quarantined > max_quarantine else ExitCode.OK


def check_page(path: str) -> Path | None:
    """Return where the report page goes, and check now that it can: an import may take long.

    Raises SessionbaseError (REFUSED).
    """
    if not path:
        return None
    page = Path(path)
    try:
        page.open("a", encoding="utf-8").close()
    except OSError as error:
        raise SessionbaseError(
            ExitCode.REFUSED, f"can't write the report to {page}: {error.strerror}"
        ) from None
    return page


def write_page(path: Path, result: ImportResult) -> None:
    """Write the report page. If that fails the import is done all the same, and said so."""
    try:
        path.write_text(render_page(result), encoding="utf-8")
    except OSError as error:
        console.note(f"the import is done, but its report can't be written: {error.strerror}")
    else:
        console.note(f"report: {path}")


def report_status(status: Status, *, as_json: bool) -> ExitCode:
    """Show whether the embedded server runs. FAILED (1) if it does not."""
    facts = {
        "running": status.running,
        "pid": status.pid,
        "port": status.port,
        "folder": str(status.folder),
    }
    if as_json:
        console.show_json(facts)
    elif status.running:
        console.say(
            f"running: 127.0.0.1:{status.port}, process {status.pid}, data in {status.folder}"
        )
    else:
        console.say(f"not running; data in {status.folder}")
    return ExitCode.OK if status.running else ExitCode.FAILED


def _show_import(result: ImportResult) -> None:
    columns = ["read", "imported", "unchanged", "adopted", "quarantined"]
    rows = [[f.file, *(getattr(f, c) for c in columns)] for f in result.files]
    total = ["together", *(sum(getattr(f, c) for f in result.files) for c in columns)]
    console.show_table(
        f"{_short(result.folder)} to {result.server}", ["file", *columns], [*rows, total]
    )
    for file in result.files:
        if file.missing:
            console.say(f"{file.file} is not there: taken as an empty store")
        for fault in file.faults:
            console.say(f"{file.file}, byte {fault.offset}: {FILE_FAULTS[fault.code]}")
    _show_notes(result)
    made = f", {result.threads_made} threads made for its records" if result.threads_made else ""
    console.say(f"The account has {result.sessions} sessions{made}.")
    if result.attempts > 1:
        console.say(f"The run was interrupted; this was attempt {result.attempts} at it.")
    if result.dry_run:
        console.say("Dry run: nothing was kept.")
    elif not result.changed:
        console.say("No record came in." if result.quarantined else "Nothing changed.")
    if not result.dry_run:
        console.say(f"Look at it: invoke psql --command '{_LOOK}'")


def _show_notes(result: ImportResult) -> None:
    if not result.notes:
        return
    console.show_table(
        "what was mended or kept out (the first of each)",
        ["fate", "file", "record", "byte", "field", "why"],
        [
            [n.fate, n.file, n.record, n.byte_offset, n.field, _why(n.meaning, n.sqlstate)]
            for n in result.notes
        ],
    )
    if sum(reason.count for reason in result.reasons) > len(result.notes):
        console.show_table(
            "all of them, counted",
            ["fate", "file", "reason", "field", "records"],
            [[r.fate, r.file, r.reason, r.field, r.count] for r in result.reasons],
        )
    if result.quarantined and not result.dry_run:
        console.say(f"{result.quarantined} records were kept out, whole, in legacy.quarantine.")


def _short(folder: str) -> str:
    """Return a folder as seen from here, if it is below."""
    path = Path(folder).absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else folder


def _why(meaning: str, sqlstate: str | None) -> str:
    return f"{meaning} (SQLSTATE {sqlstate})" if sqlstate else meaning


def _file_facts(file: SqlFile) -> dict[str, Any]:
    return {
        "file": f"sql/{file.name}",
        "kind": file.kind,
        "checksum": file.checksum,
        "transaction": _transaction(file),
    }


def _transaction(file: SqlFile) -> str:
    if file.kind != "versioned":
        return "one for all functions and policies"
    return "none" if file.no_transaction else "its own"
