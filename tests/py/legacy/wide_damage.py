"""Snapshots of any size with every kind of damage that an import mends or keeps out."""

from collections.abc import Callable, Iterator
from pathlib import Path

from tests.py.legacy.builders import (
    Record,
    finished,
    message,
    spelled,
    thread,
    time,
    write_folder,
)

CYCLE = 20
"""After so many messages the kinds of damage begin again; a batch must hold whole cycles."""

REASONS = {
    "threads": {
        "second_active_thread",
        "updated_before_created",
        "character_replaced",
        "derived_from_messages",
        "wrong_value",
        "duplicate_id",
        "not_an_object",
    },
    "messages": {
        "thread_absent",
        "thread_missing",
        "thread_of_other_session",
        "client_message_id_taken",
        "updated_before_created",
        "character_replaced",
        "number_replaced",
        "wrong_value",
        "not_a_time",
        "duplicate_id",
        "not_an_object",
    },
    "tool_events": {
        "thread_missing",
        "thread_of_other_session",
        "character_replaced",
        "wrong_value",
        "times_out_of_order",
        "duplicate_id",
        "not_an_object",
    },
}
"""What an import into empty tables says of such a snapshot."""

_MESSAGES_A_THREAD = 5
_THREADS_A_SESSION = 4

_Make = Callable[[int, int], Record | bytes]
"""Makes the record of a place in the file, of a thread."""


def write_damaged(folder: Path, messages: int, batch: int, content: str = "fine") -> Path:
    """Write a folder: as many tool events as messages, a fifth fine threads, a fifth odd ones.

    Every second batch of messages and tool events is fine, so an import into empty tables has
    loaded half of them when it brings in the others. content: of the messages that are fine.
    """
    threads = messages // _MESSAGES_A_THREAD

    def spread(fine: _Make, odd: _Make) -> Iterator[Record | bytes]:
        for number in range(messages):
            yield (fine if number // batch % 2 else odd)(number, number % threads)

    def said(number: int, of: int) -> Record:
        return _message(number, of) | {"content": content}

    return write_folder(
        folder,
        threads=_threads(threads),
        messages=spread(said, _odd_message),
        tool_events=spread(_tool_event, _odd_tool_event),
    )


def _session(number: int) -> str:
    return f"session-{number // _THREADS_A_SESSION:08x}"


def _threads(count: int) -> Iterator[Record | bytes]:
    for number in range(count):
        yield thread(id=f"thread_{number}", sessionId=_session(number), status="archived")
    for number in range(count):
        yield _odd_thread(number)


def _odd_thread(number: int) -> Record | bytes:
    active = thread(id=f"odd_{number}", sessionId=_session(number))
    fine = active | {"status": "archived"}
    before = thread(id=f"odd_{number - 1}", sessionId=_session(number - 1), status="archived")
    odd: tuple[Record | bytes, ...] = (
        fine,
        before,
        fine,
        before | {"title": "another"},
        active,
        active,
        active,
        fine | {"mode": "other"},
        fine | {"title": "NUL \0"},
        fine | {"updatedAt": time(-1)},
        b"7",
    )
    return odd[number % len(odd)]


def _message(number: int, of: int) -> Record:
    return message(
        id=f"chat_{number}",
        sessionId=_session(of),
        threadId=f"thread_{of}",
        # Long, so that their index has pages enough for it to show if all of it is read.
        clientMessageId=f"client-{number:0200}",
    )


def _odd_message(number: int, of: int) -> Record | bytes:
    fine, before = _message(number, of), _message(number - 1, of - 1)
    taken = {"threadId": "thread_0", "sessionId": _session(0), "clientMessageId": "taken"}
    odd: tuple[Record | bytes, ...] = (
        fine,
        before,
        fine,
        before | {"content": "another"},
        fine | {"role": "robot"},
        {name: value for name, value in fine.items() if name != "threadId"},
        fine | {"threadId": f"missing_{number}"},
        fine | {"sessionId": "session-other"},
        fine | {"content": "NUL \0"},
        spelled(fine)[:-1] + b', "digits": 1e999999}',
        fine | taken,
        fine | {"updatedAt": time(0)},
        fine | {"createdAt": "yesterday"},
        b"7",
    )
    return odd[number % CYCLE] if number % CYCLE < len(odd) else fine


def _tool_event(number: int, of: int) -> Record:
    return finished(id=f"tool_{number}", sessionId=_session(of), threadId=f"thread_{of}")


def _odd_tool_event(number: int, of: int) -> Record | bytes:
    fine, before = _tool_event(number, of), _tool_event(number - 1, of - 1)
    odd: tuple[Record | bytes, ...] = (
        fine,
        before,
        fine,
        before | {"error": "another"},
        fine | {"status": "lost"},
        fine | {"threadId": f"missing_tool_{number}"},
        fine | {"sessionId": "session-other"},
        fine | {"result": {"text": "NUL \0"}},
        fine | {"completedAt": time(0)},
        b"7",
    )
    return odd[number % CYCLE] if number % CYCLE < len(odd) else fine
