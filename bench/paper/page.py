"""Writes what the benches found as one page of HTML, and the numbers as JSON beside it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Template

from bench.paper.comparing import compare
from bench.paper.figures import Ratio, distributions_of, growths_of, ratios_of
from bench.paper.plots import plot_distribution, plot_growth, plot_ratios
from bench.report import Findings, write_page
from harness.templates import template_environment

_NUMBERS = "bench.json"


@dataclass(frozen=True)
class Paper:
    """Where the page is, and the numbers beside it. left_out: benches that it has not."""

    page: Path
    numbers: Path
    left_out: list[str]


@dataclass(frozen=True)
class Plot:
    """A plot, and what it shows."""

    title: str
    svg: str


@dataclass(frozen=True)
class Section:
    """A bench, as the page shows it."""

    name: str
    where: str
    ratios: list[Ratio]
    ratio_plot: str
    plots: list[Plot]
    text: str


def write_paper(
    folder: Path,
    found: dict[str, Findings],
    left_out: list[str],
    earlier: tuple[str, dict[str, Any]] | None = None,
) -> Paper:
    """Write bench.html and bench.json into a folder.

    found: by the bench's name. left_out: benches for which there were no session logs.
    earlier: an earlier run to compare with, by what it is called.
    Raises SessionbaseError (FAILED) if a file can't be written.
    """
    facts = {name: one.facts for name, one in found.items()}
    measured_at = datetime.now(UTC).isoformat(timespec="seconds")
    head = {"measured_at": measured_at, "version": version("sessionbase")}
    name, before = earlier or ("", {})
    page = _template().render(
        head,
        numbers=_NUMBERS,
        compared=f"{name} of {before['measured_at']}" if before else "",
        changes=compare(before["benches"], facts) if before else [],
        left_out=left_out,
        benches=[_section(name, one) for name, one in found.items()],
    )
    paper = Paper(folder / "bench.html", folder / _NUMBERS, left_out)
    numbers = {**head, "left_out": left_out, "benches": facts}
    write_page(paper.numbers, json.dumps(numbers, indent=1))
    write_page(paper.page, page)
    return paper


def _section(name: str, found: Findings) -> Section:
    ratios = ratios_of(name, found.facts)
    grown = [Plot(one.title, plot_growth(one)) for one in growths_of(name, found.facts)]
    spread = [
        Plot(one.title, plot_distribution(one)) for one in distributions_of(name, found.facts)
    ]
    known = found.facts["environment"].items()
    return Section(
        name,
        ", ".join(f"{key} {value}" for key, value in known),
        ratios,
        plot_ratios(ratios) if ratios else "",
        [*grown, *spread],
        found.markdown(),
    )


def _template() -> Template:
    folder = Path(__file__).parent
    return template_environment(folder, is_html=True, filters={}).get_template("page.html.j2")
