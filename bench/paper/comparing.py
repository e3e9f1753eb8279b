"""What became better or worse since an earlier run, beyond what the runs themselves differ by."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.paper.figures import Ratio, ratios_of
from harness.errors import ExitCode, SessionbaseError


@dataclass(frozen=True)
class Change:
    """A ratio then and now. verdict: better, worse, or 'as before' if the runs overlap."""

    before: Ratio
    now: Ratio

    @property
    def verdict(self) -> str:
        """Return it as a word."""
        if min(self.now.runs) <= max(self.before.runs) and max(self.now.runs) >= min(
            self.before.runs
        ):
            return "as before"
        risen = self.now.middle > self.before.middle
        return "better" if risen == self.now.more_is_better else "worse"


def load_run(path: Path) -> dict[str, Any]:
    """Read what an earlier `invoke bench all` kept. Raises SessionbaseError (REFUSED)."""
    try:
        read: dict[str, Any] = json.loads(path.read_text("utf-8"))
        # What can be compared with itself can be compared.
        compare(read["benches"], read["benches"])
    except OSError as error:
        raise SessionbaseError(ExitCode.REFUSED, f"can't read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SessionbaseError(
            ExitCode.REFUSED,
            f"{path} is not what invoke bench all keeps",
            hint="Name the file bench.json of an earlier run in --compare.",
        ) from None
    return read


def compare(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """Compare the facts of benches, by name. What only one of the two has is left out."""
    earlier = {
        (ratio.bench, ratio.name): ratio
        for bench, facts in before.items()
        for ratio in ratios_of(bench, facts)
    }
    return [
        Change(earlier[ratio.bench, ratio.name], ratio)
        for bench, facts in now.items()
        for ratio in ratios_of(bench, facts)
        if (ratio.bench, ratio.name) in earlier
    ]
