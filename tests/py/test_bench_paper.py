"""The page of all benches shows what was measured, needs nothing, and says what has changed."""

import json
import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bench.paper import page, run
from bench.paper.comparing import compare, load_run
from bench.paper.figures import Distribution, Growth, Ratio, ratios_of
from bench.paper.page import write_paper
from bench.paper.plots import plot_distribution, plot_growth, plot_ratios
from bench.registry import Asked, Bench, find_bench
from bench.report import Findings
from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings

_SVG = "{http://www.w3.org/2000/svg}"
_WRITING = {"as": "statement", "clients": 8, "ratio": {"runs": [0.6, 0.7, 0.5]}, "goal": 0.8}
_METHOD = {
    "method": "import",
    "database": "empty",
    "rows_per_second": {"median": 5000.0},
    "time_per_row_to_floor": {"runs": [1.4]},
}
WRITES = {"environment": {"postgres": "18.6 <b>", "cores": "2"}, "writings": [_WRITING]}
IMPORT = {
    "environment": {},
    "methods": [_METHOD],
    "scale": [{"messages": size, "methods": [_METHOD]} for size in (1000, 10_000)],
}
SYNC = {
    "environment": {},
    "commit_to_client": [
        {"client": "LISTEN", "seconds": [[0.001, 0.002], [0.003]], "p50_to_listen": [1, 1]}
    ],
}
FOUND = {
    "writes": Findings(WRITES, [], ["| as | ratio |"]),
    "import": Findings(IMPORT, [], ["text of the import"]),
    "sync": Findings(SYNC, [], ["text of sync"]),
}


def words_of(svg: str) -> str:
    """Return a plot's text. It must be XML as it stands."""
    texts = ET.fromstring(svg).iter(f"{_SVG}text")  # noqa: S314 - we made it
    return " ".join("".join(text.itertext()) for text in texts)


def ratio(runs: list[float], *, goal: float | None = None, more: bool = True) -> Ratio:
    return Ratio("writes", "one", runs, goal, more_is_better=more)


@pytest.mark.parametrize(
    ("one", "is_met"),
    [
        (ratio([0.7, 0.9, 0.8], goal=0.8), True),
        (ratio([0.7, 0.9, 0.79], goal=0.8), False),
        (ratio([1.1], goal=1.1, more=False), True),
        (ratio([1.2], goal=1.1, more=False), False),
        (ratio([1.2]), None),
    ],
)
def test_a_goal_is_met_by_the_median(one: Ratio, is_met: bool | None) -> None:
    assert one.is_met is is_met


def test_plots_say_what_they_show() -> None:
    shown = words_of(plot_ratios([ratio([0.5], goal=0.8), ratio([2.0])]))
    assert shown.count("one") == 2
    growth = Growth("title", "messages", "rows a second", {"import": [(10, 5), (100, 6)]})
    assert {"messages", "import"} <= set(words_of(plot_growth(growth)).split())
    assert "polls (3)" in words_of(plot_distribution(Distribution("t", {"polls": [1, 2, 3]})))


def test_the_page_has_every_bench_and_needs_nothing(tmp_path: Path) -> None:
    shown = write_paper(tmp_path, FOUND, []).page.read_text("utf-8")
    for name, found in FOUND.items():
        assert f'<h2 id="{name}">' in shown
        assert found.markdown().strip() in shown
    assert shown.count("<svg") == 5  # three of ratios, one of growth, one of a distribution
    assert "not met" in shown
    assert "18.6 &lt;b&gt;" in shown
    assert not re.search(r"<script|<link|<img|url\(\s*['\"]?http|src=", shown)
    kept = json.loads((tmp_path / "bench.json").read_text("utf-8"))
    assert kept["benches"] == {name: found.facts for name, found in FOUND.items()}


def changed(runs: list[float]) -> dict[str, Any]:
    """Return the facts of writes with other ratios."""
    facts = deepcopy(WRITES)
    facts["writings"][0]["ratio"]["runs"] = runs  # type: ignore[index]
    return {"writes": facts}


@pytest.mark.parametrize(
    ("runs", "verdict"),
    [([0.71, 0.8], "better"), ([0.4, 0.49], "worse"), ([0.7, 0.9], "as before")],
)
def test_what_has_changed_is_beyond_the_runs(runs: list[float], verdict: str) -> None:
    (change,) = compare(changed([0.6, 0.7, 0.5]), changed(runs))
    assert change.verdict == verdict


def test_less_time_is_better() -> None:
    before, now = deepcopy(IMPORT), deepcopy(IMPORT)
    now["methods"][0]["time_per_row_to_floor"] = {"runs": [1.2]}  # type: ignore[index]
    (change,) = compare({"import": before}, {"import": now})
    assert change.verdict == "better"


def test_an_earlier_run_is_compared_on_the_page(tmp_path: Path) -> None:
    earlier, now = tmp_path / "earlier", tmp_path / "now"
    for folder in (earlier, now):
        folder.mkdir()
    write_paper(earlier, {"writes": Findings(changed([0.2])["writes"], [], [])}, [])
    kept = load_run(earlier / "bench.json")
    shown = write_paper(now, FOUND, [], ("last week", kept)).page.read_text("utf-8")
    assert "Since last week of 20" in shown
    assert shown.count(">better<") == 1
    # The page without a comparison says nothing of one.
    assert "Since" not in (earlier / "bench.html").read_text("utf-8")


ASKED = Asked(
    rows=1,
    runs=1,
    filled=0,
    scale=False,
    held=1,
    accounts=1,
    reads=1,
    seconds=1,
    seed=1,
    minutes=1,
    writers=1,
    clients=1,
    sessions=1,
    rate=1,
    data=None,
)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put benches that measure nothing in the place of all, and return which were run."""
    ran: list[str] = []

    def find(name: str) -> Bench:
        def measure(_known: Settings, _asked: Asked, _tell: Tell) -> str:
            ran.append(name)
            return name

        return replace(
            find_bench(name),
            measure=measure,
            findings=lambda name: Findings({"environment": {}}, [], [f"text of {name}"]),
        )

    monkeypatch.setattr(run, "find_bench", find)
    monkeypatch.setattr(page, "ratios_of", lambda *_: [])
    monkeypatch.setattr(page, "growths_of", lambda *_: [])
    monkeypatch.setattr(page, "distributions_of", lambda *_: [])
    return ran


def test_what_needs_logs_is_left_out_and_the_rest_is_measured(
    measured: list[str], settings: Settings, tmp_path: Path
) -> None:
    paper = run.write_all(settings, ASKED, tmp_path, "", lambda _: None)
    assert measured == ["import", "rls", "writes", "sync", "gatekeeper"]
    assert paper.left_out == ["uploads"]
    assert "Not measured: uploads." in paper.page.read_text("utf-8")
    assert json.loads(paper.numbers.read_text("utf-8"))["left_out"] == ["uploads"]


def test_with_logs_all_are_measured(
    measured: list[str], settings: Settings, tmp_path: Path
) -> None:
    paper = run.write_all(settings, replace(ASKED, data=tmp_path), tmp_path, "", lambda _: None)
    assert measured == ["import", "rls", "writes", "uploads", "sync", "gatekeeper"]
    assert paper.left_out == []
    assert "Not measured" not in paper.page.read_text("utf-8")


def test_logs_that_are_nowhere_are_refused_before_anything_is_measured(
    measured: list[str], settings: Settings, tmp_path: Path
) -> None:
    asked = replace(ASKED, data=tmp_path / "nowhere")
    with pytest.raises(SessionbaseError, match="nowhere is not a folder"):
        run.write_all(settings, asked, tmp_path, "", lambda _: None)
    assert measured == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"benches": 1}', '{"benches": {"sync": {}}}'])
def test_a_file_that_is_no_earlier_run_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bench.json"
    file.write_text(text)
    with pytest.raises(SessionbaseError, match="not what invoke bench all keeps") as caught:
        load_run(file)
    assert caught.value.code == ExitCode.REFUSED
    with pytest.raises(SessionbaseError, match="can't read"):
        load_run(tmp_path / "nothing")


def test_a_bench_without_peers_has_no_ratio() -> None:
    assert ratios_of("of another day", {}) == []
