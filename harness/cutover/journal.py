"""What a cutover has done so far: a line of JSON for each thing, on the disk before it goes on.

A line is written with one write and flushed to the disk. A line that a crash cut off is the last
one, has no end, and is taken away when the journal is opened again.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from harness.cutover.archive import sync_folder
from harness.errors import ExitCode, SessionbaseError

Facts = dict[str, Any]
"""What a step found, as plain data."""


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the journal.

    opened: facts say what cutover it is; begun and done: a step; stopped: a step, with why;
    undone: a step and all behind it have to be done again. seconds: how long it took.
    """

    at: datetime
    event: Literal["opened", "begun", "done", "stopped", "undone"]
    step: str = ""
    seconds: float = 0.0
    facts: Facts = {}


class Journal:
    """The journal of one cutover, read and written by one process at a time."""

    def __init__(self, path: Path, names: list[str]) -> None:
        """names: of the steps, in order."""
        self._path = path
        self._names = names
        self.events: list[Event] = []
        self._done: dict[str, Event] = {}

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    def open(self, head: Facts) -> None:
        """Read what is there, or begin.

        Raises SessionbaseError: OTHER_CUTOVER if it is the journal of something else, or damaged.
        """
        text = self._path.read_bytes() if self._path.exists() else b""
        whole, end, torn = text.rpartition(b"\n")
        if torn:
            with self._path.open("r+b") as stream:
                stream.truncate(len(whole) + len(end))
        for line in whole.splitlines():
            self._take(self._event_of(line))
        if not self.events:
            self._write("opened", "", facts=head)
        elif self.events[0].facts != head:
            raise self._of_another(head)

    def is_of(self, head: Facts) -> bool:
        """Say whether there is a journal of this cutover, without opening it."""
        try:
            first = self._path.read_bytes().partition(b"\n")[0]
            return msgspec.json.decode(first, type=Event).facts == head
        except (FileNotFoundError, msgspec.DecodeError):
            return False

    def facts(self, step: str) -> Facts | None:
        """Return what a step found; None if it is not done."""
        return self._done[step].facts if step in self._done else None

    def seconds(self, step: str) -> float:
        """Return how long a step took that is done, the last time that it was done."""
        return self._done[step].seconds

    def first_begun(self, step: str) -> Facts:
        """Return what was noted when a step was begun, the first time since it was undone."""
        noted: Facts = {}
        for event in self._since_undone(step):
            if event.event == "begun":
                noted = noted or event.facts
        return noted

    def attempts(self, step: str) -> int:
        """Return how often a step was begun since it was undone."""
        return sum(event.event == "begun" for event in self._since_undone(step))

    def was_begun(self, step: str) -> bool:
        """Say whether a step was begun ever."""
        return any(event.event == "begun" and event.step == step for event in self.events)

    def was_undone(self, step: str) -> bool:
        """Say whether a step had to be done again ever."""
        return any(event.event == "undone" and event.step == step for event in self.events)

    @property
    def begun_at(self) -> datetime:
        """When the cutover was begun."""
        return self.events[0].at

    @property
    def is_finished(self) -> bool:
        """Whether every step is done."""
        return all(name in self._done for name in self._names)

    def begin(self, step: str, facts: Facts) -> None:
        """Write down that a step begins."""
        self._write("begun", step, facts=facts)

    def end(self, step: str, seconds: float, facts: Facts) -> None:
        """Write down that a step is done."""
        self._write("done", step, seconds, facts)

    def stop(self, step: str, why: str) -> None:
        """Write down that a step did not come to its end, and why."""
        self._write("stopped", step, facts={"why": why})

    def undo(self, step: str) -> None:
        """Write down that a step, and all behind it, have to be done again."""
        self._write("undone", step)

    def _since_undone(self, step: str) -> list[Event]:
        reached = self._names.index(step)
        found: list[Event] = []
        for event in self.events:
            if event.event == "undone" and self._names.index(event.step) <= reached:
                found = []
            elif event.step == step:
                found.append(event)
        return found

    def _write(
        self,
        kind: Literal["opened", "begun", "done", "stopped", "undone"],
        step: str,
        seconds: float = 0.0,
        facts: Facts | None = None,
    ) -> None:
        event = Event(datetime.now(UTC), kind, step, round(seconds, 3), facts or {})
        line = msgspec.json.encode(event) + b"\n"
        is_new = not self._path.exists()
        with self._path.open("ab", buffering=0) as stream:
            stream.write(line)
            os.fsync(stream.fileno())
        if is_new:
            sync_folder(self._path.parent)
        # As it will be read the next time, and not as it was given.
        self._take(self._event_of(line))

    def _take(self, event: Event) -> None:
        self.events.append(event)
        if event.event == "done":
            self._done[event.step] = event
        elif event.event == "undone":
            for name in self._names[self._names.index(event.step) :]:
                self._done.pop(name, None)

    def _event_of(self, line: bytes) -> Event:
        try:
            event = msgspec.json.decode(line, type=Event)
        except msgspec.DecodeError:
            event = None
        if event is None or (event.step and event.step not in self._names):
            raise SessionbaseError(
                ExitCode.OTHER_CUTOVER,
                f"{self._path}, line {len(self.events) + 1}, is nothing that a cutover wrote",
                hint="Give a new folder in --out. What is in the database counts as unchanged.",
            )
        return event

    def _of_another(self, head: Facts) -> SessionbaseError:
        found = self.events[0].facts
        names = ", ".join(name for name in head if found.get(name) != head[name])
        return SessionbaseError(
            ExitCode.OTHER_CUTOVER,
            f"{self._path} is the journal of another cutover: not the same {names}",
            hint="Give the same --data, --account and database as then, or a new folder in --out.",
        )
