"""The charset of a text is found however its bytes come, and where it is in none, that is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.charset import CharsetFinder


def charset(content: bytes, *, step: int = 1) -> str | None:
    finder = CharsetFinder()
    for start in range(0, len(content), step):
        finder.feed(content[start : start + step])
    return finder.found()


@given(text=st.text(st.characters(exclude_characters="\0", codec="utf-8")), step=st.integers(1, 9))
def test_utf_8_is_found(text: str, step: int) -> None:
    assert charset(text.encode(), step=step) == "utf-8"


@given(text=st.text(), step=st.integers(1, 9), name=st.sampled_from(["utf-16le", "utf-16be"]))
def test_utf_16_is_found_by_its_mark(text: str, step: int, name: str) -> None:
    assert charset(f"\ufeff{text}".encode(name), step=step) == name


@pytest.mark.parametrize("step", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "utf-8"),
        (b"x", "utf-8"),
        (b"\xef\xbb\xbfwith a mark", "utf-8"),
        ("größer".encode("latin-1"), None),
        (b"\xff", None),
        (b"cut in a letter \xc3", None),
        (b"\xed\xa0\x80", None),  # half of a surrogate pair
        (b"\0", None),
        ("without a mark".encode("utf-16le"), None),
        ("\ufeffodd".encode("utf-16le") + b"x", None),
        ("\ufeff".encode("utf-16be") + b"\xd8\x00", None),
        (b"\x89PNG\r\n\x1a\n", None),
    ],
)
def test_what_it_is(content: bytes, found: str | None, step: int) -> None:
    assert charset(content, step=step) == found
