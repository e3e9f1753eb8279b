"""Sends a file of SQL to the server, and knows where in the file it failed."""

import selectors
from dataclasses import dataclass

from psycopg import pq
from sqlglot import TokenType, tokenize
from sqlglot.errors import TokenError

from harness.connections import Connection

_CONTEXT_LINES = 2


@dataclass(frozen=True)
class Place:
    """A place in a text: line and column from 1. whole_statement: only the statement is known."""

    line: int
    column: int
    whole_statement: bool


class ScriptError(Exception):
    """Postgres refused a statement of a script."""

    def __init__(self, result: pq.abc.PGresult, place: Place | None) -> None:
        self.sqlstate = _field(result, pq.DiagnosticField.SQLSTATE)
        self.message = _field(result, pq.DiagnosticField.MESSAGE_PRIMARY)
        self.detail = _field(result, pq.DiagnosticField.MESSAGE_DETAIL)
        self.hint = _field(result, pq.DiagnosticField.MESSAGE_HINT)
        self.context = _field(result, pq.DiagnosticField.CONTEXT)
        self.place = place
        super().__init__(f"{self.sqlstate} {self.message}")


def run_script(connection: Connection, text: str, *, one_statement: bool = False) -> None:
    """Run all statements of a text in the transaction that is open.

    one_statement: the text must hold one only, which then is not wrapped in a transaction.
    Raises ScriptError. The statements go to the server in one message, as they are: nothing here
    has to know where one ends. Only to report an error is the text taken apart.
    """
    pgconn = connection.pgconn
    if one_statement:
        pgconn.send_query_params(text.encode(), None)
    else:
        pgconn.send_query(text.encode())
    done = 0
    failed: pq.abc.PGresult | None = None
    while (result := _next_result(connection)) is not None:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            failed = result
        elif failed is None:
            done += 1
    if failed is not None:
        raise ScriptError(failed, _place(text, failed, done))


def excerpt(text: str, place: Place) -> str:
    """Return the line of a place and some before it, with numbers, and a caret under the column."""
    lines = text.splitlines()
    first = max(place.line - 1 - _CONTEXT_LINES, 0)
    width = len(str(place.line))
    shown = [
        f"  {number:>{width}} | {line}"
        for number, line in enumerate(lines[first : place.line], start=first + 1)
    ]
    # Tabs before the column are repeated, so that the caret stands under it on any terminal.
    before = "".join(
        "\t" if letter == "\t" else " " for letter in lines[place.line - 1][: place.column - 1]
    )
    return "\n".join([*shown, f"  {'':>{width}} | {before}^"])


def _next_result(connection: Connection) -> pq.abc.PGresult | None:
    """Wait for the next result; Ctrl-C gets through, for the wait is Python's."""
    pgconn = connection.pgconn
    with selectors.DefaultSelector() as selector:
        # A long script goes out piece by piece, and the server may answer before it has it all.
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        selector.register(pgconn.socket, both if pgconn.flush() else selectors.EVENT_READ)
        while pgconn.is_busy():
            selector.select()
            pgconn.consume_input()
            selector.modify(pgconn.socket, both if pgconn.flush() else selectors.EVENT_READ)
    return pgconn.get_result()


def _field(result: pq.abc.PGresult, name: pq.DiagnosticField) -> str:
    return (result.error_field(name) or b"").decode(errors="replace")


def _place(text: str, failed: pq.abc.PGresult, done: int) -> Place | None:
    """Say where a script failed: where Postgres says, else where the failing statement begins."""
    position = _field(failed, pq.DiagnosticField.STATEMENT_POSITION)
    if position:
        return _line_and_column(text, int(position) - 1, whole_statement=False)
    starts = _statement_starts(text)
    if done < len(starts):
        return _line_and_column(text, starts[done], whole_statement=True)
    return None


def _line_and_column(text: str, offset: int, *, whole_statement: bool) -> Place:
    before = text[:offset]
    return Place(
        line=before.count("\n") + 1,
        column=offset - (before.rfind("\n") + 1) + 1,
        whole_statement=whole_statement,
    )


def _statement_starts(text: str) -> list[int]:
    """Return the offset at which each statement of a text begins; none if it can't be read."""
    try:
        tokens = tokenize(text, read="postgres")
    except TokenError:
        return []
    starts = []
    at_start = True
    for token in tokens:
        if token.token_type == TokenType.SEMICOLON:
            at_start = True
        elif at_start:
            starts.append(token.start)
            at_start = False
    return starts
