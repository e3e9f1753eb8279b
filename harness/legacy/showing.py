"""What export-legacy and verify-import print: for people or, as JSON, for machines."""

from harness import console
from harness.errors import ExitCode
from harness.legacy.exporter import ExportResult
from harness.legacy.verifier import VerifyResult

_COUNTS = {
    "checked": "checked",
    "equal": "equal",
    "mended": "mended",
    "quarantined": "quarantined",
    "twins": "twins",
    "kept": "database's kept",
    "changed": "changed since",
    "different": "different",
}
"""What is counted of a file's records, and as what it is shown."""


def report_export(result: ExportResult, *, as_json: bool) -> None:
    """Show what was written."""
    if as_json:
        console.show_json(result.facts())
        return
    console.show_table(
        f"{result.server} to {result.folder}",
        ["file", "records", "of these quarantined", "no JSON", "bytes"],
        [[f.file, f.records, f.quarantined, f.unreadable, f.size_bytes] for f in result.files],
    )
    for file in result.files:
        if file.unreadable_file:
            console.say(
                f"{file.unreadable_file} has {file.unreadable:,} pieces of {file.file} that are no "
                "JSON: in it, the old viewer would take the whole file for an empty store."
            )
    if result.run_id is None:
        console.say("No import has finished here: the files are in order of time.")


def report_verification(result: VerifyResult, *, as_json: bool) -> ExitCode:
    """Show what was compared. DIFFERENT if there is a difference."""
    if as_json:
        console.show_json(result.facts())
    else:
        _show_verification(result)
    return ExitCode.DIFFERENT if result.difference_count else ExitCode.OK


def _show_verification(result: VerifyResult) -> None:
    console.show_table(
        f"{result.folder} beside {result.server}",
        ["file", *_COUNTS.values()],
        [[file.file, *(getattr(file, name) for name in _COUNTS)] for file in result.files],
    )
    for file in result.files:
        if file.more:
            console.say(f"{file.file}: {file.more:,} rows more in the database, of no import.")
    if not result.difference_count:
        console.say("The files and the database say the same.")
        return
    console.show_table(
        "differences (the first)",
        ["file", "record", "byte", "field", "what"],
        [[d.file, d.record, d.byte, d.field, d.what] for d in result.differences],
    )
    console.say(f"{result.difference_count:,} differences.")
