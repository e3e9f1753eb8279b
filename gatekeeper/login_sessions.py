"""Login sessions: a secret in a cookie, of which Postgres has the SHA-256.

docs/login-sessions.md says how long they live and what ends them.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any
from uuid import UUID

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatekeeper.database import Database
from gatekeeper.errors import Refusal, not_signed_in
from gatekeeper.principals import COOKIE, Principal
from gatekeeper.settings import GatekeeperSettings

if TYPE_CHECKING:
    from gatekeeper.parts import Parts

_SECRET_BYTES = 32
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
"""32 bytes as base64url."""

_KEPT = "Path=/; Secure; HttpOnly; SameSite=Strict"
_START = "select * from auth.start_login_session(%s, %s, %s, %s, %s, %s)"
_USE = "select * from auth.use_login_session(%s, %s, %s)"
_ROTATE = "select * from auth.rotate_login_session(%s, %s, %s)"
_REVOKE = "select auth.revoke_login_session_by_hash(%s)"


@dataclass(frozen=True, slots=True)
class LoginSession:
    """A login session that is good, as Postgres says."""

    id: UUID
    account_id: UUID
    rotation_due: bool
    idle_expires_at: datetime
    absolute_expires_at: datetime

    def principal(self) -> Principal:
        """Return who is signed in."""
        # The idle time is never behind the other.
        return Principal(
            self.account_id, self.id, self.idle_expires_at.timestamp(), "login_session"
        )


class LoginSessions:
    """Begins login sessions, finds out whose one a secret is, and ends them."""

    def __init__(self, database: Database, settings: GatekeeperSettings) -> None:
        self._database = database
        self._settings = settings

    async def start(
        self, issuer: str, subject: str, user_agent: str | None
    ) -> tuple[LoginSession, str] | None:
        """Begin one, and return it with its secret. None: the identity has no active account.

        Raises Refusal (503).
        """
        secret, settings = _new_secret(), self._settings
        times = settings.login_idle_s, settings.login_absolute_s
        begun = await self._ask(_START, issuer, subject, _hash(secret), user_agent, *times)
        return (begun, secret) if begun else None

    async def principal_of(self, request: Request, secret: str) -> Principal:
        """Return who holds the secret. The answer will bring another if it is due.

        Raises Refusal (401, 503).
        """
        found = None
        if _SECRET.fullmatch(secret):
            settings = self._settings
            times = settings.login_idle_s, settings.login_rotate_s
            found = await self._ask(_USE, _hash(secret), *times)
        if found is None:
            raise not_signed_in()
        if found.rotation_due:
            request.state.secret_to_rotate = secret
        return found.principal()

    async def rotate(self, secret: str) -> str | None:
        """Replace a secret. None: another request did so first. Raises Refusal (503)."""
        new = _new_secret()
        grace = self._settings.login_grace_s
        return new if await self._ask(_ROTATE, _hash(secret), _hash(new), grace) else None

    async def revoke(self, secret: str) -> None:
        """End the login session of a secret, if there is one. Raises Refusal (503)."""
        if _SECRET.fullmatch(secret):
            async with self._database.serving() as connection:
                await connection.execute(_REVOKE, [_hash(secret)])

    async def _ask(self, statement: str, *arguments: Any) -> LoginSession | None:  # noqa: ANN401
        async with self._database.serving() as connection:
            row = await (await connection.execute(statement, arguments)).fetchone()
        return LoginSession(*row) if row else None


class RotatesSecrets:
    """Gives a browser another secret with an answer, where one is due.

    Only when the answer begins: one that is held for long would else bring it when its grace is
    over, and of one that nobody waits for any more it would be lost.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is asked and answered."""

        async def send_with_secret(message: Message) -> None:
            if message["type"] == "http.response.start":
                await _add_secret(scope, message)
            await send(message)

        await self._app(scope, receive, send_with_secret if scope["type"] == "http" else send)


def cookie(secret: str) -> str:
    """Return the header Set-Cookie that gives a browser a secret, until it is closed."""
    return f"{COOKIE}={secret}; {_KEPT}"


def no_cookie() -> str:
    """Return the header Set-Cookie that takes it away."""
    return f"{COOKIE}=; Max-Age=0; {_KEPT}"


async def _add_secret(scope: Scope, message: Message) -> None:
    secret = scope.get("state", {}).get("secret_to_rotate")
    if secret is None:
        return
    parts: Parts = scope["app"].state.parts
    new = None
    with suppress(Refusal):
        # Without Postgres the old one stays, and a later request brings another.
        new = await parts.login_sessions.rotate(secret)
    if new is not None:
        headers = MutableHeaders(raw=message.setdefault("headers", []))
        headers.append("set-cookie", cookie(new))
        headers["cache-control"] = "no-store"


def _new_secret() -> str:
    return token_urlsafe(_SECRET_BYTES)


def _hash(secret: str) -> bytes:
    return sha256(secret.encode()).digest()
