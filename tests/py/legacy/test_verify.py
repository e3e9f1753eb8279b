"""The verification: it passes whatever came in, and names whatever was changed behind its back."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from harness.connections import Connection
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.expectations import microseconds, preview, spelled, stored_digits
from harness.legacy.steps import FILES
from harness.legacy.verifier import VerifyRequest, VerifyResult, verify_folder
from harness.settings import EXAMPLES
from tests.py.legacy.builders import (
    ABSENT,
    OTHER_SESSION,
    Record,
    Target,
    finished,
    message,
    thread,
    thread_of,
    time,
    tool_event,
    words_of,
    write_folder,
)
from tests.py.legacy.builders import spelled as bytes_of
from tests.py.legacy.odd_snapshots import Snapshot, snapshots

SNAPSHOTS = settings(
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def verify(target: Target, folder: Path, limit: int = 20) -> VerifyResult:
    request = VerifyRequest(folder, target.account, limit)
    return verify_folder(target.server, request, lambda _: None)


def found(result: VerifyResult) -> list[tuple[str, int | None, str, bool]]:
    """Return what differs: file, record, field and whether it was changed since."""
    return [(d.file, d.record, d.field, d.since) for d in result.differences]


def counts(result: VerifyResult, kind: str) -> dict[str, int]:
    """Return what was counted of a file, without what is 0."""
    (file,) = [file for file in result.files if file.file == FILES[kind]]
    return {name: count for name, count in vars(file).items() if isinstance(count, int) and count}


# What passes.


def test_the_example_agrees(target: Target) -> None:
    target.run(EXAMPLES)
    result = verify(target, EXAMPLES)
    assert found(result) == []
    assert counts(result, "threads") == {"checked": 6, "equal": 5, "mended": 1}
    assert counts(result, "messages") == {"checked": 18, "equal": 16, "mended": 2}
    assert counts(result, "tool_events") == {"checked": 5, "equal": 5}


@SNAPSHOTS
@given(snapshot=snapshots)
def test_any_import_agrees_with_its_files(target: Target, data: Path, snapshot: Snapshot) -> None:
    target = target.another()
    read = target.run(write_folder(data, **snapshot)).files
    for _ in range(2):
        result = verify(target, data)
        assert found(result) == []
        assert [file.checked for file in result.files] == [file.read for file in read]
        for file in result.files:
            verdicts = [file.equal, file.mended, file.quarantined, file.twins]
            assert sum(verdicts) == file.checked
        # The server may still be ending the import before, which holds the account.
        target.run(data, wait_s=5)


@SNAPSHOTS
@given(older=snapshots, newer=snapshots)
def test_any_import_after_another_agrees_with_its_files(
    target: Target, data: Path, older: Snapshot, newer: Snapshot
) -> None:
    target = target.another()
    target.run(write_folder(data, **older))
    target.run(write_folder(data, **newer), wait_s=5)
    # A later import can bring messages of a thread whose record came in before.
    counted = {"messageCount", "lastMessagePreview", "lastMessageAt"}
    assert [
        (file, record, field, since)
        for file, record, field, since in found(verify(target, data))
        if not (file == FILES["threads"] and since and field in counted)
    ] == []


def test_rows_of_the_application_are_more_and_no_difference(target: Target, data: Path) -> None:
    target.run(write_folder(data, threads=[thread()]))
    target.connection.execute(
        "insert into app.chat_threads (account_id, id, session_id, mode, title, status) "
        "select account_id, 'new', session_id, mode, title, 'archived' "
        "from app.chat_threads where account_id = %s",
        [target.account],
    )
    result = verify(target, data)
    assert found(result) == []
    assert counts(result, "threads") == {"checked": 1, "equal": 1, "more": 1}


def test_a_database_that_kept_its_own_agrees(target: Target, data: Path) -> None:
    target.run(write_folder(data, threads=[thread(title="one")]))
    target.run(write_folder(data, threads=[thread(title="two")]), on_conflict="keep", wait_s=5)
    assert counts(verify(target, data), "threads") == {"checked": 1, "kept": 1}


def test_a_record_that_replaced_another_agrees(target: Target, data: Path) -> None:
    target.run(write_folder(data, threads=[thread()], messages=[message()]))
    newer = [message(content="new", updatedAt=time(9))]
    target.run(
        write_folder(data, threads=[thread()], messages=newer), on_conflict="replace", wait_s=5
    )
    result = verify(target, data)
    assert counts(result, "messages") == {"checked": 1, "mended": 1}


@pytest.mark.parametrize("depth", [900, 3000])
def test_a_deep_record_agrees(target: Target, data: Path, depth: int) -> None:
    deep = json.dumps(tool_event(result=0)).replace(
        '"result": 0', f'"result": {"[" * depth}{"]" * depth}'
    )
    target.run(write_folder(data, threads=[thread()], tool_events=[deep.encode()]))
    assert found(verify(target, data)) == []


def test_files_that_are_not_there_agree(target: Target, data: Path) -> None:
    target.run(write_folder(data, threads=[thread()], messages=None, tool_events=None))
    result = verify(target, data)
    assert found(result) == []
    assert counts(result, "messages") == {}


def test_an_account_without_an_import_can_not_be_verified(target: Target) -> None:
    with pytest.raises(SessionbaseError) as caught:
        verify(target, EXAMPLES)
    assert caught.value.code == ExitCode.DIFFERENT
    assert "finished" in words_of(caught.value)


# What fails.

MARKER = "do not print me 4711"
MESSAGES = [
    message(
        id="chat_1",
        clientMessageId="client",
        misalignmentId="misalignment",
        evidence=[{"path": "a", "own": MARKER}],
        contextEvents=[{"eventIndex": 1, "displayIndex": 2, "eventType": "e", "summary": "s"}],
        note=MARKER,
        content=MARKER,
    ),
    message(id="chat_2", threadId=ABSENT, createdAt=time(5), updatedAt=time(6)),
    message(id="chat_3", misalignmentId=None),
    message(id="chat_4", role="tool"),
    message(id="chat_2", threadId=ABSENT, createdAt=time(5), updatedAt=time(6)),
    message(id="chat_5", content="half \ud83c"),
    message(id="chat_6"),
    message(id="chat_6"),
]
THREADS = [thread_of([*MESSAGES[:3], *MESSAGES[5:7]], note=1), thread(id="thread_2", status="odd")]
TOOL_EVENTS: list[Record | bytes] = [
    bytes_of(
        finished(
            latencyMs=5,
            error="error",
            contextEvents=[{"eventIndex": 1, "displayIndex": 2, "eventType": "e", "summary": "s"}],
            note=4711,
        )
    ).replace(b"4711", b"1.50"),
    tool_event(id="tool_2", threadId="missing", arguments=ABSENT),
]


@pytest.fixture
def folder(data: Path) -> Path:
    """Write a folder with records that are fine, mended, twice there, odd and kept out."""
    return write_folder(
        data,
        threads=THREADS,
        messages=[json.dumps(record).encode() for record in MESSAGES],
        tool_events=TOOL_EVENTS,
    )


@pytest.fixture
def imported(target: Target, folder: Path) -> Iterator[Target]:
    """Return an account that has the folder, without triggers and foreign keys."""
    target.run(folder)
    assert found(verify(target, folder)) == []
    target.connection.execute("set session_replication_role = replica")
    yield target
    target.connection.execute("reset session_replication_role")


def fields_of_columns() -> list[tuple[str, str, str, str]]:
    """List table, column, what it is set to, and the field that must be named."""
    lines = """
        threads session_id session_id||'x' sessionId
        threads mode 'general' mode
        threads title title||'x' title
        threads status 'archived' status
        threads message_count message_count+1 messageCount
        threads last_message_preview last_message_preview||'x' lastMessagePreview
        threads last_message_at last_message_at+'1us' lastMessageAt
        threads created_at created_at-'1us'::interval createdAt
        threads updated_at updated_at+'1us' updatedAt
        threads extra '{"note":2}' extra
        threads id id||'x' id
        messages session_id session_id||'x' sessionId
        messages mode 'general' mode
        messages thread_id thread_id||'x' threadId
        messages role 'system' role
        messages content content||'x' content
        messages client_message_id null clientMessageId
        messages misalignment_id misalignment_id||'x' misalignmentId
        messages evidence jsonb_set(evidence,'{0,extra}','{}') evidence
        messages context_events context_events||'[1]' contextEvents
        messages created_at created_at-'1us'::interval createdAt
        messages updated_at updated_at+'1us' updatedAt
        messages extra '{}' extra
        messages id id||'x' id
        tool_events session_id session_id||'x' sessionId
        tool_events thread_id null threadId
        tool_events tool_call_id tool_call_id||'x' toolCallId
        tool_events tool_name tool_name||'x' toolName
        tool_events status 'failed' status
        tool_events arguments 'null' arguments
        tool_events result null result
        tool_events error error||'x' error
        tool_events started_at started_at-'1us'::interval startedAt
        tool_events completed_at completed_at+'1us' completedAt
        tool_events latency_ms latency_ms+1 latencyMs
        tool_events context_events null contextEvents
        tool_events created_at created_at-'1us'::interval startedAt
        tool_events updated_at updated_at+'1us' completedAt
        tool_events extra '{"note":1.5}' extra
        tool_events id id||'x' id
    """
    return [tuple(line.split()) for line in lines.strip().splitlines()]  # type: ignore[misc]


FIRST = {"threads": "thread_1", "messages": "chat_1", "tool_events": "tool_1"}


def change(target: Target, kind: str, column: str, value: str) -> None:
    changed = target.connection.execute(
        f"update app.chat_{kind} set {column} = {value} where account_id = %s and id = %s".encode(),
        [target.account, FIRST[kind]],
    )
    assert changed.rowcount == 1


@pytest.mark.parametrize("line", fields_of_columns(), ids="-".join)
def test_a_column_that_was_changed_is_found(
    imported: Target, folder: Path, line: tuple[str, str, str, str]
) -> None:
    kind, column, value, field = line
    change(imported, kind, column, value)
    differences = [d for d in found(verify(imported, folder)) if d[0] == FILES[kind]]
    assert differences == [(FILES[kind], 1, field, False)]


@pytest.mark.parametrize("kind", FILES)
def test_every_column_is_changed_by_a_test(connection: Connection, kind: str) -> None:
    columns = connection.execute(
        "select column_name from information_schema.columns "
        "where table_schema = 'app' and table_name = %s",
        [f"chat_{kind}"],
    ).fetchall()
    tested = {column for of_kind, column, *_ in fields_of_columns() if of_kind == kind}
    assert {name for (name,) in columns} == tested | {
        *("account_id", "row_version"),
        # No record tells who wrote it.
        "author_account_id",
    }


@pytest.mark.parametrize("kind", ["messages", "tool_events"])
def test_what_the_application_changed_is_told_apart(
    imported: Target, folder: Path, kind: str
) -> None:
    imported.connection.execute("reset session_replication_role")
    change(imported, kind, "extra", "'{}'")
    result = verify(imported, folder)
    assert found(result) == [(FILES[kind], 1, "extra", True)]
    assert counts(result, kind)["changed"] == 1


@pytest.mark.parametrize("kind", FILES)
def test_a_row_that_is_gone_is_found(imported: Target, folder: Path, kind: str) -> None:
    imported.connection.execute(
        f"delete from app.chat_{kind} where account_id = %s and id = %s".encode(),
        [imported.account, FIRST[kind]],
    )
    assert (FILES[kind], 1, "id", False) in found(verify(imported, folder))


@dataclass(frozen=True)
class Change:
    """A change to the books, by a statement of the account, and the record that shows it."""

    statement: str
    kind: str
    record: int | None
    field: str = "*"


KEPT = "legacy.kept_records set {} where account_id = %s and kind = 'messages' and record_id = '{}'"
OTHERS = "update legacy.quarantine set {} where account_id = %s and kind = 'messages'"
CHANGES = {
    "kept bytes": Change(
        "update " + KEPT.format("raw = raw || ' '::bytea", "chat_3"), "messages", 3
    ),
    "bytes of a mended one": Change("update " + KEPT.format("raw = '{}'", "chat_2"), "messages", 2),
    "a mend": Change(
        "update " + KEPT.format("mends = jsonb_set(mends, '{threadId,to}', '\"x\"')", "chat_2"),
        "messages",
        2,
        "threadId",
    ),
    "what was mended": Change(
        "update " + KEPT.format("mends = jsonb_set(mends, '{threadId,from}', '\"x\"')", "chat_2"),
        "messages",
        2,
        "threadId",
    ),
    "a mend of what is never mended": Change(
        "update "
        + KEPT.format(
            """mends = mends || '{"role": {"to": "user", "from": "user", "reason": "x"}}'""",
            "chat_2",
        ),
        "messages",
        2,
        "role",
    ),
    "kept bytes gone": Change(
        "delete from legacy.kept_records "
        "where account_id = %s and kind = 'messages' and record_id = 'chat_3'",
        "messages",
        3,
    ),
    "replaced characters not kept": Change(
        "delete from legacy.kept_records "
        "where account_id = %s and kind = 'messages' and record_id = 'chat_5'",
        "messages",
        6,
    ),
    "a quarantined record gone": Change(
        "delete from legacy.quarantine where account_id = %s and kind = 'messages'", "messages", 4
    ),
    "quarantined bytes": Change(OTHERS.format("raw = raw || ' '::bytea"), "messages", 4),
    "their sum": Change(OTHERS.format("raw_sha256 = sha256('x')"), "messages", 4),
    "their place": Change(OTHERS.format("byte_offset = byte_offset + 1"), "messages", 4),
    "another quarantined record": Change(OTHERS.format("ordinal = 0"), "messages", 1),
    "their reason": Change(OTHERS.format("reason = 'conflict_kept'"), "messages", 4),
}


@pytest.mark.parametrize("name", CHANGES)
def test_books_that_were_changed_are_found(imported: Target, folder: Path, name: str) -> None:
    change = CHANGES[name]
    changed = imported.connection.execute(change.statement.encode(), [imported.account])
    assert changed.rowcount == 1
    result = found(verify(imported, folder))
    assert (FILES[change.kind], change.record, change.field, False) in result


BOOKS = (
    "update legacy.import_batches as b set {} from legacy.import_runs as r "
    "where r.id = b.run_id and r.account_id = %s and b.kind = 'messages'"
)


def change_books(target: Target, assignment: str) -> None:
    changed = target.connection.execute(BOOKS.format(assignment).encode(), [target.account])
    assert changed.rowcount == 1


FATES = "iaiquaiu"
"""What becomes of the messages."""


@pytest.mark.parametrize("place", range(1, 9))
@pytest.mark.parametrize("letter", "iuaq")
def test_a_changed_letter_is_found(imported: Target, folder: Path, place: int, letter: str) -> None:
    if FATES[place - 1] == letter:
        return
    change_books(imported, f"fates = overlay(b.fates placing '{letter}' from {place})")
    assert (FILES["messages"], place) in {d[:2] for d in found(verify(imported, folder))}


@pytest.mark.parametrize("column", ["record_ids", "byte_offsets", "record_sha256s"])
def test_swapped_entries_are_found(imported: Target, folder: Path, column: str) -> None:
    change_books(
        imported,
        f"{column} = array[b.{column}[2], b.{column}[1]] || b.{column}[3:]",
    )
    records = {d[:2] for d in found(verify(imported, folder))}
    assert records >= {(FILES["messages"], 1), (FILES["messages"], 2)}


def test_a_batch_that_is_gone_is_found(imported: Target, folder: Path) -> None:
    imported.connection.execute(
        "delete from legacy.import_batches as b using legacy.import_runs as r "
        "where r.id = b.run_id and r.account_id = %s and b.kind = 'messages'",
        [imported.account],
    )
    result = verify(imported, folder)
    assert counts(result, "messages") == {"checked": 8, "different": 8, "more": 5}


@pytest.mark.parametrize("column", ["sha256 = sha256('x')", "size_bytes = 1", "read_count = 5"])
def test_a_ledger_that_was_changed_is_found(imported: Target, folder: Path, column: str) -> None:
    imported.connection.execute(
        f"update legacy.import_files as f set {column} from legacy.import_runs as r "
        "where r.id = f.run_id and r.account_id = %s and f.kind = 'messages'".encode(),
        [imported.account],
    )
    assert found(verify(imported, folder)) == [(FILES["messages"], None, "*", False)]


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_was_changed_by_a_byte_is_found(
    target: Target, folder: Path, kind: str
) -> None:
    target.run(folder)
    path = folder / FILES[kind]
    data = path.read_bytes()
    path.write_bytes(data.replace(b"_1", b"_7", 1))
    assert found(verify(target, folder)) == [
        (FILES[kind], 1, "*", False),
        (FILES[kind], None, "*", False),
    ]
    path.write_bytes(data.replace(b"\n]", b" ]"))
    assert found(verify(target, folder)) == [(FILES[kind], None, "*", False)]


@pytest.mark.parametrize("kind", FILES)
def test_a_record_more_or_less_in_the_file_is_found(target: Target, data: Path, kind: str) -> None:
    content: dict[str, list[Any]] = {
        "threads": THREADS[:1],
        "messages": MESSAGES[:1],
        "tool_events": TOOL_EVENTS[:1],
    }
    content[kind] = [b"1", b"2"]
    target.run(write_folder(data, **content))
    write_folder(data, **(content | {kind: [b"1"]}))
    assert (FILES[kind], 2, "*", False) in found(verify(target, data))
    write_folder(data, **(content | {kind: [b"1", b"2", b"3"]}))
    assert (FILES[kind], 3, "*", False) in found(verify(target, data))


def test_no_more_differences_are_shown_than_wanted_and_all_are_counted(
    imported: Target, folder: Path
) -> None:
    imported.connection.execute(
        "update app.chat_messages set content = 'x' where account_id = %s", [imported.account]
    )
    result = verify(imported, folder, limit=2)
    assert len(result.differences) == 2
    assert result.difference_count > 4
    assert MARKER not in json.dumps(result.facts())


def test_a_thread_whose_messages_came_since_is_told_apart(target: Target, data: Path) -> None:
    target.run(write_folder(data, threads=[thread()]))
    target.connection.execute(
        "insert into app.chat_messages "
        "(account_id, id, session_id, thread_id, mode, role, content) "
        "select account_id, 'new', session_id, id, mode, 'user', 'new' "
        "from app.chat_threads where account_id = %s",
        [target.account],
    )
    assert (FILES["threads"], 1, "messageCount", False) in found(verify(target, data))
    target.connection.execute(
        "update app.chat_threads as t set message_count = 1, last_message_preview = 'new', "
        "last_message_at = m.created_at from app.chat_messages as m "
        "where m.thread_id = t.id and m.account_id = t.account_id and t.account_id = %s",
        [target.account],
    )
    assert {d[3] for d in found(verify(target, data))} == {True}


def test_a_record_of_another_session_is_found_in_it(target: Target, data: Path) -> None:
    moved = message(id="chat_2", sessionId=OTHER_SESSION)
    target.run(write_folder(data, threads=[thread()], messages=[message(), moved]))
    result = verify(target, data)
    assert found(result) == []
    assert counts(result, "messages") == {"checked": 2, "equal": 1, "mended": 1}


# The verification's own reading.


@pytest.mark.parametrize(
    "text",
    [
        *["0", "-0", "-0.0", "1.10", "1e2", "1.50E+1", "0e5", "0e-3", "0.0e1", "12e-1", "1E400"],
        *["1e131071", "1e131072", "1e-16383", "1e-16384", "0e-16384", "-1e99999999999", "0e131072"],
        *[
            "0.00000000000000000001e20",
            "123456789012345678901234567890.5",
            "10e-1",
            "9e00000000001",
        ],
    ],
)
def test_digits_are_those_that_postgres_keeps(connection: Connection, text: str) -> None:
    try:
        row = connection.execute("select %s::jsonb::text", [text]).fetchone()
    except Exception:  # noqa: BLE001 - whatever it says, it can't hold the number
        row = None
    assert stored_digits(text) == (row[0] if row else None)


@pytest.mark.parametrize(
    "text",
    [
        "2025-11-03T00:05:07.125Z",
        "2025-11-03T00:05:07+01:30",
        "2025-11-03T23:59:59.1-15:00",
        "0001-01-01T00:00:00.000001+05:00",
        "9999-12-31T23:59:59.999999-15:00",
        "2024-02-29T12:00:00.000Z",
    ],
)
def test_times_are_those_that_postgres_reads(connection: Connection, text: str) -> None:
    row = connection.execute(
        "select (extract(epoch from %s::timestamptz) * 1000000)::bigint", [text]
    ).fetchone()
    assert row == (microseconds(text),)


def test_a_time_is_spelled_as_the_viewer_does() -> None:
    assert spelled(microseconds("2025-11-03T01:05:07.125+01:00")) == "2025-11-03T00:05:07.125Z"
    assert spelled(microseconds("2025-11-03T00:05:07.1234Z")) == "2025-11-03T00:05:07.123400Z"


def test_a_preview_is_cut_as_postgres_cuts_it(connection: Connection) -> None:
    for content in ("", "a" * 300, "🌊" * 300, "a" + "🌊" * 300, "潮" * 280):
        row = connection.execute("select app.message_preview(%s)", [content]).fetchone()
        assert row == (preview(content),)
    assert bytes_of(preview("a" + "🌊" * 300)) == bytes_of("a" + "🌊" * 139)
