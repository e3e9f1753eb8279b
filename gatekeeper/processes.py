"""Several processes on one port. They share nothing: Postgres and Electric know all there is."""

import asyncio
import os
import signal
import sys

from gatekeeper.settings import GatekeeperSettings
from harness.connections import Server
from harness.errors import ExitCode, SessionbaseError


async def supervise(server: Server, settings: GatekeeperSettings, port: int) -> None:
    """Run the processes until this one is told to end; then tell them, and wait.

    Raises SessionbaseError (FAILED) if one ends by itself: the others are ended too, so that
    whoever started this sees it and starts it anew.
    """
    environment = os.environ | {
        "GATEKEEPER_DATABASE_URL": server.conninfo,
        "SESSIONBASE_GATEKEEPER_PORT": str(port),
    }
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gatekeeper", str(process), env=environment
        )
        for process in range(settings.gatekeeper_processes)
    ]
    ends = [asyncio.create_task(process.wait()) for process in processes]
    waiting = asyncio.create_task(asked.wait())
    await asyncio.wait([waiting, *ends], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for process in processes:
        if process.returncode is None:
            process.terminate()
    await asyncio.gather(*ends)
    if not asked.is_set():
        raise SessionbaseError(
            ExitCode.FAILED,
            "a process of the gatekeeper ended by itself, so all were ended",
            hint="Its last lines say why.",
        )
