"""What the routes of one process work with. It is made once, when the application starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from starlette.requests import Request

    from gatekeeper.database import Database
    from gatekeeper.electric import Electric
    from gatekeeper.functions import Functions
    from gatekeeper.identity_tokens import IdentityTokens
    from gatekeeper.limits import Limits
    from gatekeeper.login_sessions import LoginSessions
    from gatekeeper.metrics import Metrics
    from gatekeeper.pages import Pages
    from gatekeeper.revocations import Revocations
    from gatekeeper.settings import GatekeeperSettings
    from gatekeeper.tokens import ShapeTokens
    from gatekeeper.upstream import Upstream


@dataclass
class Parts:
    """Everything a route may need.

    is_draining: this process is about to end. draining: done when event streams are to end; none
    before the application has started.
    """

    settings: GatekeeperSettings
    database: Database
    identity_tokens: IdentityTokens
    login_sessions: LoginSessions
    revocations: Revocations
    functions: Functions
    electric: Electric
    upstream: Upstream
    tokens: ShapeTokens
    limits: Limits
    pages: Pages
    metrics: Metrics
    is_draining: bool = False
    draining: asyncio.Future[None] | None = None


def parts_of(request: Request) -> Parts:
    """Return the parts of the application that a request came to."""
    parts = request.app.state.parts
    assert isinstance(parts, Parts)  # noqa: S101 - build() puts it there
    return parts
