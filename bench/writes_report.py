"""What the bench of writes found, for people, for machines, and for the documents."""

from statistics import median
from typing import Any

from bench.report import Findings, Table, count_of_runs, machine_facts, where
from bench.writes import GOAL, Step, WritesReport, Writing

_COLUMNS = [
    "as",
    "clients",
    "INSERT/s",
    "append/s",
    "ratio",
    "lowest..highest",
    "INSERT again",
    "goal",
    "",
]
_STEP_COLUMNS = ["one connection, no wait for the disk", "µs", "lowest..highest"]

NOTES = """\
- INSERT: of the same row by the same role under the same policies, with the triggers of
  app.chat_messages off: no count, no preview, no order, no guard against a repeated call.
- statement: nothing but the write, on connections that are the account's. request: as an
  application server sends it, whose connections serve everybody: begin, set local role,
  set_config, the write, commit.
- ratio: messages a second of api.append_message, against the mean of the two measurements of INSERT
  around it; median of the runs.
- INSERT again: the second measurement of INSERT against the first. How far it is from 1 says how
  far the ratios can be believed.
- Messages of 1,024 characters, each with a client_message_id, into 1,000 threads of 100 sessions at
  random. pgbench, prepared, on the machine of the server, whose cores it shares.
"""


def writes_findings(report: WritesReport) -> Findings:
    """Return what a page, a person and a machine are shown."""
    tables = [
        Table(_title(report), _COLUMNS, {"as", ""}, _rows(report)),
        Table("Where the difference goes", _STEP_COLUMNS, {_STEP_COLUMNS[0]}, _step_rows(report)),
    ]
    return Findings(_facts(report), tables, [where(report.environment)], NOTES)


def _facts(report: WritesReport) -> dict[str, Any]:
    return {
        "rows": report.order.rows,
        "runs": report.order.runs,
        "seconds": report.order.seconds,
        "environment": machine_facts(report.environment),
        "writings": [
            {
                "as": one.form,
                "clients": one.clients,
                "insert_per_second": one.before,
                "append_per_second": one.append,
                "insert_again_per_second": one.after,
                "ratio": {"median": median(one.ratios), "runs": one.ratios},
                "control": one.control,
                "goal": GOAL,
            }
            for one in report.writings
        ],
        "steps": [{"step": one.title, "us": one.microseconds} for one in report.steps],
    }


def _title(report: WritesReport) -> str:
    order = report.order
    return (
        f"{order.rows:,} messages are there already; "
        f"{count_of_runs(order.runs)} of {order.seconds} s each"
    )


def _rows(report: WritesReport) -> list[list[str]]:
    return [_cells(one) for one in report.writings]


def _cells(writing: Writing) -> list[str]:
    ratios = writing.ratios
    return [
        writing.form,
        str(writing.clients),
        f"{median(writing.before):,.0f}",
        f"{median(writing.append):,.0f}",
        f"{median(ratios):.2f}",
        f"{min(ratios):.2f}..{max(ratios):.2f}",
        f"{writing.control:.2f}",
        f"{GOAL:.2f}",
        "met" if median(ratios) >= GOAL else "not met",
    ]


def _step_rows(report: WritesReport) -> list[list[str]]:
    return [_step_cells(one) for one in report.steps]


def _step_cells(step: Step) -> list[str]:
    times = step.microseconds
    return [step.title, f"{median(times):.0f}", f"{min(times):.0f}..{max(times):.0f}"]
