"""What benches found, for people, for machines, and for a page of the documents."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness import console
from harness.errors import ExitCode, SessionbaseError


@dataclass(frozen=True)
class Table:
    """A table of figures. title: or ''. words: the columns that are no numbers."""

    title: str
    columns: list[str]
    words: set[str]
    rows: list[list[str]]

    def markdown(self) -> str:
        """Return it as Markdown, below its title."""
        rule = ["---" if column in self.words else "---:" for column in self.columns]
        title = [f"{self.title}:\n"] if self.title else []
        rows = [f"| {' | '.join(row)} |" for row in (self.columns, rule, *self.rows)]
        return "\n".join([*title, *rows])


@dataclass(frozen=True)
class Findings:
    """What a bench found: as plain data, and as tables with what is said below them.

    notes: what the columns mean, as a list of Markdown; '' if they say it themselves.
    """

    facts: dict[str, Any]
    tables: list[Table]
    sentences: list[str]
    notes: str = ""

    def markdown(self) -> str:
        """Return it as a page of the documents."""
        parts = [*(table.markdown() for table in self.tables), *self.sentences, self.notes.rstrip()]
        return "\n\n".join(part for part in parts if part) + "\n"

    def show(self, *, as_json: bool, out: Path | None) -> None:
        """Print it, and write it to a file of Markdown if one is named."""
        if out:
            write_page(out, self.markdown())
        if as_json:
            console.show_json(self.facts)
            return
        for table in self.tables:
            console.show_table(table.title, table.columns, table.rows)
        for line in (*self.sentences, self.notes.rstrip()):
            console.say(line)


def count_of_runs(runs: int) -> str:
    """Return how many runs there were, in words."""
    return "1 run" if runs == 1 else f"{runs} runs"


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the smallest value that at least so many of a hundred are not above."""
    return sorted(values)[-(-len(values) * percent // 100) - 1]


def machine_facts(environment: dict[str, str]) -> dict[str, str]:
    """Return a server's settings, with what else decides how fast the measurements are."""
    return {
        **environment,
        "cores": str(os.cpu_count()),
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "psycopg": version("psycopg"),
    }


def where(environment: dict[str, str]) -> str:
    """Return a line that says on what was measured."""
    known = machine_facts(environment)
    head = (
        f"Postgres {known.pop('postgres')} on {known.pop('cores')} cores ({known.pop('machine')}), "
        f"Python {known.pop('python')}, psycopg {known.pop('psycopg')}; "
    )
    return head + ", ".join(f"{name} = {value}" for name, value in known.items())


def write_page(out: Path, text: str) -> None:
    """Write a page. Raises SessionbaseError (FAILED) if it can't."""
    try:
        out.write_text(text)
    except OSError as error:
        raise SessionbaseError(
            ExitCode.FAILED, f"can't write {out}: {error.strerror}", hint="Name a file in --out."
        ) from None
