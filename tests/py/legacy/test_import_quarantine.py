"""What is kept out: each kind of damage, byte for byte, while its neighbours come in."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness.legacy import importer
from harness.legacy.reader import RecordFile
from harness.legacy.steps import FILES
from tests.py.legacy.builders import (
    ABSENT,
    BUILDERS,
    OTHER_SESSION,
    Fates,
    Record,
    Target,
    fates,
    file_of,
    finished,
    message,
    sha256,
    spelled,
    thread,
    time,
    tool_event,
    write_folder,
)

TOO_LONG = "é" * 256 + "x"
"""An id of 513 bytes, and fewer characters."""

NO_TIMES = [
    "",
    "2025-11-03",
    "2025-11-03T10:00:00",
    "2025-11-03T10:00:00.000",
    "2025-11-03 10:00:00Z",
    "2025-11-03T10:00:00z",
    "2025-11-03T10:00Z",
    "2025-02-30T10:00:00Z",
    "2025-02-29T10:00:00Z",
    "1900-02-29T10:00:00Z",
    "2025-04-31T10:00:00Z",
    "2025-13-01T10:00:00Z",
    "2025-00-01T10:00:00Z",
    "2025-11-00T10:00:00Z",
    "0000-01-01T00:00:00Z",
    "2025-11-03T24:00:00Z",
    "2025-11-03T10:60:00Z",
    "2025-11-03T10:00:60Z",
    "2025-11-03T10:00:00.1234567Z",
    "2025-11-03T10:00:00.Z",
    "2025-11-03T10:00:00+16:00",
    "2025-11-03T10:00:00+1:00",
    "2025-11-03T10:00:00Z\n",
    " 2025-11-03T10:00:00Z",
    "+275760-09-13T00:00:00.000Z",
    "-271821-04-20T00:00:00.000Z",
    "1762164007125",
    "now",
    "today",
    "infinity",
    "epoch",
    "J2451187",
    "2025-127T10:00:00Z",
    "03/11/2025",
    "Mon Nov 03 2025 10:00:00 GMT+0000 (Coordinated Universal Time)",
    "\uff12\uff10\uff12\uff15-11-03T10:00:00Z",
]

TIMES = [
    "2025-11-03T10:00:00Z",
    "2025-11-03T10:00:00.1Z",
    "2025-11-03T10:00:00.123456Z",
    "2025-11-03T10:00:00.125+05:30",
    "2025-11-03T00:00:00-15:59",
    "2024-02-29T23:59:59.999Z",
    "2000-02-29T00:00:00Z",
    "1969-12-31T23:59:59.999Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
]


class Damage(NamedTuple):
    """Fields that a record can not come in with, the reason and the field that is named."""

    kind: str
    fields: dict[str, object]
    reason: str
    field: str


def wrong_types(kind: str, name: str, *wrong: object) -> Iterable[Damage]:
    for value in wrong:
        yield Damage(kind, {name: value}, "wrong_type", name)


def absent(kind: str, names: str) -> Iterable[Damage]:
    for name in names.split():
        yield Damage(kind, {name: ABSENT}, "missing", name)
        yield from wrong_types(kind, name, None, 5, True, [], {})


def optional_text(kind: str, names: str) -> Iterable[Damage]:
    for name in names.split():
        yield from wrong_types(kind, name, 5, False, ["x"], {})


def arrays(kind: str, names: str) -> Iterable[Damage]:
    for name in names.split():
        yield from wrong_types(kind, name, {}, "[]", 0, False)


def ids(kind: str, names: str) -> Iterable[Damage]:
    for name in names.split():
        yield Damage(kind, {name: ""}, "wrong_length", name)
        yield Damage(kind, {name: TOO_LONG}, "wrong_length", name)


def values(kind: str, name: str, *wrong: object) -> Iterable[Damage]:
    for value in wrong:
        yield Damage(kind, {name: value}, "wrong_value", name)


def done(**fields: object) -> dict[str, object]:
    return {"status": "failed", "completedAt": time(9)} | fields


DAMAGES = [
    *absent("threads", "id sessionId mode title status createdAt updatedAt"),
    *absent("messages", "id sessionId mode role content createdAt updatedAt"),
    *absent("tool_events", "id sessionId toolName status startedAt"),
    *optional_text("messages", "threadId clientMessageId misalignmentId"),
    *optional_text("tool_events", "threadId toolCallId error completedAt"),
    *arrays("messages", "evidence contextEvents"),
    *arrays("tool_events", "contextEvents"),
    *ids("threads", "id sessionId"),
    *ids("messages", "id sessionId threadId clientMessageId misalignmentId"),
    *ids("tool_events", "id sessionId threadId"),
    *values("threads", "mode", "", "Session", "other"),
    *values("threads", "status", "", "Active", "closed"),
    *values("messages", "mode", "", "GENERAL", "session "),
    *values("messages", "role", "", "tool", "User"),
    *values("tool_events", "status", "", "done", "Pending"),
    *values("tool_events", "latencyMs", -1, 1.5, 10**15, 1e300),
    Damage("tool_events", {"latencyMs": "5"}, "wrong_type", "latencyMs"),
    Damage("tool_events", {"latencyMs": [5]}, "wrong_type", "latencyMs"),
    Damage("tool_events", {"completedAt": time(9)}, "times_out_of_order", "completedAt"),
    Damage("tool_events", {"status": "succeeded"}, "times_out_of_order", "completedAt"),
    Damage(
        "tool_events",
        {"status": "failed", "completedAt": None},
        "times_out_of_order",
        "completedAt",
    ),
    Damage("tool_events", done(startedAt=time(10)), "times_out_of_order", "completedAt"),
    Damage("tool_events", done(completedAt="soon"), "not_a_time", "completedAt"),
    *(Damage("threads", {"createdAt": text}, "not_a_time", "createdAt") for text in NO_TIMES),
    *(Damage("messages", {"updatedAt": text}, "not_a_time", "updatedAt") for text in NO_TIMES[:9]),
    *(Damage("threads", {"updatedAt": text}, "not_a_time", "updatedAt") for text in NO_TIMES[:9]),
    *(Damage("messages", {"createdAt": text}, "not_a_time", "createdAt") for text in NO_TIMES[:9]),
    *(
        Damage("tool_events", {"startedAt": text}, "not_a_time", "startedAt")
        for text in NO_TIMES[:9]
    ),
]

UNREADABLE = {
    "22P02": [
        b"nul",
        b"NaN",
        b'{"id": 01}',
        b'{"id": 1,}',
        b"{'id': 1}",
        b'{"id": "line\nbreak"}',
        rb'{"id": "\ud83"}',
        rb'{"id": "\ud83d", "n": 01}',
    ],
    "22P05": [rb'{"id": "\u0000" "n": 1}', rb'{"\u0000"}'],
    "22003": [b'{"id": 1e200000, "n"}'],
    "22021": [
        b'{"id": "\xff"}',
        b'{"id": "\xed\xa0\xbd"}',
        b'{"id": "\xc0\x80"}',
        b'{"id": "\x00"}',
    ],
    "54001": [b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000],
}
"""Bytes that Postgres can not read as JSON, by the SQLSTATE it answers."""

DAMAGED = [b"{]", b"// comment", b"\xef\xbb\xbf{}"]
"""Bytes of which the reader says that they are no JSON value."""

NO_OBJECTS = [b"5", b'"chat_1"', b"null", b"true", b"[]", b'[{"id": "chat_1"}]']


def between_neighbours(kind: str, elements: Iterable[Record | bytes]) -> list[Record | bytes]:
    """Return the elements, each between two records that are fine."""
    found: list[Record | bytes] = [neighbour(kind, 0)]
    for number, element in enumerate(elements, 1):
        found += [element, neighbour(kind, number)]
    return found


def neighbour(kind: str, number: int) -> Record:
    if kind == "threads":
        return thread(id=f"good_{number}", status="archived")
    return BUILDERS[kind](id=f"good_{number}", threadId="good")


def import_between(target: Target, data: Path, kind: str, elements: list[Any]) -> bytes:
    """Import elements between neighbours, see those come in, and return the file's bytes."""
    threads: Iterable[Record | bytes] = [thread(id="good")]
    if kind == "threads":
        content = {"threads": between_neighbours(kind, elements)}
    else:
        content = {"threads": [*threads], kind: between_neighbours(kind, elements)}
    result = target.run(write_folder(data, **content))
    count = len(elements)
    found = fates(result)[kind]
    assert (found.read, found.quarantined) == (2 * count + 1, count)
    assert target.ids(f"chat_{kind}") - {"good"} == {f"good_{n}" for n in range(count + 1)}
    return (data / FILES[kind]).read_bytes()


@pytest.mark.parametrize("kind", FILES)
def test_each_damage_is_kept_out_with_its_reason(target: Target, data: Path, kind: str) -> None:
    damages = [damage for damage in DAMAGES if damage.kind == kind]
    elements = [
        spelled(BUILDERS[kind](**{"id": f"bad_{number}"} | damage.fields))
        for number, damage in enumerate(damages)
    ]
    import_between(target, data, kind, elements)
    assert target.quarantine() == [
        (kind, damage.reason, damage.field, None, raw)
        for damage, raw in zip(damages, elements, strict=True)
    ]


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("sqlstate", UNREADABLE)
def test_what_is_no_json_is_kept_out_with_its_sqlstate(
    target: Target, data: Path, kind: str, sqlstate: str
) -> None:
    raws = UNREADABLE[sqlstate]
    import_between(target, data, kind, raws)
    assert target.quarantine() == [(kind, "not_json", None, sqlstate, raw) for raw in raws]


@pytest.mark.parametrize("kind", FILES)
def test_what_stands_between_records_is_kept_out(target: Target, data: Path, kind: str) -> None:
    import_between(target, data, kind, DAMAGED)
    assert target.quarantine() == [(kind, "damaged", None, None, raw) for raw in DAMAGED]


def test_a_record_too_large_to_hold_is_kept_in_pieces(
    target: Target, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = spelled(message(id="chat_2", content="x" * 5000))
    small = partial(RecordFile, large=1024, most=2048, window_bytes=512)
    monkeypatch.setattr(importer, "RecordFile", small)
    folder = write_folder(data, threads=[thread()], messages=[message(), raw, message(id="z")])
    assert fates(target.run(folder))["messages"] == Fates(read=5, imported=2, quarantined=3)
    assert [row[:4] for row in target.quarantine()] == [("messages", "too_large", None, None)] * 3
    assert b"".join(row[4] for row in target.quarantine()) == raw
    assert fates(target.run(folder))["messages"] == Fates(read=5, unchanged=2, quarantined=3)
    assert len(target.quarantine()) == 3


def test_a_record_too_large_for_memory_comes_in_whole(
    target: Target, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = partial(RecordFile, large=1024, window_bytes=512)
    monkeypatch.setattr(importer, "RecordFile", small)
    big = message(id="chat_2", content="x🌊" * 5000)
    folder = write_folder(data, threads=[thread()], messages=[message(), big, message(id="z")])
    assert fates(target.run(folder))["messages"] == Fates(read=3, imported=3)
    assert target.message("chat_2")["content"] == "x🌊" * 5000


@pytest.mark.parametrize("kind", FILES)
def test_what_is_no_object_is_kept_out(target: Target, data: Path, kind: str) -> None:
    import_between(target, data, kind, NO_OBJECTS)
    assert target.quarantine() == [(kind, "not_an_object", None, None, raw) for raw in NO_OBJECTS]


def test_the_first_fault_is_named(target: Target, data: Path) -> None:
    import_between(target, data, "messages", [{"id": 5}, {"id": "x", "role": None}])
    assert [row[1:3] for row in target.quarantine()] == [
        ("wrong_type", "id"),
        ("missing", "sessionId"),
    ]


def test_quarantine_says_where_the_bytes_stood(target: Target, data: Path) -> None:
    bad = [b'{"id" :  "\\x" }', b"[ 1 ]", b'{ "id" : "caf\xe9" }']
    file = import_between(target, data, "messages", bad)
    rows = target.rows(
        "select file_name, file_sha256, ordinal, byte_offset, raw, raw_sha256, occurrence "
        "from legacy.quarantine where account_id = %s order by ordinal"
    )
    assert rows == [
        (FILES["messages"], sha256(file), 2 * n + 1, file.index(raw), raw, sha256(raw), 1)
        for n, raw in enumerate(bad)
    ]


def test_equal_bytes_in_one_file_are_kept_each(target: Target, data: Path) -> None:
    import_between(target, data, "messages", [b"5", b"6", b"5", b"5"])
    query = (
        "select raw, ordinal, occurrence from legacy.quarantine "
        "where account_id = %s order by ordinal"
    )
    before = target.rows(query)
    assert before == [(b"5", 1, 1), (b"6", 3, 1), (b"5", 5, 2), (b"5", 7, 3)]
    target.run(data)
    assert target.rows(query) == before


def test_a_note_says_where_the_record_stands_in_this_run(target: Target, data: Path) -> None:
    target.run(write_folder(data, messages=[b"5", message()]))
    result = target.run(write_folder(data, messages=[message(), message(id="chat_2"), b"5"]))
    (note,) = [note for note in result.notes if note.fate == "quarantined"]
    assert file_of([]) != (data / note.file).read_bytes()
    assert (note.record, (data / note.file).read_bytes()[note.byte_offset :][:1]) == (3, b"5")


def test_a_file_with_nothing_good_is_kept_whole(target: Target, data: Path) -> None:
    raws = [b'{"id": %d, "n": "\\x"}' % number for number in range(300)]
    result = target.run(write_folder(data, threads=None, messages=raws))
    assert fates(result)["messages"] == Fates(read=300, quarantined=300)
    assert [row[4] for row in target.quarantine()] == raws
    assert result.sessions == 0


def test_a_record_mended_by_hand_comes_in_later(target: Target, data: Path) -> None:
    target.run(write_folder(data, threads=[thread()], messages=[message(role="tool")]))
    assert not target.ids("chat_messages")
    result = target.run(write_folder(data, threads=None, messages=[message()]))
    assert fates(result)["messages"] == Fates(read=1, imported=1)
    assert len(target.quarantine()) == 1


# One id, several records.


@pytest.mark.parametrize("kind", FILES)
def test_of_two_records_of_one_id_the_first_counts(target: Target, data: Path, kind: str) -> None:
    first = BUILDERS[kind](id="twice", threadId=None, note="first")
    second = BUILDERS[kind](id="twice", threadId=None, note="second")
    records: list[Record | bytes] = [first, second, spelled(first) + b" ", second]
    result = target.run(write_folder(data, **{kind: records}))
    found = fates(result)[kind]
    assert (found.read, found.unchanged, found.quarantined) == (4, 1, 2)
    assert [row[1:3] for row in target.quarantine()] == [("duplicate_id", "id")] * 2
    table = f"chat_{kind}"
    notes = target.rows(
        f"select extra ->> 'note' from app.{table} where account_id = %s and id = 'twice'"
    )
    assert notes == [("first",)]


def test_the_first_that_can_come_in_counts(target: Target, data: Path) -> None:
    bad, good = message(role="tool"), message(threadId=None)
    assert fates(target.run(write_folder(data, messages=[bad, good])))["messages"] == Fates(
        read=2, adopted=1, quarantined=1
    )
    assert [row[1] for row in target.quarantine()] == ["wrong_value"]


@pytest.mark.parametrize("kind", FILES)
def test_what_an_earlier_import_brought_stays(target: Target, data: Path, kind: str) -> None:
    builder = BUILDERS[kind]
    target.run(write_folder(data, **{kind: [builder(note="old")]}))
    result = target.run(write_folder(data, **{kind: [builder(note="new"), builder(id="next")]}))
    assert (fates(result)[kind].quarantined, result.changed) == (1, 1)
    assert [row[:4] for row in target.quarantine()] == [(kind, "conflict", "id", None)]
    (note,) = target.row(
        f"select extra ->> 'note' from app.chat_{kind} where account_id = %s and id <> 'next' "
        "and extra ? 'note'"
    )
    assert note == "old"


def insert_by_hand(target: Target) -> None:
    """Write a session, a thread, a message and a tool event as the application would."""
    target.rows(
        "with account as (select %s::uuid as id), "
        "session as (insert into app.sessions (account_id, id) "
        "select id, 'session-default' from account returning id), "
        "thread as (insert into app.chat_threads (account_id, id, session_id, mode, title, status) "
        "select id, 'thread_1', 'session-default', 'session', 'By hand', 'archived' "
        "from account returning id), "
        "message as (insert into app.chat_messages "
        "(account_id, id, session_id, thread_id, mode, role, content) "
        "select id, 'chat_1', 'session-default', 'thread_1', 'session', 'user', 'By hand' "
        "from account returning id) "
        "insert into app.chat_tool_events "
        "(account_id, id, session_id, tool_name, status, started_at) "
        "select id, 'tool_1', 'session-default', 'by_hand', 'pending', now() "
        "from account returning id"
    )


@pytest.mark.parametrize("kind", FILES)
def test_rows_that_no_import_brought_stay(target: Target, data: Path, kind: str) -> None:
    insert_by_hand(target)
    result = target.run(write_folder(data, **{kind: [BUILDERS[kind]()]}))
    assert fates(result)[kind] == Fates(read=1, quarantined=1)
    assert [row[:4] for row in target.quarantine()] == [(kind, "id_in_use", "id", None)]
    assert target.thread()["title"] == "By hand"
    assert target.message()["content"] == "By hand"
    assert target.tool_event()["tool_name"] == "by_hand"


# What Postgres refuses although nothing seemed wrong.


@pytest.mark.parametrize(
    ("kind", "condition"),
    [
        ("threads", "title <> 'refuse'"),
        ("messages", "content <> 'refuse'"),
        ("tool_events", "tool_name <> 'refuse'"),
    ],
)
def test_a_row_that_postgres_refuses_is_kept_out_alone(
    alone: Target, data: Path, kind: str, condition: str
) -> None:
    alone.connection.execute(
        f"alter table app.chat_{kind} add constraint later_check check ({condition})".encode()
    )
    bad = [
        BUILDERS[kind](
            id=f"bad_{n}", title="refuse", content="refuse", toolName="refuse", status=status
        )
        for n, status in enumerate(["archived" if kind == "threads" else "pending"] * 3)
    ]
    import_between(alone, data, kind, bad)
    assert alone.quarantine() == [
        (kind, "refused", None, "23514", spelled(record)) for record in bad
    ]


def test_ids_that_only_differ_in_where_a_blank_stands_do_not_collide(
    target: Target, data: Path
) -> None:
    """Both messages name threads of another session, and need one of their own each."""
    threads = [thread(id="c"), thread(id="b c", status="archived")]
    messages = [
        message(id="chat_1", sessionId="a b", threadId="c"),
        message(id="chat_2", sessionId="a", threadId="b c"),
    ]
    result = target.run(write_folder(data, threads=threads, messages=messages))
    assert fates(result)["messages"] == Fates(read=2, adopted=2)
    assert target.message("chat_1")["thread_id"] != target.message("chat_2")["thread_id"]


def test_a_thread_named_as_a_mode_is_not_taken_for_the_active_one(
    target: Target, data: Path
) -> None:
    """One message names no thread; the other one, named "session", of another session."""
    messages = [
        message(id="chat_1", threadId=ABSENT),
        message(id="chat_2", threadId="session"),
    ]
    threads = [thread(id="session", sessionId=OTHER_SESSION)]
    result = target.run(write_folder(data, threads=threads, messages=messages))
    assert (fates(result)["messages"].adopted, result.threads_made) == (2, 2)


@pytest.mark.parametrize("name", ["createdAt", "updatedAt"])
@pytest.mark.parametrize("value", ["yesterday", 5, "2025-02-30T00:00:00Z", time(0)])
def test_unknown_fields_of_a_tool_event_named_as_times_do_no_harm(
    target: Target, data: Path, name: str, value: object
) -> None:
    record = tool_event(sessionId=OTHER_SESSION, threadId="absent", **{name: value})
    result = target.run(write_folder(data, threads=[thread()], tool_events=[record]))
    assert fates(result)["tool_events"] == Fates(read=1, adopted=1)
    assert target.tool_event()["extra"] == {name: value}
    for table in ("sessions", "chat_threads"):
        began = target.row(
            f"select to_jsonb(array[min(created_at), max(updated_at)]) from app.{table} "
            "where account_id = %s and id in (%s, 'absent')",
            OTHER_SESSION,
        )
        assert began == (["2025-11-03T00:03:07.125+00:00"] * 2,)


def test_an_unknown_field_of_a_tool_event_named_mode_does_no_harm(
    target: Target, data: Path
) -> None:
    record = tool_event(threadId="absent", mode="turbo")
    result = target.run(write_folder(data, tool_events=[record]))
    assert fates(result)["tool_events"] == Fates(read=1, adopted=1)
    assert target.thread("absent")["mode"] == "session"


@pytest.mark.parametrize("text", TIMES)
def test_times_come_in_to_the_microsecond(target: Target, data: Path, text: str) -> None:
    target.run(write_folder(data, threads=[thread(createdAt=text, updatedAt=text)]))
    query = (
        "select created_at = %s::timestamptz and updated_at = created_at "
        "from app.chat_threads where account_id = %s"
    )
    moment = datetime.fromisoformat(text)
    assert target.connection.execute(query, [moment, target.account]).fetchone() == (True,)


def test_of_two_tool_events_of_an_id_the_one_that_can_come_in_does(
    target: Target, data: Path
) -> None:
    early = finished(completedAt=time(0))
    records = [early, finished(), finished(id="x", completedAt=time(0))]
    result = target.run(write_folder(data, tool_events=[*records, records[2]]))
    assert fates(result)["tool_events"] == Fates(read=4, adopted=1, quarantined=3)
    assert target.ids("chat_tool_events") == {"tool_1"}


def test_the_twin_of_a_refused_record_is_kept_out_too(alone: Target, data: Path) -> None:
    alone.connection.execute(
        "alter table app.chat_threads add constraint later_check check (title <> 'refuse')"
    )
    refused = thread(title="refuse")
    result = alone.run(write_folder(data, threads=[refused, refused]))
    assert fates(result)["threads"] == Fates(read=2, quarantined=2)
    assert [row[1] for row in alone.quarantine()] == ["refused", "refused"]
