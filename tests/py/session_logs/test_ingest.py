"""What becomes of a log: new, grown, written anew, unchanged, moved, copied, or no log at all."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.connections import Connection, Server
from harness.errors import ExitCode, SessionbaseError
from harness.session_logs.results import Broken
from harness.uploads import read_upload
from tests.py.session_logs.builders import (
    LOG_ID,
    SMALL,
    Account,
    at,
    document,
    gemini,
    gemini_message,
    item,
    lines_of,
    meta,
    new_account,
    old_rollout,
    rollout,
    said,
)

SESSION = f"session-{LOG_ID}"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "rollout.jsonl"


def uploads(account: Account) -> list[tuple[str, bytes, str]]:
    """Return each upload's session, content and source, read back as any reader does."""
    rows = account.rows(
        "select id, session_id, source from app.session_uploads where account_id = %s "
        "order by stored_at, id"
    )
    return [
        (session, b"".join(read_upload(account.connection, account.uuid, upload)), source)
        for upload, session, source in rows
    ]


def facts(account: Account, session_id: str = SESSION) -> tuple[object, ...]:
    (row,) = account.rows(
        "select cwd, repository_url, branch, commit_hash, originator, cli_version "
        "from app.sessions where account_id = %s and id = %s",
        session_id,
    )
    return tuple(row)


def test_a_new_rollout(account: Account, log: Path) -> None:
    content = lines_of(
        [
            meta(),
            {"timestamp": at(1), "type": "turn_context", "payload": {"cwd": "/elsewhere"}},
            said(2, "Where?"),
            item(3, type="reasoning", summary=[{"type": "summary_text", "text": "Looking"}]),
            item(4, type="function_call", name="shell", arguments='{"a":1}', call_id="c1"),
            item(5, type="function_call_output", call_id="c1", output="out"),
            item(6, type="custom_tool_call", name="apply_patch", input="patch", call_id="c2"),
            item(7, type="custom_tool_call_output", call_id="c2", output=[{"text": "done"}]),
            item(8, type="local_shell_call", call_id="c3", action={"command": ["ls"]}),
            item(9, type="web_search_call", action={"type": "search", "query": "q"}),
            {"timestamp": at(10), "type": "event_msg", "payload": {"type": "x", "message": "m"}},
            {"timestamp": at(11), "type": "compacted", "payload": {"message": "summary"}},
            said(12, "Here.", "assistant"),
        ]
    )
    result = account.read(log, content)
    assert (result.status, result.added, result.events, result.broken_count) == ("new", 13, 13, 0)
    assert (result.format, result.session_id) == ("codex", SESSION)

    rows = [event[2:4] + event[5:8] for event in account.timeline(SESSION)]
    assert rows == [
        ("session_meta", None, None, None, None),
        ("turn_context", None, None, None, None),
        ("message", "user", None, None, "Where?"),
        ("reasoning", None, None, None, "Looking"),
        ("function_call", None, "c1", "shell", '{"a":1}'),
        ("function_call_output", None, "c1", None, "out"),
        ("custom_tool_call", None, "c2", "apply_patch", "patch"),
        ("custom_tool_call_output", None, "c2", None, "done"),
        ("local_shell_call", None, "c3", None, '["ls"]'),
        ("web_search_call", None, None, None, "q"),
        ("event_msg", None, None, None, "m"),
        ("compacted", None, None, None, "summary"),
        ("message", "assistant", None, None, "Here."),
    ]
    times = [event[4].strftime("%Y-%m-%dT%H:%M:%S.250Z") for event in account.timeline(SESSION)]
    assert times == [at(second) for second in (0, *range(1, 13))]
    payloads = [event[8] for event in account.timeline(SESSION)]
    assert payloads == [json.loads(line) for line in content.splitlines()]
    assert facts(account) == (
        "/home/dana/till",
        "https://x.example/a/b.git",
        "main",
        "c0ffee",
        "codex_cli_rs",
        "0.104.0",
    )
    assert uploads(account) == [(SESSION, content, "external")]
    ((label, root, origin, path),) = account.rows(
        "select repo_label, workspace_root, origin, source_path from app.session_uploads "
        "where account_id = %s"
    )
    assert (label, root, origin, path) == ("b", "/home/dana/till", "codex", str(log))
    ((began, ended),) = account.rows(
        "select created_at, updated_at from app.sessions where account_id = %s"
    )
    assert (times[0], times[-1]) == (
        began.strftime("%Y-%m-%dT%H:%M:%S.250Z"),
        ended.strftime("%Y-%m-%dT%H:%M:%S.250Z"),
    )


def test_an_old_rollout(account: Account, log: Path) -> None:
    result = account.read(log, lines_of(old_rollout()))
    assert (result.session_id, result.format) == ("session-7a3f1c52", "codex")
    rows = [event[2:8] for event in account.timeline()]
    assert [row[0] for row in rows] == [
        "session_meta",
        "state",
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
    ]
    assert [row[5] for row in rows[3:]] == ["Hm", "{}", "done"]
    assert facts(account, "session-7a3f1c52") == (
        "/home/dana/shelf",
        None,
        "tidy",
        "91d0b6",
        None,
        None,
    )


def test_the_oldest_rollouts_are_one_document(account: Account, tmp_path: Path) -> None:
    header, *items = old_rollout()
    content = document({"session": header, "items": items})
    result = account.read(tmp_path / "rollout.json", content)
    assert (result.session_id, result.format, result.events) == ("session-7a3f1c52", "codex", 5)
    assert facts(account, "session-7a3f1c52")[0] == "/home/dana/shelf"
    assert uploads(account) == [("session-7a3f1c52", content, "external")]


def test_a_session_of_gemini_cli(account: Account, tmp_path: Path) -> None:
    session = gemini(2, directories=["/home/dana/slow"])
    call = {"id": "t1", "name": "run", "args": {"a": 1}, "result": [], "status": "success"}
    session["messages"][1] |= {"content": "", "toolCalls": [call]}
    result = account.read(tmp_path / "session.json", document(session))
    assert (result.session_id, result.format) == ("session-e2b1c0de", "gemini-cli")
    rows = [event[2:4] + event[5:8] for event in account.timeline()]
    assert rows == [
        ("user", "user", None, None, "message 0"),
        ("gemini", "assistant", "t1", "run", '{"a": 1}'),
    ]
    assert [event[8] for event in account.timeline()] == session["messages"]
    assert facts(account, "session-e2b1c0de")[0] == "/home/dana/slow"
    assert facts(account, "session-e2b1c0de")[4] == "gemini-cli"


def test_gemini_cli_as_lines(account: Account, log: Path) -> None:
    around = {name: value for name, value in gemini(0).items() if name != "messages"}
    parts = [{"text": "two"}, {"inlineData": {}}, {"text": "parts"}]
    records = [
        around,
        gemini_message(0) | {"content": parts},
        {"$set": {"summary": "s"}},
        {"$rewindTo": "m0"},
    ]
    result = account.read(log, lines_of(records))
    assert (result.session_id, result.format) == ("session-e2b1c0de", "gemini-cli")
    rows = [(event[2], event[7]) for event in account.timeline()]
    assert rows == [("session", None), ("user", "two\nparts"), ("$set", None), ("$rewindTo", None)]


def test_any_other_json_lines(account: Account, log: Path) -> None:
    records = [
        {"type": "user", "message": {"role": "user", "content": "hi"}, "timestamp": at(1)},
        {"level": 3, "text": "t", "type": 7},
    ]
    result = account.read(log, lines_of(records))
    assert result.format == "json-lines"
    rows = [(event[2], event[3], event[7]) for event in account.timeline()]
    assert rows == [("user", "user", "hi"), ("record", None, "t")]


BROKEN = [
    pytest.param(b'{"a":', '{"a":', "not_json", id="cut"),
    pytest.param(b"\x00\x00\x00", "\ufffd\ufffd\ufffd", "not_json", id="zeros"),
    pytest.param(b"oops \xff", "oops \ufffd", "not_json", id="no text"),
    pytest.param(b'["a"]', '["a"]', "not_an_object", id="list"),
    pytest.param(b"null", "null", "not_an_object", id="null"),
    pytest.param(b'{"a":1,}', '{"a":1,}', "not_json", id="comma"),
    pytest.param(b'{"a":' + b"[" * 20000, '{"a":' + "[" * 20000, "not_json", id="deep"),
]


@pytest.mark.parametrize(("line", "body", "reason"), BROKEN)
def test_a_broken_line_is_kept_counted_and_shown(
    account: Account, log: Path, line: bytes, body: str, reason: str
) -> None:
    content = lines_of([meta(), b"", said(1, "before"), line, said(2, "after")])
    result = account.read(log, content)
    assert (result.events, result.broken_count) == (4, 1)
    assert result.broken == [Broken(4, reason)]
    event = account.timeline()[2]
    assert (event[2], event[3], event[4], event[7]) == ("broken", None, None, body)
    assert event[8] == {"line": 4, "reason": reason}
    assert [row[1] for row in account.timeline()] == [0, 1, 2, 3]
    assert uploads(account) == [(SESSION, content, "external")]


@pytest.mark.parametrize(
    ("spelled", "kept"),
    [
        (rb"a\u0000b", "a\ufffdb"),
        (rb"a\ud800b", "a\ufffdb"),
        (rb"\ude00\ud83d", "\ufffd\ufffd"),
        (rb"\ud83d\ude00", "\U0001f600"),
        (rb"\\u0000", r"\u0000"),
        (b"a\xffb", "a\ufffdb"),
        (b"a\x00b", "a\ufffdb"),
    ],
)
def test_what_postgres_can_not_hold_is_replaced(
    account: Account, log: Path, spelled: bytes, kept: str
) -> None:
    line = b'{"type":"response_item","payload":{"type":"message","content":"' + spelled + b'"}}'
    content = lines_of([meta(), line])
    result = account.read(log, content)
    assert (result.events, result.broken_count) == (2, 0)
    assert account.bodies(SESSION)[1] == kept
    assert uploads(account) == [(SESSION, content, "external")]


def test_a_huge_line_is_shown_by_its_begin(account: Account, log: Path) -> None:
    small = type(SMALL)(batch_bytes=600, batch_entries=3, most=2000, excerpt=30, window=256)
    content = lines_of([meta(), said(1, "x" * 9000), said(2, "after")])
    result = account.read(log, content, limits=small)
    assert result.broken == [Broken(2, "too_large")]
    assert account.bodies(SESSION)[1:] == [content.splitlines()[1][:30].decode(), "after"]
    assert uploads(account) == [(SESSION, content, "external")]


def test_unchanged_writes_nothing(account: Account, log: Path) -> None:
    account.read(log, lines_of(rollout()))
    versions = account.versions()
    result = account.read(log, lines_of(rollout()))
    assert (result.status, result.added, result.session_id) == ("unchanged", 0, SESSION)
    assert account.versions() == versions


def test_only_the_tail_of_a_log_that_has_grown_is_read(account: Account, log: Path) -> None:
    account.read(log, lines_of(rollout(5)))
    versions = set(account.versions())
    content = lines_of(rollout(9))
    result = account.read(log, content)
    assert (result.status, result.added, result.events) == ("grown", 4, 10)
    # The rows that were there are the same rows.
    assert len(versions & set(account.versions())) == 6
    assert account.bodies(SESSION)[-1].startswith("8:")  # type: ignore[union-attr]
    # The upload has grown with it.
    assert uploads(account) == [(SESSION, content, "external")]


def test_a_half_written_line_is_read_again_when_it_is_whole(account: Account, log: Path) -> None:
    content = lines_of(rollout(3))
    result = account.read(log, content[:-20])
    assert (result.events, result.broken) == (4, [Broken(4, "unfinished")])
    assert account.read(log, content[:-20]).status == "unchanged"
    result = account.read(log, content)
    assert (result.status, result.events, result.broken_count) == ("grown", 4, 0)
    assert account.timeline()[3][2] == "message"


def test_a_log_that_was_written_anew(account: Account, log: Path) -> None:
    first, second = lines_of(rollout(5)), lines_of([meta(branch="x", git={}), said(1, "anew")])
    account.read(log, first)
    result = account.read(log, second)
    assert (result.status, result.added, result.events) == ("rewritten", 2, 2)
    assert result.note == "its timeline was replaced"
    assert account.bodies(SESSION) == [None, "anew"]
    assert facts(account)[1:4] == (None, None, None)
    # Nothing is lost: what it was before is still an upload of the session.
    assert uploads(account) == [(SESSION, first, "external"), (SESSION, second, "external")]
    assert account.read(log, second).status == "unchanged"


def test_a_log_that_was_cut_was_written_anew(account: Account, log: Path) -> None:
    account.read(log, lines_of(rollout(5)))
    result = account.read(log, lines_of(rollout(3)))
    assert (result.status, result.events) == ("rewritten", 4)


def test_a_document_that_has_grown_or_changed_its_last_entry(
    account: Account, tmp_path: Path
) -> None:
    path = tmp_path / "session.json"
    account.read(path, document(gemini(4)))
    session = gemini(6, summary="now with a summary")
    session["messages"][3]["content"] = "changed"
    result = account.read(path, document(session))
    assert (result.status, result.added, result.events) == ("grown", 2, 6)
    assert account.bodies("session-e2b1c0de")[3] == "changed"
    assert [event[8] for event in account.timeline()] == session["messages"]

    session["messages"][1]["content"] = "changed too"
    assert account.read(path, document(session)).status == "rewritten"
    assert [event[8] for event in account.timeline()] == session["messages"]
    assert account.read(path, document(session)).status == "unchanged"


def test_copies_of_a_log_are_that_log(account: Account, tmp_path: Path) -> None:
    content = lines_of(rollout(6))
    older = content[: len(content) // 2]
    paths = [tmp_path / name for name in ("a.jsonl", "b.jsonl", "c.jsonl")]
    account.read(paths[0], content)
    assert account.read(paths[1], content).status == "unchanged"
    result = account.read(paths[2], older)
    assert (result.status, result.note) == ("unchanged", f"older than {paths[0]}")
    # A copy that has grown is the log now, and what it was copied from is an older one.
    longer = lines_of(rollout(8))
    result = account.read(paths[1], longer)
    assert (result.status, result.added, result.session_id) == ("grown", 2, SESSION)
    versions = account.versions()
    for _ in range(2):
        statuses = [log.status for log in account.ingest(*paths).logs]
        assert statuses == ["unchanged"] * 3
    assert account.versions() == versions
    assert uploads(account) == [(SESSION, longer, "external")]


def test_another_log_of_the_same_id_gets_a_session_of_its_own(
    account: Account, tmp_path: Path
) -> None:
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    account.read(one, lines_of(rollout(3)))
    result = account.read(other, lines_of([meta(cwd="/other"), said(1, "other")]))
    assert result.status == "new"
    assert result.session_id not in {None, SESSION}
    assert str(result.session_id).startswith(f"{SESSION}-")
    assert result.note == f"its id is that of {SESSION}, which has another log"
    assert account.bodies(str(result.session_id)) == [None, "other"]
    # It stays so, in whatever order they are read, and also when one has grown.
    versions = account.versions()
    assert {log.status for log in account.ingest(other, one).logs} == {"unchanged"}
    assert account.versions() == versions
    grown = account.read(one, lines_of(rollout(4)))
    assert (grown.status, grown.session_id) == ("grown", SESSION)
    changed = account.read(other, lines_of([meta(cwd="/other"), said(1, "other"), said(2, "x")]))
    assert (changed.status, changed.session_id) == ("grown", result.session_id)


def test_a_log_without_an_id_is_known_by_its_path(account: Account, tmp_path: Path) -> None:
    content = lines_of([{"type": "a"}, {"type": "b"}])
    first = account.read(tmp_path / "1.jsonl", content)
    second = account.read(tmp_path / "2.jsonl", content)
    assert {first.status, second.status} == {"new"}
    assert first.session_id != second.session_id
    assert account.read(tmp_path / "1.jsonl", content + b'{"type":"c"}\n').session_id == (
        first.session_id
    )


def test_another_log_in_the_place_of_one(account: Account, log: Path) -> None:
    account.read(log, lines_of(rollout(3)))
    result = account.read(log, lines_of(rollout(2, "another-id")))
    assert (result.status, result.session_id) == ("new", "session-another-id")
    assert len(account.timeline(SESSION)) == 4


def test_a_session_that_was_there_gets_its_log(account: Account, log: Path) -> None:
    account.rows("insert into app.sessions (account_id, id) values (%s, %s) returning 1", SESSION)
    assert account.read(log, lines_of(rollout(3))).session_id == SESSION
    assert len(account.timeline(SESSION)) == 4


def test_a_session_that_was_removed_is_read_again(account: Account, log: Path) -> None:
    account.read(log, lines_of(rollout(3)))
    account.rows("delete from app.sessions where account_id = %s returning 1")
    assert account.read(log, lines_of(rollout(3))).status == "new"
    assert len(account.timeline(SESSION)) == 4


def test_accounts_know_nothing_of_each_other(
    shared: tuple[Server, Connection], account: Account, log: Path
) -> None:
    account.read(log, lines_of(rollout(3)))
    other = new_account(*shared)
    assert other.read(log, lines_of(rollout(3))).status == "new"
    assert len(other.timeline(SESSION)) == len(account.timeline(SESSION)) == 4


REFUSED = [
    pytest.param("a.json", b'{\n "name": "x",\n "files": [{"a": 1}]\n}\n', id="document"),
    pytest.param("a.json", b'{\n "name": "x"\n}\n', id="no list"),
    pytest.param("a.jsonl", b"plain text\nof two lines\n", id="text"),
    pytest.param("a.jsonl", b"\xff\xfe\x00\x01\n" * 9, id="binary"),
]


@pytest.mark.parametrize(("name", "content"), REFUSED)
def test_what_is_no_log_is_refused_and_the_others_go_on(
    account: Account, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "b.jsonl").write_bytes(lines_of(rollout(2)))
    refused, read = account.ingest(tmp_path).logs
    assert (refused.status, refused.note) == ("refused", "it is no session log")
    assert read.status == "new"
    assert len(account.rows("select from app.session_uploads where account_id = %s")) == 1


def test_what_can_not_be_read_is_refused(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(lines_of(rollout(2, name)))
    whole = Path.open

    def failing(path: Path, *args: object, **kwargs: object) -> object:
        if path.name == "a.jsonl":
            raise PermissionError(13, "Permission denied")
        return whole(path, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", failing)
    refused, read = account.ingest(tmp_path).logs
    assert (refused.status, refused.note) == ("refused", "Permission denied")
    assert read.status == "new"


def test_a_log_that_changes_while_it_is_read_is_not_finished(
    account: Account, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = lines_of(rollout(9))
    changed = content.replace(b"word", b"WORD")
    from harness.session_logs import steps  # noqa: PLC0415 - the one place that is in the way

    finish_adding = steps.Books.add

    def add(books: steps.Books, known: steps.Known, batch: object) -> steps.Known:
        log.write_bytes(changed)
        return finish_adding(books, known, batch)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(steps.Books, "add", add)
        result = account.read(log, content)
    assert result.status == "refused"
    assert "changed while it was read" in result.note
    assert account.rows("select content_sha256 from app.session_logs where account_id = %s") in (
        [(None,)],
        [],
    )
    (result,) = account.ingest(log).logs
    assert result.status in {"new", "rewritten"}
    assert len(account.timeline(SESSION)) == 10
    assert uploads(account) == [(SESSION, changed, "external")]


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(
    account: Account, tmp_path: Path
) -> None:
    account.read(tmp_path / "old.jsonl", lines_of(rollout(3)))
    versions = account.versions()
    (tmp_path / "old.jsonl").write_bytes(lines_of(rollout(4)))
    (tmp_path / "new.jsonl").write_bytes(lines_of(rollout(4, "x")))
    result = account.ingest(tmp_path, dry_run=True)
    assert [(Path(log.path).name, log.status) for log in result.logs] == [
        ("new.jsonl", "new"),
        ("old.jsonl", "grown"),
    ]
    assert account.versions() == versions


def test_logs_that_a_viewer_was_shipped_with(account: Account, log: Path) -> None:
    account.read(log, lines_of(rollout(1)), bundled=True)
    assert [source for _, _, source in uploads(account)] == ["bundled"]


def test_an_account_that_is_not_there(account: Account, log: Path) -> None:
    log.write_bytes(lines_of(rollout(1)))
    for nobody in ("nobody-here", "00000000-0000-4000-8000-0000000000ff"):
        with pytest.raises(SessionbaseError) as raised:
            account.ingest(log, account=nobody)
        assert raised.value.code == ExitCode.NO_ACCOUNT


records = st.lists(
    st.one_of(
        st.builds(said, st.integers(1, 99), st.text(max_size=20)),
        st.sampled_from([b'{"half":', b"", b"7", b"\xff", b" \r", old_rollout()[1], meta("later")]),
    ),
    max_size=8,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rest=records, end=st.integers(0, 1000))
# A batch is full with the third line; the blank one behind it is settled however it is read.
@example(rest=[b"7", b"7", b""], end=len(lines_of([meta(), b"7"])))
def test_a_log_read_in_two_parts_is_as_if_read_at_once(
    shared: tuple[Server, Connection], tmp_path: Path, rest: list[object], end: int
) -> None:
    path = tmp_path / "log.jsonl"
    content = lines_of([meta(), *rest])
    grown, whole = new_account(*shared), new_account(*shared)
    grown.read(path, content[:end])
    grown.read(path, content)
    whole.read(path, content)
    assert grown.state() == whole.state()
    assert grown.read(path, content).status == "unchanged"


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(first=st.integers(0, 6), more=st.integers(0, 6))
def test_a_document_read_twice_is_as_if_read_at_once(
    shared: tuple[Server, Connection], tmp_path: Path, first: int, more: int
) -> None:
    path = tmp_path / "session.json"
    grown, whole = new_account(*shared), new_account(*shared)
    grown.read(path, document(gemini(first)))
    grown.read(path, document(gemini(first + more)))
    whole.read(path, document(gemini(first + more)))
    assert grown.state() == whole.state()
