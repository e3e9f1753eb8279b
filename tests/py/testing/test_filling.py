"""A folder is there whole, or not at all; and who comes second takes the first one's."""

from pathlib import Path

import pytest

from harness.folders import filling


def test_it_is_there_once_it_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    with filling(folder) as unfinished:
        unfinished.mkdir()
        (unfinished / "file").write_text("whole")
        assert not folder.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert (folder / "file").read_text() == "whole"


@pytest.mark.parametrize("error", [OSError("the disk is full"), ValueError("a word too many")])
def test_what_fails_is_raised_and_leaves_nothing(tmp_path: Path, error: Exception) -> None:
    def fail() -> None:
        with filling(tmp_path / "folder") as unfinished:
            unfinished.mkdir()
            raise error

    with pytest.raises(type(error), match=str(error)):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_the_first_that_is_whole_stays(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    with filling(folder) as unfinished:
        unfinished.mkdir()
        folder.mkdir()
        (folder / "file").write_text("of the first")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert (folder / "file").read_text() == "of the first"
