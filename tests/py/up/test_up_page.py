"""The page is built once, and again when what it is made of has changed."""

from pathlib import Path

import pytest

from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings
from harness.up import viewer
from harness.up.viewer import built_viewer

BUILD = """
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
mkdirSync('dist/assets', { recursive: true });
writeFileSync('dist/index.html', readFileSync('page.txt'));
"""


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the sources of a page that needs no packages."""
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "package.json").write_text(
        '{"name": "p", "version": "1.0.0", "scripts": {"build": "node build.mjs"}}'
    )
    (folder / "package-lock.json").write_text(
        '{"name": "p", "version": "1.0.0", "lockfileVersion": 3, "packages": {}}'
    )
    (folder / "build.mjs").write_text(BUILD)
    (folder / "page.txt").write_text("first")
    monkeypatch.setattr(viewer, "_SOURCES", folder)
    return folder


@pytest.fixture
def known(open_folder: Path) -> Settings:
    """Return settings with a home that any account can pass through."""
    return Settings(home=open_folder / "home")


def test_it_is_built_once_until_a_source_changes(sources: Path, known: Settings) -> None:
    told: list[str] = []
    first = built_viewer(known, told.append)
    assert (first / "index.html").read_text() == "first"
    assert told[-1] == "building the viewer's page"
    count = len(told)
    (sources / "dist").mkdir()
    (sources / "dist" / "index.html").write_text("what somebody built by hand")
    assert built_viewer(known, told.append) == first
    assert len(told) == count
    (sources / "page.txt").write_text("second")
    second = built_viewer(known, told.append)
    assert (second / "index.html").read_text() == "second"
    assert [path.name for path in second.parent.iterdir() if path.is_dir()] == [second.name]
    assert not (sources / "node_modules").exists()


def test_a_build_that_fails_says_why_and_leaves_nothing(sources: Path, known: Settings) -> None:
    (sources / "build.mjs").write_text("throw new Error('no such colour');")
    with pytest.raises(SessionbaseError, match="npm run build failed") as caught:
        built_viewer(known, lambda _: None)
    assert caught.value.code == ExitCode.FAILED
    assert "no such colour" in caught.value.excerpt
    assert not any(path.is_dir() for path in (known.home / "viewer").iterdir())


def test_without_sources_it_says_what_to_set(sources: Path, known: Settings) -> None:
    (sources / "package.json").unlink()
    with pytest.raises(SessionbaseError, match="no page to build") as caught:
        built_viewer(known, lambda _: None)
    assert caught.value.code == ExitCode.NOT_THERE
    assert "SESSIONBASE_VIEWER_DIR" in caught.value.hint
