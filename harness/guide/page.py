"""docs/developer-guide.md from the catalog, the entries and the clients of examples/."""

import re
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment

from harness.guide.catalog import Argument, Catalog, Function
from harness.guide.entries import Entries, Entry
from harness.markdown import code, escaped, fenced, stripped
from harness.settings import PROJECT
from harness.templates import Filters, template_environment

DOCUMENT = PROJECT / "docs" / "developer-guide.md"
"""Where render_guide's text is kept."""

CLIENTS = PROJECT / "examples" / "clients"
"""The helpers that the guide shows, and that its examples use."""

_TEMPLATE = "developer-guide.md.j2"


@dataclass(frozen=True)
class Described:
    """A function with what is said of it. arguments: with their meanings."""

    function: Function
    entry: Entry
    arguments: tuple[tuple[Argument, str], ...]
    errors: tuple[tuple[str, str], ...]


def find_gaps(catalog: Catalog, entries: Entries) -> list[str]:
    """List what the entries leave out, or say of what is not there."""
    said = entries.functions
    gaps = [f"{name} has no entry" for name in catalog.functions.keys() - said.keys()]
    gaps += [f"{name} has an entry, and is not there" for name in said.keys() - catalog.functions]
    for name in said.keys() & catalog.functions.keys():
        gaps += _gaps_of(catalog.functions[name], said[name], entries)
    gaps += _gaps_of_records(catalog, entries)
    gaps += _gaps_of_old_calls(catalog, entries)
    return sorted(gaps)


def render_guide(catalog: Catalog, entries: Entries) -> str:
    """Return docs/developer-guide.md: the same text for the same sources, on every Postgres.

    There must be no gaps.
    """
    subjects = [
        (subject, [_describe(catalog.functions[name], entries) for name in subject.functions])
        for subject in entries.subjects.values()
    ]
    fields = {
        record.table: {column: field for field, column in record.fields.items()}
        for record in entries.general.records
    }
    links = {
        type_: _anchor(name) for name, given in catalog.given.items() for type_, _ in given.types
    } | {name: _anchor(name) for name in catalog.others}
    template = _environment().get_template(_TEMPLATE)
    text = template.render(
        catalog=catalog,
        links=links,
        general=entries.general,
        subjects=subjects,
        fields=fields,
        records={record.table: record for record in entries.general.records},
        clients={path.name: path.read_text().strip() for path in CLIENTS.glob("api.*")},
    )
    return stripped(text)


def _describe(function: Function, entries: Entries) -> Described:
    entry, general = entries.functions[function.name], entries.general
    meanings = tuple(
        (argument, entry.arguments.get(argument.name) or general.arguments[argument.name])
        for argument in function.arguments
    )
    names = {argument.name for argument in function.arguments}
    errors = dict(entry.errors)
    if "expected_row_version" in names:
        errors.setdefault("SB409", "`expected_row_version` is not the row's")
    if "page_size" in names:
        errors.setdefault("22023", "`page_size`, or which page, is not as it can be")
    return Described(function, entry, meanings, tuple(sorted(errors.items())))


def _gaps_of(function: Function, entry: Entry, entries: Entries) -> list[str]:
    names = {argument.name for argument in function.arguments}
    told = entry.arguments.keys() | entries.general.arguments.keys()
    gaps = [f"{function.name}: nothing says what {name} is" for name in names - told]
    gaps += [f"{function.name} takes no {name}" for name in entry.arguments.keys() - names]
    unknown = entry.errors.keys() - entries.general.codes.keys()
    gaps += [f"{function.name}: {code} is not among the codes" for code in unknown]
    if function.writes and not entry.again:
        gaps.append(f"{function.name}: nothing says what comes of the same call again")
    for language in ("psql", "psycopg", "node"):
        if not re.search(rf"\b{function.name}\b", getattr(entry, language)):
            gaps.append(f"{function.name}: its example for {language} does not call it")
    return gaps


def _gaps_of_records(catalog: Catalog, entries: Entries) -> list[str]:
    gaps = []
    for record in entries.general.records:
        given = catalog.given.get(record.table)
        if given is None:
            gaps.append(f"{record.what}: no function gives rows of {record.table}")
            continue
        columns = {column.name: column.comment for column in given.table.columns}
        for field, column in record.fields.items():
            if column not in columns:
                gaps.append(f"{record.what}: {record.table} has no column {column}")
            elif (named := re.search(r"\(JSON: (\w+)", columns[column])) and named[1] != field:
                gaps.append(f"{record.what}: {column} is {named[1]}, and not {field}")
    return gaps


def _gaps_of_old_calls(catalog: Catalog, entries: Entries) -> list[str]:
    return [
        f"{call.old}: there is no api.{name}"
        for calls in entries.general.old.values()
        for call in calls
        for name in re.findall(r"\bapi\.(\w+)", f"{call.new} {call.differs}")
        if name not in catalog.functions
    ]


def _environment() -> Environment:
    filters: Filters = {
        "md": escaped,
        "code": code,
        "fenced": fenced,
        "short": _short,
        "default_of": _default,
        "linked": _linked,
        "maybe_code": lambda text: code(text) if text else "",
        "without_json": lambda text: re.sub(r" ?\(JSON: [^)]*\)", "", text),
    }
    return template_environment(Path(__file__).parent, is_html=False, filters=filters)


def _anchor(heading: str) -> str:
    """Return what a heading is called in links."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _short(type_: str) -> str:
    return type_.replace("timestamp with time zone", "timestamptz")


def _default(default: str | None) -> str:
    """Return a default as people write it: without the cast that Postgres adds."""
    if default is None:
        return "must be given"
    bare = re.sub(r"::[a-z ]+(\[\])?$", "", default)
    return "" if bare == "NULL" else code(bare)


def _linked(text: str, catalog: Catalog) -> str:
    """Make links of the names of functions."""
    return re.sub(
        r"\bapi\.(\w+)",
        lambda found: f"[{found[1]}](#{found[1]})" if found[1] in catalog.functions else found[0],
        text,
    )
