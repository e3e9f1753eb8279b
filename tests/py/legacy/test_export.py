"""The export: the old viewer's files again, whatever the import made of them."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from psycopg import sql
from psycopg.conninfo import make_conninfo

from harness.connections import Server
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.exporter import ExportRequest, ExportResult, export_folder
from harness.legacy.reader import RecordFile
from harness.legacy.steps import FILES
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
    write_folder,
)
from tests.py.legacy.odd_snapshots import (
    Snapshot,
    clean_snapshots,
    is_json,
    snapshots,
    value_of,
)

SNAPSHOTS = settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def export(target: Target, folder: Path, **options: bool) -> ExportResult:
    request = ExportRequest(folder, target.account, **options)
    return export_folder(target.server, request, lambda _: None)


def exported(folder: Path, kind: str) -> Any:  # noqa: ANN401 - any JSON
    return value_of((folder / FILES[kind]).read_bytes())


def unreadable(folder: Path, kind: str) -> list[Record]:
    path = folder / f"{Path(FILES[kind]).stem}.unreadable.jsonl"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def round_trip(target: Target, data: Path, out: Path, **content: Any) -> None:  # noqa: ANN401
    target.run(write_folder(data, **content))
    export(target, out, force=True)


# What comes in goes out.


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return where to export to."""
    return tmp_path / "out"


@pytest.mark.parametrize("kind", ["threads", "messages"])
def test_the_example_comes_out_byte_for_byte(target: Target, out: Path, kind: str) -> None:
    target.run(EXAMPLES)
    export(target, out)
    assert (out / FILES[kind]).read_bytes() == (EXAMPLES / FILES[kind]).read_bytes()


def test_the_example_of_tool_events_comes_out_but_for_the_order_inside_arguments(
    target: Target, out: Path
) -> None:
    target.run(EXAMPLES)
    export(target, out)
    source = json.loads((EXAMPLES / FILES["tool_events"]).read_bytes())
    found = json.loads((out / FILES["tool_events"]).read_bytes())
    assert found == source
    assert [list(record) for record in found] == [list(record) for record in source]
    text = (out / FILES["tool_events"]).read_text()
    assert json.dumps(found, indent=2, ensure_ascii=False) == text


def assert_same(data: Path, out: Path) -> None:
    """Check that files have the same elements, in the same order; what is no JSON stands aside."""
    for kind, name in FILES.items():
        elements = [element.raw or b"" for element in RecordFile(data / name).elements()]
        assert exported(out, kind) == [value_of(raw) for raw in elements if is_json(raw)]
        aside = [(record, raw) for record, raw in enumerate(elements, 1) if not is_json(raw)]
        found = unreadable(out, kind)
        assert [(line["record"], base64.b64decode(line["base64"])) for line in found] == aside


@SNAPSHOTS
@given(snapshot=snapshots)
@example(snapshot={"threads": [b"NaN"], "messages": [b"\xff", b"1"], "tool_events": []})
def test_any_snapshot_comes_out_as_it_went_in(
    target: Target, data: Path, out: Path, snapshot: Snapshot
) -> None:
    target = target.another()
    round_trip(target, data, out, **snapshot)
    assert_same(data, out)


@SNAPSHOTS
@given(snapshot=clean_snapshots)
def test_a_clean_snapshot_comes_out_as_it_went_in(
    target: Target, data: Path, out: Path, snapshot: Snapshot
) -> None:
    target = target.another()
    round_trip(target, data, out, **snapshot)
    assert_same(data, out)


@SNAPSHOTS
@given(snapshot=snapshots)
def test_a_second_import_changes_nothing_in_the_export(
    target: Target, data: Path, out: Path, snapshot: Snapshot
) -> None:
    target = target.another()
    round_trip(target, data, out, **snapshot)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    target.run(data, wait_s=5)
    export(target, out, force=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@SNAPSHOTS
@given(snapshot=snapshots)
def test_what_was_exported_imports_and_exports_again(
    target: Target, data: Path, out: Path, tmp_path: Path, snapshot: Snapshot
) -> None:
    target, other = target.another(), target.another()
    round_trip(target, data, out, **snapshot)
    other.run(out)
    export(other, tmp_path / "again", force=True)
    for kind in FILES:
        assert exported(tmp_path / "again", kind) == exported(out, kind)


def test_no_digit_of_a_number_is_lost(target: Target, data: Path, out: Path) -> None:
    number = "12345678901234567890.12345678901234567890"
    raw = json.dumps(tool_event(result=0)).replace('"result": 0', f'"result": {number}').encode()
    round_trip(target, data, out, threads=[thread()], tool_events=[raw])
    assert number in (out / FILES["tool_events"]).read_text()
    assert exported(out, "tool_events")[0]["result"] == Decimal(number)


def test_more_records_than_a_batch_keep_their_order(target: Target, data: Path, out: Path) -> None:
    messages = [
        message(id=f"chat_{number * 7919 % 9001}", createdAt=time(number % 50))
        for number in range(9001)
    ]
    round_trip(target, data, out, threads=[thread()], messages=messages)
    assert [found["id"] for found in exported(out, "messages")] == [m["id"] for m in messages]


def test_a_thread_made_for_messages_of_several_batches_stays_out(
    target: Target, data: Path, out: Path
) -> None:
    messages = [
        message(id=f"chat_{number}", threadId="missing" if number % 2 else ABSENT)
        for number in range(9000)
    ]
    round_trip(target, data, out, messages=messages)
    assert exported(out, "threads") == []
    assert exported(out, "messages") == json.loads(json.dumps(messages))


def test_a_made_thread_stays_out_when_a_later_file_names_it_again(
    target: Target, data: Path, out: Path
) -> None:
    messages = [message(threadId="missing")]
    target.run(write_folder(data, messages=messages))
    messages.append(message(id="chat_2", threadId="missing"))
    target.run(write_folder(data, messages=messages), wait_s=5)
    export(target, out)
    assert exported(out, "threads") == []
    assert exported(out, "messages") == messages


# What the application did since.


@pytest.fixture
def folder(data: Path) -> Path:
    """Write a folder with records that are fine, mended and kept out."""
    return write_folder(
        data,
        threads=[thread_of([message()], messageCount=5), thread(id="thread_2", mode="general")],
        messages=[
            message(),
            message(id="chat_2", threadId="thread_9"),
            message(id="chat_3", clientMessageId=None, threadId="thread_2"),
            message(id="chat_4", role="tool"),
            b"{]",
        ],
        tool_events=[finished(), tool_event(id="tool_2", sessionId=OTHER_SESSION)],
    )


def update(target: Target, statement: str) -> None:
    target.connection.execute(statement.encode(), [target.account])


def test_a_row_is_written_as_it_is_now_with_its_mends_taken_back(
    target: Target, folder: Path, out: Path
) -> None:
    target.run(folder)
    for table, column in (("threads", "title"), ("messages", "content")):
        update(target, f"update app.chat_{table} set {column} = 'new' where account_id = %s")
    export(target, out)
    first = exported(out, "threads")[0]
    assert (first["title"], first["messageCount"]) == ("new", 5)
    found = {record["id"]: record for record in exported(out, "messages")}
    assert found["chat_2"] == message(id="chat_2", threadId="thread_9", content="new")
    assert found["chat_3"] == message(id="chat_3", threadId="thread_2", content="new")
    assert found["chat_4"] == message(id="chat_4", role="tool")


def test_a_row_that_is_gone_is_left_out(target: Target, folder: Path, out: Path) -> None:
    target.run(folder)
    update(target, "delete from app.chat_messages where account_id = %s and id = 'chat_1'")
    export(target, out)
    assert [record["id"] for record in exported(out, "messages")] == ["chat_2", "chat_3", "chat_4"]


def test_what_the_application_made_comes_last_in_order_of_time(
    target: Target, folder: Path, out: Path
) -> None:
    target.run(folder)
    for number in (3, 1, 2):
        target.connection.execute(
            "insert into app.chat_messages "
            "(account_id, id, session_id, thread_id, mode, role, content, created_at, updated_at) "
            "select account_id, %s, session_id, id, mode, 'user', 'new', %s, %s "
            "from app.chat_threads where account_id = %s and id = 'thread_1'",
            [f"new_{number}", time(100 + number), time(100 + number), target.account],
        )
    export(target, out)
    messages = exported(out, "messages")
    assert [record["id"] for record in messages[-3:]] == ["new_1", "new_2", "new_3"]
    assert messages[-1] == message(
        id="new_3", content="new", createdAt=time(103), updatedAt=time(103)
    )


def test_a_made_thread_that_the_application_wrote_to_is_written(
    target: Target, folder: Path, out: Path
) -> None:
    target.run(folder)
    export(target, out)
    assert [record["id"] for record in exported(out, "threads")] == ["thread_1", "thread_2"]
    target.connection.execute(
        "insert into app.chat_messages "
        "(account_id, id, session_id, thread_id, mode, role, content) "
        "select account_id, 'new', session_id, id, mode, 'user', 'new' "
        "from app.chat_threads where account_id = %s and id = 'thread_9'",
        [target.account],
    )
    export(target, out, force=True)
    assert "thread_9" in [record["id"] for record in exported(out, "threads")]


def test_an_account_without_an_import_gives_its_rows(target: Target, out: Path) -> None:
    target.connection.execute(
        "insert into app.sessions (account_id, id) values (%s, 's')", [target.account]
    )
    update(
        target,
        "insert into app.chat_threads (account_id, id, session_id, mode, title, status) "
        "values (%s, 't', 's', 'general', 'General', 'active')",
    )
    result = export(target, out)
    assert result.run_id is None
    assert [record["id"] for record in exported(out, "threads")] == ["t"]
    assert (out / FILES["messages"]).read_bytes() == b"[]"


def test_another_accounts_rows_stay_there(target: Target, folder: Path, out: Path) -> None:
    target.another().run(folder)
    target.run(EXAMPLES)
    export(target, out)
    assert len(exported(out, "messages")) == 18


def test_a_run_that_did_not_finish_hides_nothing(target: Target, folder: Path, out: Path) -> None:
    target.run(folder)
    export(target, out)
    before = (out / FILES["messages"]).read_bytes()
    # What a later run that is interrupted does to a quarantined record it meets again.
    target.connection.execute(
        "with run as (insert into legacy.import_runs (account_id, tool_version) "
        "values (%s, 'x') returning account_id, id) "
        "update legacy.quarantine as q set last_run_id = run.id, ordinal = 77 "
        "from run where q.account_id = run.account_id",
        [target.account],
    )
    export(target, out, force=True)
    assert (out / FILES["messages"]).read_bytes() == before
    assert len(unreadable(out, "messages")) == 1


# What was kept out.


def test_what_is_no_json_is_kept_aside(target: Target, folder: Path, out: Path) -> None:
    target.run(folder)
    result = export(target, out)
    assert exported(out, "messages")[3] == message(id="chat_4", role="tool")
    (line,) = unreadable(out, "messages")
    data = (folder / FILES["messages"]).read_bytes()
    assert line["record"] == 5
    assert data[line["byte"] :].startswith(base64.b64decode(line["base64"]))
    assert (result.files[1].records, result.files[1].quarantined) == (4, 1)
    assert (result.files[1].unreadable, result.files[0].unreadable) == (1, 0)


def test_what_was_kept_out_can_be_left_out(target: Target, folder: Path, out: Path) -> None:
    target.run(folder)
    export(target, out, with_quarantined=False)
    assert [record["id"] for record in exported(out, "messages")] == ["chat_1", "chat_2", "chat_3"]
    assert not unreadable(out, "messages")


# The folder.


def test_a_folder_that_has_one_of_the_files_is_refused(target: Target, out: Path) -> None:
    out.mkdir()
    (out / FILES["messages"]).write_text("mine")
    with pytest.raises(SessionbaseError) as caught:
        export(target, out)
    assert caught.value.code == ExitCode.REFUSED
    assert [path.name for path in out.iterdir()] == [FILES["messages"]]
    assert (out / FILES["messages"]).read_text() == "mine"


def test_force_replaces_what_is_there(target: Target, folder: Path, out: Path) -> None:
    target.run(folder)
    export(target, out)
    export(target.another(), out, force=True)
    written = {path.name: path.read_bytes() for path in out.iterdir()}
    assert written == dict.fromkeys(FILES.values(), b"[]")


@contextmanager
def login_in(target: Target, role: str) -> Iterator[Target]:
    """Give the account as seen by a login that may become a role, and has nothing else."""
    name = sql.Identifier(f"export_{target.account}")
    make = "create role {} login noinherit password 'canary' in role {}"
    target.connection.execute(sql.SQL(make).format(name, sql.Identifier(role)))
    grant = sql.SQL("grant connect on database {} to {}")
    target.connection.execute(grant.format(sql.Identifier(target.server.database), name))
    conninfo = make_conninfo(
        target.server.conninfo, user=f"export_{target.account}", password="canary"
    )
    try:
        yield Target(Server(conninfo, embedded=False), target.connection, target.account)
    finally:
        target.connection.execute(sql.SQL("drop owned by {}").format(name))
        target.connection.execute(sql.SQL("drop role {}").format(name))


def test_a_login_that_may_become_import_definer_exports(
    target: Target, folder: Path, out: Path
) -> None:
    target.run(folder)
    with login_in(target, "import_definer") as other:
        export(other, out)
    assert len(exported(out, "messages")) == 4


def test_a_login_that_may_not_read_everything_is_refused(
    target: Target, folder: Path, out: Path
) -> None:
    target.run(folder)
    with (
        login_in(target, "importer") as other,
        pytest.raises(SessionbaseError) as caught,
    ):
        export(other, out)
    assert caught.value.code == ExitCode.NO_PERMISSION
    assert list(out.iterdir()) == []


def test_an_account_that_is_not_there_is_refused(target: Target, out: Path) -> None:
    with pytest.raises(SessionbaseError) as caught:
        export(Target(target.server, target.connection, "nobody"), out)
    assert caught.value.code == ExitCode.NO_ACCOUNT
