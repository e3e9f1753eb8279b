"""What the bench of row security found, for people, for machines, and for the documents."""

from statistics import median
from typing import Any

from bench.report import Findings, Table, count_of_runs, machine_facts, where
from bench.row_security import Reading, RlsReport

_COLUMNS = ["read", "as", "off, µs", "on, µs", "ratio", "lowest..highest", "off again", "goal", ""]

NOTES = """\
- off, on: time of a read at the client, without row security and with it; the same statement by
  the same role, prepared, on one connection. A run's mean, planning included, which happens once
  a thread and run; the median of the runs is shown.
- ratio: on, against the mean of the two measurements without row security around it; median of
  the runs.
- off again: the second measurement without row security against the first. How far it is from 1
  says how far the ratios can be believed.
- owner reads threads of its own sessions; member those of sessions that are shared with it.
"""


def rls_findings(report: RlsReport) -> Findings:
    """Return what a page, a person and a machine are shown."""
    table = Table(_title(report), _COLUMNS, {"read", "as", ""}, _rows(report))
    return Findings(_facts(report), [table], [where(report.environment)], NOTES)


def _facts(report: RlsReport) -> dict[str, Any]:
    return {
        "rows": report.order.rows,
        "accounts": report.order.accounts,
        "runs": report.order.runs,
        "reads": report.order.reads,
        "environment": machine_facts(report.environment),
        "readings": [
            {
                "read": one.title,
                "as": one.principal,
                "off_us": one.off,
                "on_us": one.on,
                "off_again_us": one.again,
                "ratio": {"median": median(one.ratios), "runs": one.ratios},
                "control": one.control,
                "goal": one.goal,
            }
            for one in report.readings
        ],
    }


def _rows(report: RlsReport) -> list[list[str]]:
    return [_cells(one) for one in report.readings]


def _title(report: RlsReport) -> str:
    order = report.order
    return (
        f"{order.rows:,} messages of {order.accounts:,} accounts, "
        f"{count_of_runs(order.runs)} of {order.reads:,} reads each"
    )


def _cells(reading: Reading) -> list[str]:
    ratios = reading.ratios
    return [
        reading.title,
        reading.principal,
        f"{median(reading.off):.0f}",
        f"{median(reading.on):.0f}",
        f"{median(ratios):.2f}",
        f"{min(ratios):.2f}..{max(ratios):.2f}",
        f"{reading.control:.2f}",
        f"{reading.goal:.2f}",
        "met" if median(ratios) <= reading.goal else "not met",
    ]
