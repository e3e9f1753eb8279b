"""What a page shows of who may do what: the intent beside the policies as they are written."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.review.catalog import Catalog
from harness.review.intent import (
    COMMANDS,
    DEFAULT_OWNER,
    ROWS,
    Cell,
    Command,
    FunctionIntent,
    Intent,
    RoleIntent,
    Rows,
    TableIntent,
)
from harness.review.ownership import Branch, ForeignKey, ownership
from harness.review.policy_files import PolicyFile, WrittenPolicy, read_policy_file
from harness.review.proof import Attempt, Proof
from harness.review.trials import Outcome
from harness.settings import SQL

OUTCOMES: dict[Outcome, str] = {
    "allowed": "allowed",
    "denied": "denied by grant",
    "refused": "refused by policy",
    "filtered": "filtered by policy",
    "no account": "refused without an account",
    "impossible": "not possible",
    "failed": "failed",
}
"""What came of an attempt, as it is shown, in this order."""


@dataclass(frozen=True)
class Tally:
    """How often something was tried, by what came of it; wrong: how often it was not as meant."""

    counts: tuple[tuple[str, int], ...] = ()
    wrong: int = 0

    @property
    def tried(self) -> int:
        """How often in all."""
        return sum(count for _, count in self.counts)


@dataclass(frozen=True)
class CellView:
    """A cell with what decides it. policies: those of the files; why: where none decides.

    owned: the role owns the table and nothing binds an owner there, whatever the intent grants.
    """

    command: Command
    rows: Rows
    owned: bool
    columns: tuple[str, ...]
    policies: tuple[WrittenPolicy, ...]
    why: str
    tally: Tally

    @property
    def word(self) -> str:
        """Return never, own, shared, all or owner: the cell's colour has the same name."""
        return "owner" if self.owned else self.rows.split()[0]

    @property
    def words(self) -> str:
        """Return the word of the intent, whole."""
        return "all, as its owner" if self.owned else self.rows

    @property
    def width(self) -> int:
        """Return how much it lets in, from never on."""
        return len(ROWS) if self.owned else ROWS.index(self.rows)


@dataclass(frozen=True)
class RowView:
    """What one role may do with one table, command by command."""

    table: str
    cells: tuple[CellView, ...]

    @property
    def widest(self) -> CellView:
        """Return the cell that lets in most, but for the emptying that any owner may do."""
        told = [cell for cell in self.cells if cell.command != "truncate" or not cell.owned]
        return max(told, key=lambda cell: cell.width)

    @property
    def reaches(self) -> bool:
        """Whether any command reaches a row."""
        return self.widest.width > 0

    @property
    def tally(self) -> Tally:
        """Return the tallies of all commands together."""
        return _together([cell.tally for cell in self.cells])


@dataclass(frozen=True)
class RoleView:
    """A role: what it is for, what it has, and a row for every table."""

    name: str
    about: RoleIntent
    taken_by: tuple[str, ...]
    schemas: tuple[str, ...]
    owns: tuple[str, ...]
    executes: tuple[str, ...]
    rows: tuple[RowView, ...]

    @property
    def reached(self) -> list[RowView]:
        """Return the rows of tables it reaches."""
        return [row for row in self.rows if row.reaches]

    @property
    def unreached(self) -> list[RowView]:
        """Return the others."""
        return [row for row in self.rows if not row.reaches]

    @property
    def tally(self) -> Tally:
        """Return the tallies of all tables together."""
        return _together([row.tally for row in self.rows])


@dataclass(frozen=True)
class TableView:
    """A table: what its policy file says of it, and what decides about its rows.

    told: whether the intent names it. file: None for one that has no file.
    """

    name: str
    kind: str
    owner: str
    told: bool
    row_security: str
    file: PolicyFile | None
    rights: tuple[tuple[str, tuple[CellView, ...]], ...]


@dataclass(frozen=True)
class FunctionView:
    """A function that runs as its owner, or that somebody else may execute."""

    signature: str
    said: FunctionIntent
    search_path: str | None


@dataclass(frozen=True)
class Matrix:
    """All that a page shows."""

    commands: tuple[Command, ...]
    roles: tuple[RoleView, ...]
    tables: tuple[TableView, ...]
    functions: tuple[FunctionView, ...]
    tree: tuple[Branch, ...]
    kinds: Mapping[str, str]
    owners: Mapping[str, str]

    @property
    def definers(self) -> list[FunctionView]:
        """Return the functions that run as their owner."""
        return [function for function in self.functions if function.said.definer]

    @property
    def others(self) -> list[FunctionView]:
        """Return the functions that run as whoever calls them."""
        return [function for function in self.functions if not function.said.definer]

    @property
    def policies(self) -> list[WrittenPolicy]:
        """Return all policies."""
        return [policy for table in self.tables if table.file for policy in table.file.policies]


def read_policy_files(folder: Path = SQL / "policies") -> dict[str, PolicyFile]:
    """Read the files of sql/policies/, by the name of their table."""
    return {
        path.stem: read_policy_file(path.stem, path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.sql"))
    }


@dataclass(frozen=True)
class Sources:
    """What a matrix is made of. attempts: none where nothing was proved."""

    intent: Intent
    catalog: Catalog
    keys: tuple[ForeignKey, ...]
    files: Mapping[str, PolicyFile]
    attempts: Mapping[tuple[str, str, str], list[Attempt]]


def build_matrix(
    intent: Intent,
    catalog: Catalog,
    keys: Iterable[ForeignKey],
    files: Mapping[str, PolicyFile],
    proof: Proof | None = None,
) -> Matrix:
    """Put together what a page shows, sorted by name."""
    sources = Sources(intent, catalog, tuple(keys), files, _attempts(proof))
    names = sorted({*intent.tables, *catalog.tables})
    roles = tuple(_role(name, sources) for name in sorted(intent.roles))
    tables = tuple(_table(name, sources, roles) for name in names)
    return Matrix(
        commands=_commands(roles),
        roles=roles,
        tables=tables,
        functions=tuple(_function(name, sources) for name in sorted(intent.functions)),
        tree=tuple(ownership([t.name for t in tables if t.kind == "table"], keys)),
        kinds={table.name: table.kind for table in tables},
        owners={table.name: table.owner for table in tables},
    )


def _commands(roles: Iterable[RoleView]) -> tuple[Command, ...]:
    """Leave out truncate, of which a sentence tells, unless somebody may."""
    used = {
        cell.command
        for role in roles
        for row in role.rows
        for cell in row.cells
        if cell.rows != "never"
    }
    return tuple(command for command in COMMANDS if command != "truncate" or command in used)


def _attempts(proof: Proof | None) -> dict[tuple[str, str, str], list[Attempt]]:
    found: dict[tuple[str, str, str], list[Attempt]] = {}
    for attempt in proof.attempts if proof else ():
        found.setdefault((attempt.role, attempt.table, attempt.command), []).append(attempt)
    return found


def tally(attempts: Iterable[Attempt]) -> Tally:
    """Count attempts by what came of them."""
    tried = list(attempts)
    counts = Counter(attempt.outcome for attempt in tried)
    return Tally(
        tuple((words, counts[name]) for name, words in OUTCOMES.items() if counts[name]),
        sum(not attempt.holds for attempt in tried),
    )


def _together(tallies: Iterable[Tally]) -> Tally:
    parts = list(tallies)
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(dict(part.counts))
    ordered = tuple((words, counts[words]) for words in OUTCOMES.values() if counts[words])
    return Tally(ordered, sum(part.wrong for part in parts))


def _role(name: str, sources: Sources) -> RoleView:
    intent = sources.intent
    return RoleView(
        name,
        intent.roles[name],
        taken_by=tuple(sorted(r for r, about in intent.roles.items() if name in about.member_of)),
        schemas=tuple(
            f"{schema} ({', '.join(sorted(granted[name], reverse=True))})"
            for schema, granted in sorted(intent.schemas.items())
            if granted.get(name)
        ),
        owns=tuple(sorted(t for t, about in intent.tables.items() if about.owner == name)),
        executes=tuple(sorted(f for f, said in intent.functions.items() if name in said.execute)),
        rows=tuple(_row(name, table, sources) for table in sorted(intent.tables)),
    )


def _row(role: str, table: str, sources: Sources) -> RowView:
    cells = [sources.intent.cell(role, table, command) for command in COMMANDS]
    return RowView(table, tuple(_cell(cell, sources) for cell in cells))


def _cell(cell: Cell, sources: Sources) -> CellView:
    file = sources.files.get(cell.table)
    policies = [
        policy
        for policy in (file.policies if file and cell.rows != "never" else ())
        if policy.command in {cell.command, "all"} and {cell.role, "public"} & set(policy.roles)
    ]
    return CellView(
        cell.command,
        cell.rows,
        _is_owned(cell, sources),
        cell.columns,
        tuple(policies),
        "" if policies else _why(cell, sources),
        tally(sources.attempts.get((cell.role, cell.table, cell.command), [])),
    )


def _is_owned(cell: Cell, sources: Sources) -> bool:
    table = sources.intent.tables[cell.table]
    is_unbound = not table.has_row_security or cell.command == "truncate"
    is_owner = table.kind == "table" and table.owner == cell.role
    return is_owner and is_unbound and cell.rows == "never"


def _why(cell: Cell, sources: Sources) -> str:
    """Say what decides a cell that no policy decides."""
    table = sources.intent.tables[cell.table]
    if cell.rows == "never":
        return _why_never(cell, table)
    if table.kind == "view":
        return f"The grant lets it in; the view, which reads as {table.owner}, says which rows."
    if table.no_row_security:
        return f"The grant decides alone. No row level security: {table.no_row_security}."
    return "No policy for it is in the file of this table, so it reaches no row."


def _why_never(cell: Cell, table: TableIntent) -> str:
    if table.owner != cell.role:
        return "Nothing is granted: Postgres answers with SQLSTATE 42501."
    if table.kind == "view":
        return "It owns the view, and needs no grant to read it."
    if cell.command == "truncate":
        return "Whoever owns a table may empty it."
    if not table.has_row_security:
        return "It owns it, and nothing binds an owner here."
    return (
        "It owns the table, yet policies bind the owner, and none is for it. "
        "It may still empty or change the table, as any owner."
    )


def _table(name: str, sources: Sources, roles: Iterable[RoleView]) -> TableView:
    said, real = sources.intent.tables.get(name), sources.catalog.tables.get(name)
    rights = []
    for role in roles:
        row = next((row for row in role.rows if row.table == name), None)
        if row and row.reaches:
            rights.append((role.name, tuple(cell for cell in row.cells if cell.width)))
    return TableView(
        name,
        kind=real.kind if real else said.kind if said else "table",
        owner=said.owner if said else DEFAULT_OWNER,
        told=said is not None,
        row_security=_row_security(name, sources),
        file=sources.files.get(name),
        rights=tuple(rights),
    )


def _row_security(name: str, sources: Sources) -> str:
    """Say in a sentence what decides about its rows. That it is so is for compare.py to see."""
    said, real = sources.intent.tables.get(name), sources.catalog.tables.get(name)
    if said is None:
        return "What decides about its rows is not known."
    if said.kind == "view":
        if real and real.security_invoker:
            return "A view that runs as who asks: the policies of its tables hold."
        return f"A view that runs as {said.owner}."
    if said.has_row_security:
        return "Row level security is on, for its owner too."
    return f"No row level security: {said.no_row_security}."


def _function(signature: str, sources: Sources) -> FunctionView:
    real = sources.catalog.functions.get(signature)
    return FunctionView(
        signature, sources.intent.functions[signature], real.search_path if real else None
    )
