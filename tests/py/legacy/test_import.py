"""An import as a whole: counts, twice, rehearsed, into accounts, interrupted."""

import json
import os
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from harness import __version__
from harness.connections import Connection, Server, connect
from harness.errors import ExitCode, SessionbaseError
from harness.console import quiet_watch
from harness.legacy.importer import check_folder, import_folder
from harness.legacy.results import FileResult, ImportRequest, ImportResult
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
    spelled,
    thread,
    thread_of,
    time,
    tool_event,
    words_of,
    write_folder,
)

MARKER = "do not print me 4711"
MESSAGES = [message(id=f"chat_{number}", createdAt=time(number)) for number in range(3)]


def import_into(
    server: Server, folder: Path, account: str | None = None, *, dry_run: bool = False
) -> ImportResult:
    return import_folder(server, ImportRequest(folder, account, dry_run=dry_run, wait_s=0), quiet_watch)


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
            b'{"id": "\\u0000"}',
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
        "select id, tool_version, imported_by, finished_at is not null, "
        "session_count, made_thread_count "
        "from legacy.import_runs where account_id = %s"
    )
    (login,) = alone.connection.execute("select session_user").fetchall()[0]
    assert run == (result.run_id, __version__, login, True, result.sessions, result.threads_made)
    assert (result.sessions, result.threads_made) == (1, 1)
    assert row_counts(alone.connection, "legacy") == {
        "legacy.import_runs": 1,
        "legacy.import_files": 3,
        "legacy.source_records": 8,
        "legacy.quarantine": 4,
        "legacy.made_threads": 1,
        "legacy.reasons": 21,
    }


def test_each_note_is_given_its_meaning_and_its_byte(target: Target, folder: Path) -> None:
    for note in target.run(folder).notes:
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
    sources = dump(target.connection, "legacy")["legacy.source_records"]
    assert target.ids("chat_messages") == {"chat_0", "chat_1", "chat_2", "chat_3"}
    result = target.run(folder)
    assert fates(result) == {
        "threads": Fates(read=3, unchanged=2, quarantined=1),
        "messages": Fates(read=5, unchanged=4, quarantined=1),
        "tool_events": Fates(read=4, unchanged=2, quarantined=2),
    }
    assert (result.changed, result.threads_made) == (0, 0)
    assert dump(target.connection, "app") == before
    assert dump(target.connection, "legacy")["legacy.source_records"] == sources


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
        "legacy.reasons": 21,
    }
    done = alone.run(folder)
    assert (rehearsed.files, rehearsed.notes) == (done.files, done.notes)
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


# Whole or not at all.


DAMAGED = {
    "cut off": (b'[{"id": "' + MARKER.encode(), ExitCode.CUT_OFF),
    "an object": (b'{"' + MARKER.encode() + b'": 1}', ExitCode.NOT_AN_ARRAY),
    "something behind": (file_of([tool_event()]) + MARKER.encode(), ExitCode.NOT_AN_ARRAY),
    "empty": (b"", ExitCode.NOT_AN_ARRAY),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_stops_everything(
    target: Target, folder: Path, kind: str, damage: str
) -> None:
    before = dump(target.connection, "app", "legacy")
    data, code = DAMAGED[damage]
    (folder / FILES[kind]).write_bytes(data)
    error = refused(target, folder)
    assert (error.code, FILES[kind] in error.what) == (code, True)
    assert MARKER not in everything_of(error)
    assert dump(target.connection, "app", "legacy") == before
    with pytest.raises(SessionbaseError) as caught:
        check_folder(folder)
    assert (caught.value.code, caught.value.what) == (code, error.what)


def test_a_check_of_a_folder_reads_each_file_that_is_there(data: Path) -> None:
    told: list[str] = []
    check_folder(write_folder(data, messages=None), told.append)
    assert told == ["checking chat-threads.json", "checking chat-tool-events.json"]


def stop_in(target: Target, folder: Path, step: int, connection: Connection | None) -> None:
    """Import, and at a step end the backend, or without a connection interrupt the program."""
    steps: list[str] = []

    def tell(what: str) -> None:
        steps.append(what)
        if len(steps) == step and connection:
            connection.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
                "where application_name = 'sessionbase import' and datname = current_database()"
            )
        elif len(steps) == step:
            raise KeyboardInterrupt

    import_folder(target.server, ImportRequest(folder, target.account, dry_run=False), tell)


@pytest.mark.parametrize("step", range(1, 7))
def test_killed_at_any_step_it_leaves_nothing_and_a_rerun_finishes(
    target: Target, folder: Path, step: int
) -> None:
    before = dump(target.connection, "app", "legacy")
    with pytest.raises(SessionbaseError) as caught:
        stop_in(target, folder, step, target.connection)
    assert caught.value.code == ExitCode.UNREACHABLE
    with pytest.raises(KeyboardInterrupt):
        stop_in(target, folder, step, None)
    assert dump(target.connection, "app", "legacy") == before
    assert fates(target.run(folder)) == FATES


# Sums that do not add up.


def test_a_record_that_got_lost_before_the_database_fails_the_run(
    alone: Target, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_two(file: ArrayFile) -> Iterator[Element]:
        file.count = 2
        return iter(())

    monkeypatch.setattr(ArrayFile, "elements", lose_two)
    error = refusal(alone.server, folder)
    assert error.code == ExitCode.IMPORT_FAILED
    assert "threads: 2 records read, 0 settled" in error.what
    assert "please report it" in error.hint
    assert row_counts(alone.connection, "legacy") == {"legacy.reasons": 21}


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("threads", "chat_threads"),
        ("messages", "chat_messages"),
        ("tool_events", "chat_tool_events"),
    ],
)
def test_a_record_that_is_in_no_table_fails_the_run(
    alone: Target, folder: Path, kind: str, table: str
) -> None:
    make_trigger(alone.connection, table, "delete from app.{table} where id = new.id; return new")
    error = refusal(alone.server, folder)
    assert error.code == ExitCode.IMPORT_FAILED
    # Without their threads messages and tool events go, too; the first of the three is named.
    assert f"{kind}: " in error.what
    assert "should be in their table" in error.what
    assert "app.sessions" not in row_counts(alone.connection, "app")


def make_trigger(connection: Connection, table: str, body: str) -> None:
    """Make a trigger after each row that comes into a table of app."""
    connection.execute(
        (
            "create function public.hurt() returns trigger language plpgsql security definer as "
            f"$$ begin {body.format(table=table)}; end $$"
        ).encode()
    )
    connection.execute(
        (
            f"create trigger hurt after insert on app.{table} "
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
    assert row_counts(alone.connection, "app") == {"app.accounts": 1}


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


# Two at once.


def test_a_second_import_into_an_account_is_refused(alone: Target, folder: Path) -> None:
    other = new_target(alone.server, alone.connection)
    with connect(alone.server, "first") as first:
        with first.transaction():
            first.execute("set local role importer")
            first.execute("select legacy.begin_import(%s, 'test')", [DEFAULT_ACCOUNT])
            error = refusal(alone.server, folder, "default")
            # Another account is not in the way.
            assert fates(other.run(folder)) == FATES
        assert error.code == ExitCode.IMPORT_RUNNING
        assert str(first.info.backend_pid) in error.what.split()
        assert "run this again" in error.hint
    assert fates(alone.run(folder)) == FATES


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
        "select * from legacy.import_runs",
        "select * from legacy.staged_records",
        "delete from legacy.staged_records",
        "select legacy.settle(1, 'threads')",
        "select legacy.parse_range(1, 'threads', 0, 0)",
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


def test_whoever_logs_in_it_is_the_role_importer_that_imports(alone: Target, folder: Path) -> None:
    alone.connection.execute(
        "create function public.tell_role() returns trigger language plpgsql as "
        "$$ begin if current_user = 'importer' then raise exception 'so it is'; end if; "
        "return new; end $$; "
        "create trigger tell_role before insert on legacy.staged_records "
        "for each row execute function public.tell_role(); "
        "grant usage on schema public to importer; "
        "grant execute on function public.tell_role() to importer"
    )
    assert refused(alone, folder).what == "the import failed: P0001"


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
