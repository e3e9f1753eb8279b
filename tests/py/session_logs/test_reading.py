"""How a log falls into entries, whatever is in it and however it is read."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.session_logs.reading import (
    BEGIN,
    Batch,
    Entry,
    Limits,
    Log,
    Point,
    StalePoint,
    open_log,
)
from tests.py.session_logs.builders import document, gemini, gemini_message, lines_of, rollout

# A new folder for every example would be one file too many; each example writes its own.
anew = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def opened(path: Path, content: bytes, limits: Limits | None = None) -> Log:
    path.write_bytes(content)
    log = open_log(path, limits)
    assert log is not None
    return log


def entries(log: Log, start: Point = BEGIN) -> list[Entry]:
    return [entry for batch in log.batches(start) for entry in batch.entries]


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b'{"a":1}\n{"b":2}\n', [(1, '{"a":1}'), (2, '{"b":2}')], id="plain"),
        pytest.param(b'{"a":1}\r\n\r\n{"b":2}\r\n', [(1, '{"a":1}'), (3, '{"b":2}')], id="CRLF"),
        pytest.param(b'\xef\xbb\xbf{"a":1}\n', [(1, '{"a":1}')], id="byte order mark"),
        pytest.param(b'\n \t\n{"a":1}\n\n', [(3, '{"a":1}')], id="blank lines"),
        pytest.param(b'{"a":1}\n{"a":\n7\n', [(1, '{"a":1}'), (2, '{"a":'), (3, "7")], id="broken"),
        pytest.param(b'{"a":"\xff"}\n', [(1, '{"a":"\ufffd"}')], id="no UTF-8"),
        pytest.param(b'{"a":"\x00"}\n', [(1, '{"a":"\ufffd"}')], id="NUL"),
        pytest.param(b'{"a":"\xed\xa0\x80"}\n', [(1, '{"a":"\ufffd\ufffd\ufffd"}')], id="CESU"),
    ],
)
def test_lines(tmp_path: Path, content: bytes, expected: list[tuple[int, str]]) -> None:
    log = opened(tmp_path / "log.jsonl", content)
    assert log.is_lines
    found = entries(log)
    assert [(entry.number, entry.text) for entry in found] == expected
    assert {entry.fault for entry in found} == {None}
    assert log.sha256 == sha256(content)


def test_a_line_without_a_line_feed_is_given_and_not_settled(tmp_path: Path) -> None:
    log = opened(tmp_path / "log.jsonl", b'{"a":1}\n{"b":2}')
    (batch,) = log.batches(BEGIN)
    assert batch.entries == [Entry('{"a":1}', 1, None), Entry('{"b":2}', 2, "unfinished")]
    assert batch.settled == Point(1, 8, sha256(b'{"a":1}\n'))


def test_blank_lines_behind_a_full_batch_are_settled_too(tmp_path: Path) -> None:
    content = b'{"a":1}\n{"b":2}\n\n \n'
    log = opened(tmp_path / "log.jsonl", content, Limits(batch_entries=2, window=16))
    full, last = log.batches(BEGIN)
    assert (len(full.entries), full.settled.size_bytes) == (2, 16)
    assert last == Batch([], Point(2, len(content), sha256(content)))


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf", b'{"type":"sess', b"he"])
def test_nothing_can_be_read_yet(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(content)
    assert open_log(path) is None


def test_a_huge_line_is_given_by_its_begin(tmp_path: Path) -> None:
    huge = b'{"a":"' + b"x" * 5000 + b'"}'
    limits = Limits(most=1000, excerpt=10, window=64)
    content = b'{"a":1}\n' + huge + b'\n{"b":2}\n'
    log = opened(tmp_path / "log.jsonl", content, limits)
    assert entries(log) == [
        Entry('{"a":1}', 1, None),
        Entry('{"a":"xxxx', 2, "too_large"),
        Entry('{"b":2}', 3, None),
    ]
    assert log.sha256 == sha256(content)


def test_a_first_line_longer_than_a_window_is_whole_in_the_head(tmp_path: Path) -> None:
    first = b'{"a":"' + b"x" * 500 + b'"}'
    log = opened(tmp_path / "log.jsonl", first + b'\n{"b":2}\n', Limits(window=64))
    assert log.head[0] == first.decode()


@pytest.mark.parametrize("indent", [None, 2])
def test_a_document(tmp_path: Path, indent: int | None) -> None:
    session = gemini(3, summary="s", directories=["/a"])
    content = json.dumps(session, indent=indent).encode()
    log = opened(tmp_path / "session.json", content)
    assert not log.is_lines
    around = {name: value for name, value in session.items() if name != "messages"}
    # What stands behind the list is known once the list was passed.
    assert json.loads(log.head[0]).keys() == {
        "sessionId",
        "projectHash",
        "startTime",
        "lastUpdated",
    }
    assert log.sums([]) == (sha256(content), set())
    assert json.loads(log.header or "") == around
    found = entries(log)
    assert [json.loads(entry.text) for entry in found] == session["messages"]
    assert [entry.number for entry in found] == [1, 2, 3]
    assert log.sha256 == sha256(content)


def test_documents_of_other_shapes(tmp_path: Path) -> None:
    messages = [gemini_message(n) for n in range(2)]
    first = opened(tmp_path / "1.json", document({"messages": messages, "sessionId": "s"}))
    first.sums([])
    assert json.loads(first.header or "") == {"sessionId": "s"}
    assert len(entries(first)) == 2

    alone = opened(tmp_path / "2.json", json.dumps(messages, indent=1).encode())
    assert not alone.is_lines
    assert alone.header is None
    assert [json.loads(text) for text in alone.head] == messages

    empty = opened(tmp_path / "3.json", document(gemini(0)))
    assert not empty.is_lines
    assert entries(empty) == []


def test_a_document_that_ends_within_an_entry(tmp_path: Path) -> None:
    content = document(gemini(3))
    log = opened(tmp_path / "session.json", content[: content.index(b"message 2")])
    found = entries(log)
    assert [entry.fault for entry in found] == [None, None, "cut_off"]
    assert log.sums([])[0] == sha256(log.path.read_bytes())
    assert "sessionId" in json.loads(log.header or "")


def test_a_huge_entry_of_a_document_is_given_by_its_begin(tmp_path: Path) -> None:
    session = gemini(3)
    session["messages"][1]["content"] = "x" * 5000
    limits = Limits(most=1000, excerpt=20)
    log = opened(tmp_path / "session.json", document(session), limits)
    found = entries(log)
    assert [entry.fault for entry in found] == [None, "too_large", None]
    assert len(found[1].text) == 20


@pytest.mark.parametrize(
    "line",
    [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"timestamp": "2026-01-01T00:00:00Z", "type": "session_meta", "payload": {"id": "x"}},
    ],
)
@pytest.mark.parametrize("count", [1, 2])
def test_lines_with_lists_in_them_are_lines(
    tmp_path: Path, line: dict[str, object], count: int
) -> None:
    assert opened(tmp_path / "log.json", lines_of([line] * count)).is_lines


json_like = st.one_of(
    st.sampled_from(
        [b'{"a":1}', b"", b" ", b"x", b"\r", b"[1]", b'{"b":"\xff"}', b"{" + b"y" * 90, b"\x00"]
    ),
    st.binary(max_size=12).map(lambda some: some.replace(b"\n", b"")),
)
limits_of_all_kinds = st.builds(
    Limits,
    batch_bytes=st.integers(1, 60),
    batch_entries=st.integers(1, 5),
    most=st.integers(16, 100),
    excerpt=st.just(8),
    window=st.integers(1, 70),
)


@anew
@given(lines=st.lists(json_like, max_size=12), end=st.booleans(), limits=limits_of_all_kinds)
def test_batches_and_windows_change_nothing(
    tmp_path: Path, lines: list[bytes], end: bool, limits: Limits
) -> None:
    # A first line that is an object, so that it is a log.
    content = b'{"a":1}\n' + b"\n".join(lines) + (b"\n" if end else b"")
    log = opened(tmp_path / "log.jsonl", content, limits)
    batches = list(log.batches(BEGIN))
    whole = opened(log.path, content, Limits(most=limits.most, excerpt=limits.excerpt))
    assert [entry for batch in batches for entry in batch.entries] == entries(whole)
    assert log.sha256 == sha256(content)
    for batch in batches:
        assert content[: batch.settled.size_bytes].endswith(b"\n") or not batch.settled.size_bytes
        assert batch.settled.sha256 == sha256(content[: batch.settled.size_bytes])
    assert log.sums([batch.settled for batch in batches]) == (
        sha256(content),
        {batch.settled for batch in batches},
    )
    for point, rest in _rests(batches):
        assert entries(log, point) == rest


@anew
@given(count=st.integers(1, 9), limits=limits_of_all_kinds)
def test_a_document_goes_on_behind_any_point(tmp_path: Path, count: int, limits: Limits) -> None:
    log = opened(tmp_path / "session.json", document(gemini(count)), limits)
    batches = list(log.batches(BEGIN))
    points = {batch.settled for batch in batches}
    assert log.sums(points)[1] == points
    for point, rest in _rests(batches):
        assert entries(log, point) == rest


def _rests(batches: list[Batch]) -> list[tuple[Point, list[Entry]]]:
    """Return every point with the entries that are not settled by it."""
    every = [entry for batch in batches for entry in batch.entries]
    return [(batch.settled, every[batch.settled.count :]) for batch in batches]


@pytest.mark.parametrize("spell", [lines_of, None])
def test_a_point_of_another_log_is_stale(tmp_path: Path, spell: object) -> None:
    first, second = (
        (lines_of(rollout(4)), lines_of(rollout(4, "other")))
        if spell
        else (document(gemini(4)), document(gemini(4) | {"messages": [gemini_message(9)] * 4}))
    )
    points = [batch.settled for batch in opened(tmp_path / "log", first).batches(BEGIN)]
    log = opened(tmp_path / "log", second)
    assert log.sums(points)[1] == set()
    with pytest.raises(StalePoint):
        entries(log, points[-1])
    with pytest.raises(StalePoint):
        entries(log, Point(99, 10**9, b""))
