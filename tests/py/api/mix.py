"""Random calls of all functions that write, over few sessions, by as many callers as one likes."""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import psycopg

from tests.py.api.stage import MEMBER, Caller, Row, code_of

SESSIONS = ["session-a", "session-b"]
MODES = ["session", "general"]
STATUSES = ["open", "acknowledged", "dismissed"]
ENDS = ["succeeded", "failed"]

Arguments = dict[str, Any]


class Known:
    """Ids that any caller has been given, which all use from then on."""

    def __init__(self) -> None:
        self._ids: dict[str, list[str]] = {}

    def add(self, kind: str, row: Row) -> None:
        """Keep an id, where the row has one."""
        if "id" not in row:
            return
        self._ids.setdefault(kind, []).append(row["id"])

    def one_of(self, kind: str, dice: Random) -> str:
        """Draw a recent id; its row may be gone."""
        return dice.choice(self._ids.get(kind, ["never there"])[-6:])


class Mixer:
    """One caller, and the calls that its dice choose."""

    def __init__(self, caller: Caller, known: Known, seed: int) -> None:
        self._caller = caller
        self._known = known
        self._dice = Random(seed)  # noqa: S311 - the same calls every time
        self.came: Counter[tuple[str, str]] = Counter()

    def run(self, calls: int) -> None:
        """Call one function after the other, whatever comes of it."""
        deeds = [*DEEDS, *OFTEN * 3]
        for _ in range(calls):
            function = self._dice.choice(deeds)
            kind, arguments = DEEDS[function](self)
            try:
                rows = self._caller.call(function, **arguments)
            except psycopg.Error as error:
                self.came[function, code_of(error)] += 1
                continue
            self.came[function, "done"] += 1
            for row in rows:
                self._known.add(kind, row)

    def place(self) -> Arguments:
        """Draw a session, and name whose it is."""
        return {"session_id": self._dice.choice(SESSIONS)}

    def mode(self) -> Arguments:
        """Draw a mode."""
        return {"mode": self._dice.choice(MODES)}

    def known(self, kind: str) -> Arguments:
        """Draw a row that somebody was given, and at times a version that it may have."""
        version = {"expected_row_version": self._dice.randint(1, 4)}
        return {
            f"{kind}_id": self._known.one_of(kind, self._dice),
            **(version if self._dice.random() < 0.2 else {}),
        }

    def text(self) -> str:
        """Draw a text."""
        return f"text {self._dice.randint(1, 9)}"

    def one_of(self, *choices: Any) -> Any:  # noqa: ANN401 - whatever is given
        """Draw one of what is given."""
        return self._dice.choice(choices)


def _append(mixer: Mixer) -> tuple[str, Arguments]:
    arguments = {**mixer.place(), **mixer.mode(), "role": "user", "content": mixer.text()}
    arguments |= mixer.one_of({}, {"client_message_id": mixer.text()})
    return "message", arguments


def _append_to(mixer: Mixer) -> tuple[str, Arguments]:
    thread = {"thread_id": mixer.known("thread")["thread_id"]}
    # The session of a thread that is known is not: half of these are refused.
    return "message", {**mixer.place(), **thread, "role": "user", "content": mixer.text()}


def _start_tool_event(mixer: Mixer) -> tuple[str, Arguments]:
    thread = {"thread_id": mixer.known("thread")["thread_id"]}
    return "tool_event", {**mixer.place(), **mixer.one_of({}, thread), "tool_name": "tool"}


def _of(kind: str, *parts: Callable[[Mixer], Arguments]) -> "Choice":
    def choose(mixer: Mixer) -> tuple[str, Arguments]:
        arguments: Arguments = {}
        for part in parts:
            arguments |= part(mixer)
        return kind, arguments

    return choose


def _row(kind: str) -> Callable[[Mixer], Arguments]:
    return lambda mixer: mixer.known(kind)


def _text(name: str) -> Callable[[Mixer], Arguments]:
    return lambda mixer: {name: mixer.text()}


Choice = Callable[[Mixer], tuple[str, Arguments]]

APPENDS: dict[str, Choice] = {
    "append_message": lambda mixer: mixer.one_of(_append, _append_to)(mixer)
}

DEEDS: dict[str, Choice] = {
    **APPENDS,
    "open_session": _of("session", Mixer.place),
    "share_session": _of(
        "member",
        Mixer.place,
        lambda mixer: {"member_account_id": MEMBER, "role": mixer.one_of("viewer", "owner")},
    ),
    "unshare_session": _of("member", Mixer.place, lambda _: {"member_account_id": MEMBER}),
    "get_active_thread": _of("thread", Mixer.place, Mixer.mode),
    "start_thread": _of("thread", Mixer.place, Mixer.mode),
    "activate_thread": _of("thread", _row("thread")),
    "rename_thread": _of("thread", _row("thread"), _text("title")),
    "archive_thread": _of("thread", _row("thread")),
    "remove_thread": _of("thread", _row("thread")),
    "clear_threads": _of("thread", Mixer.place, lambda mixer: mixer.one_of({}, mixer.mode())),
    "update_message": _of(
        "message", _row("message"), lambda mixer: {mixer.one_of("content", "misalignment_id"): "x"}
    ),
    "delete_thread_messages": _of("thread", _row("thread")),
    "start_tool_event": _start_tool_event,
    "progress_tool_event": _of("tool_event", _row("tool_event")),
    "finish_tool_event": _of(
        "tool_event", _row("tool_event"), lambda mixer: {"status": mixer.one_of(*ENDS)}
    ),
    "bind_repo": _of("binding", Mixer.place, _text("asset_path"), _text("root_dir")),
    "unbind_repo": _of("binding", Mixer.place),
    "add_todo": _of("todo", Mixer.place, _text("body")),
    "update_todo": _of("todo", _row("todo"), _text("body")),
    "remove_todo": _of("todo", _row("todo")),
    "save_ui_settings": _of("profile", lambda _: {"profile_id": "p", "settings": {}}),
    "remove_ui_settings": _of("profile", lambda _: {"profile_id": "p"}),
    "report_misalignment": _of(
        "misalignment",
        Mixer.place,
        lambda _: {"rule_id": "r", "title": "t", "summary": "s", "severity": "low"},
    ),
    "move_misalignment": _of(
        "misalignment", _row("misalignment"), lambda mixer: {"status": mixer.one_of(*STATUSES)}
    ),
    "record_hook_decision": _of(
        "decision",
        Mixer.place,
        lambda _: {"source": "s", "content_hash": "h", "severity": "low", "blocked": False},
    ),
}
"""Every function that writes: what it gives, and how its arguments are drawn."""

OFTEN = ["append_message", "update_message", "delete_thread_messages", "activate_thread"]
"""Functions that hold several rows, one after the other."""
