"""Waiting for something to happen, with an end."""

import time
from collections.abc import Callable

_DEADLINE_S = 30


def wait_until(is_true: Callable[[], bool]) -> None:
    """Ask until the answer is yes. Fails after 30 s."""
    deadline = time.monotonic() + _DEADLINE_S
    while not is_true():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.02)
