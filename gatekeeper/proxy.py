"""The routes of shapes: with a token of their own, or by their names."""

import re
from collections.abc import Awaitable, Callable
from time import time
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gatekeeper.bodies import read_body
from gatekeeper.csrf import check_same_site
from gatekeeper.errors import bad_request, forbidden, not_found, not_signed_in
from gatekeeper.following import EventsResponse, Following, LogResponse
from gatekeeper.parts import Parts, parts_of
from gatekeeper.principals import Principal, bearer_of, principal_of
from gatekeeper.queries import Asked, decode, read_query
from gatekeeper.shapes import authorize
from gatekeeper.tokens import Claim

_ALLOWED = {"allow": "GET, OPTIONS"}
_NO_STORE = {"cache-control": "no-store"}
_OF_SESSION = re.compile(r"/v1/sessions/([^/]+)/shapes/([^/]+)")
_OF_ACCOUNT = re.compile(r"/v1/shapes/([^/]+)")
_OWN = frozenset({"owner", "thread_id"})
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAME = re.compile(r"[a-z_]{1,63}")
_LONGEST_ORDER = 16 << 10


class Order(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a shape token is asked for. owner: whose session it is; the asker's, if left out."""

    shape: str
    session_id: str | None = None
    thread_id: str | None = None
    owner: UUID | None = None


def routes() -> list[Route]:
    """Return the routes of this module."""
    return [
        _get("/v1/shape", _by_token),
        _get("/v1/shapes/{shape}", _of_account),
        # An id may have a slash in it, encoded, so that Starlette sees more of them than there are.
        _get("/v1/sessions/{session_id:path}/shapes/{shape}", _of_session),
        Route("/v1/shape-tokens", _issue, methods=["POST"]),
    ]


def _get(path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> Route:
    """Make a route of GET and OPTIONS. HEAD would be held as a poll is, for nothing."""
    route = Route(path, endpoint, methods=["GET", "OPTIONS"])
    route.methods = {"GET", "OPTIONS"}
    return route


async def _by_token(request: Request) -> Response:
    """Follow the shape that a token is of."""
    if request.method == "OPTIONS":
        return _options()
    parts = parts_of(request)
    token = bearer_of(request)
    if token is None:
        raise not_signed_in()
    claim = parts.tokens.verify(token)
    parts.limits.requests.take(claim.account_id)
    asked = read_query(request.scope["query_string"])
    return _follow(request, claim, asked)


async def _of_account(request: Request) -> Response:
    """Follow a shape of the account that asks, by its name."""
    if request.method == "OPTIONS":
        return _options()
    (shape,) = _path(request, _OF_ACCOUNT)
    principal = await principal_of(request)
    asked = read_query(request.scope["query_string"])
    claim = await _claim(parts_of(request), principal, Order(shape))
    return _follow(request, claim, asked)


async def _of_session(request: Request) -> Response:
    """Follow a shape of a session, by its name."""
    if request.method == "OPTIONS":
        return _options()
    session_id, shape = _path(request, _OF_SESSION)
    principal = await principal_of(request)
    asked = read_query(request.scope["query_string"], _OWN)
    order = Order(shape, session_id, asked.own.get("thread_id"), _uuid(asked.own.get("owner")))
    return _follow(request, await _claim(parts_of(request), principal, order), asked)


async def _issue(request: Request) -> Response:
    """Issue a shape token, with what a client of Electric is given beside it."""
    parts = parts_of(request)
    principal = await principal_of(request)
    check_same_site(request, principal)
    body = await read_body(request, "application/json", _LONGEST_ORDER)
    try:
        order = msgspec.json.decode(body, type=Order)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise bad_request("The body must be a shape, and the session it is of.") from None
    claim = await _claim(parts, principal, order)
    token, expires_at = parts.tokens.issue(claim)
    parts.metrics.tokens.inc()
    definition = claim.definition
    told = {
        "token": token,
        "expires_at": expires_at,
        "url": f"{parts.settings.public_origin or _origin(request)}/v1/shape",
        "params": {
            "table": definition.table,
            "where": definition.where,
            "columns": definition.columns,
            "params": definition.params,
        },
    }
    return Response(msgspec.json.encode(told), 200, _NO_STORE, "application/json")


async def _claim(parts: Parts, principal: Principal, order: Order) -> Claim:
    """Ask Postgres, as who asks. Raises Refusal: 403, 400, 503."""
    asked_at = time()
    if not _NAME.fullmatch(order.shape):
        raise forbidden()
    async with parts.database.acting(principal) as connection:
        definition = await authorize(
            connection, order.shape, order.session_id, order.thread_id, order.owner
        )
    return Claim(
        account_id=principal.account_id,
        login_session_id=principal.login_session_id,
        owner_account_id=order.owner or principal.account_id,
        shape=order.shape,
        session_id=order.session_id,
        definition=definition,
        issued_at=asked_at,
        expires_at=parts.tokens.expiry(principal),
    )


def _follow(request: Request, claim: Claim, asked: Asked) -> Response:
    """Give the client its part of the shape, if it asks for no other."""
    headers = request.headers
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        raise bad_request("A GET has no body.")
    request.state.account_id = claim.account_id
    claim.definition.require(asked)
    parts = parts_of(request)
    if asked.protocol.begins:
        parts.limits.shapes.take(claim.account_id)
    following = Following(parts, claim, asked.protocol, headers.get("if-none-match", ""))
    following.require_not_known_revoked()
    return EventsResponse(following) if asked.protocol.sse else LogResponse(following)


def _path(request: Request, form: re.Pattern[str]) -> tuple[str, ...]:
    """Return the parts of the path as they were sent, decoded once. Raises Refusal: 400, 404."""
    found = form.fullmatch(request.scope["raw_path"].decode("latin-1"))
    if found is None:
        raise not_found()
    return tuple(decode(part) for part in found.groups())


def _uuid(text: str | None) -> UUID | None:
    if text is None:
        return None
    if not _UUID.fullmatch(text):
        raise bad_request("owner must be the id of an account.")
    return UUID(text)


def _origin(request: Request) -> str:
    """Return how this client reaches us, where nobody has said how all do."""
    return str(request.base_url).rstrip("/")


def _options() -> Response:
    return Response(status_code=204, headers=_ALLOWED | _NO_STORE)
