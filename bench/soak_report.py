"""What a soak found, for people, for machines, and for the documents."""

from typing import Any

from bench.report import Findings, Table, machine_facts, percentile, where
from bench.soak import LOAD, SoakReport
from bench.soak_samples import FEWEST, RISE, RISE_MB, SEGMENTS_MB, Watched

_SHARES = (50, 90, 99, 100)
_TIMES = ["from sending a write", "count", "p50 ms", "p90 ms", "p99 ms", "most ms"]
_PROGRAMS = [
    "program",
    "MB, middle fifth",
    "last fifth",
    "ratio",
    "MB a minute, second half",
    "cores",
    "",
]
_LOG = ["slot", "most log kept, MB", "at the end", "most not confirmed, MB"]
_WORDS = {"from sending a write", "program", "slot", ""}

_RISE = f"{RISE - 1:.0%} and {RISE_MB:.0f} MB"

NOTES = f"""\
- Nothing lost: every acknowledged write is in the database once, with the id that was
  acknowledged; every client has the rows of its shape that the database has, value by value, and
  no message of the shape contradicted another. Some writes are sent again though acknowledged.
- Memory is flat if the median of the last fifth of the time is not above that of the middle fifth
  by more than {_RISE}. Medians, for a collector's sawtooth is no growth; the
  middle, for what fills once is full by then; some MB at least, for a small process has as much
  more when pages of it are touched that were not before.
- Postgres: the sum of what its processes have for themselves. The shared buffers are set.
- cores: processor time to time. Writers, clients and samples are one process, "this load"; it
  shares the cores with what it measures.
- Log kept: of the slots of this database; {SEGMENTS_MB:.0f} MB at most when all is still again.
"""


def soak_findings(report: SoakReport) -> Findings:
    """Return what a page, a person and a machine are shown."""
    sentences = [_title(report), *_verdict(report), where(report.environment)]
    return Findings(_facts(report), _tables(report), sentences, NOTES)


def _facts(report: SoakReport) -> dict[str, Any]:
    order, ledger = report.order, report.ledger
    return {
        "well": report.is_well,
        "faults": report.faults,
        "minutes": order.minutes,
        "writers": order.writers,
        "clients": order.clients,
        "sessions": order.sessions,
        "rate": order.rate,
        "electric": report.electric,
        "environment": machine_facts(report.environment),
        "written": len(ledger.acknowledged),
        "written_per_second": len(ledger.acknowledged) / report.lasted_s,
        "delivered": report.deliveries,
        "delivered_per_second": report.deliveries / report.lasted_s,
        "write_s": _percentiles(ledger.write_s),
        "write_to_client_s": _percentiles(ledger.came_s),
        "counts": dict(ledger.counts),
        "programs": [
            {
                "program": one.name,
                "judged": not one.excuse,
                "middle_fifth_mb": one.mb.fifth(2),
                "last_fifth_mb": one.mb.fifth(4),
                "mb_per_minute": one.mb.slope,
                "cores": one.cpu_s / report.lasted_s,
                "mb": one.mb.values,
            }
            for one in _measured(report)
        ],
        "load_share_of_cpu": load_share(report),
        "log_mb": max(report.log.mb.values),
        "slots": [
            {
                "slot": slot,
                "most_kept_mb": max(kept.values),
                "kept_at_the_end_mb": kept.values[-1],
                "most_behind_mb": max(report.log.behind_mb[slot].values),
            }
            for slot, kept in report.log.kept_mb.items()
        ],
    }


def load_share(report: SoakReport) -> float:
    """Return what of the measured processor time was the load's own, from 0 to 1."""
    (load,) = [one for one in report.watched if one.name == LOAD]
    return load.cpu_s / sum(one.cpu_s for one in report.watched)


def _percentiles(seconds: list[float]) -> dict[str, float]:
    return {f"p{share}": percentile(seconds, share) for share in _SHARES} if seconds else {}


def _title(report: SoakReport) -> str:
    order, written = report.order, len(report.ledger.acknowledged)
    return (
        f"Measured: {report.electric}. {order.writers:,} writers and {order.clients:,} clients of "
        f"{order.sessions:,} sessions for {order.minutes:g} minutes: {written:,} messages "
        f"({written / report.lasted_s:.1f} a second, {order.rate:g} asked for), delivered "
        f"{report.deliveries:,} times ({report.deliveries / report.lasted_s:,.0f} a second). Of "
        f"the processor time, {load_share(report):.0%} was the load's own."
    )


def _verdict(report: SoakReport) -> list[str]:
    counts = sorted(report.ledger.counts.items())
    told = ", ".join(f"{what} {many:,}" for what, many in counts)
    beside = [f"Beside that: {told}."] if told else []
    if report.faults:
        return [*beside, *(f"WRONG: {fault}" for fault in report.faults)]
    return [*beside, "Nothing was lost or doubled, and nothing grew."]


def _tables(report: SoakReport) -> list[Table]:
    ledger = report.ledger
    times = [
        _times("until it was acknowledged", ledger.write_s),
        _times("until a client had it", ledger.came_s),
    ]
    programs = [_program(one, report.lasted_s) for one in _measured(report)]
    slots = [
        [
            slot,
            f"{max(kept.values):.1f}",
            f"{kept.values[-1]:.1f}",
            f"{max(report.log.behind_mb[slot].values):.1f}",
        ]
        for slot, kept in report.log.kept_mb.items()
    ]
    columns_and_rows = ((_TIMES, times), (_PROGRAMS, programs), (_LOG, slots))
    return [Table("", columns, _WORDS, rows) for columns, rows in columns_and_rows]


def _measured(report: SoakReport) -> list[Watched]:
    return [one for one in report.watched if one.root and len(one.mb.values) >= FEWEST]


def _times(what: str, seconds: list[float]) -> list[str]:
    times = [f"{1000 * percentile(seconds, share):.1f}" for share in _SHARES] if seconds else []
    return [what, f"{len(seconds):,}", *times, *[""] * (len(_SHARES) - len(times))]


def _program(one: Watched, lasted_s: float) -> list[str]:
    return [
        one.name,
        f"{one.mb.fifth(2):.1f}",
        f"{one.mb.fifth(4):.1f}",
        f"{one.mb.rise:.2f}",
        f"{one.mb.slope:+.2f}",
        f"{one.cpu_s / lasted_s:.2f}",
        f"not judged: {one.excuse}" if one.excuse else "flat" if one.mb.is_flat else "grows",
    ]
