"""What the viewer is built of, and into."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.errors import SessionbaseError
from harness.node import install_packages, run_script
from harness.settings import PROJECT, Settings

_SOURCES = PROJECT / "examples" / "viewer"
_CHECK_S = 120


class _Elements(HTMLParser):
    """Notes what a document names, and what it has in itself."""

    def __init__(self) -> None:
        super().__init__()
        self.named: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.named += [value for name in ("src", "href") if (value := given.get(name))]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]


def test_the_page_is_its_own_files_and_nothing_inline(viewer: Path) -> None:
    elements = _Elements()
    elements.feed((viewer / "index.html").read_text())
    assert elements.inline == []
    assert sorted(elements.named) == sorted(
        f"/assets/{path.name}" for path in (viewer / "assets").iterdir()
    )


def test_a_mistake_in_a_type_fails_the_check(settings: Settings, tmp_path: Path) -> None:
    packages = install_packages(_SOURCES, settings, print)
    folder = tmp_path / "viewer"
    shutil.copytree(_SOURCES, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (folder / "node_modules").symlink_to(packages)
    run_script(folder, "check", _CHECK_S)
    rows = folder / "src" / "rows.ts"
    rows.write_text(rows.read_text().replace("content: string;", "content: number;"))
    with pytest.raises(SessionbaseError) as failed:
        run_script(folder, "check", _CHECK_S)
    assert "is not assignable" in str(failed.value.excerpt)


def test_versions_are_exact_and_name_no_registry() -> None:
    package = json.loads((_SOURCES / "package.json").read_text())
    lock = json.loads((_SOURCES / "package-lock.json").read_text())["packages"]
    wanted = package["dependencies"] | package["devDependencies"]
    for name, version in wanted.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
        assert lock[f"node_modules/{name}"]["version"] == version
    for name, locked in lock.items():
        assert "resolved" not in locked
        assert not name or locked["integrity"].startswith("sha512-")
    # Two of it in one program do not work together.
    assert [name for name in lock if name.endswith("@tanstack/db")] == ["node_modules/@tanstack/db"]
