"""What relays do to a connection is what the programs at its ends see."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from drill.relays import Relay
from tests.py.waiting import wait_until


class Ends:
    """Both ends of a connection through a relay."""

    def __init__(self, closing: ExitStack) -> None:
        listener = closing.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.relay = Relay("a test", listener.getsockname()[1])
        closing.callback(self.relay.close)
        self.near = closing.enter_context(self.connect())
        self.far = closing.enter_context(listener.accept()[0])
        self.far.settimeout(10)
        self.near.sendall(b"there")
        assert self.far.recv(10) == b"there"
        self.far.sendall(b"back")
        assert self.near.recv(10) == b"back"

    def connect(self) -> socket.socket:
        """Connect once more."""
        return socket.create_connection(("127.0.0.1", self.relay.port), timeout=10)


@pytest.fixture
def ends() -> Iterator[Ends]:
    with ExitStack() as closing:
        yield Ends(closing)


def test_cut_is_an_end_on_both_sides(ends: Ends) -> None:
    assert ends.relay.break_off("cut") == 1
    assert ends.near.recv(10) == b""
    assert ends.far.recv(10) == b""
    wait_until(lambda: ends.relay.connections == 0)


def test_reset_is_no_orderly_end(ends: Ends) -> None:
    assert ends.relay.break_off("reset") == 1
    with pytest.raises(ConnectionResetError):
        ends.near.recv(10)
    with pytest.raises(ConnectionResetError):
        ends.far.recv(10)


def test_half_closed_one_way_still_leads_through(ends: Ends) -> None:
    assert ends.relay.break_off("half_close") == 1
    assert ends.near.recv(10) == b""
    ends.near.sendall(b"still")
    assert ends.far.recv(10) == b"still"
    ends.relay.restore()
    assert ends.far.recv(10) == b""


def test_stalled_nothing_comes_and_nothing_is_lost(ends: Ends) -> None:
    assert ends.relay.stall() == 1
    ends.near.sendall(b"late")
    wait_until(lambda: ends.relay.held == 4)
    ends.far.settimeout(0.2)
    with pytest.raises(TimeoutError):
        ends.far.recv(10)
    ends.relay.restore()
    ends.far.settimeout(10)
    assert ends.far.recv(10) == b"late"


def test_refused_is_reset(ends: Ends) -> None:
    ends.relay.refuse()
    # It may come as soon as the connection is there.
    with pytest.raises(ConnectionResetError), ends.connect() as turned_away:
        turned_away.recv(10)
    assert ends.relay.refused == 1
