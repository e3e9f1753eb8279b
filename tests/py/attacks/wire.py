"""Requests as bytes: what a client library would clean up is sent as it stands."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

CLOSED = 0
"""The status of an exchange that the server ended without an answer."""

_PATIENCE_S = 10
_SILENCE_S = 0.2
_MOST = 1 << 16


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. headers: names in lower case; of a name twice, both."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the first header of a name."""
        return next((value for known, value in self.headers if known == name), None)


@dataclass(frozen=True)
class Exchange:
    """All that came back on one connection: its answers in order, and the bytes of them."""

    answers: tuple[Answer, ...]
    raw: bytes

    @property
    def status(self) -> int:
        """Of the first answer, or CLOSED."""
        return self.answers[0].status if self.answers else CLOSED


def exchange(port: int, request: bytes) -> Exchange:
    """Send bytes and read until the server closes. Raises TimeoutError if it does not."""
    with opened(port) as wire:
        wire.send(request)
        return exchange_of(wire.read_to_end())


def exchange_and_leave(port: int, request: bytes, *, may_be_silent: bool) -> Exchange:
    """Send bytes that leave the connection open, and leave it once nothing more comes.

    may_be_silent: whether no answer at all is one. Raises TimeoutError if it is not.
    """
    with opened(port) as wire:
        wire.send(request)
        try:
            wire.read_more(_SILENCE_S if may_be_silent else _PATIENCE_S)
        except TimeoutError:
            if not may_be_silent:
                raise
            return Exchange((), b"")
        with suppress(TimeoutError):
            while wire.read_more(_SILENCE_S):
                pass
        return exchange_of(wire.taken)


def exchange_of(raw: bytes) -> Exchange:
    """Read the answers in what came back."""
    return Exchange(tuple(_answers(raw)), raw)


class Wire:
    """A connection on which nothing is hidden."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.taken = b""

    def send(self, data: bytes) -> None:
        """Send what the server still takes: it may have answered and closed before the end."""
        try:
            self._connection.sendall(data)
        except ConnectionError:
            return

    def read_more(self, patience: float = _PATIENCE_S) -> bytes:
        """Read what comes next; b"" where the server has closed. Raises TimeoutError."""
        self._connection.settimeout(patience)
        try:
            more = self._connection.recv(_MOST)
        except ConnectionError:
            more = b""
        self.taken += more
        return more

    def read_to_end(self, patience: float = _PATIENCE_S) -> bytes:
        """Read until the server closes, and return all of it. Raises TimeoutError."""
        ends_at = time.monotonic() + patience
        while self.read_more(max(0.01, ends_at - time.monotonic())):
            pass
        return self.taken

    def read_until(self, part: bytes, patience: float = _PATIENCE_S) -> None:
        """Read until that has come. Fails if the server closes before, or time is up."""
        ends_at = time.monotonic() + patience
        while part not in self.taken:
            assert self.read_more(max(0.01, ends_at - time.monotonic())), (
                f"the server closed before {part!r} came"
            )


@contextmanager
def opened(port: int) -> Iterator[Wire]:
    """Give a connection to a server on this machine."""
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S) as connection:
        yield Wire(connection)


def _answers(raw: bytes) -> Iterator[Answer]:
    while raw:
        head, end, raw = raw.partition(b"\r\n\r\n")
        assert end, f"an answer without an end of its headers: {head[:200]!r}"
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = tuple(
            (name.strip().lower(), value.strip())
            for name, _, value in (one.partition(":") for one in lines)
        )
        status = int(line.split(" ", 2)[1])
        body, raw = _body(dict(headers), status, raw)
        yield Answer(status, headers, body)


def _body(headers: dict[str, str], status: int, raw: bytes) -> tuple[bytes, bytes]:
    if status < 200 or status in {204, 304}:
        return b"", raw
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _chunks(raw)
    if "content-length" in headers:
        length = int(headers["content-length"])
        return raw[:length], raw[length:]
    return raw, b""


def _chunks(raw: bytes) -> tuple[bytes, bytes]:
    body = b""
    while raw:
        size, _, raw = raw.partition(b"\r\n")
        length = int(size, 16)
        body, raw = body + raw[:length], raw[length + 2 :]
        if length == 0:
            break
    return body, raw
