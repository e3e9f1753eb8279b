"""A record whose id the database has with other content: kept out, left out, or replacing it."""

from pathlib import Path
from typing import Any

import pytest

from harness.legacy.results import Note, OnConflict
from harness.legacy.steps import FILES
from tests.py.legacy.builders import (
    ABSENT,
    BUILDERS,
    OTHER_SESSION,
    Fates,
    Record,
    Target,
    dump,
    fates,
    finished,
    message,
    spelled,
    thread,
    thread_of,
    time,
    tool_event,
    write_folder,
)

POLICIES: list[OnConflict] = ["quarantine", "keep", "replace"]
OF_CONFLICT: dict[OnConflict, Fates] = {
    "quarantine": Fates(read=1, quarantined=1),
    "keep": Fates(read=1, unchanged=1),
    "replace": Fates(read=1, adopted=1),
}
"""What becomes of a record that is in conflict."""


def content(kind: str, record: Record | bytes) -> dict[str, list[Any]]:
    """Return a folder's content in which a record of a kind has the thread it names."""
    return ({} if kind == "threads" else {"threads": [thread()]}) | {kind: [record]}


def note_of(target: Target, kind: str) -> Any:  # noqa: ANN401 - JSON
    """Return the note of the one record with a note, as the row has it."""
    return target.row(
        f"select extra -> 'note' from app.chat_{kind} where account_id = %s and extra ? 'note'"
    )[0]


def old(kind: str) -> Record:
    return BUILDERS[kind](note="old")


def new(kind: str) -> Record:
    return BUILDERS[kind](note="new")


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("policy", POLICIES)
def test_what_becomes_of_a_conflict(
    target: Target, data: Path, kind: str, policy: OnConflict
) -> None:
    target.run(write_folder(data, **content(kind, old(kind))))
    folder = write_folder(data, **content(kind, new(kind)))
    result = target.run(folder, on_conflict=policy)
    assert result.on_conflict == policy
    assert fates(result)[kind] == OF_CONFLICT[policy]
    assert note_of(target, kind) == ("new" if policy == "replace" else "old")
    kept_out = [(row[:3], row[4]) for row in target.quarantine()]
    reason = {"quarantine": "conflict", "keep": "conflict_kept"}.get(policy)
    assert kept_out == ([((kind, reason, "id"), spelled(new(kind)))] if reason else [])
    assert result.quarantined == int(policy == "quarantine")
    # The same again is the same, but for what came in.
    again = target.run(folder, on_conflict=policy)
    expected = Fates(read=1, unchanged=1) if policy == "replace" else OF_CONFLICT[policy]
    assert fates(again)[kind] == expected
    assert [(row[:3], row[4]) for row in target.quarantine()] == kept_out
    assert note_of(target, kind) == ("new" if policy == "replace" else "old")


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("first", POLICIES)
@pytest.mark.parametrize("second", POLICIES)
def test_one_policy_after_another(
    target: Target, data: Path, kind: str, first: OnConflict, second: OnConflict
) -> None:
    """Then the same once more, and at last the old record, which replaces what is there."""
    target.run(write_folder(data, **content(kind, old(kind))))
    folder = write_folder(data, **content(kind, new(kind)))
    assert fates(target.run(folder, on_conflict=first))[kind] == OF_CONFLICT[first]
    there = {"old", "new"} - {"old" if first == "replace" else "new"}

    expected = OF_CONFLICT[second] if there == {"old"} else Fates(read=1, unchanged=1)
    assert fates(target.run(folder, on_conflict=second))[kind] == expected
    if "replace" in (first, second):
        there = {"new"}
    assert {note_of(target, kind)} == there

    third = target.run(folder, on_conflict="replace")
    assert fates(third)[kind] == (
        Fates(read=1, unchanged=1) if there == {"new"} else Fates(read=1, adopted=1)
    )
    assert note_of(target, kind) == "new"

    back = write_folder(data, **content(kind, old(kind)))
    assert fates(target.run(back))[kind] == Fates(read=1, quarantined=1)
    assert note_of(target, kind) == "new"
    assert fates(target.run(back, on_conflict="replace"))[kind] == Fates(read=1, adopted=1)
    assert note_of(target, kind) == "old"
    assert fates(target.run(back))[kind] == Fates(read=1, unchanged=1)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("policy", POLICIES)
def test_a_row_that_the_application_changed(
    target: Target, data: Path, kind: str, policy: OnConflict
) -> None:
    """The same bytes are unchanged all the same; in another layout they are in conflict."""
    folder = write_folder(data, **content(kind, old(kind)))
    target.run(folder)
    target.rows(
        f"""update app.chat_{kind} set extra = '{{"note": "by hand"}}' """
        "where account_id = %s and extra ? 'note' returning id"
    )
    result = target.run(folder, on_conflict=policy)
    assert fates(result)[kind] == Fates(read=1, unchanged=1)
    assert note_of(target, kind) == "by hand"
    relaid = spelled(old(kind)).replace(b'", "', b'" ,"')
    result = target.run(write_folder(data, **content(kind, relaid)), on_conflict=policy)
    assert fates(result)[kind] == OF_CONFLICT[policy]
    assert note_of(target, kind) == ("old" if policy == "replace" else "by hand")
    # What the row says now is no conflict, in whichever layout.
    by_hand = BUILDERS[kind](note=note_of(target, kind))
    result = target.run(write_folder(data, **content(kind, by_hand)), on_conflict=policy)
    assert fates(result)[kind] == Fates(read=1, unchanged=1)


@pytest.mark.parametrize("kind", FILES)
def test_what_was_replaced_is_in_the_mend(target: Target, data: Path, kind: str) -> None:
    target.run(write_folder(data, **content(kind, old(kind))))
    target.rows(
        f"""update app.chat_{kind} set extra = '{{"note": "by hand"}}' """
        "where account_id = %s and extra ? 'note' returning id"
    )
    result = target.run(write_folder(data, **content(kind, new(kind))), on_conflict="replace")
    record_id = new(kind)["id"]
    assert target.mends(kind, record_id) == {
        "*": {"reason": "conflict_replaced", "from": BUILDERS[kind](note="by hand")}
    }
    assert target.row(
        "select raw from legacy.kept_records where account_id = %s and record_id = %s", record_id
    ) == (spelled(new(kind)),)
    notes = [note for note in result.notes if note.reason == "conflict_replaced"]
    assert [(note.fate, note.file, note.record, note.field) for note in notes] == [
        ("adopted", FILES[kind], 1, "*")
    ]


def test_a_record_replaces_every_field(target: Target, data: Path) -> None:
    first = [
        message(
            clientMessageId="c",
            misalignmentId="m",
            evidence=[{"path": "a"}],
            contextEvents=[],
            note=1,
        ),
        finished(error="e", latencyMs=5, contextEvents=[], note=1),
    ]
    target.run(
        write_folder(
            data,
            threads=[thread(), thread(id="two", status="archived")],
            messages=first[:1],
            tool_events=first[1:],
        )
    )
    second = message(
        threadId="two", mode="general", role="assistant", content="x", createdAt=time(1)
    )
    event = tool_event(toolCallId=None, toolName="x", threadId="two", startedAt=time(1))
    del event["arguments"]
    target.run(write_folder(data, messages=[second], tool_events=[event]), on_conflict="replace")
    empty = {name for name, value in target.message().items() if value is None}
    assert empty == {
        *("client_message_id", "misalignment_id", "evidence", "context_events"),
        "author_account_id",
    }
    row = target.message()
    assert (row["thread_id"], row["mode"], row["role"], row["extra"]) == (
        *("two", "general", "assistant"),
        {},
    )
    row = target.tool_event()
    assert (row["status"], row["completed_at"], row["result"]) == ("executing", None, None)
    assert (row["arguments"], row["error"], row["latency_ms"], row["extra"]) == (None,) * 3 + ({},)
    assert row["updated_at"] == row["started_at"] == "2025-11-03T00:01:07.125+00:00"
    assert target.thread("two")["message_count"] == 1
    assert target.thread()["message_count"] == 0


def test_a_thread_that_is_replaced_keeps_its_messages(target: Target, data: Path) -> None:
    record = thread_of([message()])
    target.run(write_folder(data, threads=[record], messages=[message()]))
    other = record | {"title": "other", "messageCount": 7, "updatedAt": time(9)}
    result = target.run(write_folder(data, threads=[other]), on_conflict="replace")
    assert fates(result)["threads"] == Fates(read=1, adopted=1)
    row = target.thread()
    assert (row["title"], row["message_count"]) == ("other", 1)
    mends = target.mends("threads", "thread_1")
    assert mends["*"]["from"] == record
    assert mends["messageCount"] == {"reason": "derived_from_messages", "from": 7, "to": 1}
    assert target.ids("chat_messages") == {"chat_1"}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("policy", POLICIES)
def test_a_record_of_another_session_replaces_nothing(
    target: Target, data: Path, kind: str, policy: OnConflict
) -> None:
    target.run(write_folder(data, **content(kind, old(kind))))
    foreign = new(kind) | {"sessionId": OTHER_SESSION}
    result = target.run(write_folder(data, **{kind: [foreign]}), on_conflict=policy)
    expected = OF_CONFLICT["keep" if policy == "keep" else "quarantine"]
    assert fates(result)[kind] == expected
    assert note_of(target, kind) == "old"
    assert target.rows(
        f"select session_id from app.chat_{kind} where account_id = %s and extra ? 'note'"
    ) == [(old(kind)["sessionId"],)]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_row_that_no_import_brought(target: Target, data: Path, policy: OnConflict) -> None:
    target.rows(
        "with account as (select %s::uuid as id), session as ("
        "insert into app.sessions (account_id, id) select id, 'session-default' from account "
        "returning id) insert into app.chat_threads (account_id, id, session_id, mode, title, "
        "status) select id, 'thread_1', 'session-default', 'session', 'By hand', 'archived' "
        "from account returning id"
    )
    result = target.run(write_folder(data, threads=[thread()]), on_conflict=policy)
    assert fates(result)["threads"] == OF_CONFLICT[policy]
    reasons = [row[1] for row in target.quarantine()]
    assert reasons == {"quarantine": ["id_in_use"], "keep": ["conflict_kept"]}.get(policy, [])
    assert target.thread()["title"] == ("Session Coach" if policy == "replace" else "By hand")


@pytest.mark.parametrize("policy", POLICIES)
def test_two_records_of_an_id_in_one_file_are_no_conflict(
    target: Target, data: Path, policy: OnConflict
) -> None:
    records = [message(), message(content="other")]
    result = target.run(
        write_folder(data, threads=[thread()], messages=records), on_conflict=policy
    )
    assert fates(result)["messages"] == Fates(read=2, imported=1, quarantined=1)
    assert [row[1] for row in target.quarantine()] == ["duplicate_id"]
    assert target.message()["content"] == message()["content"]


def test_of_several_records_the_first_replaces(target: Target, data: Path) -> None:
    target.run(write_folder(data, threads=[thread()], messages=[message()]))
    records = [message(content=text) for text in ("a", "b", "a", "b")]
    folder = write_folder(data, messages=records)
    result = target.run(folder, on_conflict="replace")
    assert fates(result)["messages"] == Fates(read=4, adopted=1, unchanged=1, quarantined=2)
    assert target.message()["content"] == "a"
    assert {row[1] for row in target.quarantine()} == {"duplicate_id"}


def test_what_is_kept_changes_nothing(target: Target, data: Path) -> None:
    target.run(write_folder(data, threads=[thread()], messages=[message()]))
    before = dump(target.connection, "app")
    newer = [message(content="other", createdAt=time(0), updatedAt=time(90), threadId="lost")]
    result = target.run(write_folder(data, messages=newer), on_conflict="keep")
    assert (result.changed, result.threads_made, result.quarantined) == (0, 0, 0)
    assert dump(target.connection, "app") == before
    (note,) = result.notes
    assert note == Note(
        fate="unchanged",
        file=FILES["messages"],
        record=1,
        byte_offset=4,
        reason="conflict_kept",
        meaning=note.meaning,
        field="id",
        sqlstate=None,
    )


@pytest.mark.parametrize("policy", POLICIES)
def test_a_record_that_was_mended_is_known_again(
    target: Target, data: Path, policy: OnConflict
) -> None:
    """In another layout too: the mends are taken into account."""
    records = [
        message(id="chat_1", threadId=ABSENT),
        message(id="chat_2", updatedAt=time(0)),
        message(id="chat_3", clientMessageId=None, createdAt="2025-11-03T00:02:07.1250Z"),
        message(id="chat_4", content="a\0b"),
        message(id="chat_5", threadId="lost"),
    ]
    target.run(write_folder(data, threads=[thread(messageCount=9)], messages=records))
    before = dump(target.connection, "app")
    relaid = [b"{ " + spelled(record)[1:] for record in [thread(messageCount=9), *records]]
    folder = write_folder(data, threads=relaid[:1], messages=relaid[1:])
    result = target.run(folder, on_conflict=policy)
    assert fates(result)["threads"] == Fates(read=1, unchanged=1)
    assert fates(result)["messages"] == Fates(read=5, unchanged=5)
    assert dump(target.connection, "app") == before


def test_replaced_and_replaced_again_it_has_one_place_in_the_books(
    target: Target, data: Path
) -> None:
    for text in ("a", "b", "c"):
        folder = write_folder(data, threads=[thread()], messages=[message(content=text)])
        target.run(folder, on_conflict="replace")
    assert target.message()["content"] == "c"
    rows = target.rows(
        "select kept.mends #>> '{*,from,content}', kept.raw, message.row_version = "
        "kept.row_version from legacy.kept_records as kept inner join app.chat_messages as message "
        "on kept.account_id = message.account_id and kept.record_id = message.id "
        "where kept.account_id = %s"
    )
    assert rows == [("b", spelled(message(content="c")), True)]
