"""An Electric that answers what it should not: nothing of it gets to a client."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.py.attacks import scene
from tests.py.attacks.attacked import Gatekeeper, running
from tests.py.attacks.credentials import Issuer
from tests.py.attacks.recorder import Recorder
from tests.py.electric.electrics import SECRET

_TELLING = b"mark-attacked-theirs-row " + SECRET.encode()
_PARTS = (
    b"electric-handle: 1-1700000000000000\r\nelectric-offset: 0_inf\r\nelectric-schema: {}\r\n"
    b"content-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n"
)


def _answer(status: str, *headers: str, body: bytes = _TELLING) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


REFUSED = {
    "a redirect to elsewhere": _answer("302 Found", "location: http://127.0.0.1:9/elsewhere"),
    "a redirect to itself": _answer("307 Temporary Redirect", "location: /v1/shape?table=x"),
    "an error that tells": _answer("500 Internal Server Error"),
    "a refusal that tells": _answer("400 Bad Request", "content-type: application/json"),
    "a wrong secret": _answer("401 Unauthorized"),
    "a failed snapshot that tells": _answer("503 Service Unavailable", "retry-after: 7"),
    "a page that is not there": _answer("404 Not Found"),
    "no HTTP": _TELLING + b"\r\n\r\n",
    "nothing": b"",
    "no handle": _answer("200 OK", "content-type: application/json", body=b"[]"),
}


@pytest.fixture
def bad_electric(recorder: Recorder) -> Iterator[Recorder]:
    """Return a recorder that answers itself, with what the test says."""
    yield recorder
    recorder.canned = None


@contextmanager
def _fresh(
    folder: Path, issuer: Issuer, environment: dict[str, str]
) -> Iterator[tuple[Gatekeeper, httpx.Client]]:
    with running(folder, issuer, environment) as gatekeeper:
        asked = gatekeeper.shape_token(scene.ACCOUNT, shape="session_todos", session_id="s1")
        with gatekeeper.client() as client:
            client.headers["authorization"] = f"Bearer {asked['token']}"
            yield gatekeeper, client


@pytest.fixture(scope="module")
def shaped(folder: Path, issuer: Issuer, environment: dict[str, str]) -> Iterator[httpx.Client]:
    """Return a client with a shape token, on a gatekeeper that has nothing in its cache."""
    with _fresh(folder, issuer, environment) as (_, client):
        yield client


@pytest.mark.parametrize("say", REFUSED)
def test_what_electric_should_not_say_is_unavailable(
    say: str, bad_electric: Recorder, shaped: httpx.Client
) -> None:
    bad_electric.canned = REFUSED[say]
    since = bad_electric.count
    answer = shaped.get("/v1/shape?offset=-1")
    # A refusal is one to us as well, in our words.
    assert answer.status_code == (400 if say == "a refusal that tells" else 503)
    assert set(answer.json()) == {"error"}
    assert SECRET not in answer.text
    assert "mark-" not in answer.text
    assert "location" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    # Once, or once more: nobody followed where it was sent.
    assert 1 <= len(bad_electric.heads(since)) <= 2
    assert all(head.startswith(b"GET /v1/shape?") for head in bad_electric.heads(since))


def test_half_of_an_answer_is_not_taken_for_a_whole_one(
    bad_electric: Recorder, shaped: httpx.Client
) -> None:
    half = b"HTTP/1.1 200 OK\r\n" + _PARTS.replace(b": 2", b": 999") + b"\r\n["
    bad_electric.canned = half
    with pytest.raises(httpx.RemoteProtocolError):
        shaped.get("/v1/shape?offset=-1")
    bad_electric.canned = half.replace(b"999", b"2") + b"]"
    assert shaped.get("/v1/shape?offset=-1").json() == [], "and none was kept"


def test_of_headers_only_those_that_are_known_come_back(
    bad_electric: Recorder, shaped: httpx.Client
) -> None:
    bad_electric.canned = (
        b"HTTP/1.1 200 OK\r\n" + _PARTS + b"set-cookie: a=b\r\naccess-control-allow-origin: *\r\n"
        b"electric-server: ElectricSQL/9\r\nx-request-id: theirs\r\nserver: bandit\r\n"
        b"cache-control: public, max-age=604800\r\nelectric-internal-known-error: x\r\n"
        b'x-anything: x\r\nvary: accept-encoding\r\netag: "1-1700000000000000:-1:0_inf"\r\n\r\n[]'
    )
    answer = shaped.get("/v1/shape?offset=-1&cache-buster=1234567890123-a")
    assert answer.status_code == 200
    known = {
        "electric-handle", "electric-offset", "electric-schema", "content-type", "content-length",
        "cache-control", "vary", "etag", "date", "connection", "transfer-encoding",
        "x-content-type-options", "x-request-id",
    }  # fmt: skip
    assert set(answer.headers) <= known
    assert answer.headers.get("x-request-id") != "theirs"
    assert "public" not in answer.headers["cache-control"]
    assert "authorization" in answer.headers["vary"].lower()


def test_a_must_refetch_has_one_body_and_its_handle(
    bad_electric: Recorder, shaped: httpx.Client
) -> None:
    bad_electric.canned = _answer("409 Conflict", "electric-handle: 2-1700000000000000")
    answer = shaped.get("/v1/shape?offset=0_0&handle=1-1700000000000000")
    assert answer.status_code == 409
    assert answer.json() == [{"headers": {"control": "must-refetch"}}]
    assert answer.headers["electric-handle"] == "2-1700000000000000"
