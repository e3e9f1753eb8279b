"""The application: its parts, its routes, and how what fails is answered."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gatekeeper import health
from gatekeeper.database import Database
from gatekeeper.errors import Refusal, bad_request, method_not_allowed, not_found
from gatekeeper.identity_tokens import IdentityTokens
from gatekeeper.login_sessions import LoginSessions
from gatekeeper.parts import Parts
from gatekeeper.revocations import Revocations
from gatekeeper.settings import GatekeeperSettings
from harness.connections import Server

_NOT_FOUND = 404
_METHOD_NOT_ALLOWED = 405


def build(settings: GatekeeperSettings, server: Server) -> Starlette:
    """Make the application. server: Postgres, as app_server or a login that may become it."""
    database = Database(server, settings.database_connections)
    parts = Parts(
        settings,
        database,
        IdentityTokens(settings),
        LoginSessions(database, settings),
        Revocations(database),
    )
    application = Starlette(
        routes=all_routes(),
        lifespan=_lifespan,
        exception_handlers={Refusal: _refuse, HTTPException: _refuse_route},
    )
    application.state.parts = parts
    return application


def all_routes() -> list[Route]:
    """Gather the routes: each module has its own."""
    return [*health.routes()]


@asynccontextmanager
async def _lifespan(application: Starlette) -> AsyncIterator[None]:
    parts: Parts = application.state.parts
    async with parts.database.opened():
        await parts.identity_tokens.start()
        await parts.revocations.start()
        try:
            yield
        finally:
            await parts.revocations.stop()


async def _refuse(_: Request, error: Exception) -> Response:
    """Answer a refusal."""
    assert isinstance(error, Refusal)  # noqa: S101 - it is registered for nothing else
    return error.response()


async def _refuse_route(_: Request, error: Exception) -> Response:
    """Answer what Starlette itself says no to."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for nothing else
    if error.status_code == _NOT_FOUND:
        return not_found().response()
    if error.status_code == _METHOD_NOT_ALLOWED:
        methods = (error.headers or {}).get("Allow", "").split(", ")
        return method_not_allowed(", ".join(sorted(methods))).response()
    return bad_request().response()
