"""Splits a file of the old viewer into the exact bytes of its records, whatever became of it.

The viewer wrote JSON arrays. Disks, crashes and hands make other things of them, and what is in
such a file must neither stop an import nor get lost. So nothing here refuses content: a file
falls into elements, in order, and between two of them stand only whitespace, commas, the array's
brackets and a byte order mark. Where elements begin and end is decided here; what is in them is
for Postgres to judge.

How it goes: msgspec splits as many elements at once as a window holds. If it takes `[` + part +
`]` for JSON, then the elements it names are the only ones the part can have, whatever the guess
was where to cut the part off. If it refuses (it refuses lone surrogates and deep nesting too,
which are JSON), elements of that part are walked through one by one with a stack of brackets.

The rules for what is no array of JSON values:

- A file that does not begin with `[` is read as a row of values, as JSON Lines are; commas
  between them are passed over.
- A walk stops where the bytes can not be JSON whatever follows: a line feed in a string, a
  bracket of the wrong kind, no key where one must be, no colon, no comma, or the file's end. The
  element then ends where the layout says that the next record begins: before the next line with
  the indentation that the first record has and `{`, or before the line with the closing `]`; in
  a file without lines, before the next `},{` and the first record's first key; in a row of
  values, at the end of its line. Where the layout says nothing more it takes all that is left.
- Such an element has the fault "damaged", or "cut_off" if it takes all that is left. It has none
  if the layout says where it ends and it does end with the bracket that fits its first one: then
  its extent is not in doubt, only its content, as with a trailing comma.
- Bytes where an element must begin and no JSON value can are an element of the fault "damaged",
  up to where the layout says that a record begins. Only a word (NaN, 01, undefined) before a
  comma or a closing bracket is an element without a fault.
- All that follows the closing `]` is one element of the fault "after_end".
- What is longer than MOST is given in parts, each an element of its own.

Each byte is walked through twice at most, so a file of nothing but damage takes linear time: a
walk that fails leaves the list of brackets that it saw open, and none of these is walked again.
"""

import errno
import hashlib
import os
import re
from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from itertools import accumulate, count
from pathlib import Path
from typing import Final, Protocol

import msgspec

from harness.errors import ExitCode, SessionbaseError

LARGE: Final = 8 << 20
"""An element of more bytes is not held in memory."""

MOST: Final = 256 << 20
"""An element of more bytes is given in parts."""

BATCH_BYTES: Final = 4 << 20
BATCH_RECORDS: Final = 4000

_WINDOW = 1 << 20
# What msgspec gets at once where it refused a whole window, so that one odd record costs little.
_SMALL = 32 << 10
# Blanks and keys are looked at this far when a layout is made out; what is longer is no layout.
_FAR = 4 << 10
# And this far for records that follow each other.
_HEAD = 64 << 10
# More than any pattern of a layout can span.
_OVERLAP = 4 * _FAR

_BOM = b"\xef\xbb\xbf"
_BLANKS = b" \t\r\n"
_QUOTE, _COMMA, _COLON = b'",:'
_OPEN_ARRAY, _CLOSE_ARRAY, _OPEN_OBJECT, _CLOSE_OBJECT = b"[]{}"
_NOTHING = -1
"""In place of a byte: the file has ended."""

# Quantifiers of one character class are possessive: nothing is looked at twice within a match.
# Those of groups are not: up to Python 3.11.4 a possessive group whose last round fails half way
# does not go back to where that round began (CPython issue 106052). They have a limit instead,
# for each round is remembered; who matches goes on from there.
_B = rb"[ \t\r\n]*+"
_S = rb'"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+){0,1000}"'
_W = rb'[^ \t\r\n,:"\[\]{}]++'
_BLANK = re.compile(_B)
_BODY = re.compile(rb'[^"\\\n]*+(?:\\[^\n][^"\\\n]*+){0,1000}', re.DOTALL)
_BARE = re.compile(rb'[^ \t\r\n,:"\[\]{}]*+')
# Whole members of an object, or items of an array, that hold no brackets, each with its comma.
_MEMBER = rb"%b%b%b:%b(?:%b|%b)%b," % (_B, _S, _B, _B, _S, _W, _B)
_MEMBERS = re.compile(rb"(?:%b){0,200}" % _MEMBER, re.DOTALL)
_ITEMS = re.compile(rb"(?:%b(?:%b|%b)%b,){0,200}" % (_B, _S, _W, _B), re.DOTALL)
_WORD = re.compile(rb"[0-9A-Za-z+.\-_]*+")
_SCALAR = re.compile(rb"true|false|null|-?[0-9][0-9.eE+\-]*+")
_LINE_END = re.compile(rb"[ \t\r]*+\n")
_GAP = re.compile(_B + rb",?" + _B)
_TWO_OBJECTS = re.compile(rb"\n([ \t]{0,1024}+)\},?[ \t\r]*+\n\1(?=\{)")
_LINE_OF_OBJECT = re.compile(rb"\n[ \t]{0,1024}+(?=\{)")
_FIRST_KEY = re.compile(rb'\{[ \t\r\n]{0,64}("(?:[^"\\\n]|\\.){0,128}")[ \t\r\n]{0,64}:', re.DOTALL)

_ARRAYS = msgspec.json.Decoder(list[msgspec.Raw])
_ROWS = msgspec.json.Decoder(msgspec.Raw)


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a file.

    ordinal: from 0. offset: of its first byte in the file. length: in bytes.
    raw: its bytes; None if they are more than LARGE, see RecordFile.pieces().
    sha256: of its bytes.
    fault: None; "cut_off"; "damaged"; "after_end"; "too_large".
    """

    ordinal: int
    offset: int
    length: int
    raw: bytes | None
    sha256: bytes
    fault: str | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Elements that stand one behind the other.

    number: from 0. end: up to where the file is read with them, right behind the last one.
    prefix_sha256: of the file's first `end` bytes.
    """

    number: int
    elements: list[Element]
    end: int
    prefix_sha256: bytes


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """The last batch that needs no reading again. ordinal: that of the next element."""

    number: int
    ordinal: int
    end: int
    prefix_sha256: bytes


@dataclass(frozen=True, slots=True)
class FileFault:
    """What is wrong with a file as a whole, where it first shows.

    code: "byte_order_mark"; "not_an_array": read as a row of values; "missing_comma";
    "extra_comma"; "no_end": no closing ]; "after_end": something behind it.
    """

    code: str
    offset: int


class StaleResumePoint(Exception):  # noqa: N818 - it says what was met, as StopIteration does
    """The file's first bytes are not those that the resume point was made of."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Elements that were found together: where each begins, and its bytes.

    raws: none for an element that is not to be held in memory; it has a run of its own.
    end: where the last one ends. fault: of each of them.
    """

    begins: list[int]
    raws: list[bytes]
    end: int
    fault: str | None


class _Hash(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...


class RecordFile:
    """A file of the viewer. Once batches() has come to its end, the sums are complete.

    batch_bytes, batch_records: a batch with so much is closed.
    window_bytes: how much is read at once. large, most: in place of LARGE and MOST.
    array_at: where the array begins, if that is known; what is before it is passed over.
    size_bytes: of the whole file, from when reading began. count: elements so far, with those
    that a resume point passed over. faults: of the file, each code once.
    """

    def __init__(  # noqa: PLR0913 - limits, each with a default that is right but for tests
        self,
        path: Path,
        *,
        batch_bytes: int = BATCH_BYTES,
        batch_records: int = BATCH_RECORDS,
        window_bytes: int = _WINDOW,
        large: int = LARGE,
        most: int = MOST,
        array_at: int | None = None,
    ) -> None:
        self.path = path
        self.size_bytes = 0
        self.count = 0
        self.faults: list[FileFault] = []
        self._batch_bytes = batch_bytes
        self._batch_records = batch_records
        self._window_bytes = window_bytes
        self._large = large
        self._most = most
        self._array_at = array_at
        self._source: _Source | None = None
        self._begin()

    def _begin(self) -> None:
        self.count = 0
        self.faults = []
        self._number = 0  # of the batch that is being filled
        self._filled: list[Element] = []
        self._filled_bytes = 0
        self._hash = hashlib.sha256()
        self._hashed = 0  # how much of the file _hash has seen

    @property
    def sha256(self) -> bytes:
        """SHA-256 of the file up to the last batch; of all of it once batches() has ended."""
        return self._hash.digest()

    @property
    def position(self) -> int:
        """How many bytes were read so far."""
        return self._source.seen if self._source else 0

    def elements(self) -> Iterator[Element]:
        """Read the elements one by one. Raises what batches() raises."""
        for batch in self.batches():
            yield from batch.elements

    def batches(self, start: ResumePoint | None = None) -> Iterator[Batch]:
        """Read the elements from the file's begin, or behind a batch that was read before.

        Where a batch ends depends on the bytes from the end of the one before, and on nothing
        else. Faults of the file that only show before a resume point are not found again.
        Raises SessionbaseError: NO_DATA_FOLDER if the file can't be read, NOT_AN_ARRAY if there
        is nothing in it; StaleResumePoint.
        """
        self._begin()
        try:
            with self.path.open("rb", buffering=0) as stream:
                self._source = source = _Source(stream, self._window_bytes)
                self.size_bytes = source.size
                yield from self._read(source, start)
                self._hash_to(source, source.size)
        except OSError as error:
            raise self._unreadable(error) from None

    def pieces(self, element: Element) -> Iterator[bytes]:
        """Read an element's bytes from the file again, 1 MiB at a time.

        Raises SessionbaseError (NO_DATA_FOLDER) if the file can't be read.
        """
        try:
            with self.path.open("rb", buffering=0) as stream:
                end = element.offset + element.length
                yield from _Source(stream, 1).parts(element.offset, end)
        except OSError as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: OSError) -> SessionbaseError:
        return SessionbaseError(
            ExitCode.NO_DATA_FOLDER, f"can't read {self.path}: {error.strerror}"
        )

    def _read(self, source: "_Source", start: ResumePoint | None) -> Iterator[Batch]:
        if start:
            self._pass_over(source, start)
        splitter = self._splitter(source)
        if start:
            splitter.go_on_behind(start.end)
        for run in splitter.runs():
            yield from self._fill(source, run) if run.raws else self._alone(source, run)
        if self._filled:
            yield self._close(source)

    def _pass_over(self, source: "_Source", start: ResumePoint) -> None:
        if source.size < start.end:
            raise StaleResumePoint
        self._hash_to(source, start.end)
        if self.sha256 != start.prefix_sha256:
            raise StaleResumePoint
        self.count = start.ordinal
        self._number = start.number + 1

    def _splitter(self, source: "_Source") -> "_Splitter":
        begin, whole = 0, min(self._large, self._most)
        if self._array_at is not None:
            return _ArraySplitter(source, self._array_at + 1, whole, self._note)
        if source.cut(0, len(_BOM)) == _BOM:
            begin = len(_BOM)
            self._note("byte_order_mark", 0)
        first, byte = source.skip(begin)
        if byte == _NOTHING:
            raise SessionbaseError(
                ExitCode.NOT_AN_ARRAY,
                f"{self.path.name} is no JSON array of records: it is empty (byte {first})",
                hint="Check that this is the viewer's file. If it should count as an empty "
                "store, move it out of the folder. Nothing was imported.",
            )
        if byte == _OPEN_ARRAY:
            return _ArraySplitter(source, first + 1, whole, self._note)
        self._note("not_an_array", first)
        return _RowSplitter(source, begin, whole, self._note)

    def _note(self, code: str, offset: int) -> None:
        """Keep a fault of the file, if it is the first of its kind."""
        if all(fault.code != code for fault in self.faults):
            self.faults.append(FileFault(code, offset))

    def _fill(self, source: "_Source", run: _Run) -> Iterator[Batch]:
        """Add elements to the batch at hand, and give each batch that is full."""
        elements = self._elements_of(run)
        sizes = list(accumulate(map(len, run.raws), initial=0))
        done = 0
        while done < len(elements):
            enough = sizes[done] + self._batch_bytes - self._filled_bytes
            full = done + self._batch_records - len(self._filled)
            upto = min(bisect_left(sizes, enough, lo=done + 1), full)
            self._filled += elements[done:upto]
            if upto <= len(elements):
                yield self._close(source)
            else:
                self._filled_bytes += sizes[-1] - sizes[done]
            done = upto
        # The window goes on after this, so the bytes are taken while it has them.
        self._hash_to(source, run.end)

    def _elements_of(self, run: _Run) -> list[Element]:
        first, fault, sha256 = self.count + len(self._filled), run.fault, hashlib.sha256
        return [
            Element(ordinal, begin, len(raw), raw, sha256(raw).digest(), fault)
            for ordinal, begin, raw in zip(count(first), run.begins, run.raws, strict=False)
        ]

    def _alone(self, source: "_Source", run: _Run) -> Iterator[Batch]:
        """Give a large element a batch of its own, with all its parts.

        Between two parts of one element no reading could be resumed.
        """
        if self._filled:
            yield self._close(source)
        (begin,), fault = run.begins, run.fault
        if run.end - begin > self._most:
            fault = fault or "too_large"
        for offset in range(begin, run.end, self._most):
            end = min(offset + self._most, run.end)
            self._filled.append(self._part(source, offset, end, fault))
        yield self._close(source)

    def _part(self, source: "_Source", begin: int, end: int, fault: str | None) -> Element:
        ordinal = self.count + len(self._filled)
        found = hashlib.sha256()
        source.hash_into(found, begin, end)
        raw = source.cut(begin, end) if end - begin <= self._large else None
        return Element(ordinal, begin, end - begin, raw, found.digest(), fault)

    def _close(self, source: "_Source") -> Batch:
        last = self._filled[-1]
        end = last.offset + last.length
        self._hash_to(source, end)
        batch = Batch(self._number, self._filled, end, self._hash.digest())
        self.count += len(self._filled)
        self._number += 1
        self._filled = []
        self._filled_bytes = 0
        return batch

    def _hash_to(self, source: "_Source", end: int) -> None:
        if end > self._hashed:
            source.hash_into(self._hash, self._hashed, end)
            self._hashed = end


class _Source:
    """A file's bytes by offset, with one window of them in memory.

    base: the offset at which the window begins. chunk: how much is read at once.
    seen: how far the file was read in order. size: as it was when opened.
    """

    def __init__(self, stream: FileIO, chunk: int) -> None:
        self._number = stream.fileno()
        self.chunk = chunk
        self._data = b""
        self.base = 0
        self.seen = 0
        self.size = os.fstat(self._number).st_size

    def window(self, offset: int, at_least: int) -> tuple[bytes, int]:
        """Return bytes, and the place in them of an offset.

        From there on they are at least so many, or all up to the file's end.
        """
        place = offset - self.base
        if place >= 0:
            there = len(self._data) - place
            if there >= at_least or (there >= 0 and self.base + len(self._data) >= self.size):
                return self._data, place
        kept = self._data[place:] if place >= 0 else b""
        wanted = max(self.chunk, at_least) - len(kept)
        # The old window goes before the new one comes.
        self._data = b""
        self._data = kept + self.read(offset + len(kept), wanted)
        self.base = offset
        self.seen = max(self.seen, offset + len(self._data))
        return self._data, 0

    def read(self, offset: int, size: int) -> bytes:
        """Read bytes past the window. Raises OSError."""
        parts = []
        size = min(size, self.size - offset)
        while size > 0:
            part = os.pread(self._number, size, offset)
            if not part:
                raise OSError(errno.EIO, "it shrank while it was read")
            parts.append(part)
            offset += len(part)
            size -= len(part)
        return b"".join(parts)

    def cut(self, begin: int, end: int) -> bytes:
        """Return the bytes between two offsets."""
        place = begin - self.base
        if place >= 0 and end <= self.base + len(self._data):
            return self._data[place : end - self.base]
        return self.read(begin, end - begin)

    def parts(self, begin: int, end: int) -> Iterator[bytes]:
        """Give the bytes between two offsets, 1 MiB of them in memory at a time."""
        if end > self.size:
            raise OSError(errno.EIO, "it shrank since it was read")
        for offset in range(begin, end, _WINDOW):
            yield self.cut(offset, min(offset + _WINDOW, end))

    def hash_into(self, found: _Hash, begin: int, end: int) -> None:
        """Add the bytes between two offsets to a hash."""
        held = min(end, self.base + len(self._data))
        if begin < self.base < held:
            self.hash_into(found, begin, self.base)
            begin = self.base
        if self.base <= begin < held:
            found.update(memoryview(self._data)[begin - self.base : held - self.base])
            begin = held
        for part in self.parts(begin, end):
            found.update(part)
            begin += len(part)
            self.seen = max(self.seen, begin)

    def skip(self, offset: int) -> tuple[int, int]:
        """Find the next byte that is not blank: its offset, and it (_NOTHING at the end)."""
        while True:
            data, place = self.window(offset, 1)
            place = _behind(_BLANK, data, place)
            offset = self.base + place
            if place < len(data):
                return offset, data[place]
            if offset >= self.size:
                return offset, _NOTHING

    def trimmed(self, begin: int, end: int) -> int:
        """Find the end of what is between two offsets without the blanks at its end."""
        while end > begin:
            part = self.cut(max(begin, end - _FAR), end)
            kept = len(part.rstrip(_BLANKS))
            end -= len(part) - kept
            if kept or not part:
                break
        return end


def _behind(pattern: re.Pattern[bytes], data: bytes, place: int) -> int:
    """Return where a match that begins at a place ends; the place itself if there is none."""
    found = pattern.match(data, place)
    return found.end() if found else place


# The walk through one element.

_FIRST_NAME, _NAME, _AFTER_NAME, _VALUE, _FIRST_ITEM, _ITEM, _AFTER_MEMBER, _AFTER_ITEM = range(8)
"""What may come next: a name or }; a name; a colon; a value of a member; an item or ]; an item;
a comma or }; a comma or ]."""

_SKIP, _POP = range(8, 10)
"""What else a byte can call for: to go through a name, and to close a bracket."""

_MOVES = {
    (_FIRST_NAME, _CLOSE_OBJECT): _POP,
    (_FIRST_NAME, _QUOTE): _SKIP,
    (_NAME, _QUOTE): _SKIP,
    (_AFTER_NAME, _COLON): _VALUE,
    (_FIRST_ITEM, _CLOSE_ARRAY): _POP,
    (_AFTER_MEMBER, _COMMA): _NAME,
    (_AFTER_MEMBER, _CLOSE_OBJECT): _POP,
    (_AFTER_ITEM, _COMMA): _ITEM,
    (_AFTER_ITEM, _CLOSE_ARRAY): _POP,
}
_TAKES_VALUE = {_VALUE, _FIRST_ITEM, _ITEM}
_BEGINS_NO_VALUE = {_COMMA, _COLON, _CLOSE_ARRAY, _CLOSE_OBJECT}
# What passes many tokens at once, and what may come next if it passed any.
_RUNS = {
    _FIRST_NAME: (_MEMBERS, _NAME),
    _NAME: (_MEMBERS, _NAME),
    _FIRST_ITEM: (_ITEMS, _ITEM),
    _ITEM: (_ITEMS, _ITEM),
}


class _BrokenError(Exception):
    """The bytes are no JSON whatever follows. cut_off: for the file ended."""

    def __init__(self, *, cut_off: bool) -> None:
        super().__init__()
        self.cut_off = cut_off


class _Walk:
    """A walk through one object, array or string, in the memory of a window and the brackets.

    opened: the offsets of the brackets that are open.
    """

    def __init__(self, source: _Source, start: int) -> None:
        self._source = source
        self._data, self._place = source.window(start, 1)
        self._kinds = bytearray()
        self.opened = array("Q")

    def end(self) -> int:
        """Walk to the element's end, and return its offset. Raises _BrokenError."""
        state = self._value(self._data[self._place])
        while self._kinds:
            state = self._step(state)
        return self._source.base + self._place

    def _step(self, state: int) -> int:
        if state in _RUNS:
            run, after = _RUNS[state]
            place = _behind(run, self._data, self._place)
            if place > self._place:
                self._place, state = place, after
        byte = self._next_byte()
        move = _MOVES.get((state, byte))
        if move is None:
            if state not in _TAKES_VALUE or byte in _BEGINS_NO_VALUE:
                raise _BrokenError(cut_off=False)
            return self._value(byte)
        if move == _SKIP:
            self._string()
            return _AFTER_NAME
        self._place += 1
        return self._pop() if move == _POP else move

    def _value(self, byte: int) -> int:
        """Enter a bracket, or go through a string or a word."""
        if byte in (_OPEN_OBJECT, _OPEN_ARRAY):
            self._kinds.append(byte)
            self.opened.append(self._source.base + self._place)
            self._place += 1
            return _FIRST_NAME if byte == _OPEN_OBJECT else _FIRST_ITEM
        if byte == _QUOTE:
            self._string()
        else:
            self._bare()
        return self._after_value()

    def _pop(self) -> int:
        self._kinds.pop()
        self.opened.pop()
        return self._after_value()

    def _after_value(self) -> int:
        inside_object = self._kinds[-1:] == b"{"
        return _AFTER_MEMBER if inside_object else _AFTER_ITEM

    def _next_byte(self) -> int:
        """Return the next byte that is not blank, without passing it."""
        while True:
            self._place = _behind(_BLANK, self._data, self._place)
            if self._place < len(self._data):
                return self._data[self._place]
            self._more(1)

    def _string(self) -> None:
        self._place += 1
        while True:
            self._place = _behind(_BODY, self._data, self._place)
            here = self._data[self._place : self._place + 2]
            if here[:1] == b'"':
                self._place += 1
                return
            if b"\n" in here:
                raise _BrokenError(cut_off=False)
            # A backslash is looked at with the byte behind it.
            if here in (b"", b"\\"):
                self._more(1 + len(here))

    def _bare(self) -> None:
        while True:
            self._place = _behind(_BARE, self._data, self._place)
            if self._place < len(self._data):
                return
            self._more(1)

    def _more(self, size: int) -> None:
        """See to it that so many bytes from here on are in the window."""
        self._data, self._place = self._source.window(self._source.base + self._place, size)
        if len(self._data) - self._place < size:
            raise _BrokenError(cut_off=True)


# A file as a whole.

_Note = Callable[[str, int], None]

_End = tuple[int, str | None]
"""Where an element ends, and its fault."""


class _Splitter(ABC):
    """Splits what a file holds into pieces, from an offset on.

    What an array and a row of values have in common; they differ in what stands between two
    elements, and in where the layout says that an element ends.
    """

    _has_marks: bool
    """Whether elements are parted by commas, and something must follow the last one."""

    def __init__(self, source: _Source, begin: int, whole: int, note: _Note) -> None:
        self._source = source
        self._whole = whole  # an element of more bytes is not held in memory
        self._note = note
        self._at = begin
        self._reach = source.chunk  # how much msgspec gets at once
        self._small_until = 0  # up to here msgspec gets little at once
        self._walk_until = 0  # up to here it gets nothing
        self._doomed = array("Q")  # brackets that the last walk that failed saw open
        self._doomed_cut_off = False
        self._used_up: set[re.Pattern[bytes]] = set()  # what was searched for up to the file's end

    def go_on_behind(self, end: int) -> None:
        """Go on behind an element that ends there."""
        self._at = end

    def runs(self) -> Iterator[_Run]:
        """Give the elements in order, some at a time."""
        while self._to_next():
            yield self._split_many() or self._split_one()

    @abstractmethod
    def _to_next(self) -> bool:
        """Go to where the next element begins; False if there is none."""

    # Many at once.

    @abstractmethod
    def _last_cut(self, data: bytes, place: int, end: int) -> int | None:
        """Find where whole elements seem to end, the further the better."""

    @abstractmethod
    def _decode(self, part: bytes) -> list[msgspec.Raw]:
        """Split whole elements. Raises what msgspec raises."""

    def _split_many(self) -> _Run | None:
        """Let msgspec split what it can; nothing if it can't, or need not be asked."""
        run = None
        if self._at >= self._small_until:
            run = self._try_window()
        if run is None and self._walk_until <= self._at < self._small_until:
            cut, end = self._cut(min(_SMALL, self._reach))
            run = self._try(cut) if cut else None
            if run is None:
                self._walk_until = end
        return run

    def _try_window(self) -> _Run | None:
        """Try a window; a larger one as long as not one element seems to end in it."""
        cut, end = self._cut(self._reach)
        while cut is None and end < self._source.size and self._reach < self._whole:
            self._reach = min(4 * self._reach, self._whole)
            cut, end = self._cut(self._reach)
        run = self._try(cut) if cut else None
        if run is None:
            self._small_until = end
        else:
            self._reach = max(self._source.chunk, self._reach // 2)
        return run

    def _cut(self, reach: int) -> tuple[int | None, int]:
        """Look for a place to cut in so many bytes. Return it, and up to where was looked."""
        data, place = self._source.window(self._at, reach)
        end = min(len(data), place + reach)
        cut = self._last_cut(data, place, end)
        base = self._source.base
        return cut and base + cut, base + end

    def _try(self, cut: int) -> _Run | None:
        part = self._source.cut(self._at, cut)
        try:
            raws = [bytes(raw) for raw in self._decode(part)]
        except (msgspec.DecodeError, RecursionError):
            return None
        begins = _begins(part, raws, self._at) if raws else []
        if not begins or max(map(len, raws)) > self._whole:
            return None
        self._at = begins[-1] + len(raws[-1])
        return _Run(begins, raws, self._at, None)

    # One by one.

    def _split_one(self) -> _Run:
        begin = self._at
        if self._source.cut(begin, begin + 1) in (b"{", b"[", b'"'):
            end, fault = self._split_value()
        else:
            end, fault = self._split_word() or self._ended(self._loose_end(), cut_off=False)
        self._at = end
        return self._run_of_one(begin, end, fault)

    def _run_of_one(self, begin: int, end: int, fault: str | None) -> _Run:
        raws = [self._source.cut(begin, end)] if end - begin <= self._whole else []
        return _Run([begin], raws, end, fault)

    def _split_value(self) -> _End:
        try:
            return self._walked_end(), None
        except _BrokenError as broken:
            cut_off = broken.cut_off
        end, fault = self._ended(self._broken_end(cut_off=cut_off), cut_off=cut_off)
        return end, None if fault == "damaged" and self._is_closed(end) else fault

    def _walked_end(self) -> int:
        doomed = bisect_left(self._doomed, self._at)
        if self._doomed[doomed : doomed + 1] == array("Q", [self._at]):
            raise _BrokenError(cut_off=self._doomed_cut_off)
        walk = _Walk(self._source, self._at)
        try:
            return walk.end()
        except _BrokenError as broken:
            self._doomed = walk.opened
            self._doomed_cut_off = broken.cut_off
            raise

    def _is_closed(self, end: int) -> bool:
        first, last = self._source.cut(self._at, self._at + 1), self._source.cut(end - 1, end)
        return end - self._at > 1 and first + last in (b"{}", b"[]", b'""')

    def _split_word(self) -> _End | None:
        end = self._pass(_WORD, self._at)
        return (end, None) if end > self._at and self._ends_word(end) else None

    def _ends_word(self, end: int) -> bool:
        """Say whether a word that ends there can stand for a value."""
        following, byte = self._source.skip(end)
        if byte in (_COMMA, _NOTHING) or self._ends_value(end, byte):
            return True
        return (
            end < following
            and end - self._at < _FAR
            and _SCALAR.fullmatch(self._source.cut(self._at, end)) is not None
        )

    @abstractmethod
    def _ends_value(self, end: int, byte: int) -> bool:
        """Say whether a value can end there, with that byte as the next that is not blank."""

    def _pass(self, pattern: re.Pattern[bytes], offset: int) -> int:
        """Return up to where a pattern that can be taken up again matches."""
        while True:
            data, place = self._source.window(offset, 1)
            place = _behind(pattern, data, place)
            offset = self._source.base + place
            if place < len(data) or offset >= self._source.size:
                return offset

    # By the layout.

    @abstractmethod
    def _broken_end(self, *, cut_off: bool) -> int | None:
        """Find where the layout says that the value here ends; None if it says nothing."""

    @abstractmethod
    def _loose_end(self) -> int | None:
        """Find where the layout says that the next record begins; None if it says nothing."""

    def _ended(self, end: int | None, *, cut_off: bool) -> _End:
        """End an element there, without an array's comma; or at the end of all that is left."""
        if end is None:
            end = self._source.trimmed(self._at, self._source.size)
            return end, "cut_off" if cut_off or self._has_marks else "damaged"
        end = self._source.trimmed(self._at, end)
        if self._has_marks and self._source.cut(end - 1, end) == b",":
            end = self._source.trimmed(self._at, end - 1)
        return end, "damaged"

    def _search(self, pattern: re.Pattern[bytes]) -> int | None:
        """Find where the next match of a layout's pattern ends."""
        offset = self._at
        while pattern not in self._used_up:
            data, place = self._source.window(offset, 2 * _OVERLAP)
            if found := pattern.search(data, place):
                return self._source.base + found.end()
            offset = self._source.base + len(data) - _OVERLAP
            if offset + _OVERLAP >= self._source.size:
                self._used_up.add(pattern)
        return None


def _begins(part: bytes, raws: list[bytes], offset: int) -> list[int]:
    """Find where each element of a part begins, from that offset on: all else are gaps.

    None at all if there is no gap between two: a row like null5 is not what msgspec takes it for.
    """
    gap = part[len(raws[0]) : _behind(_GAP, part, len(raws[0]))]
    if gap and gap.join(raws) == part:
        return list(accumulate((len(raw) + len(gap) for raw in raws[:-1]), initial=offset))
    begins, place = [offset], len(raws[0])
    for raw in raws[1:]:
        begin = _behind(_GAP, part, place)
        if begin == place:
            return []
        begins.append(offset + begin)
        place = begin + len(raw)
    return begins


class _ArraySplitter(_Splitter):
    """Splits an array, from behind its opening bracket."""

    _has_marks = True

    def __init__(self, source: _Source, begin: int, whole: int, note: _Note) -> None:
        super().__init__(source, begin, whole, note)
        self._layout = _find_layout(source, begin)
        self._comma_due = False
        self._comma_seen = False

    def go_on_behind(self, end: int) -> None:
        """Go on behind an element that ends there."""
        super().go_on_behind(end)
        self._comma_due = True

    def runs(self) -> Iterator[_Run]:
        """Give the elements in order, some at a time."""
        yield from super().runs()
        begin, byte = self._source.skip(self._at)
        if byte != _NOTHING:
            self._note("after_end", begin)
            end = self._source.trimmed(begin, self._source.size)
            yield self._run_of_one(begin, end, "after_end")

    def _to_next(self) -> bool:
        while True:
            self._at, byte = self._source.skip(self._at)
            if byte == _NOTHING:
                self._note("no_end", self._at)
                return False
            if byte not in (_COMMA, _CLOSE_ARRAY):
                break
            self._at += 1
            if not self._take_mark(byte):
                return False
        if self._comma_due:
            self._note("missing_comma", self._at)
        self._comma_due, self._comma_seen = True, False
        return True

    def _take_mark(self, byte: int) -> bool:
        """Take a comma, or the closing bracket: False then."""
        if byte == _CLOSE_ARRAY:
            if self._comma_seen:
                self._note("extra_comma", self._at - 1)
            return False
        if not self._comma_due:
            self._note("extra_comma", self._at - 1)
        self._comma_due, self._comma_seen = False, True
        return True

    def _last_cut(self, data: bytes, place: int, end: int) -> int | None:
        if self._source.base + end >= self._source.size:
            cut = _stripped(data, place, end)
            if data[cut - 1] == _CLOSE_ARRAY:
                return _stripped(data, place, cut - 1)
        for mark in self._layout.marks:
            cut = data.rfind(mark, place + 1, end)
            if cut > 0:
                return _before_comma(data, place, cut)
        cut = data.rfind(b",", place + 1, end)
        return _stripped(data, place, cut) if cut > 0 else None

    def _decode(self, part: bytes) -> list[msgspec.Raw]:
        return _ARRAYS.decode(b"[%b]" % part)

    def _ends_value(self, end: int, byte: int) -> bool:  # noqa: ARG002 - rows look at the end
        return byte == _CLOSE_ARRAY

    def _broken_end(self, *, cut_off: bool) -> int | None:
        found = self._search(self._layout.behind_broken)
        # A file that ends in a value may have been cut off behind a bracket of that value.
        certain = self._layout.closes_line or not cut_off
        return self._closing() if found is None and certain else found

    def _loose_end(self) -> int | None:
        found = self._search(self._layout.behind_loose)
        return self._closing() if found is None else found

    def _closing(self) -> int | None:
        closing = self._layout.closing
        return closing if closing is not None and closing > self._at else None


def _before_comma(data: bytes, place: int, cut: int) -> int | None:
    """Return the end of an element before a cut; None if only a walk can tell where it is."""
    end = _stripped(data, place, cut)
    if data[end - 1] == _COMMA:
        return _stripped(data, place, end - 1)
    # A comma can be missing between two objects; a word and an object are another thing.
    return end if data[end - 1] == _CLOSE_OBJECT else None


def _stripped(data: bytes, place: int, end: int) -> int:
    """Return the end of what is between two places without the blanks at its end."""
    while end > place and data[end - 1] in _BLANKS:
        end -= 1
    return end


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the records of an array are laid out, as its first one shows.

    marks: what the begin of a record looks like, the most certain first.
    behind_broken, behind_loose: match up to the begin of a record, where one must be found
    behind a value that has no end, or behind bytes that are none.
    closing: up to where the records go, if the file seems to end with the closing bracket.
    closes_line: that bracket is on a line where no other one can be.
    """

    marks: list[bytes]
    behind_broken: re.Pattern[bytes]
    behind_loose: re.Pattern[bytes]
    closing: int | None
    closes_line: bool


def _find_layout(source: _Source, begin: int) -> _Layout:
    """Make out the layout from what is behind the opening bracket, and from the file's end."""
    first, _ = source.skip(begin)
    blanks = source.cut(begin, first) if first - begin <= _FAR else b""
    head = source.cut(first, first + _HEAD)
    found = _FIRST_KEY.match(head)
    opening = head[: found.end(1)] if found else b"{"
    blank = rb"[ \t\r\n]{0,64}"
    # Looked for with its first key, a record is not taken for an object inside another record.
    key = re.escape(found.group(1) if found else b'"id"')
    record = rb"\{%b%b%b:" % (blank, key, blank)
    indent = _find_indent(blanks, head)
    closing, closes_line = _find_closing(source, begin, len(indent or b""))
    if indent is None:
        broken = re.compile(rb"\}%b,%b(?=%b)" % (blank, blank, record))
        loose = re.compile(rb"(?=%b)" % record)
        return _Layout([opening, b"{"], broken, loose, closing, closes_line)
    line = b"\n" + indent
    behind = re.compile(rb"%b(?=%b)" % (re.escape(line), rb"\{" if indent else record))
    return _Layout([line + opening, line + b"{"], behind, behind, closing, closes_line)


def _find_indent(blanks: bytes, head: bytes) -> bytes | None:
    """Find how far in records begin; None if they do not begin on lines of their own.

    The first record is not believed alone, for it may be the one that is damaged.
    """
    _, feed, indent = blanks.rpartition(b"\n")
    seen = [found.group(1) for found in _TWO_OBJECTS.finditer(head)]
    if feed and (head.startswith(b"{") or not seen):
        seen.append(indent)
    return min(seen, key=len) if feed else None


def _find_closing(source: _Source, begin: int, indent: int) -> tuple[int | None, bool]:
    """Find up to where the records go, and whether ] is alone on a line, less far in than they."""
    bracket = source.trimmed(begin, source.size) - 1
    if bracket <= begin or source.cut(bracket, bracket + 1) != b"]":
        return None, False
    closing = source.trimmed(begin, bracket)
    line = source.cut(closing, bracket) if bracket - closing <= _FAR else b""
    _, feed, inside = line.rpartition(b"\n")
    closes_line = bool(feed) and len(inside) < indent
    closes_record = source.cut(closing - 1, closing) == b"}"
    return closing if closes_line or closes_record else None, closes_line


class _RowSplitter(_Splitter):
    """Splits a row of values that no brackets hold, such as JSON Lines."""

    _has_marks = False

    def __init__(self, source: _Source, begin: int, whole: int, note: _Note) -> None:
        super().__init__(source, begin, whole, note)
        self._before = begin  # where the blanks began that end where the element begins

    def _to_next(self) -> bool:
        self._before = self._at
        while True:
            self._at, byte = self._source.skip(self._at)
            if byte != _COMMA:
                return byte != _NOTHING
            self._note("extra_comma", self._at)
            self._at += 1

    def _last_cut(self, data: bytes, place: int, end: int) -> int | None:
        at_the_end = self._source.base + end >= self._source.size
        cut = end if at_the_end else data.rfind(b"\n", place, end)
        return _stripped(data, place, cut) if cut > 0 else None

    def _decode(self, part: bytes) -> list[msgspec.Raw]:
        return _ROWS.decode_lines(part)

    def _ends_value(self, end: int, byte: int) -> bool:  # noqa: ARG002 - arrays look at the byte
        blanks = self._source.cut(end, end + _FAR)
        return _LINE_END.match(blanks) is not None

    def _broken_end(self, *, cut_off: bool) -> int | None:  # noqa: ARG002 - a line ends in any case
        """Find the end of the line: before the next one that is not further in."""
        before = self._source.cut(max(self._before, self._at - _FAR), self._at)
        indent = before.rpartition(b"\n")[2]
        if indent.strip(b" \t"):
            indent = b""
        end = self._search(re.compile(rb"\n%b(?=[^ \t\r\n\]}])" % indent))
        # An array that lost its bracket has its records further in.
        return self._search(_LINE_OF_OBJECT) if end is None else end

    def _loose_end(self) -> int | None:
        return self._search(_LINE_OF_OBJECT)
