"""Threads, by many at once: at most one is active, no title is given twice, none is lost."""

from functools import partial

import psycopg
import pytest

from tests.py.api.invariants import broken
from tests.py.api.stage import (
    MANY,
    MEMBER,
    OWNER,
    SESSION,
    Caller,
    Row,
    Stage,
    asking,
    at_once,
    code_of,
    outcome,
    rows_of,
)

STATUSES = "select title, status from app.chat_threads order by created_at, id"


def all_asking(stage: Stage, count: int, function: str, **arguments: object) -> list[Row | str]:
    return at_once([asking(caller, function, **arguments) for caller in stage.callers(count)])


# The active thread


@pytest.mark.parametrize("session_is_there", [True, False])
def test_all_who_ask_for_the_active_thread_get_the_one_that_is_made(
    stage: Stage, session_is_there: bool
) -> None:
    if session_is_there:
        stage.caller().call("open_session", session_id=SESSION)
    threads = rows_of(all_asking(stage, MANY, "get_active_thread", session_id=SESSION))
    assert len({thread["id"] for thread in threads}) == 1
    # What made it is the same transaction, whoever tells of it.
    assert len({thread["txid"] for thread in threads}) == 1
    assert stage.ask(STATUSES) == [("Session Coach", "active")]


def test_who_asks_while_the_active_thread_is_made_waits_for_it(stage: Stage) -> None:
    first, second = stage.callers(2)
    first.begin()
    made = first.one("get_active_thread", session_id=SESSION)
    asked = stage.waiting(
        asking(second, "get_active_thread", session_id=SESSION), second, behind=first
    )
    first.commit()
    assert outcome(asked) == made


def test_who_asks_while_the_active_thread_is_undone_makes_it(stage: Stage) -> None:
    first, second = stage.callers(2)
    first.begin()
    made = first.one("get_active_thread", session_id=SESSION)
    asked = stage.waiting(
        asking(second, "get_active_thread", session_id=SESSION), second, behind=first
    )
    first.rollback()
    (thread,) = rows_of([outcome(asked)])
    assert thread["id"] != made["id"]
    assert stage.ask(STATUSES) == [("Session Coach", "active")]


def test_the_modes_of_a_session_have_an_active_thread_each(stage: Stage) -> None:
    modes = ["session", "general"] * 4
    asked = [
        asking(caller, "get_active_thread", session_id=SESSION, mode=mode)
        for caller, mode in zip(stage.callers(len(modes)), modes, strict=True)
    ]
    assert len({thread["id"] for thread in rows_of(at_once(asked))}) == 2
    assert sorted(stage.ask(STATUSES)) == [("General", "active"), ("Session Coach", "active")]


def test_members_of_a_session_get_the_active_thread_that_its_owner_gets(stage: Stage) -> None:
    owner = stage.caller()
    owner.call("open_session", session_id=SESSION)
    owner.call("share_session", session_id=SESSION, member_account_id=MEMBER, role="editor")
    asked = [
        asking(caller, "get_active_thread", session_id=SESSION, account_id=owner.account)
        for caller in [*stage.callers(4), *(stage.caller(MEMBER) for _ in range(4))]
    ]
    assert len({thread["id"] for thread in rows_of(at_once(asked))}) == 1


def test_sessions_do_not_wait_for_each_other(stage: Stage) -> None:
    first, second = stage.callers(2)
    first.begin()
    first.call("start_thread", session_id="session-a")
    # It does not wait.
    second.call("start_thread", session_id="session-b")
    first.commit()


# Starting


@pytest.mark.parametrize("session_is_there", [True, False])
def test_of_threads_started_at_once_one_is_active_and_titles_differ(
    stage: Stage, session_is_there: bool
) -> None:
    if session_is_there:
        stage.caller().call("open_session", session_id=SESSION)
    threads = rows_of(all_asking(stage, MANY, "start_thread", session_id=SESSION))
    titles = ["Session Coach", *(f"Session Coach #{number}" for number in range(2, MANY + 1))]
    assert sorted(thread["title"] for thread in threads) == sorted(titles)
    assert {thread["status"] for thread in threads} == {"active"}
    statuses = [status for _, status in stage.ask(STATUSES)]
    assert sorted(statuses) == ["active", *["archived"] * (MANY - 1)]
    # The last to be made is the active one.
    assert statuses[-1] == "active"


def test_a_thread_is_started_behind_one_that_is_being_started(stage: Stage) -> None:
    first, second = stage.callers(2)
    first.begin()
    first.call("start_thread", session_id=SESSION)
    started = stage.waiting(
        asking(second, "start_thread", session_id=SESSION), second, behind=first
    )
    first.commit()
    outcome(started)
    assert stage.ask(STATUSES) == [("Session Coach", "archived"), ("Session Coach #2", "active")]


def test_starting_goes_on_when_the_one_before_is_undone(stage: Stage) -> None:
    first, second = stage.callers(2)
    second.call("start_thread", session_id=SESSION, title="before")
    first.begin()
    first.call("start_thread", session_id=SESSION)
    started = stage.waiting(
        asking(second, "start_thread", session_id=SESSION), second, behind=first
    )
    first.rollback()
    outcome(started)
    assert stage.ask(STATUSES) == [("before", "archived"), ("Session Coach", "active")]


# Activating


def started(stage: Stage, count: int) -> list[str]:
    """Start threads, of which the last is active, and return their ids."""
    caller = stage.caller()
    return [caller.one("start_thread", session_id=SESSION)["id"] for _ in range(count)]


def test_of_threads_activated_at_once_one_is_active(stage: Stage) -> None:
    threads = started(stage, MANY)
    asked = [
        asking(caller, "activate_thread", thread_id=thread)
        for caller, thread in zip(stage.callers(MANY), threads, strict=True)
    ]
    assert {thread["status"] for thread in rows_of(at_once(asked))} == {"active"}
    assert sorted(status for _, status in stage.ask(STATUSES))[:2] == ["active", "archived"]
    assert broken(stage) == {}


def test_activating_and_starting_at_once_leave_one_active_thread(stage: Stage) -> None:
    threads = started(stage, MANY)
    asked = [
        asking(caller, "activate_thread", thread_id=thread)
        for caller, thread in zip(stage.callers(MANY), threads, strict=True)
    ]
    asked += [asking(caller, "start_thread", session_id=SESSION) for caller in stage.callers(MANY)]
    assert {thread["status"] for thread in rows_of(at_once(asked))} == {"active"}
    assert len({title for title, _ in stage.ask(STATUSES)}) == 2 * MANY
    assert broken(stage) == {}
    assert [status for _, status in stage.ask(STATUSES)].count("active") == 1


@pytest.mark.parametrize(
    ("function", "finally_active"), [("start_thread", "#3"), ("activate_thread", "Coach")]
)
def test_activating_a_thread_waits_for_who_decides_before(
    stage: Stage, function: str, finally_active: str
) -> None:
    first_id, second_id = started(stage, 2)
    first, second = stage.callers(2)
    first.begin()
    first.call("activate_thread", thread_id=second_id)
    arguments = {"session_id": SESSION} if function == "start_thread" else {"thread_id": first_id}
    asked = stage.waiting(asking(second, function, **arguments), second, behind=first)
    first.commit()
    (thread,) = rows_of([outcome(asked)])
    assert thread["title"].endswith(finally_active)
    assert [title for title, status in stage.ask(STATUSES) if status == "active"] == [
        thread["title"]
    ]


def test_a_thread_that_was_removed_meanwhile_is_not_activated(stage: Stage) -> None:
    thread, _ = started(stage, 2)
    first, second = stage.callers(2)
    first.begin()
    first.call("remove_thread", thread_id=thread)
    asked = stage.waiting(asking(second, "activate_thread", thread_id=thread), second, behind=first)
    first.commit()
    assert outcome(asked) == "SB404"
    # Nothing was archived for it.
    assert stage.ask(STATUSES) == [("Session Coach #2", "active")]


def test_a_thread_is_not_activated_over_a_change_that_was_not_known(stage: Stage) -> None:
    thread, _ = started(stage, 2)
    first, second = stage.callers(2)
    version = first.one("get_thread", thread_id=thread)["row_version"]
    first.begin()
    first.call("rename_thread", thread_id=thread, title="renamed")
    asked = stage.waiting(
        asking(second, "activate_thread", thread_id=thread, expected_row_version=version),
        second,
        behind=first,
    )
    first.commit()
    assert outcome(asked) == "SB409"
    assert stage.ask(STATUSES) == [("renamed", "archived"), ("Session Coach #2", "active")]


# Renaming, archiving, removing


@pytest.mark.parametrize(
    ("function", "arguments"),
    [("rename_thread", {"title": "mine"}), ("archive_thread", {}), ("remove_thread", {})],
)
def test_of_two_who_change_what_they_read_one_is_told(
    stage: Stage, function: str, arguments: dict[str, object]
) -> None:
    (thread,) = started(stage, 1)
    version = stage.caller().one("get_thread", thread_id=thread)["row_version"]
    outcomes = at_once(
        [
            asking(caller, function, thread_id=thread, expected_row_version=version, **arguments)
            for caller in stage.callers(2)
        ]
    )
    lost = "SB404" if function == "remove_thread" else "SB409"
    assert [came for came in outcomes if isinstance(came, str)] == [lost]


def test_renaming_waits_and_is_told_that_the_thread_was_renamed(stage: Stage) -> None:
    (thread,) = started(stage, 1)
    first, second = stage.callers(2)
    version = first.one("get_thread", thread_id=thread)["row_version"]
    first.begin()
    first.call("rename_thread", thread_id=thread, title="first")
    asked = stage.waiting(
        asking(
            second, "rename_thread", thread_id=thread, title="second", expected_row_version=version
        ),
        second,
        behind=first,
    )
    first.commit()
    with pytest.raises(psycopg.Error) as refused:
        asked.result()
    assert code_of(refused.value) == "SB409"
    assert refused.value.diag.message_detail == (
        f"Its row_version is {version + 1}, and {version} was expected."
    )
    assert stage.ask(STATUSES) == [("first", "active")]


def test_clearing_at_once_gives_each_thread_to_one(stage: Stage) -> None:
    threads = started(stage, MANY)
    cleared = at_once(
        [partial(caller.call, "clear_threads", session_id=SESSION) for caller in stage.callers(4)]
    )
    given = [row["id"] for rows in cleared if not isinstance(rows, str) for row in rows]
    assert sorted(given) == sorted(threads)


def test_a_thread_is_started_behind_a_clearing(stage: Stage) -> None:
    started(stage, 2)
    first, second = stage.callers(2)
    first.begin()
    first.call("clear_threads", session_id=SESSION)
    asked = stage.waiting(asking(second, "start_thread", session_id=SESSION), second, behind=first)
    first.commit()
    outcome(asked)
    assert stage.ask(STATUSES) == [("Session Coach", "active")]


# Under REPEATABLE READ who comes second is told to try again, and gets nothing wrong.


@pytest.mark.parametrize("session_is_there", [True, False])
@pytest.mark.parametrize("function", ["start_thread", "get_active_thread"])
def test_a_repeatable_read_that_began_before_is_to_try_again(
    stage: Stage, function: str, session_is_there: bool
) -> None:
    first, second = stage.callers(2)
    if session_is_there:
        first.call("open_session", session_id=SESSION)
    second.begin("repeatable read")
    assert second.call("list_threads", session_id=SESSION) == []
    first.call("get_active_thread", session_id=SESSION)
    assert outcome_of(second, function, session_id=SESSION) == "40001"
    second.rollback()
    assert stage.ask(STATUSES) == [("Session Coach", "active")]


def test_an_active_thread_that_is_written_past_the_functions_is_waited_for(stage: Stage) -> None:
    first, second = stage.callers(2)
    first.call("open_session", session_id=SESSION)
    first.begin()
    first.run(
        "insert into app.chat_threads "
        "(account_id, session_id, mode, title, status, author_account_id) "
        f"values ('{OWNER}', '{SESSION}', 'session', 'other', 'active', '{OWNER}')"
    )
    asked = stage.waiting(
        asking(second, "get_active_thread", session_id=SESSION), second, behind=first
    )
    first.commit()
    # It is told to try again, by the code that drivers know as that.
    assert outcome(asked) == "40001"
    assert second.one("get_active_thread", session_id=SESSION)["title"] == "other"


def test_a_repeatable_read_that_activates_is_to_try_again(stage: Stage) -> None:
    first_id, second_id = started(stage, 2)
    first, second = stage.callers(2)
    second.begin("repeatable read")
    assert len(second.call("list_threads", session_id=SESSION)) == 2
    first.call("rename_thread", thread_id=second_id, title="renamed")
    assert outcome_of(second, "activate_thread", thread_id=first_id) == "40001"
    second.rollback()
    assert stage.ask(STATUSES) == [("Session Coach", "archived"), ("renamed", "active")]


def outcome_of(caller: Caller, function: str, **arguments: object) -> Row | str:
    try:
        return caller.one(function, **arguments)
    except psycopg.Error as error:
        return code_of(error)
