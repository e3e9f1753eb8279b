"""What is kept and shared is handed to nobody who may not have it."""

from collections.abc import Iterator

import httpx
import pytest

from harness.connections import Connection
from tests.py.attacks import scene
from tests.py.attacks.attacked import Gatekeeper
from tests.py.attacks.guests import COOKIE, SHARED, Guest, secret_of
from tests.py.attacks.recorder import Recorder

_HERE = "/v1/sessions/s1/shapes/session_todos?offset=-1"


@pytest.fixture
def attacker(gatekeeper: Gatekeeper) -> Iterator[httpx.Client]:
    """Return a client of ACCOUNT."""
    with gatekeeper.client(scene.ACCOUNT) as client:
        yield client


@pytest.fixture
def attacked(gatekeeper: Gatekeeper) -> Iterator[httpx.Client]:
    """Return a client of OTHER."""
    with gatekeeper.client(scene.OTHER) as client:
        yield client


def test_one_name_of_a_session_is_two_sessions(
    attacker: httpx.Client, attacked: httpx.Client
) -> None:
    for _ in range(3):
        assert scene.whose(attacker.get(_HERE).content) == [scene.Place(scene.ACCOUNT, "s1")]
        assert scene.whose(attacked.get(_HERE).content) == [scene.Place(scene.OTHER, "s1")]


def test_a_tag_of_anothers_answer_says_nothing(
    attacker: httpx.Client, attacked: httpx.Client
) -> None:
    own, theirs = attacker.get(_HERE), attacked.get(_HERE)
    tag = theirs.headers["etag"]
    assert tag != own.headers["etag"]
    probed = attacker.get(_HERE, headers={"if-none-match": tag})
    assert probed.status_code == 200
    assert probed.content == own.content
    for known in (own.headers["etag"], f"{tag}, {own.headers['etag']}"):
        kept = attacker.get(_HERE, headers={"if-none-match": known})
        assert kept.status_code == 304
        assert kept.content == b""
    without = attacker.get(
        "/v1/sessions/theirs/shapes/session_todos?offset=-1", headers={"if-none-match": tag}
    )
    assert without.status_code == 403


def test_an_answer_that_is_kept_is_asked_for_anew(attacker: httpx.Client) -> None:
    """By the one browser it was for, which shows who it is each time."""
    answer = attacker.get(_HERE)
    assert answer.headers["cache-control"] in {"private, no-cache", "private, no-store", "no-store"}
    assert {"authorization", "cookie"} <= {
        name.strip().lower() for name in answer.headers["vary"].split(",")
    }
    tag = {"if-none-match": answer.headers["etag"]}
    bare = httpx.Client(base_url=attacker.base_url, trust_env=False)
    with bare:
        assert bare.get(_HERE, headers=tag).status_code == 401


def test_what_is_shared_is_asked_of_electric_once_and_refused_to_who_has_left(
    gatekeeper: Gatekeeper, recorder: Recorder, attacked: httpx.Client, writer: Connection
) -> None:
    guest = Guest(gatekeeper).enter(writer)
    here = guest.here
    headers = {"authorization": f"Bearer {guest.jwt()}"}
    token = guest.header("jwt token").partition(": ")[2]
    with gatekeeper.client() as client:
        first = client.get(here, headers=headers)
        since = recorder.count
        second = attacked.get(here)
        shaped = client.get("/v1/shape?offset=-1", headers={"authorization": token})
        assert first.content == second.content == shaped.content
        assert scene.whose(first.content) == [SHARED]
        assert recorder.count == since, "it is kept, so that Electric is asked once"
        guest.leave(writer)
        tag = {"if-none-match": first.headers["etag"]}
        for asked in (
            client.get(here, headers=headers),
            client.get(here, headers=headers | tag),
            client.get("/v1/shape?offset=-1", headers={"authorization": token}),
            client.get("/v1/shape?offset=-1", headers={"authorization": token} | tag),
        ):
            assert asked.status_code in {401, 403}
            assert scene.whose(asked.content) == []
        assert attacked.get(here).content == second.content


def test_a_new_secret_is_not_in_the_answer_that_others_share(
    gatekeeper: Gatekeeper, writer: Connection
) -> None:
    """One of two browsers is due for another secret; both are given the answer that is kept."""
    guest = Guest(gatekeeper).enter(writer)
    first, second = guest.sign_in(), guest.sign_in()
    with gatekeeper.client() as client:
        kept = client.get(guest.here, headers={"cookie": f"{COOKIE}={second}"})
        writer.execute(
            "update auth.login_secrets set rotation_asked = true where secret_hash = sha256(%s)",
            [first.encode()],
        )
        renewed = client.get(guest.here, headers={"cookie": f"{COOKIE}={first}"})
        again = client.get(guest.here, headers={"cookie": f"{COOKIE}={second}"})
    assert kept.content == renewed.content == again.content
    assert secret_of(renewed.headers["set-cookie"]) not in {first, second}
    assert renewed.headers["cache-control"] == "no-store"
    assert "set-cookie" not in kept.headers
    assert "set-cookie" not in again.headers
