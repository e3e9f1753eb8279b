"""Reads the fenced blocks of the documents, and what blocks.yaml says becomes of each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from markdown_it import MarkdownIt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.settings import PROJECT

_BOOK = Path(__file__).with_name("blocks.yaml")
_WAYS = ("run", "prints", "test", "not_run")


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, first line's number, language ('' if none) and text."""

    page: str
    line: int
    language: str
    text: str


class Fate(BaseModel):
    """What is done with a block. One of run, prints, test and not_run is given.

    begins: how the block's text begins, so that an entry can't drift to another block.
    run: it is run, as its reader would: by a shell, by psql, by psql as the account, as a program
      for Node or Python; or its first line by a shell, and the others are what that prints.
    values: what the reader puts in the place of a word, of what is run or of what is printed.
    prints: it is what the block before prints: all of it, or these lines among others.
    test: the test that runs it, or compares it with what there is.
    not_run: why nothing runs it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    begins: str
    run: Literal["shell", "transcript", "psql", "account", "node", "python"] | None = None
    values: dict[str, str] = Field(default_factory=dict)
    prints: Literal["all", "lines"] | None = None
    test: str | None = None
    not_run: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "Fate":
        given = [way for way in _WAYS if getattr(self, way) is not None]
        if len(given) != 1:
            raise ValueError(f"{self.begins!r}: one of {', '.join(_WAYS)}, not {given}")
        return self


def documents() -> list[str]:
    """Return the pages that people read, as paths within the project."""
    found = [
        *PROJECT.glob("*.md"),
        *PROJECT.glob("docs/**/*.md"),
        *PROJECT.glob("examples/**/*.md"),
    ]
    pages = (page.relative_to(PROJECT) for page in found)
    return sorted(str(page) for page in pages if "node_modules" not in page.parts)


def blocks_of(page: str, text: str) -> Iterator[Block]:
    """Read the fenced blocks of a page, those inside of lists too. {toctree} is for the site."""
    for token in MarkdownIt().parse(text):
        if token.type == "fence" and token.map and not token.info.startswith("{"):
            yield Block(page, token.map[0] + 1, token.info.strip(), token.content)


def blocks_of_project() -> dict[str, list[Block]]:
    """Return the blocks of every page that has any."""
    read = {
        page: list(blocks_of(page, (PROJECT / page).read_text("utf-8"))) for page in documents()
    }
    return {page: blocks for page, blocks in read.items() if blocks}


@dataclass(frozen=True)
class Book:
    """What becomes of blocks, by page; of whole pages, the tests that hold them."""

    fates: Mapping[str, list[Fate]]
    pages: Mapping[str, str]


def load_book() -> Book:
    """Read blocks.yaml."""
    read: dict[str, Any] = yaml.safe_load(_BOOK.read_text("utf-8"))
    fates = {page: [Fate(**one) for one in given] for page, given in read["blocks"].items()}
    return Book(fates, read["pages"])
