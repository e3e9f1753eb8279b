"""What changed in who may do what since a revision, in words, what became wider first.

It compares files with files: the intent, the policies, and the functions that policies stand on
or that run as their owner. Whether the database is as the files say is for `invoke review`.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from harness.errors import ExitCode, SessionbaseError
from harness.review.intent import DEFAULT_OWNER, ROWS, TableIntent
from harness.review.policy_files import (
    WrittenPolicy,
    read_policy_file,
    read_routines,
    squeezed,
)
from harness.settings import PROJECT

K = TypeVar("K", bound=str | tuple[str, ...])
V = TypeVar("V")

_INTENT = "sql/policies/intent.yaml"
_FOLDERS = ("sql/policies", "sql/functions")
_KINDS = ("cell", "columns", "table", "policy", "function", "role", "schema", "rest")
_NOT_ROLES = tuple(TableIntent.model_fields)


@dataclass(frozen=True)
class Change:
    """One thing that changed. where: the table, role or function; wider: look at it first.

    What can't be told from the text, such as a condition in other words, counts as wider.
    """

    kind: str
    where: str
    words: str
    wider: bool


Grant = tuple[str, str, str, str]
"""Table, role, command and column; an empty column is the whole table."""


@dataclass(frozen=True)
class Routine:
    """A function or view of sql/functions/, all its versions taken together."""

    definer: bool
    text: str


@dataclass(frozen=True)
class Surface:
    """All that files say of who may do what. intent is None where there was none."""

    intent: dict[str, Any] | None
    policies: dict[tuple[str, str], WrittenPolicy] = field(default_factory=dict)
    grants: set[Grant] = field(default_factory=set)
    revoked: set[tuple[str, str]] = field(default_factory=set)
    """By role and table: from whom everything is taken before anything is granted."""
    statements: dict[tuple[str, str], str] = field(default_factory=dict)
    routines: dict[str, Routine] = field(default_factory=dict)


def changes_since(revision: str, folder: Path = PROJECT) -> list[Change]:
    """Compare the working tree in folder with a revision of git.

    Raises SessionbaseError: MISSING_TOOL without git, REFUSED for a revision that is not known.
    """
    commit = _commit(revision, folder)
    before = read_surface(_files_of(commit, folder))
    return compare_surfaces(before, read_surface(_files_here(folder)), revision)


def compare_surfaces(before: Surface, now: Surface, revision: str) -> list[Change]:
    """Compare what was with what is. revision is what the first is called."""
    found = [
        *_policies(before.policies, now.policies),
        *_grants(before, now),
        *_revokes(before.revoked, now.revoked),
        *_statements(before.statements, now.statements),
        *_routines(before.routines, now),
        *_intents(before.intent, now.intent, revision),
    ]
    return sorted(found, key=lambda c: (not c.wider, _KINDS.index(c.kind), c.where, c.words))


def read_surface(files: Mapping[str, str]) -> Surface:
    """Read files, by their path below the project."""
    written = [
        read_policy_file(Path(path).stem, text)
        for path, text in files.items()
        if path.startswith("sql/policies/") and path.endswith(".sql")
    ]
    routines: dict[str, Routine] = {}
    for path, text in sorted(files.items()):
        if path.startswith("sql/functions/"):
            _add_routines(routines, text)
    surface = Surface(
        _yaml(files[_INTENT]) if _INTENT in files else None,
        {(policy.table, policy.name): policy for file in written for policy in file.policies},
        routines=routines,
    )
    for file in written:
        for statement in file.statements:
            _add_statement(surface, file.name, statement)
    return surface


def _add_statement(surface: Surface, table: str, statement: str) -> None:
    grant = re.fullmatch(r"grant (.+) on (?:table )?(\S+) to (.+)", statement, re.IGNORECASE)
    revoke = re.fullmatch(r"revoke all on (\S+) from (.+)", statement, re.IGNORECASE)
    if grant:
        for role in _names(grant[3]):
            surface.grants.update(_granted(grant[2], role, grant[1]))
    elif revoke:
        surface.revoked.update((role, revoke[1]) for role in _names(revoke[2]))
    elif not statement.startswith("set local role "):
        surface.statements[table, statement] = statement


def _granted(table: str, role: str, rights: str) -> Iterator[Grant]:
    """Read such as `select, insert (a, b)`."""
    for right, columns in re.findall(r"(\w+(?: \w+)*)(?: ?\(([^)]*)\))?", rights):
        for column in _names(columns) if columns else [""]:
            yield table, role, right.lower(), column


def _add_routines(routines: dict[str, Routine], text: str) -> None:
    for found in read_routines(text):
        known = routines.get(found.name, Routine(definer=False, text=""))
        routines[found.name] = Routine(
            known.definer or found.definer, f"{known.text} {found.text}".strip()
        )


def _names(listed: str) -> list[str]:
    return [name.strip() for name in listed.split(",")]


def _yaml(text: str) -> dict[str, Any]:
    try:
        read = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SessionbaseError(ExitCode.REFUSED, f"{_INTENT} is no YAML: {error}") from None
    return read if isinstance(read, dict) else {}


# The intent


def _intents(
    before: dict[str, Any] | None, now: dict[str, Any] | None, revision: str
) -> Iterator[Change]:
    known = now or {}
    if before is None:
        count = len(_cells(known))
        words = f"{revision} has no intent: all {count} cells count as new, wider than never"
        if known:
            yield Change("cell", _INTENT, words, wider=True)
        return
    yield from _cell_changes(_cells(before), _cells(known))
    yield from _table_changes(_part(before, "tables"), _part(known, "tables"))
    yield from _role_changes(_part(before, "roles"), _part(known, "roles"))
    yield from _right_changes("schema", _schema_rights(before), _schema_rights(known))
    yield from _function_changes(_part(before, "functions"), _part(known, "functions"))
    yield from _publication_changes(before, known)


def _part(intent: Mapping[str, Any], name: str) -> dict[str, dict[str, Any]]:
    part = intent.get(name) or {}
    return {key: value or {} for key, value in part.items()}


@dataclass(frozen=True)
class _Cell:
    rows: str = "never"
    columns: tuple[str, ...] = ()


def _cells(intent: Mapping[str, Any]) -> dict[tuple[str, str, str], _Cell]:
    """Return every cell that is not never, by table, role and command."""
    return {
        (table, role, command): _cell(said)
        for table, roles in _part(intent, "tables").items()
        for role, commands in roles.items()
        if role not in _NOT_ROLES
        for command, said in (commands or {}).items()
    }


def _cell(said: str | dict[str, Any]) -> _Cell:
    if isinstance(said, str):
        return _Cell(said)
    return _Cell(said.get("rows", "never"), tuple(said.get("columns") or ()))


def _cell_changes(
    before: Mapping[tuple[str, str, str], _Cell], now: Mapping[tuple[str, str, str], _Cell]
) -> Iterator[Change]:
    for (table, role, command), was, is_now in _differing(before, now):
        old, new = was or _Cell(), is_now or _Cell()
        if old.rows != new.rows:
            way = "wider" if _rank(new.rows) > _rank(old.rows) else "narrower"
            words = f"{role} {command}: {new.rows}, was {old.rows}: {way}"
            yield Change("cell", table, words, way == "wider")
        if was and is_now:
            yield from _column_changes(table, f"{role} {command}", old.columns, new.columns)


def _rank(rows: str) -> int:
    """Return how much it is. A word that is not known is more than all, so that it is looked at."""
    return ROWS.index(rows) if rows in ROWS else len(ROWS)


def _column_changes(
    table: str, who: str, old: tuple[str, ...], new: tuple[str, ...]
) -> Iterator[Change]:
    added, taken = sorted(set(new) - set(old)), sorted(set(old) - set(new))
    if added:
        words = f"{who}: column {', '.join(added)} granted: wider"
        yield Change("columns", table, words, wider=True)
    if taken:
        words = f"{who}: column {', '.join(taken)} taken: narrower"
        yield Change("columns", table, words, wider=False)


def _table_changes(
    before: Mapping[str, dict[str, Any]], now: Mapping[str, dict[str, Any]]
) -> Iterator[Change]:
    for table, was, is_now in _differing(before, now):
        if was is None:
            yield Change("table", table, "the table is new", wider=False)
        if is_now is None:
            yield Change("table", table, "the table is gone", wider=False)
        old, new = was or {}, is_now or {}
        yield from _row_security(table, old.get("no_row_security"), new.get("no_row_security"))
        if was and is_now and old.get("owner") != new.get("owner"):
            yield _owner(table, old, new, "table")


def _row_security(table: str, old: str | None, new: str | None) -> Iterator[Change]:
    if new and not old:
        yield Change("table", table, f"no row level security: wider: {new}", wider=True)
    elif old and not new:
        yield Change("table", table, "row level security is on: narrower", wider=False)
    elif old != new:
        words = f"why it has no row level security, now: {new}; was: {old}"
        yield Change("table", table, words, wider=False)


def _owner(where: str, old: Mapping[str, Any], new: Mapping[str, Any], kind: str) -> Change:
    """Say who owns something now. An owner may do everything with it, so it is looked at."""
    owner, was = new.get("owner", DEFAULT_OWNER), old.get("owner", DEFAULT_OWNER)
    words = f"owned by {owner}, was by {was}: wider for {owner}"
    return Change(kind, where, words, wider=True)


def _role_changes(
    before: Mapping[str, dict[str, Any]], now: Mapping[str, dict[str, Any]]
) -> Iterator[Change]:
    for role, was, is_now in _differing(before, now):
        old, new = was or {}, is_now or {}
        if was is None:
            yield Change("role", role, f"the role is new: {new.get('what', '')}", wider=True)
        if is_now is None:
            yield Change("role", role, "the role is gone", wider=False)
            continue
        yield from _listed(role, "attribute", old.get("attributes"), new.get("attributes"))
        yield from _listed(role, "member of", old.get("member_of"), new.get("member_of"))
        if was and old.get("what") != new.get("what"):
            words = f"what it is for, now: {new.get('what')}; was: {old.get('what')}"
            yield Change("role", role, words, wider=False)


def _listed(
    role: str, what: str, old: Iterable[str] | None, new: Iterable[str] | None
) -> Iterator[Change]:
    """Compare what a role has. An attribute that begins with "no" is one it does without."""
    had, has = set(old or ()), set(new or ())
    for name, word in [(n, "added") for n in has - had] + [(n, "taken") for n in had - has]:
        wider = (word == "added") != (what == "attribute" and name.startswith("no"))
        way = "wider" if wider else "narrower"
        yield Change("role", role, f"{what} {name} {word}: {way}", wider)


def _schema_rights(intent: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {
        (schema, f"{role} {right}")
        for schema, roles in _part(intent, "schemas").items()
        for role, rights in roles.items()
        for right in rights or ()
    }


def _function_changes(
    before: Mapping[str, dict[str, Any]], now: Mapping[str, dict[str, Any]]
) -> Iterator[Change]:
    yield from _right_changes("function", _executes(before), _executes(now))
    for name, was, is_now in _differing(before, now):
        old, new = was or {}, is_now or {}
        yield from _definer(name, old.get("definer"), new.get("definer"))
        if was and is_now and old.get("owner") != new.get("owner"):
            yield _owner(name, old, new, "function")


def _executes(functions: Mapping[str, dict[str, Any]]) -> set[tuple[str, str]]:
    return {
        (name, f"{role} execute")
        for name, said in functions.items()
        for role in said.get("execute") or ()
    }


def _definer(name: str, old: str | None, new: str | None) -> Iterator[Change]:
    if new and not old:
        yield Change("function", name, f"SECURITY DEFINER: wider: {new}", wider=True)
    elif old and not new:
        words = "no SECURITY DEFINER any more: narrower"
        yield Change("function", name, words, wider=False)
    elif old != new:
        words = f"why it is SECURITY DEFINER, now: {new} was: {old}"
        yield Change("function", name, words, wider=False)


def _right_changes(
    kind: str, before: set[tuple[str, str]], now: set[tuple[str, str]]
) -> Iterator[Change]:
    for where, right in sorted(now - before):
        yield Change(kind, where, f"{right} granted: wider", wider=True)
    for where, right in sorted(before - now):
        yield Change(kind, where, f"{right} taken: narrower", wider=False)


def _publication_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    old, new = _texts(before.get("publications")), _texts(now.get("publications"))
    for name in sorted(new - old):
        yield Change("rest", "publications", f"{name} published: wider", wider=True)
    for name in sorted(old - new):
        yield Change("rest", "publications", f"{name} not published: narrower", wider=False)


def _texts(listed: Mapping[str, Any] | Iterable[Any] | None) -> set[str]:
    if isinstance(listed, Mapping):
        return {f"{name}: {said}" for name, said in listed.items()}
    return {str(item) for item in listed or ()}


# The files


def _policies(
    before: Mapping[tuple[str, str], WrittenPolicy], now: Mapping[tuple[str, str], WrittenPolicy]
) -> Iterator[Change]:
    for (table, name), old, new in _differing(
        {key: policy.text for key, policy in before.items()},
        {key: policy.text for key, policy in now.items()},
    ):
        wider = _is_wider(before.get((table, name)), now.get((table, name)))
        way = "wider, or it can't be told" if old and new and wider else _way(wider)
        yield Change("policy", table, f'policy "{name}" {_fate(old, new)}: {way}', wider)


def _fate(old: str | None, new: str | None) -> str:
    if old is None:
        return f"added: {new}"
    if new is None:
        return f"removed: {old}"
    return f"reworded, now: {new}; was: {old}"


def _is_wider(old: WrittenPolicy | None, new: WrittenPolicy | None) -> bool:
    """Whether a policy may let more rows through than before."""
    if old is None or new is None:
        # A restrictive policy takes rows away where it is, and gives them back where it goes.
        known = new or old
        return known is not None and known.restrictive == (new is None)
    same_kind = (old.command, old.restrictive) == (new.command, new.restrictive)
    narrowed = _is_narrowed(old.using, new.using) and _is_narrowed(old.check, new.check)
    return not (same_kind and narrowed and set(new.roles) <= set(old.roles))


def _is_narrowed(old: str, new: str) -> bool:
    """Whether a condition is surely not wider: the same, in place of true, or with an and behind.

    With an `or` in the old one, what an `and` behind it binds is not plain, so that counts as not.
    """
    was, is_now = squeezed(old), squeezed(new)
    if was in {is_now, "true"}:
        # Without a condition a policy that checks what is written takes the other one.
        return bool(is_now) or not was
    tail = is_now.removeprefix(f"({was})").removeprefix(was)
    wrapped = is_now.startswith(f"({was}) and ")
    plain = tail.startswith(" and ") and not re.search(r"\bor\b", is_now, re.IGNORECASE)
    return bool(was) and (plain or (wrapped and not re.search(r"\bor\b", tail, re.IGNORECASE)))


def _statements(
    before: Mapping[tuple[str, str], str], now: Mapping[tuple[str, str], str]
) -> Iterator[Change]:
    """Compare all that is neither a policy, a grant nor a revoke: row level security above all."""
    for (table, statement), old, _ in _differing(before, now):
        takes = re.match(r"alter table \S+ (enable|force) row", statement) is not None
        wider = takes == (old is not None)
        word = "removed" if old else "added"
        yield Change("rest", table, f"statement {word}: {statement}: {_way(wider)}", wider)


def _grants(before: Surface, now: Surface) -> Iterator[Change]:
    """Compare grants of files where the intent says nothing of a change; else it says it better."""
    if before.intent is None:
        return
    told = {key for key, _, _ in _differing(_cells(before.intent or {}), _cells(now.intent or {}))}
    for word, found in (
        ("granted", now.grants - before.grants),
        ("taken", before.grants - now.grants),
    ):
        for (table, role, command), columns in _by_cell(found).items():
            if (table, role, command) not in told:
                what = f"{role} {command}{f' of {columns}' if columns else ''} {word} in its file"
                wider = word == "granted"
                words = f"{what}, of which the intent says nothing new: {_way(wider)}"
                yield Change("cell", table, words, wider)


def _by_cell(grants: set[Grant]) -> dict[tuple[str, str, str], str]:
    """Return the columns of each cell, in words."""
    found: dict[tuple[str, str, str], str] = {}
    for table, role, command, column in sorted(grants):
        key = (table, role, command)
        found[key] = f"{found[key]}, {column}" if key in found else column
    return found


def _revokes(before: set[tuple[str, str]], now: set[tuple[str, str]]) -> Iterator[Change]:
    """Say by role from which tables everything is first revoked."""
    for words, found, wider in (
        ("everything is first revoked from it, on", now - before, False),
        ("everything is no longer first revoked from it, on", before - now, True),
    ):
        for role in sorted({role for role, _ in found}):
            tables = ", ".join(sorted(table for who, table in found if who == role))
            yield Change("rest", role, f"{words} {tables}: {_way(wider)}", wider)


def _routines(before: Mapping[str, Routine], now: Surface) -> Iterator[Change]:
    stood_on = _stood_on(now)
    for name, old, new in _differing(before, now.routines):
        was, is_now = old or Routine(False, ""), new or Routine(False, "")
        if is_now.definer and not was.definer:
            yield Change("function", name, "SECURITY DEFINER in its file: wider", wider=True)
        elif was.definer and not is_now.definer:
            words = "no SECURITY DEFINER in its file any more: narrower"
            yield Change("function", name, words, wider=False)
        is_stood_on = name.partition("(")[0] in stood_on
        # The words SECURITY DEFINER are text too, and were told of.
        if old and new and (is_stood_on or was.definer == is_now.definer):
            yield from _reworded(name, is_now, is_stood_on)


def _reworded(name: str, routine: Routine, is_stood_on: bool) -> Iterator[Change]:
    if is_stood_on:
        words = "policies stand on it, and its text changed: wider, or it can't be told"
        yield Change("function", name, words, wider=True)
    elif routine.definer:
        yield Change("function", name, "it runs as its owner, and its text changed", wider=False)


def _stood_on(surface: Surface) -> set[str]:
    """Return the names of functions and views that policies ask, and those that these ask."""
    known = {name.partition("(")[0]: routine for name, routine in surface.routines.items()}
    texts = [policy.text for policy in surface.policies.values()]
    found: set[str] = set()
    while texts:
        asked = set(re.findall(r"\w+\.\w+", texts.pop())) & set(known) - found
        found |= asked
        texts += [known[name].text for name in asked]
    return found


def _way(wider: bool) -> str:
    return "wider" if wider else "narrower"


def _differing(before: Mapping[K, V], now: Mapping[K, V]) -> Iterator[tuple[K, V | None, V | None]]:
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            yield key, before.get(key), now.get(key)


# git


def _commit(revision: str, folder: Path) -> str:
    # With ^{commit} behind it not even one that begins with a dash is an option.
    found = _git(folder, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if found.returncode == 0:
        return found.stdout.strip()
    _refuse_without_repository(folder)
    raise SessionbaseError(
        ExitCode.REFUSED,
        f"git knows no revision {revision!r} here",
        hint="Name a commit, a branch or a tag, as in --diff HEAD~3; in a shallow clone fetch more "
        "first: git fetch --unshallow.",
    )


def _refuse_without_repository(folder: Path) -> None:
    inside = _git(folder, "rev-parse", "--git-dir")
    if inside.returncode != 0:
        raise SessionbaseError(
            ExitCode.REFUSED,
            f"git can't read a repository at {folder}: {inside.stderr.strip()}",
            hint="What changed since a revision can only be told in a clone of the project.",
        )


def _files_of(commit: str, folder: Path) -> dict[str, str]:
    listed = _git(folder, "ls-tree", "-r", "-z", "--name-only", commit, "--", *_FOLDERS)
    names = [name for name in listed.stdout.split("\0") if name]
    return {name: _show(commit, name, folder) for name in names}


def _show(commit: str, name: str, folder: Path) -> str:
    shown = _git(folder, "show", f"{commit}:./{name}")
    if shown.returncode != 0:
        raise SessionbaseError(
            ExitCode.REFUSED, f"git can't show {name} of {commit}: {shown.stderr.strip()}"
        )
    return shown.stdout


def _files_here(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for below in _FOLDERS
        for path in sorted((folder / below).rglob("*"))
        if path.is_file()
    }


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("git")
    if program is None:
        raise SessionbaseError(
            ExitCode.MISSING_TOOL,
            "git is not installed, so what changed since a revision can't be told",
            hint="Install git, or leave --diff out.",
        )
    return subprocess.run(
        [program, *arguments],
        cwd=folder,
        check=False,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
