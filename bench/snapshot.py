"""Makes the files of a viewer that never was: the same ones for the same plan, of any size.

Messages come in the order of time, as the viewer appended them, and belong to some fifty threads
at a time. Memory is a few hundred bytes a thread; a thread has about a hundred messages.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from bench import words
from bench.rows import COLUMNS, RowsFile
from harness.legacy.steps import FILES

ACCOUNT_ID = "00000000-0000-4000-8000-000000000001"
"""The account that the first migration makes, and that is imported into."""

Record = dict[str, Any]

_BUFFER = 1 << 20
_BEGIN = datetime(2025, 1, 6, tzinfo=UTC)
_STEP_MS = 20_000
_PREVIEW_BYTES = 280 * 2
_MESSAGES_A_THREAD = 100
_THREADS_A_SESSION = 10
_THREADS_AT_A_TIME = 50


@dataclass(frozen=True)
class Plan:
    """What to make.

    messages: how many. appended: how many more, of which the threads do not know yet.
    bad_every: one message of so many can't come in (0: none). tool_events: one of 20 messages
    has one. seed: other ids and other texts.
    """

    messages: int
    appended: int = 0
    bad_every: int = 0
    tool_events: bool = False
    seed: int = 1
    account_id: str = ACCOUNT_ID


@dataclass(frozen=True)
class Snapshot:
    """What was made, in a folder.

    rows: how many messages can come in. known: how many were not appended.
    """

    folder: Path
    threads: int
    messages: int
    rows: int
    known: int
    tool_events: int

    @property
    def records(self) -> int:
        """How many records the three files hold."""
        return self.threads + self.messages + self.tool_events


@dataclass(slots=True)
class _Thread:
    """A thread, and what its messages have made of it so far."""

    id: str
    session_id: str
    mode: str
    title: str
    status: str
    created_at: str
    updated_at: str
    count: int = 0
    newest: str | None = None

    @property
    def preview(self) -> str | None:
        """The first 280 UTF-16 units of its newest message, without half a character."""
        if self.newest is None:
            return None
        units = self.newest.encode("utf-16-le")[:_PREVIEW_BYTES]
        return units.decode("utf-16-le", errors="ignore")

    def record(self) -> Record:
        """Return it as the viewer writes it."""
        last = {"lastMessagePreview": self.preview, "lastMessageAt": self.updated_at}
        return {
            "id": self.id,
            "sessionId": self.session_id,
            "mode": self.mode,
            "title": self.title,
            "status": self.status,
            "messageCount": self.count,
            **(last if self.count else {}),
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
        }


class _ArrayFile:
    """Writes records as JSON.stringify(records, null, 2) does."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("w", encoding="utf-8", buffering=_BUFFER)
        self.count = 0

    def add(self, record: Record) -> None:
        """Write a record."""
        # A list of one, without its brackets: so the record has its indentation.
        text = json.dumps([record], ensure_ascii=False, indent=2)[2:-2]
        self._stream.write((",\n" if self.count else "[\n") + text)
        self.count += 1

    def __enter__(self) -> Self:
        """Write into it until the block ends."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the array and close the file."""
        self._stream.write("\n]" if self.count else "[]")
        self._stream.close()


def write_snapshot(folder: Path, plan: Plan) -> Snapshot:
    """Write the three files of a plan, and beside them the rows they make."""
    folder.mkdir(parents=True)
    return _Writer(folder, plan).write()


class _Writer:
    """One snapshot in the making."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self._folder = folder
        self._plan = plan
        self._chance = Random(plan.seed)  # noqa: S311 - nothing of it is secret
        # Of its own, so that the messages are the same with and without tool events.
        self._tool_chance = Random(-plan.seed)  # noqa: S311 - as above
        self._threads = list(_threads(self._chance, plan.messages))

    def write(self) -> Snapshot:
        """Write it all."""
        with ExitStack() as stack:
            files = {
                kind: stack.enter_context(_ArrayFile(self._folder / name))
                for kind, name in FILES.items()
            }
            rows = {table: stack.enter_context(RowsFile(self._folder, table)) for table in COLUMNS}
            brought = self._write_messages(files, rows["chat_messages"])
            self._write_threads(files["threads"], rows["chat_threads"])
            self._write_sessions(rows["sessions"])
        counts = {kind: file.count for kind, file in files.items()}
        return Snapshot(self._folder, **counts, rows=brought, known=self._plan.messages)

    def _write_messages(self, files: dict[str, _ArrayFile], rows: RowsFile) -> int:
        plan, brought = self._plan, 0
        for number in range(plan.messages + plan.appended):
            thread = self._thread_of(number)
            message = self._message(number, thread)
            if plan.bad_every and number % plan.bad_every == plan.bad_every - 1:
                files["messages"].add(_spoiled(message, number // plan.bad_every))
                continue
            files["messages"].add(message)
            rows.add(_message_row(plan.account_id, message))
            brought += 1
            if number < plan.messages:
                _count_in(thread, message)
            if plan.tool_events and number % 20 == 0:
                files["tool_events"].add(_tool_event(self._tool_chance, number, thread))
        return brought

    def _thread_of(self, number: int) -> _Thread:
        """Choose one of the threads that are talked in when a message is written."""
        begun = number * len(self._threads) // self._plan.messages
        newest = min(begun, len(self._threads) - 1)
        return self._threads[newest - self._chance.randrange(min(_THREADS_AT_A_TIME, newest + 1))]

    def _message(self, number: int, thread: _Thread) -> Record:
        chance = self._chance
        by_user = chance.random() < 0.5  # noqa: PLR2004 - half of them
        record: Record = {
            "id": f"chat_{_uuid(chance)}",
            "sessionId": thread.session_id,
            "mode": thread.mode,
            "threadId": thread.id,
            "role": "user" if by_user else "assistant",
            "content": words.content(chance),
        }
        kind = chance.randrange(100)
        if by_user:
            record["clientMessageId"] = _uuid(chance)
        elif kind < 3:  # noqa: PLR2004 - of a hundred
            record["misalignmentId"] = f"misalignment_{_uuid(chance)}"
            record["evidence"] = words.evidence(chance)
        elif kind < 20:  # noqa: PLR2004 - of a hundred
            record["contextEvents"] = words.context_events(chance)
        at = _time(number, chance.randrange(_STEP_MS))
        return record | {"createdAt": at, "updatedAt": at}

    def _write_threads(self, file: _ArrayFile, rows: RowsFile) -> None:
        for thread in self._threads:
            file.add(thread.record())
            rows.add(
                (
                    self._plan.account_id,
                    thread.id,
                    thread.session_id,
                    thread.mode,
                    thread.title,
                    thread.status,
                    thread.count,
                    thread.preview,
                    thread.updated_at if thread.count else None,
                    thread.created_at,
                    thread.updated_at,
                )
            )

    def _write_sessions(self, rows: RowsFile) -> None:
        times: dict[str, tuple[str, str]] = {}
        for thread in self._threads:
            first, last = times.get(thread.session_id, (thread.created_at, thread.updated_at))
            # Written alike and all in UTC, so the order of texts is that of times.
            times[thread.session_id] = (
                min(first, thread.created_at),
                max(last, thread.updated_at),
            )
        for session_id, (first, last) in times.items():
            rows.add((self._plan.account_id, session_id, first, last))


def _threads(chance: Random, messages: int) -> Iterator[_Thread]:
    """Make threads in the order they are begun; the last of a session and mode is active."""
    count = max(1, messages // _MESSAGES_A_THREAD)
    begun: dict[tuple[str, str], _Thread] = {}
    session_id, made = "", {"session": 0, "general": 0}
    for number in range(count):
        if number % _THREADS_A_SESSION == 0:
            session_id, made = f"session-{chance.getrandbits(160):040x}", dict.fromkeys(made, 0)
        mode = "general" if chance.randrange(5) == 0 else "session"
        made[mode] += 1
        # As old as its first message can be.
        at = _time(number * messages // count, 0)
        thread = _Thread(
            id=f"thread_{_uuid(chance)}",
            session_id=session_id,
            mode=mode,
            title=_title(mode, made[mode]),
            status="active",
            created_at=at,
            updated_at=at,
        )
        if before := begun.get((session_id, mode)):
            before.status = "archived"
        begun[session_id, mode] = thread
        yield thread


def _title(mode: str, number: int) -> str:
    name = "General" if mode == "general" else "Session Coach"
    return name if number == 1 else f"{name} #{number}"


def _count_in(thread: _Thread, message: Record) -> None:
    thread.count += 1
    thread.newest = message["content"]
    thread.updated_at = message["createdAt"]


def _message_row(account_id: str, message: Record) -> tuple[object, ...]:
    return (
        account_id,
        message["id"],
        message["sessionId"],
        message["threadId"],
        message["mode"],
        message["role"],
        message["content"],
        message.get("clientMessageId"),
        message.get("misalignmentId"),
        message.get("evidence"),
        message.get("contextEvents"),
        message["createdAt"],
        message["updatedAt"],
    )


def _spoiled(message: Record, turn: int) -> Record:
    """Return a message that can't come in, for one of five reasons in turn."""
    wrong: tuple[Record, ...] = (
        {"role": "robot"},
        {"createdAt": "yesterday"},
        {"content": 7},
        {"id": ""},
        {"sessionId": None},
    )
    return message | wrong[turn % len(wrong)]


def _tool_event(chance: Random, number: int, thread: _Thread) -> Record:
    """Return a tool event; one of 20 was never finished, one of 20 failed."""
    name, given, found = words.tool_call(chance)
    outcome, latency = chance.randrange(20), chance.randrange(1, _STEP_MS)
    ends: Record = {"completedAt": _time(number, latency), "latencyMs": latency}
    if outcome == 0:
        status, ends = "executing", {}
    elif outcome == 1:
        status, ends = "failed", {"error": "the tool gave no answer", **ends}
    else:
        status, ends = "succeeded", {"result": found, **ends}
    return {
        "id": f"tool_{_uuid(chance)}",
        "sessionId": thread.session_id,
        "threadId": thread.id,
        "toolCallId": f"call_{chance.getrandbits(64):016x}",
        "toolName": name,
        "arguments": given,
        "status": status,
        **ends,
        "startedAt": _time(number, 0),
    }


def _time(number: int, later_ms: int) -> str:
    """Return the time of a message's turn, so many milliseconds later, as the viewer writes it."""
    at = _BEGIN + timedelta(milliseconds=number * _STEP_MS + later_ms)
    return at.isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"


def _uuid(chance: Random) -> str:
    text = f"{chance.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
