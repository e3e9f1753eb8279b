"""Clients that leave: what only they used is freed."""

from contextlib import ExitStack

from tests.py.attacks import wire
from tests.py.attacks.recorder import Recorder
from tests.py.attacks.striking import Stage
from tests.py.waiting import wait_until


def _poll(stage: Stage, more: str = "") -> bytes:
    names = stage.names()
    return (
        f"GET /v1/shape?offset=now HTTP/1.1\r\nHost: {names['host']}\r\n{names['auth_token']}\r\n\r\n"
        if not more
        else f"GET /v1/shape?{more} HTTP/1.1\r\nHost: {names['host']}\r\n{names['auth_token']}\r\n\r\n"
    ).encode()


def _end(stage: Stage) -> str:
    """Return where the shape ends now, as a query that waits for more."""
    with wire.opened(stage.gatekeeper.port) as connection:
        connection.send(_poll(stage))
        connection.read_until(b"\r\n\r\n")
        answer = wire.exchange_of(connection.taken).answers[0]
    return f"offset={answer.header('electric-offset')}&handle={answer.header('electric-handle')}&live=true"


def test_a_poll_that_nobody_waits_for_any_more_is_given_up(
    stage: Stage, recorder: Recorder
) -> None:
    end = _end(stage)
    since = recorder.count
    before = recorder.connections
    with ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(wire.opened(stage.gatekeeper.port))
            connection.send(_poll(stage, end))
        wait_until(lambda: recorder.count > since)
        assert recorder.connections <= before + 1, "twenty polls of one place are one poll"
    # Electric's poll would last longer; its connection is closed, for an answer is still to come.
    wait_until(lambda: recorder.connections < max(before, 1))
    assert recorder.count == since + 1
