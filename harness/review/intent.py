"""sql/policies/intent.yaml as Python: what each role may do with each table.

Together with the roles and tables it names, the file is a complete matrix: a cell that is not
written is "never".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.connections import SCHEMAS
from harness.errors import ExitCode, SessionbaseError
from harness.settings import SQL

Command = Literal["select", "insert", "update", "delete", "truncate"]
COMMANDS: tuple[Command, ...] = get_args(Command)

Rows = Literal[
    "never", "own", "shared with owners", "shared with editors", "shared with viewers", "all"
]
"""Which rows a role may reach with a command. The comment of intent.yaml says what each means."""

ROWS: tuple[Rows, ...] = get_args(Rows)
"""All of them, from nothing to everything."""

Attribute = Literal["nologin", "login", "noinherit", "replication"]
Kind = Literal["table", "view"]

INTENT = SQL / "policies" / "intent.yaml"
DEFAULT_OWNER = "sessionbase_owner"

MEMBER_ROLES: dict[Rows, tuple[str, ...]] = {
    "shared with viewers": ("viewer", "editor", "owner"),
    "shared with editors": ("editor", "owner"),
    "shared with owners": ("owner",),
}
"""The members of a session that a word lets in, by their role. Other words let none in."""

_Name = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")]
_Relation = Annotated[str, Field(pattern=rf"^({'|'.join(SCHEMAS)})\.[a-z_][a-z0-9_]*$")]
_Node = yaml.Node | None


@dataclass(frozen=True)
class Cell:
    """One field of the matrix: what a role may do with a table by a command.

    columns: for insert and update, those that may be written; empty for other commands, and
    where rows is "never".
    """

    role: str
    table: str
    command: Command
    rows: Rows
    columns: tuple[str, ...] = ()


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RoleIntent(_Part):
    """What a role is for, what it is made with, and whose rights it has beside its own."""

    what: str
    attributes: tuple[Attribute, ...]
    member_of: tuple[str, ...] = ()


class Writing(_Part):
    """A right to insert or update: of which rows, and which columns."""

    rows: Rows
    columns: tuple[_Name, ...] = Field(min_length=1)


class Rights(_Part):
    """What one role may do with one table. A command that is not written is never."""

    select: Rows = "never"
    insert: Writing | None = None
    update: Writing | None = None
    delete: Rows = "never"
    truncate: Literal["never", "all"] = "never"


class TableIntent(BaseModel):
    """A table or view: who owns it, and the rights of each role, by name.

    no_row_security: why a table has none; None where row security must be on and forced.
    """

    # What is no field is a role, which Intent checks.
    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Rights]

    kind: Kind = "table"
    owner: str = DEFAULT_OWNER
    no_row_security: str | None = None

    @property
    def rights(self) -> dict[str, Rights]:
        """The rights of each role that has some."""
        return self.__pydantic_extra__

    @property
    def has_row_security(self) -> bool:
        """Whether policies must decide about its rows."""
        return self.kind == "table" and self.no_row_security is None


class FunctionIntent(_Part):
    """A function: who owns it, who else may execute it, and why it is a definer, if it is one."""

    owner: str
    definer: str | None = None
    execute: tuple[str, ...] = ()


class PublicationIntent(_Part):
    """A publication: its name, and the tables in it."""

    name: _Name
    tables: tuple[_Relation, ...]


class Intent(_Part):
    """The whole file.

    schemas: privileges by schema and role. functions: by signature, as regprocedure shows it.
    """

    roles: dict[_Name, RoleIntent]
    schemas: dict[str, dict[str, tuple[Literal["usage", "create"], ...]]]
    tables: dict[_Relation, TableIntent]
    functions: dict[str, FunctionIntent]
    publications: tuple[PublicationIntent, ...]

    @model_validator(mode="after")
    def _names_only_its_roles(self) -> Self:
        for place, name in self._roles_named():
            if name not in self.roles:
                raise ValueError(f"{place} names {name!r}, which is none of the roles")
        return self

    def _roles_named(self) -> Iterator[tuple[str, str]]:
        for role, about in self.roles.items():
            yield from ((f"roles.{role}", name) for name in about.member_of)
        for schema, granted in self.schemas.items():
            yield from ((f"schemas.{schema}", name) for name in granted)
        for table, wanted in self.tables.items():
            yield from ((f"tables.{table}", name) for name in (wanted.owner, *wanted.rights))
        for signature, function in self.functions.items():
            names = (function.owner, *function.execute)
            yield from ((f"functions.{signature}", name) for name in names)

    @cached_property
    def owners(self) -> frozenset[str]:
        """The roles that own tables, views or functions."""
        found = {DEFAULT_OWNER}
        found.update(table.owner for table in self.tables.values())
        found.update(function.owner for function in self.functions.values())
        return frozenset(found)

    def cell(self, role: str, table: str, command: Command) -> Cell:
        """Return what a role may do. KeyError for a table that is not in the file."""
        rights = self.tables[table].rights.get(role)
        right = getattr(rights, command) if rights else None
        if isinstance(right, Writing):
            return Cell(role, table, command, right.rows, right.columns)
        return Cell(role, table, command, right or "never")

    def matrix(self) -> Iterator[Cell]:
        """Return every cell: each role, each table and view, each command."""
        for table in self.tables:
            for role in self.roles:
                for command in COMMANDS:
                    yield self.cell(role, table, command)


def load_intent(path: Path = INTENT) -> Intent:
    """Read the file.

    Raises SessionbaseError (FAILED) with file, line and place for what is wrong in it.
    """
    try:
        return parse_intent(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SessionbaseError(ExitCode.FAILED, f"can't read {path}: {reason}") from None


def parse_intent(text: str, name: str) -> Intent:
    """Read the text of such a file; name is what errors call it. Raises as load_intent does."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_repeated_keys(root, name)
        return Intent.model_validate(yaml.safe_load(text))
    except yaml.MarkedYAMLError as error:
        where = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise _bad(f"{name}{where}: {error.problem or error.context}") from None
    except yaml.YAMLError:
        raise _bad(f"{name} has a character that YAML does not allow") from None
    except ValidationError as error:
        raise _bad("\n".join(_problem(name, root, problem) for problem in error.errors())) from None


def _bad(what: str) -> SessionbaseError:
    return SessionbaseError(
        ExitCode.FAILED, what, hint="The comments at its head say what may stand there."
    )


def _problem(name: str, root: _Node, problem: Any) -> str:  # noqa: ANN401 - pydantic's details
    place = [str(step) for step in problem["loc"]]
    line = _line_of(root, place)
    return f"{name}:{line}: {'.'.join(place) or 'the file'}: {problem['msg']}"


def _line_of(node: _Node, place: list[str]) -> int:
    """Return the line of a place, or of the last step to it that is there; from 1."""
    line = 1
    for step in place:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == step]
            if not found:
                break
            key, node = found[0]
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and step.isdecimal():
            node = dict(enumerate(node.value)).get(int(step))
            line = node.start_mark.line + 1 if node else line
    return line


def _refuse_repeated_keys(node: _Node, name: str) -> None:
    """Refuse a key that stands twice, of which PyYAML would take the last without a word."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(item, name)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        word = str(key.value)
        if word in seen:
            raise _bad(f"{name}:{key.start_mark.line + 1}: {word} stands here twice")
        seen.add(word)
        _refuse_repeated_keys(value, name)
