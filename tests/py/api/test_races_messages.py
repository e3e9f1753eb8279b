"""Messages, by many at once: each is written once and counted once, and no reader misses one."""

import threading
from collections.abc import Callable
from functools import partial

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

WRITERS = 50
EACH = 8
SAYING = {"role": "user", "content": "hello"}
STORED = "select content from app.chat_messages order by created_at"


def appending(caller: Caller, **arguments: object) -> Callable[[], Row]:
    """Put the writing of a message off."""
    return partial(caller.one, "append_message", **{"session_id": SESSION, **SAYING, **arguments})


def active(caller: Caller) -> str:
    """Return the id of the active thread."""
    return str(caller.one("get_active_thread", session_id=SESSION)["id"])


# The same message, twice


@pytest.mark.parametrize("thread_is", ["named", "active", "not there"])
def test_the_same_message_sent_at_once_is_written_once(stage: Stage, thread_is: str) -> None:
    named: dict[str, object] = {}
    if thread_is != "not there":
        thread = active(stage.caller())
        named = {"thread_id": thread} if thread_is == "named" else {}
    messages = rows_of(
        at_once(
            [
                appending(caller, client_message_id="client-1", **named)
                for caller in stage.callers(MANY)
            ]
        )
    )
    assert all(message == messages[0] for message in messages)
    assert stage.ask(STORED) == [("hello",)]
    assert stage.ask("select message_count from app.chat_threads") == [(1,)]


def test_who_sends_a_message_again_waits_for_it_and_gets_it(stage: Stage) -> None:
    first, second = stage.callers(2)
    thread = active(first)
    first.begin()
    written = appending(first, thread_id=thread, client_message_id="client-1")()
    again = stage.waiting(
        appending(second, thread_id=thread, client_message_id="client-1", content="other"),
        second,
        behind=first,
    )
    first.commit()
    assert outcome(again) == written


def test_who_sends_a_message_again_writes_it_if_the_first_time_is_undone(stage: Stage) -> None:
    first, second = stage.callers(2)
    thread = active(first)
    first.begin()
    appending(first, thread_id=thread, client_message_id="client-1")()
    again = stage.waiting(
        appending(second, thread_id=thread, client_message_id="client-1", content="second"),
        second,
        behind=first,
    )
    first.rollback()
    outcome(again)
    assert stage.ask(STORED) == [("second",)]
    assert broken(stage) == {}


def test_a_message_sent_again_is_found_where_it_was_written_though_a_thread_was_started(
    stage: Stage,
) -> None:
    caller = stage.caller()
    written = appending(caller, client_message_id="client-1")()
    caller.call("start_thread", session_id=SESSION)
    assert appending(caller, client_message_id="client-1")() == written
    assert stage.ask(STORED) == [("hello",)]


def test_a_message_sent_again_while_a_thread_is_started_is_found(stage: Stage) -> None:
    """Held up where it has looked for the message, and not yet for the active thread."""
    first, second, third = stage.callers(3)
    first.call("open_session", session_id=SESSION)
    first.begin()
    # There is no active thread, so all three decide on it: the new one before the retry.
    written = appending(first, client_message_id="client-1")()
    began = stage.waiting(asking(second, "start_thread", session_id=SESSION), second, behind=first)
    again = stage.settled(appending(third, client_message_id="client-1"), third)
    first.commit()
    outcome(began)
    assert outcome(again) == written
    assert stage.ask(STORED) == [("hello",)]


def test_retries_at_once_with_a_thread_that_is_started_write_once(stage: Stage) -> None:
    """The threads are started between the calls and their retries, in whatever order."""
    active(stage.caller())
    callers = stage.callers(MANY)
    starters = stage.callers(3)
    for number in range(6):
        outcomes = at_once(
            [
                *(appending(caller, client_message_id=f"client-{number}") for caller in callers),
                *(asking(caller, "start_thread", session_id=SESSION) for caller in starters),
            ]
        )
        assert len({row["id"] for row in rows_of(outcomes)[:MANY]}) == 1
    assert stage.value("select count(*) from app.chat_messages") == 6
    assert broken(stage) == {}


# Fifty writers


def writing(caller: Caller, threads: list[str], number: int) -> list[Row]:
    """Write messages, in turn to each of the threads."""
    return [
        appending(
            caller, thread_id=threads[(number + turn) % len(threads)], content=f"{number} {turn}"
        )()
        for turn in range(EACH)
    ]


@pytest.mark.parametrize("thread_count", [1, 3])
def test_fifty_writers_at_once_are_all_counted_and_read_by_who_pages_meanwhile(
    stage: Stage, thread_count: int
) -> None:
    threads = [
        stage.caller().one("start_thread", session_id=SESSION)["id"] for _ in range(thread_count)
    ]
    callers = stage.callers(WRITERS)
    done = threading.Event()
    readers = [partial(page_through, stage.caller(), thread, done) for thread in threads]

    def write() -> list[list[str]]:
        try:
            came = at_once(
                [partial(writing, caller, threads, number) for number, caller in enumerate(callers)]
            )
        finally:
            done.set()
        assert all(not isinstance(rows, str) for rows in came), came
        return []

    _, *read = at_once([write, *readers])
    assert broken(stage) == {}
    counts = stage.ask("select message_count from app.chat_threads")
    assert sum(count for (count,) in counts) == WRITERS * EACH
    for thread, ids in zip(threads, read, strict=True):
        assert not isinstance(ids, str), ids
        stored = stage.ask(
            "select id from app.chat_messages where thread_id = %s order by created_at", thread
        )
        assert ids == [row[0] for row in stored]


def page_through(caller: Caller, thread: str, done: threading.Event) -> list[str]:
    """Page forward until nobody writes any more and a page is empty; return the ids."""
    ids: list[str] = []
    while True:
        last_round = done.is_set()
        after = {"after_id": ids[-1]} if ids else {}
        page = caller.call("list_thread_messages", thread_id=thread, page_size=7, **after)
        ids += [row["id"] for row in page]
        if last_round and not page:
            return ids


def test_messages_are_committed_in_the_order_of_their_times(stage: Stage) -> None:
    first, second = stage.callers(2)
    thread = active(first)
    first.begin()
    earlier = appending(first, thread_id=thread)()
    later = stage.waiting(appending(second, thread_id=thread), second, behind=first)
    # A reader sees neither, and after the commit not the later one alone.
    assert stage.ask(STORED) == []
    first.commit()
    (second_message,) = rows_of([outcome(later)])
    assert earlier["created_at"] < second_message["created_at"]


def test_times_rise_in_a_thread_though_the_clock_stands_still(stage: Stage) -> None:
    stage.do(
        "create or replace function app.clock() returns timestamptz language sql volatile "
        "as 'select timestamptz ''2026-01-01 00:00:00Z'''"
    )
    thread = active(stage.caller())
    rows_of(at_once([appending(caller, thread_id=thread) for caller in stage.callers(MANY)]))
    assert broken(stage) == {}


def test_writers_into_two_threads_of_a_session_do_not_wait_for_each_other(stage: Stage) -> None:
    first, second = stage.callers(2)
    threads = [first.one("start_thread", session_id=SESSION)["id"] for _ in range(2)]
    stage.ask("update app.sessions set updated_at = created_at returning id")
    stage.ask(
        "update app.sessions set created_at = created_at - interval '1 minute', "
        "updated_at = updated_at - interval '1 minute' returning id"
    )
    first.begin()
    appending(first, thread_id=threads[0])()
    # It holds the session too, which it noted as changed.
    assert stage.value("select updated_at < now() - interval '30 seconds' from app.sessions")
    # This one does not wait.
    appending(second, thread_id=threads[1])()
    first.commit()
    assert stage.value("select updated_at > now() - interval '30 seconds' from app.sessions")


# Changing a message


def test_of_two_who_change_the_message_they_read_one_is_told(stage: Stage) -> None:
    message = appending(stage.caller())()
    change = {"message_id": message["id"], "expected_row_version": message["row_version"]}
    outcomes = at_once(
        [
            asking(caller, "update_message", content=f"change {number}", **change)
            for number, caller in enumerate(stage.callers(2))
        ]
    )
    (kept,) = [came for came in outcomes if not isinstance(came, str)]
    assert [came for came in outcomes if isinstance(came, str)] == ["SB409"]
    assert kept["row_version"] == message["row_version"] + 1
    assert stage.ask(STORED) == [(kept["content"],)]
    assert broken(stage) == {}


def test_changes_of_different_fields_are_both_kept(stage: Stage) -> None:
    message = appending(stage.caller())()
    first, second = stage.callers(2)
    first.begin()
    first.call("update_message", message_id=message["id"], content="changed")
    evidence = [{"path": "a"}]
    changed = stage.waiting(
        asking(second, "update_message", message_id=message["id"], evidence=evidence),
        second,
        behind=first,
    )
    first.commit()
    (row,) = rows_of([outcome(changed)])
    assert (row["content"], row["evidence"]) == ("changed", evidence)


def test_the_preview_is_the_newest_message_s_though_an_older_one_was_the_newest(
    stage: Stage,
) -> None:
    """The change of a message waits for a message that is written behind it."""
    first, second = stage.callers(2)
    message = appending(first, content="old")()
    first.begin()
    appending(first, thread_id=message["thread_id"], content="new")()
    changed = stage.waiting(
        asking(second, "update_message", message_id=message["id"], content="changed"),
        second,
        behind=first,
    )
    first.commit()
    outcome(changed)
    assert stage.ask("select last_message_preview from app.chat_threads") == [("new",)]
    assert broken(stage) == {}


def test_a_message_is_written_behind_a_change_of_the_one_before(stage: Stage) -> None:
    first, second = stage.callers(2)
    message = appending(first, content="old")()
    first.begin()
    first.call("update_message", message_id=message["id"], content="changed")
    written = stage.waiting(
        appending(second, thread_id=message["thread_id"], content="new"), second, behind=first
    )
    first.commit()
    outcome(written)
    assert stage.ask("select last_message_preview from app.chat_threads") == [("new",)]
    assert broken(stage) == {}


@pytest.mark.parametrize("function", ["remove_thread", "delete_thread_messages"])
def test_a_message_is_changed_while_its_thread_is_emptied(stage: Stage, function: str) -> None:
    """They would wait for each other if a change took the message first, and then its thread."""
    first, second, blocker = stage.callers(3)
    message = appending(first)()
    # Both are under way before either can end.
    blocker.begin()
    blocker.run("update app.chat_messages set evidence = '[]'")
    changed = stage.waiting(
        asking(first, "update_message", message_id=message["id"], content="changed"),
        first,
        behind=blocker,
    )
    emptied = stage.waiting(
        asking(second, function, thread_id=message["thread_id"]), second, behind=first
    )
    blocker.commit()
    assert not isinstance(outcome(changed), str)
    assert not isinstance(outcome(emptied), str)
    assert stage.ask(STORED) == []
    assert broken(stage) == {}


@pytest.mark.parametrize("function", ["remove_thread", "delete_thread_messages"])
def test_a_thread_is_removed_behind_a_change_of_its_message(stage: Stage, function: str) -> None:
    first, second = stage.callers(2)
    message = appending(first)()
    first.begin()
    first.call("update_message", message_id=message["id"], evidence=[])
    removed = stage.waiting(
        asking(second, function, thread_id=message["thread_id"]), second, behind=first
    )
    # It holds the message, and comes to want its thread.
    first.call("update_message", message_id=message["id"], content="changed")
    first.commit()
    assert not isinstance(outcome(removed), str)
    assert stage.ask(STORED) == []
    assert broken(stage) == {}


# Writing against what takes the thread away


def test_archiving_waits_for_the_message_and_loses_nothing(stage: Stage) -> None:
    first, second = stage.callers(2)
    thread = active(first)
    first.begin()
    appending(first, thread_id=thread)()
    archived = stage.waiting(
        asking(second, "archive_thread", thread_id=thread), second, behind=first
    )
    first.commit()
    (row,) = rows_of([outcome(archived)])
    assert (row["status"], row["message_count"]) == ("archived", 1)


def test_a_message_to_a_named_thread_is_written_though_the_thread_was_archived(
    stage: Stage,
) -> None:
    first, second = stage.callers(2)
    thread = active(first)
    first.begin()
    first.call("archive_thread", thread_id=thread)
    written = stage.waiting(appending(second, thread_id=thread), second, behind=first)
    first.commit()
    (message,) = rows_of([outcome(written)])
    assert message["thread_id"] == thread
    assert broken(stage) == {}


@pytest.mark.parametrize("function", ["remove_thread", "clear_threads"])
def test_a_message_to_a_thread_that_is_removed_is_refused(stage: Stage, function: str) -> None:
    first, second = stage.callers(2)
    thread = active(first)
    first.begin()
    first.call(function, **removing(function, thread))
    written = stage.waiting(appending(second, thread_id=thread), second, behind=first)
    first.commit()
    assert outcome(written) == "SB404"
    assert stage.ask(STORED) == []


@pytest.mark.parametrize("function", ["remove_thread", "clear_threads"])
def test_what_is_removed_takes_the_message_along_that_was_written_before(
    stage: Stage, function: str
) -> None:
    first, second = stage.callers(2)
    thread = active(first)
    first.begin()
    appending(first, thread_id=thread)()
    removed = stage.waiting(
        asking(second, function, **removing(function, thread)), second, behind=first
    )
    first.commit()
    (row,) = rows_of([outcome(removed)])
    # What was is what was last.
    assert row["message_count"] == 1
    assert stage.ask(STORED) == []


@pytest.mark.parametrize("function", ["remove_thread", "clear_threads"])
def test_a_message_to_the_active_thread_goes_to_a_new_one_if_that_is_removed(
    stage: Stage, function: str
) -> None:
    """Who names no thread is not told of one that is not there."""
    first, second = stage.callers(2)
    thread = active(first)
    first.begin()
    first.call(function, **removing(function, thread))
    written = stage.waiting(appending(second), second, behind=first)
    first.commit()
    (message,) = rows_of([outcome(written)])
    assert message["thread_id"] != thread
    assert message["thread_id"] == active(first)
    assert broken(stage) == {}


@pytest.mark.parametrize("function", ["archive_thread", "start_thread"])
def test_a_message_to_the_active_thread_goes_to_the_one_that_was_active_when_it_was_sent(
    stage: Stage, function: str
) -> None:
    """As if it had been sent before the other was started: nobody had seen that yet."""
    first, second = stage.callers(2)
    thread = active(first)
    first.begin()
    arguments = {"thread_id": thread} if function == "archive_thread" else {"session_id": SESSION}
    first.call(function, **arguments)
    written = stage.waiting(appending(second), second, behind=first)
    first.commit()
    (message,) = rows_of([outcome(written)])
    assert message["thread_id"] == thread
    # What comes after goes to the new one.
    assert appending(second)()["thread_id"] != thread
    assert broken(stage) == {}


def test_clearing_a_thread_waits_for_the_message_and_removes_it(stage: Stage) -> None:
    first, second = stage.callers(2)
    thread = active(first)
    first.begin()
    appending(first, thread_id=thread)()
    cleared = stage.waiting(
        asking(second, "delete_thread_messages", thread_id=thread), second, behind=first
    )
    first.commit()
    (row,) = rows_of([outcome(cleared)])
    assert (row["message_count"], row["last_message_preview"]) == (0, None)
    assert broken(stage) == {}


def test_a_message_written_behind_a_clearing_is_the_only_one(stage: Stage) -> None:
    first, second = stage.callers(2)
    thread = active(first)
    appending(first, content="before")()
    first.begin()
    first.call("delete_thread_messages", thread_id=thread)
    written = stage.waiting(appending(second, content="after"), second, behind=first)
    first.commit()
    outcome(written)
    assert stage.ask("select message_count, last_message_preview from app.chat_threads") == [
        (1, "after")
    ]


@pytest.mark.parametrize(
    "removal", ["remove_thread", "clear_threads", "delete_thread_messages", "start_thread"]
)
def test_writing_and_removing_at_once_leave_nothing_half_done(stage: Stage, removal: str) -> None:
    callers, removers = stage.callers(8), stage.callers(2)
    for _ in range(5):
        thread = active(callers[0])
        arguments = (
            {"session_id": SESSION}
            if removal in {"clear_threads", "start_thread"}
            else {"thread_id": thread}
        )
        outcomes = at_once(
            [
                *(appending(caller, thread_id=thread) for caller in callers[:4]),
                *(appending(caller) for caller in callers[4:]),
                *(partial(caller.call, removal, **arguments) for caller in removers),
            ]
        )
        assert {came for came in outcomes[:4] if isinstance(came, str)} <= {"SB404"}
        # Who named no thread is never refused.
        assert [came for came in outcomes[4:8] if isinstance(came, str)] == []
        assert {came for came in outcomes[8:] if isinstance(came, str)} <= {"SB404"}
        assert broken(stage) == {}


# What applications may do to the tables themselves is counted right, too.


def test_messages_deleted_from_the_table_are_discounted_from_what_is_there_then(
    stage: Stage,
) -> None:
    first, second = stage.callers(2)
    message = appending(first, content="old")()
    first.begin()
    appending(first, thread_id=message["thread_id"], content="new")()
    deleted = stage.waiting(
        partial(second.run, "delete from app.chat_messages where id = %s", message["id"]),
        second,
        behind=first,
    )
    first.commit()
    outcome(deleted)
    assert stage.ask("select message_count, last_message_preview from app.chat_threads") == [
        (1, "new")
    ]
    assert broken(stage) == {}


def test_a_message_changed_in_the_table_is_no_preview_if_a_newer_one_came(stage: Stage) -> None:
    first, second = stage.callers(2)
    message = appending(first, content="old")()
    first.begin()
    appending(first, thread_id=message["thread_id"], content="new")()
    changed = stage.waiting(
        partial(
            second.run,
            "update app.chat_messages set content = 'changed' where id = %s",
            message["id"],
        ),
        second,
        behind=first,
    )
    first.commit()
    outcome(changed)
    assert broken(stage) == {}


# Under REPEATABLE READ who comes second is told to try again, and gets nothing wrong.


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("append_message", {"session_id": SESSION, "role": "user", "content": "late"}),
        ("delete_thread_messages", {}),
        ("remove_thread", {}),
        ("archive_thread", {}),
    ],
)
def test_a_repeatable_read_that_began_before_a_message_is_to_try_again(
    stage: Stage, function: str, arguments: dict[str, object]
) -> None:
    first, second = stage.callers(2)
    thread = active(first)
    second.begin("repeatable read")
    assert second.call("list_thread_messages", thread_id=thread) == []
    appending(first, thread_id=thread)()
    assert at_once([asking(second, function, thread_id=thread, **arguments)]) == ["40001"]
    second.rollback()
    assert stage.ask(STORED) == [("hello",)]
    assert broken(stage) == {}


def test_a_repeatable_read_that_sends_again_is_to_try_again(stage: Stage) -> None:
    first, second = stage.callers(2)
    thread = active(first)
    second.begin("repeatable read")
    assert second.call("list_thread_messages", thread_id=thread) == []
    written = appending(first, client_message_id="client-1")()
    assert at_once([appending(second, client_message_id="client-1")]) == ["40001"]
    second.rollback()
    second.begin("repeatable read")
    assert appending(second, client_message_id="client-1")() == written
    second.commit()
