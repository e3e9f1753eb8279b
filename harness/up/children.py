"""Starts the processes of `invoke up`, sees whether they answer, ends them."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
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
        end_process(psutil.Process(child.process.pid) if child.process.poll() is None else None)
        child.process.wait()
        if child.process.stdin:
            child.process.stdin.close()


def end_parts(state: State) -> None:
    """End the processes that are noted and live, but for Postgres, which others may use."""
    for part in reversed(state.parts):
        if part.name != POSTGRES:
            end_process(part.process())


def end_process(process: psutil.Process | None) -> None:
    """End a process that may have ended meanwhile; by force if it does not in time."""
    try:
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_END_S)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(_END_S)
    except psutil.NoSuchProcess:
        return


def last_words(log: Path) -> str:
    """Return the last line of a log."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except FileNotFoundError:
        lines = []
    return lines[-1][:_SHOWN] if lines else "nothing"
