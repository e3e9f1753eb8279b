"""POST /rpc/{function}: a function of schema api, called as the one who asks.

A call is one transaction. The catalog says which functions there are and what each takes, Postgres
who may do what. The form is PostgREST's: named arguments as a JSON object; a row is answered as an
object, rows as an array.
"""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from gatekeeper.bodies import read_body
from gatekeeper.calling import calling
from gatekeeper.csrf import check_same_site
from gatekeeper.errors import Refusal, bad_request
from gatekeeper.functions import Callable
from gatekeeper.parts import Parts, parts_of
from gatekeeper.principals import Principal, principal_of
from gatekeeper.sqlstates import AGAIN, ToldError

_ANSWER_BYTES = 32 << 20
"""How long an answer may be: it is in memory, whole, and so are those of others."""

_TRIES = 4
_UNDEFINED = "42883"
_NO_STORE = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


def routes() -> list[Route]:
    """Return the routes of this module."""
    return [Route("/rpc/{function}", _call, methods=["POST"])]


async def _call(request: Request) -> Response:
    parts, principal = parts_of(request), await principal_of(request)
    check_same_site(request, principal)
    if request.url.query:
        raise bad_request("Arguments are in the body.")
    body = await read_body(request, "application/json", parts.settings.body_limit_bytes)
    try:
        answer = await _answer(parts, principal, request.path_params["function"], body)
    except ToldError as refused:
        if refused.sqlstate != _UNDEFINED:
            raise
        # The catalog that is known is not the one that is there: a migration was faster.
        parts.functions.forget()
        answer = await _answer(parts, principal, request.path_params["function"], body)
    return Response(answer, headers=_NO_STORE, media_type="application/json")


async def _answer(parts: Parts, principal: Principal, name: str, body: bytes) -> bytes:
    function = await _find(parts, name)
    return await _try(parts, principal, function, _read(function, body))


async def _find(parts: Parts, name: str) -> Callable:
    function = await parts.functions.find(name)
    if function is None:
        raise Refusal(404, "not_found", "There is no such function.")
    found = parts.functions.callable(function)
    if found is None:
        raise bad_request("This function takes bytes, which JSON has none of. Use /api/uploads.")
    return found


def _read(function: Callable, body: bytes) -> dict[str, object]:
    try:
        return function.read(body)
    except msgspec.ValidationError as error:
        # It names arguments and types, and no value.
        raise bad_request(str(error)) from None
    except (ValueError, RecursionError):
        raise bad_request("The body must be a JSON object of arguments.") from None


async def _try(
    parts: Parts, principal: Principal, function: Callable, given: dict[str, object]
) -> bytes:
    """Call until it is through: of a call that Postgres gave up for another one nothing is left."""
    async for attempt in AsyncRetrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_attempt(_TRIES),
        wait=wait_random_exponential(multiplier=0.05, max=1),
        reraise=True,
    ):
        with attempt:
            return await _ask(parts, principal, function, given)
    raise AssertionError


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, ToldError) and error.sqlstate in AGAIN


async def _ask(
    parts: Parts, principal: Principal, function: Callable, given: dict[str, object]
) -> bytes:
    async with calling(parts, principal, writes=function.function.writes) as connection:
        cursor = await connection.execute(
            function.query(list(given)), [*given.values(), _ANSWER_BYTES]
        )
        row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - it is an aggregate, or a function that gives one row
    if row[0] is None:
        raise bad_request("The answer is too long. Ask for fewer rows: page_size.")
    return str(row[0]).encode()
