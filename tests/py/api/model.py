"""The old stores as the old viewer kept them: plain dictionaries, one after the other.

Written from what is known of the old code's behaviour. Where sessionbase is better on purpose, that
is said in the class Better, and nowhere else.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

Record = dict[str, Any]
"""A record, by its JSON names; an optional field that it lacks is left out."""

SEVERITIES = {"info", "low", "medium", "high", "critical"}
MOVES = {
    "open": {"acknowledged", "dismissed"},
    "acknowledged": {"dismissed", "open"},
    "dismissed": {"acknowledged", "open"},
}
_FIRST_TITLES = {"session": "Session Coach", "general": "General"}
_PREVIEW_UNITS = 280

NOT_THERE = "SB404"
NOT_ALLOWED = "SB422"
BAD_ARGUMENT = "22023"
BAD_VALUE = "23514"


class Refused(Exception):  # noqa: N818 - a verdict; what went wrong is for the caller to say
    """What the caller asked for is not done, and nothing is changed."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Better:
    """Where sessionbase does better than the old code, on purpose."""

    @staticmethod
    def preview(content: str) -> str:
        """Return what slice(0, 280) gives, but never half a character. The old code cut emoji."""
        units = content.encode("utf-16-le")[: 2 * _PREVIEW_UNITS]
        return units.decode("utf-16-le", errors="ignore")

    @staticmethod
    def time_of_message(now: datetime, before: datetime | None) -> datetime:
        """Return a time behind the last message's. The old code let two have the same."""
        return now if before is None else max(now, before + timedelta(milliseconds=1))

    @staticmethod
    def later(now: datetime, before: datetime) -> datetime:
        """Return when something was changed. The old code let it go back with the clock."""
        return max(now, before)

    @staticmethod
    def number_of_title(title: str, first: str) -> int | None:
        """Return the number in a default title. The next is one more than the highest.

        The old code counted, and so gave a title twice once a thread was removed.
        """
        found = re.fullmatch(rf"{first}(?: #([0-9]{{1,9}}))?", title)
        return int(found[1] or 1) if found else None

    @staticmethod
    def repeats(message: Record, client_message_id: str, thread_id: str | None) -> bool:
        """Whether a message is the one that is sent again.

        Where no thread is named, it may be in any of the session and mode. The old code looked into
        the active one only, and wrote it again when another had been started meanwhile.
        """
        return message.get("clientMessageId") == client_message_id and thread_id in {
            None,
            message["threadId"],
        }

    @staticmethod
    def check_thread(thread: Record | None, session: str, mode: str | None = None) -> None:
        """Refuse a thread that is not there, or elsewhere. The old code took any string."""
        if thread is None:
            raise Refused(NOT_THERE)
        if thread["sessionId"] != session or mode not in {None, thread["mode"]}:
            raise Refused(BAD_ARGUMENT)


@dataclass
class OldStores:
    """All the old viewer kept, in files and in memory. Times and new ids are given to it."""

    now: datetime
    threads: dict[str, Record] = field(default_factory=dict)
    messages: dict[str, Record] = field(default_factory=dict)
    tool_events: dict[str, Record] = field(default_factory=dict)
    todos: dict[str, Record] = field(default_factory=dict)
    bindings: dict[str, Record] = field(default_factory=dict)
    settings: dict[str, Record] = field(default_factory=dict)
    misalignments: dict[str, Record] = field(default_factory=dict)
    decisions: dict[str, Record] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)
    """Not a store: what session ids records have had."""

    # Threads

    def list_threads(self, session: str, mode: str | None, status: str | None) -> list[Record]:
        """Return threads, most recently changed first."""
        found = sorted(self._threads(session, mode, status), key=_key("id"))
        return sorted(found, key=_key("updatedAt"), reverse=True)

    def active_thread(self, session: str, mode: str, new_id: str) -> Record:
        """Return the active thread; where there is none it is made."""
        for thread in self._threads(session, mode, "active"):
            return thread
        return self._make_thread(session, mode, None, new_id)

    def start_thread(self, session: str, mode: str, title: str | None, new_id: str) -> Record:
        """Make a thread, which is active, and archive the one that was."""
        self._archive_active(session, mode)
        return self._make_thread(session, mode, title, new_id)

    def activate_thread(self, thread_id: str) -> Record:
        """Make a thread the active one and archive its peers."""
        thread = _found(self.threads, thread_id)
        if thread["status"] == "archived":
            self._archive_active(thread["sessionId"], thread["mode"])
        return self._change(thread, status="active")

    def rename_thread(self, thread_id: str, title: str) -> Record:
        """Give a thread another title."""
        return self._change(_found(self.threads, thread_id), title=title)

    def archive_thread(self, thread_id: str) -> Record:
        """Archive a thread."""
        return self._change(_found(self.threads, thread_id), status="archived")

    def remove_thread(self, thread_id: str) -> Record:
        """Remove a thread and its messages. Tool events stay."""
        thread = _found(self.threads, thread_id)
        del self.threads[thread_id]
        for message in self._messages(thread_id):
            del self.messages[message["id"]]
        for event in self.tool_events.values():
            if event["threadId"] == thread_id:
                event["threadId"] = None
        return thread

    def clear_threads(self, session: str, mode: str | None) -> list[Record]:
        """Remove all threads of a session, or those of a mode."""
        return [self.remove_thread(thread["id"]) for thread in self._threads(session, mode, None)]

    def _threads(self, session: str, mode: str | None, status: str | None) -> list[Record]:
        return [
            thread
            for thread in self.threads.values()
            if thread["sessionId"] == session
            and mode in {None, thread["mode"]}
            and status in {None, thread["status"]}
        ]

    def _archive_active(self, session: str, mode: str) -> None:
        for thread in self._threads(session, mode, "active"):
            self._change(thread, status="archived")

    def _make_thread(self, session: str, mode: str, title: str | None, new_id: str) -> Record:
        self.sessions.add(session)
        self.threads[new_id] = {
            "id": new_id,
            "sessionId": session,
            "mode": mode,
            "title": self._default_title(session, mode) if title is None else title,
            "status": "active",
            "messageCount": 0,
            "createdAt": self.now,
            "updatedAt": self.now,
        }
        return self.threads[new_id]

    def _default_title(self, session: str, mode: str) -> str:
        first = _FIRST_TITLES[mode]
        titles = [thread["title"] for thread in self._threads(session, mode, None)]
        numbers = [Better.number_of_title(title, first) for title in titles]
        taken = [number for number in numbers if number is not None]
        return f"{first} #{max(taken) + 1}" if taken else first

    # Messages

    def append_message(
        self, wanted: Record, thread_id: str | None, new_id: str, new_thread_id: str
    ) -> Record:
        """Append a message, to the active thread if none is named, or return what it repeats."""
        session, mode = wanted["sessionId"], wanted.get("mode")
        if thread_id is not None:
            Better.check_thread(self.threads.get(thread_id), session, mode)
        mode = self.threads[thread_id]["mode"] if thread_id else mode or "session"
        for message in self.list_messages(session, mode):
            client_message_id = wanted.get("clientMessageId")
            if client_message_id and Better.repeats(message, client_message_id, thread_id):
                return message
        if wanted["role"] not in {"system", "user", "assistant"}:
            raise Refused(BAD_VALUE)
        thread = (
            self.threads[thread_id]
            if thread_id
            else self.active_thread(session, mode, new_thread_id)
        )
        time = Better.time_of_message(self.now, thread.get("lastMessageAt"))
        message = {
            **wanted,
            "id": new_id,
            "threadId": thread["id"],
            "mode": thread["mode"],
            "createdAt": time,
            "updatedAt": time,
        }
        self.messages[new_id] = message
        thread["messageCount"] += 1
        thread["lastMessagePreview"] = Better.preview(message["content"])
        thread["lastMessageAt"] = time
        thread["updatedAt"] = Better.later(time, thread["updatedAt"])
        return message

    def list_messages(
        self, session: str | None, mode: str | None, thread_id: str | None = None
    ) -> list[Record]:
        """Return messages, oldest first."""
        found = [
            message
            for message in self.messages.values()
            if session in {None, message["sessionId"]}
            and mode in {None, message["mode"]}
            and thread_id in {None, message["threadId"]}
        ]
        return sorted(found, key=_key("createdAt", "id"))

    def update_message(self, message_id: str, **changes: object) -> Record:
        """Change a message. The preview of its thread follows."""
        message = _found(self.messages, message_id)
        is_other = changes.get("content", message["content"]) != message["content"]
        self._change(message, **changes)
        if is_other:
            thread = self.threads[message["threadId"]]
            if self._messages(thread["id"])[-1] is message:
                thread["lastMessagePreview"] = Better.preview(message["content"])
            thread["updatedAt"] = Better.later(message["updatedAt"], thread["updatedAt"])
        return message

    def delete_thread_messages(self, thread_id: str) -> Record:
        """Remove the messages of a thread."""
        thread = _found(self.threads, thread_id)
        messages = self._messages(thread_id)
        for message in messages:
            del self.messages[message["id"]]
        if messages:
            self._change(thread, messageCount=0)
        thread.pop("lastMessagePreview", None)
        thread.pop("lastMessageAt", None)
        return thread

    def _messages(self, thread_id: str) -> list[Record]:
        return self.list_messages(None, None, thread_id)

    # Tool events

    def start_tool_event(self, wanted: Record, new_id: str) -> Record:
        """Note that a tool is called."""
        if wanted["status"] not in {"pending", "executing"}:
            raise Refused(BAD_ARGUMENT)
        if wanted["threadId"] is not None:
            Better.check_thread(self.threads.get(wanted["threadId"]), wanted["sessionId"])
        self.sessions.add(wanted["sessionId"])
        self.tool_events[new_id] = {**wanted, "id": new_id, "startedAt": self.now}
        return self.tool_events[new_id]

    def progress_tool_event(self, event_id: str, **changes: object) -> Record:
        """Note that a tool is executing, and what it gave back so far."""
        event = _found(self.tool_events, event_id)
        if "completedAt" in event:
            raise Refused(NOT_ALLOWED)
        event.update(changes, status="executing")
        return event

    def finish_tool_event(self, event_id: str, **changes: object) -> Record:
        """Note that a tool succeeded or failed: once."""
        if changes["status"] not in {"succeeded", "failed"}:
            raise Refused(BAD_ARGUMENT)
        event = _found(self.tool_events, event_id)
        if "completedAt" in event:
            if {**event, **changes} != event:
                raise Refused(NOT_ALLOWED)
            return event
        completed = Better.later(self.now, event["startedAt"])
        latency = (completed - event["startedAt"]) // timedelta(milliseconds=1)
        event.update(changes, completedAt=completed, latencyMs=latency)
        return event

    def list_tool_events(self, session: str, thread_id: str | None) -> list[Record]:
        """Return tool events in the order in which they started."""
        found = [
            event
            for event in self.tool_events.values()
            if event["sessionId"] == session and thread_id in {None, event["threadId"]}
        ]
        return sorted(found, key=_key("startedAt", "id"))

    # Todos

    def add_todo(self, session: str | None, text: str, new_id: str) -> Record:
        """Write a todo."""
        _check(text.strip())
        if session is not None:
            self.sessions.add(session)
        of_session = {} if session is None else {"sessionId": session}
        self.todos[new_id] = {
            **of_session,
            "id": new_id,
            "text": text,
            "completed": False,
            "createdAt": self.now,
        }
        return self.todos[new_id]

    def update_todo(self, todo_id: str, **changes: object) -> Record:
        """Change a todo."""
        todo = _found(self.todos, todo_id)
        _check(str(changes.get("text", "there")).strip())
        todo.update(changes)
        return todo

    def remove_todo(self, todo_id: str) -> Record:
        """Remove a todo."""
        _found(self.todos, todo_id)
        return self.todos.pop(todo_id)

    def list_todos(self, session: str | None, completed: bool | None) -> list[Record]:
        """Return todos, oldest first."""
        found = [
            todo
            for todo in self.todos.values()
            if todo.get("sessionId") == session and completed in {None, todo["completed"]}
        ]
        return sorted(found, key=_key("createdAt", "id"))

    # Bindings and settings

    def bind_repo(self, session: str, asset_path: str, root_dir: str) -> Record:
        """Bind a session to a folder, or to another."""
        self.sessions.add(session)
        before = self.bindings.get(session, {"updatedAt": self.now})
        self.bindings[session] = {
            "sessionId": session,
            "assetPath": asset_path,
            "rootDir": root_dir,
            "updatedAt": Better.later(self.now, before["updatedAt"]),
        }
        return self.bindings[session]

    def unbind_repo(self, session: str) -> Record:
        """Remove a binding."""
        _found(self.bindings, session)
        return self.bindings.pop(session)

    def save_settings(self, profile: str, settings: object) -> Record:
        """Keep the settings of a profile in the place of those that were."""
        _check(isinstance(settings, dict))
        before = self.settings.get(profile, {"updatedAt": self.now})
        self.settings[profile] = {
            "profileId": profile,
            "settings": settings,
            "updatedAt": Better.later(self.now, before["updatedAt"]),
        }
        return self.settings[profile]

    def remove_settings(self, profile: str) -> Record:
        """Remove a profile."""
        _found(self.settings, profile)
        return self.settings.pop(profile)

    # Misalignments and hook decisions

    def report_misalignment(self, wanted: Record, new_id: str) -> Record:
        """Note a misalignment, which is open."""
        _check(wanted["severity"] in SEVERITIES)
        self.sessions.add(wanted["sessionId"])
        made = {"status": "open", "createdAt": self.now, "updatedAt": self.now}
        self.misalignments[new_id] = {**wanted, "id": new_id, **made}
        return self.misalignments[new_id]

    def move_misalignment(self, misalignment_id: str, status: str) -> Record:
        """Move a misalignment, where that is allowed."""
        misalignment = _found(self.misalignments, misalignment_id)
        if status == misalignment["status"]:
            return misalignment
        if status not in MOVES[misalignment["status"]]:
            raise Refused(NOT_ALLOWED)
        return self._change(misalignment, status=status)

    def list_misalignments(self, session: str, status: str | None) -> list[Record]:
        """Return misalignments, oldest first."""
        found = [
            misalignment
            for misalignment in self.misalignments.values()
            if misalignment["sessionId"] == session and status in {None, misalignment["status"]}
        ]
        return sorted(found, key=_key("createdAt", "id"))

    def record_decision(self, wanted: Record, new_id: str) -> Record:
        """Note what a hook decided."""
        _check(wanted["severity"] in SEVERITIES)
        self.sessions.add(wanted["sessionId"])
        self.decisions[new_id] = {**wanted, "id": new_id, "createdAt": self.now}
        return self.decisions[new_id]

    def list_decisions(self, session: str) -> list[Record]:
        """Return hook decisions, oldest first."""
        found = [one for one in self.decisions.values() if one["sessionId"] == session]
        return sorted(found, key=_key("createdAt", "id"))

    def _change(self, record: Record, **changes: object) -> Record:
        record.update(changes, updatedAt=Better.later(self.now, record["updatedAt"]))
        return record


def page_of(
    records: Iterable[Record], size: int, *, after: int | None, before: int | None, newest: bool
) -> list[Record]:
    """Return a page of a list, after or before the record in a place of it."""
    kept = list(records)
    if after is not None:
        return kept[after + 1 :][:size]
    if before is not None:
        return kept[:before][-size:]
    return kept[-size:] if newest else kept[:size]


def _key(*names: str) -> Callable[[Record], tuple[Any, ...]]:
    return lambda record: tuple(record[name] for name in names)


def _found(store: dict[str, Record], key: str) -> Record:
    if key not in store:
        raise Refused(NOT_THERE)
    return store[key]


def _check(is_fine: object) -> None:
    if not is_fine:
        raise Refused(BAD_VALUE)
