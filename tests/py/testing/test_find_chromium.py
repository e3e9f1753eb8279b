"""How Chromium is found for the tests of the viewer: named, here, fetched, or nowhere."""

from pathlib import Path

import pytest

from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings
from harness.testing import chromium
from harness.testing.chromium import Chromium, find_chromium

_DEPENDS = """chromium-headless-shell
  Depends: libnss3
  Depends: <libgl-virtual>
libnss3
  Depends: libnspr4
libnspr4
libc6
<libgl-virtual>
xdg-utils
zlib1g
"""
_FETCHED = (
    *("chromium-headless-shell", "chromium-common", "fonts-dejavu-core"),
    *("libnspr4", "libnss3", "zlib1g"),
)


@pytest.fixture
def nowhere(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return settings with an empty home, on a machine without a browser."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{tmp_path / 'usual'}")
    (tmp_path / "usual").mkdir()
    for name in ("cat", "mkdir", "touch"):
        (tmp_path / "usual" / name).symlink_to(f"/bin/{name}")
    # Root's home would be elsewhere, for other accounts don't reach this one.
    monkeypatch.setattr(chromium, "home_of", lambda known: known.home)
    return settings.model_copy(update={"home": tmp_path / "home", "chromium": None})


def _program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_one_of_the_setting_is_taken_before_the_machines(
    nowhere: Settings, tmp_path: Path
) -> None:
    here = _program(tmp_path / "bin" / "chromium", "exit 0")
    assert find_chromium(nowhere, print) == Chromium(here)
    named = _program(tmp_path / "mine", "exit 0")
    assert find_chromium(nowhere.model_copy(update={"chromium": named}), print) == Chromium(named)


def test_it_is_fetched_with_its_libraries_and_a_font_and_only_once(
    nowhere: Settings, tmp_path: Path
) -> None:
    bin_folder = tmp_path / "bin"
    _program(
        bin_folder / "apt-get",
        f'echo "$@" >> {tmp_path}/asked; case "$*" in *download*) touch one.deb;; esac',
    )
    _program(bin_folder / "apt-cache", f"cat <<'END'\n{_DEPENDS}END")
    _program(
        bin_folder / "dpkg-deb",
        'mkdir -p "$3/usr/lib/chromium" "$3/lib/here"; '
        'touch "$3/usr/lib/chromium/chromium-headless-shell" "$3/lib/here/libz.so.1"',
    )
    said: list[str] = []
    found = [find_chromium(nowhere, said.append) for _ in range(2)]
    folder = nowhere.home / "chromium"
    fonts = folder / "fonts.conf"
    expected = {"LD_LIBRARY_PATH": str(folder / "lib/here"), "FONTCONFIG_FILE": str(fonts)}
    assert found == [Chromium(folder / "usr/lib/chromium/chromium-headless-shell", expected)] * len(
        found
    )
    assert str(folder / "usr/share/fonts") in fonts.read_text()
    assert len(said) == 1
    asked = (tmp_path / "asked").read_text().splitlines()
    assert [line.split("User=")[1].split(" ", 1)[1] for line in asked] == [
        "update",
        f"download {' '.join(_FETCHED)}",
    ]


def test_where_it_can_not_be_had_a_person_is_told_what_to_install(
    nowhere: Settings, tmp_path: Path
) -> None:
    with pytest.raises(SessionbaseError) as caught:
        find_chromium(nowhere, print)
    assert caught.value.code == ExitCode.MISSING_TOOL
    assert "apt-get install chromium" in str(caught.value.hint)
    gone = nowhere.model_copy(update={"chromium": tmp_path / "gone"})
    with pytest.raises(SessionbaseError, match="SESSIONBASE_CHROMIUM names"):
        find_chromium(gone, print)
