"""invoke guide: docs/developer-guide.md is as the database and the entries are, or is written."""

from pathlib import Path

from harness import console
from harness.connections import Server, connect
from harness.errors import ExitCode, SessionbaseError
from harness.guide.catalog import Catalog, read_catalog
from harness.guide.entries import Entries, load_entries
from harness.guide.page import DOCUMENT, find_gaps, render_guide
from harness.settings import PROJECT


def guide(server: Server, *, write: bool, document: Path = DOCUMENT) -> ExitCode:
    """Compare docs/developer-guide.md with a migrated database, or write it.

    GUIDE_STALE if it differs. Raises SessionbaseError: FAILED for a mistake in the entries, or a
    function without one.
    """
    with connect(server, "guide") as connection:
        text = guide_of(read_catalog(connection), load_entries())
    name = document.relative_to(PROJECT) if document.is_relative_to(PROJECT) else document
    if document.is_file() and document.read_bytes() == text.encode():
        console.say(f"{name} is as the database is")
        return ExitCode.OK
    if not write:
        console.say(f"{name} is stale: run `invoke guide --write`, and commit it")
        return ExitCode.GUIDE_STALE
    document.write_bytes(text.encode())
    console.note(f"written: {name}")
    return ExitCode.OK


def guide_of(catalog: Catalog, entries: Entries) -> str:
    """Return the page. Raises SessionbaseError (FAILED) that lists what the entries lack."""
    gaps = find_gaps(catalog, entries)
    if gaps:
        raise SessionbaseError(
            ExitCode.FAILED,
            f"sql/functions/*.yaml: {'; '.join(gaps)}",
            hint="Beside each sql/functions/api_NAME.sql stands api_NAME.yaml.",
        )
    return render_guide(catalog, entries)
