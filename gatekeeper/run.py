"""Starts the gatekeeper and ends it."""

import asyncio
import gc
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn
import uvloop

from gatekeeper import logs
from gatekeeper.app import build
from gatekeeper.errors import Refusal
from gatekeeper.metrics import exposing
from gatekeeper.parts import Parts
from gatekeeper.processes import supervise
from gatekeeper.settings import GatekeeperSettings
from harness.connections import Server
from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError

_BACKLOG = 4096
_KEEP_ALIVE_SECONDS = 75
"""Longer than a load balancer keeps an idle connection, usually 60 s: it should be who ends it."""
_NEW_OBJECTS = 20_000
"""How many objects more than before there are when the collector looks for cycles."""
_LAST_SECONDS = 5
"""For answers that are being sent when held ones were told to come again."""


class Web(uvicorn.Server):
    """A web server that ends when it is asked to, in order. A second time: at once."""

    def __init__(self, config: uvicorn.Config, parts: Parts) -> None:
        super().__init__(config)
        self.parts = parts
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining: asyncio.Task[None] | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def run_on(self, listener: socket.socket) -> None:
        """Serve a socket until somebody calls end()."""
        self._loop = asyncio.get_running_loop()
        await self.serve(sockets=[listener])
        self._loop = None
        if self._draining:
            self._draining.cancel()

    def end(self) -> None:
        """Ask it to end, from whichever thread."""
        if self._loop:
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if self._draining:
            self.force_exit = True
        else:
            self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        """Be not ready; take no more connections; end event streams, then held polls."""
        parts = self.parts
        parts.is_draining = True
        await asyncio.sleep(parts.settings.drain_lead_s)
        self.should_exit = True
        if parts.draining:
            parts.draining.set_result(None)
        await asyncio.sleep(parts.settings.drain_s)
        parts.upstream.close()


def serve(server: Server, settings: GatekeeperSettings, tell: Tell) -> None:
    """Serve until Ctrl-C or SIGTERM, in as many processes as are set.

    Raises SessionbaseError: REFUSED, UNREACHABLE, NO_PERMISSION, BAD_SETTINGS.
    """
    with suppress(KeyboardInterrupt), listening(settings) as listener:
        _tell_mode(settings, tell)
        host, port = listener.getsockname()[:2]
        if settings.gatekeeper_processes == 1:
            # Who is told the address may come before there is anybody to answer.
            listener.listen(_BACKLOG)
        tell(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        if settings.gatekeeper_processes == 1:
            serve_socket(server, settings, listener)
        else:
            asyncio.run(supervise(server, settings, port))


def serve_socket(
    server: Server, settings: GatekeeperSettings, listener: socket.socket, process: int = 0
) -> None:
    """Serve in this process, which is one of several. Raises SessionbaseError."""
    logs.configure()
    web = web_of(server, settings)
    _collect_less()
    with (
        exposing(web.parts.metrics, settings, process),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_until_signalled(web, listener))


def _collect_less() -> None:
    """Let the collector of cycles pass over what stays, and look at the rest more seldom.

    With its usual thresholds it goes through all that ten thousand held polls are made of again
    and again while they begin and end, and next to nothing of it is in a cycle.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)


def web_of(server: Server, settings: GatekeeperSettings) -> Web:
    """Return the web server, with the application in it, not yet started."""
    application = build(settings, server)
    config = uvicorn.Config(
        application,
        http="httptools",
        ws="none",
        lifespan="on",
        backlog=_BACKLOG,
        # Its lines would hold addresses.
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(settings.drain_s) + _LAST_SECONDS,
    )
    return Web(config, application.state.parts)


@contextmanager
def listening(settings: GatekeeperSettings) -> Iterator[socket.socket]:
    """Give the socket that is served. Raises SessionbaseError (REFUSED) if it can't be had."""
    host, port = settings.gatekeeper_host, settings.gatekeeper_port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(*found[:3])
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if settings.gatekeeper_processes > 1:
            # Each process listens for itself, and the kernel deals connections out.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(found[4])
    except OSError as error:
        raise SessionbaseError(
            ExitCode.REFUSED,
            f"can't listen on {host}:{port}: {error.strerror}",
            hint="Set SESSIONBASE_GATEKEEPER_PORT; 0 takes any that is free.",
        ) from None
    with listener:
        yield listener


async def _until_signalled(web: Web, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, web.end)
    await _check(web.parts)
    await web.run_on(listener)


async def _check(parts: Parts) -> None:
    """Try what can't be done without, before anybody is told that we serve.

    Raises SessionbaseError: UNREACHABLE, NO_PERMISSION.
    """
    await parts.database.check()
    try:
        await parts.identity_tokens.start()
    except Refusal:
        raise SessionbaseError(
            ExitCode.UNREACHABLE,
            "the issuer's keys can't be read",
            hint="Look at SESSIONBASE_JWKS_FILE or SESSIONBASE_JWKS_URL: a key set (RFC 7517).",
        ) from None


def _tell_mode(settings: GatekeeperSettings, tell: Tell) -> None:
    if settings.is_single_tenant:
        tell(
            "SINGLE-TENANT MODE: no issuer is configured, so whoever reaches this address is the "
            f"one account, {settings.single_account_id}."
        )
    if not settings.token_keys:
        tell("Shape tokens are signed with a key made just now: they end with this process.")
