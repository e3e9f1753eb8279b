"""Routes: sign in with a JWT for a cookie, who am I, where am I signed in, sign out."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from psycopg.rows import dict_row
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gatekeeper.csrf import check_same_site, require_same_origin
from gatekeeper.errors import forbidden, not_signed_in
from gatekeeper.login_sessions import cookie, no_cookie
from gatekeeper.parts import parts_of
from gatekeeper.principals import Principal, bearer_of, cookie_of, principal_of

_NO_STORE = {"cache-control": "no-store"}
_SIGNED_OUT = {
    **_NO_STORE,
    "clear-site-data": '"cache", "cookies", "storage"',
    "set-cookie": no_cookie(),
}
_LIST = """
    select id, user_agent, created_at, last_used_at, idle_expires_at, absolute_expires_at
    from api.list_login_sessions()
"""
_REVOKE = "select api.revoke_login_session(%s)"
_REVOKE_ALL = "select id from api.revoke_login_sessions()"


def routes() -> list[Route]:
    """Return the routes of this module."""
    return [
        Route("/auth/session", _sign_in, methods=["POST"]),
        Route("/auth/session", _who_am_i, methods=["GET"]),
        Route("/auth/session", _sign_out, methods=["DELETE"]),
        Route("/auth/sessions", _list, methods=["GET"]),
        Route("/auth/sessions", _revoke_all, methods=["DELETE"]),
        Route("/auth/sessions/{id}", _revoke, methods=["DELETE"]),
    ]


async def _sign_in(request: Request) -> Response:
    """Exchange a JWT for a cookie. It is always a new one: nobody signs in with a given secret."""
    parts = parts_of(request)
    token, old = bearer_of(request), cookie_of(request)
    if token is None or parts.settings.is_single_tenant:
        raise not_signed_in()
    if "sec-fetch-site" in request.headers or "origin" in request.headers:
        require_same_origin(request)
    identity = await parts.identity_tokens.verify(token)
    begun = await parts.login_sessions.start(
        identity.issuer, identity.subject, request.headers.get("user-agent")
    )
    if begun is None:
        raise forbidden()
    if old is not None:
        await parts.login_sessions.revoke(old)
    login_session, secret = begun
    return _json(
        _about(login_session.principal()), 201, {**_NO_STORE, "set-cookie": cookie(secret)}
    )


async def _who_am_i(request: Request) -> Response:
    return _json(_about(await principal_of(request)))


async def _sign_out(request: Request) -> Response:
    """End the login session of the cookie, whatever has become of it, and clear the browser."""
    secret = cookie_of(request)
    if secret is None:
        raise not_signed_in()
    require_same_origin(request)
    await parts_of(request).login_sessions.revoke(secret)
    return Response(status_code=204, headers=_SIGNED_OUT)


async def _list(request: Request) -> Response:
    parts, principal = parts_of(request), await principal_of(request)
    async with parts.database.acting(principal) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        rows = await (await cursor.execute(_LIST)).fetchall()
    return _json(
        {
            "sessions": [
                row | {"is_current": row["id"] == principal.login_session_id} for row in rows
            ]
        }
    )


async def _revoke(request: Request) -> Response:
    """End one of one's own. Another's is answered as one that is not there."""
    principal = await principal_of(request)
    check_same_site(request, principal)
    try:
        login_session_id = UUID(request.path_params["id"])
    except ValueError:
        raise forbidden() from None
    await _ask(request, principal, _REVOKE, login_session_id)
    return _revoked(is_current=login_session_id == principal.login_session_id)


async def _revoke_all(request: Request) -> Response:
    principal = await principal_of(request)
    check_same_site(request, principal)
    await _ask(request, principal, _REVOKE_ALL)
    return _revoked(is_current=principal.login_session_id is not None)


async def _ask(request: Request, principal: Principal, statement: str, *arguments: object) -> None:
    parts = parts_of(request)
    async with parts.database.acting(principal) as connection:
        await connection.execute(statement, arguments)
    # So that no answer of this process is behind this one.
    await parts.revocations.check()


def _revoked(*, is_current: bool) -> Response:
    return Response(status_code=204, headers=_SIGNED_OUT if is_current else _NO_STORE)


def _about(principal: Principal) -> dict[str, Any]:
    return {
        "account_id": principal.account_id,
        "login_session_id": principal.login_session_id,
        "expires_at": principal.expires_at,
        "kind": principal.kind,
    }


def _json(
    facts: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] = _NO_STORE
) -> Response:
    return Response(
        msgspec.json.encode(facts), status, dict(headers), media_type="application/json"
    )
