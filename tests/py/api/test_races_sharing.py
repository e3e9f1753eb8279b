"""Sharing, against others who share and against a member who writes.

What is promised: each statement is let in or refused by what was committed when it began. What a
member wrote before stays. In a transaction of READ COMMITTED the next statement is judged anew; one
of REPEATABLE READ keeps the rights that it began with until it ends.
"""

import pytest

from tests.py.api.stage import (
    MANY,
    MEMBER,
    SESSION,
    Caller,
    Row,
    Stage,
    asking,
    at_once,
    outcome,
    rows_of,
)

CO_OWNER = "00000000-0000-4000-8000-00000000000e"
WITH_MEMBER = {"session_id": SESSION, "member_account_id": MEMBER}
STORED = "select content from app.chat_messages order by created_at"
SHARED = "select role, row_version from app.session_members"


def writing(member: Caller, owner: Caller, content: str = "hello") -> dict[str, object]:
    """Return what a member appends by."""
    assert member.account != owner.account
    return {
        "session_id": SESSION,
        "role": "user",
        "content": content,
        "account_id": owner.account,
    }


def shared(stage: Stage, role: str = "editor") -> tuple[Caller, Caller]:
    """Share a session that has a thread; return its owner and the member."""
    owner, member = stage.caller(), stage.caller(MEMBER)
    owner.call("get_active_thread", session_id=SESSION)
    owner.call("share_session", role=role, **WITH_MEMBER)
    return owner, member


# Opening


def test_all_who_open_a_session_get_the_one_that_is_made(stage: Stage) -> None:
    sessions = rows_of(
        at_once(
            [asking(caller, "open_session", session_id=SESSION) for caller in stage.callers(MANY)]
        )
    )
    assert all(session == sessions[0] for session in sessions)
    assert stage.value("select count(*) from app.sessions") == 1


def test_who_opens_a_session_that_is_being_opened_waits_for_it(stage: Stage) -> None:
    first, second = stage.callers(2)
    first.begin()
    made = first.one("open_session", session_id=SESSION)
    opened = stage.waiting(asking(second, "open_session", session_id=SESSION), second, behind=first)
    first.commit()
    assert outcome(opened) == made


def test_who_opens_a_session_that_is_undone_makes_it(stage: Stage) -> None:
    first, second = stage.callers(2)
    first.begin()
    made = first.one("open_session", session_id=SESSION)
    opened = stage.waiting(asking(second, "open_session", session_id=SESSION), second, behind=first)
    first.rollback()
    (session,) = rows_of([outcome(opened)])
    assert session["txid"] != made["txid"]


def test_sessions_without_an_id_are_different_ones(stage: Stage) -> None:
    sessions = rows_of(at_once([asking(caller, "open_session") for caller in stage.callers(MANY)]))
    assert len({session["id"] for session in sessions}) == MANY


def test_a_repeatable_read_that_began_before_a_session_is_to_try_again(stage: Stage) -> None:
    first, second = stage.callers(2)
    second.begin("repeatable read")
    assert second.call("get_session", session_id=SESSION) == []
    first.call("open_session", session_id=SESSION)
    assert at_once([asking(second, "open_session", session_id=SESSION)]) == ["40001"]


# Sharing against sharing


@pytest.mark.parametrize("session_is_there", [True, False])
def test_a_session_shared_at_once_is_shared_once(stage: Stage, session_is_there: bool) -> None:
    if session_is_there:
        stage.caller().call("open_session", session_id=SESSION)
    rows_of(
        at_once(
            [
                asking(caller, "share_session", role="editor", **WITH_MEMBER)
                for caller in stage.callers(MANY)
            ]
        )
    )
    assert stage.ask(SHARED) == [("editor", MANY)]


def test_of_two_who_change_the_role_they_read_one_is_told(stage: Stage) -> None:
    shared(stage)
    outcomes = at_once(
        [
            asking(caller, "share_session", role=role, expected_row_version=1, **WITH_MEMBER)
            for caller, role in zip(stage.callers(2), ("viewer", "owner"), strict=True)
        ]
    )
    (kept,) = [came for came in outcomes if not isinstance(came, str)]
    assert [came for came in outcomes if isinstance(came, str)] == ["SB409"]
    assert stage.ask(SHARED) == [(kept["role"], 2)]


def test_of_two_who_stop_sharing_one_is_told_that_it_is_not_shared(stage: Stage) -> None:
    shared(stage)
    outcomes = at_once(
        [asking(caller, "unshare_session", **WITH_MEMBER) for caller in stage.callers(2)]
    )
    assert [came for came in outcomes if isinstance(came, str)] == ["SB404"]
    assert stage.ask(SHARED) == []


def test_sharing_behind_who_stops_sharing_shares_again(stage: Stage) -> None:
    owner, _ = shared(stage)
    other = stage.caller()
    owner.begin()
    owner.call("unshare_session", **WITH_MEMBER)
    again = stage.waiting(
        asking(other, "share_session", role="viewer", **WITH_MEMBER), other, behind=owner
    )
    owner.commit()
    assert not isinstance(outcome(again), str)
    assert stage.ask(SHARED) == [("viewer", 1)]


def test_sharing_is_not_refused_because_another_stops_meanwhile(stage: Stage) -> None:
    """Held up where it has seen the membership that the other removes."""
    owner, _ = shared(stage)
    other = stage.caller()
    stage.pause("insert", "app.session_members")
    again = stage.settled(asking(owner, "share_session", role="viewer", **WITH_MEMBER), owner)
    assert not again.done()
    stopped = stage.settled(asking(other, "unshare_session", **WITH_MEMBER), other)
    stage.go_on()
    assert not isinstance(outcome(again), str)
    assert not isinstance(outcome(stopped), str)


def test_what_is_shared_just_after_the_look_is_no_question_of_rights(stage: Stage) -> None:
    """Held up where it has found no membership, and not yet said so."""
    first, second = stage.callers(2)
    first.call("open_session", session_id=SESSION)
    stage.pause("delete", "app.session_members")
    stopped = stage.settled(asking(first, "unshare_session", **WITH_MEMBER), first)
    assert not stopped.done()
    second.call("share_session", role="viewer", **WITH_MEMBER)
    stage.go_on()
    assert outcome(stopped) == "SB409"
    assert stage.ask(SHARED) == [("viewer", 1)]


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_who_may_not_share_is_told_so(stage: Stage, role: str) -> None:
    owner, member = shared(stage, role)
    asked = [
        asking(member, "unshare_session", account_id=owner.account, **WITH_MEMBER),
        asking(
            member,
            "share_session",
            role="owner",
            expected_row_version=1,
            account_id=owner.account,
            **WITH_MEMBER,
        ),
        asking(member, "share_session", role="owner", account_id=owner.account, **WITH_MEMBER),
    ]
    assert at_once(asked[:1]) + at_once(asked[1:2]) + at_once(asked[2:]) == ["42501"] * 3


def test_two_co_owners_who_remove_each_other_are_both_gone(stage: Stage) -> None:
    """Each was one when it spoke. The account that owns the session always stays."""
    owner = stage.caller()
    stage.do(f"insert into app.accounts (id, name) values ('{CO_OWNER}', 'co-owner')")
    for account in (MEMBER, CO_OWNER):
        owner.call("share_session", session_id=SESSION, member_account_id=account, role="owner")
    first, second = stage.caller(MEMBER), stage.caller(CO_OWNER)
    for caller in (first, second):
        caller.begin()
    for caller, other in ((first, CO_OWNER), (second, MEMBER)):
        caller.call(
            "unshare_session",
            session_id=SESSION,
            member_account_id=other,
            account_id=owner.account,
        )
    first.commit()
    second.commit()
    assert stage.ask(SHARED) == []
    assert len(owner.call("get_session", session_id=SESSION)) == 1


# Sharing against a member who writes


def test_what_a_member_wrote_before_sharing_stopped_stays(stage: Stage) -> None:
    owner, member = shared(stage)
    member.begin()
    member.call("append_message", **writing(member, owner))
    # It waits for nobody.
    owner.call("unshare_session", **WITH_MEMBER)
    assert stage.ask(STORED) == []
    member.commit()
    assert stage.ask(STORED) == [("hello",)]


def test_the_next_write_of_the_same_transaction_is_refused(stage: Stage) -> None:
    owner, member = shared(stage)
    member.begin()
    member.call("append_message", **writing(member, owner))
    owner.call("unshare_session", **WITH_MEMBER)
    assert at_once([asking(member, "append_message", **writing(member, owner))]) == ["SB404"]
    member.rollback()
    assert stage.ask(STORED) == []


def test_a_repeatable_read_keeps_the_rights_it_began_with(stage: Stage) -> None:
    owner, member = shared(stage)
    member.begin("repeatable read")
    member.call("get_session", session_id=SESSION, account_id=owner.account)
    owner.call("unshare_session", **WITH_MEMBER)
    member.call("append_message", **writing(member, owner))
    member.commit()
    assert stage.ask(STORED) == [("hello",)]
    assert at_once([asking(member, "append_message", **writing(member, owner))]) == ["SB404"]


@pytest.mark.parametrize("change", ["share", "unshare"])
def test_what_is_not_committed_decides_nothing(stage: Stage, change: str) -> None:
    owner, member = shared(stage)
    if change == "share":
        owner.call("unshare_session", **WITH_MEMBER)
    owner.begin()
    if change == "share":
        owner.call("share_session", role="editor", **WITH_MEMBER)
    else:
        owner.call("unshare_session", **WITH_MEMBER)
    (came,) = at_once([asking(member, "append_message", **writing(member, owner))])
    assert (came == "SB404") == (change == "share")
    owner.commit()
    (came,) = at_once([asking(member, "append_message", **writing(member, owner))])
    assert (came == "SB404") == (change == "unshare")


@pytest.mark.parametrize("left", ["viewer", None])
def test_a_member_who_waits_to_write_is_refused_once_it_may_not(
    stage: Stage, left: str | None
) -> None:
    owner, member = shared(stage)
    other = stage.caller()
    thread = owner.one("get_active_thread", session_id=SESSION)["id"]
    owner.begin()
    owner.call("append_message", session_id=SESSION, role="user", content="before")
    waiting = stage.waiting(
        asking(member, "append_message", thread_id=thread, **writing(member, owner)),
        member,
        behind=owner,
    )
    if left:
        other.call("share_session", role=left, **WITH_MEMBER)
    else:
        other.call("unshare_session", **WITH_MEMBER)
    owner.commit()
    assert outcome(waiting) == "42501"
    assert stage.ask(STORED) == [("before",)]
    # It held the thread, and let it go.
    assert stage.ask("select message_count from app.chat_threads") == [(1,)]


@pytest.mark.parametrize(("left", "code"), [("viewer", "42501"), (None, "SB404")])
def test_a_member_who_waits_to_change_is_refused_once_it_may_not(
    stage: Stage, left: str | None, code: str
) -> None:
    owner, member = shared(stage)
    other = stage.caller()
    message = member.one("append_message", **writing(member, owner))["id"]
    owner.begin()
    owner.call("append_message", session_id=SESSION, role="user", content="meanwhile")
    waiting = stage.waiting(
        asking(
            member,
            "update_message",
            message_id=message,
            content="changed",
            account_id=owner.account,
        ),
        member,
        behind=owner,
    )
    if left:
        other.call("share_session", role=left, **WITH_MEMBER)
    else:
        other.call("unshare_session", **WITH_MEMBER)
    owner.commit()
    assert outcome(waiting) == code
    assert stage.ask(STORED) == [("hello",), ("meanwhile",)]


def test_a_viewer_is_refused_and_told_so(stage: Stage) -> None:
    """It can hold no thread, so it would look for one that it can for ever."""
    owner, member = shared(stage, role="viewer")
    assert refusals(member, owner) == ["42501", "42501"]
    owner.call("clear_threads", session_id=SESSION)
    # There is no thread, and it may not make one.
    assert refusals(member, owner)[:1] == ["42501"]


def refusals(member: Caller, owner: Caller) -> list[Row | str]:
    """Return what comes of writing into the active thread, and into it by its name."""
    threads = member.call("list_threads", session_id=SESSION, account_id=owner.account)
    named = [{"thread_id": thread["id"]} for thread in threads]
    came: list[Row | str] = []
    for thread in [{}, *named]:
        came += at_once([asking(member, "append_message", **writing(member, owner), **thread)])
    return came
