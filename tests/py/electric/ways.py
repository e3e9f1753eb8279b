"""How a client comes to a shape: of Electric itself, or through the gatekeeper, in two styles."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from harness.connections import connect
from tests.py.electric.electrics import Electric
from tests.py.electric.rooms import OWNER, Room
from tests.py.gatekeeper.gatekeepers import Gatekeeper, running
from tests.py.gatekeeper.issuers import ISSUER, Issuer, new_issuer

Way = Callable[[Electric, Room, Path], AbstractContextManager[dict[str, Any]]]
"""Gives what tests/clients/program.mjs needs to ask for a room's thread. The folder is a test's."""

_ORIGIN = "https://chat.example"
_SUBJECT = "owner of rooms"


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
def _by_token(electric: Electric, room: Room, folder: Path) -> Iterator[dict[str, Any]]:
    """Shape tokens, which a JWT is shown for."""
    issuer = identify(electric, folder)
    with running(electric, **issuer.settings()) as gatekeeper:
        yield through("token", gatekeeper, room, bearer(issuer))


@contextmanager
def _by_name(electric: Electric, room: Room, folder: Path) -> Iterator[dict[str, Any]]:
    """Names of shapes, and the cookie of a login session, as a browser sends both."""
    issuer = identify(electric, folder)
    with running(electric, public_origin=_ORIGIN, **issuer.settings()) as gatekeeper:
        with gatekeeper.client(**bearer(issuer)) as client:
            cookie = client.post("/auth/session").headers["set-cookie"].partition(";")[0]
        yield through("name", gatekeeper, room, {"cookie": cookie, "origin": _ORIGIN})


def identify(electric: Electric, folder: Path) -> Issuer:
    """Make an issuer that the owner of rooms is known to."""
    with connect(electric.server, "test") as connection:
        connection.execute(
            "insert into auth.identities (issuer, subject, account_id) values (%s, %s, %s) "
            "on conflict do nothing",
            [ISSUER, _SUBJECT, OWNER],
        )
    return new_issuer(folder)


def bearer(issuer: Issuer) -> dict[str, str]:
    """Return the headers with which the owner of rooms says who it is."""
    return {"authorization": f"Bearer {issuer.token(_SUBJECT)}"}


def through(
    style: str, gatekeeper: Gatekeeper, room: Room, signed_in: dict[str, str]
) -> dict[str, Any]:
    """Return what a program needs to ask a gatekeeper."""
    return {
        "style": style,
        "origin": gatekeeper.url,
        "signedIn": signed_in,
        "wanted": {
            "shape": "thread_messages",
            "session_id": room.session_id,
            "thread_id": room.thread["id"],
        },
    }


WAYS: dict[str, Way] = {"electric": _directly, "token": _by_token, "name": _by_name}
