"""The viewer's page, built from examples/viewer/ and kept until its sources change."""

import hashlib
import shutil
from pathlib import Path

from filelock import FileLock

from harness.console import Tell
from harness.embedded.binaries import home_of, make_folder
from harness.errors import ExitCode, SessionbaseError
from harness.node import install_packages, node_version, run_script
from harness.settings import PROJECT, Settings

_SOURCES = PROJECT / "examples" / "viewer"
_BUILT = "dist"
_MADE = ("node_modules", _BUILT, "test-results")
_BUILD_S = 180
_WAIT_S = 600


def built_viewer(settings: Settings, tell: Tell) -> Path:
    """Return the folder to serve. Built the first time, and when a source has changed.

    Raises SessionbaseError: NOT_THERE without sources, MISSING_TOOL where it can't be built.
    """
    if not (_SOURCES / "package.json").exists():
        raise SessionbaseError(
            ExitCode.NOT_THERE,
            "examples/viewer/ is not there, so there is no page to build",
            hint="Run this from a whole checkout, or set SESSIONBASE_VIEWER_DIR to a built one.",
        )
    shelf = home_of(settings) / "viewer"
    folder = shelf / _key()
    if folder.exists():
        return folder
    make_folder(shelf)
    # Whoever comes while it is built waits for it.
    with FileLock(shelf / "lock", timeout=_WAIT_S):
        if not folder.exists():
            packages = install_packages(_SOURCES, settings, tell)
            tell("building the viewer's page")
            _build(shelf, folder, packages)
    return folder


def _build(shelf: Path, folder: Path, packages: Path) -> None:
    """Build beside the place and move it there; what was built of older sources goes."""
    for older in shelf.iterdir():
        if older.is_dir():
            shutil.rmtree(older, ignore_errors=True)
    scratch = shelf / "unfinished"
    try:
        shutil.copytree(_SOURCES, scratch, ignore=shutil.ignore_patterns(*_MADE))
        (scratch / "node_modules").symlink_to(packages)
        run_script(scratch, "build", _BUILD_S)
        (scratch / _BUILT).rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _key() -> str:
    """Return the hash of all that the page is made of."""
    key = hashlib.sha256(node_version().encode())
    for path in sorted(_SOURCES.rglob("*")):
        place = path.relative_to(_SOURCES)
        if path.is_file() and not set(place.parts) & set(_MADE):
            key.update(f"{place}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return key.hexdigest()[:16]
