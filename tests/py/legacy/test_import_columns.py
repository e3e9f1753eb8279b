"""Where each field goes: its column, or extra, with every digit."""

from pathlib import Path

import pytest

from tests.py.legacy.builders import (
    BUILDERS,
    OTHER_SESSION,
    Target,
    fates,
    finished,
    message,
    spelled,
    thread,
    time,
    tool_event,
    write_folder,
)

EVIDENCE = [
    {"path": "a.py", "ruleId": "R1", "snippet": "x = 1\n", "severity": "low", "label": "here"},
    {},
]
CONTEXT = [
    {"eventIndex": 0, "displayIndex": 1, "eventId": "e", "eventType": "message", "summary": "🌊"},
    {"eventIndex": 1, "displayIndex": 2, "eventType": "reasoning", "summary": ""},
]
DIGITS = b"12345678901234567890.12345678901234567890"
MOMENT = "2025-11-03T00:{:02}:07.125+00:00"


def test_a_thread_by_columns(target: Target, data: Path) -> None:
    record = thread(
        id="t",
        sessionId=OTHER_SESSION,
        mode="general",
        title="Général 🌊",
        status="archived",
        messageCount=1,
        lastMessagePreview="潮",
        lastMessageAt=time(4),
        createdAt=time(2),
        updatedAt=time(6),
    )
    own = message(
        threadId="t", sessionId=OTHER_SESSION, content="潮", createdAt=time(4), updatedAt=time(5)
    )
    assert fates(target.run(write_folder(data, threads=[record], messages=[own])))[
        "threads"
    ].imported
    assert target.thread("t") == {
        "account_id": target.account,
        "id": "t",
        "session_id": OTHER_SESSION,
        "mode": "general",
        "title": "Général 🌊",
        "status": "archived",
        "message_count": 1,
        "last_message_preview": "潮",
        "last_message_at": MOMENT.format(4),
        "created_at": MOMENT.format(2),
        "updated_at": MOMENT.format(6),
        "row_version": 2,
        "extra": {},
        "author_account_id": None,
    }


def test_a_message_by_columns(target: Target, data: Path) -> None:
    record = message(
        mode="general",
        role="assistant",
        content='line\n\t"quoted" \\ 🌊',
        clientMessageId="client",
        misalignmentId="misalignment",
        evidence=EVIDENCE,
        contextEvents=CONTEXT,
        createdAt=time(2),
        updatedAt=time(3),
    )
    target.run(write_folder(data, threads=[thread()], messages=[record]))
    assert target.message() == {
        "account_id": target.account,
        "id": "chat_1",
        "session_id": "session-default",
        "thread_id": "thread_1",
        "mode": "general",
        "role": "assistant",
        "content": 'line\n\t"quoted" \\ 🌊',
        "client_message_id": "client",
        "misalignment_id": "misalignment",
        "evidence": EVIDENCE,
        "context_events": CONTEXT,
        "created_at": MOMENT.format(2),
        "updated_at": MOMENT.format(3),
        "row_version": 1,
        "extra": {},
        "author_account_id": None,
    }


def test_a_tool_event_by_columns(target: Target, data: Path) -> None:
    record = finished(
        toolCallId="call",
        arguments=[1, {"a": None}],
        result={"lines": ["x"]},
        error="half of it failed",
        startedAt=time(3),
        completedAt=time(4),
        latencyMs=60_000,
        contextEvents=CONTEXT,
    )
    target.run(write_folder(data, threads=[thread()], tool_events=[record]))
    assert target.tool_event() == {
        "account_id": target.account,
        "id": "tool_1",
        "session_id": "session-default",
        "thread_id": "thread_1",
        "tool_call_id": "call",
        "tool_name": "read_event",
        "status": "succeeded",
        "arguments": [1, {"a": None}],
        "result": {"lines": ["x"]},
        "error": "half of it failed",
        "started_at": MOMENT.format(3),
        "completed_at": MOMENT.format(4),
        "latency_ms": 60_000,
        "context_events": CONTEXT,
        "created_at": MOMENT.format(3),
        "updated_at": MOMENT.format(4),
        "row_version": 1,
        "extra": {},
        "author_account_id": None,
    }


def test_fields_that_may_be_absent_are_null_then(target: Target, data: Path) -> None:
    bare = tool_event(toolCallId=None, threadId=None)
    del bare["arguments"]
    target.run(write_folder(data, threads=[thread()], messages=[message()], tool_events=[bare]))
    empty = {name for name, value in target.tool_event().items() if value is None}
    assert empty == {
        "thread_id",
        "tool_call_id",
        "arguments",
        "result",
        "error",
        "completed_at",
        "latency_ms",
        "context_events",
        "author_account_id",
    }
    assert {name for name, value in target.message().items() if value is None} == {
        "client_message_id",
        "misalignment_id",
        "evidence",
        "context_events",
        "author_account_id",
    }
    assert {name for name, value in target.thread().items() if value is None} == {
        "author_account_id"
    }


@pytest.mark.parametrize("value", [b"null", b"0", b'""', b"false", b"[]", b'{"a": 1.10}', DIGITS])
def test_arguments_and_result_are_any_json(target: Target, data: Path, value: bytes) -> None:
    raw = spelled(tool_event())[:-1] + b', "arguments": ' + value + b', "result": ' + value + b"}"
    raw = raw.replace(b'"arguments": {"eventIndex": 4}, ', b"")
    target.run(write_folder(data, threads=[thread()], tool_events=[raw]))
    row = target.row(
        "select arguments::text, result::text from app.chat_tool_events where account_id = %s"
    )
    assert row == (value.decode(), value.decode())


@pytest.mark.parametrize("status", ["pending", "executing", "succeeded", "failed"])
def test_every_status_comes_in(target: Target, data: Path, status: str) -> None:
    builder = tool_event if status in ("pending", "executing") else finished
    target.run(write_folder(data, threads=[thread()], tool_events=[builder(status=status)]))
    assert target.tool_event()["status"] == status


@pytest.mark.parametrize("kind", BUILDERS)
def test_unknown_fields_are_kept_with_every_digit(target: Target, data: Path, kind: str) -> None:
    unknown = (
        b', "big": ' + DIGITS + b', "scale": 1.10, "huge": 1e400, "zero": null, '
        b'"": {"id": [1, "\\u00e9"]}, "account_id": "x", "extra": {"extra": 1}}'
    )
    raw = spelled(BUILDERS[kind]())[:-1] + unknown
    target.run(write_folder(data, **{kind: [raw]}))
    query = "select {} from app.chat_{} where account_id = %s and extra <> '{{}}'"
    digits = "extra ->> 'big', extra ->> 'scale', extra ->> 'huge' = '1' || repeat('0', 400)"
    assert target.row(query.format(digits, kind)) == (DIGITS.decode(), "1.10", True)
    (rest,) = target.row(query.format("extra - '{big,scale,huge}'::text[]", kind))
    assert rest == {"zero": None, "": {"id": [1, "é"]}, "account_id": "x", "extra": {"extra": 1}}


def test_a_field_of_another_kind_of_record_is_unknown_here(target: Target, data: Path) -> None:
    target.run(
        write_folder(
            data,
            threads=[thread(role="user")],
            messages=[message(title="x", status="odd", messageCount=3)],
            tool_events=[tool_event(content="x", role="odd")],
        )
    )
    assert target.thread()["extra"] == {"role": "user"}
    assert target.message()["extra"] == {"title": "x", "status": "odd", "messageCount": 3}
    assert target.tool_event()["extra"] == {"content": "x", "role": "odd"}


ITEMS = [
    ("evidence", "evidence", EVIDENCE[0]),
    ("contextEvents", "context_events", CONTEXT[0]),
]


@pytest.mark.parametrize(("field", "column", "known"), ITEMS)
def test_unknown_fields_of_an_item_are_kept_in_its_extra(
    target: Target, data: Path, field: str, column: str, known: dict[str, object]
) -> None:
    items = [known | {"score": 1.5, "tags": ["a"]}, known, {"score": None}, {}]
    record = message(**{field: items})
    target.run(write_folder(data, threads=[thread()], messages=[record]))
    assert target.message()[column] == [
        known | {"extra": {"score": 1.5, "tags": ["a"]}},
        known,
        {"extra": {"score": None}},
        {},
    ]
    # The row gives back what the file said.
    relaid = b"{ " + spelled(record)[1:]
    result = target.run(write_folder(data, threads=[thread()], messages=[relaid]))
    assert fates(result)["messages"].unchanged == 1


@pytest.mark.parametrize("extra", [{"a": 1}, {"path": "x"}, 5, None])
def test_an_items_own_extra_is_given_back_too(target: Target, data: Path, extra: object) -> None:
    record = message(evidence=[{"path": "a", "extra": extra}, {"extra": extra, "b": 1}])
    target.run(write_folder(data, threads=[thread()], messages=[record]))
    relaid = b"{ " + spelled(record)[1:]
    result = target.run(write_folder(data, threads=[thread()], messages=[relaid]))
    assert fates(result)["messages"].unchanged == 1
