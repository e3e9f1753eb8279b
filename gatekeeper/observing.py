"""What is noted of every request: an id, a line in the log, figures. And the end of every fault."""

import secrets
from functools import cache
from http import HTTPMethod
from time import perf_counter

import structlog
from prometheus_client import Counter, Histogram
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatekeeper.errors import internal_error
from gatekeeper.logs import LOG, where
from gatekeeper.metrics import Metrics

_METHODS = frozenset(HTTPMethod)
_QUIET = frozenset({"/health", "/ready"})
"""Routes that are asked so often, and say so little, that their successes are not logged."""


class Observing:
    """Middleware around all routes."""

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: list[Route]) -> None:
        self._app = app
        self._metrics = metrics
        self._paths = {route.endpoint: route.path for route in routes}
        self._figures = cache(self._find_figures)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever happens."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = _Seen(secrets.token_hex(8), send)
        with structlog.contextvars.bound_contextvars(request_id=seen.request_id):
            try:
                await self._app(scope, receive, seen.send)
            except Exception as error:  # noqa: BLE001 - the last place where it can be told
                LOG.error("fault", error=where(error))
                if not seen.status:
                    await internal_error().response()(scope, receive, seen.send)
            finally:
                self._note(scope, seen)

    def _note(self, scope: Scope, seen: "_Seen") -> None:
        route = self._paths.get(scope.get("endpoint", _nowhere), "none")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        seconds = perf_counter() - seen.begun
        # 499 is what others call it too: nobody was there any more to be answered.
        status = seen.status or 499
        count, duration = self._figures(route, method, status)
        count.inc()
        duration.observe(seconds)
        if route in _QUIET and status == 200:  # noqa: PLR2004 - HTTP's
            return
        facts = {"route": route, "method": method, "status": status, "ms": round(seconds * 1e3, 1)}
        account_id = scope.get("state", {}).get("account_id")
        LOG.info("request", **facts, **({"account": str(account_id)} if account_id else {}))

    def _find_figures(self, route: str, method: str, status: int) -> tuple[Counter, Histogram]:
        """Return what counts such requests: routes, methods and statuses are few."""
        metrics = self._metrics
        return metrics.requests.labels(route, method, str(status)), metrics.seconds.labels(route)


class _Seen:
    """A request that is being answered. status: 0 until the answer has begun."""

    def __init__(self, request_id: str, send: Send) -> None:
        self.request_id = request_id
        self.status = 0
        self.begun = perf_counter()
        self._send = send
        self._header = (b"x-request-id", request_id.encode())

    async def send(self, message: Message) -> None:
        """Send, with the request's id."""
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            message["headers"] = [*message.get("headers", ()), self._header]
        await self._send(message)


def _nowhere() -> None:
    """Stand for the endpoint of a request that no route takes."""
