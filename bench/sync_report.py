"""What the bench of sync found, for people, for machines, and for the documents."""

from statistics import median
from typing import Any

from bench.report import Findings, Table, count_of_runs, machine_facts, percentile, where
from bench.sync import Burst, Reaching, SyncReport
from bench.sync_clients import LISTEN

_REACHING_COLUMNS = [
    "client",
    "p50 ms",
    "p99 ms",
    "p50 to LISTEN",
    "p99 to LISTEN",
    "COMMIT p50 ms",
]
_BURST_COLUMNS = [
    "client",
    "transactions",
    "written in s",
    "all there after s",
    "changes/s",
    "to LISTEN",
    "after the last commit s",
]
_WORDS = {"client"}
_SHARES = (50, 99)

NOTES = """\
- Each transaction calls api.append_message, which also counts the thread, and notifies; all clients
  are of one thread. A client is alone when it is measured, and they take turns.
- ms: from when COMMIT was sent, so with the COMMIT itself, until the client has the message, read
  from JSON. Median of the runs; in brackets the lowest and the highest run. The next message is
  written 5 to 25 ms after the client has the last one.
- to LISTEN: against LISTEN/NOTIFY of the same run; median of the runs. A notification carries a
  number and no row: who needs the row would have to read it.
- A burst is written by one connection as fast as it commits. Every change must come, once, and in
  order, or the bench fails. all there: from its begin until the client has the last change.
- The clients are programs of Python (httpx, psycopg) on the machine of the server, whose cores they
  share; no browser, no network.
"""


def sync_findings(report: SyncReport) -> Findings:
    """Return what a page, a person and a machine are shown."""
    tables = [
        Table(_title(report), _REACHING_COLUMNS, {"client"}, _reaching_rows(report)),
        Table(_burst_title(report), _BURST_COLUMNS, {"client"}, _burst_rows(report)),
    ]
    return Findings(_facts(report), tables, [where(report.environment)], NOTES)


def _facts(report: SyncReport) -> dict[str, Any]:
    return {
        "measured": report.subject,
        "commits": report.order.rows,
        "runs": report.order.runs,
        "burst": report.order.burst,
        "environment": machine_facts(report.environment),
        "commit_to_client": [
            {
                "client": one.client,
                "seconds": one.seconds,
                **{f"p{share}_s": one.percentiles(share) for share in _SHARES},
                **{f"p{share}_to_listen": _to_listen(report, one, share) for share in _SHARES},
                "commit_p50_s": [percentile(run, 50) for run in one.commits],
            }
            for one in report.reachings
        ],
        "bursts": [
            {
                "client": one.client,
                "transactions": one.transactions,
                "written_s": one.written,
                "arrived_s": one.arrived,
                "arrived_to_listen": _burst_to_listen(report, one),
            }
            for one in report.bursts
        ],
    }


def _title(report: SyncReport) -> str:
    order = report.order
    return (
        f"Measured: {report.subject}. From commit to client, {order.rows:,} commits a run, "
        f"{count_of_runs(order.runs)}"
    )


def _burst_title(report: SyncReport) -> str:
    return f"{report.order.burst:,} changes at once"


def _reaching_rows(report: SyncReport) -> list[list[str]]:
    return [
        [
            one.client,
            *(_ms(one.percentiles(share)) for share in _SHARES),
            *(f"{median(_to_listen(report, one, share)):.1f}" for share in _SHARES),
            f"{1000 * median(percentile(run, 50) for run in one.commits):.1f}",
        ]
        for one in report.reachings
    ]


def _burst_rows(report: SyncReport) -> list[list[str]]:
    return [
        [
            one.client,
            f"{one.transactions:,}",
            f"{median(one.written):.2f}",
            f"{median(one.arrived):.2f}",
            f"{report.order.burst / median(one.arrived):,.0f}",
            f"{median(_burst_to_listen(report, one)):.2f}",
            f"{median(_after(one)):.2f}",
        ]
        for one in report.bursts
    ]


def _to_listen(report: SyncReport, reaching: Reaching, share: int) -> list[float]:
    (listen,) = [one for one in report.reachings if one.client == LISTEN]
    pairs = zip(reaching.percentiles(share), listen.percentiles(share), strict=True)
    return [one / other for one, other in pairs]


def _burst_to_listen(report: SyncReport, burst: Burst) -> list[float]:
    (listen,) = [
        one
        for one in report.bursts
        if (one.client, one.transactions) == (LISTEN, burst.transactions)
    ]
    return [one / other for one, other in zip(burst.arrived, listen.arrived, strict=True)]


def _after(burst: Burst) -> list[float]:
    return [all_ - last for all_, last in zip(burst.arrived, burst.written, strict=True)]


def _ms(runs: list[float]) -> str:
    return f"{1000 * median(runs):.1f} ({1000 * min(runs):.1f}..{1000 * max(runs):.1f})"
