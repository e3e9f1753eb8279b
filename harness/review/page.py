"""Who may do what, for people: docs/policies.md, and a page to be read without a network.

Both show policies as the files of sql/policies/ have them, for Postgres prints an expression
differently from version to version, and docs/policies.md is compared byte by byte.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from jinja2 import Environment

from harness.markdown import code, escaped, fenced, stripped
from harness.review.catalog import Catalog
from harness.review.changes import Change
from harness.review.findings import Finding
from harness.review.intent import Intent
from harness.review.matrix import OUTCOMES, Matrix, build_matrix, read_policy_files, tally
from harness.review.ownership import ForeignKey
from harness.review.policy_files import PolicyFile
from harness.review.proof import Proof
from harness.settings import PROJECT
from harness.templates import Filters, template_environment

DOCUMENT = PROJECT / "docs" / "policies.md"
"""Where render_markdown's text is kept."""

_MARKDOWN = "policies.md.j2"
_HTML = "page.html.j2"


def render_markdown(
    intent: Intent,
    catalog: Catalog,
    keys: Iterable[ForeignKey] = (),
    files: Mapping[str, PolicyFile] | None = None,
) -> str:
    """Return docs/policies.md: the same text for the same files, on every Postgres.

    files: those of sql/policies/, unless others are given.
    """
    matrix = build_matrix(intent, catalog, keys, read_policy_files() if files is None else files)
    text = _environment(is_html=False).get_template(_MARKDOWN).render(_facts(matrix))
    return stripped(text)


def render_html(  # noqa: PLR0913 - what a page may hold
    intent: Intent,
    catalog: Catalog,
    proof: Proof | None,
    keys: Iterable[ForeignKey] = (),
    files: Mapping[str, PolicyFile] | None = None,
    *,
    findings: Iterable[Finding] = (),
    revision: str = "",
    changes: Iterable[Change] = (),
) -> str:
    """Return the page: the matrix, what decides each cell, and what came of trying it.

    findings: where the database is not as meant, those of the proof too. revision: since when the
    changes are; without one the page has none.
    """
    read = read_policy_files() if files is None else files
    matrix = build_matrix(intent, catalog, keys, read, proof)
    page = (
        _environment(is_html=True)
        .get_template(_HTML)
        .render(
            _facts(matrix),
            proof=proof,
            total=tally(proof.attempts if proof else ()),
            wrong=[attempt for attempt in proof.attempts if not attempt.holds] if proof else [],
            findings=list(findings),
            outcomes=OUTCOMES,
            revision=revision,
            changes=list(changes),
        )
    )
    # A name of git or Postgres can hold bytes that are no text, which no file of UTF-8 can hold.
    return page.encode(errors="replace").decode()


def stale(path: Path, text: str) -> bool:
    """Whether a file is not there, or says something else than text."""
    return not path.is_file() or path.read_bytes() != text.encode()


def _facts(matrix: Matrix) -> dict[str, object]:
    return {"matrix": matrix, "by_table": {table.name: table for table in matrix.tables}}


def _environment(*, is_html: bool) -> Environment:
    filters: Filters = {
        "md": escaped,
        "code": code,
        "fenced": fenced,
        "anchor": _anchor,
        "count": _count,
        "pieces": _pieces,
    }
    return template_environment(Path(__file__).parent, is_html=is_html, filters=filters)


def _anchor(name: str) -> str:
    """Return a name as part of an id."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-")


def _count(number: int, one: str, more: str = "") -> str:
    """Return a number with its noun."""
    return f"{number:,} {one if number == 1 else more or f'{one}s'}"


def _pieces(name: str) -> list[str]:
    """Split a name where a line may end."""
    return re.findall(r"[^._,(]*[._,(]|[^._,(]+$", name)
