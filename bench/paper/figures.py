"""What of a bench's facts is compared with a peer, with a size, or with a goal."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

Facts = Mapping[str, Any]
"""What a bench prints as JSON."""


@dataclass(frozen=True)
class Ratio:
    """Something against its peer of the same run, or a size against its goal; a value a run.

    goal: where it should be, if there is one. more_is_better: whether that is above the goal.
    """

    bench: str
    name: str
    runs: list[float]
    goal: float | None
    more_is_better: bool

    @property
    def middle(self) -> float:
        """The median of the runs."""
        return median(self.runs)

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        if self.goal is None:
            return None
        return self.middle >= self.goal if self.more_is_better else self.middle <= self.goal


@dataclass(frozen=True)
class Growth:
    """How something changes with size: points of (size, value) by name."""

    title: str
    sizes: str
    values: str
    lines: Mapping[str, list[tuple[float, float]]]


@dataclass(frozen=True)
class Distribution:
    """Measured times by name, in milliseconds."""

    title: str
    samples: Mapping[str, list[float]]


def ratios_of(bench: str, facts: Facts) -> list[Ratio]:
    """Return what is compared with a peer or a goal. A bench that has none gives nothing."""
    return list(_RATIOS.get(bench, _none)(bench, facts))


def growths_of(bench: str, facts: Facts) -> list[Growth]:
    """Return what was measured at several sizes."""
    return list(_import_growth(facts)) if bench == "import" else []


def distributions_of(bench: str, facts: Facts) -> list[Distribution]:
    """Return the times that were measured one by one."""
    if bench == "sync":
        samples = {
            one["client"]: [second * 1e3 for run in one["seconds"] for second in run]
            for one in facts["commit_to_client"]
        }
        return [Distribution("From COMMIT to the client, ms", samples)]
    if bench == "gatekeeper":
        added = {f"over {one['upstream']}": one["added_ms"]["all"] for one in facts["live"]}
        return [Distribution("What the gatekeeper adds to a live change, ms", added)]
    return []


def _none(_bench: str, _facts: Facts) -> Iterator[Ratio]:
    return iter(())


def _of_import(bench: str, facts: Facts) -> Iterator[Ratio]:
    for one in facts["methods"]:
        compared = one["time_per_row_to_floor"]
        name = f"{one['method']}, {one['database']}: time a row to COPY of ready rows"
        # An earlier run to compare with may know no goals.
        yield Ratio(bench, name, compared["runs"], one.get("goal"), more_is_better=False)


def _of_rls(bench: str, facts: Facts) -> Iterator[Ratio]:
    for one in facts["readings"]:
        name = f"{one['read']}, {one['as']}: time with row security to without"
        yield Ratio(bench, name, one["ratio"]["runs"], one["goal"], more_is_better=False)


def _of_writes(bench: str, facts: Facts) -> Iterator[Ratio]:
    for one in facts["writings"]:
        name = f"{one['as']}, {one['clients']} clients: append_message to INSERT, a second"
        yield Ratio(bench, name, one["ratio"]["runs"], one["goal"], more_is_better=True)


def _of_uploads(bench: str, facts: Facts) -> Iterator[Ratio]:
    chosen = facts["chosen"]
    name = f"bytes of logs to bytes kept, {chosen['method']}"
    yield Ratio(bench, name, [chosen["ratio"]], facts["goal"], more_is_better=True)


def _of_sync(bench: str, facts: Facts) -> Iterator[Ratio]:
    for one in facts["commit_to_client"]:
        name = f"{one['client']}: p50 from COMMIT to client, to LISTEN"
        yield Ratio(bench, name, one["p50_to_listen"], None, more_is_better=False)


def _of_gatekeeper(bench: str, facts: Facts) -> Iterator[Ratio]:
    for one in facts["snapshots"]:
        how = "kept" if one["kept"] else "asked anew"
        name = f"{one['upstream']}, {one['clients']} clients, {how}: MB/s through to direct"
        yield Ratio(bench, name, one["ratio"]["runs"], one["goal"], more_is_better=True)
    for one in facts["held"]:
        for what, unit in (("memory_mb", "MB"), ("all_s", "s")):
            share = one[what] / one["goals"][what]
            name = f"{one['upstream']}, {one['polls']} held: {unit} to the goal's"
            yield Ratio(bench, name, [share], 1.0, more_is_better=False)


_RATIOS: Mapping[str, Callable[[str, Facts], Iterator[Ratio]]] = {
    "import": _of_import,
    "rls": _of_rls,
    "writes": _of_writes,
    "uploads": _of_uploads,
    "sync": _of_sync,
    "gatekeeper": _of_gatekeeper,
}


def _import_growth(facts: Facts) -> Iterator[Growth]:
    if not facts["scale"]:
        return
    lines: dict[str, list[tuple[float, float]]] = {}
    for table in facts["scale"]:
        for one in table["methods"]:
            name = f"{one['method']}, {one['database']}"
            rate = one["rows_per_second"]["median"]
            lines.setdefault(name, []).append((table["messages"], rate))
    yield Growth("The import by size", "messages", "rows a second", lines)
