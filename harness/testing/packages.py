"""Debian's packages for tests, unpacked into a folder of the project's own.

That needs no root and changes nothing of the system. Only their files are there then: none of
their scripts runs.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ExitCode, SessionbaseError
from harness.folders import filling

_FETCH_SECONDS = 300
_PROGRAMS = ("apt-get", "apt-cache", "dpkg-deb")

AskCache = Callable[..., str]
"""Runs apt-cache with the words given, and returns what it prints."""


@dataclass(frozen=True)
class Wanted:
    """What tests need and a machine may not have. hint: how a person installs it."""

    label: str
    packages: Callable[[AskCache], list[str]]
    hint: str
    programs: tuple[str, ...] = ()

    def missing(self, why: str) -> SessionbaseError:
        """Make the error that says so."""
        return SessionbaseError(
            ExitCode.MISSING_TOOL, why, hint=f"{self.hint} No test was run without it."
        )


def fetch(wanted: Wanted, folder: Path) -> None:
    """Download the packages and unpack them, with package lists of our own beside them.

    Raises SessionbaseError (MISSING_TOOL), and leaves nothing then.
    """
    for program in (*_PROGRAMS, *wanted.programs):
        if shutil.which(program) is None:
            raise wanted.missing(f"there is no {program} to get {wanted.label} with")
    with filling(folder) as unfinished:
        _unpack(wanted, unfinished)


def _unpack(wanted: Wanted, folder: Path) -> None:
    apt = folder / "apt"
    (apt / "lists" / "partial").mkdir(parents=True)
    (apt / "archives" / "partial").mkdir(parents=True)
    options = [
        *("-o", f"Dir::State::Lists={apt / 'lists'}"),
        *("-o", f"Dir::Cache={apt}"),
        # As root apt would drop to an account that can't reach this folder.
        *("-o", f"APT::Sandbox::User={'root' if os.geteuid() == 0 else ''}"),
    ]

    def run(*command: str) -> str:
        return _run(wanted, apt, *command)

    run("apt-get", *options, "update")
    packages = wanted.packages(lambda *words: run("apt-cache", *options, *words))
    run("apt-get", *options, "download", *packages)
    for package in sorted(apt.glob("*.deb")):
        run("dpkg-deb", "--extract", str(package), str(folder))
    shutil.rmtree(apt)


def _run(wanted: Wanted, folder: Path, *command: str) -> str:
    result = subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True, timeout=_FETCH_SECONDS
    )
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or ["no message"]
        raise wanted.missing(f"`{command[0]}` failed while getting {wanted.label}: {lines[-1]}")
    return result.stdout
