"""Ports of this machine that are free."""

import socket

from harness.errors import ExitCode, SessionbaseError

HOST = "127.0.0.1"


def bindable(port: int) -> int | None:
    """Return a port of 127.0.0.1 that could be listened on just now, 0: any; None if it can't."""
    with socket.socket() as candidate:
        # What is left of the connections of who listened there before is no hindrance.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((HOST, port))
        except OSError:
            return None
        return int(candidate.getsockname()[1])


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on. Raises SessionbaseError (FAILED)."""
    port = bindable(0)
    if port is None:
        raise SessionbaseError(ExitCode.FAILED, f"there is no free port on {HOST}")
    return port
