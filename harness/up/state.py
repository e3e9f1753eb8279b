"""What is up: a file in the project's own folder, for `invoke status` and `invoke down`."""

from datetime import datetime
from pathlib import Path

import msgspec
import psutil

from harness.embedded.binaries import home_of, make_folder
from harness.settings import Settings

POSTGRES = "postgres"
"""The part that others may use too."""

_SAME_S = 2.0
"""How much later or earlier than noted a process may seem to have begun: clocks are set."""


class Part(msgspec.Struct, frozen=True):
    """Something that is up. pid: None for what `invoke up` only uses, and does not run.

    created: when the process began, in seconds of the epoch; with pid it names one process, for
    a number is given again. health: an address that answers while all is well.
    """

    name: str
    what: str
    pid: int | None = None
    created: float | None = None
    address: str | None = None
    health: str | None = None
    log: str | None = None

    def process(self) -> psutil.Process | None:
        """Return the process while it lives; never another one of its number."""
        try:
            process = psutil.Process(self.pid) if self.pid else None
            if process is None or process.status() == psutil.STATUS_ZOMBIE:
                return None
            return process if abs(process.create_time() - (self.created or 0)) < _SAME_S else None
        except psutil.NoSuchProcess:
            return None


class State(msgspec.Struct, frozen=True):
    """All that is up. seconds: from the command to the first answer; None until then.

    up: the process of `invoke up`. owns_postgres: whether it ends with that.
    """

    up: Part
    since: datetime
    owns_postgres: bool = False
    seconds: float | None = None
    address: str | None = None
    notes: list[str] = []
    parts: list[Part] = []


def folder_of(settings: Settings) -> Path:
    """Return the folder of the state, the lock and the logs, made if need be."""
    folder = home_of(settings) / "up"
    make_folder(folder)
    return folder


def read_state(folder: Path) -> State | None:
    """Return what is noted as up; None if nothing is, or nobody can read it any more."""
    try:
        return msgspec.json.decode((folder / "state.json").read_bytes(), type=State)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write_state(folder: Path, state: State) -> None:
    """Note what is up, whole or not at all."""
    unfinished = folder / "state.new"
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=2))
    unfinished.replace(folder / "state.json")


def remove_state(folder: Path) -> None:
    """Note that nothing is up."""
    (folder / "state.json").unlink(missing_ok=True)


def part_of_process(name: str, what: str, pid: int, **more: str | None) -> Part:
    """Note a process that lives. Raises psutil.NoSuchProcess."""
    return Part(name, what, pid, psutil.Process(pid).create_time(), **more)
