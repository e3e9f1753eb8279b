"""Splits a JSON array in a file into the exact bytes of its elements, in bounded memory.

Only the array is read here: brackets, commas, and strings so far as needed to skip them. What
stands inside an element is not judged; Postgres does that, record by record. No library gives
the bytes of elements as they stand in the file: ijson and orjson give values (which lose digits
and spelling), msgspec and orjson refuse a lone surrogate, which JSON allows and the old viewer
could write.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from harness.errors import ExitCode, SessionbaseError

_WINDOW = 1 << 20
_WHITESPACE = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
# A whole string, or one mark. A lone quotation mark begins a string that the window does not end.
# The quantifiers are possessive: a long string is looked at once.
_MARK = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)


@dataclass(frozen=True)
class Element:
    """One element of the array: ordinal from 0, offset of its first byte, its bytes."""

    ordinal: int
    offset: int
    raw: bytes


class ArrayFile:
    """A file that is a JSON array. Once elements() has come to its end, the sums are known."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.size_bytes = 0
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> bytes:
        """SHA-256 of the bytes that were read."""
        return self._hash.digest()

    def elements(self) -> Iterator[Element]:
        """Read the elements, in order.

        Memory is a window of 1 MiB, or twice the largest element where that is more.
        Raises SessionbaseError: NO_DATA_FOLDER if the file can't be read; NOT_AN_ARRAY and
        CUT_OFF, each with the byte where it shows.
        """
        try:
            with self.path.open("rb") as stream:
                for element in _Splitter(self.path.name, partial(self._read, stream)).elements():
                    self.count += 1
                    yield element
        except OSError as error:
            raise SessionbaseError(
                ExitCode.NO_DATA_FOLDER, f"can't read {self.path}: {error.strerror}"
            ) from None

    def check(self) -> None:
        """Read the file to its end. Raises what elements() raises."""
        for _ in self.elements():
            pass

    def _read(self, stream: BinaryIO, size: int) -> bytes:
        data = stream.read(size)
        self._hash.update(data)
        self.size_bytes += len(data)
        return data


class _Splitter:
    """Goes through a file with a window of its bytes."""

    def __init__(self, name: str, read: Callable[[int], bytes]) -> None:
        self._name = name
        self._read = read
        self._window = b""
        self._base = 0  # offset in the file at which the window begins
        self._at = 0  # place in the window up to which all is done with
        self._mark = b""  # what was read last: [ , or ]

    def elements(self) -> Iterator[Element]:
        """Give the elements from the opening bracket to the closing one."""
        self._open_array()
        ordinal = 0
        while (element := self._next(ordinal)) is not None:
            yield element
            ordinal += 1
        self._refuse_what_follows()

    def _open_array(self) -> None:
        self._read_more()
        if self._window.startswith(_BOM):
            self._at = len(_BOM)
        self._skip_whitespace()
        self._mark = self._window[self._at : self._at + 1]
        if self._mark != b"[":
            found = "does not begin with [" if self._mark else "is empty"
            raise self._not_an_array(f"it {found}", self._at)
        self._at += 1

    def _next(self, ordinal: int) -> Element | None:
        """Read an element and the comma or bracket behind it; None at the end of the array."""
        if self._mark == b"]":
            return None
        self._skip_whitespace()
        end = self._find_end(ordinal)
        raw = self._window[self._at : end].rstrip(_WHITESPACE)
        element = Element(ordinal, self._base + self._at, raw)
        before, self._mark = self._mark, self._window[end : end + 1]
        self._at = end + 1
        if raw:
            return element
        if before == b"[" and self._mark == b"]":
            return None
        raise self._not_an_array("it has a comma without a record", end)

    def _find_end(self, ordinal: int) -> int:
        """Find the place of the comma or bracket that ends the element which begins here."""
        depth, place = 0, self._at
        while True:
            mark = _MARK.search(self._window, place)
            if mark is None or mark.group() == b'"':
                # Up to here all is seen, but for a string that the window cuts: that again.
                seen = (mark.start() if mark else len(self._window)) - self._at
                if not self._read_more():
                    raise self._cut_off(ordinal)
                place = self._at + seen
                continue
            place = mark.end()
            letter = mark.group()
            if letter in (b"[", b"{"):
                depth += 1
            elif depth and letter in (b"]", b"}"):
                depth -= 1
            elif not depth and letter in (b",", b"]"):
                return mark.start()

    def _refuse_what_follows(self) -> None:
        self._skip_whitespace()
        if self._at < len(self._window):
            raise self._not_an_array("something follows its closing ]", self._at)

    def _skip_whitespace(self) -> None:
        while True:
            rest = self._window[self._at : self._at + 64]
            blank = len(rest) - len(rest.lstrip(_WHITESPACE))
            self._at += blank
            if blank < len(rest) or (not rest and not self._read_more()):
                return

    def _read_more(self) -> bool:
        """Add to the window as much as it holds, dropping what is done with. False at the end."""
        kept = self._window[self._at :]
        more = self._read(max(_WINDOW, len(kept)))
        self._window = kept + more
        self._base += self._at
        self._at = 0
        return bool(more)

    def _not_an_array(self, why: str, place: int) -> SessionbaseError:
        return SessionbaseError(
            ExitCode.NOT_AN_ARRAY,
            f"{self._name} is no JSON array of records: {why} (byte {self._base + place})",
            hint="Check that this is the viewer's file. If it should count as an empty store, "
            "move it out of the folder. Nothing was imported.",
        )

    def _cut_off(self, ordinal: int) -> SessionbaseError:
        return SessionbaseError(
            ExitCode.CUT_OFF,
            f"{self._name} is cut off: record {ordinal + 1}, which begins at byte "
            f"{self._base + self._at}, has no end",
            hint="The viewer may have died while writing it. Take a whole copy from a backup; or, "
            f"to do without that record, cut the file before byte {self._base + self._at}, take "
            "the last comma away and put ] there. Nothing was imported.",
        )
