"""One of several processes: python -m gatekeeper NUMBER. `invoke gatekeeper` starts them."""

import sys

from gatekeeper.run import listening, serve_socket
from gatekeeper.settings import GatekeeperSettings
from harness import console
from harness.connections import Server, server_of_url
from harness.errors import ExitCode, SessionbaseError
from harness.settings import load_as


def main(process: int) -> ExitCode:
    """Serve until told to end."""
    try:
        settings = load_as(GatekeeperSettings)
        with listening(settings) as listener:
            serve_socket(_server(settings), settings, listener, process)
    except SessionbaseError as error:
        console.show_error(error)
        return error.code
    return ExitCode.OK


def _server(settings: GatekeeperSettings) -> Server:
    url = settings.gatekeeper_database_url
    if url is None:
        raise SessionbaseError(
            ExitCode.BAD_SETTINGS,
            "GATEKEEPER_DATABASE_URL is not set",
            hint="`invoke gatekeeper` starts these processes.",
        )
    return server_of_url(url.get_secret_value())


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
