"""The documents make a site: whole, without a warning, and without another host."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.errors import ExitCode, SessionbaseError
from harness.settings import PROJECT
from harness.site import build_site

DOCS = PROJECT / "docs"


class Loading(HTMLParser):
    """Notes what a browser loads by itself to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag loads."""
        given = dict(attrs)
        if tag in {"script", "img", "iframe"} and given.get("src"):
            self.loaded.append(str(given["src"]))
        if tag == "link" and given.get("rel") in {"stylesheet", "preload", "icon", "preconnect"}:
            self.loaded.append(str(given["href"]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_site(tmp_path_factory.mktemp("site") / "html", print).parent


def test_every_page_is_there(site: Path) -> None:
    pages = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    assert len(pages) > 30
    assert {page for page in pages if not (site / page).is_file()} == set()


def test_it_loads_nothing_from_elsewhere(site: Path) -> None:
    loading = Loading()
    for page in site.rglob("*.html"):
        loading.feed(page.read_text("utf-8"))
    assert any("furo" in address for address in loading.loaded)
    assert [address for address in loading.loaded if re.match(r"(\w+:)?//", address)] == []
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", sheet.read_text("utf-8")), sheet


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ("[a page](nowhere.md)", "nowhere.md"),
        ("[a heading](design.md#not-there)", "not-there"),
    ],
)
def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, wrong: str, found: str) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("conf.py", "design.md"):
        shutil.copy(DOCS / name, docs)
    links = re.compile(r"\[([^\]]*)\]\([^)]*\)")
    design = docs / "design.md"
    design.write_text(links.sub(r"\1", design.read_text("utf-8")))
    (docs / "index.md").write_text(f"# Test\n\n{wrong}\n\n```{{toctree}}\ndesign\n```\n")
    with pytest.raises(SessionbaseError, match=found) as caught:
        build_site(tmp_path / "out", print, source=docs)
    assert caught.value.code == ExitCode.FAILED
    index = docs / "index.md"
    index.write_text(index.read_text().replace(wrong, ""))
    assert build_site(tmp_path / "clean", print, source=docs).is_file()


def test_a_page_that_no_contents_have_is_found(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    shutil.copy(DOCS / "conf.py", docs)
    (docs / "index.md").write_text("# Test\n")
    (docs / "lonely.md").write_text("# Lonely\n")
    with pytest.raises(SessionbaseError, match="lonely"):
        build_site(tmp_path / "out", print, source=docs)
