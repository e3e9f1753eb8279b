"""A gatekeeper that runs, in a thread of the test, in front of an Electric."""

import asyncio
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import uvloop

from gatekeeper.run import Web, listening, web_of
from gatekeeper.settings import GatekeeperSettings
from harness.connections import Server
from tests.py.electric.electrics import Electric
from tests.py.waiting import wait_until


@dataclass
class Gatekeeper:
    """A gatekeeper at an address, and the database behind it."""

    url: str
    settings: GatekeeperSettings
    server: Server
    web: Web

    def client(self, **headers: str) -> httpx.Client:
        """Return an HTTP client that waits as long as the longest poll."""
        return httpx.Client(base_url=self.url, headers=headers, timeout=40, trust_env=False)

    @contextmanager
    def asked(self, path: str, query: Mapping[str, str]) -> Iterator[None]:
        """Ask without reading the answer, and hang up where the block ends."""
        at = urlsplit(self.url)
        head = f"GET {path}?{urlencode(query)} HTTP/1.1\r\nhost: {at.netloc}\r\n\r\n"
        with socket.create_connection((at.hostname, at.port), timeout=20) as connection:
            connection.sendall(head.encode())
            yield


@contextmanager
def running(
    electric: Electric,
    **settings: Any,  # noqa: ANN401 - any setting
) -> Iterator[Gatekeeper]:
    """Run a gatekeeper in front of an Electric and its database."""
    usual: dict[str, Any] = {
        "gatekeeper_port": 0,
        "metrics_port": -1,
        "drain_s": 0,
        "electric_url": electric.url,
        "electric_secret": electric.secret,
    }
    known = GatekeeperSettings(_env_file=None, **(usual | settings))
    with listening(known) as listener:
        web = web_of(electric.server, known)

        def serve() -> None:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(web.run_on(listener))

        thread = Thread(target=serve)
        thread.start()
        try:
            wait_until(lambda: web.started or not thread.is_alive())
            assert web.started, "the gatekeeper did not start"
            port = listener.getsockname()[1]
            yield Gatekeeper(f"http://127.0.0.1:{port}", known, electric.server, web)
        finally:
            web.end()
            thread.join(30)
            assert not thread.is_alive(), "the gatekeeper did not end"
