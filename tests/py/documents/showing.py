"""Holds what a page shows against what there is."""

import re
from collections.abc import Iterator

from harness.settings import PROJECT
from tests.py.documents.reading import blocks_of

_LEFT_OUT = re.compile(r"\.\.\.|…")
_FIGURE = re.compile(r"\d+([.,:]\d+)*")


def shown_block(page: str, begins: str) -> str:
    """Return the text of the only block of a page that begins so."""
    blocks = blocks_of(page, (PROJECT / page).read_text("utf-8"))
    (found,) = (block.text for block in blocks if block.text.lstrip().startswith(begins))
    return found


def missing(shown: str, printed: str) -> list[str]:
    """Return the lines that were shown and not printed, in order. '...' stands for anything."""
    rest = list(_lines_of(printed))
    absent = []
    for line in _lines_of(shown):
        pattern = ".*".join(map(re.escape, _LEFT_OUT.split(line)))
        at = next((at for at, one in enumerate(rest) if re.fullmatch(pattern, one)), None)
        if at is None:
            absent.append(line)
        else:
            rest = rest[at + 1 :]
    return absent


def missing_but_for_figures(shown: str, printed: str) -> list[str]:
    """Return the same, where any figure stands for any other: they differ from run to run."""
    return missing(_FIGURE.sub("0", shown), _FIGURE.sub("0", printed))


def _lines_of(text: str) -> Iterator[str]:
    """Give the lines that say something, each with single spaces."""
    for line in text.splitlines():
        words = " ".join(line.split())
        if words.strip("-+─│ "):
            yield words
