"""docs/developer-guide.md has every function, as the database has it, and is not stale."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.connections import Connection, Server
from harness.errors import ExitCode, SessionbaseError
from harness.guide.catalog import Catalog, read_catalog
from harness.guide.command import guide, guide_of
from harness.guide.entries import FOLDER, Entries, load_entries
from harness.guide.page import DOCUMENT, find_gaps, render_guide
from tests.py.commands.conftest import invoke_on

Change = Callable[[Entries], Entries]


@pytest.fixture
def catalog(connection: Connection) -> Catalog:
    return read_catalog(connection)


@pytest.fixture(scope="module")
def entries() -> Entries:
    return load_entries()


def with_function(entries: Entries, name: str, **update: object) -> Entries:
    """Return the entries with something else said of a function."""
    subjects = dict(entries.subjects)
    for key, subject in subjects.items():
        if name in subject.functions:
            functions = dict(subject.functions)
            functions[name] = functions[name].model_copy(update=update)
            subjects[key] = subject.model_copy(update={"functions": functions})
    return entries.model_copy(update={"subjects": subjects})


def without_function(entries: Entries, name: str) -> Entries:
    subjects = {
        key: subject.model_copy(
            update={"functions": {n: e for n, e in subject.functions.items() if n != name}}
        )
        for key, subject in entries.subjects.items()
    }
    return entries.model_copy(update={"subjects": subjects})


def test_the_page_is_not_stale(catalog: Catalog, entries: Entries) -> None:
    assert DOCUMENT.read_text() == guide_of(catalog, entries)


def test_every_function_is_there_with_its_arguments(catalog: Catalog, entries: Entries) -> None:
    page = render_guide(catalog, entries)
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##)", page, re.MULTILINE | re.DOTALL))
    assert sections.keys() == catalog.functions.keys()
    for name, function in catalog.functions.items():
        told = re.findall(
            r"^\| `(\w+)` \| ([^|]+) \| ([^|]*) \| (.*) \|$", sections[name], re.MULTILINE
        )
        assert [argument for argument, *_ in told] == [a.name for a in function.arguments]
        assert all(meaning for *_, meaning in told)
        for argument, (_, _, default, _) in zip(function.arguments, told, strict=True):
            assert (default == "must be given") == (argument.default is None)
        assert [found for found in ("```sql", "```python", "```js") if found in sections[name]] == [
            "```sql",
            "```python",
            "```js",
        ]


def test_no_row_of_the_old_stores_is_empty(catalog: Catalog, entries: Entries) -> None:
    page = render_guide(catalog, entries)
    table = page.split("| old function | new call | what differs |\n")[1].split("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[1:]]
    assert len(rows) == sum(len(calls) for calls in entries.general.old.values())
    assert all(len(row) == 3 and all(cell.strip() for cell in row) for row in rows)


def test_links_within_the_page_lead_somewhere(catalog: Catalog, entries: Entries) -> None:
    page = render_guide(catalog, entries)
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"```.*?```", "", page, flags=re.DOTALL), re.MULTILINE
    )
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= anchors


@pytest.mark.parametrize(
    ("change", "gap"),
    [
        (lambda e: without_function(e, "rename_thread"), "rename_thread has no entry"),
        (
            lambda e: with_function(e, "rename_thread", arguments={"title": ".", "titel": "."}),
            "rename_thread takes no titel",
        ),
        (
            lambda e: with_function(e, "rename_thread", arguments={}),
            "rename_thread: nothing says what title is",
        ),
        (
            lambda e: with_function(e, "rename_thread", errors={"SB999": "."}),
            "rename_thread: SB999 is not among the codes",
        ),
        (
            lambda e: with_function(e, "rename_thread", again=None),
            "rename_thread: nothing says what comes of the same call again",
        ),
        (
            lambda e: with_function(e, "rename_thread", node="await call(account, 'get_thread')"),
            "rename_thread: its example for node does not call it",
        ),
    ],
)
def test_a_gap_is_told(catalog: Catalog, entries: Entries, change: Change, gap: str) -> None:
    assert find_gaps(catalog, entries) == []
    assert find_gaps(catalog, change(entries)) == [gap]
    with pytest.raises(SessionbaseError, match=re.escape(gap)) as raised:
        guide_of(catalog, change(entries))
    assert raised.value.code == ExitCode.FAILED


def test_a_function_of_the_database_without_an_entry_is_told(
    connection: Connection, entries: Entries
) -> None:
    connection.execute("create function api.wave() returns void language sql begin atomic; end")
    assert find_gaps(read_catalog(connection), entries) == [
        "wave has no entry",
    ]


def test_wrong_fields_and_calls_of_the_old_stores_are_told(
    catalog: Catalog, entries: Entries
) -> None:
    record, *others = entries.general.records
    fields = record.fields | {"messageCount": "last_message_at", "colour": "colour"}
    general = entries.general.model_copy(
        update={
            "records": (record.model_copy(update={"fields": fields}), *others),
            "old": {
                "s": (entries.general.old["todosStore"][0].model_copy(update={"new": "api.x"}),)
            },
        }
    )
    assert find_gaps(catalog, entries.model_copy(update={"general": general})) == [
        "listTodos: there is no api.x",
        "thread: app.chat_threads has no column colour",
        "thread: last_message_at is lastMessageAt, and not messageCount",
    ]


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("api_threads.yaml", "title: [", "while parsing"),
        ("api_threads.yaml", "title: Threads\nabout: x\nfuncs: {}", "funcs"),
        ("api_waves.yaml", "title: Waves", "subjects leave out api_waves"),
        ("api_threads.yaml", None, "it is not there"),
    ],
)
def test_a_mistake_in_an_entry_is_told(
    tmp_path: Path, file: str, text: str | None, told: str
) -> None:
    for path in FOLDER.glob("*.yaml"):
        shutil.copy(path, tmp_path)
    assert load_entries(tmp_path) == load_entries()
    if text is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_text(text)
    with pytest.raises(SessionbaseError, match=told) as raised:
        load_entries(tmp_path)
    assert raised.value.code == ExitCode.FAILED


def test_a_stale_page_is_found_and_written(database: Server, tmp_path: Path) -> None:
    document = tmp_path / "guide.md"
    assert guide(database, write=False, document=document) == ExitCode.GUIDE_STALE
    assert not document.exists()
    assert guide(database, write=True, document=document) == ExitCode.OK
    assert document.read_bytes() == DOCUMENT.read_bytes()
    assert guide(database, write=False, document=document) == ExitCode.OK


def test_the_command_compares(database: Server, tmp_path: Path) -> None:
    result = invoke_on(database, tmp_path)("guide")
    assert result.returncode == ExitCode.OK, result.stderr
    assert "docs/developer-guide.md is as the database is" in result.stdout
