"""Runs every bench that has peers, one after the other, and writes the page of them."""

from pathlib import Path

from bench.paper.comparing import load_run
from bench.paper.page import Found, Paper, write_paper
from bench.registry import NAMES, Asked, find_bench, measure
from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings


def write_all(known: Settings, asked: Asked, out: Path, compare: str, tell: Tell) -> Paper:
    """Measure all, and write the page after each bench, so that a long run that is cut is not lost.

    compare: the bench.json of an earlier run, or ''.
    Raises SessionbaseError: REFUSED for a folder or an earlier run that can't be used.
    """
    earlier = (Path(compare).name, load_run(Path(compare))) if compare else None
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SessionbaseError(
            ExitCode.REFUSED, f"can't make {out}: {error.strerror}", hint="Name a folder in --out."
        ) from None
    found: dict[str, Found] = {}
    benches = {name: find_bench(name) for name in NAMES}
    shown = {name: (bench, bench.on_page) for name, bench in benches.items() if bench.on_page}
    for place, (name, (bench, on_page)) in enumerate(shown.items(), 1):
        tell(f"bench {place} of {len(shown)}: {name}")
        report = measure(bench, known, asked, tell)
        found[name] = Found(on_page.facts(report), on_page.markdown(report))
        paper = write_paper(out, found, earlier)
    return paper
