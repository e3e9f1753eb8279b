"""What is mended on its way in: how, and that it is written down."""

import json
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.connections import Connection, Server
from harness.legacy import importer
from harness.legacy.reader import RecordFile
from harness.legacy.results import ImportResult, Note, OnConflict
from harness.legacy.steps import FILES
from tests.py.legacy.builders import (
    ABSENT,
    BUILDERS,
    OTHER_SESSION,
    SESSION,
    Content,
    Fates,
    Target,
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


def mend(reason: str, old: object, new: object) -> dict[str, object]:
    return {"reason": reason, "from": old, "to": new}


def utc(minute: int) -> str:
    """Return time(minute) as Postgres writes it in JSON."""
    return time(minute).replace("Z", "+00:00")


def active(target: Target, session: str = SESSION) -> list[tuple[str, str]]:
    """Return mode and id of the active threads of a session."""
    return target.rows(
        "select mode, id from app.chat_threads "
        "where account_id = %s and session_id = %s and status = 'active' order by mode",
        session,
    )


# One active thread.


def test_of_several_active_threads_the_latest_stays(target: Target, data: Path) -> None:
    threads = [
        thread(id="early", updatedAt=time(10)),
        thread(id="late", updatedAt=time(30)),
        thread(id="same", updatedAt=time(30)),
        thread(id="middle", updatedAt=time(20)),
        thread(id="general", mode="general"),
        thread(id="elsewhere", sessionId=OTHER_SESSION),
        thread(id="done", status="archived", updatedAt=time(40)),
    ]
    result = target.run(write_folder(data, threads=threads))
    assert fates(result)["threads"] == Fates(read=7, imported=4, adopted=3)
    assert active(target) == [("general", "general"), ("session", "late")]
    assert active(target, OTHER_SESSION) == [("session", "elsewhere")]
    for thread_id in ("early", "same", "middle"):
        assert target.mends("threads", thread_id) == {
            "status": mend("second_active_thread", "active", "archived")
        }


def test_the_active_thread_of_the_database_stays(target: Target, data: Path) -> None:
    target.run(write_folder(data, threads=[thread(id="first")]))
    newer = thread(id="second", updatedAt=time(50))
    result = target.run(write_folder(data, threads=[thread(id="first"), newer]))
    assert fates(result)["threads"] == Fates(read=2, unchanged=1, adopted=1)
    assert active(target) == [("session", "first")]
    assert target.mends("threads", "second") == {
        "status": mend("active_thread_exists", "active", "archived")
    }


def test_an_active_thread_that_the_application_made_stays(target: Target, data: Path) -> None:
    target.run(write_folder(data, threads=[thread(id="old", status="archived")]))
    target.rows(
        "insert into app.chat_threads (account_id, id, session_id, mode, title, status) "
        "values (%s, 'by hand', 'session-default', 'session', 'By hand', 'active') returning id"
    )
    result = target.run(
        write_folder(data, threads=[thread(), thread(id="general", mode="general")])
    )
    assert fates(result)["threads"] == Fates(read=2, imported=1, adopted=1)
    assert active(target) == [("general", "general"), ("session", "by hand")]


# What threads say of their messages.


@pytest.mark.parametrize(
    ("field", "said", "now"),
    [
        ("messageCount", 7, 2),
        ("messageCount", 0, 2),
        ("messageCount", "2", 2),
        ("messageCount", None, 2),
        ("messageCount", ABSENT, 2),
        ("messageCount", -1, 2),
        ("lastMessagePreview", "something else", "newest"),
        ("lastMessagePreview", ABSENT, "newest"),
        ("lastMessagePreview", 5, "newest"),
        ("lastMessageAt", time(3), time(5)),
        ("lastMessageAt", ABSENT, time(5)),
        ("lastMessageAt", "yesterday", time(5)),
        ("lastMessageAt", 1762164007125, time(5)),
    ],
)
def test_a_thread_says_what_its_messages_say(
    target: Target, data: Path, field: str, said: object, now: object
) -> None:
    messages = [
        message(id="chat_1", content="newest", createdAt=time(5), updatedAt=time(5)),
        message(id="chat_2", content="first", createdAt=time(4), updatedAt=time(9)),
    ]
    result = target.run(
        write_folder(data, threads=[thread_of(messages, **{field: said})], messages=messages)
    )
    assert fates(result)["threads"] == Fates(read=1, adopted=1)
    old = None if said is ABSENT else said
    assert target.mends("threads", "thread_1") == {field: mend("derived_from_messages", old, now)}
    row = target.thread()
    assert (row["message_count"], row["last_message_preview"], row["last_message_at"]) == (
        2,
        "newest",
        utc(5),
    )


def test_of_messages_of_one_moment_the_last_id_is_the_newest(target: Target, data: Path) -> None:
    messages = [message(id=f"chat_{n}", content=f"no. {n}") for n in (2, 3, 1)]
    result = target.run(write_folder(data, threads=[thread_of(messages)], messages=messages))
    assert fates(result)["threads"].imported == 1
    assert target.thread()["last_message_preview"] == "no. 3"


def test_a_thread_without_messages_has_no_last_one(target: Target, data: Path) -> None:
    said = thread(messageCount=3, lastMessagePreview="gone", lastMessageAt=time(1))
    target.run(write_folder(data, threads=[said]))
    assert target.mends("threads", "thread_1") == {
        "messageCount": mend("derived_from_messages", 3, 0),
        "lastMessagePreview": mend("derived_from_messages", "gone", None),
        "lastMessageAt": mend("derived_from_messages", time(1), None),
    }
    row = target.thread()
    assert (row["message_count"], row["last_message_preview"], row["last_message_at"]) == (
        0,
        None,
        None,
    )


def test_messages_kept_out_do_not_count(target: Target, data: Path) -> None:
    messages = [message(), message(id="chat_2", role="tool", createdAt=time(9))]
    target.run(write_folder(data, threads=[thread_of(messages)], messages=messages))
    assert target.thread()["message_count"] == 1
    assert set(target.mends("threads", "thread_1")) == {"messageCount", "lastMessageAt"}


# Messages without a thread.


@pytest.mark.parametrize("thread_id", [None, ABSENT])
def test_a_message_without_a_thread_goes_to_the_active_one(
    target: Target, data: Path, thread_id: object
) -> None:
    threads = [
        thread(id="old", status="archived", updatedAt=time(90)),
        thread(id="current", messageCount=1, lastMessagePreview="hi", lastMessageAt=time(2)),
        thread(id="general", mode="general"),
        thread(id="elsewhere", sessionId=OTHER_SESSION),
    ]
    record = message(threadId=thread_id, content="hi")
    result = target.run(write_folder(data, threads=threads, messages=[record]))
    assert fates(result)["messages"] == Fates(read=1, adopted=1)
    assert fates(result)["threads"] == Fates(read=4, imported=4)
    assert result.threads_made == 0
    assert target.message()["thread_id"] == "current"
    assert target.mends("messages", "chat_1") == {
        "threadId": mend("thread_absent", None, "current")
    }


def test_where_none_is_active_one_is_made(target: Target, data: Path) -> None:
    messages = [
        message(id="chat_1", threadId=ABSENT, createdAt=time(7), updatedAt=time(8)),
        message(id="chat_2", threadId=ABSENT, createdAt=time(5), updatedAt=time(6)),
        message(id="chat_3", threadId=ABSENT, mode="general"),
        message(id="chat_4", threadId=ABSENT, sessionId=OTHER_SESSION),
    ]
    old = thread(status="archived")
    result = target.run(write_folder(data, threads=[old], messages=messages))
    assert (fates(result)["messages"].adopted, result.threads_made) == (4, 3)
    threads = {
        message_id: target.message(message_id)["thread_id"]
        for message_id in target.ids("chat_messages")
    }
    assert threads["chat_1"] == threads["chat_2"]
    assert len(set(threads.values())) == 3
    assert target.made_threads() == dict.fromkeys(threads.values(), "thread_absent")
    made = target.thread(threads["chat_1"])
    assert (made["status"], made["title"], made["message_count"]) == ("active", "Session Coach", 2)
    assert (made["created_at"], made["updated_at"]) == (utc(5), utc(8))
    assert target.thread(threads["chat_3"])["title"] == "General"


def test_a_later_message_without_a_thread_goes_to_the_same_one(target: Target, data: Path) -> None:
    target.run(write_folder(data, messages=[message(threadId=ABSENT)]))
    later = [message(threadId=ABSENT), message(id="chat_2", threadId=ABSENT)]
    result = target.run(write_folder(data, messages=later))
    assert (fates(result)["messages"].adopted, result.threads_made) == (1, 0)
    assert target.message("chat_2")["thread_id"] == target.message("chat_1")["thread_id"]


def test_even_where_that_was_archived_since(target: Target, data: Path) -> None:
    target.run(write_folder(data, messages=[message(threadId=ABSENT)]))
    target.rows(
        "update app.chat_threads set status = 'archived' where account_id = %s returning id"
    )
    result = target.run(write_folder(data, messages=[message(id="chat_2", threadId=ABSENT)]))
    assert (fates(result)["messages"].adopted, result.threads_made) == (1, 0)
    assert target.message("chat_2")["thread_id"] == target.message("chat_1")["thread_id"]


# Threads that are in no file.


def test_a_missing_thread_is_made(target: Target, data: Path) -> None:
    messages = [
        message(id="chat_1", threadId="lost", mode="general", createdAt=time(7), updatedAt=time(9)),
        message(id="chat_2", threadId="lost", mode="general", createdAt=time(4), updatedAt=time(4)),
    ]
    result = target.run(write_folder(data, threads=[thread()], messages=messages))
    assert (fates(result)["messages"].adopted, result.threads_made) == (2, 1)
    assert target.made_threads() == {"lost": "thread_missing"}
    made = target.thread("lost")
    assert (made["session_id"], made["mode"], made["title"], made["status"]) == (
        SESSION,
        "general",
        "General",
        "archived",
    )
    assert (made["created_at"], made["updated_at"], made["message_count"]) == (utc(4), utc(9), 2)
    assert target.mends("messages", "chat_1") == {
        "threadId": mend("thread_missing", "lost", "lost")
    }


def test_a_tool_event_can_name_a_missing_thread(target: Target, data: Path) -> None:
    events = [finished(threadId="lost"), tool_event(id="tool_2", threadId=None)]
    result = target.run(write_folder(data, tool_events=events))
    assert fates(result)["tool_events"] == Fates(read=2, imported=1, adopted=1)
    made = target.thread("lost")
    assert (made["title"], made["status"], made["message_count"]) == (
        "Session Coach",
        "archived",
        0,
    )
    assert (made["created_at"], made["updated_at"]) == (utc(3), utc(4))
    assert target.mends("tool_events", "tool_1")["threadId"]["reason"] == "thread_missing"


def test_a_message_and_a_tool_event_share_a_missing_thread(target: Target, data: Path) -> None:
    folder = write_folder(
        data,
        messages=[message(threadId="lost", mode="general")],
        tool_events=[tool_event(threadId="lost")],
    )
    result = target.run(folder)
    assert result.threads_made == 1
    assert (target.message()["thread_id"], target.tool_event()["thread_id"]) == ("lost", "lost")
    assert fates(result)["messages"] == fates(result)["tool_events"] == Fates(read=1, adopted=1)
    made = target.thread("lost")
    assert (made["created_at"], made["updated_at"]) == (utc(2), utc(3))


def test_two_sessions_can_name_one_missing_thread(target: Target, data: Path) -> None:
    messages = [
        message(id="chat_1", threadId="lost", sessionId="b"),
        message(id="chat_2", threadId="lost", sessionId="a"),
        message(id="chat_3", threadId="lost", sessionId="b"),
        message(id="chat_4", threadId="lost", sessionId="a"),
    ]
    result = target.run(write_folder(data, messages=messages))
    assert (fates(result)["messages"].adopted, result.threads_made) == (4, 2)
    assert (target.thread("lost")["session_id"], target.thread("lost")["message_count"]) == ("b", 2)
    other = target.message("chat_2")["thread_id"]
    assert other == target.message("chat_4")["thread_id"] != "lost"
    assert target.thread(other)["session_id"] == "a"
    assert target.made_threads() == {"lost": "thread_missing", other: "thread_of_other_session"}
    assert target.mends("messages", "chat_2") == {
        "threadId": mend("thread_of_other_session", "lost", other)
    }


def test_a_thread_of_another_session_is_not_taken(target: Target, data: Path) -> None:
    folder = write_folder(
        data,
        threads=[thread()],
        messages=[message(sessionId=OTHER_SESSION)],
        tool_events=[tool_event(sessionId=OTHER_SESSION)],
    )
    result = target.run(folder)
    assert fates(result)["messages"] == Fates(read=1, adopted=1)
    assert fates(result)["tool_events"] == Fates(read=1, adopted=1)
    made = target.message()["thread_id"]
    assert target.tool_event()["thread_id"] == made
    assert target.made_threads() == {made: "thread_of_other_session"}
    assert target.thread(made)["session_id"] == OTHER_SESSION
    assert target.thread(made)["status"] == "archived"
    assert target.thread()["message_count"] == 0


def test_a_thread_kept_out_counts_as_missing(target: Target, data: Path) -> None:
    target.run(write_folder(data, threads=[thread(status="open")], messages=[message()]))
    assert target.made_threads() == {"thread_1": "thread_missing"}
    assert target.message()["thread_id"] == "thread_1"


def test_a_file_that_brings_a_made_thread_fills_it_in(target: Target, data: Path) -> None:
    target.run(write_folder(data, threads=None, messages=[message()]))
    assert target.made_threads() == {"thread_1": "thread_missing"}
    mends = target.mends("messages", "chat_1")
    record = thread_of([message()], title="Session Coach #2", mode="general", starred=True)
    result = target.run(write_folder(data, threads=[record], messages=[message()]))
    assert fates(result)["threads"] == Fates(read=1, imported=1)
    assert fates(result)["messages"] == Fates(read=1, unchanged=1)
    row = target.thread()
    assert (row["title"], row["mode"], row["status"]) == ("Session Coach #2", "general", "active")
    assert (row["created_at"], row["updated_at"]) == (utc(0), utc(1))
    assert (row["message_count"], row["extra"]) == (1, {"starred": True})
    assert not target.made_threads()
    assert target.mends("messages", "chat_1") == mends
    assert fates(target.run(data))["threads"] == Fates(read=1, unchanged=1)


def test_but_not_where_it_is_of_another_session(target: Target, data: Path) -> None:
    target.run(write_folder(data, messages=[message()]))
    result = target.run(write_folder(data, threads=[thread(sessionId=OTHER_SESSION)]))
    assert fates(result)["threads"] == Fates(read=1, quarantined=1)
    assert target.quarantine()[0][1] == "id_in_use"
    assert target.made_threads() == {"thread_1": "thread_missing"}


# What two messages can not both have.


def test_a_client_message_id_belongs_to_the_first(target: Target, data: Path) -> None:
    threads = [thread(), thread(id="thread_2", status="archived")]
    messages = [
        message(id="chat_1", clientMessageId="c"),
        message(id="chat_2", clientMessageId="c", threadId=ABSENT),
        message(id="chat_3", clientMessageId="c", threadId="thread_2"),
        message(id="chat_4", clientMessageId=None),
        message(id="chat_5", clientMessageId=None),
    ]
    result = target.run(write_folder(data, threads=threads, messages=messages))
    assert fates(result)["messages"] == Fates(read=5, imported=4, adopted=1)
    found = {
        message_id: target.message(message_id)["client_message_id"]
        for message_id in target.ids("chat_messages")
    }
    assert found == {"chat_1": "c", "chat_2": None, "chat_3": "c", "chat_4": None, "chat_5": None}
    assert target.mends("messages", "chat_2") == {
        "threadId": mend("thread_absent", None, "thread_1"),
        "clientMessageId": mend("client_message_id_taken", "c", None),
    }


def test_a_client_message_id_of_the_database_stays(target: Target, data: Path) -> None:
    first = message(clientMessageId="c")
    target.run(write_folder(data, threads=[thread()], messages=[first]))
    second = message(id="chat_2", clientMessageId="c")
    result = target.run(write_folder(data, threads=None, messages=[second, first]))
    assert fates(result)["messages"] == Fates(read=2, unchanged=1, adopted=1)
    assert target.message("chat_1")["client_message_id"] == "c"
    assert target.message("chat_2")["client_message_id"] is None
    assert fates(target.run(data))["messages"] == Fates(read=2, unchanged=2)


def test_what_is_updated_before_it_is_made_is_updated_then(target: Target, data: Path) -> None:
    folder = write_folder(
        data,
        threads=[thread_of([message()], createdAt=time(8), updatedAt=time(7))],
        messages=[message(updatedAt="2025-11-03T02:02:07.124+02:00")],
    )
    result = target.run(folder)
    assert result.changed == 2
    assert target.thread()["updated_at"] == utc(8)
    assert target.message()["updated_at"] == utc(2)
    assert target.mends("threads", "thread_1") == {
        "updatedAt": mend("updated_before_created", time(7), time(8))
    }
    assert target.mends("messages", "chat_1") == {
        "updatedAt": mend("updated_before_created", "2025-11-03T02:02:07.124+02:00", time(2))
    }


def test_a_record_can_need_every_mend_at_once(target: Target, data: Path) -> None:
    threads = [
        thread(updatedAt=time(9), status="active"),
        thread(id="thread_2", messageCount=4, createdAt=time(8), updatedAt=time(7)),
    ]
    result = target.run(write_folder(data, threads=threads))
    assert fates(result)["threads"] == Fates(read=2, imported=1, adopted=1)
    assert target.mends("threads", "thread_2") == {
        "status": mend("second_active_thread", "active", "archived"),
        "updatedAt": mend("updated_before_created", time(7), time(8)),
        "messageCount": mend("derived_from_messages", 4, 0),
    }
    assert [note.field for note in result.notes] == ["messageCount", "status", "updatedAt"]


def test_the_place_of_what_came_in_is_written_down(target: Target, data: Path) -> None:
    messages = [message(id="chat_0"), message(id="chat_1", updatedAt=time(0))]
    result = target.run(write_folder(data, threads=[thread()], messages=messages))
    rows = target.rows(
        "select record_id, fate, run_id, ordinal, byte_offset from legacy.source_records "
        "where account_id = %s and kind = 'messages' order by ordinal"
    )
    file = (data / FILES["messages"]).read_bytes()
    assert rows == [
        ("chat_0", "imported", result.run_id, 0, file.index(b"{")),
        ("chat_1", "adopted", result.run_id, 1, file.rindex(b'{"id": "chat_1"')),
    ]


# Texts that are JSON and that Postgres can not hold.


def replaced(*fields: str, reason: str = "character_replaced") -> dict[str, object]:
    return {field: {"reason": reason} for field in fields}


def with_field(text: bytes) -> bytes:
    """Return a message with the text of a field, in which no such field stood before."""
    return spelled(message(content=ABSENT))[:-1] + b', "content": "-", ' + text + b"}"


@pytest.mark.parametrize(
    ("text", "stored", "is_mended"),
    [
        (rb"\u0000", "\ufffd", True),
        (rb"a\u0000b\u0000", "a\ufffdb\ufffd", True),
        (rb"\ud83c", "\ufffd", True),
        (rb"\udf0a\uD83C", "\ufffd\ufffd", True),
        (rb"\ud83c\ud83c\udf0a", "\ufffd🌊", True),
        (rb"\uD83C\uDF0A\u0000", "🌊\ufffd", True),
        (rb"\\u0000\u0000", "\\u0000\ufffd", True),
        (rb"\\\u0000", "\\\ufffd", True),
        (rb"\ufffd\ud800\"", '\ufffd\ufffd"', True),
        (rb"\\u0000", "\\u0000", False),
        (rb"\\ud800", "\\ud800", False),
        (rb"\ud83c\udf0a", "🌊", False),
    ],
)
def test_what_no_text_can_hold_is_replaced(
    target: Target, data: Path, text: bytes, stored: str, *, is_mended: bool
) -> None:
    raw = spelled(message(content=ABSENT))[:-1] + b', "content": "' + text + b'"}'
    found = fates(target.run(write_folder(data, threads=[thread()], messages=[raw])))["messages"]
    assert target.message()["content"] == stored
    kept = target.rows("select mends, raw from legacy.kept_records where account_id = %s")
    messages = [(mends, data) for mends, data in kept if "messageCount" not in mends]
    assert messages == ([(replaced("content"), raw)] if is_mended else [])
    assert found == Fates(read=1, adopted=int(is_mended), imported=int(not is_mended))
    assert fates(target.run(data))["messages"] == Fates(read=1, unchanged=1)


def test_it_is_replaced_at_any_depth_and_in_names(target: Target, data: Path) -> None:
    raw = with_field(
        rb'"evidence": [{"path": "\u0000"}], "a\ud800": 1, "n": {"\u0000": ["\udfff", "ok"]}'
    )
    target.run(write_folder(data, threads=[thread()], messages=[raw]))
    row = target.message()
    assert row["evidence"] == [{"path": "\ufffd"}]
    assert row["extra"] == {"a\ufffd": 1, "n": {"\ufffd": ["\ufffd", "ok"]}}
    # A name with another character in it is another field: the one it is now is named.
    assert set(target.mends("messages", "chat_1")) >= {"evidence", "n", "a\ufffd"}


def test_an_id_with_such_a_character_is_an_id(target: Target, data: Path) -> None:
    records = [message(id="a\0"), message(id="a\ufffd"), message(id="a\0", content="other")]
    raws = [json.dumps(record).encode() for record in records]
    result = target.run(write_folder(data, threads=[thread()], messages=raws))
    assert fates(result)["messages"] == Fates(read=3, adopted=1, unchanged=1, quarantined=1)
    assert target.ids("chat_messages") == {"a\ufffd"}
    assert [row[1] for row in target.quarantine()] == ["duplicate_id"]


NUMBERS = {
    b"1e131072": "1e131072",
    b"-1E+999999": "-1E+999999",
    b"1e99999999999999999999": "1e99999999999999999999",
    b"1.5e-99999": "1.5e-99999",
}


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_beyond_what_postgres_holds_come_in_as_texts(
    target: Target, data: Path, number: bytes
) -> None:
    raw = with_field(b'"n": ' + number + b', "list": [1.10, ' + number + b', "1e999999"]')
    target.run(write_folder(data, threads=[thread()], messages=[raw]))
    (n, texts) = target.row(
        "select extra ->> 'n', extra ->> 'list' from app.chat_messages where account_id = %s"
    )
    text = NUMBERS[number]
    assert (n, texts) == (text, f'[1.10, "{text}", "1e999999"]')
    assert target.mends("messages", "chat_1") == replaced("n", "list", reason="number_replaced")


def test_a_column_that_needs_a_number_takes_no_text_of_one(target: Target, data: Path) -> None:
    raw = spelled(tool_event())[:-1] + b', "latencyMs": 1e999999}'
    target.run(write_folder(data, tool_events=[raw]))
    assert [row[1:3] for row in target.quarantine()] == [("wrong_type", "latencyMs")]


class Twice(NamedTuple):
    """A field that stands twice: how, which is named in the mend, and what the row says."""

    kind: str
    text: bytes
    field: str
    column: str
    stored: object


TWICE = [
    Twice("messages", b'"content": "y"', "content", "content", "y"),
    Twice("messages", b'"x": 1, "x": 2', "x", "extra", {"x": 2}),
    Twice("messages", b'"x": 1, "\\u0078": 2', "x", "extra", {"x": 2}),
    Twice("messages", b'"x": {"a": 1, "a": 2}', "*", "extra", {"x": {"a": 2}}),
    Twice(
        "messages", b'"x": [[{"a": 1, "b": 0, "a": 2}]]', "*", "extra", {"x": [[{"a": 2, "b": 0}]]}
    ),
    Twice("threads", b'"title": "y"', "title", "title", "y"),
    Twice("tool_events", b'"result": {"a": 1, "a": null}', "*", "result", {"a": None}),
]


@pytest.mark.parametrize("case", TWICE)
def test_of_a_field_that_stands_twice_the_last_counts(
    target: Target, data: Path, case: Twice
) -> None:
    raw = spelled(BUILDERS[case.kind]())[:-1] + b", " + case.text + b"}"
    folder = write_folder(data, **({"threads": [thread()]} | {case.kind: [raw]}))
    assert fates(target.run(folder))[case.kind].adopted == 1
    ((record_id, stored),) = target.rows(
        f"select id, to_jsonb({case.column}) from app.chat_{case.kind} where account_id = %s"
    )
    assert stored == case.stored
    assert target.mends(case.kind, record_id) == replaced(case.field, reason="duplicate_field")
    query = "select raw from legacy.kept_records where account_id = %s and kind = %s"
    assert target.row(query, case.kind) == (raw,)
    assert fates(target.run(folder))[case.kind] == Fates(read=1, unchanged=1)


def test_a_preview_cut_within_an_emoji_comes_in(target: Target, data: Path) -> None:
    """As the old viewer writes it: slice(0, 280) leaves half a pair, which is no text here."""
    content = "x" * 279 + "🌊"
    raw = spelled(
        thread(messageCount=1, lastMessagePreview="x" * 279 + "HALF", lastMessageAt=time(2))
    ).replace(b"HALF", rb"\ud83c")
    result = target.run(write_folder(data, threads=[raw], messages=[message(content=content)]))
    assert fates(result)["threads"] == Fates(read=1, adopted=1)
    assert fates(result)["messages"] == Fates(read=1, imported=1)
    assert not target.quarantine()
    assert not target.made_threads()
    assert target.thread()["last_message_preview"] == "x" * 279
    assert target.row("select raw from legacy.kept_records where account_id = %s") == (raw,)


# Every reason there is.


class Case(NamedTuple):
    """Files that show a reason: what came before, what comes in, what is at fault and how."""

    kind: str
    field: str | None
    content: dict[str, Content]
    before: dict[str, Content] | None = None
    on_conflict: OnConflict = "quarantine"


REASONS = {
    "second_active_thread": Case("threads", "status", {"threads": [thread(), thread(id="x")]}),
    "active_thread_exists": Case(
        "threads", "status", {"threads": [thread(id="x")]}, {"threads": [thread()]}
    ),
    "derived_from_messages": Case("threads", "messageCount", {"threads": [thread(messageCount=1)]}),
    "thread_absent": Case("messages", "threadId", {"messages": [message(threadId=ABSENT)]}),
    "thread_missing": Case("messages", "threadId", {"messages": [message()]}),
    "thread_of_other_session": Case(
        "tool_events",
        "threadId",
        {"threads": [thread(sessionId="other")], "tool_events": [tool_event()]},
    ),
    "client_message_id_taken": Case(
        "messages",
        "clientMessageId",
        {"messages": [message(id="x", clientMessageId="c")]},
        {"messages": [message(clientMessageId="c")]},
    ),
    "updated_before_created": Case(
        "threads", "updatedAt", {"threads": [thread(createdAt=time(5))]}
    ),
    "not_json": Case("messages", None, {"messages": [b"nul"]}),
    "not_an_object": Case("messages", None, {"messages": [b"null"]}),
    "duplicate_field": Case(
        "messages", "content", {"messages": [spelled(message())[:-1] + b', "content": "y"}']}
    ),
    "character_replaced": Case("threads", "title", {"threads": [thread(title="\0")]}),
    "number_replaced": Case(
        "threads", "n", {"threads": [spelled(thread())[:-1] + b', "n": 1e999999}']}
    ),
    "conflict_kept": Case(
        "threads", "id", {"threads": [thread(title="x")]}, {"threads": [thread()]}, "keep"
    ),
    "conflict_replaced": Case(
        "threads", "*", {"threads": [thread(title="x")]}, {"threads": [thread()]}, "replace"
    ),
    "cut_off": Case("messages", None, {"messages": b'[{"id": "ch'}),
    "damaged": Case("messages", None, {"messages": [message(), b"###", message(id="x")]}),
    "after_end": Case("messages", None, {"messages": b"[] 5"}),
    "too_large": Case("messages", None, {"messages": [message(content="x" * 2000)]}),
    "missing": Case("messages", "content", {"messages": [message(content=ABSENT)]}),
    "wrong_type": Case("messages", "content", {"messages": [message(content=None)]}),
    "wrong_value": Case("messages", "role", {"messages": [message(role="tool")]}),
    "wrong_length": Case("messages", "id", {"messages": [message(id="")]}),
    "not_a_time": Case("messages", "createdAt", {"messages": [message(createdAt="now")]}),
    "times_out_of_order": Case(
        "tool_events", "completedAt", {"tool_events": [finished(completedAt=time(0))]}
    ),
    "duplicate_id": Case("threads", "id", {"threads": [thread(), thread(title="x")]}),
    "conflict": Case("threads", "id", {"threads": [thread(title="x")]}, {"threads": [thread()]}),
    "id_in_use": Case(
        "threads", "id", {"threads": [thread(sessionId="x")]}, {"messages": [message()]}
    ),
    "refused": Case("threads", None, {"threads": [thread(title="refuse")]}),
}


def test_every_reason_is_shown_here(target: Target) -> None:
    reasons = target.connection.execute("select code from legacy.reasons").fetchall()
    assert {code for (code,) in reasons} == set(REASONS)


def notes_of(result: ImportResult, reason: str) -> list[Note]:
    return [note for note in result.notes if note.reason == reason]


@pytest.fixture(scope="module")
def _picky(shared: tuple[Server, Connection]) -> None:
    """Let the table refuse a thread for which the import knows no reason."""
    shared[1].execute(
        "alter table app.chat_threads add constraint later_check check (title <> 'refuse')"
    )


@pytest.mark.usefixtures("_picky")
@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_is_named_with_its_fate_file_and_field(
    target: Target, data: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    case = REASONS[reason]
    monkeypatch.setattr(importer, "RecordFile", partial(RecordFile, most=1000))
    if case.before:
        target.run(write_folder(data, **case.before))
    result = target.run(write_folder(data, **case.content), on_conflict=case.on_conflict)
    (row,) = target.connection.execute(
        "select fate, meaning from legacy.reasons where code = %s", [reason]
    ).fetchall()
    notes = {(note.file, note.field, note.fate, note.meaning) for note in notes_of(result, reason)}
    assert (FILES[case.kind], case.field, *row) in notes
    count = sum(getattr(file, row[0]) for file in result.files)
    counted = [each for each in result.reasons if each.reason == reason]
    assert sum(each.count for each in counted) == count == len(notes_of(result, reason))
    assert {(each.file, each.field, each.fate, each.meaning) for each in counted} == notes
    sqlstates = [note.sqlstate for note in notes_of(result, reason)]
    assert sqlstates == [{"not_json": "22P02", "refused": "23514"}.get(reason)] * len(sqlstates)
