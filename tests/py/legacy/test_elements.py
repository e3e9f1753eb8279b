"""The splitter: the exact bytes of each element, and no damage taken for an end."""

import hashlib
import json
import tracemalloc
from collections.abc import Iterator
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import ExitCode, SessionbaseError
from harness.legacy import elements
from harness.legacy.elements import ArrayFile, Element

MIB = 1 << 20
WINDOWS = [1, 2, 3, 7, 64, MIB]

VALUES: dict[str, list[bytes]] = {
    "[]": [],
    " \t\r\n[ \n ] \r\n\t": [],
    "\ufeff[1]": [b"1"],
    "\ufeff \n[]": [],
    "[1]": [b"1"],
    "[1,2]": [b"1", b"2"],
    " [ 1 ,\t2\r\n,\n3 ] ": [b"1", b"2", b"3"],
    '["a","b"]': [b'"a"', b'"b"'],
    '[[],{},[[]],{"a":{}}]': [b"[]", b"{}", b"[[]]", b'{"a":{}}'],
    '[{"a": [1, {"b": "]"}]}, [ [2] , 3 ]]': [b'{"a": [1, {"b": "]"}]}', b"[ [2] , 3 ]"],
    r'["]", "[", "{", "}", ",", "],["]': [b'"]"', b'"["', b'"{"', b'"}"', b'","', b'"],["'],
    r'["\"", "\\", "\\\"", "\\\\", "a\\"]': [
        rb'"\""',
        rb'"\\"',
        rb'"\\\""',
        rb'"\\\\"',
        rb'"a\\"',
    ],
    r'[{"\"]\\": "\\"}, ""]': [rb'{"\"]\\": "\\"}', b'""'],
    r'["\ud83d", "\udc00\ud800", "\u0000"]': [rb'"\ud83d"', rb'"\udc00\ud800"', rb'"\u0000"'],
    '["潮 🌊", "\n"]': ['"潮 🌊"'.encode(), b'"\n"'],
    "[1.10, 1e400, -0, 12345678901234567890.123456789]": [
        b"1.10",
        b"1e400",
        b"-0",
        b"12345678901234567890.123456789",
    ],
    # What is no JSON inside an element is for Postgres to say.
    "[nul, tru e, {]]": [b"nul", b"tru e", b"{]"],
}


def write(folder: Path, data: bytes) -> Path:
    path = folder / "chat-messages.json"
    path.write_bytes(data)
    return path


def read(path: Path) -> list[Element]:
    return list(ArrayFile(path).elements())


def refusal(path: Path) -> SessionbaseError:
    with pytest.raises(SessionbaseError) as caught:
        ArrayFile(path).check()
    return caught.value


def assert_in_place(data: bytes, found: list[Element]) -> None:
    assert [element.ordinal for element in found] == list(range(len(found)))
    for element in found:
        assert data[element.offset : element.offset + len(element.raw)] == element.raw


def windows_for(data: bytes) -> list[int]:
    """List the windows to try: the mark of byte order is looked for in one window only."""
    return [window for window in WINDOWS if window >= 3 or not data.startswith(b"\xef")]


@pytest.fixture(params=WINDOWS)
def window(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Set the size of the window."""
    monkeypatch.setattr(elements, "_WINDOW", request.param)
    return int(request.param)


@pytest.mark.parametrize("text", VALUES)
def test_elements_are_the_bytes_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    data = text.encode()
    path = write(tmp_path, data)
    for window in windows_for(data):
        monkeypatch.setattr(elements, "_WINDOW", window)
        found = read(path)
        assert [element.raw for element in found] == VALUES[text]
        assert_in_place(data, found)


def test_invalid_utf8_in_a_string_passes_through(tmp_path: Path, window: int) -> None:
    raws = [b'"\xff\xfe"', b'"\xed\xa0\xbd"', b'"\xc0\x80,]"', b'"\x00"', b'{"a": "\xf0\x9f"}']
    data = b"[" + b", ".join(raws) + b"]"
    found = read(write(tmp_path, data))
    assert [element.raw for element in found] == raws, window
    assert_in_place(data, found)


def test_sums_are_right_after_the_last_element(tmp_path: Path, window: int) -> None:
    data = b' [ {"id": "a"},\n{"id": "b"} ] \n'
    file = ArrayFile(write(tmp_path, data))
    file.check()
    assert (file.count, file.size_bytes) == (2, len(data)), window
    assert file.sha256 == hashlib.sha256(data).digest()


def test_sums_of_an_empty_array(tmp_path: Path) -> None:
    file = ArrayFile(write(tmp_path, b"[]"))
    file.check()
    assert (file.count, file.size_bytes) == (0, 2)
    assert file.sha256 == hashlib.sha256(b"[]").digest()


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.text('"\\[]{},', max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
blanks = st.text(" \t\r\n", max_size=3)


@st.composite
def arrays(draw: st.DrawFn) -> tuple[str, list[Any]]:
    """Draw an array's text, and what stands in it."""
    values = draw(st.lists(json_values, max_size=5))
    ascii_only = draw(st.booleans())
    texts = [json.dumps(value, ensure_ascii=ascii_only) for value in values]
    inside = ",".join(f"{draw(blanks)}{text}{draw(blanks)}" for text in texts)
    return f"{draw(blanks)}[{inside}{draw(blanks)}]{draw(blanks)}", values


@settings(
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(array=arrays(), window=st.sampled_from([1, 2, 3, 5, 7, 16, MIB]))
def test_elements_parse_back_to_the_values(
    tmp_path: Path, array: tuple[str, list[Any]], window: int
) -> None:
    text, values = array
    data = text.encode()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(elements, "_WINDOW", window)
        found = read(write(tmp_path, data))
    assert [json.loads(element.raw) for element in found] == values
    assert_in_place(data, found)


NO_ARRAYS = {
    "empty": (b"", "is empty", 0),
    "blank": (b" \n\t ", "is empty", 4),
    "only a mark of byte order": (b"\xef\xbb\xbf", "is empty", 3),
    "an object": (b' {"threads": []}', "does not begin with [", 1),
    "a number": (b"5", "does not begin with [", 0),
    "null": (b"null", "does not begin with [", 0),
    "a string": (b'"[]"', "does not begin with [", 0),
    "JSON lines": (b'{"id": "a"}\n{"id": "b"}\n', "does not begin with [", 0),
    "lines of arrays": (b"[1]\n[2]\n", "something follows", 4),
    "two arrays": (b"[1][2]", "something follows", 3),
    "a comma behind": (b"[],", "something follows", 2),
    "a bracket behind": (b"[]]", "something follows", 2),
    "zeros behind": (b"[1] \x00\x00", "something follows", 4),
    "a comma last": (b"[1,]", "a comma without a record", 3),
    "a comma last, blanks": (b"[1 ,\n ] ", "a comma without a record", 6),
    "a comma first": (b"[,1]", "a comma without a record", 1),
    "two commas": (b"[1,,2]", "a comma without a record", 3),
    "a comma alone": (b"[,]", "a comma without a record", 1),
    "UTF-16": ("[1]".encode("utf-16"), "does not begin with [", 0),
    "gzip": (b"\x1f\x8b\x08\x00[]", "does not begin with [", 0),
}


@pytest.mark.parametrize("case", NO_ARRAYS)
def test_what_is_no_array_is_refused_with_the_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    data, why, place = NO_ARRAYS[case]
    path = write(tmp_path, data)
    for window in windows_for(data):
        monkeypatch.setattr(elements, "_WINDOW", window)
        error = refusal(path)
        assert error.code == ExitCode.NOT_AN_ARRAY
        assert error.what.startswith("chat-messages.json is no JSON array of records: ")
        assert why in error.what
        assert error.what.endswith(f"(byte {place})")


WHOLE = '\n [ {"id": "a]", "b": [1, {"c": "\\\\\\"潮"}]}, "x,\\"" , [[2]], 3 , {} ]'.encode()


def begins_of(data: bytes) -> list[int]:
    """List the bytes at which the elements of WHOLE begin."""
    starts = [b'{"id"', b'"x', b"[[2", b"3 ,", b"{} "]
    return [data.index(start) for start in starts]


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_a_file_cut_anywhere_is_refused_with_the_byte(
    tmp_path: Path, window: int, length: int
) -> None:
    error = refusal(write(tmp_path, WHOLE[:length]))
    bracket = WHOLE.index(b"[")
    if length <= bracket:
        assert error.code == ExitCode.NOT_AN_ARRAY, window
        assert error.what.endswith(f"(byte {length})")
        return
    assert error.code == ExitCode.CUT_OFF
    record, place = cut_record(length)
    assert f"record {record}, which begins at byte {place}," in error.what
    assert f"cut the file before byte {place}," in error.hint


def cut_record(length: int) -> tuple[int, int]:
    """Work out, from the marks of WHOLE, which record a cut goes through and where that begins."""
    begins = begins_of(WHOLE)
    ends = [
        WHOLE.index(mark, begin)
        for mark, begin in zip([b', "x', b", [[", b", 3", b", {}", b"]"], begins, strict=True)
    ]
    done = sum(1 for end in ends if end < length)
    after = ends[done - 1] + 1 if done else WHOLE.index(b"[") + 1
    blank = len(WHOLE[after:length]) - len(WHOLE[after:length].lstrip())
    return done + 1, after + blank


def test_the_whole_of_the_file_that_is_cut_is_fine(tmp_path: Path, window: int) -> None:
    found = read(write(tmp_path, WHOLE))
    assert [element.offset for element in found] == begins_of(WHOLE), window
    assert [json.loads(element.raw) for element in found][1:] == ['x,"', [[2]], 3, {}]


@settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(array=arrays(), window=st.sampled_from([1, 3, 8, MIB]), data=st.data())
def test_a_cut_never_passes_for_a_shorter_file(
    tmp_path: Path, array: tuple[str, list[Any]], window: int, data: st.DataObject
) -> None:
    whole = array[0].rstrip().encode()
    length = data.draw(st.integers(0, len(whole) - 1))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(elements, "_WINDOW", window)
        error = refusal(write(tmp_path, whole[:length]))
    assert error.code in (ExitCode.NOT_AN_ARRAY, ExitCode.CUT_OFF)


def test_following_the_hint_of_a_cut_file_saves_the_records_before(tmp_path: Path) -> None:
    error = refusal(write(tmp_path, b'[\n  {"id": "a"},\n  {"id": "b'))
    place = int(error.hint.split("before byte ")[1].split(",")[0])
    saved = b'[\n  {"id": "a"},\n  {"id": "b'[:place].rstrip().rstrip(b",") + b"]"
    assert [element.raw for element in read(write(tmp_path, saved))] == [b'{"id": "a"}']


def test_brackets_that_do_not_match_are_not_mended(tmp_path: Path) -> None:
    error = refusal(write(tmp_path, b'[{"a": [1}, {"b": 2}]'))
    assert error.code == ExitCode.CUT_OFF
    assert "record 1, which begins at byte 1," in error.what


def test_a_folder_or_no_file_can_not_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.json"):
        error = refusal(path)
        assert error.code == ExitCode.NO_DATA_FOLDER
        assert str(path) in error.what


def test_a_file_that_fails_while_read_can_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path, b"[1]")
    assert len(read(path)) == 1
    monkeypatch.setattr(ArrayFile, "_read", fail)
    error = refusal(path)
    assert error.code == ExitCode.NO_DATA_FOLDER
    assert "Permission denied" in error.what


# Size.


def big_file(folder: Path, megabytes: int) -> tuple[Path, int]:
    """Write an array of small records of so many megabytes; return it and their number."""
    record = b'{\n    "id": "chat_%09d",\n    "content": "[\\"}' + b"x" * 430 + b'"\n  }'
    count = megabytes * 1_000_000 // len(record)
    path = folder / "chat-messages.json"
    with path.open("wb") as stream:
        stream.write(b"[\n  ")
        for number in range(count):
            stream.write((b",\n  " if number else b"") + record % number)
        stream.write(b"\n]")
    return path, count


def test_a_big_file_takes_little_memory(tmp_path: Path) -> None:
    path, count = big_file(tmp_path, 60)
    file = ArrayFile(path)
    tracemalloc.start()
    try:
        file.check()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert file.count == count
    assert file.size_bytes == path.stat().st_size
    assert file.size_bytes > 59_000_000
    assert peak < 10_000_000


class Work:
    """Counts what the splitter does: bytes that it copied, and bytes that it looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reads = 0
        self.copied = 0
        self.looked_at = 0
        self._pattern = elements._MARK  # noqa: SLF001
        self._read_more = elements._Splitter._read_more  # noqa: SLF001
        monkeypatch.setattr(elements, "_MARK", self)
        read_more = partialmethod(_counted, self)
        monkeypatch.setattr(elements._Splitter, "_read_more", read_more)  # noqa: SLF001

    def search(self, window: bytes, place: int) -> Any:  # noqa: ANN401
        """Search as the pattern does."""
        found = self._pattern.search(window, place)
        to_the_end = found is None or found.group() == b'"'
        self.looked_at += (len(window) if to_the_end or found is None else found.end()) - place
        return found

    def read_more(self, splitter: Any) -> bool:  # noqa: ANN401
        """Read more as the splitter does."""
        more: bool = self._read_more(splitter)
        self.reads += 1
        self.copied += len(splitter._window)  # noqa: SLF001
        return more


def _counted(splitter: Any, work: Work) -> bool:  # noqa: ANN401
    return work.read_more(splitter)


def pieces() -> Iterator[bytes]:
    """Give an object of many long strings, some 20 MB together."""
    yield b"{"
    for number in range(20):
        yield b'"%d": "' % number + b'\\"]' * 330_000 + b'", '
    yield b'"last": 1}'


@pytest.mark.parametrize(
    "record",
    [b'"' + b"x" * 20_000_000 + b'"', b'"' + b"\\\\" * 10_000_000 + b'"', b"".join(pieces())],
    ids=["one string", "one string of escapes", "an object"],
)
def test_a_big_record_is_looked_at_a_few_times_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: bytes
) -> None:
    path = write(tmp_path, b'[{"id": 1}, ' + record + b", 3]")
    work = Work(monkeypatch)
    found = read(path)
    assert [element.raw for element in found] == [b'{"id": 1}', record, b"3"]
    size = path.stat().st_size
    assert work.reads < 12
    assert work.copied < 4 * size
    assert work.looked_at < 4 * size
