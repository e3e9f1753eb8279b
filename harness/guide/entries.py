"""What the catalog can't say of schema api: meanings, errors, examples, old names.

Beside api_threads.sql stands api_threads.yaml; guide.yaml holds what is said once for all of them.
"""

from pathlib import Path
from typing import Annotated, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import ExitCode, SessionbaseError
from harness.settings import SQL

FOLDER = SQL / "functions"
"""Where the entries are."""

_GENERAL = "guide.yaml"

_Text = Annotated[str, Field(pattern=r"\S")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


_Kind = TypeVar("_Kind", bound=_Part)


class Entry(_Part):
    """A function. arguments: meanings, of those that guide.yaml does not tell.

    errors: by code, when it comes, beside those that all functions of its kind have.
    again: what comes of the same call a second time, for one that writes.
    empty: whether its example gives no row.
    """

    arguments: dict[str, _Text] = {}
    errors: dict[str, _Text] = {}
    again: _Text | None = None
    empty: bool = False
    psql: _Text
    psycopg: _Text
    node: _Text


class Subject(_Part):
    """The functions of a file of sql/functions/."""

    title: _Text
    about: _Text
    functions: dict[str, Entry]


class Code(_Part):
    """An error code: when it comes, what an application does, and the HTTP status for it."""

    when: _Text
    do: _Text
    http: int = Field(ge=400, lt=600)


class Record(_Part):
    """A record of the old stores: its table, the column of each JSON field, and other fields."""

    what: _Text
    table: _Text
    fields: dict[str, _Text]
    others: dict[str, _Text] = {}


class OldCall(_Part):
    """A function of an old store, and what stands in its place."""

    old: _Text
    new: _Text
    differs: str = ""


class General(_Part):
    """What is said once. subjects: in the page's order. arguments: meanings that are the same."""

    subjects: tuple[_Text, ...]
    arguments: dict[str, _Text]
    codes: dict[str, Code]
    records: tuple[Record, ...]
    old: dict[str, tuple[OldCall, ...]]


class Entries(_Part):
    """Everything: subjects by the name of their file."""

    general: General
    subjects: dict[str, Subject]

    @property
    def functions(self) -> dict[str, Entry]:
        """Every function's entry, in the order of the page."""
        return {
            name: entry
            for subject in self.subjects.values()
            for name, entry in subject.functions.items()
        }


def load_entries(folder: Path = FOLDER) -> Entries:
    """Read the entries. Raises SessionbaseError (FAILED) that names file and place of a mistake."""
    general = _parse(folder / _GENERAL, General)
    subjects = {name: _parse(folder / f"{name}.yaml", Subject) for name in general.subjects}
    strays = {path.stem for path in folder.glob("api_*.yaml")} - subjects.keys()
    if strays:
        raise _wrong(folder / _GENERAL, f"subjects leave out {', '.join(sorted(strays))}")
    return Entries(general=general, subjects=subjects)


def _parse(path: Path, kind: type[_Kind]) -> _Kind:
    try:
        return kind.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise _wrong(path, " ".join(str(error).split())) from None
    except FileNotFoundError:
        raise _wrong(path, "it is not there") from None
    except ValidationError as error:
        places = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise _wrong(path, "; ".join(places)) from None


def _wrong(path: Path, why: str) -> SessionbaseError:
    return SessionbaseError(ExitCode.FAILED, f"{path.parent.name}/{path.name}: {why}")
