"""`invoke up --detach`: the same in a process of its own, which stays when the terminal goes."""

import os
import subprocess
import sys
import time
from pathlib import Path

from harness.errors import ExitCode, SessionbaseError
from harness.settings import PROJECT, Settings
from harness.up.children import last_words
from harness.up.run import Show, UpOrder
from harness.up.state import State, folder_of, read_state

_LOOK_S = 0.05


def run_detached(settings: Settings, order: UpOrder, show: Show) -> None:
    """Start it, and show it once it is up.

    Raises SessionbaseError with the exit code of what was started, if that ends instead.
    """
    folder = folder_of(settings)
    running = read_state(folder)
    if running and running.up.process() and running.seconds is not None:
        show(running)
        return
    log = folder / "up.log"
    process = _start(order, log)
    while (state := _ready(folder, process)) is None:
        code = process.poll()
        if code is not None:
            raise SessionbaseError(
                ExitCode(code) if code in set(ExitCode) else ExitCode.FAILED,
                f"invoke up ended before all was up; its log says last: {last_words(log)}",
                hint=f"Read {log}.",
            )
        time.sleep(_LOOK_S)
    show(state)


def _start(order: UpOrder, log: Path) -> subprocess.Popen[bytes]:
    options = [
        *([f"--port={order.port}"] if order.port is not None else []),
        *([] if order.sample else ["--no-sample"]),
        *(["--demo"] if order.demo else []),
    ]
    log.unlink(missing_ok=True)
    with os.fdopen(os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "invoke", "up", *options],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _ready(folder: Path, process: subprocess.Popen[bytes]) -> State | None:
    """Return what is up, once it is, if it is of this process."""
    state = read_state(folder)
    is_ours = state is not None and state.up.pid == process.pid
    return state if state and is_ours and state.seconds is not None else None
