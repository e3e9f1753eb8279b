"""What a review leaves behind: docs/policies.md, a page, and what changed since a revision."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from harness import console
from harness.connections import connect
from harness.errors import ExitCode
from harness.reports import check_page
from harness.review.changes import Change, changes_since
from harness.review.findings import Finding
from harness.review.ownership import ForeignKey, read_foreign_keys
from harness.review.page import DOCUMENT, render_html, render_markdown, stale
from harness.review.review import Review, report_review
from harness.settings import PROJECT


@dataclass(frozen=True)
class Paper:
    """What is asked for. page: where it goes; revision: since when changes are; "" for none."""

    write: bool
    page: Path | None
    revision: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class PaperReview(Review):
    """A review with what it found on paper, and the changes that were asked for."""

    more: tuple[Finding, ...]
    changes: tuple[Change, ...] | None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding, those on paper last."""
        return (*super().findings, *self.more)

    def facts(self) -> dict[str, Any]:
        """Return it all for JSON."""
        if self.changes is None:
            return super().facts()
        return super().facts() | {"changes": [asdict(change) for change in self.changes]}


def ask_for(*, write: bool, page: str, revision: str) -> Paper:
    """Check what is asked for before anything takes long.

    Raises SessionbaseError: REFUSED for a page that can't be written or a revision that is not
    known, MISSING_TOOL without git.
    """
    changes = tuple(changes_since(revision)) if revision else ()
    return Paper(write, check_page(page), revision, changes)


def put_on_paper(found: Review, paper: Paper, document: Path = DOCUMENT) -> PaperReview:
    """Write what is asked for. Without --write a stale docs/policies.md is a finding.

    Raises OSError where a file can't be written.
    """
    with connect(found.server, "review") as connection:
        keys = read_foreign_keys(connection)
    more = _document(found, paper, keys, document)
    if paper.page:
        page = render_html(
            found.intent,
            found.catalog,
            found.proof,
            keys,
            findings=(*found.findings, *more),
            revision=paper.revision,
            changes=paper.changes,
        )
        paper.page.write_text(page, encoding="utf-8")
        console.note(f"page: {paper.page}")
    known = {field.name: getattr(found, field.name) for field in fields(found)}
    return PaperReview(**known, more=more, changes=paper.changes if paper.revision else None)


def report_on_paper(found: PaperReview, revision: str, *, as_json: bool) -> ExitCode:
    """Show what was found and, if it was asked for, what changed. Changes are no findings."""
    if found.changes is not None and not as_json:
        _show_changes(found.changes, revision)
    return report_review(found, as_json=as_json)


def _document(
    found: Review, paper: Paper, keys: tuple[ForeignKey, ...], document: Path
) -> tuple[Finding, ...]:
    text = render_markdown(found.intent, found.catalog, keys)
    # An installed sessionbase has no docs.
    is_stale = document.parent.is_dir() and stale(document, text)
    if not is_stale:
        return ()
    if not paper.write:
        name = _short(document)
        told = "it does not say what sql/policies/ and the database say"
        return (
            Finding("document-stale", name, "", told, "`invoke review --write`, and commit it"),
        )
    document.write_bytes(text.encode())
    console.note(f"written: {_short(document)}")
    return ()


def _show_changes(changes: tuple[Change, ...], revision: str) -> None:
    if not changes:
        console.say(f"Since {revision} nothing changed in who may do what.")
        return
    console.say(f"What changed since {revision}, wider first:")
    for change in changes:
        mark = "WIDER" if change.wider else "     "
        console.say(f"{mark}  {change.where}: {change.words}")
    console.say("")


def _short(path: Path) -> str:
    return str(path.relative_to(PROJECT)) if path.is_relative_to(PROJECT) else str(path)
