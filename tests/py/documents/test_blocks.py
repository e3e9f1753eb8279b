"""Every block of the documents is run, or held to what there is, or says why not."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.connections import connect
from harness.legacy.importer import import_folder
from harness.legacy.results import ImportRequest
from harness.migrations.runner import Migrator
from harness.settings import EXAMPLES, PROJECT, Settings
from harness.testing.servers import Databases
from tests.py.applications import application_login, as_login
from tests.py.documents.readers import Printed, Reader
from tests.py.documents.reading import Fate, blocks_of, blocks_of_project, load_book
from tests.py.documents.showing import missing, missing_but_for_figures, shown_block
from tests.py.guide.conftest import sign_in
from tests.py.guide.running import ACCOUNT

BLOCKS = blocks_of_project()
BOOK = load_book()
RUN = [page for page, fates in BOOK.fates.items() if any(fate.run for fate in fates)]


@pytest.fixture
def reader(databases: Databases, tmp_path: Path, settings: Settings) -> Iterator[Reader]:
    # Not a copy of the template: that has not the rights on a database that migrations give.
    with databases.empty() as server, databases.empty() as empty:
        Migrator(settings).apply(server)
        import_folder(server, ImportRequest(EXAMPLES, None), lambda *_: None)
        with connect(server, "test") as connection:
            signed_in = str(sign_in(connection))
        values = {"empty": f"'{empty.conninfo}'", "account": ACCOUNT, "login_session": signed_in}
        yield Reader(server, tmp_path, settings, values)


@pytest.mark.parametrize("page", RUN)
def test_what_a_page_says_happens(page: str, reader: Reader) -> None:
    printed = Printed("", 0)
    for block, fate in zip(BLOCKS[page], BOOK.fates[page], strict=True):
        if fate.run:
            printed = reader.follow(block, fate)
            assert printed.code == 0, f"{page}:{block.line}: {printed.text}"
        if fate.run == "transcript":
            shown = block.text.partition("\n")[2]
            assert not missing(shown, printed.text), printed.text
        elif fate.prints:
            assert not missing(reader.text_of(block, fate), printed.text), printed.text


def test_every_block_has_its_entry() -> None:
    assert BLOCKS.keys() == BOOK.fates.keys() | BOOK.pages.keys()
    assert not BOOK.fates.keys() & BOOK.pages.keys()
    for page, fates in BOOK.fates.items():
        found = [(block.line, block.text.splitlines()[0]) for block in BLOCKS[page]]
        assert len(found) == len(fates), (page, found)
        for (line, first), fate in zip(found, fates, strict=True):
            assert first.startswith(fate.begins), (page, line)


def test_the_tests_that_are_named_are_there() -> None:
    named = {fate.test for fates in BOOK.fates.values() for fate in fates if fate.test}
    for test in named | set(BOOK.pages.values()):
        file, _, function = test.partition("::")
        assert f"def {function}(" in (PROJECT / file).read_text("utf-8"), test


def test_a_command_that_fails_is_noticed(reader: Reader) -> None:
    (block,) = blocks_of("a page", "```sh\ninvoke psql --command 'table app.nothing'\n```\n")
    printed = reader.follow(block, Fate(begins="invoke", run="shell"))
    assert printed.code != 0
    assert "app.nothing" in printed.text


def test_lines_that_are_not_printed_are_found() -> None:
    printed = " a  | 1\n----+---\n b | 22\n"
    assert missing("a | 1\nb | ...2\n", printed) == []
    assert missing("b | 22\na | 1\n", printed) == ["a | 1"]
    assert missing("b | 2\n", printed) == ["b | 2"]
    assert missing("… b\nb | …\n", "so much b\nb | 3\n") == []
    assert missing_but_for_figures("b | 1,234.5\n", printed) == []
    assert missing_but_for_figures("c | 22\n", printed) == ["c | 0"]


def test_a_write_without_an_account_says_what_the_guide_says(reader: Reader) -> None:
    write = "set role app_user; delete from app.todos"
    (run,) = blocks_of("a page", f"```sh\ninvoke psql --command '{write}'\n```\n")
    printed = reader.follow(run, Fate(begins="invoke", run="shell"))
    assert missing(shown_block("docs/dba-guide.md", "ERROR:  nobody"), printed.text) == []


def test_an_application_s_login_is_told_what_the_guide_says(reader: Reader) -> None:
    prompt = re.compile(r"^sessionbase=\*?> (.*)\n", re.MULTILINE)
    dialogue = shown_block("docs/dba-guide.md", "sessionbase=>")
    statements = prompt.findall(dialogue)
    assert len(statements) == 7
    with application_login(reader.server) as login:
        told = reader.talk(as_login(reader.server, login), "\n".join(statements))
    assert missing(prompt.sub("", dialogue), told) == []


def test_the_folders_that_the_design_names_are_there() -> None:
    (block,) = BLOCKS["docs/design.md"]
    named = re.findall(r"^[\w./]+", block.text, re.MULTILINE)
    assert len(named) > 5
    assert [name for name in named if not (PROJECT / name).exists()] == []
