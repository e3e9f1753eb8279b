"""Tool events, bindings, todos, settings and misalignments, by two or many at once."""

from typing import Any

import pytest

from tests.py.api.invariants import broken
from tests.py.api.stage import (
    MANY,
    SESSION,
    Caller,
    Row,
    Stage,
    asking,
    at_once,
    outcome,
    removing,
    rows_of,
)

EVENT = "select status, result, thread_id from app.chat_tool_events"
BOUND = "select root_dir, row_version from app.session_repo_bindings"


def refused(outcomes: list[Row | str]) -> list[str]:
    """Return the codes of those that failed."""
    return sorted(came for came in outcomes if isinstance(came, str))


def the_one(outcomes: list[Row | str]) -> Row:
    """Return the row of the only one that did not fail."""
    (kept,) = [came for came in outcomes if not isinstance(came, str)]
    return kept


# Tool events


def tool_event(caller: Caller, **arguments: object) -> str:
    """Start a tool event and return its id."""
    return str(caller.one("start_tool_event", session_id=SESSION, tool_name="t", **arguments)["id"])


def test_of_two_who_finish_differently_one_does(stage: Stage) -> None:
    event = tool_event(stage.caller())
    outcomes = at_once(
        [
            asking(caller, "finish_tool_event", tool_event_id=event, status=status)
            for caller, status in zip(stage.callers(2), ("succeeded", "failed"), strict=True)
        ]
    )
    assert refused(outcomes) == ["SB422"]
    assert stage.ask(EVENT) == [(the_one(outcomes)["status"], None, None)]
    assert broken(stage) == {}


def test_all_who_finish_alike_get_the_one_end(stage: Stage) -> None:
    event = tool_event(stage.caller())
    events = rows_of(
        at_once(
            [
                asking(
                    caller,
                    "finish_tool_event",
                    tool_event_id=event,
                    status="succeeded",
                    result={"a": 1},
                )
                for caller in stage.callers(MANY)
            ]
        )
    )
    assert all(row == events[0] for row in events)
    assert events[0]["row_version"] == 2


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("finish_tool_event", {"status": "failed", "error": "late"}),
        ("progress_tool_event", {"result": {"late": True}}),
    ],
)
def test_what_comes_behind_the_end_is_refused(
    stage: Stage, function: str, arguments: dict[str, object]
) -> None:
    first, second = stage.callers(2)
    event = tool_event(first)
    first.begin()
    finished = first.one(
        "finish_tool_event", tool_event_id=event, status="succeeded", result={"a": 1}
    )
    late = stage.waiting(
        asking(second, function, tool_event_id=event, **arguments), second, behind=first
    )
    first.commit()
    assert outcome(late) == "SB422"
    assert second.call("get_tool_event", tool_event_id=event) == [
        {name: value for name, value in finished.items() if name != "txid"}
    ]


def test_the_end_waits_for_progress_and_keeps_what_it_brought(stage: Stage) -> None:
    first, second = stage.callers(2)
    event = tool_event(first)
    first.begin()
    first.call("progress_tool_event", tool_event_id=event, result={"half": True})
    finished = stage.waiting(
        asking(second, "finish_tool_event", tool_event_id=event, status="succeeded"),
        second,
        behind=first,
    )
    first.commit()
    outcome(finished)
    assert stage.ask(EVENT) == [("succeeded", {"half": True}, None)]
    assert broken(stage) == {}


def test_the_end_that_is_undone_is_none(stage: Stage) -> None:
    first, second = stage.callers(2)
    event = tool_event(first)
    first.begin()
    first.call("finish_tool_event", tool_event_id=event, status="failed")
    progress = stage.waiting(
        asking(second, "progress_tool_event", tool_event_id=event), second, behind=first
    )
    first.rollback()
    assert not isinstance(outcome(progress), str)
    assert stage.ask(EVENT) == [("executing", None, None)]


def test_progress_and_ends_at_once_end_once(stage: Stage) -> None:
    callers = stage.callers(MANY)
    for _ in range(5):
        event = tool_event(callers[0])
        outcomes = at_once(
            [
                asking(
                    caller, "finish_tool_event", tool_event_id=event, status="failed", error=str(n)
                )
                if n % 2
                else asking(caller, "progress_tool_event", tool_event_id=event, result=n_result(n))
                for n, caller in enumerate(callers)
            ]
        )
        ends = [row for row in outcomes if not isinstance(row, str) and row["completed_at"]]
        assert len(ends) == 1
        assert set(refused(outcomes)) <= {"SB422"}
        (after,) = callers[0].call("get_tool_event", tool_event_id=event)
        assert (after["status"], after["error"]) == ("failed", ends[0]["error"])
        assert after["row_version"] == ends[0]["row_version"]
    assert broken(stage) == {}


def n_result(number: int) -> dict[str, int]:
    return {"step": number}


def test_of_two_who_report_progress_on_what_they_read_one_is_told(stage: Stage) -> None:
    event = tool_event(stage.caller())
    outcomes = at_once(
        [
            asking(
                caller,
                "progress_tool_event",
                tool_event_id=event,
                result=n_result(number),
                expected_row_version=1,
            )
            for number, caller in enumerate(stage.callers(2))
        ]
    )
    assert refused(outcomes) == ["SB409"]
    assert stage.ask(EVENT) == [("executing", the_one(outcomes)["result"], None)]


@pytest.mark.parametrize("function", ["remove_thread", "clear_threads"])
def test_a_tool_event_of_a_thread_that_is_removed_is_refused(stage: Stage, function: str) -> None:
    first, second = stage.callers(2)
    thread = first.one("get_active_thread", session_id=SESSION)["id"]
    first.begin()
    first.call(function, **removing(function, thread))
    began = stage.waiting(
        asking(second, "start_tool_event", session_id=SESSION, tool_name="t", thread_id=thread),
        second,
        behind=first,
    )
    first.commit()
    assert outcome(began) == "SB404"
    assert stage.ask(EVENT) == []


@pytest.mark.parametrize("function", ["remove_thread", "clear_threads"])
def test_a_tool_event_stays_when_its_thread_is_removed_behind_it(
    stage: Stage, function: str
) -> None:
    first, second = stage.callers(2)
    thread = first.one("get_active_thread", session_id=SESSION)["id"]
    first.begin()
    event = tool_event(first, thread_id=thread)
    removed = stage.waiting(
        asking(second, function, **removing(function, thread)), second, behind=first
    )
    first.commit()
    outcome(removed)
    assert stage.ask(EVENT) == [("pending", None, None)]
    first.call("finish_tool_event", tool_event_id=event, status="succeeded")


@pytest.mark.parametrize("function", ["progress_tool_event", "finish_tool_event"])
def test_a_tool_event_is_changed_while_its_thread_is_removed(stage: Stage, function: str) -> None:
    first, second = stage.callers(2)
    thread = first.one("get_active_thread", session_id=SESSION)["id"]
    event = tool_event(first, thread_id=thread)
    status: dict[str, Any] = {"status": "failed"} if function == "finish_tool_event" else {}
    first.begin()
    first.call("remove_thread", thread_id=thread)
    changed = stage.waiting(
        asking(second, function, tool_event_id=event, **status), second, behind=first
    )
    first.commit()
    (row,) = rows_of([outcome(changed)])
    assert (row["thread_id"], row["status"] != "pending") == (None, True)
    assert broken(stage) == {}


def test_a_message_is_written_while_a_tool_event_of_its_thread_starts(stage: Stage) -> None:
    first, second = stage.callers(2)
    thread = first.one("get_active_thread", session_id=SESSION)["id"]
    first.begin()
    tool_event(first, thread_id=thread)
    # It does not wait.
    second.call(
        "append_message", session_id=SESSION, thread_id=thread, role="user", content="hello"
    )
    first.commit()


# Bindings


@pytest.mark.parametrize("session_is_there", [True, False])
def test_a_session_that_is_bound_at_once_has_one_binding(
    stage: Stage, session_is_there: bool
) -> None:
    if session_is_there:
        stage.caller().call("open_session", session_id=SESSION)
    bindings = rows_of(
        at_once(
            [
                asking(
                    caller, "bind_repo", session_id=SESSION, asset_path="log", root_dir=f"/{number}"
                )
                for number, caller in enumerate(stage.callers(MANY))
            ]
        )
    )
    # Each was the last one once.
    assert sorted(row["row_version"] for row in bindings) == list(range(1, MANY + 1))
    last = max(bindings, key=lambda row: int(row["row_version"]))
    assert stage.ask(BOUND) == [(last["root_dir"], MANY)]


def test_of_two_who_bind_what_they_read_one_is_told(stage: Stage) -> None:
    binding: dict[str, Any] = {"session_id": SESSION, "asset_path": "log"}
    stage.caller().call("bind_repo", root_dir="/", **binding)
    outcomes = at_once(
        [
            asking(caller, "bind_repo", root_dir=f"/{number}", expected_row_version=1, **binding)
            for number, caller in enumerate(stage.callers(2))
        ]
    )
    assert refused(outcomes) == ["SB409"]
    assert stage.ask(BOUND) == [(the_one(outcomes)["root_dir"], 2)]


def test_a_session_is_bound_behind_one_who_unbinds_it(stage: Stage) -> None:
    first, second = stage.callers(2)
    binding: dict[str, Any] = {"session_id": SESSION, "asset_path": "log"}
    first.call("bind_repo", root_dir="/before", **binding)
    first.begin()
    first.call("unbind_repo", session_id=SESSION)
    bound = stage.waiting(
        asking(second, "bind_repo", root_dir="/after", **binding), second, behind=first
    )
    first.commit()
    outcome(bound)
    assert stage.ask(BOUND) == [("/after", 1)]


def test_of_two_who_unbind_one_is_told_that_it_is_not_bound(stage: Stage) -> None:
    stage.caller().call("bind_repo", session_id=SESSION, asset_path="log", root_dir="/")
    outcomes = at_once(
        [asking(caller, "unbind_repo", session_id=SESSION) for caller in stage.callers(2)]
    )
    assert refused(outcomes) == ["SB404"]


def test_what_is_bound_just_after_the_look_is_no_question_of_rights(stage: Stage) -> None:
    """Held up where it has found no binding, and not yet said so."""
    first, second = stage.callers(2)
    first.call("open_session", session_id=SESSION)
    stage.pause("delete", "app.session_repo_bindings")
    unbound = stage.settled(asking(first, "unbind_repo", session_id=SESSION), first)
    assert not unbound.done()
    second.call("bind_repo", session_id=SESSION, asset_path="log", root_dir="/")
    stage.go_on()
    assert outcome(unbound) == "SB409"
    assert stage.ask(BOUND) == [("/", 1)]


# Settings


def test_a_profile_that_is_saved_at_once_is_one(stage: Stage) -> None:
    saved = rows_of(
        at_once(
            [
                asking(caller, "save_ui_settings", profile_id="p", settings={"number": number})
                for number, caller in enumerate(stage.callers(MANY))
            ]
        )
    )
    assert sorted(row["row_version"] for row in saved) == list(range(1, MANY + 1))
    last = max(saved, key=lambda row: int(row["row_version"]))
    assert stage.ask("select settings from app.ui_settings") == [(last["settings"],)]


def test_of_two_who_save_over_what_they_read_one_is_told(stage: Stage) -> None:
    stage.caller().call("save_ui_settings", profile_id="p", settings={})
    outcomes = at_once(
        [
            asking(
                caller,
                "save_ui_settings",
                profile_id="p",
                settings={"number": number},
                expected_row_version=1,
            )
            for number, caller in enumerate(stage.callers(2))
        ]
    )
    assert refused(outcomes) == ["SB409"]
    assert stage.ask("select settings from app.ui_settings") == [(the_one(outcomes)["settings"],)]


@pytest.mark.parametrize(("read_before", "came"), [(True, "SB404"), (False, None)])
def test_a_profile_is_saved_behind_one_who_removes_it(
    stage: Stage, read_before: bool, came: str | None
) -> None:
    first, second = stage.callers(2)
    first.call("save_ui_settings", profile_id="p", settings={})
    first.begin()
    first.call("remove_ui_settings", profile_id="p")
    known: dict[str, Any] = {"expected_row_version": 1} if read_before else {}
    saved = stage.waiting(
        asking(second, "save_ui_settings", profile_id="p", settings={"a": 1}, **known),
        second,
        behind=first,
    )
    first.commit()
    found = outcome(saved)
    assert (found if isinstance(found, str) else None) == came
    assert stage.ask("select settings from app.ui_settings") == ([] if came else [({"a": 1},)])


# Todos


def test_changes_of_what_a_todo_says_and_whether_it_is_done_are_both_kept(stage: Stage) -> None:
    first, second = stage.callers(2)
    todo = first.one("add_todo", body="do")["id"]
    first.begin()
    first.call("update_todo", todo_id=todo, body="do it")
    done = stage.waiting(
        asking(second, "update_todo", todo_id=todo, completed=True), second, behind=first
    )
    first.commit()
    (row,) = rows_of([outcome(done)])
    assert (row["body"], row["completed"], row["row_version"]) == ("do it", True, 3)


@pytest.mark.parametrize(("function", "lost"), [("update_todo", "SB409"), ("remove_todo", "SB404")])
def test_of_two_who_change_the_todo_they_read_one_is_told(
    stage: Stage, function: str, lost: str
) -> None:
    todo = stage.caller().one("add_todo", body="do", session_id=SESSION)["id"]
    outcomes = at_once(
        [
            asking(caller, function, todo_id=todo, expected_row_version=1)
            for caller in stage.callers(2)
        ]
    )
    assert refused(outcomes) == [lost]


# Misalignments


def misalignment(caller: Caller) -> str:
    """Report a misalignment and return its id."""
    row = caller.one(
        "report_misalignment",
        session_id=SESSION,
        rule_id="r",
        title="t",
        summary="s",
        severity="low",
    )
    return str(row["id"])


def test_of_two_who_move_a_misalignment_they_read_one_is_told(stage: Stage) -> None:
    moved = misalignment(stage.caller())
    outcomes = at_once(
        [
            asking(
                caller,
                "move_misalignment",
                misalignment_id=moved,
                status=status,
                expected_row_version=1,
            )
            for caller, status in zip(stage.callers(2), ("acknowledged", "dismissed"), strict=True)
        ]
    )
    assert refused(outcomes) == ["SB409"]
    assert stage.ask("select status from app.misalignments") == [(the_one(outcomes)["status"],)]


def test_all_who_move_a_misalignment_to_one_status_get_the_one_move(stage: Stage) -> None:
    moved = misalignment(stage.caller())
    rows = rows_of(
        at_once(
            [
                asking(caller, "move_misalignment", misalignment_id=moved, status="dismissed")
                for caller in stage.callers(MANY)
            ]
        )
    )
    assert all(row == rows[0] for row in rows)
    assert rows[0]["row_version"] == 2


def test_a_move_is_judged_by_the_status_that_is_there_when_it_is_its_turn(stage: Stage) -> None:
    first, second = stage.callers(2)
    moved = misalignment(first)
    first.begin()
    first.call("move_misalignment", misalignment_id=moved, status="dismissed")
    behind = stage.waiting(
        asking(second, "move_misalignment", misalignment_id=moved, status="open"),
        second,
        behind=first,
    )
    first.commit()
    (row,) = rows_of([outcome(behind)])
    # Had it gone by what it saw when it began, it would have had nothing to do.
    assert (row["status"], row["row_version"]) == ("open", 3)


# Under REPEATABLE READ who comes second is told to try again, and gets nothing wrong.


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("finish_tool_event", {"status": "failed"}),
        ("progress_tool_event", {}),
    ],
)
def test_a_repeatable_read_that_began_before_the_end_is_to_try_again(
    stage: Stage, function: str, arguments: dict[str, object]
) -> None:
    first, second = stage.callers(2)
    event = tool_event(first)
    second.begin("repeatable read")
    assert len(second.call("list_tool_events", session_id=SESSION)) == 1
    first.call("finish_tool_event", tool_event_id=event, status="succeeded")
    assert at_once([asking(second, function, tool_event_id=event, **arguments)]) == ["40001"]
    second.rollback()
    assert stage.ask(EVENT) == [("succeeded", None, None)]
