"""Every example of docs/developer-guide.md does what it shows, in all three languages alike."""

from pathlib import Path

import pytest

from harness.connections import Server
from harness.guide.entries import Entry, load_entries
from harness.settings import Settings
from tests.py.guide.conftest import Seeded
from tests.py.guide.running import (
    Call,
    ExampleFailedError,
    arguments_in_psql,
    run_node_postgres,
    run_psql,
    run_psycopg,
    what_is_left,
)


@pytest.fixture(scope="module")
def entries() -> dict[str, Entry]:
    return load_entries().functions


def arguments_by_function(calls: list[Call]) -> dict[str, set[str]]:
    given: dict[str, set[str]] = {}
    for call in calls:
        given.setdefault(call.function, set()).update(call.arguments)
    return given


def changed(
    entries: dict[str, Entry], name: str, language: str, old: str, new: str
) -> dict[str, Entry]:
    """Return the entries with something else in an example."""
    text = getattr(entries[name], language)
    assert old in text
    return entries | {name: entries[name].model_copy(update={language: text.replace(old, new)})}


def test_all_examples_do_the_same(
    seeded: Seeded, entries: dict[str, Entry], settings: Settings, tmp_path: Path
) -> None:
    by_psql, by_psycopg, by_node = seeded(), seeded(), seeded()
    run_psql(entries, by_psql[1], settings)
    python = run_psycopg(entries, by_psycopg[1])
    node = run_node_postgres(entries, by_node[1], settings, tmp_path)

    assert python == node
    assert {call.function for call in python} == entries.keys()
    given = arguments_by_function(python)
    in_psql = {name: arguments_in_psql(entry.psql, name) for name, entry in entries.items()}
    assert {name: names - {"account_id"} for name, names in given.items()} == in_psql
    left = what_is_left(by_psql[0])
    assert left == what_is_left(by_psycopg[0])
    assert left == what_is_left(by_node[0])
    assert left["chat_messages"]


def run_in(
    language: str, entries: dict[str, Entry], server: Server, settings: Settings, folder: Path
) -> None:
    """Run all examples of a language."""
    if language == "psql":
        run_psql(entries, server, settings)
    elif language == "psycopg":
        run_psycopg(entries, server)
    else:
        run_node_postgres(entries, server, settings, folder)


WRONG = [
    ("psql", "rename_thread", "title =>", "titel =>"),
    ("psql", "get_thread", "thread_b6a95cfd", "thread_00000000"),
    ("psycopg", "rename_thread", "title=", "titel="),
    ("psycopg", "get_thread", "thread_b6a95cfd", "thread_00000000"),
    ("psycopg", "update_message", "Jsonb(", "str("),
    ("node", "rename_thread", "title:", "titel:"),
    ("node", "get_thread", "thread_b6a95cfd", "thread_00000000"),
    ("node", "update_message", "JSON.stringify", "Array.from"),
    ("node", "update_todo", "todo.row_version", "todo.row_version + 1"),
    ("node", "add_todo", "todo]", "session]"),
]


@pytest.mark.parametrize(("language", "name", "old", "new"), WRONG)
def test_a_wrong_example_fails(  # noqa: PLR0913, PLR0917 - fixtures and cases
    seeded: Seeded,
    entries: dict[str, Entry],
    settings: Settings,
    tmp_path: Path,
    language: str,
    name: str,
    old: str,
    new: str,
) -> None:
    wrong = changed(entries, name, language, old, new)
    _, server = seeded()
    with pytest.raises(ExampleFailedError, match=name if new != "session]" else "declared"):
        run_in(language, wrong, server, settings, tmp_path)


def test_an_example_that_writes_something_else_is_told_from_the_others(
    seeded: Seeded, entries: dict[str, Entry]
) -> None:
    other = changed(entries, "update_message", "psycopg", "fail today", "fail now")
    usual, odd = seeded(), seeded()
    assert run_psycopg(entries, usual[1]) != run_psycopg(other, odd[1])
    assert what_is_left(usual[0]) != what_is_left(odd[0])
