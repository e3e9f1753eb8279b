"""Programs that run beside the drill: started, killed, started again; what they print is kept."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from harness.errors import ExitCode, SessionbaseError
from harness.settings import PROJECT

_END_S = 30
_SETPRIV = shutil.which("setpriv")
_DYING_WITH_US = [_SETPRIV, "--pdeathsig", "KILL"] if _SETPRIV else []
"""Where util-linux is, a program is killed when the thread ends that started it."""


def wait_for(what: str, is_it: Callable[[], bool], seconds: float) -> None:
    """Ask again and again until it is so. Raises SessionbaseError (FAILED) when time is up."""
    ends_at = time.monotonic() + seconds
    while not is_it():
        if time.monotonic() > ends_at:
            raise SessionbaseError(ExitCode.FAILED, f"{what}: not within {seconds:g} s")
        time.sleep(0.02)


class Program:
    """A command of ours as a process. log: where all that it prints is kept, of every start.

    served: whether it was seen to work since it was started last.
    """

    def __init__(
        self, name: str, words: list[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.log = log
        self.starts = 0
        self.served = False
        self._words = words
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._is_told = False

    @property
    def pid(self) -> int | None:
        """Its process, if it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it, unless it runs."""
        if self.pid is not None:
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_DYING_WITH_US, sys.executable, "-m", "invoke", *self._words],
                cwd=PROJECT,
                env={"PATH": os.environ["PATH"], **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.starts += 1
        self.served = self._is_told = False

    def ended_by_itself(self) -> int | None:
        """Return its exit code if it has ended, and nobody told it to."""
        if self._process is None or self._is_told:
            return None
        return self._process.poll()

    def send(self, number: signal.Signals) -> int:
        """Send a signal and wait until the process is gone; return which it was."""
        process = self._process
        if process is None or process.poll() is not None:
            raise SessionbaseError(ExitCode.FAILED, f"{self.name} does not run")
        self._is_told = True
        process.send_signal(number)
        process.wait(_END_S)
        return process.pid

    def wait(self, seconds: float) -> int:
        """Wait until it ends by itself; return its exit code."""
        if self._process is None:
            raise SessionbaseError(ExitCode.FAILED, f"{self.name} was not started")
        self._is_told = True
        return self._process.wait(seconds)

    def end(self) -> None:
        """End it, in order if it does that in time."""
        if self.pid is None:
            return
        try:
            self.send(signal.SIGTERM)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)

    def text(self) -> str:
        """Return all that it has printed."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def is_gone(pid: int) -> bool:
    """Whether a process is no more; one that only waits to be asked after is gone."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
