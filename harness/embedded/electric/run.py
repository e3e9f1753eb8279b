"""Starts the stand-in and ends it."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

import psycopg
import uvicorn

from harness.connections import Server, first_line
from harness.console import Tell
from harness.embedded.electric.reading import Reader
from harness.embedded.electric.replication import open_stream
from harness.embedded.electric.server import StandIn, Timings
from harness.embedded.electric.shapes import Shapes
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings

READ_ROLE = "electric_read"
"""Snapshots are read as this role, so that its grants and policies matter here too."""

_HOST = "127.0.0.1"
_AGAIN_SECONDS = 0.5


@dataclass(frozen=True)
class Start:
    """How the stand-in is to be run. port 0 takes any that is free."""

    port: int = 3000
    timings: Timings = field(default_factory=Timings)


def refuse_production(settings: Settings) -> None:
    """Raise SessionbaseError (REFUSED) in production."""
    if settings.env == "production":
        raise SessionbaseError(
            ExitCode.REFUSED,
            "this is a stand-in for Electric, and SESSIONBASE_ENV is production",
            hint="Run electricsql/electric and set ELECTRIC_URL: docs/sync.md.",
        )


def run_stand_in(server: Server, settings: Settings, start: Start, tell: Tell) -> None:
    """Serve until Ctrl-C or SIGTERM, then drop the slot.

    Raises SessionbaseError: REFUSED in production and without a publication, UNREACHABLE.
    """
    refuse_production(settings)
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(server, settings, start, tell))


async def _serve(server: Server, settings: Settings, start: Start, tell: Tell) -> None:
    with _listening(start.port) as listener:
        async with _following(server, settings, start.timings) as (stand_in, follower):
            port = listener.getsockname()[1]
            tell(
                "This is a stand-in for Electric, for development and tests only. "
                f"It follows {server.label}."
            )
            if stand_in.secret is None:
                tell("ELECTRIC_SECRET is not set: whoever reaches it reads all that is synced.")
            tell(f"http://{_HOST}:{port}/v1/shape")
            web = _Web(
                uvicorn.Config(
                    stand_in.application(),
                    lifespan="off",
                    # Its lines would hold the URL, and so the secret.
                    access_log=False,
                    log_config=None,
                    server_header=False,
                    timeout_graceful_shutdown=1,
                )
            )
            serving = asyncio.create_task(web.serve(sockets=[listener]))
            asked_to_end = asyncio.create_task(_signalled())
            await asyncio.wait([asked_to_end, follower], return_when=asyncio.FIRST_COMPLETED)
            web.should_exit = True
            await serving
            if follower.done():
                follower.result()


class _Web(uvicorn.Server):
    """A web server that leaves signals to us, for there is a stream to end as well."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def _signalled() -> None:
    """Wait until somebody asks to end, by Ctrl-C or otherwise."""
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    await asked.wait()


@asynccontextmanager
async def _following(
    server: Server, settings: Settings, timings: Timings
) -> AsyncIterator[tuple[StandIn, asyncio.Task[None]]]:
    """Follow the database as long as it is open, and through restarts of Postgres."""
    stream_id = settings.electric_replication_stream_id
    stream_from, read_from = settings.electric_database_url, settings.electric_pooled_database_url
    reader = Reader(
        read_from.get_secret_value() if read_from else server.conninfo,
        None if read_from else READ_ROLE,
        f"electric_publication_{stream_id}",
    )
    secret = settings.electric_secret
    stand_in = StandIn(
        reader, Shapes(reader), secret.get_secret_value() if secret else None, timings
    )
    conninfo = stream_from.get_secret_value() if stream_from else server.conninfo
    begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    follower = asyncio.create_task(_follow(stand_in, conninfo, stream_id, begun))
    await asyncio.wait([begun, follower], return_when=asyncio.FIRST_COMPLETED)
    try:
        if follower.done():
            follower.result()
        yield stand_in, follower
    except psycopg.OperationalError as error:
        raise SessionbaseError(
            ExitCode.UNREACHABLE, f"can't follow {server.label}: {first_line(error)}"
        ) from None
    finally:
        follower.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await follower
        await reader.close()


async def _follow(
    stand_in: StandIn, conninfo: str, stream_id: str, begun: asyncio.Future[None]
) -> None:
    """Bring every transaction to the shapes. Cut off, begin anew with no shapes."""
    while True:
        try:
            async with (
                open_stream(conninfo, stream_id) as stream,
                stand_in.reader.connected() as connection,
            ):
                stand_in.shapes.seen_lsn = stream.started_at
                stand_in.is_active = True
                if not begun.done():
                    begun.set_result(None)
                async for transaction in stream.transactions():
                    await stand_in.shapes.apply(connection, transaction)
        except psycopg.OperationalError:
            if not begun.done():
                raise
            stand_in.is_active = False
            await stand_in.shapes.end_all()
            await asyncio.sleep(_AGAIN_SECONDS)


def _listening(port: int) -> socket.socket:
    # asyncio sends small answers at once only where the protocol is named.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
        # Who is told the address may come before uvicorn does.
        listener.listen()
    except OSError as error:
        listener.close()
        raise SessionbaseError(
            ExitCode.REFUSED,
            f"can't listen on {_HOST}:{port}: {error.strerror}",
            hint="Give another one: invoke electric --port 0 takes any that is free.",
        ) from None
    return listener
