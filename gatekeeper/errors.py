"""What a request is refused with: a status, a code for programs, a fixed sentence for people."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

import msgspec
import psycopg
import psycopg_pool
from starlette.responses import Response

_NO_STORE = {"cache-control": "no-store"}
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Refusal(Exception):  # noqa: N818 - an answer that is meant, not a fault
    """A request that is answered with an error.

    message holds nothing that a client sent and nothing of a row: it is fixed text.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] = _NOTHING
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers)

    def response(self) -> Response:
        """Return the answer, which nobody may keep."""
        body = {"error": {"code": self.code, "message": self.message}}
        return Response(
            msgspec.json.encode(body),
            self.status,
            _NO_STORE | self.headers,
            media_type="application/json",
        )


def bad_request(message: str = "The request is not well formed.") -> Refusal:
    """Refuse what can't be read."""
    return Refusal(HTTPStatus.BAD_REQUEST, "bad_request", message)


def not_signed_in(
    code: str = "not_signed_in", message: str = "Sign in, or show a valid token."
) -> Refusal:
    """Refuse who does not prove who they are. code: also token_expired, token_invalid."""
    return Refusal(HTTPStatus.UNAUTHORIZED, code, message, {"www-authenticate": "Bearer"})


def forbidden() -> Refusal:
    """Refuse what is not there and what is another's, with one answer for both."""
    return Refusal(
        HTTPStatus.FORBIDDEN, "forbidden", "There is no such thing, or you may not have it."
    )


def not_found() -> Refusal:
    """Refuse a route that is not there. Of data that is not there: forbidden()."""
    return Refusal(HTTPStatus.NOT_FOUND, "not_found", "There is no such route.")


def method_not_allowed(allowed: str) -> Refusal:
    """Refuse a method. allowed: the others, as the header Allow has them."""
    return Refusal(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This route does not take that method.",
        {"allow": allowed},
    )


def too_large() -> Refusal:
    """Refuse a body over the limit."""
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", "The body is too large.")


def uri_too_long() -> Refusal:
    """Refuse an address over the limit."""
    return Refusal(HTTPStatus.REQUEST_URI_TOO_LONG, "uri_too_long", "The address is too long.")


def too_many_requests(retry_after_s: int = 1) -> Refusal:
    """Refuse who asks too much."""
    return Refusal(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too_many_requests",
        "Too many requests; wait a little.",
        {"retry-after": str(retry_after_s)},
    )


def unavailable(retry_after_s: int = 1) -> Refusal:
    """Refuse because Postgres or Electric does not answer, or this process is about to end."""
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "unavailable",
        "The service is not available; try again.",
        {"retry-after": str(retry_after_s)},
    )


def internal_error() -> Refusal:
    """Answer a fault of ours. What it was is in the log, under the request's id."""
    return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Something went wrong here.")


def refusal_of(error: psycopg.Error) -> Refusal | None:
    """Return what a failure of a question to Postgres is answered with; None for a fault of ours.

    Row level security tells nobody whether a row is another's or nowhere, and neither does this.
    """
    match error.sqlstate:
        case "SB404" | "42501" | "28000":
            return forbidden()
        case "22023":
            return bad_request("An argument is missing, unknown or out of its range.")
        case "22021" | "22P02" | "22P05":
            # A byte that no text can hold, a uuid that is none.
            return bad_request()
    if isinstance(error, psycopg.DataError) and error.sqlstate is None:
        # psycopg sends no text with a NUL in it.
        return bad_request()
    if isinstance(error, psycopg_pool.PoolTimeout | psycopg.OperationalError):
        return unavailable()
    return None
