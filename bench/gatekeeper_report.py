"""What the bench of the gatekeeper found, for people, for machines, and for the documents."""

from statistics import median, quantiles
from typing import Any

from bench.gatekeeper import (
    GOAL_ADDED_MS,
    GOAL_ALL_S,
    GOAL_MEMORY_MB,
    Delivery,
    GatekeeperReport,
    Holding,
    Reading,
)
from bench.report import Findings, Table, count_of_runs, machine_facts, where

_READING = [
    "upstream",
    "clients",
    "gatekeeper",
    "direct MB/s",
    "through MB/s",
    "ratio",
    "lowest..highest",
    "goal",
    "",
]
_DELIVERY = ["upstream", "changes", "added ms, p50", "p99", "goal of p50", ""]
_HOLDING = [
    "upstream",
    "held polls",
    "MB before",
    "MB held",
    "goal",
    "",
    "half after s",
    "all after s",
    "goal ",
    " ",
]
_WORDS = {"upstream", "gatekeeper", "", " "}

NOTES = """\
- upstream: trivial does nothing but answer, so that the gatekeeper is what is measured; the
  stand-in is a test double of Electric, slower than that.
- asked anew: the gatekeeper asks the upstream each time. kept: it may have the answer from before.
- ratio: MB/s (10^6 bytes of the body) through the gatekeeper to direct, of the same clients;
  median of the runs. Each client keeps its one connection, both ways, as browsers do.
- added: how much later the client behind the gatekeeper had a change than the client that waited
  for the same change past it, both with polls that were held.
- MB held: what the gatekeeper's one process has resident once it says that it holds all polls.
  after s: from one change until so many of them were read to the end by one client process.
- Client, gatekeeper, upstream and Postgres share the machine's cores.
"""


def gatekeeper_findings(report: GatekeeperReport) -> Findings:
    """Return what a page, a person and a machine are shown."""
    return Findings(_facts(report), _tables(report), [where(report.environment)], NOTES)


def _facts(report: GatekeeperReport) -> dict[str, Any]:
    return {
        "rows": report.order.rows,
        "runs": report.order.runs,
        "seconds": report.order.seconds,
        "environment": machine_facts(report.environment),
        "snapshots": [
            {
                "upstream": one.upstream,
                "clients": one.clients,
                "kept": one.kept,
                "direct_mb_per_s": one.direct,
                "through_mb_per_s": one.through,
                "ratio": {"median": median(one.ratios), "runs": one.ratios},
                "goal": one.goal,
            }
            for one in report.readings
        ],
        "live": [
            {
                "upstream": one.upstream,
                "added_ms": {"p50": median(one.added_ms), "p99": _p99(one), "all": one.added_ms},
                "goal": GOAL_ADDED_MS,
            }
            for one in report.deliveries
        ],
        "held": [
            {
                "upstream": one.upstream,
                "polls": one.held,
                "before_mb": one.before_mb,
                "memory_mb": one.memory_mb,
                "half_s": one.half_s,
                "all_s": one.all_s,
                "goals": {"memory_mb": GOAL_MEMORY_MB, "all_s": GOAL_ALL_S},
            }
            for one in report.holdings
        ],
    }


def _tables(report: GatekeeperReport) -> list[Table]:
    order = report.order
    snapshots = f"Snapshots of {order.rows:,} rows, {count_of_runs(order.runs)}"
    return [
        Table(snapshots, _READING, _WORDS, [_reading(one) for one in report.readings]),
        Table("Live changes", _DELIVERY, _WORDS, [_delivery(one) for one in report.deliveries]),
        Table("Held polls", _HOLDING, _WORDS, [_holding(one) for one in report.holdings]),
    ]


def _reading(one: Reading) -> list[str]:
    ratio = median(one.ratios)
    return [
        one.upstream,
        f"{one.clients}",
        "kept" if one.kept else "asked anew",
        f"{median(one.direct):,.0f}",
        f"{median(one.through):,.0f}",
        f"{ratio:.2f}",
        f"{min(one.ratios):.2f}..{max(one.ratios):.2f}",
        "" if one.goal is None else f"{one.goal:.2f}",
        "" if one.goal is None else _verdict(ratio >= one.goal),
    ]


def _delivery(one: Delivery) -> list[str]:
    middle = median(one.added_ms)
    return [
        one.upstream,
        f"{len(one.added_ms)}",
        f"{middle:.2f}",
        f"{_p99(one):.2f}",
        f"{GOAL_ADDED_MS:g}",
        _verdict(middle < GOAL_ADDED_MS),
    ]


def _holding(one: Holding) -> list[str]:
    return [
        one.upstream,
        f"{one.held:,}",
        f"{one.before_mb:.0f}",
        f"{one.memory_mb:.0f}",
        f"{GOAL_MEMORY_MB}",
        _verdict(one.memory_mb < GOAL_MEMORY_MB),
        f"{one.half_s:.2f}",
        f"{one.all_s:.2f}",
        f"{GOAL_ALL_S:g}",
        _verdict(one.all_s < GOAL_ALL_S),
    ]


def _verdict(is_met: bool) -> str:
    return "met" if is_met else "not met"


def _p99(one: Delivery) -> float:
    return quantiles(one.added_ms, n=100)[98] if len(one.added_ms) > 1 else one.added_ms[0]
