"""What a function of schema api says no with, and what a client is told of it.

Functions raise codes on purpose, with sentences for people that hold nothing of a row: those are
passed on. Postgres' own sentences can quote a value, so they are replaced.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import psycopg
from starlette.responses import Response

from gatekeeper.errors import Refusal, unavailable

STATUSES = {
    "SB404": 404,
    "SB409": 409,
    "SB422": 422,
    "SB503": 503,
    "42501": 403,
    "28000": 401,
    "22023": 400,
    "22P02": 400,
    "22P05": 400,
    "22021": 400,
    "23502": 400,
    "23514": 400,
    "42883": 500,
    "40001": 503,
    "40P01": 503,
    "57014": 503,
    "08006": 503,
}
"""The statuses of the codes that docs/developer-guide.md lists, as it has them."""

_CLASSES = {"08": 503, "22": 400, "40": 503, "53": 503, "54": 400, "57": 503}
"""Of other codes: the connection, a value, another transaction, room, a limit, an operator."""

_OTHERS = {"23503": 409, "23505": 409}
"""A row that another one needs, or that is there: no function of ours is known to give them."""

_TEXTS = {
    "SB503": "Writing is stopped for maintenance, and nothing was done. Reading goes on.",
    "42501": "You may not do that.",
    "28000": "No active account is claimed.",
    "22023": "An argument is out of its range.",
    "22P02": "An argument is not of its type.",
    "22P05": "A text has a NUL, which Postgres can't hold.",
    "22021": "A text has a NUL, which Postgres can't hold.",
    "23502": "A value must be given, and is null.",
    "23514": "A value is not one of those allowed, or blank, or too long.",
    "40001": "Two calls were in each other's way: make the same call again.",
    "40P01": "Two calls were in each other's way: make the same call again.",
    "57014": "It took too long, and nothing of it was done.",
}
_TEXTS_OF_STATUS = {
    400: "An argument can't be taken.",
    409: "Another row is in the way.",
    503: "The database is not available. Whether the call was done is not known.",
}

AGAIN = ("40001", "40P01")
"""Nothing was done, and the same call may get through."""

_MAINTENANCE = "SB503"
_MAINTENANCE_RETRY_S = "30"
_UNAUTHORIZED = 401
_UNAVAILABLE = 503
_INTERNAL = 500
_RAISE = "exec_stmt_raise"
"""Where in Postgres an error begins that a function raises itself."""


class ToldError(Refusal):
    """A refusal for a reason that Postgres gave: its code, and what to do about it."""

    def __init__(self, status: int, sqlstate: str, message: str, hint: str = "") -> None:
        code = "internal" if status == _INTERNAL else sqlstate
        wait_s = _MAINTENANCE_RETRY_S if sqlstate == _MAINTENANCE else "1"
        headers = {
            _UNAVAILABLE: {"retry-after": wait_s},
            _UNAUTHORIZED: {"www-authenticate": "Bearer"},
        }
        super().__init__(status, code, message, headers.get(status, {}))
        self.sqlstate = sqlstate
        self.hint = hint

    def response(self) -> Response:
        """Return the answer, which nobody may keep."""
        answer = super().response()
        told = {"code": self.code, "message": self.message, "hint": self.hint}
        answer.body = msgspec.json.encode({"error": told})
        answer.headers["content-length"] = str(len(answer.body))
        return answer


@contextmanager
def in_words() -> Iterator[None]:
    """Turn what a function of schema api raises into a refusal."""
    try:
        yield
    except psycopg.Error as error:
        raise refusal_of_function(error) from None


def refusal_of_function(error: psycopg.Error) -> Refusal:
    """Return what a client is told of an error."""
    code = error.sqlstate
    if code is None:
        # psycopg itself: a NUL that it does not send, or a connection that is gone.
        return unavailable() if isinstance(error, psycopg.OperationalError) else _of_code("22021")
    if error.diag.source_function == _RAISE and STATUSES.get(code, _INTERNAL) < _INTERNAL:
        message, hint = error.diag.message_primary or "", error.diag.message_hint or ""
        return ToldError(STATUSES[code], code, message, hint)
    return _of_code(code, _place_of(error))


def _of_code(code: str, hint: str = "") -> Refusal:
    """Refuse in fixed words."""
    status = STATUSES.get(code) or _OTHERS.get(code) or _CLASSES.get(code[:2], _INTERNAL)
    if status == _INTERNAL:
        return ToldError(status, code, "Something is wrong here, and not with the call.")
    return ToldError(status, code, _TEXTS.get(code) or _TEXTS_OF_STATUS[status], hint)


def _place_of(error: psycopg.Error) -> str:
    """Name the constraint or the column that refused: names of the schema, never a value."""
    if error.diag.constraint_name:
        return f"The constraint is {error.diag.constraint_name}."
    return f"The column is {error.diag.column_name}." if error.diag.column_name else ""
