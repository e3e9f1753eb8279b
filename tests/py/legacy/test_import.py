"""An import as a whole: counts, twice, rehearsed, into accounts, interrupted."""

import json
import os
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from harness import __version__
from harness.connections import Connection, Server, connect
from harness.console import quiet_watch
from harness.errors import ExitCode, SessionbaseError
from harness.legacy import steps
from harness.legacy.importer import check_folder, import_folder
from harness.legacy.reader import Batch, FileFault, RecordFile, ResumePoint
from harness.legacy.results import FileResult, ImportRequest, ImportResult
from harness.legacy.staging import StagedBatch, Stager
from harness.legacy.steps import FILES
from harness.settings import EXAMPLES
from tests.py.legacy.builders import (
    ABSENT,
    DEFAULT_ACCOUNT,
    OTHER_SESSION,
    SESSION,
    Fates,
    Record,
    Target,
    dump,
    fates,
    file_of,
    finished,
    message,
    new_target,
    row_counts,
    sha256,
    small_batches,
    spelled,
    thread,
    thread_of,
    time,
    tool_event,
    words_of,
    write_folder,
)

MARKER = "do not print me 4711"
REASON_COUNT = 29
MESSAGES = [message(id=f"chat_{number}", createdAt=time(number)) for number in range(3)]


def import_into(
    server: Server, folder: Path, account: str | None = None, *, dry_run: bool = False
) -> ImportResult:
    request = ImportRequest(folder, account, dry_run=dry_run, wait_s=0)
    return import_folder(server, request, quiet_watch)


def refusal(server: Server, folder: Path, account: str | None = None) -> SessionbaseError:
    with pytest.raises(SessionbaseError) as caught:
        import_into(server, folder, account)
    return caught.value


def refused(target: Target, folder: Path) -> SessionbaseError:
    return refusal(target.server, folder, target.account)


@pytest.fixture
def folder(data: Path) -> Path:
    """Write a folder with records that are fine, one to mend and one to keep out of each kind."""
    return write_folder(
        data,
        threads=[thread_of(MESSAGES), thread(id="thread_2", mode="general", messageCount=7), b"5"],
        messages=[
            *MESSAGES,
            message(id="chat_3", mode="general", threadId="thread_2", updatedAt=time(0)),
            message(id="chat_4", role="tool"),
        ],
        tool_events=[
            finished(id="tool_0"),
            tool_event(threadId="thread_3"),
            b'{"id": "tool_2", "error": "\\x"}',
            finished(id="tool_0", toolName="again"),
        ],
    )


FATES = {
    "threads": Fates(read=3, imported=1, adopted=1, quarantined=1),
    "messages": Fates(read=5, imported=3, adopted=1, quarantined=1),
    "tool_events": Fates(read=4, imported=1, adopted=1, quarantined=2),
}
"""What becomes of the records of that folder."""


# The example.


def test_the_example_comes_in(target: Target) -> None:
    result = target.run(EXAMPLES)
    assert fates(result) == {
        "threads": Fates(read=6, imported=5, adopted=1),
        "messages": Fates(read=18, imported=16, adopted=2),
        "tool_events": Fates(read=5, imported=5),
    }
    assert (result.sessions, result.threads_made, result.changed, result.quarantined) == (
        3,
        0,
        29,
        0,
    )
    reasons = sorted((note.file, note.reason, note.field) for note in result.notes)
    assert reasons == [
        ("chat-messages.json", "thread_absent", "threadId"),
        ("chat-messages.json", "thread_absent", "threadId"),
        ("chat-threads.json", "derived_from_messages", "messageCount"),
    ]


def test_the_example_says_what_the_viewer_says(target: Target) -> None:
    target.run(EXAMPLES)
    threads = target.rows(
        "select title, status, message_count from app.chat_threads "
        "where account_id = %s order by 1, 2, 3"
    )
    assert threads == [
        ("General", "active", 3),
        ("General", "archived", 2),
        ("Session Coach", "active", 2),
        ("Session Coach", "active", 3),
        ("Session Coach", "archived", 4),
        ("Session Coach #2", "active", 4),
    ]
    assert target.row(
        "select count(*) from app.chat_messages where account_id = %s and content like '%%潮位%%'"
    ) == (1,)
    latencies = target.rows(
        "select latency_ms, extract(epoch from completed_at - started_at) * 1000 "
        "from app.chat_tool_events where account_id = %s and status in ('succeeded', 'failed')"
    )
    assert len(latencies) == 3
    assert all(said == measured for said, measured in latencies)


@pytest.mark.parametrize("name", FILES.values())
def test_the_example_is_spelled_as_the_viewer_spells(name: str) -> None:
    text = (EXAMPLES / name).read_bytes().decode()
    assert json.dumps(json.loads(text), indent=2, ensure_ascii=False) == text


# The result.


def test_the_result_names_files_sums_and_places(target: Target, folder: Path) -> None:
    result = target.run(folder)
    assert fates(result) == FATES
    assert result.folder == str(folder)
    assert result.server == target.server.label
    assert not result.dry_run
    data = (folder / "chat-threads.json").read_bytes()
    assert result.files[0] == FileResult(
        "chat-threads.json",
        missing=False,
        size_bytes=len(data),
        sha256=sha256(data).hex(),
        read=3,
        imported=1,
        unchanged=0,
        adopted=1,
        quarantined=1,
    )
    kept_out = [note for note in result.notes if note.fate == "quarantined"]
    assert {(note.file, note.record, note.reason) for note in kept_out} == {
        ("chat-threads.json", 3, "not_an_object"),
        ("chat-messages.json", 5, "wrong_value"),
        ("chat-tool-events.json", 3, "not_json"),
        ("chat-tool-events.json", 4, "duplicate_id"),
    }
    assert result.facts()["files"][0]["sha256"] == sha256(data).hex()


def test_the_ledger_says_what_the_result_says(alone: Target, folder: Path) -> None:
    result = alone.run(folder)
    run = alone.row(
        "select id, tool_version, imported_by, finished_at is not null, outcome, attempt, "
        "on_conflict, builds, session_count, made_thread_count "
        "from legacy.import_runs where account_id = %s"
    )
    (login,) = alone.connection.execute("select session_user").fetchall()[0]
    assert run == (
        *(result.run_id, __version__, login, True, "finished", 1, "quarantine", False),
        *(result.sessions, result.threads_made),
    )
    assert (result.attempts, result.on_conflict) == (1, "quarantine")
    assert (result.sessions, result.threads_made) == (1, 1)
    assert row_counts(alone.connection, "legacy") == {
        "legacy.import_runs": 1,
        "legacy.import_files": 3,
        "legacy.import_batches": 3,
        "legacy.kept_records": 3,
        "legacy.quarantine": 4,
        "legacy.made_threads": 1,
        "legacy.reasons": REASON_COUNT,
    }


def test_every_record_that_was_read_is_in_the_books(target: Target, folder: Path) -> None:
    result = target.run(folder)
    files = {kind: (folder / name).read_bytes() for kind, name in FILES.items()}
    rows = target.source_records(result.run_id)
    assert [(kind, ordinal, fate, name) for kind, ordinal, _, fate, name, _ in rows] == [
        ("threads", 0, "imported", "thread_1"),
        ("threads", 1, "adopted", "thread_2"),
        ("threads", 2, "quarantined", None),
        ("messages", 0, "imported", "chat_0"),
        ("messages", 1, "imported", "chat_1"),
        ("messages", 2, "imported", "chat_2"),
        ("messages", 3, "adopted", "chat_3"),
        ("messages", 4, "quarantined", None),
        ("tool_events", 0, "imported", "tool_0"),
        ("tool_events", 1, "adopted", "tool_1"),
        ("tool_events", 2, "quarantined", None),
        ("tool_events", 3, "quarantined", None),
    ]
    for kind, _, offset, _, _, digest in rows:
        end = offset + 1
        while sha256(files[kind][offset:end]) != digest:
            end += 1
            assert end <= len(files[kind])
    again = target.source_records(target.run(folder).run_id)
    assert [row[3] for row in again] == [
        *["unchanged", "unchanged", "quarantined"],
        *["unchanged"] * 4,
        "quarantined",
        *["unchanged", "unchanged", "quarantined", "quarantined"],
    ]
    assert [row[:3] + row[4:] for row in again] == [row[:3] + row[4:] for row in rows]


def test_bytes_are_kept_where_the_row_does_not_give_them_back(target: Target, data: Path) -> None:
    odd = message(id="chat_2", clientMessageId=None)
    spelt = message(id="chat_3", createdAt="2025-11-03T00:02:07Z")
    mended = message(id="chat_4", updatedAt=time(0))
    messages = [message(), odd, spelt, mended]
    target.run(write_folder(data, threads=[thread_of(messages)], messages=messages))
    rows = target.rows(
        "select kept.record_id, kept.mends <> '{}', kept.raw, message.row_version = "
        "kept.row_version from legacy.kept_records as kept inner join app.chat_messages as message "
        "on kept.account_id = message.account_id and kept.record_id = message.id "
        "where kept.account_id = %s order by 1"
    )
    assert rows == [
        ("chat_2", False, spelled(odd), True),
        ("chat_3", False, spelled(spelt), True),
        ("chat_4", True, spelled(mended), True),
    ]


def test_each_note_is_given_its_meaning_and_its_byte(target: Target, folder: Path) -> None:
    notes = target.run(folder).notes
    assert {note.fate for note in notes} == {"adopted", "quarantined"}
    for note in notes:
        elements = (folder / note.file).read_bytes()[note.byte_offset :]
        assert elements[:1] in (b"{", b"5")
        assert note.meaning.endswith(".")


def test_at_most_twenty_notes_of_each_fate_are_shown(target: Target, data: Path) -> None:
    mended = [thread(id=f"thread_{n}", sessionId=f"s{n}", messageCount=1) for n in range(30)]
    bad = [message(id=f"chat_{n}", role="tool") for n in range(30)]
    result = target.run(write_folder(data, threads=mended, messages=bad))
    assert [note.record for note in result.notes if note.fate == "adopted"] == [*range(1, 21)]
    assert [note.record for note in result.notes if note.fate == "quarantined"] == [*range(1, 21)]
    assert result.quarantined == 30


# Again, and again.


def test_a_second_run_changes_no_row(target: Target, folder: Path) -> None:
    target.run(folder)
    before = dump(target.connection, "app")
    kept = dump(target.connection, "legacy")["legacy.kept_records"]
    assert target.ids("chat_messages") == {"chat_0", "chat_1", "chat_2", "chat_3"}
    result = target.run(folder)
    assert fates(result) == {
        "threads": Fates(read=3, unchanged=2, quarantined=1),
        "messages": Fates(read=5, unchanged=4, quarantined=1),
        "tool_events": Fates(read=4, unchanged=2, quarantined=2),
    }
    assert (result.changed, result.threads_made) == (0, 0)
    assert dump(target.connection, "app") == before
    assert dump(target.connection, "legacy")["legacy.kept_records"] == kept


def test_what_is_kept_out_twice_is_kept_once(target: Target, folder: Path) -> None:
    first = target.run(folder)
    before = target.quarantine()
    second = target.run(folder)
    assert target.quarantine() == before
    assert len(before) == 4
    runs = target.rows(
        "select distinct run_id, last_run_id from legacy.quarantine where account_id = %s"
    )
    assert runs == [(first.run_id, second.run_id)]


def test_layout_and_order_of_fields_do_not_count(target: Target, data: Path) -> None:
    record = message(extra={"a": 1, "b": [1.50]})
    target.run(write_folder(data, threads=[thread_of([record])], messages=[record]))
    other = b'{ "updatedAt" :' + spelled(record["updatedAt"]).replace(b" ", b"")
    other += b"".join(
        b",\n\n" + spelled(name) + b":" + spelled(value)
        for name, value in reversed(record.items())
        if name != "updatedAt"
    )
    result = target.run(write_folder(data, threads=None, messages=[other + b"}"]))
    assert fates(result)["messages"] == Fates(read=1, unchanged=1)


def test_a_newer_snapshot_adds_what_is_new(target: Target, data: Path) -> None:
    target.run(write_folder(data, threads=[thread_of(MESSAGES[:2])], messages=MESSAGES[:2]))
    assert target.thread()["message_count"] == 2
    result = target.run(write_folder(data, threads=None, messages=MESSAGES))
    assert fates(result)["messages"] == Fates(read=3, unchanged=2, imported=1)
    row = target.thread()
    assert (row["message_count"], row["row_version"]) == (3, 3)
    assert row["last_message_at"] == "2025-11-03T00:02:07.125+00:00"


def test_rows_that_the_application_changed_stay(target: Target, folder: Path) -> None:
    target.run(folder)
    target.rows(
        "update app.chat_messages set content = 'changed' "
        "where account_id = %s and id = 'chat_1' returning id"
    )
    target.run(folder)
    assert target.message()["content"] == "changed"


def test_rows_that_the_application_deleted_do_not_come_back(target: Target, folder: Path) -> None:
    target.run(folder)
    assert "chat_1" in target.ids("chat_messages")
    target.rows(
        "delete from app.chat_messages where account_id = %s and id = 'chat_1' returning id"
    )
    assert fates(target.run(folder))["messages"].unchanged == 4
    assert "chat_1" not in target.ids("chat_messages")


# Rehearsed.


def test_a_dry_run_says_the_same_and_leaves_no_row(alone: Target, folder: Path) -> None:
    everything = dump(alone.connection, "app", "legacy")
    rehearsed = alone.run(folder, dry_run=True)
    assert rehearsed.dry_run
    assert dump(alone.connection, "app", "legacy") == everything
    assert row_counts(alone.connection, "app", "legacy") == {
        "app.accounts": 1,
        "app.maintenance": 1,
        "legacy.reasons": REASON_COUNT,
    }
    done = alone.run(folder)
    assert (rehearsed.files, rehearsed.notes) == (done.files, done.notes)
    assert rehearsed.reasons == done.reasons
    assert (rehearsed.sessions, rehearsed.threads_made) == (done.sessions, done.threads_made)


# Files that are not there.


def test_a_missing_file_is_an_empty_store(target: Target, data: Path) -> None:
    result = target.run(write_folder(data, threads=None, messages=[message()]))
    assert [(file.missing, file.read) for file in result.files] == [
        (True, 0),
        (False, 1),
        (False, 0),
    ]
    assert (result.files[0].sha256, result.files[0].size_bytes) == (None, None)
    assert result.files[2].size_bytes == len(b"[\n  \n]")
    assert target.ids("chat_messages") == {"chat_1"}


def test_a_folder_without_the_files_is_refused(alone: Target, data: Path) -> None:
    data.mkdir()
    (data / "other.json").write_text("[]")
    for path in (data, data / "absent", data / "other.json"):
        error = refusal(alone.server, path)
        assert error.code == ExitCode.NO_DATA_FOLDER
        assert str(path) in error.what
        assert "chat-messages.json" in error.hint
    assert "legacy.import_runs" not in row_counts(alone.connection, "legacy")


@pytest.mark.parametrize("thing", ["a folder", "a link to nowhere"])
def test_what_stands_in_place_of_a_file_is_no_empty_store(
    target: Target, data: Path, thing: str
) -> None:
    folder = write_folder(data, threads=None, messages=[message()])
    place = folder / "chat-threads.json"
    if thing == "a folder":
        place.mkdir()
    else:
        place.symlink_to(data / "unmounted" / "chat-threads.json")
    assert refused(target, folder).code == ExitCode.NO_DATA_FOLDER


# Damaged files. All that can be wrong with one is in test_damage.py.


BROKEN = {
    "an object": (
        spelled(message()),
        Fates(read=1, imported=1),
        [FileFault("not_an_array", 0)],
        [],
    ),
    "a row of values": (
        b'{"id": 1}\n' + spelled(message()) + b"\n",
        Fates(read=2, imported=1, quarantined=1),
        [FileFault("not_an_array", 0)],
        ["wrong_type"],
    ),
    "cut off": (
        file_of([message(), message(id="chat_2")])[:-20],
        Fates(read=2, imported=1, quarantined=1),
        [FileFault("no_end", len(file_of([message(), message(id="chat_2")])) - 20)],
        ["cut_off"],
    ),
    "something behind": (
        b"\xef\xbb\xbf" + file_of([message()]) + MARKER.encode(),
        Fates(read=2, imported=1, quarantined=1),
        [FileFault("byte_order_mark", 0), FileFault("after_end", 3 + len(file_of([message()])))],
        ["after_end"],
    ),
    "damage between": (
        b"[\n  " + spelled(message()) + b",\n  ###\n  " + spelled(message(id="chat_2")) + b"\n]",
        Fates(read=3, imported=2, quarantined=1),
        [FileFault("missing_comma", 7 + len(spelled(message())) + 3 + 4)],
        ["damaged"],
    ),
}
"""A file's bytes, and what is made of them: fates, faults of the file, reasons of records."""


@pytest.mark.parametrize("damage", BROKEN)
def test_a_damaged_file_stops_nothing(target: Target, data: Path, damage: str) -> None:
    content, expected, faults, reasons = BROKEN[damage]
    folder = write_folder(data, threads=[thread()], messages=content, tool_events=[tool_event()])
    check_folder(folder)
    result = target.run(folder)
    assert fates(result)["messages"] == expected
    assert fates(result)["tool_events"] == Fates(read=1, imported=1)
    assert [file.faults for file in result.files] == [[], faults, []]
    assert [row[1] for row in target.quarantine()] == reasons
    assert all(row[4] in content for row in target.quarantine())
    assert (result.files[1].sha256, result.files[1].size_bytes) == (
        sha256(content).hex(),
        len(content),
    )
    again = target.run(folder)
    assert replace(again.files[1], imported=expected.imported, unchanged=0) == result.files[1]


EMPTY = {"empty": b"", "blank": b" \n\t ", "a byte order mark": b"\xef\xbb\xbf"}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("content", EMPTY)
def test_a_file_without_anything_stops_everything(
    target: Target, folder: Path, kind: str, content: str
) -> None:
    before = dump(target.connection, "app", "legacy")
    (folder / FILES[kind]).write_bytes(EMPTY[content])
    error = refused(target, folder)
    assert (error.code, FILES[kind] in error.what) == (ExitCode.NOT_AN_ARRAY, True)
    assert dump(target.connection, "app", "legacy") == before
    with pytest.raises(SessionbaseError) as caught:
        check_folder(folder)
    assert (caught.value.code, caught.value.what) == (error.code, error.what)


def test_a_check_of_a_folder_looks_at_each_file_that_is_there(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    real = RecordFile.batches

    def note(file: RecordFile, start: ResumePoint | None = None) -> Iterator[Batch]:
        seen.append(file.path.name)
        return real(file, start)

    monkeypatch.setattr(RecordFile, "batches", note)
    check_folder(write_folder(data, messages=None))
    assert seen == ["chat-threads.json", "chat-tool-events.json"]


# Sums that do not add up.


def lose(monkeypatch: pytest.MonkeyPatch, kind: str, place: int) -> None:
    """Have the reader count a file's records and give all batches of it but one."""
    real = RecordFile.batches

    def batches(file: RecordFile, start: ResumePoint | None = None) -> Iterator[Batch]:
        for batch in real(file, start):
            if file.path.name != FILES[kind] or batch.number != place:
                yield batch

    monkeypatch.setattr(RecordFile, "batches", batches)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("kind", FILES)
def test_a_batch_that_got_lost_before_the_database_fails_the_run(
    alone: Target, folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str, place: int
) -> None:
    with monkeypatch.context() as patch:
        lose(patch, kind, place)
        small_batches(patch, 2)
        error = refusal(alone.server, folder)
    read = FATES[kind].read
    assert error.code == ExitCode.IMPORT_FAILED
    assert f"{kind}: {read} records read, " in error.what
    assert "please report it" in error.hint
    assert alone.rows("select outcome from legacy.import_runs where account_id = %s") == [
        ("running",)
    ]


@pytest.mark.parametrize("is_build", [False, True])
def test_records_that_got_lost_on_the_way_fail_the_batch(
    alone: Target,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_build: bool,
) -> None:
    real = Stager.prepare

    def prepare(stager: Stager, batch: Batch) -> StagedBatch:
        whole = real(stager, batch)
        if whole.kind != "messages":
            return whole
        lacking = replace(batch, elements=batch.elements[:-1])
        return replace(whole, rows=real(stager, lacking).rows)

    with monkeypatch.context() as patch:
        patch.setattr(Stager, "prepare", prepare)
        with pytest.raises(SessionbaseError) as caught:
            alone.run(folder, builds=is_build)
    assert caught.value.code == ExitCode.IMPORT_FAILED
    assert caught.value.what == "4 records of messages staged, 5 announced"
    assert not alone.ids("chat_messages")
    assert fates(alone.run(folder)) == FATES


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("threads", "chat_threads"),
        ("messages", "chat_messages"),
        ("tool_events", "chat_tool_events"),
    ],
)
def test_a_record_that_is_in_no_table_fails_the_batch(
    alone: Target, folder: Path, kind: str, table: str
) -> None:
    make_trigger(alone.connection, table, "return null", when="before")
    error = refusal(alone.server, folder)
    assert error.code == ExitCode.IMPORT_FAILED
    assert "records should have come in" in error.what
    assert not alone.ids(table)
    assert not alone.rows(
        "select from legacy.source_records where account_id = %s and kind = %s", kind
    )


def test_plain_records_that_are_in_no_table_fail_the_batch(alone: Target, data: Path) -> None:
    make_trigger(alone.connection, "chat_messages", "return null", when="before")
    error = refusal(alone.server, write_folder(data, threads=[thread()], messages=MESSAGES))
    assert error.what == "3 records should have come in, 0 did"


def make_trigger(connection: Connection, table: str, body: str, *, when: str = "after") -> None:
    """Make a trigger for each row that comes into a table of app."""
    connection.execute(
        (
            "create function public.hurt() returns trigger language plpgsql security definer as "
            f"$$ begin {body}; end $$"
        ).encode()
    )
    connection.execute(
        (
            f"create trigger hurt {when} insert on app.{table} "
            "for each row execute function public.hurt()"
        ).encode()
    )
    connection.execute("grant usage on schema public to public")


# Nothing of a record is ever shown.


def everything_of(error: BaseException) -> str:
    """Return all that a person or a log could get to see of an error."""
    shown = "".join(traceback.format_exception(error)) + repr(error)
    return shown + (words_of(error) if isinstance(error, SessionbaseError) else "")


SECRET = message(id=MARKER, content=MARKER, sessionId=MARKER, evidence=[{"path": MARKER}])


def test_an_unknown_failure_shows_its_sqlstate_only(alone: Target, data: Path) -> None:
    folder = write_folder(data, messages=[SECRET])
    make_trigger(alone.connection, "chat_messages", "raise exception 'it says %', new.content")
    error = refusal(alone.server, folder)
    assert (error.code, error.what) == (ExitCode.IMPORT_FAILED, "the import failed: P0001")
    assert MARKER not in everything_of(error)
    # The batch of the thread was committed before: that is what a resumed run has behind it.
    assert not alone.ids("chat_messages")


def test_notes_show_places_and_never_values(target: Target, data: Path) -> None:
    bad: list[Record | bytes] = [
        SECRET | {"role": MARKER},
        SECRET | {"createdAt": MARKER},
        {MARKER: MARKER},
        MARKER.encode(),
        SECRET,
        SECRET | {"content": "other", "updatedAt": time(0)},
        SECRET | {"id": MARKER + "2", "threadId": None, "updatedAt": time(0)},
    ]
    folder = write_folder(
        data,
        threads=[thread(id=MARKER, messageCount=MARKER, title=MARKER, lastMessagePreview=MARKER)],
        messages=bad,
    )
    result = target.run(folder)
    assert fates(result)["messages"] == Fates(read=7, adopted=2, quarantined=5)
    assert len(result.notes) == 5 + 3 + 2
    assert MARKER not in repr(result)


def test_a_refusal_of_the_database_shows_no_value(alone: Target, data: Path) -> None:
    alone.connection.execute(
        f"alter table app.chat_messages add constraint quiet check (content <> '{MARKER}')".encode()
    )
    result = alone.run(write_folder(data, threads=[thread()], messages=[SECRET, message()]))
    assert fates(result)["messages"].quarantined == 1
    assert MARKER not in repr(result)


# Accounts.


def test_two_accounts_take_the_same_folder_side_by_side(target: Target, folder: Path) -> None:
    other = new_target(target.server, target.connection)
    assert fates(target.run(folder)) == fates(other.run(folder)) == FATES
    for table in ("chat_threads", "chat_messages", "chat_tool_events"):
        assert target.ids(table) == other.ids(table)
        assert target.ids(table)
    assert len(target.quarantine()) == len(other.quarantine()) == 4
    assert fates(target.run(folder))["messages"].unchanged == 4


def test_threads_made_in_two_accounts_differ(target: Target, data: Path) -> None:
    other = new_target(target.server, target.connection)
    folder = write_folder(data, threads=None, messages=[message(threadId=ABSENT)])
    target.run(folder)
    other.run(folder)
    assert target.ids("chat_threads") != other.ids("chat_threads")


def test_an_account_is_found_by_name_and_by_id(alone: Target, folder: Path) -> None:
    other = new_target(alone.server, alone.connection)
    import_into(alone.server, folder, f"account {other.account}")
    assert other.ids("chat_messages")
    assert not alone.ids("chat_messages")
    for spelling in (other.account, other.account.upper()):
        assert fates(import_into(alone.server, folder, spelling))["messages"].unchanged == 4
    import_into(alone.server, folder, "default")
    assert alone.ids("chat_messages")


def test_without_a_name_the_only_account_is_taken(alone: Target, folder: Path) -> None:
    import_into(alone.server, folder)
    assert alone.ids("chat_messages")


def test_no_account_is_guessed(alone: Target, folder: Path) -> None:
    new_target(alone.server, alone.connection)
    before = dump(alone.connection, "app", "legacy")
    error = refusal(alone.server, folder)
    assert error.code == ExitCode.NO_ACCOUNT
    assert "2 active accounts" in error.what
    assert "app.accounts" in error.hint
    unknown = refusal(alone.server, folder, "nobody")
    assert (unknown.code, unknown.what) == (
        ExitCode.NO_ACCOUNT,
        "there is no active account nobody",
    )
    assert dump(alone.connection, "app", "legacy") == before


def test_a_disabled_account_takes_nothing(alone: Target, folder: Path) -> None:
    other = new_target(alone.server, alone.connection)
    import_into(alone.server, folder, other.account)
    alone.rows("update app.accounts set status = 'disabled' where id = %s returning id")
    assert refusal(alone.server, folder, "default").code == ExitCode.NO_ACCOUNT
    assert refusal(alone.server, folder, DEFAULT_ACCOUNT).code == ExitCode.NO_ACCOUNT
    assert not alone.ids("chat_messages")
    # What is left is the only active one.
    assert fates(import_into(alone.server, folder))["messages"].unchanged == 4
    alone.connection.execute("update app.accounts set status = 'disabled'")
    assert "0 active accounts" in refusal(alone.server, folder).what


# As whom.


@pytest.fixture
def login(target: Target) -> Iterator[str]:
    """Make a login that has nothing but the role importer."""
    name = f"sessionbase_test_login_{os.getpid()}"
    role = sql.Identifier(name)
    target.connection.execute(sql.SQL("create role {} login password 'for this test'").format(role))
    target.connection.execute(sql.SQL("grant importer to {}").format(role))
    yield name
    target.connection.execute(sql.SQL("drop role {}").format(role))


def server_as(target: Target, login: str) -> Server:
    conninfo = make_conninfo(target.server.conninfo, user=login, password="for this test")
    return Server(conninfo, embedded=target.server.embedded)


def test_a_login_with_the_role_importer_can_do_it_all(
    target: Target, folder: Path, login: str
) -> None:
    server = server_as(target, login)
    assert fates(import_into(server, folder, target.account, dry_run=True)) == FATES
    assert fates(import_into(server, folder, target.account)) == FATES
    again = fates(import_into(server, folder, target.account))
    assert [file.unchanged for file in again.values()] == [2, 4, 2]
    logins = target.rows(
        "select distinct imported_by from legacy.import_runs where account_id = %s"
    )
    assert logins == [(login,)]
    superuser = target.connection.execute(
        "select rolsuper or rolbypassrls from pg_roles where rolname = %s", [login]
    ).fetchall()
    assert superuser == [(False,)]


@pytest.mark.parametrize(
    "query",
    [
        "select * from app.chat_messages",
        "select * from app.accounts",
        "select * from legacy.quarantine",
        "select * from legacy.source_records",
        "select * from legacy.import_batches",
        "select * from legacy.kept_records",
        "select * from legacy.thread_claims",
        "select * from legacy.known_records",
        "select * from legacy.judged_records",
        "select * from legacy.import_runs",
        "select * from legacy.staged_records",
        "delete from legacy.staged_records",
        "select legacy.settle_run(1)",
        "select legacy.judge_batch(1, null, 'threads', 0, false)",
        "select app.drop_chat_keys()",
        "select app.restore_chat_keys()",
    ],
)
def test_that_login_can_read_nothing_of_what_it_imports(
    target: Target, folder: Path, login: str, query: str
) -> None:
    import_into(server_as(target, login), folder, target.account)
    assert target.ids("chat_messages")
    with (
        pytest.raises(SessionbaseError) as caught,
        connect(server_as(target, login), "test") as connection,
    ):
        connection.execute(query.encode())
    assert caught.value.code == ExitCode.NO_PERMISSION


@pytest.mark.parametrize("jobs", [1, 2])
def test_whoever_logs_in_it_is_the_role_importer_that_imports(
    alone: Target, folder: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    acting: set[Any] = set()
    real = steps.import_batch

    def import_batch(connection: Connection, *rest: Any, **options: Any) -> bool:  # noqa: ANN401 - passed on
        acting.update(connection.execute("select current_user").fetchall())
        return real(connection, *rest, **options)

    monkeypatch.setattr(steps, "import_batch", import_batch)
    assert fates(alone.run(folder, jobs=jobs)) == FATES
    assert acting == {("importer",)}


def test_a_login_without_the_role_can_not_import(target: Target, folder: Path, login: str) -> None:
    target.connection.execute(sql.SQL("revoke importer from {}").format(sql.Identifier(login)))
    assert refusal(server_as(target, login), folder, target.account).code == ExitCode.NO_PERMISSION
    assert not target.ids("chat_messages")


# Settings of the server that must not matter.


def test_time_zone_and_date_style_of_the_login_do_not_count(alone: Target, data: Path) -> None:
    for setting in (
        "timezone = 'America/New_York'",
        "datestyle = 'SQL, DMY'",
        "search_path = ''",
        "extra_float_digits = -15",
    ):
        alone.connection.execute(f'alter database "{alone.server.database}" set {setting}'.encode())
    record = finished(startedAt="2025-02-01T00:30:00.000+01:00", completedAt="2025-02-01T00:30:01Z")
    folder = write_folder(data, threads=[thread(messageCount=1)], tool_events=[record])
    alone.run(folder)
    row = alone.tool_event()
    assert row["started_at"] == "2025-01-31T23:30:00+00:00"
    assert row["completed_at"] == "2025-02-01T00:30:01+00:00"
    assert fates(alone.run(folder))["tool_events"].unchanged == 1


# Sizes.


def test_two_thousand_messages_of_a_thread_are_counted(target: Target, data: Path) -> None:
    messages = [
        message(
            id=f"chat_{number:04}",
            content=f"no. {number}",
            createdAt=time(number),
            updatedAt=time(number),
        )
        for number in range(2000)
    ]
    folder = write_folder(data, threads=[thread_of(messages)], messages=messages)
    result = target.run(folder)
    assert fates(result)["messages"] == Fates(read=2000, imported=2000)
    assert fates(result)["threads"] == Fates(read=1, imported=1)
    row = target.thread()
    assert (row["message_count"], row["last_message_preview"]) == (2000, "no. 1999")
    assert row["row_version"] == 2


def test_long_messages_and_long_ids_come_in_whole(target: Target, data: Path) -> None:
    long_id = "é" * 256
    content = "a line of the log, with 🌊\n" * 20_000
    record = message(
        id=long_id,
        threadId=long_id,
        sessionId=long_id,
        clientMessageId=long_id,
        misalignmentId=long_id,
        content=content,
    )
    event = tool_event(id=long_id, threadId=long_id, sessionId=long_id, arguments=content)
    folder = write_folder(
        data,
        threads=[thread(id=long_id, sessionId=long_id)],
        messages=[record],
        tool_events=[event],
    )
    result = target.run(folder)
    assert (result.changed, result.quarantined) == (3, 0)
    assert target.message(long_id)["content"] == content
    assert target.tool_event(long_id)["arguments"] == content
    preview = target.thread(long_id)["last_message_preview"]
    assert preview == content.encode("utf-16-le")[:560].decode("utf-16-le")


def test_sessions_span_the_times_of_their_records(target: Target, data: Path) -> None:
    folder = write_folder(
        data,
        threads=[thread(createdAt=time(10), updatedAt=time(20))],
        messages=[message(createdAt=time(5), updatedAt=time(6))],
        tool_events=[
            finished(startedAt=time(21), completedAt=time(30)),
            tool_event(id="tool_2", sessionId=OTHER_SESSION, threadId=None, startedAt=time(2)),
        ],
    )
    assert target.run(folder).sessions == 2
    assert target.rows(
        "select id, to_jsonb(created_at)::text, to_jsonb(updated_at)::text "
        "from app.sessions where account_id = %s order by id"
    ) == [
        (OTHER_SESSION, '"2025-11-03T00:02:07.125+00:00"', '"2025-11-03T00:02:07.125+00:00"'),
        (SESSION, '"2025-11-03T00:05:07.125+00:00"', '"2025-11-03T00:30:07.125+00:00"'),
    ]
