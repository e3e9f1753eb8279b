"""Chromium for the tests of the viewer: a named one, the machine's, or else Debian's, unpacked.

Playwright steers it; the browsers that Playwright itself would download are not used.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.console import Tell
from harness.embedded.binaries import home_of
from harness.settings import Settings
from harness.testing.packages import AskCache, Wanted, fetch

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SHELL = "chromium-headless-shell"
_FONTS = "fonts-dejavu-core"
_DEPENDENCIES = (
    *("depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks"),
    *("--no-replaces", "--no-enhances"),
)


@dataclass(frozen=True)
class Chromium:
    """The program, and what its environment must have besides."""

    program: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def find_chromium(settings: Settings, tell: Tell) -> Chromium:
    """Find it, or fetch it. Raises SessionbaseError (MISSING_TOOL) that says what to install."""
    if settings.chromium:
        if not settings.chromium.exists():
            raise _WANTED.missing(
                f"SESSIONBASE_CHROMIUM names {settings.chromium}, which is not there"
            )
        return Chromium(settings.chromium)
    for name in _NAMES:
        installed = shutil.which(name)
        if installed:
            return Chromium(Path(installed))
    return _fetched(home_of(settings) / "chromium", tell)


def _fetched(cache: Path, tell: Tell) -> Chromium:
    if not cache.exists():
        tell(f"getting {_WANTED.label} from Debian's packages, some 170 MB")
        fetch(_WANTED, cache)
    program = cache / "usr/lib/chromium/chromium-headless-shell"
    if not program.exists():
        raise _WANTED.missing(f"Debian's package left no Chromium in {cache}; remove that folder")
    libraries = sorted({str(found.parent) for found in cache.glob("**/lib*.so*")})
    return Chromium(
        program,
        {
            "LD_LIBRARY_PATH": os.pathsep.join(libraries),
            "FONTCONFIG_FILE": str(_font_settings(cache)),
        },
    )


def _font_settings(cache: Path) -> Path:
    """Say where the fonts are: those of the packages look where they would be installed."""
    file = cache / "fonts.conf"
    file.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        f"<dir>{cache / 'usr/share/fonts'}</dir><cachedir>{cache / 'fonts'}</cachedir>"
        "</fontconfig>\n"
    )
    return file


def _packages(ask: AskCache) -> list[str]:
    """Name the browser without windows, its libraries and theirs, and a font. libc is here."""
    listed = ask(*_DEPENDENCIES, _SHELL).splitlines()
    libraries = {name for name in listed if name.startswith(("lib", "zlib"))}
    return [
        *(_SHELL, "chromium-common", _FONTS),
        *sorted(name for name in libraries if not name.startswith("libc6")),
    ]


_WANTED = Wanted(
    "Chromium",
    _packages,
    "Install it: apt-get install chromium. Elsewhere: a Chromium or Chrome of this year, its path "
    "in SESSIONBASE_CHROMIUM.",
)
