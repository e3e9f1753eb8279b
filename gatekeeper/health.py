"""Whether this process is alive, and whether it should be sent requests."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gatekeeper.errors import unavailable
from gatekeeper.parts import parts_of

_NO_STORE = {"cache-control": "no-store"}


def routes() -> list[Route]:
    """Return the routes of this module."""
    return [Route("/health", _health), Route("/ready", _ready)]


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "alive"}, headers=_NO_STORE)


async def _ready(request: Request) -> Response:
    """Answer 503 unless Postgres and Electric answer, and nobody asked this process to end."""
    parts = parts_of(request)
    if (
        parts.is_draining
        or not await parts.database.answers()
        or not await parts.electric.is_active()
    ):
        raise unavailable()
    return JSONResponse({"status": "ready"}, headers=_NO_STORE)
