"""The reader: the exact bytes of every record, and nothing lost, whatever became of the file."""

import hashlib
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import ExitCode, SessionbaseError
from harness.legacy import reader
from harness.legacy.reader import (
    LARGE,
    Batch,
    Element,
    RecordFile,
    ResumePoint,
    StaleResumePoint,
)

MIB = 1 << 20
WINDOWS = [1, 2, 3, 7, 64, MIB]

quick = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def write(folder: Path, data: bytes) -> Path:
    path = folder / "chat-messages.json"
    path.write_bytes(data)
    return path


class Reading(NamedTuple):
    """What reading a file gave."""

    elements: list[Element]
    faults: list[str]

    @property
    def raws(self) -> list[bytes | None]:
        """The elements' bytes."""
        return [element.raw for element in self.elements]

    @property
    def found(self) -> list[tuple[bytes | None, str | None]]:
        """The elements' bytes, each with its fault."""
        return [(element.raw, element.fault) for element in self.elements]


def read(path: Path, **limits: int) -> Reading:
    """Read a file, and see that its sums and every element's place and sum are right."""
    data = path.read_bytes()
    file = RecordFile(path, **limits)
    elements = list(file.elements())
    assert (file.size_bytes, file.sha256) == (len(data), hashlib.sha256(data).digest())
    assert (file.position, file.count) == (len(data), len(elements))
    for ordinal, element in enumerate(elements):
        assert element.ordinal == ordinal
        raw = data[element.offset : element.offset + element.length]
        assert element.raw in (raw, None)
        assert len(raw) == element.length > 0
        assert element.sha256 == hashlib.sha256(raw).digest()
    codes = [fault.code for fault in file.faults]
    assert len(codes) == len(set(codes))
    return Reading(elements, codes)


def refusal(path: Path) -> SessionbaseError:
    with pytest.raises(SessionbaseError) as caught:
        list(RecordFile(path).batches())
    return caught.value


# What is JSON.

VALUES: dict[str, list[bytes]] = {
    "[]": [],
    " \t\r\n[ \n ] \r\n\t": [],
    "[1]": [b"1"],
    "[1,2]": [b"1", b"2"],
    " [ 1 ,\t2\r\n,\n3 ] ": [b"1", b"2", b"3"],
    '["a","b"]': [b'"a"', b'"b"'],
    '[[],{},[[]],{"a":{}}]': [b"[]", b"{}", b"[[]]", b'{"a":{}}'],
    "[{},{},{}, {}]": [b"{}", b"{}", b"{}", b"{}"],
    "[1,11,111, 1 ,11]": [b"1", b"11", b"111", b"1", b"11"],
    '[{"a": [1, {"b": "]"}]}, [ [2] , 3 ]]': [b'{"a": [1, {"b": "]"}]}', b"[ [2] , 3 ]"],
    r'["]", "[", "{", "}", ",", "],["]': [b'"]"', b'"["', b'"{"', b'"}"', b'","', b'"],["'],
    r'["\"", "\\", "\\\"", "a\\"]': [rb'"\""', rb'"\\"', rb'"\\\""', rb'"a\\"'],
    r'[{"\"]\\": "\\"}, ""]': [rb'{"\"]\\": "\\"}', b'""'],
    r'["\ud83d", "\udc00\ud800", "\u0000"]': [rb'"\ud83d"', rb'"\udc00\ud800"', rb'"\u0000"'],
    '["潮 🌊", "\t\x7f"]': ['"潮 🌊"'.encode(), b'"\t\x7f"'],
    '[{"id": "},{\\"id\\":", "x": "},\\n  {"}, {"id": 2}]': [
        b'{"id": "},{\\"id\\":", "x": "},\\n  {"}',
        b'{"id": 2}',
    ],
    "[1.10, 1e400, -0, 12345678901234567890.123456789, true, false, null]": [
        *(b"1.10", b"1e400", b"-0", b"12345678901234567890.123456789", b"true", b"false", b"null")
    ],
    # A word that is no literal is for Postgres to refuse.
    "[nul,NaN,01, undefined ,-Infinity]": [b"nul", b"NaN", b"01", b"undefined", b"-Infinity"],
}


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("text", VALUES)
def test_elements_are_the_bytes_as_they_stand(tmp_path: Path, text: str, window: int) -> None:
    found = read(write(tmp_path, text.encode()), window_bytes=window)
    assert found == Reading(found.elements, [])
    assert found.found == [(raw, None) for raw in VALUES[text]]


@pytest.mark.parametrize("window", WINDOWS)
def test_what_is_no_utf8_in_a_string_passes_through(tmp_path: Path, window: int) -> None:
    raws = [b'"\xff\xfe"', b'"\xed\xa0\xbd"', b'"\xc0\x80,]"', b'"\x00\x01"', b'{"a": "\xf0\x9f"}']
    found = read(write(tmp_path, b"[" + b", ".join(raws) + b"]"), window_bytes=window)
    assert found.found == [(raw, None) for raw in raws]


ROWS: dict[bytes, list[bytes]] = {
    b'{"id": 1}\n{"id": 2}\n': [b'{"id": 1}', b'{"id": 2}'],
    b'{"id": 1}\r\n\r\n{"id": 2}': [b'{"id": 1}', b'{"id": 2}'],
    b'{"id": 1}{"id": 2} [3]': [b'{"id": 1}', b'{"id": 2}', b"[3]"],
    b'{\n  "threads": [\n    {}\n  ]\n}\n': [b'{\n  "threads": [\n    {}\n  ]\n}'],
    b' {\n  "id": 1\n }\n {\n  "id": 2\n }\n': [b'{\n  "id": 1\n }', b'{\n  "id": 2\n }'],
    b"5": [b"5"],
    b"1 2 null\ntrue": [b"1", b"2", b"null", b"true"],
    b'"[]"': [b'"[]"'],
    b'{"a": "\\ud800"}\n"x"\nNaN\n': [b'{"a": "\\ud800"}', b'"x"', b"NaN"],
}


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("data", ROWS)
def test_what_is_no_array_is_read_as_a_row_of_values(
    tmp_path: Path, data: bytes, window: int
) -> None:
    found = read(write(tmp_path, data), window_bytes=window)
    assert found.found == [(raw, None) for raw in ROWS[data]]
    assert found.faults == ["not_an_array"]


@pytest.mark.parametrize("window", [64, MIB])
@pytest.mark.parametrize(
    "member",
    [
        b'"a": "' + b"\\n" * 3000 + b'"',
        b'"a": {' + b'"k": "v\\n", ' * 1000 + b'"z": 1}',
        b'"a": [' + b"1, " * 1000 + b"2]",
    ],
    ids=["escapes", "members", "items"],
)
def test_what_is_longer_than_a_pattern_takes_at_once_is_walked_on(
    tmp_path: Path, member: bytes, window: int
) -> None:
    # The lone surrogate is what msgspec refuses, so that the record is walked through.
    raws = [b"{" + member + b', "b": "\\ud800"}', b"{" + member + b"}"]
    found = read(write(tmp_path, b"[" + b", ".join(raws) + b"]"), window_bytes=window)
    assert found.found == [(raw, None) for raw in raws]
    assert found.faults == []


def test_no_pattern_is_one_that_older_pythons_match_wrongly() -> None:
    # CPython issue 106052: mended in 3.11.5, and Debian 12 has 3.11.2.
    patterns = [item for item in vars(reader).values() if isinstance(item, re.Pattern)]
    assert len(patterns) > 5
    possessive_group = re.compile(rb"\)([*+?]|\{[0-9,]+\})\+|\(\?>")
    assert [item.pattern for item in patterns if possessive_group.search(item.pattern)] == []


@pytest.mark.parametrize("depth", [10_000, 1_000_000])
def test_depth_has_no_bound(tmp_path: Path, depth: int) -> None:
    deep = [b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth]
    found = read(write(tmp_path, b"[\n  " + b",\n  ".join([*deep, b"{}"]) + b"\n]"))
    assert [hashlib.sha256(raw).digest() for raw in [*deep, b"{}"]] == [
        element.sha256 for element in found.elements
    ]
    assert not any(fault for _, fault in found.found)


# What is not.


class Damaged(NamedTuple):
    """A damaged file, what it falls into, and what is said of the file."""

    data: bytes
    found: list[tuple[bytes, str | None]]
    faults: list[str]


A = b'{\n    "id": "a",\n    "x": [\n      {\n        "y": 1\n      }\n    ]\n  }'
B = b'{\n    "id": "b"\n  }'


def laid_out(*records: bytes) -> bytes:
    """Return a file as the viewer lays it out."""
    return b"[\n  " + b",\n  ".join(records) + b"\n]\n"


def bad(record: bytes) -> Damaged:
    """Return a record that is no JSON but has its brackets, between two others."""
    return Damaged(laid_out(A, record, B), [(A, None), (record, None), (B, None)], [])


def hurt(record: bytes, *faults: str) -> Damaged:
    """Return a record that lacks its end, between two others."""
    found: list[tuple[bytes, str | None]] = [(A, None), (record, "damaged"), (B, None)]
    return Damaged(laid_out(A, record, B), found, [*faults])


DAMAGED: dict[str, Damaged] = {
    # In the viewer's layout.
    "a line feed in a string": bad(B.replace(b'"b"', b'"b\n"')),
    "an escaped line feed that is raw": bad(B.replace(b'"b"', b'"b\\\n"')),
    "no quotation mark": bad(B.replace(b'"b"', b'"b')),
    "one quotation mark too many": bad(B.replace(b'"b"', b'"b""')),
    "a bracket of the wrong kind": bad(A.replace(b"\n    ]", b"\n    }")),
    "a bracket is missing": bad(A.replace(b"\n    ]", b"")),
    "a bracket too many": bad(A.replace(b'"x": [', b'"x": [[')),
    "no name": bad(B.replace(b'"id"', b"id")),
    "no colon": bad(B.replace(b":", b"")),
    "no comma": bad(A.replace(b'"a",', b'"a"')),
    "a comma too many": bad(B.replace(b'"b"', b'"b",')),
    "a comma first": bad(B.replace(b"{", b"{,")),
    "no value": bad(B.replace(b' "b"', b"")),
    "a comment": bad(B.replace(b'"b"', b'"b" // b')),
    "single quotes": bad(B.replace(b'"', b"'")),
    "an end of the wrong kind": hurt(B[:-1] + b"]"),
    "no end": hurt(B[:-4]),
    "nothing but a begin": hurt(b"{"),
    "zeros in place of it": hurt(bytes(9)),
    "zeros in its middle": bad(B[:9] + bytes(5) + B[14:]),
    "its begin is gone": Damaged(
        laid_out(A, B[2:], B),
        [(A, None), (b'"id"', None), (b': "b"\n  }', "damaged"), (B, None)],
        ["missing_comma"],
    ),
    "a word where a record must be": Damaged(
        laid_out(A, b"nul", B), [(A, None), (b"nul", None), (B, None)], []
    ),
    "a comment between": hurt(b"// see above, [1]"),
    "a byte order mark between": hurt(b"\xef\xbb\xbf{}"),
    "the last is damaged": Damaged(
        laid_out(A, B.replace(b'"b"', b'"b')),
        [(A, None), (B.replace(b'"b"', b'"b'), None)],
        [],
    ),
    "the last has no end": Damaged(laid_out(A, B[:-4]), [(A, None), (B[:-4], "damaged")], []),
    "the first has no begin": Damaged(
        laid_out(A[6:], B, B),
        [(A[6:10], None), (A[10:], "damaged"), (B, None), (B, None)],
        ["missing_comma"],
    ),
    "cut off in a record": Damaged(
        laid_out(A, B)[:-9], [(A, None), (B[:-6], "cut_off")], ["no_end"]
    ),
    "cut off behind a record": Damaged(laid_out(A, B)[:-3], [(A, None), (B, None)], ["no_end"]),
    "cut off behind a comma": Damaged(b"[\n  " + A + b",\n", [(A, None)], ["no_end"]),
    "cut off and zeros": Damaged(
        laid_out(A, B)[:-9] + bytes(40), [(A, None), (B[:-6] + bytes(40), "cut_off")], ["no_end"]
    ),
    "nothing but the bracket": Damaged(b"[", [], ["no_end"]),
    "twice": Damaged(laid_out(A) * 2, [(A, None), (laid_out(A)[:-1], "after_end")], ["after_end"]),
    "something behind": Damaged(
        b"[1] x\n ]  \n", [(b"1", None), (b"x\n ]", "after_end")], ["after_end"]
    ),
    "zeros behind": Damaged(
        b"[1] \x00\x00", [(b"1", None), (b"\x00\x00", "after_end")], ["after_end"]
    ),
    "a byte order mark": Damaged(b"\xef\xbb\xbf \n[1]", [(b"1", None)], ["byte_order_mark"]),
    # Commas between records.
    "a comma last": Damaged(b"[1,]", [(b"1", None)], ["extra_comma"]),
    "a comma first in the array": Damaged(b"[,1]", [(b"1", None)], ["extra_comma"]),
    "two commas": Damaged(b"[1,,2]", [(b"1", None), (b"2", None)], ["extra_comma"]),
    "many commas": Damaged(b"[,,1,\n,,2,,]", [(b"1", None), (b"2", None)], ["extra_comma"]),
    "a comma alone": Damaged(b"[,]", [], ["extra_comma"]),
    "no comma between": Damaged(
        b'[1 2 {} {"id": 1}"x"]',
        [(b"1", None), (b"2", None), (b"{}", None), (b'{"id": 1}', None), (b'"x"', None)],
        ["missing_comma"],
    ),
    # In one line.
    "one line: a comma too many": Damaged(
        b'[{"id":1,"x":[{"y":1},{"y":2}],},{"id":2},{"id":3,}]',
        [(b'{"id":1,"x":[{"y":1},{"y":2}],}', None), (b'{"id":2}', None), (b'{"id":3,}', None)],
        [],
    ),
    "one line: no quotation mark": Damaged(
        b'[{"id":"1},{"id":"2"}, {"id":"3"}]',
        [(b'{"id":"1}', None), (b'{"id":"2"}', None), (b'{"id":"3"}', None)],
        [],
    ),
    "one line: no end": Damaged(
        b'[{"id":1},{"id":2,"x":{"y":1}]',
        [(b'{"id":1}', None), (b'{"id":2,"x":{"y":1}', None)],
        [],
    ),
    "one line: loose bytes": Damaged(
        b'[{"id":1}, @ x, {"id":2}]',
        [(b'{"id":1}', None), (b"@ x", "damaged"), (b'{"id":2}', None)],
        [],
    ),
    "one line: cut off behind a bracket": Damaged(
        b'[{"id":1},{"id":2,"x":[{"y":1}]',
        [(b'{"id":1}', None), (b'{"id":2,"x":[{"y":1}]', "cut_off")],
        ["no_end"],
    ),
    "a record a line: no end": Damaged(
        b'[\n{"id":1,"x":[\n{"y":1}\n]},\n{"id":2,"x":{,\n{"id":3}\n]',
        [
            (b'{"id":1,"x":[\n{"y":1}\n]}', None),
            (b'{"id":2,"x":{', "damaged"),
            (b'{"id":3}', None),
        ],
        [],
    ),
    "one line: a word before a record": Damaged(
        b'[{"id":1}, 0{"id":2}, {"id":3}]',
        [(b'{"id":1}', None), (b"0", "damaged"), (b'{"id":2}', None), (b'{"id":3}', None)],
        ["missing_comma"],
    ),
    "loose bytes first, less far in": Damaged(
        b"[\n@" + laid_out(A, B)[1:],
        [(b"@", "damaged"), (A, None), (B, None)],
        ["missing_comma"],
    ),
    # In rows.
    "a brace for the opening bracket": Damaged(
        b"{" + laid_out(A, B)[1:],
        [(b"{", "damaged"), (A, None), (B, None), (b"]", "damaged")],
        ["not_an_array", "extra_comma"],
    ),
    "a row: a line that is cut": Damaged(
        b'{"id":1}\n{"id":"x\n{"id":3}',
        [(b'{"id":1}', None), (b'{"id":"x', "damaged"), (b'{"id":3}', None)],
        ["not_an_array"],
    ),
    "a row: a line that is cut behind a comma": Damaged(
        b'{"id":1,\n{"id":3}\n', [(b'{"id":1,', "damaged"), (b'{"id":3}', None)], ["not_an_array"]
    ),
    "a row: a line that is cut behind a colon": Damaged(
        b'{"id":\n{"id":3}\n', [(b'{"id":', "damaged"), (b'{"id":3}', None)], ["not_an_array"]
    ),
    "a row: a bad line": Damaged(
        b"{'id':1}\n{\"id\":3}\n", [(b"{'id':1}", None), (b'{"id":3}', None)], ["not_an_array"]
    ),
    "a row: a bad last line": Damaged(b"{'id':1}\n", [(b"{'id':1}", None)], ["not_an_array"]),
    "a row: cut off": Damaged(
        b'{"id":1}\n{"id":', [(b'{"id":1}', None), (b'{"id":', "cut_off")], ["not_an_array"]
    ),
    "a row: commas": Damaged(
        b'{"id":1},\n{"id":2},\n',
        [(b'{"id":1}', None), (b'{"id":2}', None)],
        ["not_an_array", "extra_comma"],
    ),
    "a row: words": Damaged(
        b'started at once\n{"id":1}\nundefined\n',
        [(b"started at once", "damaged"), (b'{"id":1}', None), (b"undefined", None)],
        ["not_an_array"],
    ),
    "a row: two words that run together": Damaged(
        b"1\nnull5\n", [(b"1", None), (b"null5", None)], ["not_an_array"]
    ),
    "no begin": Damaged(
        laid_out(A, B)[9:],
        [
            (b'"id"', None),
            (b': "a",\n    "x": [', "damaged"),
            (b'{\n        "y": 1\n      }', None),
            (b"]\n  },", "damaged"),
            (B, None),
            (b"]", "damaged"),
        ],
        ["not_an_array"],
    ),
    "zeros first": Damaged(
        bytes(20) + laid_out(A, B)[20:],
        [
            (bytes(20) + b'\n    "x": [', "damaged"),
            (b'{\n        "y": 1\n      }', None),
            (b"]\n  },", "damaged"),
            (B, None),
            (b"]", "damaged"),
        ],
        ["not_an_array"],
    ),
    "UTF-16": Damaged(
        "[1]".encode("utf-16"), [("[1]".encode("utf-16"), "damaged")], ["not_an_array"]
    ),
    "gzip": Damaged(b"\x1f\x8b\x08\x00[]", [(b"\x1f\x8b\x08\x00[]", "damaged")], ["not_an_array"]),
}


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("name", DAMAGED)
def test_damage_costs_what_it_hit_and_no_more(tmp_path: Path, name: str, window: int) -> None:
    case = DAMAGED[name]
    found = read(write(tmp_path, case.data), window_bytes=window)
    assert found.found == case.found
    assert found.faults == case.faults
    assert_nothing_lost(case.data, found.elements)


def test_a_fault_of_a_file_is_named_once_where_it_first_shows(tmp_path: Path) -> None:
    file = RecordFile(write(tmp_path, b"\xef\xbb\xbf[1 2 3,,4,,] 5 "))
    list(file.elements())
    assert [(fault.code, fault.offset) for fault in file.faults] == [
        ("byte_order_mark", 0),
        ("missing_comma", 6),
        ("extra_comma", 10),
        ("after_end", 16),
    ]


@pytest.mark.parametrize("data", [b"", b" \n\t ", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
def test_an_empty_file_is_refused(tmp_path: Path, data: bytes) -> None:
    error = refusal(write(tmp_path, data))
    assert error.code == ExitCode.NOT_AN_ARRAY
    assert error.what == (
        f"chat-messages.json is no JSON array of records: it is empty (byte {len(data)})"
    )


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
    (element,) = RecordFile(path).elements()
    monkeypatch.setattr(reader._Source, "read", fail)  # noqa: SLF001
    error = refusal(path)
    assert error.code == ExitCode.NO_DATA_FOLDER
    assert "Permission denied" in error.what
    with pytest.raises(SessionbaseError, match="Permission denied"):
        list(RecordFile(path).pieces(element))


def test_a_file_that_shrinks_while_read_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, b"[" + b"1, " * 1000 + b"2]")
    batches = RecordFile(path, window_bytes=100, batch_records=10).batches()
    first = next(batches)
    path.write_bytes(b"[1]")
    with pytest.raises(SessionbaseError, match="shrank"):
        list(batches)
    with pytest.raises(SessionbaseError, match="shrank"):
        list(RecordFile(path).pieces(first.elements[5]))


# Any values, in any layout.

texts = st.text(max_size=8) | st.text('"\\[]{},:\n ', max_size=6) | st.just("\ud83d")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
records = json_values | st.dictionaries(st.sampled_from(["id", "a", "b"]), json_values, max_size=3)
blanks = st.text(" \t\r\n", max_size=3)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@st.composite
def arrays(draw: st.DrawFn) -> tuple[bytes, list[Any]]:
    """Draw an array's bytes, and what stands in it."""
    values = draw(st.lists(records | st.builds(nested, st.integers(0, 150)), max_size=6))
    indent = draw(st.sampled_from([None, None, 0, 1, 2, 4]))
    separators = draw(st.sampled_from([None, (",", ":")]))
    if draw(st.booleans()):
        text = json.dumps(values, indent=indent, separators=separators)
    else:
        spelled = [json.dumps(value, indent=indent, separators=separators) for value in values]
        inside = ",".join(f"{draw(blanks)}{text}{draw(blanks)}" for text in spelled)
        text = f"{draw(blanks)}[{inside}{draw(blanks)}]{draw(blanks)}"
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"]))).encode(), values


windows = st.sampled_from([1, 2, 3, 5, 7, 16, 100, MIB])


@quick
@given(array=arrays(), window=windows)
def test_elements_parse_back_to_the_values(
    tmp_path: Path, array: tuple[bytes, list[Any]], window: int
) -> None:
    data, values = array
    found = read(write(tmp_path, data), window_bytes=window)
    assert [json.loads(raw or b"") for raw in found.raws] == values
    assert not any(fault for _, fault in found.found)
    assert not found.faults


@quick
@given(array=arrays(), data=st.data())
def test_a_cut_leaves_the_whole_records_before_and_one_rest(
    tmp_path: Path, array: tuple[bytes, list[Any]], data: st.DataObject
) -> None:
    whole = array[0].rstrip()
    before = read(write(tmp_path, whole)).elements
    begin = whole.index(b"[") + 1
    length = data.draw(st.integers(begin, len(whole) - 1))
    found = read(write(tmp_path, whole[:length]))
    done = [element.raw for element in before if element.offset + element.length <= length]
    assert found.raws[: len(done)] == done
    assert_nothing_lost(whole[:length], found.elements)
    # Where a record breaks off, the layout decides; that of values which are no records may be
    # taken for another one, and the rest then falls into more pieces, or looks whole.
    if all(isinstance(value, dict) and value for value in array[1]):
        assert len(found.raws) <= len(done) + 1
        assert "no_end" in found.faults


@pytest.mark.parametrize("window", [3, 64, MIB])
@pytest.mark.parametrize("compact", [False, True])
def test_a_cut_at_every_byte(tmp_path: Path, window: int, *, compact: bool) -> None:
    whole = laid_out(A, B, A).rstrip()
    if compact:
        whole = json.dumps(json.loads(whole), separators=(",", ":")).encode()
    ends = [element.offset + element.length for element in read(write(tmp_path, whole)).elements]
    for length in range(1, len(whole)):
        found = read(write(tmp_path, whole[:length]), window_bytes=window)
        done = sum(end <= length for end in ends)
        rest = whole[ends[done - 1] if done else 1 : length].lstrip(b", \n").rstrip()
        assert [element.offset + element.length for element in found.elements[:done]] == ends[:done]
        assert found.found[done:] == ([(rest, "cut_off")] if rest else [])
        assert found.faults == ["no_end"]


# Any bytes.

CUTS = [b"", b'"', b"\n", b"{", b"}", b"[", b"]", b",", b"\x00\x00", b"\\", b"\xff", b"'", b"\n  {"]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a file that was good once."""
    data = draw(arrays())[0]
    if draw(st.booleans()):
        data = data.strip()[1:-1].replace(b"\n", b" ").replace(b"},", b"}\n")
    for _ in range(draw(st.integers(0, 4))):
        begin, end = sorted(draw(st.tuples(*[st.integers(0, len(data))] * 2)))
        end = min(end, begin + draw(st.sampled_from([0, 1, 10, 1000])))
        put = draw(st.sampled_from(CUTS) | st.just(data[begin:end] * 2))
        data = data[:begin] + put + data[end:]
    return data


BETWEEN = re.compile(rb"(\xef\xbb\xbf)?[ \t\r\n,]*(\[?)[ \t\r\n,]*(\]?)[ \t\r\n,]*")


def assert_nothing_lost(data: bytes, elements: list[Element]) -> None:
    """See that elements follow each other, with nothing between them that could be content."""
    brackets = b""
    place = 0
    for begin, end in [
        *((element.offset, element.offset + element.length) for element in elements),
        (len(data), len(data)),
    ]:
        between = BETWEEN.fullmatch(data[place:begin])
        assert between, (data[place:begin], data)
        brackets += between.group(2) + between.group(3)
        place = end
    assert brackets in (b"", b"[", b"[]"), data


def summary(found: Reading) -> list[tuple[int, int, str | None]]:
    return [(element.offset, element.length, element.fault) for element in found.elements]


def is_blank(data: bytes) -> bool:
    return not data.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n")


@quick
@given(data=damaged() | st.binary(max_size=60), window=windows)
def test_nothing_is_lost_whatever_the_window_and_the_way(
    tmp_path: Path, data: bytes, window: int
) -> None:
    path = write(tmp_path, data)
    if is_blank(data):
        assert refusal(path).code == ExitCode.NOT_AN_ARRAY
        return
    found = read(path)
    assert_nothing_lost(data, found.elements)
    in_small = read(path, window_bytes=window, large=10, most=10**9)
    assert (summary(in_small), in_small.faults) == (summary(found), found.faults)
    with pytest.MonkeyPatch.context() as monkeypatch:
        walk_all(monkeypatch)
        walked = read(path, window_bytes=window)
    assert walked == found


def walk_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep msgspec out of it."""
    monkeypatch.setattr(reader._Splitter, "_split_many", lambda _: None)  # noqa: SLF001


HURTS: dict[str, Callable[[bytes], bytes]] = {
    "no first byte": lambda record: record[1:],
    "no last byte": lambda record: record[:-1],
    "no half": lambda record: record[: len(record) // 2],
    "no quotation mark": lambda record: record.replace(b'"', b"", 1),
    "no bracket": lambda record: record.replace(b"]", b"", 1),
    "another bracket": lambda record: record.replace(b"]", b"}", 1),
    "zeros": lambda record: bytes(len(record)),
    "a line feed": lambda record: record.replace(b"a", b"\n", 1),
    "no colon": lambda record: record.replace(b":", b"", 1),
    "a name of no string": lambda record: record.replace(b'"id"', b"5", 1),
}


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("name", HURTS)
def test_damage_in_one_record_leaves_the_others(tmp_path: Path, name: str, place: int) -> None:
    good = [B.replace(b'"b"', b'"%d"' % number) for number in range(9)]
    all_records = [*good[:3], A, *good[3:]]
    all_records[3 * place + (place == 0) - 1] = HURTS[name](A)
    found = read(write(tmp_path, laid_out(*all_records)))
    kept = [raw for raw in found.raws if raw in good]
    assert kept == [record for record in all_records if record in good]
    assert len(kept) >= 8
    assert "no_end" not in found.faults


# Batches, and going on behind one.


def points(batches: list[Batch]) -> list[ResumePoint]:
    return [
        ResumePoint(batch.number, batch.elements[-1].ordinal + 1, batch.end, batch.prefix_sha256)
        for batch in batches
    ]


@quick
@given(
    data=damaged(),
    window=windows,
    size=st.sampled_from([1, 10, 50]),
    number=st.sampled_from([1, 2, 4000]),
)
def test_reading_goes_on_behind_any_batch_as_if_it_had_not_stopped(
    tmp_path: Path, data: bytes, window: int, size: int, number: int
) -> None:
    path = write(tmp_path, data)
    if is_blank(data):
        return
    limits = {"batch_bytes": size, "batch_records": number, "large": 40}
    batches = list(RecordFile(path, window_bytes=MIB, **limits).batches())
    for index, point in enumerate(points(batches)):
        assert point.prefix_sha256 == hashlib.sha256(data[: point.end]).digest()
        file = RecordFile(path, window_bytes=window, **limits)
        assert list(file.batches(point)) == batches[index + 1 :]
        assert (file.size_bytes, file.sha256) == (len(data), hashlib.sha256(data).digest())
        assert file.count == batches[-1].elements[-1].ordinal + 1


def test_a_batch_closes_when_it_is_full(tmp_path: Path) -> None:
    path = write(tmp_path, b"[" + b", ".join(b"%04d" % number for number in range(1, 26)) + b"]")

    def sizes(**limits: int) -> list[int]:
        batches = list(RecordFile(path, window_bytes=30, **limits).batches())
        assert [batch.number for batch in batches] == list(range(len(batches)))
        for batch in batches:
            last = batch.elements[-1]
            assert batch.end == last.offset + last.length
        return [len(batch.elements) for batch in batches]

    assert sizes() == [25]
    assert sizes(batch_records=10) == [10, 10, 5]
    assert sizes(batch_bytes=21) == [6, 6, 6, 6, 1]
    assert sizes(batch_bytes=20) == [5] * 5
    assert sizes(batch_bytes=1) == [1] * 25
    assert sizes(batch_bytes=20, batch_records=4) == [4] * 6 + [1]


def test_a_large_element_has_a_batch_of_its_own(tmp_path: Path) -> None:
    raws = [b"1", b'"%b"' % (b"x" * 100), b"2", b"3", b"[%b]" % (b"1," * 60 + b"4"), b"@" * 200]
    path = write(tmp_path, b"[" + b",".join(raws) + b"]")
    batches = list(RecordFile(path, large=99, window_bytes=16).batches())
    assert [len(batch.elements) for batch in batches] == [1, 1, 2, 1, 1]
    elements = [element for batch in batches for element in batch.elements]
    assert [element.raw for element in elements] == [b"1", None, b"2", b"3", None, None]
    file = RecordFile(path)
    read_again = [b"".join(file.pieces(element)) for element in elements]
    assert read_again == [*raws[:5], raws[5] + b"]"]


def test_what_is_too_large_is_given_in_parts(tmp_path: Path) -> None:
    long = b'"%b"' % (b"x" * 23)
    path = write(tmp_path, b'[{"id": 1},' + long + b',{"id": 2}, {"id": "' + b"y" * 20)
    assert read(path, most=10, window_bytes=7).found == [
        (b'{"id": 1}', None),
        (long[:10], "too_large"),
        (long[10:20], "too_large"),
        (long[20:], "too_large"),
        (b'{"id": 2}', None),
        (b'{"id": "yy', "cut_off"),
        (b"y" * 10, "cut_off"),
        (b"y" * 8, "cut_off"),
    ]
    batches = list(RecordFile(path, most=10, batch_records=1).batches())
    assert [len(batch.elements) for batch in batches] == [1, 3, 1, 3]


@pytest.mark.parametrize("change", [b"[9, 2, 3]", b"[1", b"", b" [1, 2, 3]"])
def test_a_resume_point_of_other_bytes_is_stale(tmp_path: Path, change: bytes) -> None:
    path = write(tmp_path, b"[1, 2, 3]")
    first, *rest = RecordFile(path, batch_records=2).batches()
    (point,) = points([first])
    path.write_bytes(b"[1, 2, 4, 5]")
    (other,) = RecordFile(path, batch_records=2).batches(point)
    assert other != rest[0]
    assert [element.raw for element in other.elements] == [b"4", b"5"]
    path.write_bytes(change)
    with pytest.raises(StaleResumePoint):
        list(RecordFile(path).batches(point))


def test_a_resumed_reading_counts_all_and_knows_the_position(tmp_path: Path) -> None:
    path = write(tmp_path, b"\xef\xbb\xbf" + laid_out(A, B, B, A)[1:])
    first, *rest = RecordFile(path, batch_records=2).batches()
    file = RecordFile(path, batch_records=2)
    assert (file.position, file.count) == (0, 0)
    batches = file.batches(points([first])[0])
    assert next(batches) == rest[0]
    assert file.position >= first.end
    assert list(batches) == rest[1:]
    assert file.position == file.size_bytes == path.stat().st_size
    assert [fault.code for fault in file.faults[:2]] == ["byte_order_mark", "not_an_array"]


def test_a_resumed_reading_knows_that_a_comma_is_due(tmp_path: Path) -> None:
    path = write(tmp_path, b"[1, 2 3]")
    one, two, three = RecordFile(path, batch_records=1).batches()
    faults = []
    for point in points([one, two, three]):
        file = RecordFile(path, batch_records=1)
        list(file.batches(point))
        faults.append([fault.code for fault in file.faults])
    assert faults == [["missing_comma"], ["missing_comma"], []]


@pytest.mark.parametrize("length", range(32 * 1024 - 20, 32 * 1024))
def test_the_next_record_is_found_wherever_the_window_ends(tmp_path: Path, length: int) -> None:
    cut = b'{\n    "id": "' + b"x" * length
    assert read(write(tmp_path, laid_out(A, cut, B)), window_bytes=1).found == [
        (A, None),
        (cut, "damaged"),
        (B, None),
    ]


def test_a_file_can_be_read_twice(tmp_path: Path) -> None:
    file = RecordFile(write(tmp_path, b"[1 2]"))
    for _ in range(2):
        assert [element.raw for element in file.elements()] == [b"1", b"2"]
        assert (file.count, len(file.faults)) == (2, 1)


# Size and time.

MEASURE = """
import resource, sys
from pathlib import Path
from harness.legacy.reader import RecordFile

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

before = peak()
file = RecordFile(Path(sys.argv[1]))
lengths = []
for batch in file.batches():
    lengths += [element.length for element in batch.elements if element.raw is None]
    for element in batch.elements:
        if element.raw is None:
            assert sum(map(len, file.pieces(element))) == element.length
print(peak() - before, file.count, *lengths)
"""


def measured(path: Path) -> list[int]:
    """Read a file in a process of its own.

    Return the MiB it took, how many elements there are, and the lengths of those not held.
    """
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", textwrap.dedent(MEASURE), str(path)]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=120)
    return [int(word) for word in done.stdout.split()]


def test_a_big_file_takes_little_memory(tmp_path: Path) -> None:
    record = b'{\n    "id": "chat_%09d",\n    "content": "[\\"}' + b"x" * 430 + b'"\n  }'
    path = tmp_path / "chat-messages.json"
    with path.open("wb") as stream:
        stream.write(b"[\n  ")
        for number in range(200_000):
            stream.write((b",\n  " if number else b"") + record % number)
        stream.write(b"\n]")
    memory, number, *lengths = measured(path)
    assert (number, lengths) == (200_000, [])
    assert memory < 40


@pytest.mark.parametrize("end", [b'"}, {"id": 2}]', b'\n"}, {"id": 2}]', b""])
def test_a_huge_string_takes_little_memory(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "chat-messages.json"
    with path.open("wb") as stream:
        stream.write(b'[{"id": 1}, {"id": "')
        for _ in range(100):
            stream.write(b'\\"},\\\\' * 170_000)
        stream.write(end)
    memory, number, *lengths = measured(path)
    assert number == (3 if end else 2)
    assert len(lengths) == 1
    assert lengths[0] > 100_000_000
    assert memory < 40


class Work:
    """Counts what the reader does: bytes that it read or tried, and steps of its walks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes = 0
        self.steps = 0
        read_bytes = reader._Source.read  # noqa: SLF001
        step = reader._Walk._step  # noqa: SLF001
        try_part = reader._Splitter._try  # noqa: SLF001

        def counted_read(source: Any, offset: int, size: int) -> bytes:  # noqa: ANN401
            data = read_bytes(source, offset, size)
            self.bytes += len(data)
            return data

        def counted_step(walk: Any, state: int) -> int:  # noqa: ANN401
            self.steps += 1
            return step(walk, state)

        def counted_try(splitter: Any, cut: int) -> Any:  # noqa: ANN401
            self.bytes += cut - splitter._at  # noqa: SLF001
            return try_part(splitter, cut)

        monkeypatch.setattr(reader._Splitter, "_try", counted_try)  # noqa: SLF001
        monkeypatch.setattr(reader._Source, "read", counted_read)  # noqa: SLF001
        monkeypatch.setattr(reader._Walk, "_step", counted_step)  # noqa: SLF001


NOTHING_BUT: dict[str, tuple[bytes, bytes, bytes]] = {
    "good records": (b"[\n", b'  {\n    "id": 1\n  },\n', b"  5\n]"),
    "lone surrogates": (b"[\n", b'  {\n    "id": "\\ud800"\n  },\n', b"  5\n]"),
    "no quotation mark": (b"[\n", b'  {\n    "id": "1\n  },\n', b"  5\n]"),
    "brackets that open": (b"[\n", b'  {"id": [\n', b""),
    "brackets that open, in one line": (b"[", b'{"id":[{"a":1},', b""),
    "brackets that open, in rows": (b"", b'{"id":\n', b""),
    "brackets that open, and damage": (b"[\n", b'  {"id": [\n', b"@ :"),
    "brackets that open and some that close": (b"[\n", b'  {"id": [\n  {"id": []},\n', b'"\n'),
    "one value": (b"[", b'{"id":1,"a":[', b""),
    "damage behind a value, in rows": (b"", b"  1 {@\n  {\n", b""),
    "loose bytes": (b"[\n", b"  @\n  {\n", b""),
    "loose bytes in rows": (b"", b"@\n", b"{"),
    "words": (b"[", b"nul ", b""),
    "quotation marks": (b"[\n", b'  "\n', b""),
    "backslashes": (b'["', b"\\", b""),
    "blanks": (b"[1", b"  \n", b"2]"),
    "commas": (b"[", b",", b"]"),
    "numbers": (b"[", b"1,", b"2]"),
    "small arrays": (b"[", b'[1,"a"],', b"2]"),
    "what is behind": (b"[1]", b'  {"id": 1},\n', b""),
}


@pytest.mark.parametrize("name", NOTHING_BUT)
def test_time_grows_with_the_size_and_not_with_its_square(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    begin, part, end = NOTHING_BUT[name]
    work = Work(monkeypatch)
    count = 200_000 // len(part)
    path = write(tmp_path, begin + part * count + end)
    limits = {"window_bytes": 8192, "large": 16384}
    found = read(path, **limits)
    size = path.stat().st_size
    assert_nothing_lost(path.read_bytes(), found.elements)
    assert work.bytes < 12 * size
    assert work.steps < 3 * size


def test_a_string_is_looked_at_once_though_it_is_long(tmp_path: Path) -> None:
    long = b'"%b"' % (b"\\\\" * (LARGE // 4) + b"\\ud800")
    found = read(write(tmp_path, b'[{"id": 1}, ' + long + b", 3]"))
    assert found.raws == [b'{"id": 1}', long, b"3"]
