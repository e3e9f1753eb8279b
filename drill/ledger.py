"""What writers were told: which of their writes are acknowledged, refused, or not known."""

from collections import Counter
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal

MARK = "quillfeather"
"""A word that every content has and nothing else, to look for in logs."""

State = Literal["acknowledged", "refused", "unknown"]


@dataclass
class Write:
    """A message: what its writer calls it, what it says, and what became of it.

    refused: Postgres said no, every time that it was tried, so it can't be there. unknown: a try
    ended without an answer, so it may be there, once.
    """

    client_message_id: str
    session_id: str
    content: str
    state: State = "unknown"
    message_id: str = ""
    tries: int = 0


@dataclass
class Tool:
    """A tool event whose start was acknowledged. finished: whether its end was too."""

    id: str
    result: str
    finished: bool = False


@dataclass
class Ledger:
    """All writes, by client_message_id, and tool events, by id. Several threads write in it.

    answers: how often there was which answer, by who asked. surprises: what no fault explains.
    """

    writes: dict[str, Write] = field(default_factory=dict)
    tools: dict[str, Tool] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def begin(self, write: Write) -> None:
        """Note that a write is about to be tried."""
        with self._lock:
            self.writes[write.client_message_id] = write

    def acknowledge(self, write: Write, message_id: str) -> None:
        """Note that the writer was given the row."""
        if write.message_id and write.message_id != message_id:
            self.surprise(f"{write.client_message_id} was acknowledged as two messages")
        write.state, write.message_id = "acknowledged", message_id

    def begin_tool(self, tool: Tool) -> None:
        """Note that the start of a tool event was acknowledged."""
        with self._lock:
            self.tools[tool.id] = tool

    def count(self, answer: str) -> None:
        """Count an answer."""
        with self._lock:
            self.answers[answer] += 1

    def surprise(self, what: str) -> None:
        """Note something that no fault explains."""
        with self._lock:
            self.surprises.append(what)

    def acknowledged(self) -> int:
        """Count the writes that are acknowledged."""
        return sum(write.state == "acknowledged" for write in list(self.writes.values()))
