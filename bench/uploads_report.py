"""What the bench of uploads found, for people, for machines, and for the documents."""

from statistics import median
from typing import Any

from bench.report import Findings, Table, count_of_runs, machine_facts, where
from bench.uploads import CHOSEN, GOAL, SIZES, Packing, UploadsReport
from harness.chunks import CHUNK_BYTES

_PACKING_COLUMNS = ["chunk", "method", "ratio", "to the chosen", "compress MB/s", "decompress MB/s"]
_KEEPING_COLUMNS = ["kept in Postgres as", "ratio", "write MB/s", "read MB/s"]

NOTES = """\
- ratio: bytes of the logs to bytes that are kept. to the chosen: this ratio to that of the method
  and chunk size that uploads are kept with.
- MB/s: 10^6 bytes of the logs a second; median of the runs. Of compress and decompress a second of
  the processor, on one core; in Postgres a second of the clock.
- kept in Postgres: chunks of the chosen size, a chunk a row, what the table and its TOAST table and
  indexes take on disk; writing is compressing, sending and the commit, reading is reading in order
  and decompressing. As it is: not compressed by the client.
- functions: as an account under row security; writing finds the SHA-256 of each chunk and of the
  whole, asks what is missing and sends that; reading checks both. Again: nothing is sent.
"""


def uploads_findings(report: UploadsReport) -> Findings:
    """Return what a page, a person and a machine are shown."""
    words = {"chunk", "method", _KEEPING_COLUMNS[0]}
    tables = [
        Table(_title(report), _PACKING_COLUMNS, words, _packing_rows(report)),
        Table("In the database", _KEEPING_COLUMNS, words, _keeping_rows(report)),
    ]
    return Findings(_facts(report), tables, _sentences(report), NOTES)


def _facts(report: UploadsReport) -> dict[str, Any]:
    return {
        "logs": len(report.sizes),
        "bytes": sum(report.sizes),
        "runs": report.order.runs,
        "environment": machine_facts(report.environment),
        "goal": GOAL,
        "chosen": {"method": CHOSEN, "chunk_bytes": CHUNK_BYTES, "ratio": _chosen(report).ratio},
        "file_ratios": sorted(report.file_ratios),
        "packings": [
            {
                "method": one.method,
                "chunk_bytes": one.chunk_bytes,
                "ratio": one.ratio,
                "to_chosen": one.ratio / _chosen(report).ratio,
                "pack_mb_per_s": {"median": median(one.pack_rates), "runs": one.pack_rates},
                "unpack_mb_per_s": {"median": median(one.unpack_rates), "runs": one.unpack_rates},
            }
            for one in report.packings
        ],
        "keepings": [
            {
                "title": one.title,
                "ratio": one.ratio,
                "write_mb_per_s": {"median": median(one.write_rates), "runs": one.write_rates},
                "read_mb_per_s": {"median": median(one.read_rates), "runs": one.read_rates},
            }
            for one in report.keepings
        ],
        "missing": report.missing,
    }


def _chosen(report: UploadsReport) -> Packing:
    return next(
        one for one in report.packings if one.method == CHOSEN and one.chunk_bytes == CHUNK_BYTES
    )


def _title(report: UploadsReport) -> str:
    runs = count_of_runs(report.order.runs)
    return f"{len(report.sizes):,} logs of {sum(report.sizes) / 1e6:,.1f} MB together, {runs}"


def _packing_rows(report: UploadsReport) -> list[list[str]]:
    chosen = _chosen(report)
    return [
        [
            f"{one.chunk_bytes >> 10} KiB",
            f"{one.method} (chosen)" if one is chosen else one.method,
            f"{one.ratio:.2f}",
            f"{one.ratio / chosen.ratio:.2f}",
            f"{median(one.pack_rates):,.0f}",
            f"{median(one.unpack_rates):,.0f}",
        ]
        for size in SIZES
        for one in sorted(report.packings, key=lambda one: one.ratio)
        if one.chunk_bytes == size
    ]


def _keeping_rows(report: UploadsReport) -> list[list[str]]:
    return [
        [
            one.title,
            f"{one.ratio:.2f}",
            f"{median(one.write_rates):,.0f}",
            f"{median(one.read_rates):,.0f}",
        ]
        for one in report.keepings
    ]


def _sentences(report: UploadsReport) -> list[str]:
    chosen = _chosen(report)
    ratios = report.file_ratios
    met = "met" if chosen.ratio >= GOAL else "not met"
    enough = sum(ratio >= GOAL for ratio in ratios)
    reached = (
        f"Goal {GOAL:g} to 1: {chosen.ratio:.2f}, {met}. By log {min(ratios):.2f} to "
        f"{max(ratios):.2f}, median {median(ratios):.2f}; {enough} of {len(ratios)} reach it."
    )
    lines = [reached, where(report.environment)]
    if report.missing:
        lines.append(f"Not measured, for it is not installed: {', '.join(report.missing)}.")
    return lines
