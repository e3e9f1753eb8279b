"""A process of `invoke up`: python -m harness.up.part electric|gatekeeper|provider|talk ...

It ends when its standard input does: the other end is held by `invoke up` alone, so nothing is
left behind even where that was killed. What it says goes to a file, and there is no secret in it.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from gatekeeper.run import serve
from gatekeeper.settings import GatekeeperSettings
from harness import console
from harness.connections import Server, server_of_url
from harness.demo.provider import ProviderOrder, run_provider
from harness.demo.talk import talk
from harness.embedded.electric.run import Start, run_stand_in
from harness.errors import ExitCode, SessionbaseError
from harness.settings import load_as
from harness.targets import target


def main(name: str, arguments: list[str]) -> ExitCode:
    """Run until told to end, or until `invoke up` has ended."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _PARTS[name](load_as(GatekeeperSettings), arguments)
    except SessionbaseError as error:
        console.show_error(error)
        return error.code
    return ExitCode.OK


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _electric(settings: GatekeeperSettings, arguments: list[str]) -> None:
    run_stand_in(target(settings), settings, Start(int(arguments[0])), console.say)


def _gatekeeper(settings: GatekeeperSettings, _: list[str]) -> None:
    serve(_gatekeeper_server(settings), settings, console.say)


def _provider(settings: GatekeeperSettings, arguments: list[str]) -> None:
    port, jwks_file, *redirect_uris = arguments
    run_provider(settings, ProviderOrder(int(port), redirect_uris, Path(jwks_file)))


def _talk(settings: GatekeeperSettings, _: list[str]) -> None:
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    talk(target(settings), asked)


def _gatekeeper_server(settings: GatekeeperSettings) -> Server:
    url = settings.gatekeeper_database_url
    return server_of_url(url.get_secret_value()) if url else target(settings)


_PARTS: dict[str, Callable[[GatekeeperSettings, list[str]], None]] = {
    "electric": _electric,
    "gatekeeper": _gatekeeper,
    "provider": _provider,
    "talk": _talk,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
