"""Splits a session log into the texts of its entries, in batches, without holding the log.

Two kinds of files, told apart by what is in them and not by their names:

- JSON Lines: an entry a line that is not blank. A byte order mark and carriage returns are passed
  over. A last line without a line feed may still be on its way to the disk: it is given, and not
  settled.
- A JSON document: its entries are the elements of its first list of objects; what stands around
  the list is its header. The list is read by the reader of the import, which gives every element
  as it stands in the file, whatever is wrong with it. The last entry is not settled: whoever
  writes such a log writes the whole file anew, and may have changed what came last.

What the entries say is for the database to read. A file may grow while it is read: it is read up
to the size that it had when it was opened here, in every pass.
"""

import errno
import hashlib
import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import FileIO
from itertools import islice
from pathlib import Path
from typing import Final

from harness.legacy.reader import Element, RecordFile

BATCH_BYTES: Final = 4 << 20
BATCH_ENTRIES: Final = 4000

MOST: Final = 32 << 20
"""A longer entry is not read; its begin is shown, and all of it is in the upload."""

EXCERPT: Final = 64 << 10
"""How much is shown of an entry that is too large."""

_WINDOW = 1 << 20
_HEAD_LINES = 20
_BOM = b"\xef\xbb\xbf"
_BLANKS = " \t\r\n"
_ONE_BLANK = frozenset(_BLANKS)
_JSON = json.JSONDecoder(strict=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry's text. number: its line, or its place in the list, from 1.

    fault: None, or "unfinished", "too_large" (the text is its begin), "damaged", "cut_off".
    """

    text: str
    number: int
    fault: str | None


@dataclass(frozen=True, slots=True)
class Point:
    """Up to where a log is settled: how many entries, how many bytes, and their SHA-256.

    Of JSON Lines the bytes are the file's, from its begin; of a document those of the entries,
    each with a line feed.
    """

    count: int
    size_bytes: int
    sha256: bytes


BEGIN: Final = Point(0, 0, hashlib.sha256().digest())


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries that follow each other, or none. settled: up to where, with them."""

    entries: list[Entry]
    settled: Point


class StalePoint(Exception):  # noqa: N818 - it says what was met, as StopIteration does
    """The log does not begin as it did when the point was made."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a batch holds, and what is too large. Tests have smaller ones."""

    batch_bytes: int = BATCH_BYTES
    batch_entries: int = BATCH_ENTRIES
    most: int = MOST
    excerpt: int = EXCERPT
    window: int = _WINDOW


class Log(ABC):
    """A session log as it was when it was opened.

    size_bytes: of the file. head: the texts of its first entries; of a document its header.
    header: what stands around a document's entries; complete once sums() has run. sha256: of the
    file, once batches() has come to its end. is_lines: whether it is JSON Lines.
    """

    is_lines: bool

    def __init__(self, path: Path, size_bytes: int, head: list[str], limits: Limits) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self.head = head
        self.header: str | None = None
        self.sha256 = b""
        self._limits = limits

    @abstractmethod
    def sums(self, points: Iterable[Point]) -> tuple[bytes, set[Point]]:
        """Return the file's SHA-256, and those of the points that the log still holds to."""

    @abstractmethod
    def batches(self, start: Point) -> Iterator[Batch]:
        """Give the entries behind a point, in batches. Raises StalePoint."""


def open_log(path: Path, limits: Limits | None = None) -> Log | None:
    """Look at a file's begin and say how it is to be read; None if nothing can be read yet.

    That is so of a file without an entry, and of one whose only line is not finished. OSError.
    """
    limits = limits or Limits()
    with path.open("rb", buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size
        window = _first_lines(stream, size, limits)
    is_whole = len(window) == size
    first = len(_BOM) if window.startswith(_BOM) else 0
    lines = [text for line in window[first:].split(b"\n") if (text := _text(line).strip(_BLANKS))]
    place = _find_list(window, first, lines, is_whole=is_whole)
    if place:
        return _Document(path, size, window[first : place.header_end], place.begin, limits)
    is_finished = window.endswith(b"\n") or not is_whole
    if not lines or (len(lines) == 1 and not is_finished and not _is_object(lines[0])):
        return None
    if not is_whole and len(lines) > 1:
        lines.pop()
    return _Lines(path, size, lines[:_HEAD_LINES], limits)


class _Lines(Log):
    """JSON Lines."""

    is_lines = True

    def sums(self, points: Iterable[Point]) -> tuple[bytes, set[Point]]:
        whole, held, at = hashlib.sha256(), set(), 0
        with self.path.open("rb", buffering=0) as stream:
            for point in sorted(points, key=lambda each: each.size_bytes):
                if point.size_bytes > self.size_bytes:
                    break
                for piece in _pieces(stream, point.size_bytes - at, self._limits.window):
                    whole.update(piece)
                at = point.size_bytes
                if whole.digest() == point.sha256:
                    held.add(point)
            for piece in _pieces(stream, self.size_bytes - at, self._limits.window):
                whole.update(piece)
        return whole.digest(), held

    def batches(self, start: Point) -> Iterator[Batch]:
        filling = _LineBatches(start, self._limits)
        with self.path.open("rb", buffering=0) as stream:
            filling.pass_over(stream, self.size_bytes)
            for piece in _pieces(stream, self.size_bytes - start.size_bytes, self._limits.window):
                yield from filling.take(piece)
        yield from filling.end()
        self.sha256 = filling.sha256


class _LineBatches:
    """Makes batches of a file's bytes, which come piece by piece, from a point on."""

    def __init__(self, start: Point, limits: Limits) -> None:
        self._limits = limits
        self._hash = hashlib.sha256()
        self._settled = self._given = start
        self._count = start.count  # of entries whose line has ended
        self._line = 0  # how many lines have ended
        self._at = start.size_bytes  # where the piece at hand begins
        self._kept: list[bytes] = []  # of the line at hand
        self._length = 0  # of the line at hand
        self._entries: list[Entry] = []
        self._entries_bytes = 0

    @property
    def sha256(self) -> bytes:
        """SHA-256 of all that was taken, from the file's begin."""
        return self._hash.digest()

    def pass_over(self, stream: FileIO, size_bytes: int) -> None:
        """Go to where the point is. Raises StalePoint."""
        if self._settled.size_bytes > size_bytes:
            raise StalePoint
        for piece in _pieces(stream, self._settled.size_bytes, self._limits.window):
            self._hash.update(piece)
            self._line += piece.count(b"\n")
        if self.sha256 != self._settled.sha256:
            raise StalePoint

    def take(self, piece: bytes) -> Iterator[Batch]:
        """Take the next bytes; give the batches that are full with them."""
        begin = hashed = 0
        while (feed := piece.find(b"\n", begin)) >= 0:
            self._keep(piece[begin:feed])
            self._end_line(None)
            begin = feed + 1
            if self._is_full():
                hashed = self._settle(piece, hashed, begin)
                yield self._close()
        if begin > hashed:
            hashed = self._settle(piece, hashed, begin)
        self._keep(piece[begin:])
        self._hash.update(memoryview(piece)[hashed:])
        self._at += len(piece)

    def end(self) -> Iterator[Batch]:
        """Give what is left, with a line that may not be finished.

        Blank lines at the end are no entries, and yet settled: so the last batch may be empty.
        """
        if self._length:
            self._end_line("unfinished")
        if self._entries or self._settled != self._given:
            yield self._close()

    def _keep(self, part: bytes) -> None:
        """Add to the line at hand; of one that is too large, only its begin is kept."""
        if self._length <= self._limits.most:
            self._kept.append(part)
            if self._length + len(part) > self._limits.most:
                self._kept = [b"".join(self._kept)[: self._limits.excerpt]]
        self._length += len(part)

    def _end_line(self, fault: str | None) -> None:
        raw, length = b"".join(self._kept), self._length
        self._kept, self._length = [], 0
        self._line += 1
        text = _text(raw).rstrip("\r")
        if self._line == 1:
            text = text.removeprefix("\ufeff")
        if not text.strip(_BLANKS):
            return
        if length > self._limits.most:
            fault = "too_large"
        self._entries.append(Entry(text, self._line, fault))
        self._entries_bytes += len(raw)
        self._count += 1

    def _is_full(self) -> bool:
        return (
            self._entries_bytes >= self._limits.batch_bytes
            or len(self._entries) >= self._limits.batch_entries
        )

    def _settle(self, piece: bytes, hashed: int, end: int) -> int:
        """Note that all is settled up to a line feed in the piece; return how much is hashed."""
        self._hash.update(memoryview(piece)[hashed:end])
        self._settled = Point(self._count, self._at + end, self.sha256)
        return end

    def _close(self) -> Batch:
        batch = Batch(self._entries, self._settled)
        self._given = self._settled
        self._entries, self._entries_bytes = [], 0
        return batch


class _Document(Log):
    """A JSON document whose entries are the elements of a list."""

    is_lines = False

    def __init__(
        self, path: Path, size_bytes: int, header: bytes, begin: int, limits: Limits
    ) -> None:
        """header: the file up to the list's name. begin: where the list does."""
        super().__init__(path, size_bytes, [], limits)
        self._begin = begin
        self._header = _text(header)
        if self._header:
            self.head = [self._header + "}"]
        else:
            elements = islice(self._file().elements(), _HEAD_LINES)
            self.head = [_text(each.raw) for each in elements if each.raw is not None]

    def sums(self, points: Iterable[Point]) -> tuple[bytes, set[Point]]:
        wanted, held, chain = set(points), set[Point](), _Chain()
        file, rest = self._file(), ""
        for element in file.elements():
            held |= wanted & {chain.point}
            if element.fault == "after_end":
                rest = _text(element.raw or b"")
            else:
                chain.add(file, element)
        held |= wanted & {chain.point}
        self.header = self._whole_header(rest)
        return file.sha256, held

    def batches(self, start: Point) -> Iterator[Batch]:
        file, chain = self._file(), _Chain()
        for batch in file.batches():
            entries: list[Entry] = []
            settled = chain.point
            for element in batch.elements:
                if element.fault == "after_end":
                    break
                if chain.point.count == start.count and chain.point != start:
                    raise StalePoint
                settled = chain.point
                if chain.point.count >= start.count:
                    entries.append(self._entry(file, element))
                chain.add(file, element)
            if entries:
                # Whatever comes last may be changed when the log is written again.
                yield Batch(entries, settled)
        if chain.point.count < start.count:
            raise StalePoint
        self.sha256 = file.sha256

    def _file(self) -> RecordFile:
        return RecordFile(
            self.path,
            array_at=self._begin,
            batch_bytes=self._limits.batch_bytes,
            batch_records=self._limits.batch_entries,
            window_bytes=self._limits.window,
            large=self._limits.most,
            most=sys.maxsize,
        )

    def _entry(self, file: RecordFile, element: Element) -> Entry:
        number = element.ordinal + 1
        if element.raw is None:
            begin = next(file.pieces(element))
            return Entry(_text(begin[: self._limits.excerpt]), number, "too_large")
        return Entry(_text(element.raw), number, element.fault)

    def _whole_header(self, rest: str) -> str | None:
        if not self._header:
            return None
        rest = rest.lstrip(_BLANKS)
        if self._header.rstrip(_BLANKS) == "{":
            rest = rest.removeprefix(",")
        whole = self._header + rest
        return whole if _is_object(whole) else self._header + "}"


class _Chain:
    """The SHA-256 of a document's entries, one after the other."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.point = BEGIN

    def add(self, file: RecordFile, element: Element) -> None:
        """Add an entry."""
        for piece in file.pieces(element) if element.raw is None else (element.raw,):
            self._hash.update(piece)
        self._hash.update(b"\n")
        size = self.point.size_bytes + element.length + 1
        self.point = Point(self.point.count + 1, size, self._hash.digest())


@dataclass(frozen=True, slots=True)
class _ListPlace:
    """Where in a document the list of its entries begins, and where the header before it ends."""

    begin: int
    header_end: int


def _find_list(window: bytes, first: int, lines: list[str], *, is_whole: bool) -> _ListPlace | None:
    """Find the list of a document; None if the file is no document, or has none.

    lines: those of the window that are not blank.
    """
    # One character a byte: all that JSON's grammar looks at is in ASCII.
    text = window.decode("latin-1")
    at = _behind_blanks(text, first)
    if text[at : at + 1] == "[":
        return _ListPlace(at, first)
    if any(map(_is_object, lines[:2])):
        is_alone = is_whole and len(lines) == 1
        if not is_alone or "type" in json.loads(lines[0], strict=False):
            return None
    return _find_member(text, at) if text[at : at + 1] == "{" else None


def _find_member(text: str, at: int) -> _ListPlace | None:
    """Find the first member of an object that is a list of objects, or else an empty one."""
    empty = None
    header_end = at = at + 1
    try:
        while True:
            name, at = _JSON.raw_decode(text, _behind_blanks(text, at))
            at = _behind_blanks(text, at)
            if not isinstance(name, str) or text[at] != ":":
                return empty
            at = _behind_blanks(text, at + 1)
            if text[at] == "[":
                inside = text[_behind_blanks(text, at + 1)]
                if inside == "{":
                    return _ListPlace(at, header_end)
                if inside == "]":
                    empty = empty or _ListPlace(at, header_end)
            _, header_end = _JSON.raw_decode(text, at)
            at = _behind_blanks(text, header_end)
            if text[at] != ",":
                return empty
            at += 1
    except (ValueError, IndexError, RecursionError):
        return empty


def _behind_blanks(text: str, at: int) -> int:
    while text[at : at + 1] in _ONE_BLANK:
        at += 1
    return at


def _first_lines(stream: FileIO, size: int, limits: Limits) -> bytes:
    """Read a file's begin: so much, and more if not even one line ends in it."""
    window = bytearray()
    for piece in _pieces(stream, min(size, max(limits.most, limits.window)), limits.window):
        window += piece
        if b"\n" in piece:
            break
    return bytes(window)


def _pieces(stream: FileIO, size: int, window: int) -> Iterator[bytes]:
    """Read so many bytes. Raises OSError, also if they are not there any more."""
    while size > 0:
        piece = stream.read(min(size, window))
        if not piece:
            raise OSError(errno.EIO, "it shrank while it was read")
        size -= len(piece)
        yield piece


def _text(raw: bytes) -> str:
    """Return bytes as a text that Postgres can hold: U+FFFD for what is no UTF-8, and for NUL."""
    return raw.decode("utf-8", "replace").replace("\0", "\ufffd")


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text, strict=False), dict)
    except (ValueError, RecursionError):
        return False
