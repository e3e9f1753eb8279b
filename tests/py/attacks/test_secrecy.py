"""Secrets, tokens, cookies and rows: in no log, no error and no figure."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from harness.connections import Connection
from tests.py.attacks import scene, wire
from tests.py.attacks.attacked import TOKEN_KEY, TOKEN_SECRET, Gatekeeper, running
from tests.py.attacks.credentials import Issuer
from tests.py.attacks.guests import COOKIE, Guest
from tests.py.attacks.hostile import corpus
from tests.py.attacks.recorder import Recorder
from tests.py.attacks.striking import Stage
from tests.py.electric.electrics import SECRET, Electric
from tests.py.waiting import wait_until

_BROKEN = b"HTTP/1.1 500 Oh\r\ncontent-length: 9\r\nconnection: close\r\n\r\nmark-row-"


@pytest.fixture(scope="module")
def talkative(folder: Path, issuer: Issuer, environment: dict[str, str]) -> Iterator[Gatekeeper]:
    """Return a gatekeeper whose log is of this module alone."""
    with running(folder, issuer, environment) as gatekeeper:
        yield gatekeeper


def test_nothing_secret_is_told_whatever_happens(
    talkative: Gatekeeper,
    recorder: Recorder,
    attacked_electric: Electric,
    stage: Stage,
    writer: Connection,
) -> None:
    own = Stage(talkative, recorder, attacked_electric.server, stage.canon)
    for attack in corpus():
        own.send(attack)
    guest = Guest(talkative).enter(writer)
    secret = guest.sign_in()
    held_token = guest.header("cookie token").rpartition(" ")[2]
    _let_everything_fail(own, recorder, secret)
    asked = guest.request("cookie", f"Cookie: {COOKIE}={secret}", "offset=-1")
    # A connection that was cut is found out by who gets it.
    wait_until(lambda: wire.exchange(talkative.port, asked).status == httpx.codes.OK)

    told = talkative.printed() + talkative.figures()
    names = own.names()
    secrets = {
        "Electric's secret": SECRET,
        "Electric's address": f"{own.canon.host}/v1/shape",
        "a shape token": names["token"],
        "a part of a shape token": names["token"].split(".")[1][:40],
        "a signature": names["token"].split(".")[2],
        "a token of a login session": held_token,
        "a token of the issuer": names["jwt"],
        "the key of shape tokens": TOKEN_KEY,
        "the key of shape tokens, decoded": TOKEN_SECRET.decode(),
        "a cookie": secret,
        "a row": "mark-",
        "a handle": names["handle"],
        "a session": "theirs",
        "a traceback": "Traceback",
        "a login": attacked_electric.server.conninfo,
    }
    assert {what: value for what, value in secrets.items() if value in told} == {}
    assert talkative.printed().count("\n") > 5, "it did log"
    assert "gatekeeper_requests_total" in talkative.figures()


def test_what_is_told_would_be_seen(
    folder: Path, issuer: Issuer, environment: dict[str, str], recorder: Recorder
) -> None:
    """With the text of an error in its log, the secret is there, and found."""
    with running(folder, issuer, environment, "tell_what_failed") as gatekeeper:
        asked = gatekeeper.shape_token(scene.ACCOUNT, shape="session_todos", session_id="s1")
        recorder.canned = b"no HTTP\r\n\r\n"
        try:
            with gatekeeper.client() as client:
                client.get(
                    "/v1/shape?offset=-1", headers={"authorization": f"Bearer {asked['token']}"}
                )
        finally:
            recorder.canned = None
    assert SECRET in gatekeeper.printed()


def _let_everything_fail(stage: Stage, recorder: Recorder, secret: str) -> None:
    """Electric answers nonsense, then nothing; Postgres cuts every connection."""
    bearer = {"authorization": f"Bearer {stage.names()['token']}"}
    with stage.gatekeeper.client() as client:
        for number, canned in enumerate((_BROKEN, b"mark-row-", b"")):
            recorder.canned = canned
            bust = f"/v1/shape?offset=-1&cache-buster=123456789012{number}-a"
            answer = client.get(bust, headers=bearer)
            assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
            assert "mark-" not in answer.text
        recorder.canned = None
        for _ in range(3):
            _cut(stage)
            answer = client.get(
                "/v1/sessions/s1/shapes/session_todos?offset=-1",
                headers={"cookie": f"{COOKIE}={secret}"},
            )
            assert answer.status_code < 600


def _cut(stage: Stage) -> None:
    with stage.database() as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and application_name like 'sessionbase gatekeeper%'"
        )
