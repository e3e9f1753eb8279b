"""Which bytes of a content a request is about (RFC 9110, section 14)."""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=([0-9]{0,4000})-([0-9]{0,4000})", re.IGNORECASE)
"""One range. What is none, and what is several, may be left out of account, and is."""


class UnsatisfiableError(Exception):
    """A range that has no byte of the content."""


@dataclass(frozen=True)
class Span:
    """The bytes from start on, up to and without stop."""

    start: int
    stop: int

    def of(self, offset: int, piece: bytes) -> bytes:
        """Return what a piece has of it, whose first byte is the content's at offset."""
        return piece[max(0, self.start - offset) : max(0, self.stop - offset)]


def read_range(header: str, size: int) -> Span | None:
    """Read a header Range for a content of so many bytes. None: the content is wanted whole.

    Raises UnsatisfiableError.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or found[0].endswith("=-"):
        return None
    first, last = (int(text) if text else None for text in found.groups())
    if first is None:
        span = Span(max(0, size - (last or 0)), size)
    elif last is not None and last < first:
        return None
    else:
        span = Span(first, size if last is None else min(last + 1, size))
    if span.start >= span.stop:
        raise UnsatisfiableError
    return span
