"""A header Range, against what slicing says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.ranges import Span, UnsatisfiableError, read_range

SIZES = st.integers(0, 40)
PLACES = st.integers(0, 50)


def bytes_of(header: str, size: int) -> list[int] | None:
    """Return which bytes a range is; None for the whole content."""
    span = read_range(header, size)
    return None if span is None else list(range(span.start, span.stop))


@given(SIZES, PLACES, PLACES)
def test_first_to_last(size: int, first: int, last: int) -> None:
    header, wanted = f"bytes={first}-{last}", list(range(size))[first : last + 1]
    if first > last:
        assert bytes_of(header, size) is None
    elif not wanted:
        with pytest.raises(UnsatisfiableError):
            read_range(header, size)
    else:
        assert bytes_of(header, size) == wanted


@given(SIZES, PLACES)
def test_from_one_on(size: int, first: int) -> None:
    if first >= size:
        with pytest.raises(UnsatisfiableError):
            read_range(f"bytes={first}-", size)
    else:
        assert bytes_of(f"bytes={first}-", size) == list(range(size))[first:]


@given(SIZES, PLACES)
def test_the_last_ones(size: int, count: int) -> None:
    if not min(size, count):
        with pytest.raises(UnsatisfiableError):
            read_range(f"bytes=-{count}", size)
    else:
        assert bytes_of(f"Bytes=-{count}", size) == list(range(size))[-count:]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=0-1,3-4",
        "bytes=a-b",
        "bytes=1--2",
        "items=0-1",
        "bytes=\u0661-2",
        f"bytes={'9' * 5000}-",
    ],
)
def test_what_is_no_single_range_is_left_out_of_account(header: str) -> None:
    assert read_range(header, 10) is None


def test_a_number_beyond_all_is_as_the_end() -> None:
    assert read_range(f"bytes=3-{'9' * 4000}", 10) == Span(3, 10)


@given(st.binary(max_size=60), st.integers(1, 9), st.data())
def test_pieces_of_a_span_are_the_span(content: bytes, size: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(content)))
    span = Span(start, data.draw(st.integers(start, len(content))))
    offsets = range(0, len(content), size)
    pieces = [span.of(offset, content[offset : offset + size]) for offset in offsets]
    assert b"".join(pieces) == content[span.start : span.stop]
