"""Starts the processes of `invoke up`, sees whether they answer, ends them."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import psutil

from harness.errors import ExitCode, SessionbaseError
from harness.settings import PROJECT
from harness.up.state import POSTGRES, Part, State, part_of_process

_READY_S = 60
_END_S = 20
_LOOK_S = 0.05
_ANSWER_S = 5
_SHOWN = 400
_ERROR = "error: "


@dataclass(frozen=True)
class Plan:
    """A process to start. what: for people. health: what answers once it is ready, if anything."""

    name: str
    what: str
    arguments: list[str]
    address: str | None = None
    health: str | None = None


@dataclass
class Child:
    """A process that was started, and ours to end."""

    plan: Plan
    process: subprocess.Popen[bytes]
    log: Path

    def part(self) -> Part:
        """Return what is noted of it."""
        return part_of_process(
            self.plan.name,
            self.plan.what,
            self.process.pid,
            address=self.plan.address,
            health=self.plan.health,
            log=str(self.log),
        )

    def check(self) -> None:
        """Raise SessionbaseError (FAILED) if it has ended: nobody asked it to."""
        code = self.process.poll()
        if code is not None:
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise SessionbaseError(
                ExitCode.FAILED,
                f"{self.plan.name} ended by itself ({how}); its log says last: "
                f"{last_words(self.log)}",
                hint=f"Read {self.log}.",
            )


def start_child(plan: Plan, environment: Mapping[str, str], folder: Path) -> Child:
    """Start a process. Its log begins anew; Ctrl-C in a terminal does not reach it."""
    log = folder / f"{plan.name}.log"
    log.unlink(missing_ok=True)
    with os.fdopen(os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness.up.part", plan.name, *plan.arguments],
            cwd=PROJECT,
            env=os.environ | dict(environment),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Child(plan, process, log)


def wait_ready(child: Child) -> None:
    """Wait until it answers. Raises SessionbaseError (FAILED) if it ends, or does not in time."""
    give_up = time.monotonic() + _READY_S
    while not answers(child.plan.health):
        child.check()
        if time.monotonic() > give_up:
            raise SessionbaseError(
                ExitCode.FAILED,
                f"{child.plan.name} does not answer {child.plan.health} after {_READY_S} s; its "
                f"log says last: {last_words(child.log)}",
                hint=f"Read {child.log}.",
            )
        time.sleep(_LOOK_S)


def answers(address: str | None) -> bool:
    """Say whether an address answers that all is well; what has none says nothing else."""
    if address is None:
        return True
    try:
        with build_opener(ProxyHandler({})).open(address, timeout=_ANSWER_S) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's
    except (URLError, OSError):
        return False


def end_children(children: list[Child]) -> None:
    """End them, one after the other; by force who does not end in time."""
    for child in children:
        child.process.terminate()
        try:
            child.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        if child.process.stdin:
            child.process.stdin.close()


def end_parts(state: State) -> None:
    """End the processes that are noted and live, but for Postgres, which others may use."""
    for part in reversed(state.parts):
        if part.name != POSTGRES and not end_part(part, _END_S):
            process = part.process()
            if process:
                process.kill()


def end_part(part: Part, seconds: float) -> bool:
    """Ask a process that is not our child to end, and wait; say whether it has."""
    give_up = time.monotonic() + seconds
    process = part.process()
    if process:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    # Not until its number is free: nobody may ever ask how it ended.
    while part.process():
        if time.monotonic() > give_up:
            return False
        time.sleep(_LOOK_S)
    return True


def last_words(log: Path) -> str:
    """Return what a log says last: its last error for people, or else its last line."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except FileNotFoundError:
        lines = []
    errors = [line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR)]
    return (errors or lines or ["nothing"])[-1][:_SHOWN]
