"""What a bench found, for people, for machines, and for a page of the documents."""

import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from bench.imports import Line, Report, Table
from harness import console
from harness.errors import ExitCode, SessionbaseError

_COLUMNS = [
    "method",
    "database",
    "records",
    "rows/s",
    "slowest..fastest",
    "time a row, floor = 1",
    "client MB",
]

NOTES = """\
- rows/s: median of the runs. time a row: against the floor of the same run, median of the runs;
  smaller is faster.
- Floors: the clock runs for the COPY of the message rows and its commit, with indexes, foreign key
  and checks in place. The rows are ready in memory; threads and sessions are loaded before.
- Imports: the clock runs for everything: reading and hashing the files, threads and their counts,
  messages, the books, the sums. Records are those of all files, threads among them.
- insert row by row: json.load and a prepared insert a message, in one transaction, on a tenth of
  the messages; threads and sessions are loaded before.
- filled: another account has messages there already. empty: nobody has, so an import of 8 MiB or
  more builds the indexes after the rows. imported: filled, and the same file is in.
- The files of the first table have no tool events, for the floor has none. Those of a table that
  says so have one for 20 messages.
- Every measurement has a fresh copy of the database, a fresh process, and a checkpoint before the
  clock. All methods take turns in every run, and who begins changes.
- client MB: most memory resident in the client, in 10^6 bytes. A floor's says nothing, for it holds
  the rows.
"""


def show_report(report: Report, *, as_json: bool, out: Path | None) -> None:
    """Print a report, and write it to a file of Markdown if one is named."""
    if out:
        write_page(out, markdown(report))
    if as_json:
        console.show_json(facts(report))
        return
    for title, table in _titled(report):
        console.show_table(title, _COLUMNS, cells(table))
    console.say(where(report.environment))
    console.say(NOTES.rstrip())


def facts(report: Report) -> dict[str, Any]:
    """Return it all as plain data."""
    return {
        "rows": report.order.rows,
        "runs": report.order.runs,
        "filled": report.order.filled,
        "environment": machine_facts(report.environment),
        "methods": _table_facts(report.main),
        "scale": [
            {"messages": table.messages, "methods": _table_facts(table)} for table in report.scale
        ],
    }


def markdown(report: Report) -> str:
    """Return it as a page of the documents."""
    parts = []
    for title, table in _titled(report):
        parts += [
            f"{title}:\n",
            *markdown_table(_COLUMNS, {"method", "database"}, cells(table)),
            "",
        ]
    return "\n".join([*parts, f"{where(report.environment)}\n", NOTES])


def cells(table: Table) -> list[list[str]]:
    """Return a table's lines, ready to print."""
    return [_cells(line, table.floor_of(line)) for line in table.lines]


def _cells(line: Line, floor: Line) -> list[str]:
    rates = line.rates
    return [
        line.method.title,
        line.method.state,
        f"{line.measured[0].records:,}",
        f"{median(rates):,.0f}",
        f"{min(rates):,.0f}..{max(rates):,.0f}",
        f"{median(line.ratios(floor)):.2f}",
        "" if line.method.way == "copy" else f"{_peak(line):.0f}",
    ]


def _table_facts(table: Table) -> list[dict[str, Any]]:
    return [
        {
            "method": line.method.title,
            "database": line.method.state,
            "jobs": line.method.jobs,
            "records": line.measured[0].records,
            "rows_per_second": {"median": median(line.rates), "runs": line.rates},
            "time_per_row_to_floor": {
                "floor": line.method.floor,
                "median": median(line.ratios(table.floor_of(line))),
                "runs": line.ratios(table.floor_of(line)),
            },
            "client_peak_mb": None if line.method.way == "copy" else _peak(line),
        }
        for line in table.lines
    ]


def _peak(line: Line) -> float:
    return max(one.peak_mb for one in line.measured)


def _titled(report: Report) -> Iterator[tuple[str, Table]]:
    order = report.order
    runs = count_of_runs(order.runs)
    filled = f"{order.filled:,} messages in the filled database"
    yield f"{order.rows:,} messages, {filled}, {runs}", report.main
    for table in report.scale:
        yield f"{table.messages:,} messages and their tool events, {filled}, {runs}", table


def count_of_runs(runs: int) -> str:
    """Return how many runs there were, in words."""
    return "1 run" if runs == 1 else f"{runs} runs"


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the smallest value that at least so many of a hundred are not above."""
    return sorted(values)[-(-len(values) * percent // 100) - 1]


def markdown_table(columns: list[str], words: set[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a table of Markdown. words: the columns that are no numbers."""
    rule = ["---" if column in words else "---:" for column in columns]
    return [f"| {' | '.join(row)} |" for row in (columns, rule, *rows)]


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
