"""The intent file: complete as a matrix, and mistakes in it are said with their line."""

from pathlib import Path

import pytest

from harness.errors import ExitCode, SessionbaseError
from harness.review.intent import COMMANDS, INTENT, Cell, load_intent, parse_intent

TEXT = INTENT.read_text(encoding="utf-8")


def test_the_matrix_has_every_role_table_and_command_once() -> None:
    intent = load_intent()
    cells = list(intent.matrix())
    assert len(cells) == len(intent.roles) * len(intent.tables) * len(COMMANDS)
    assert len({(cell.role, cell.table, cell.command) for cell in cells}) == len(cells)


def test_what_is_written_is_in_the_matrix_and_the_rest_is_never() -> None:
    intent = load_intent()
    assert intent.cell("app_user", "app.todos", "update") == Cell(
        "app_user",
        "app.todos",
        "update",
        "shared with editors",
        ("body", "completed", "updated_at"),
    )
    assert intent.cell("app_user", "app.todos", "truncate").rows == "never"
    assert intent.cell("reviewer", "app.todos", "select").rows == "never"


def test_owners_are_those_of_tables_and_functions() -> None:
    assert load_intent().owners == {
        "sessionbase_owner",
        "authorizer",
        "bookkeeper",
        "import_definer",
    }


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("      select: own\n", "      select: mine\n", "tables.app.accounts.app_user.select"),
        ("      select: own\n", "      read: own\n", "tables.app.accounts.app_user.read"),
        ("      select: own\n", "      truncate: own\n", "tables.app.accounts.app_user.truncate"),
        ("  app.todos:\n", "  app.sessions:\n", "app.sessions stands here twice"),
        ("  app.todos:\n", "  public.todos:\n", "tables.public.todos"),
        ("    attributes: [nologin]\n", "    attributes: [superuser]\n", "attributes.0"),
        ("    member_of: [app_user]\n", "    member_of: [nobody]\n", "'nobody'"),
        ("    owner: authorizer\n", "    owner: nobody\n", "'nobody'"),
        ("    kind: view\n", "    sort: view\n", "tables.app.memberships.sort"),
        ("publications:\n", "publications: [\n", "expected"),
        ("publications:\n", "publication:\n", "publication"),
        ("publications:\n", "publications: \x01\n", "a character"),
    ],
)
def test_a_mistake_is_said_with_file_and_place(
    tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    file = tmp_path / "intent.yaml"
    assert right in TEXT
    file.write_text(TEXT.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(SessionbaseError) as caught:
        load_intent(file)
    assert caught.value.code == ExitCode.FAILED
    assert caught.value.what.startswith(str(file))
    assert said in caught.value.what


def test_the_line_of_a_mistake_is_its_own() -> None:
    line = TEXT[: TEXT.index("      select: own\n")].count("\n") + 1
    with pytest.raises(SessionbaseError, match=f"^intent:{line}: "):
        parse_intent(TEXT.replace("select: own", "select: mine", 1), "intent")


@pytest.mark.parametrize("text", ["", "[]", "roles", "? [a]\n: b"])
def test_another_file_is_no_intent(text: str) -> None:
    with pytest.raises(SessionbaseError, match="intent"):
        parse_intent(text, "intent")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SessionbaseError, match="No such file"):
        load_intent(tmp_path / "intent.yaml")
