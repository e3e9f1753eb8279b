"""A witness in the gatekeeper's place: it keeps what nginx sends, and answers as a test wants."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gatekeeper.run import listening
from gatekeeper.settings import GatekeeperSettings
from tests.py.waiting import wait_until

Answer = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Seen:
    """A request as it came."""

    method: str
    target: str
    headers: list[tuple[str, str]]

    def of(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for one, value in self.headers if one == name]


@dataclass
class Witness:
    """Listens, until it is closed."""

    address: str = ""
    seen: list[Seen] = field(default_factory=list)
    answer: Answer | None = None
    close: Callable[[], None] = field(default=lambda: None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
        headers = [(name.decode(), value.decode()) for name, value in scope["headers"]]
        self.seen.append(Seen(request.method, scope["raw_path"].decode() + query, headers))
        response = await self.answer(request) if self.answer else JSONResponse({"fine": True})
        await response(scope, receive, send)


@contextmanager
def witnessing() -> Iterator[Witness]:
    """Run a witness."""
    witness = Witness()
    settings = GatekeeperSettings(_env_file=None, gatekeeper_port=0)
    with listening(settings) as listener:
        witness.address = f"127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(witness, lifespan="off", log_config=None, access_log=False)
        web = uvicorn.Server(config)
        thread = Thread(target=lambda: asyncio.run(web.serve(sockets=[listener])))
        thread.start()

        def close() -> None:
            web.should_exit = web.force_exit = True
            thread.join(30)
            assert not thread.is_alive(), "the witness did not end"

        witness.close = close
        try:
            wait_until(lambda: web.started or not thread.is_alive())
            yield witness
        finally:
            close()
