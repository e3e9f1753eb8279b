"""A cutover in a process of its own, watched by its journal, so that it can be killed anywhere."""

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import ExitCode, SessionbaseError
from harness.settings import PROJECT

_LOOK_S = 0.001


@dataclass(frozen=True)
class Watched:
    """A process, and the journal that it writes."""

    process: "subprocess.Popen[str]"
    journal: Path

    def wait_for(self, event: str, step: str, times: int = 1, patience_s: float = 60) -> bool:
        """Wait until a step has begun, or was done, so many times. False: the process ended.

        Raises SessionbaseError (FAILED) if nothing of it happens.
        """
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            has_ended = self.process.poll() is not None
            if events(self.journal).count((event, step)) >= times:
                return True
            if has_ended:
                return False
            time.sleep(_LOOK_S)
        raise SessionbaseError(ExitCode.FAILED, f"no {step} was {event} within {patience_s:.0f} s")

    def kill(self) -> bool:
        """Kill it with SIGKILL. False: it had ended."""
        was_alive = self.process.poll() is None
        self.process.kill()
        self.process.communicate()
        return was_alive


def start(
    command: list[str], journal: Path, environment: Mapping[str, str] | None = None
) -> Watched:
    """Start a command from the project's folder."""
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return Watched(process, journal)


def events(journal: Path) -> list[tuple[str, str]]:
    """Return the events of a journal, with their steps; not a line that has no end yet."""
    return [(event["event"], event["step"]) for event in _lines(journal)]


def seconds_of(journal: Path) -> dict[str, float]:
    """Return how long each step took that is done."""
    return {one["step"]: one["seconds"] for one in _lines(journal) if one["event"] == "done"}


def _lines(journal: Path) -> list[dict[str, Any]]:
    try:
        text = journal.read_bytes()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.split(b"\n")[:-1]]
