"""Electric over HTTP. Nothing else here knows its secret, and nothing that fails here tells it."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from urllib.parse import quote, urlsplit

import aiohttp
from yarl import URL

from gatekeeper.errors import Refusal, unavailable
from gatekeeper.logs import LOG
from gatekeeper.settings import GatekeeperSettings
from harness.errors import ExitCode, SessionbaseError

_FAILURES = (aiohttp.ClientError, TimeoutError, OSError, ValueError)
_CONNECT_SECONDS = 5
_SILENT_SECONDS = 45
"""Longer than Electric holds a poll (20 s), and than it lets an event stream be silent (21 s)."""
_IDLE_SECONDS = 15
"""Less than Electric keeps an idle connection: 60 s."""
_LONGEST_HEADER = 64 << 10
"""electric-schema names every column."""
_READ_AT_ONCE = 256 << 10
"""Bytes that may wait to be taken: with fewer, reading stops and goes on for every piece."""


class Reply:
    """An answer of Electric, its body not yet read."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = response.headers
        self.length = response.content_length

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give the body as it comes. Raises Refusal (503) if it breaks off."""
        try:
            async for piece in self._response.content.iter_any():
                yield piece
        except _FAILURES as error:
            raise _failed(error) from None

    def close(self) -> None:
        """Cut it off, if it is not at its end."""
        self._response.close()


class Electric:
    """The one Electric that is asked. Addresses are built here and go nowhere else."""

    def __init__(self, settings: GatekeeperSettings) -> None:
        self._base = _base_of(settings)
        secret = settings.electric_secret
        self._secret = f"&secret={quote(secret.get_secret_value(), safe='')}" if secret else ""
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Make ready to ask."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"accept-encoding": "identity", "user-agent": "sessionbase"},
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENT_SECONDS
            ),
            auto_decompress=False,
            trust_env=False,
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
            read_bufsize=_READ_AT_ONCE,
        )

    async def stop(self) -> None:
        """Cut off whatever is still under way."""
        if self._session:
            await self._session.close()

    async def ask(self, query: bytes, accept: str) -> Reply:
        """Ask for a shape. Raises Refusal (503) if nobody answers."""
        return await self._get(f"/v1/shape?{query.decode('ascii')}{self._secret}", accept)

    async def is_active(self) -> bool:
        """Say whether it follows its database."""
        try:
            reply = await self._get("/v1/health", "application/json")
        except Refusal:
            return False
        reply.close()
        return reply.status == HTTPStatus.OK

    async def _get(self, target: str, accept: str) -> Reply:
        if self._session is None:
            raise unavailable()
        try:
            response = await self._session.get(
                URL(self._base + target, encoded=True),
                headers={"accept": accept},
                allow_redirects=False,
            )
        except _FAILURES as error:
            raise _failed(error) from None
        return Reply(response)


def _failed(error: BaseException) -> Exception:
    """Say what kind of failure it was, and no more: its text can hold the address."""
    LOG.warning("electric_failed", kind=type(error).__name__)
    return unavailable()


def _base_of(settings: GatekeeperSettings) -> str:
    """Return where Electric is. Raises SessionbaseError (BAD_SETTINGS), which quotes nothing."""
    url = settings.electric_url.get_secret_value() if settings.electric_url else ""
    if not url and settings.env == "development":
        # Where `invoke electric` listens.
        url = "http://127.0.0.1:3000"
    if settings.env == "production" and not (url and settings.electric_secret):
        raise SessionbaseError(
            ExitCode.BAD_SETTINGS,
            "in production the gatekeeper needs ELECTRIC_URL and ELECTRIC_SECRET",
            hint="docs/sync.md says how Electric is set up.",
        )
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
        raise SessionbaseError(
            ExitCode.BAD_SETTINGS, "ELECTRIC_URL must be scheme, host and port: http://host:3000"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise SessionbaseError(
            ExitCode.BAD_SETTINGS, "ELECTRIC_URL must have no user, password or query"
        )
    return f"{parts.scheme}://{parts.netloc}"
