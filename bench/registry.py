"""All benches by name: what each measures by default, how it is run, and how it is shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.imports import Order, bench_imports
from bench.imports_report import import_findings
from bench.rehearsal import RehearsalOrder, bench_rehearsal
from bench.rehearsal_report import rehearsal_findings
from bench.report import Findings
from bench.row_security import RlsOrder, bench_row_security
from bench.row_security_report import rls_findings
from bench.uploads import UploadsOrder, bench_uploads
from bench.uploads_report import uploads_findings
from bench.writes import WritesOrder, bench_writes
from bench.writes_report import writes_findings
from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings


@dataclass(frozen=True)
class Asked:
    """What the command line asks for. rows, runs: 0 is the bench's own."""

    rows: int
    runs: int
    filled: int
    scale: bool
    held: int
    accounts: int
    reads: int
    seconds: int
    seed: int
    minutes: float
    writers: int
    clients: int
    sessions: int
    rate: float
    data: Path | None


@dataclass(frozen=True)
class Bench:
    """A bench: its usual rows and runs, how to measure, what a report's findings are.

    has_peers: False of one that shows that something holds, for long, and compares with nothing.
    needs_logs: it measures session logs that somebody has, and says where.
    is_well: whether what it found is as it must be.
    """

    rows: int
    runs: int
    measure: Callable[[Settings, Asked, Tell], Any]
    findings: Callable[[Any], Findings]
    has_peers: bool = True
    needs_logs: bool = False
    is_well: Callable[[Any], bool] = lambda _: True


def _import(known: Settings, asked: Asked, tell: Tell) -> object:
    order = Order(asked.rows, asked.runs, asked.filled or asked.rows, scale=asked.scale)
    return bench_imports(known, order, tell)


def _rls(known: Settings, asked: Asked, tell: Tell) -> object:
    return bench_row_security(
        known, RlsOrder(asked.rows, asked.accounts, asked.runs, asked.reads), tell
    )


def _writes(known: Settings, asked: Asked, tell: Tell) -> object:
    return bench_writes(known, WritesOrder(asked.rows, asked.runs, asked.seconds), tell)


def _uploads(known: Settings, asked: Asked, tell: Tell) -> object:
    return bench_uploads(known, UploadsOrder(asked.data, asked.runs), tell)


def _rehearsal(known: Settings, asked: Asked, tell: Tell) -> object:
    return bench_rehearsal(known, RehearsalOrder(asked.rows, asked.runs, asked.seed), tell)


# Clients of these three need what the tests need, and no other command does.


def _gatekeeper() -> Bench:
    from bench.gatekeeper import GatekeeperOrder, bench_gatekeeper  # noqa: PLC0415
    from bench.gatekeeper_report import gatekeeper_findings  # noqa: PLC0415

    def measure(known: Settings, asked: Asked, tell: Tell) -> object:
        order = GatekeeperOrder(asked.rows, asked.runs, held=asked.held)
        return bench_gatekeeper(known, order, tell)

    return Bench(2_000, 5, measure, gatekeeper_findings)


def _soak() -> Bench:
    from bench.soak import SoakOrder, bench_soak  # noqa: PLC0415
    from bench.soak_report import soak_findings  # noqa: PLC0415

    def measure(known: Settings, asked: Asked, tell: Tell) -> object:
        order = SoakOrder(asked.minutes, asked.writers, asked.clients, asked.sessions, asked.rate)
        return bench_soak(known, order, tell)

    return Bench(0, 1, measure, soak_findings, has_peers=False, is_well=lambda found: found.is_well)


def _sync() -> Bench:
    from bench.sync import SyncOrder, bench_sync  # noqa: PLC0415
    from bench.sync_report import sync_findings  # noqa: PLC0415

    def measure(known: Settings, asked: Asked, tell: Tell) -> object:
        return bench_sync(known, SyncOrder(asked.rows, asked.runs), tell)

    return Bench(300, 3, measure, sync_findings)


_BENCHES: Mapping[str, Callable[[], Bench]] = {
    "import": lambda: Bench(100_000, 5, _import, import_findings),
    "rls": lambda: Bench(2_000_000, 9, _rls, rls_findings),
    "writes": lambda: Bench(100_000, 5, _writes, writes_findings),
    "uploads": lambda: Bench(0, 3, _uploads, uploads_findings, needs_logs=True),
    "sync": _sync,
    "gatekeeper": _gatekeeper,
    "rehearsal": lambda: Bench(1_000_000, 20, _rehearsal, rehearsal_findings, has_peers=False),
    "soak": _soak,
}
NAMES = tuple(_BENCHES)


def find_bench(name: str) -> Bench:
    """Return a bench. Raises SessionbaseError (REFUSED) if there is none of that name.

    Raises ModuleNotFoundError if it needs a package that is not installed.
    """
    if name not in _BENCHES:
        raise SessionbaseError(
            ExitCode.REFUSED,
            f"there is no bench {name}",
            hint=f"It is one of: {', '.join(NAMES)}, all.",
        )
    return _BENCHES[name]()


def measure(bench: Bench, known: Settings, asked: Asked, tell: Tell) -> Any:  # noqa: ANN401 - each has its own
    """Run a bench, and return its report."""
    usual = replace(asked, rows=asked.rows or bench.rows, runs=asked.runs or bench.runs)
    return bench.measure(known, usual, tell)
