"""An archive holds a data folder as it was, is read back, and is refused where it does not."""

import errno
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from harness.cutover import archive as module
from harness.cutover.archive import beside_of, check_archive, take_archive, unpack_archive
from harness.cutover.folder import DataFile, Summed, list_contents
from harness.errors import ExitCode, SessionbaseError
from tests.py.rollback.folders import MESSAGES, THREADS, archive, kept, seen, silent, write

FILES = {THREADS: b"[]", MESSAGES: b"[1]" * 5000, "notes/old.txt": bytes(range(256)), "leer": b""}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "data", FILES)


def code_of(deed: Callable[[], object]) -> tuple[ExitCode, str]:
    with pytest.raises(SessionbaseError) as raised:
        deed()
    return raised.value.code, raised.value.what


def test_it_holds_every_regular_file_and_says_what_it_leaves_out(data: Path) -> None:
    (data / "link").symlink_to(THREADS)
    os.mkfifo(data / "pipe")
    (data / os.fsdecode(b"\xff.json")).write_bytes(b"no UTF-8")
    made = archive(data)
    assert made.is_new
    assert [(one.name, one.kind) for one in made.manifest.left_out] == [
        ("link", "symbolic link"),
        ("pipe", "named pipe"),
    ]
    assert made.path.stat().st_mode & 0o777 == 0o400
    assert beside_of(made.path).stat().st_mode & 0o777 == 0o400
    (data / "link").unlink()
    (data / "pipe").unlink()
    back = data.parent / "back"
    assert unpack_archive(made.path, back, silent).manifest == made.manifest
    assert seen(back) == seen(data)


def test_the_same_files_are_archived_once(data: Path) -> None:
    first, again = archive(data), archive(data)
    assert (again.path, again.sha256, again.is_new) == (first.path, first.sha256, False)
    os.utime(data / THREADS)
    other = archive(data)
    assert other.is_new
    assert other.path != first.path
    assert len(list(first.path.parent.glob("*.zst"))) == 2


def test_a_damaged_archive_of_the_same_files_is_not_taken_for_one(data: Path) -> None:
    first = archive(data)
    flip(first.path, first.size_bytes // 2)
    again = archive(data)
    assert again.is_new
    assert again.path != first.path


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


def test_whatever_is_damaged_is_found(data: Path) -> None:
    made = archive(data)
    whole = made.path.read_bytes()
    made.path.chmod(0o600)
    for place in range(0, len(whole), 7):
        flip(made.path, place)
        assert code_of(lambda: check_archive(made.path, silent))[0] == ExitCode.DAMAGED
        made.path.write_bytes(whole)

    # Alone, what zstd makes nothing of may be another bit; what is read is as it was, or refused.
    beside_of(made.path).unlink()
    assert check_archive(made.path, silent).sha256 == made.sha256
    refused = 0
    for place in range(0, len(whole), 7):
        made.path.write_bytes(whole)
        flip(made.path, place)
        with suppress(SessionbaseError):
            assert check_archive(made.path, silent).manifest == made.manifest
            continue
        refused += 1
    assert refused > len(range(0, len(whole), 7)) - 5
    for size in range(0, len(whole), 11):
        made.path.write_bytes(whole[:size])
        assert code_of(lambda: check_archive(made.path, silent))[0] == ExitCode.DAMAGED
    back = data.parent / "back"
    assert code_of(lambda: unpack_archive(made.path, back, silent))[0] == ExitCode.DAMAGED
    assert not back.exists()


def test_it_is_compared_with_the_manifest_beside(data: Path) -> None:
    made = archive(data)
    beside = beside_of(made.path)
    beside.chmod(0o600)
    beside.write_text(beside.read_text().replace(made.sha256, "0" * 64))
    code, what = code_of(lambda: check_archive(made.path, silent))
    assert (code, beside.name in what) == (ExitCode.DAMAGED, True)


def test_tar_and_zstd_open_it(data: Path) -> None:
    tar = shutil.which("tar")
    if not (tar and shutil.which("zstd")):
        pytest.fail("tar and zstd are not installed")
    made, back = archive(data), data.parent / "back"
    back.mkdir()
    subprocess.run([tar, "--zstd", "-xf", made.path, "-C", back], check=True, capture_output=True)
    found = {name: content for name, (content, *_) in seen(back / "data").items()}
    assert found == FILES


def changed_after(data: Path, change: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> str:
    """Change the folder once it was listed and summed, and return what is said of that."""

    def listing(*arguments: Any) -> Any:  # noqa: ANN401 - as the function has them
        contents = list_contents(*arguments)
        change()
        return contents

    monkeypatch.setattr(module, "list_contents", listing)
    code, what = code_of(lambda: archive(data))
    assert code == ExitCode.DATA_CHANGED
    assert list((data.parent / "archives").iterdir()) == []
    return what


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda data: (data / MESSAGES).write_bytes(b"[1]" * 5001), MESSAGES),
        (lambda data: os.truncate(data / MESSAGES, 7), MESSAGES),
        (lambda data: (data / MESSAGES).unlink(), MESSAGES),
        (lambda data: os.utime(data / MESSAGES), MESSAGES),
        (lambda data: (data / "new.json").write_bytes(b"x"), "new.json"),
        (lambda data: (data / MESSAGES).write_bytes(b"[2]" * 5000), MESSAGES),
    ],
)
def test_a_folder_that_changes_meanwhile_is_no_archive(
    data: Path, change: Callable[[Path], object], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert name in changed_after(data, lambda: change(data), monkeypatch)


def test_what_can_not_be_read_back_is_no_archive(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaging(path: Path, *_: object) -> None:
        flip(path, 40)
        raise SessionbaseError(ExitCode.DAMAGED, "it is damaged")

    monkeypatch.setattr(module, "check_archive", damaging)
    code, what = code_of(lambda: archive(data))
    assert code == ExitCode.ARCHIVE_FAILED
    assert "read back" in what
    assert list((data.parent / "archives").iterdir()) == []


def test_a_full_disk_is_said(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 0))  # noqa: SLF001
    code, what = code_of(lambda: archive(data))
    assert (code, "has room for 0 bytes" in what) == (ExitCode.ARCHIVE_FAILED, True)
    monkeypatch.undo()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, "_keep", full)
    code, what = code_of(lambda: archive(data))
    assert (code, "No space left" in what) == (ExitCode.ARCHIVE_FAILED, True)
    assert list((data.parent / "archives").iterdir()) == []


def test_what_a_killed_one_left_is_cleared_away(data: Path) -> None:
    out = data.parent / "archives"
    out.mkdir()
    (out / ".legacy-20200101T000000Z.tar.zst.unfinished").write_bytes(b"half")
    made = archive(data)
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [made.path.name, beside_of(made.path).name]
    )


def test_where_it_can_not_be_taken(data: Path, tmp_path: Path) -> None:
    assert code_of(lambda: take_archive(data, data / "out", silent))[0] == ExitCode.REFUSED
    empty = tmp_path / "empty"
    empty.mkdir()
    assert code_of(lambda: archive(empty))[0] == ExitCode.NO_DATA_FOLDER
    (data / THREADS).rename(tmp_path / "elsewhere")
    (data / THREADS).symlink_to(tmp_path / "elsewhere")
    assert code_of(lambda: archive(data))[0] == ExitCode.REFUSED
    assert code_of(lambda: check_archive(tmp_path / "no", silent))[0] == ExitCode.NOT_THERE


def test_a_name_that_leads_out_of_the_folder_is_refused(data: Path, tmp_path: Path) -> None:
    manifest = archive(data).manifest
    for name in ("../out", "/out", "a/../../out"):
        file = DataFile(name, 0, "", 0, 0o600, os.getuid(), os.getgid())
        with (tmp_path / "empty").open("w+b") as stream, pytest.raises(ValueError, match="out"):
            module._write_file(tmp_path / "into", file, Summed(stream))  # noqa: SLF001
    assert manifest
    assert not (tmp_path / "out").exists()


def test_memory_does_not_grow_with_the_files(data: Path) -> None:
    """A stream is read piece by piece: nothing asks for all of it at once."""
    sizes: list[int] = []
    real = Summed.read

    def read(self: Summed, size: int = -1, /) -> bytes:
        sizes.append(size)
        return real(self, size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Summed, "read", read)
        made = archive(data)
        unpack_archive(made.path, data.parent / "back", silent)
    assert sizes
    assert min(sizes) > 0
    assert max(sizes) <= 1 << 20
    assert FILES[MESSAGES] in kept(data.parent / "back")
