"""How a client comes to a shape: of Electric itself, or through the gatekeeper, in two styles."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.py.electric.electrics import Electric
from tests.py.electric.rooms import Room
from tests.py.gatekeeper.gatekeepers import running

Way = Callable[[Electric, Room, Path], AbstractContextManager[dict[str, Any]]]
"""Gives what tests/clients/program.mjs needs to ask for a room's thread. The folder is a test's."""


@contextmanager
def _directly(electric: Electric, room: Room, _: Path) -> Iterator[dict[str, Any]]:
    yield {
        "style": "electric",
        "options": {
            "url": f"{electric.url}/v1/shape",
            "params": room.definition() | {"secret": electric.secret},
        },
    }


@contextmanager
def _by_gatekeeper(style: str, electric: Electric, room: Room, _: Path) -> Iterator[dict[str, Any]]:
    with running(electric) as gatekeeper:
        yield {"style": style, "origin": gatekeeper.url, "wanted": wanted(room), "signedIn": {}}


def wanted(room: Room) -> dict[str, str]:
    """Return what the gatekeeper is asked for."""
    return {
        "shape": "thread_messages",
        "session_id": room.session_id,
        "thread_id": room.thread["id"],
    }


WAYS: dict[str, Way] = {
    "electric": _directly,
    "token": partial(_by_gatekeeper, "token"),
    "name": partial(_by_gatekeeper, "name"),
}
