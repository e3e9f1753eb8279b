"""Who asks: the one account, the bearer of a JWT, or a login session."""

from dataclasses import dataclass, replace
from time import time
from typing import Literal
from urllib.parse import urlsplit
from uuid import UUID

from starlette.requests import Request

from gatekeeper.errors import bad_request, forbidden, not_signed_in
from gatekeeper.parts import Parts, parts_of
from gatekeeper.settings import is_loopback

COOKIE = "__Host-sessionbase"
"""The cookie of a login session. The prefix makes browsers hold to Secure, Path=/ and no Domain."""

Kind = Literal["single", "jwt", "login_session"]

_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Principal:
    """An account that asks, and how long that holds, in seconds of the epoch."""

    account_id: UUID
    login_session_id: UUID | None
    expires_at: float
    kind: Kind


async def principal_of(request: Request) -> Principal:
    """Return who asks. A shape token is no credential here.

    Raises Refusal: 401 without a valid one, 400 if there are two that disagree, 403 if it is of
    nobody here.
    """
    known = getattr(request.state, "principal", None)
    if isinstance(known, Principal):
        return known
    principal = await _find(request)
    request.state.principal = principal
    request.state.account_id = principal.account_id
    parts_of(request).limits.requests.take(principal.account_id)
    return principal


def bearer_of(request: Request) -> str | None:
    """Return the token of the header Authorization. Raises Refusal (400) if it has another form."""
    given = request.headers.getlist("authorization")
    if not given:
        return None
    scheme, _, token = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer" or not token or " " in token:
        raise bad_request("The header Authorization must be one Bearer token.")
    return token


def cookie_of(request: Request) -> str | None:
    """Return the login session's secret. Raises Refusal (400) if there are several."""
    pairs = [
        pair.strip().partition("=")
        for header in request.headers.getlist("cookie")
        for pair in header.split(";")
    ]
    found = [value for name, _, value in pairs if name == COOKIE]
    if len(found) > 1:
        raise bad_request("There is more than one login cookie.")
    return found[0] if found else None


async def _find(request: Request) -> Principal:
    parts = parts_of(request)
    token, secret = bearer_of(request), cookie_of(request)
    if parts.settings.is_single_tenant:
        if token is not None:
            raise not_signed_in("token_invalid", "No issuer is configured, so no token is valid.")
        _require_here(request)
        return Principal(parts.settings.single_account_id, None, time() + _HOUR, "single")
    found = []
    if secret is not None:
        found.append(await parts.login_sessions.principal_of(request, secret))
    if token is not None:
        found.append(await _of_jwt(parts, token))
    if not found:
        raise not_signed_in()
    if len({principal.account_id for principal in found}) > 1:
        raise bad_request("Cookie and token are of different accounts.")
    # The login session counts, for it can be revoked.
    return replace(found[0], expires_at=min(principal.expires_at for principal in found))


def _require_here(request: Request) -> None:
    """Refuse (403) a page whose name was made to point here: its Host is that name."""
    name = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    public = urlsplit(parts_of(request).settings.public_origin or "").hostname
    if not (is_loopback(name) or name == public):
        raise forbidden()


async def _of_jwt(parts: Parts, token: str) -> Principal:
    identity = await parts.identity_tokens.verify(token)
    account_id = await parts.database.find_account(identity.issuer, identity.subject)
    if account_id is None:
        raise forbidden()
    return Principal(account_id, None, identity.expires_at, "jwt")
