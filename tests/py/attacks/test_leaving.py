"""Clients that leave: what only they used is freed."""

from contextlib import ExitStack
from time import monotonic

from tests.py.attacks import wire
from tests.py.attacks.attacked import LONG_POLL_S
from tests.py.attacks.recorder import Recorder
from tests.py.attacks.striking import Stage
from tests.py.waiting import wait_until


def _request(stage: Stage, query: str) -> bytes:
    names = stage.names()
    return (
        f"GET /v1/shape?{query} HTTP/1.1\r\nHost: {names['host']}\r\n"
        f"{names['auth_token']}\r\nConnection: close\r\n\r\n"
    ).encode()


def _end(stage: Stage) -> str:
    """Return where the shape ends now, as a query that waits for more."""
    answer = wire.exchange(stage.gatekeeper.port, _request(stage, "offset=now")).answers[0]
    offset, handle = answer.header("electric-offset"), answer.header("electric-handle")
    return f"offset={offset}&handle={handle}&live=true"


def test_a_poll_that_nobody_waits_for_any_more_is_given_up(
    stage: Stage, recorder: Recorder
) -> None:
    end = _end(stage)
    since = recorder.count
    before = recorder.connections
    with ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(wire.opened(stage.gatekeeper.port))
            connection.send(_request(stage, end))
        wait_until(lambda: recorder.count > since)
        assert recorder.connections <= before + 1, "twenty polls of one place are one poll"
    left_at = monotonic()
    # The connection is closed, for an answer is still to come on it.
    wait_until(lambda: recorder.connections < max(before, 1))
    assert monotonic() - left_at < LONG_POLL_S / 2, "Electric's poll was waited for"
    assert recorder.count == since + 1
