"""What people and machines see: text and tables through rich, facts as JSON."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from harness.errors import SessionbaseError

Tell = Callable[[str], None]
"""Something that is told, in one line, what is going on."""

Watch = Callable[[str, int, int], None]
"""Something that is told what is going on, how far it is, and of how much (0: not known)."""

# Without a terminal rich would cut tables at 80 columns; logs have room.
_LOG_WIDTH = 160


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr, width=None if stream.isatty() else _LOG_WIDTH, highlight=False, emoji=False
    )


def say(text: str) -> None:
    """Print a line of the result."""
    _console(stderr=False).print(escape(text), soft_wrap=True)


def note(text: str) -> None:
    """Print a line about what is going on, apart from the result, to standard error."""
    _console(stderr=True).print(escape(text), style="dim", soft_wrap=True)


def step(text: str) -> None:
    """Print a line about a part of long work that begins or ended, on a terminal only."""
    console = _console(stderr=True)
    if console.is_terminal:
        console.print(escape(text), soft_wrap=True)


@contextmanager
def progress() -> Iterator[Tell]:
    """Show one line that says what is being done, on a terminal; elsewhere nothing."""
    console = _console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("") as status:
        yield lambda text: status.update(escape(text))


def quiet_watch(_text: str, _done: int, _total: int) -> None:
    """Watch, and say nothing."""


@contextmanager
def watching() -> Iterator[Watch]:
    """Show a bar with rate and time left, on a terminal; elsewhere nothing."""
    console = _console(stderr=True)
    if not console.is_terminal:
        yield quiet_watch
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as bars:
        shown: dict[str, TaskID] = {}

        def watch(text: str, done: int, total: int) -> None:
            if text not in shown:
                for bar in shown.values():
                    bars.update(bar, visible=False)
                shown[text] = bars.add_task(escape(text), total=total or None)
            bars.update(shown[text], completed=done, total=total or None)

        yield watch


def show_json(facts: object) -> None:
    """Print facts as one JSON document, and nothing else."""
    sys.stdout.write(json.dumps(facts, indent=2, default=str) + "\n")
    # A command that goes on may be read by a program that waits for it.
    sys.stdout.flush()


def show_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Print a table. Numbers stand to the right."""
    lines = [list(row) for row in rows]
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        numeric = bool(lines) and all(isinstance(line[place], int) for line in lines)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for line in lines:
        table.add_row(*("" if cell is None else escape(str(cell)) for cell in line))
    _console(stderr=False).print(table)


def show_error(error: SessionbaseError) -> None:
    """Print an error for a person: what, where, what to do."""
    console = _console(stderr=True)
    console.print(f"[bold red]error:[/] {escape(error.what)}", soft_wrap=True)
    if error.excerpt:
        console.print(escape(error.excerpt), soft_wrap=True)
    if error.hint:
        console.print(f"[bold]what to do:[/] {escape(error.hint)}", soft_wrap=True)
