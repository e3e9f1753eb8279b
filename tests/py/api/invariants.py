"""What holds of the tables whenever nobody writes, whoever wrote before."""

from harness.testing import consistency
from tests.py.api.stage import Stage


def broken(stage: Stage) -> dict[str, list[str]]:
    """Return what does not hold, and where."""
    return consistency.broken(stage.ask)
