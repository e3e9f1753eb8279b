"""What the bench of the import found, for people, for machines, and for the documents."""

from collections.abc import Iterator
from statistics import median
from typing import Any

from bench.imports import Line, Measurements, Report
from bench.report import Findings, Table, count_of_runs, machine_facts, where

_COLUMNS = [
    "method",
    "database",
    "records",
    "rows/s",
    "slowest..fastest",
    "time a row, floor = 1",
    "goal",
    "",
    "client MB",
]

NOTES = """\
- rows/s: median of the runs. time a row: against the floor of the same run, median of the runs;
  smaller is faster.
- goal: 0.9 of the floor's rows a second into filled tables, 1.5 of them into empty ones.
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


def import_findings(report: Report) -> Findings:
    """Return what a page, a person and a machine are shown."""
    tables = [
        Table(title, _COLUMNS, {"method", "database", ""}, cells(table))
        for title, table in _titled(report)
    ]
    return Findings(_facts(report), tables, [where(report.environment)], NOTES)


def _facts(report: Report) -> dict[str, Any]:
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


def cells(table: Measurements) -> list[list[str]]:
    """Return a table's lines, ready to print."""
    return [_cells(line, table.floor_of(line)) for line in table.lines]


def _cells(line: Line, floor: Line) -> list[str]:
    rates, goal, middle = line.rates, line.method.goal, median(line.ratios(floor))
    return [
        line.method.title,
        line.method.state,
        f"{line.measured[0].records:,}",
        f"{median(rates):,.0f}",
        f"{min(rates):,.0f}..{max(rates):,.0f}",
        f"{middle:.2f}",
        "" if goal is None else f"{goal:.2f}",
        "" if goal is None else "met" if middle <= goal else "not met",
        "" if line.method.way == "copy" else f"{_peak(line):.0f}",
    ]


def _table_facts(table: Measurements) -> list[dict[str, Any]]:
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
            "goal": line.method.goal,
            "client_peak_mb": None if line.method.way == "copy" else _peak(line),
        }
        for line in table.lines
    ]


def _peak(line: Line) -> float:
    return max(one.peak_mb for one in line.measured)


def _titled(report: Report) -> Iterator[tuple[str, Measurements]]:
    order = report.order
    runs = count_of_runs(order.runs)
    filled = f"{order.filled:,} messages in the filled database"
    yield f"{order.rows:,} messages, {filled}, {runs}", report.main
    for table in report.scale:
        yield f"{table.messages:,} messages and their tool events, {filled}, {runs}", table
