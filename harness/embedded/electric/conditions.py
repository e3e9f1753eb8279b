"""A shape's condition: a client's words, and Postgres' to judge.

Nothing here knows what a condition means. Words that Electric would not take are refused (other
functions, operators and types, subqueries, the time of day); then Postgres is asked, on no rows,
whether it is one.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

import psycopg
from psycopg import AsyncConnection, sql
from sqlglot import Token, TokenType, tokenize
from sqlglot.errors import TokenError

from harness.embedded.electric.asking import InvalidRequestError
from harness.embedded.electric.tables import Table

_SYNTAX_PREFIX = len("SELECT 1 WHERE ")
"""Electric counts the place of a syntax error from here, that of all others from the condition."""

_REFUSED = {TokenType.SELECT, TokenType.WITH, TokenType.VALUES, TokenType.TABLE}
_VALUES = {TokenType.STRING, TokenType.BYTE_STRING, TokenType.HEREDOC_STRING, TokenType.NUMBER}
_CLOCKS = {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}
_FUNCTIONS = {
    *("lower", "upper", "concat", "coalesce", "greatest", "least", "cast", "timezone"),
    *("array_append", "array_cat", "array_ndims", "array_prepend"),
    *("justify_days", "justify_hours", "justify_interval"),
}
_OPERATORS = {
    *("%", "->", "->>", "#>", "#>>", "~", "~*", "?", "?|", "?&", "@@", "@?", "^@"),
}
"""Those that Postgres has and Electric has not, but for ~ of one number."""

_TYPES = {"numeric", "decimal", "char", "character", "bpchar", "json", "jsonb", "bytea"}
"""Likewise, behind ::."""

_ROW = "sessionbase row of a shape"
_REFERENCE = re.compile(r'(?:"(?:[^"]|"")+"|\w+)(?:\s*\.\s*(?:"(?:[^"]|"")+"|\w+))*')

_BEFORE_PARENTHESES = {
    *("and", "or", "not", "in", "any", "some", "all", "between", "like", "ilike", "is", "from"),
    *("case", "when", "then", "else", "as"),
    *("bit", "char", "character", "decimal", "interval", "numeric", "time", "timestamp", "varchar"),
    *("timestamptz", "varying"),
}


async def check_condition(
    connection: AsyncConnection, table: Table, where: str, params: Sequence[str], field: str
) -> None:
    """Have a condition judged. Raises InvalidRequestError that names the field of the request.

    Bare it must be a condition, and in parentheses too: what closes them early, or goes on behind
    it, is none.
    """
    _refuse_words(where, field)
    rows = sql.SQL("select 1 from (select {} where false) as {} where ").format(
        sql.SQL(", ").join(
            sql.SQL("null::{} as {}").format(sql.SQL(column.type), sql.Identifier(column.name))
            for column in table.columns
        ),
        # Electric takes no column by its table's name.
        sql.Identifier(_ROW),
    )
    for query in (rows + as_sql(where), rows + all_of([where])):
        try:
            await connection.execute(query, used(where, params))
        except psycopg.Error as error:
            if error.sqlstate is None or connection.broken:
                raise
            start = len(rows.as_string(connection))
            raise InvalidRequestError(**{field: _said(error, where, start)}) from None


def _refuse_words(where: str, field: str) -> None:
    """Refuse what reads more than a row, or does more than compare.

    A function could be set_config, and then a login that is a superuser would be one again.
    """
    try:
        tokens = tokenize(where, read="postgres")
    except TokenError:
        raise InvalidRequestError(**{field: "At location 0: syntax error"}) from None
    for token in tokens:
        if token.token_type in _REFUSED:
            raise InvalidRequestError(**{field: "Subqueries are not supported by the stand-in"})
    names = [
        before
        for before, behind in pairwise(tokens)
        if behind.token_type == TokenType.L_PAREN
        and before.token_type not in _VALUES
        and (re.fullmatch(r"\w+", before.text) or before.token_type == TokenType.IDENTIFIER)
        and before.text.lower() not in _FUNCTIONS | _BEFORE_PARENTHESES
    ]
    names += [
        token
        for token in tokens
        if token.token_type not in _VALUES and token.text.lower() in _CLOCKS
    ]
    if names:
        place = f"At location {names[0].start}"
        raise InvalidRequestError(**{field: f"{place}: unsupported function {names[0].text}"})
    _refuse_operators_and_types(tokens, field)


def _refuse_operators_and_types(tokens: list[Token], field: str) -> None:
    texts = _VALUES | {TokenType.IDENTIFIER}
    words = [token for token in tokens if token.token_type not in texts]
    for before, word in pairwise([None, *words]):
        if word is None:
            continue
        if word.text in _OPERATORS:
            said = f'unknown binary operator "{word.text}"'
        elif before and before.text == "::" and word.text.lower() in _TYPES:
            said = f"unsupported type {word.text.lower()}"
        else:
            continue
        raise InvalidRequestError(**{field: f"At location {word.start}: {said}"})


def _said(error: psycopg.Error, where: str, start: int) -> str:
    """Say what Postgres found wrong with a condition in Electric's words, where they are known."""
    position = int(error.diag.statement_position or start + 1) - 1 - start
    message = str(error.diag.message_primary)
    if error.sqlstate == "42601":
        position += _SYNTAX_PREFIX
    elif error.sqlstate == "42703":
        message = re.sub(r'column "?(.+?)"? does not exist', r"unknown reference \1", message)
    elif error.sqlstate == "42P01":
        message = f"unknown reference {_reference_at(where, position)}"
    elif error.sqlstate == "42P02":
        message = re.sub(r"there is no parameter (.+)", r"parameter \1 was not provided", message)
    return f"At location {position}: {message}"


def _reference_at(where: str, position: int) -> str:
    found = _REFERENCE.match(where, position)
    return re.sub(r'["\s]', "", found[0]) if found else "?"


def all_of(conditions: list[str]) -> sql.Composed:
    """Write conditions that must all be met."""
    # The line break ends a comment at the end of a condition.
    return sql.SQL(" and ").join(
        sql.SQL("(") + as_sql(condition) + sql.SQL("\n)") for condition in conditions
    )


def as_sql(text: str) -> sql.SQL:
    """Take a client's words as SQL. check_condition has seen that they are a condition."""
    return sql.SQL(text)


def used(where: str | None, params: Sequence[str]) -> list[str]:
    """Return the parameters up to the last that is used; Postgres can't type one that is not."""
    numbers = [int(number) for number in re.findall(r"\$(\d{1,5})", where or "")]
    return list(params[: max(numbers, default=0)])


def renumbered(where: str, by: int) -> str:
    """Let the numbers of a condition's parameters go on from another's."""
    return re.sub(r"\$(\d{1,5})", lambda number: f"${int(number[1]) + by}", where)
