"""Plots as SVG, to stand in a page of HTML: no script, no font to fetch, text that is text."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.paper.figures import Distribution, Growth, Ratio

_MET, _MISSED, _PLAIN = "#1a7f4b", "#b3541e", "#3d5a80"
_STYLE: Any = {
    "svg.fonttype": "none",
    # The same figures give the same file.
    "svg.hashsalt": "sessionbase",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
}
_WIDTH = 8.5


def plot_ratios(ratios: Sequence[Ratio]) -> str:
    """Plot medians as bars, runs as dots, goals as strokes; return the SVG."""
    with _figure(0.6 + 0.32 * len(ratios)) as (axes, svg):
        for place, ratio in enumerate(reversed(ratios)):
            colour = {None: _PLAIN, True: _MET, False: _MISSED}[ratio.is_met]
            axes.barh(place, ratio.middle, color=colour, alpha=0.75, height=0.62)
            axes.plot(ratio.runs, [place] * len(ratio.runs), ".", color="#222", markersize=4)
            if ratio.goal is not None:
                axes.vlines(ratio.goal, place - 0.42, place + 0.42, color="#000", linewidth=1.6)
        axes.set_yticks(range(len(ratios)), [ratio.name for ratio in reversed(ratios)])
        axes.axvline(1, color="#888", linewidth=0.8, linestyle=":")
        axes.grid(visible=False, axis="y")
    return svg.getvalue()


def plot_growth(growth: Growth) -> str:
    """Plot values by size, a line a name; return the SVG."""
    with _figure(3.6) as (axes, svg):
        for name, points in growth.lines.items():
            axes.plot(*zip(*sorted(points), strict=True), marker="o", label=name)
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_xlabel(growth.sizes)
        axes.set_ylabel(growth.values)
        axes.legend(frameon=False)
    return svg.getvalue()


def plot_distribution(distribution: Distribution) -> str:
    """Plot how many of a hundred were not slower than so long; return the SVG."""
    with _figure(3.6) as (axes, svg):
        for name, samples in distribution.samples.items():
            axes.ecdf(samples, label=f"{name} ({len(samples):,})")
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xlabel("ms")
        axes.set_ylabel("share")
        axes.legend(frameon=False)
    return svg.getvalue()


@contextmanager
def _figure(height: float) -> Iterator[tuple[Axes, io.StringIO]]:
    svg = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        yield figure.subplots(), svg
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    # A page has no use for the declaration and the document type of a file.
    text = svg.getvalue()
    svg.seek(0)
    svg.truncate()
    svg.write(text[text.index("<svg") :])
