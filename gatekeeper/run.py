"""Starts the gatekeeper and ends it."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn

from gatekeeper.app import build
from gatekeeper.settings import GatekeeperSettings
from harness.connections import Server
from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError


class Web(uvicorn.Server):
    """A web server that leaves signals to us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def serve(server: Server, settings: GatekeeperSettings, tell: Tell) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises SessionbaseError: REFUSED, UNREACHABLE."""
    with suppress(KeyboardInterrupt), listening(settings) as listener:
        _tell_mode(settings, tell)
        host, port = listener.getsockname()[:2]
        tell(f"http://{host}:{port}")
        asyncio.run(_serve(web_of(server, settings), listener))


def web_of(server: Server, settings: GatekeeperSettings) -> Web:
    """Return the web server, with the application in it, not yet started."""
    return Web(
        uvicorn.Config(
            build(settings, server),
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=int(settings.drain_s) + 1,
        )
    )


@contextmanager
def listening(settings: GatekeeperSettings) -> Iterator[socket.socket]:
    """Give the socket that is served. Raises SessionbaseError (REFUSED) if it can't be had."""
    host, port = settings.gatekeeper_host, settings.gatekeeper_port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(*found[:3])
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(found[4])
    except OSError as error:
        raise SessionbaseError(
            ExitCode.REFUSED,
            f"can't listen on {host}:{port}: {error.strerror}",
            hint="Set SESSIONBASE_GATEKEEPER_PORT; 0 takes any that is free.",
        ) from None
    with listener:
        yield listener


async def _serve(web: Web, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _end, web)
    await web.serve(sockets=[listener])


def _end(web: Web) -> None:
    web.should_exit = True


def _tell_mode(settings: GatekeeperSettings, tell: Tell) -> None:
    if settings.is_single_tenant:
        tell(
            "SINGLE-TENANT MODE: no issuer is configured, so whoever reaches this address is the "
            f"one account, {settings.single_account_id}."
        )
