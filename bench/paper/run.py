"""Runs every bench that has peers, one after the other, and writes the page of them."""

from pathlib import Path
from typing import TYPE_CHECKING

from bench.paper.comparing import load_run
from bench.paper.page import Paper, write_paper
from bench.registry import NAMES, Asked, find_bench, measure
from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings

if TYPE_CHECKING:
    from bench.report import Findings


def write_all(known: Settings, asked: Asked, out: Path, compare: str, tell: Tell) -> Paper:
    """Measure all, and write the page after each bench, so that a long run that is cut is not lost.

    compare: the bench.json of an earlier run, or ''. What lacks session logs is left out.
    Raises SessionbaseError: REFUSED for a folder or an earlier run that can't be used.
    """
    if asked.data and not asked.data.is_dir():
        raise SessionbaseError(ExitCode.REFUSED, f"--data: {asked.data} is not a folder")
    earlier = (Path(compare).name, load_run(Path(compare))) if compare else None
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SessionbaseError(
            ExitCode.REFUSED, f"can't make {out}: {error.strerror}", hint="Name a folder in --out."
        ) from None
    found: dict[str, Findings] = {}
    benches = {name: find_bench(name) for name in NAMES}
    left_out = [name for name, bench in benches.items() if bench.needs_logs and not asked.data]
    compared = {
        name: bench for name, bench in benches.items() if bench.has_peers and name not in left_out
    }
    for place, (name, bench) in enumerate(compared.items(), 1):
        tell(f"bench {place} of {len(compared)}: {name}")
        found[name] = bench.findings(measure(bench, known, asked, tell))
        paper = write_paper(out, found, left_out, earlier)
    return paper
