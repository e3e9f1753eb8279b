"""How nginx is found for the tests: here, fetched, or nowhere."""

import subprocess
from pathlib import Path

import pytest

from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings
from harness.testing import nginx
from harness.testing.nginx import Nginx, find_nginx

_DEPENDS = """nginx
  Depends: libc6
  Depends: libssl3
 |Depends: zlib1g
  Depends: iproute2
  Depends: nginx-common
    virtual-package
  Suggests: libnothing
"""


@pytest.fixture
def nowhere(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return settings with an empty home, on a machine without nginx."""
    monkeypatch.setattr(nginx, "_PLACES", str(tmp_path / "sbin"))
    # Root's home would be elsewhere, for other accounts don't reach this one.
    monkeypatch.setattr(nginx, "home_of", lambda known: known.home)
    return settings.model_copy(update={"home": tmp_path / "home"})


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_the_machines_own_is_taken(nowhere: Settings, tmp_path: Path) -> None:
    _program(tmp_path / "sbin" / "nginx", "exit 0")
    assert find_nginx(nowhere, print) == Nginx(tmp_path / "sbin" / "nginx")


def test_it_is_fetched_with_its_libraries_and_only_once(
    nowhere: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin_folder = tmp_path / "bin"
    _program(
        bin_folder / "apt-get",
        f'echo "$@" >> {tmp_path}/asked; for last; do :; done; '
        'case "$*" in *download*) touch one.deb;; esac',
    )
    _program(bin_folder / "apt-cache", f"cat <<'END'\n{_DEPENDS}END")
    _program(
        bin_folder / "dpkg-deb",
        'mkdir -p "$3/usr/sbin" "$3/usr/lib/here"; '
        'touch "$3/usr/sbin/nginx" "$3/usr/lib/here/libssl.so.3"',
    )
    monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")
    said: list[str] = []
    found = [find_nginx(nowhere, said.append) for _ in range(2)]
    folder = nowhere.home / "nginx"
    libraries = {"LD_LIBRARY_PATH": str(folder / "usr/lib/here")}
    assert found == [Nginx(folder / "usr/sbin/nginx", libraries)] * 2
    assert said == ["getting nginx from Debian's packages"]
    asked = (tmp_path / "asked").read_text().splitlines()
    assert [line.split("User=")[1].split(" ", 1)[1] for line in asked] == [
        "update",
        "download nginx libssl3 zlib1g",
    ]


def test_where_it_can_not_be_had_a_person_is_told_what_to_install(
    nowhere: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SessionbaseError) as caught:
        find_nginx(nowhere, print)
    assert caught.value.code == ExitCode.MISSING_TOOL
    assert "there is no apt-get to get nginx with" in caught.value.what
    assert "apt-get install nginx" in caught.value.hint


def test_what_is_found_runs(settings: Settings) -> None:
    found = find_nginx(settings, print)
    result = subprocess.run(
        [found.program, "-v"],
        check=True,
        env=found.environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert result.stderr.startswith("nginx version: nginx/")
