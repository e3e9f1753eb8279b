"""What the routes of one process work with. It is made once, when the application starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

    from gatekeeper.database import Database
    from gatekeeper.identity_tokens import IdentityTokens
    from gatekeeper.login_sessions import LoginSessions
    from gatekeeper.revocations import Revocations
    from gatekeeper.settings import GatekeeperSettings


@dataclass
class Parts:
    """Everything a route may need. is_draining: this process is about to end."""

    settings: GatekeeperSettings
    database: Database
    identity_tokens: IdentityTokens
    login_sessions: LoginSessions
    revocations: Revocations
    is_draining: bool = False


def parts_of(request: Request) -> Parts:
    """Return the parts of the application that a request came to."""
    parts = request.app.state.parts
    assert isinstance(parts, Parts)  # noqa: S101 - build() puts it there
    return parts
