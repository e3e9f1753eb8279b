"""What the proof tries: for each cell the statements, and what must come of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from json import dumps
from typing import Literal, get_args
from uuid import UUID

from psycopg import sql

from harness.review.catalog import Catalog, Table
from harness.review.intent import MEMBER_ROLES, Cell, Intent, Rows
from harness.review.policy_text import AUTHOR
from harness.review.seed import (
    ACCOUNTS,
    HELD,
    MEMBERS,
    Row,
    Values,
    insert_statement,
    relation,
    rows_there,
    rows_to_insert,
)

Outcome = Literal[
    "allowed",  # it reached rows
    "denied",  # 42501: no privilege
    "refused",  # 42501: a policy refused the row
    "filtered",  # no error, and no row: policies hid it
    "no account",  # 28000: nobody may write without an account
    "impossible",  # nobody can: the command does not fit the object, as truncate of a view
    "failed",  # another error
]

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

APP_USER = "app_user"
_NOBODY_CAN: tuple[Outcome, ...] = ("denied", "impossible")


@dataclass(frozen=True)
class Principal:
    """Who asks: what the setting request.jwt.claims says, and which account that is.

    account: a name of ACCOUNTS; "" where no active account asks.
    """

    name: str
    claims: str
    account: str

    def reaches(self, rows: Rows, row: Row) -> bool:
        """Whether a word of the intent lets it at a row."""
        if rows == "all":
            return True
        if not self.account or rows == "never":
            return False
        member = MEMBERS.get(self.account)
        is_let_in = row.is_shared and member in MEMBER_ROLES.get(rows, ())
        return is_let_in or row.account == self.account


def claims_of(account: str) -> str:
    """Return the setting of a request that an account makes."""
    return dumps({"sub": str(ACCOUNTS[account])})


NO_CLAIM = Principal("", "", "")
"""Who asks as any role but app_user."""

PRINCIPALS = (
    Principal("the owning account", claims_of("owner"), "owner"),
    Principal("a member as viewer", claims_of("viewer"), "viewer"),
    Principal("a member as editor", claims_of("editor"), "editor"),
    Principal("a member as owner", claims_of("co-owner"), "co-owner"),
    Principal("a stranger", claims_of("stranger"), "stranger"),
    Principal("nobody", "", ""),
    Principal("a malformed claim", '{"sub": "', ""),
    Principal("a disabled account", claims_of("disabled"), ""),
)


@dataclass(frozen=True)
class Control:
    """What a superuser does to show that something is at stake: it must reach a row.

    None in its place: there is no row for that, so nothing can be shown.
    claims: for views that show each account its own.
    """

    statement: str
    claims: str


@dataclass(frozen=True)
class Trial:
    """One statement to try, as whom, and what may come of it. aim: on what, in words.

    untouched: for a statement on the whole table, what finds the one row that it is about if it
    is as it was; asked as a superuser. None where the statement says itself what it reached.
    """

    cell: Cell
    principal: Principal
    aim: str
    statement: sql.Composed
    expected: tuple[Outcome, ...]
    control: Control | None
    untouched: sql.Composed | None = None


def trials_of(intent: Intent, catalog: Catalog) -> Iterator[Trial]:
    """Return every trial of every cell whose table is there."""
    for cell in intent.matrix():
        table = catalog.tables.get(cell.table)
        if table is None:
            continue
        for principal in PRINCIPALS if cell.role == APP_USER else (NO_CLAIM,):
            yield from _trials(cell, table, principal)
        # Privileges do not ask who claims what, so one asks for all.
        yield from _column_trials(cell, table, _first_principal(cell))


def _first_principal(cell: Cell) -> Principal:
    return PRINCIPALS[0] if cell.role == APP_USER else NO_CLAIM


def _trials(cell: Cell, table: Table, principal: Principal) -> Iterator[Trial]:
    if cell.role == table.owner:
        yield from _owner_trials(cell, table, principal)
    elif cell.rows == "never":
        yield _never_trial(cell, table, principal)
    elif cell.command == "insert":
        yield from _insert_trials(cell, table, principal)
    else:
        yield from _row_trials(cell, table, principal)


def _never_trial(cell: Cell, table: Table, principal: Principal) -> Trial:
    """Try it on the whole table: no privilege to read must stand in for one to write."""
    statements = {
        "select": "select from {}",
        "insert": "insert into {} default values",
        "delete": "delete from {}",
        "truncate": "truncate {}",
    }
    if cell.command == "update":
        statement = _set_default(table, table.columns[-1])
    else:
        statement = sql.SQL(statements[cell.command]).format(relation(table.name))
    expected = _NOBODY_CAN if table.kind == "view" else ("denied",)
    return Trial(cell, principal, "any row", statement, expected, _first_control(cell, table))


def _first_control(cell: Cell, table: Table) -> Control | None:
    if cell.command == "insert" and table.kind != "view":
        return next((_insert_control(row.values, row) for row in rows_to_insert(table.name)), None)
    return next((_row_control(table, row) for row in rows_there(table.name)), None)


def _row_control(table: Table, row: Row) -> Control:
    return Control(_select(table, row).as_string(), claims_of(row.account))


def _insert_control(values: Values, row: Row) -> Control:
    return Control(insert_statement(row.table, values).as_string(), claims_of(row.account))


def _row_trials(cell: Cell, table: Table, principal: Principal) -> Iterator[Trial]:
    """Try it on each row of the table by itself."""
    for row in rows_there(table.name):
        statement = _on_row(cell, table, row)
        expected = _expected(cell, principal, row, otherwise="filtered")
        control = _row_control(table, row)
        aim = f"a row of {row.label}"
        yield Trial(cell, principal, aim, statement, (expected,), control)
        is_held = cell.command == "delete" and table.name in HELD
        if cell.role == APP_USER and cell.command in {"update", "delete"} and not is_held:
            # A condition reads, and what reads is bound by the policy for select too, which would
            # hide a hole in this one.
            blind, untouched = _blindly(cell, table, row)
            aim = f"{aim}, without reading"
            yield Trial(cell, principal, aim, blind, (expected,), control, untouched)


def _blindly(cell: Cell, table: Table, row: Row) -> tuple[sql.Composed, sql.Composed]:
    """Return the command for every row, and what finds the one row if it is untouched."""
    name, untouched = relation(table.name), _select(table, row)
    if cell.command == "delete":
        return sql.SQL("delete from {}").format(name), untouched
    # Of what app_user may update one of these is always a part.
    column = sql.Identifier("updated_at" if "updated_at" in table.columns else "revoked_at")
    changed = sql.SQL("update {} set {} = 'infinity'").format(name, column)
    return changed, untouched + sql.SQL(" and {} is distinct from 'infinity'").format(column)


def _expected(
    cell: Cell, principal: Principal, row: Row, otherwise: Literal["filtered", "refused"]
) -> Outcome:
    if cell.role == APP_USER and cell.command != "select" and not principal.account:
        return "no account"
    return "allowed" if principal.reaches(cell.rows, row) else otherwise


def _insert_trials(cell: Cell, table: Table, principal: Principal) -> Iterator[Trial]:
    for row in rows_to_insert(table.name):
        expected = _expected(cell, principal, row, otherwise="refused")
        values = _insertable(cell, row, ACCOUNTS.get(principal.account))
        yield _insert_trial(cell, principal, row, values, expected)
        if expected == "allowed" and AUTHOR in values and cell.rows != "all":
            named = {**values, AUTHOR: ACCOUNTS["newcomer"]}
            aim = f"a row of {row.label}, in another's name"
            yield _insert_trial(cell, principal, row, named, "refused", aim)


def _insert_trial(  # noqa: PLR0913, PLR0917 - what a trial is made of
    cell: Cell, principal: Principal, row: Row, values: Values, expected: Outcome, aim: str = ""
) -> Trial:
    statement = insert_statement(row.table, values)
    control = _insert_control(values, row)
    aim = aim or f"a row of {row.label}"
    return Trial(cell, principal, aim, statement, (expected,), control)


def _insertable(cell: Cell, row: Row, author: UUID | None) -> Values:
    """Return the columns of a row that the role may write, by the account that asks."""
    values = {name: value for name, value in row.values.items() if name in cell.columns}
    if AUTHOR in values and author:
        values[AUTHOR] = author
    return values


def _owner_trials(cell: Cell, table: Table, principal: Principal) -> Iterator[Trial]:
    """Try what the owner of the table may. No grant stands in its way, only row security."""
    trial = partial(Trial, cell, principal)
    if table.kind == "view":
        is_read = cell.command == "select"
        expected: tuple[Outcome, ...] = ("allowed", "filtered") if is_read else _NOBODY_CAN
        never = _never_trial(cell, table, principal)
        yield trial("any row, as its owner", never.statement, expected, never.control)
    elif cell.command == "insert":
        expected = ("refused",) if table.row_security else ("allowed",)
        for row in rows_to_insert(table.name):
            statement = insert_statement(row.table, row.values)
            control = _insert_control(row.values, row)
            yield trial(f"a row of {row.label}, as its owner", statement, expected, control)
    else:
        is_hidden = table.row_security and cell.command != "truncate"
        expected = ("filtered",) if is_hidden else ("allowed",)
        for row in rows_there(table.name):
            statement, control = _on_row(cell, table, row), _row_control(table, row)
            yield trial(f"a row of {row.label}, as its owner", statement, expected, control)


def _column_trials(cell: Cell, table: Table, principal: Principal) -> Iterator[Trial]:
    """Try to write each column that may not be written, by itself."""
    if cell.command not in ("insert", "update") or cell.role == table.owner:
        return
    expected = _NOBODY_CAN if table.kind == "view" else ("denied",)
    control = _first_control(cell, table)
    for column in table.columns:
        if column in cell.columns:
            continue
        write = _insert_default if cell.command == "insert" else _set_default
        aim = f"column {column}"
        yield Trial(cell, principal, aim, write(table, column), expected, control)


def _insert_default(table: Table, column: str) -> sql.Composed:
    return sql.SQL("insert into {} ({}) values (default)").format(
        relation(table.name), sql.Identifier(column)
    )


def _set_default(table: Table, column: str) -> sql.Composed:
    return sql.SQL("update {} set {} = default").format(
        relation(table.name), sql.Identifier(column)
    )


def _select(table: Table, row: Row) -> sql.Composed:
    return sql.SQL("select from {} where {}").format(relation(table.name), _is(table, row))


def _on_row(cell: Cell, table: Table, row: Row) -> sql.Composed:
    """Return the command for one row; truncate has no other way than all."""
    name = relation(table.name)
    if cell.command == "select":
        return _select(table, row)
    if cell.command == "truncate":
        # What refers to the table would stop it before anything else is asked.
        return sql.SQL("truncate {} cascade").format(name)
    if cell.command == "delete":
        return sql.SQL("delete from {} where {}").format(name, _is(table, row))
    column = sql.Identifier(cell.columns[0] if cell.columns else table.columns[-1])
    return sql.SQL("update {0} set {1} = {1} where {2}").format(name, column, _is(table, row))


def _is(table: Table, row: Row) -> sql.Composed:
    """Return the condition that finds a row: by its key, or by all that is known of it."""
    columns = table.primary_key or tuple(row.values)
    return sql.SQL(" and ").join(
        sql.SQL("{} = {}").format(sql.Identifier(column), sql.Literal(row.values[column]))
        for column in columns
    )
