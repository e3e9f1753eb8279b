"""The application: its parts, its routes, and how what fails is answered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gatekeeper import discovery, health, openapi, pages, proxy, rpc, signing_in, uploads
from gatekeeper.database import Database
from gatekeeper.electric import Electric
from gatekeeper.errors import Refusal, bad_request, method_not_allowed, not_found
from gatekeeper.functions import Functions
from gatekeeper.identity_tokens import IdentityTokens
from gatekeeper.limits import Limits
from gatekeeper.login_sessions import LoginSessions, RotatesSecrets
from gatekeeper.metrics import Metrics
from gatekeeper.observing import Observing
from gatekeeper.pages import Pages
from gatekeeper.parts import Parts
from gatekeeper.revocations import Revocations
from gatekeeper.settings import GatekeeperSettings
from gatekeeper.tokens import ShapeTokens
from gatekeeper.upstream import Upstream
from harness.connections import Server

_NOT_FOUND = 404
_METHOD_NOT_ALLOWED = 405


def build(settings: GatekeeperSettings, server: Server) -> Starlette:
    """Make the application. server: Postgres, as app_server or a login that may become it.

    Raises SessionbaseError (BAD_SETTINGS) if it is not known where Electric is.
    """
    parts = _parts(settings, server)
    routes = all_routes()
    application = Starlette(
        routes=routes,
        middleware=[
            Middleware(Observing, metrics=parts.metrics, routes=routes),
            Middleware(RotatesSecrets),
        ],
        lifespan=_lifespan,
        exception_handlers={Refusal: _refuse, HTTPException: _refuse_route},
    )
    # A path that is nearly one of ours is none.
    application.router.redirect_slashes = False
    application.state.parts = parts
    return application


def all_routes() -> list[Route]:
    """Gather the routes: each module has its own. Those that are asked for most come first."""
    modules = (proxy, health, openapi, pages, signing_in, discovery, rpc, uploads)
    return [route for module in modules for route in module.routes()]


def _parts(settings: GatekeeperSettings, server: Server) -> Parts:
    database = Database(server, settings.database_connections)
    electric = Electric(settings)
    metrics = Metrics()
    return Parts(
        settings=settings,
        database=database,
        identity_tokens=IdentityTokens(settings),
        login_sessions=LoginSessions(database, settings),
        revocations=Revocations(database),
        functions=Functions(database),
        electric=electric,
        upstream=Upstream(settings, electric, metrics),
        tokens=ShapeTokens(settings),
        limits=Limits(settings),
        pages=Pages(settings),
        metrics=metrics,
    )


@asynccontextmanager
async def _lifespan(application: Starlette) -> AsyncIterator[None]:
    parts: Parts = application.state.parts
    parts.draining = asyncio.get_running_loop().create_future()
    async with parts.database.opened():
        await parts.electric.start()
        await parts.revocations.start()
        try:
            yield
        finally:
            await parts.upstream.closed()
            await parts.revocations.stop()
            await parts.electric.stop()


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
