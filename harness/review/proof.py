"""Proves the intent by doing: each role tries each command on each table, on rows that are there.

Everything is tried on a scratch database and rolled back.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import groupby
from time import monotonic
from typing import Any

import psycopg
from psycopg import sql

from harness.connections import Connection, Server, connect
from harness.review.catalog import read_catalog
from harness.review.findings import Finding
from harness.review.intent import Command, Intent, Rows
from harness.review.seed import plant
from harness.review.trials import Control, Outcome, Principal, Trial, trials_of

_NO_ACCOUNT = "28000"
_DOES_NOT_FIT = ("42809", "55000")
# The functions of Postgres that raise 42501. Its messages would depend on the language.
_NO_PRIVILEGE = ("aclcheck_error", "aclcheck_error_col")
_POLICY_REFUSED = "ExecWithCheckOptions"

_BACK = "rollback to savepoint before_trial; "


@dataclass(frozen=True)
class Attempt:
    """One try of a command.

    principal: as whom app_user asked; "" for other roles. intent: the word of the cell.
    aim: what it was tried on, in words. rows: how many it reached.
    control: whether the row was shown to be there, or the same insert to work for a superuser.
    error: SQLSTATE and message, "" without one.
    """

    role: str
    principal: str
    table: str
    command: Command
    intent: Rows
    aim: str
    expected: tuple[Outcome, ...]
    outcome: Outcome
    rows: int
    control: bool
    error: str

    @property
    def cell(self) -> tuple[str, str, Command]:
        """Which field of the matrix it is about."""
        return self.role, self.table, self.command

    @property
    def holds(self) -> bool:
        """Whether it came as intended, and it is certain that something was at stake."""
        return self.control and self.outcome in self.expected

    def facts(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Proof:
    """All that was tried. cells: how many fields of the matrix that covers."""

    server_version: str
    attempts: tuple[Attempt, ...]
    cells: int
    seconds: float

    def counts(self, command: Command | None = None) -> dict[Outcome, int]:
        """Return how many attempts, of one command or all, came out how; without zeros."""
        return dict(
            Counter(
                attempt.outcome for attempt in self.attempts if command in {None, attempt.command}
            )
        )

    def findings(self) -> Iterator[Finding]:
        """Return what did not come as intended, and what proves nothing; the like as one."""
        alike: dict[tuple[object, ...], list[Attempt]] = defaultdict(list)
        for attempt in self.attempts:
            if not attempt.holds:
                alike[attempt.cell, attempt.control, attempt.outcome].append(attempt)
        for first, *others in alike.values():
            yield _finding(first, len(others))


def prove(server: Server, intent: Intent) -> Proof:
    """Try every cell of the intent on a database that is migrated and has no rows of its own.

    The login is a superuser. Nothing stays. Raises what connect() raises.
    """
    began = monotonic()
    with connect(server, "review") as connection:
        trials = list(trials_of(intent, read_catalog(connection)))
        with connection.transaction(force_rollback=True):
            plant(connection)
            proven = _run_controls(connection, trials)
            attempts = tuple(_run_trials(connection, trials, proven))
        version = connection.info.parameter_status("server_version") or ""
    cells = {(trial.cell.role, trial.cell.table, trial.cell.command) for trial in trials}
    return Proof(version, attempts, len(cells), monotonic() - began)


def _run_controls(connection: Connection, trials: Iterable[Trial]) -> set[Control]:
    """Return the controls that reached a row, as the superuser who is connected."""
    proven: set[Control] = set()
    controls = dict.fromkeys(trial.control for trial in trials if trial.control)
    for claims, group in groupby(controls, key=lambda control: control.claims):
        with _acting(connection, None, claims):
            proven.update(c for c in group if _try(connection, c.statement)[0] == "allowed")
    return proven


def _run_trials(
    connection: Connection, trials: Iterable[Trial], proven: set[Control]
) -> Iterator[Attempt]:
    def who(trial: Trial) -> tuple[str, Principal]:
        return trial.cell.role, trial.principal

    in_order = sorted(trials, key=lambda trial: (trial.cell.role, trial.principal.name))
    for (role, principal), group in groupby(in_order, key=who):
        with _acting(connection, role, principal.claims):
            for trial in group:
                outcome, rows, error = _try_trial(connection, trial)
                yield _attempt(trial, outcome, rows, error, control=trial.control in proven)


@contextmanager
def _acting(connection: Connection, role: str | None, claims: str) -> Iterator[None]:
    """Be a role (None: who is connected) that makes a request with claims, and undo it all."""
    with connection.transaction(force_rollback=True):
        connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])
        if role:
            # More than SET ROLE: no function can find out that a superuser is behind it.
            connection.execute(
                sql.SQL("set local session authorization {}").format(sql.Identifier(role))
            )
        connection.execute("savepoint before_trial")
        yield
        connection.execute(_BACK)


def _try_trial(connection: Connection, trial: Trial) -> tuple[Outcome, int, str]:
    statement = trial.statement.as_string()
    if trial.untouched is None:
        return _try(connection, statement)
    # Undone with the rest: whoever tries next is bound again.
    probe = f"reset session authorization; {trial.untouched.as_string()}"
    outcome, rows, error = _try(connection, f"{statement}; {probe}")
    if error:
        return outcome, 0, error
    return ("filtered", 0, "") if rows else ("allowed", 1, "")


def _try(connection: Connection, statement: str) -> tuple[Outcome, int, str]:
    """Run a statement, after undoing the one before; what came of it, how many rows, the error."""
    with connection.cursor() as cursor:
        try:
            cursor.execute((_BACK + statement).encode())
        except psycopg.Error as error:
            if connection.broken:
                raise
            return _outcome_of(error), 0, f"{error.sqlstate} {error.diag.message_primary}"
        # What is asked for is the statement's, not that of the rollback before it.
        while cursor.nextset():
            pass
        if (cursor.statusmessage or "").startswith("TRUNCATE"):
            return "allowed", 0, ""
        return "allowed" if cursor.rowcount > 0 else "filtered", cursor.rowcount, ""


def _outcome_of(error: psycopg.Error) -> Outcome:
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        if error.diag.source_function == _POLICY_REFUSED:
            return "refused"
        return "denied" if error.diag.source_function in _NO_PRIVILEGE else "failed"
    if error.sqlstate == _NO_ACCOUNT:
        return "no account"
    return "impossible" if error.sqlstate in _DOES_NOT_FIT else "failed"


def _attempt(trial: Trial, outcome: Outcome, rows: int, error: str, *, control: bool) -> Attempt:
    cell = trial.cell
    return Attempt(
        role=cell.role,
        principal=trial.principal.name,
        table=cell.table,
        command=cell.command,
        intent=cell.rows,
        aim=trial.aim,
        expected=trial.expected,
        outcome=outcome,
        rows=rows,
        control=control,
        error=error,
    )


def _finding(attempt: Attempt, others: int) -> Finding:
    asked = f" as {attempt.principal}" if attempt.principal else ""
    also = f", and {others} more like it" if others else ""
    tried = f"{attempt.command} of {attempt.aim}{asked}"
    if not attempt.control:
        found = f"{tried}: there was nothing at stake{also}"
        wanted = "a row that a superuser reaches"
        return Finding("proof-without-control", attempt.table, attempt.role, found, wanted)
    error = f" ({attempt.error})" if attempt.error else ""
    expected = " or ".join(attempt.expected)
    return Finding(
        "proof-failed",
        attempt.table,
        attempt.role,
        f"{tried}: {attempt.outcome}{error}{also}",
        f"{expected}, for the intent says {attempt.intent}",
    )
