"""Login sessions under attack: fixation, theft, replay, and other sites' pages."""

from collections.abc import Iterator
from http.cookies import SimpleCookie
from uuid import uuid4

import httpx
import pytest

from harness.connections import Connection
from tests.py.attacks import scene, wire
from tests.py.attacks.attacked import Gatekeeper
from tests.py.attacks.guests import COOKIE, ORIGIN, Guest, secret_of

_LET_IN = [
    {"sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "same-origin", "origin": ORIGIN},
    {"origin": ORIGIN},
]
_KEPT_OUT = [
    {},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "none"},
    {"sec-fetch-site": ""},
    {"sec-fetch-site": "Same-Origin, cross-site"},
    {"sec-fetch-site": "cross-site", "origin": ORIGIN},
    {"sec-fetch-site": "same-site", "origin": ORIGIN},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "https://elsewhere.example"},
    {"origin": "http://chat.example"},
    {"origin": "https://chat.example:444"},
    {"origin": "https://chat.example.elsewhere.example"},
    {"origin": "https://sub.chat.example"},
    {"origin": "https://chat.example/"},
    {"origin": f"{ORIGIN}, https://elsewhere.example"},
    {"referer": f"{ORIGIN}/page"},
    {"host": "chat.example"},
    {"x-forwarded-host": "chat.example", "origin": "https://elsewhere.example"},
]

ODD_COOKIES = [
    "{name}={secret}; {name}={secret}",
    "{name}=x; {name}={secret}",
    "{name}={secret}; {name}=x",
    "{name}={secret}\r\nCookie: {name}=x",
    "{name}=x\r\nCookie: {name}={secret}",
    '{name}="{secret}"',
    "{name}={secret}x",
    "{name}=x{secret}",
    "{name}={secret}=",
    "{name}={secret}%00",
    "{name}={secret},",
    "{name}=",
    "{name}",
    "={secret}",
    "__host-sessionbase={secret}",
    "__HOST-SESSIONBASE={secret}",
    "sessionbase={secret}",
    "__Host-sessionbase2={secret}",
    "__Host-sessionbase[]={secret}",
    "__Secure-sessionbase={secret}",
    "x={name}={secret}",
    "{name}={upper}",
    "{name}={account}",
    "{name}={half}",
    "{name}=../../etc/passwd",
    "{name}=' or true--",
    "{name}=\xff\xfe",
    "{name}=" + "x" * 10_000,
]


@pytest.fixture
def client(gatekeeper: Gatekeeper) -> Iterator[httpx.Client]:
    """Return a client without credentials."""
    with gatekeeper.client() as client:
        yield client


def _cookie(secret: str) -> dict[str, str]:
    return {"cookie": f"{COOKIE}={secret}"}


def _sign_in(client: httpx.Client, guest: Guest, **headers: str) -> httpx.Response:
    known = {"authorization": f"Bearer {guest.jwt()}"}
    return client.post("/auth/session", headers=known | headers)


def _status(client: httpx.Client, secret: str) -> int:
    return client.get("/auth/session", headers=_cookie(secret)).status_code


def _grow_old(writer: Connection, guest: Guest, assignment: str) -> None:
    """Change the secrets of an account's login sessions, as time would."""
    writer.execute(
        f"update auth.login_secrets set {assignment} where login_session_id in "
        "(select id from auth.login_sessions where account_id = %s)",
        [guest.account],
    )


def test_the_cookie_is_for_this_host_and_no_script(client: httpx.Client, guest: Guest) -> None:
    answer = _sign_in(client, guest)
    assert answer.is_success, answer.text
    cookie = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    assert cookie["secure"]
    assert cookie["httponly"]
    assert cookie["path"] == "/"
    assert not cookie["domain"]
    assert cookie["samesite"].lower() in {"lax", "strict"}
    assert len(cookie.value) >= 43, "256 random bits"
    assert answer.headers["cache-control"] == "no-store"
    assert cookie.value not in answer.text


def test_a_secret_is_nowhere_but_in_the_browser(
    client: httpx.Client, guest: Guest, writer: Connection
) -> None:
    secret = guest.sign_in()
    assert _status(client, secret) == 200
    found = writer.execute(
        "select count(*) from auth.login_secrets as s join auth.login_sessions as l "
        "on l.id = s.login_session_id "
        "where position(%s in s::text || l::text) > 0 or s.secret_hash = %s::bytea",
        [secret, secret.encode()],
    ).fetchone()
    assert found == (0,)


def test_a_secret_is_never_the_clients_choice(client: httpx.Client, guest: Guest) -> None:
    """Fixation: what was planted before the sign-in is no secret after it."""
    planted = "A" * 43
    answer = _sign_in(client, guest, cookie=f"{COOKIE}={planted}")
    assert answer.is_success or answer.status_code == 401
    assert _status(client, planted) == 401
    first, second = guest.sign_in(), guest.sign_in()
    assert len({planted, first, second}) == 3
    assert _status(client, first) == _status(client, second) == 200


def test_signing_in_over_another_login_session_gives_a_new_one(
    client: httpx.Client, guest: Guest, gatekeeper: Gatekeeper, writer: Connection
) -> None:
    """The attacker's own session, planted in a browser, does not become that of who signs in."""
    attacker = Guest(gatekeeper).enter(writer)
    planted = attacker.sign_in()
    answer = _sign_in(client, guest, cookie=f"{COOKIE}={planted}")
    if answer.is_success:
        assert secret_of(answer.headers["set-cookie"]) != planted
    else:
        assert answer.status_code == 400
    mine = client.get("/auth/session", headers=_cookie(planted))
    assert guest.account not in mine.text


def test_a_secret_that_was_stolen_is_found_out_once_it_is_old(
    client: httpx.Client, guest: Guest, writer: Connection
) -> None:
    stolen = guest.sign_in()
    _grow_old(writer, guest, "rotated_at = now() - interval '1 day'")
    renewed = client.get("/auth/session", headers=_cookie(stolen))
    assert renewed.is_success
    secret = secret_of(renewed.headers["set-cookie"])
    assert secret != stolen
    # Requests that were under way bring the old one for a while yet.
    assert _status(client, stolen) == _status(client, secret) == 200
    _grow_old(writer, guest, "previous_until = now() - interval '1 second'")
    assert _status(client, secret) == 200
    assert _status(client, stolen) == 401
    # Two hold it, and nobody knows which of them is its owner.
    assert _status(client, secret) == 401


def test_what_is_signed_out_is_not_played_again(client: httpx.Client, guest: Guest) -> None:
    secret = guest.sign_in()
    token = _token(client, guest, secret)
    assert _status(client, secret) == 200
    answer = client.delete(
        "/auth/session", headers=_cookie(secret) | {"sec-fetch-site": "same-origin"}
    )
    assert answer.is_success
    cleared = answer.headers["clear-site-data"]
    assert {'"cache"', '"cookies"', '"storage"'} <= {one.strip() for one in cleared.split(",")}
    assert answer.headers["cache-control"] == "no-store"
    assert _status(client, secret) == 401
    shaped = client.get("/v1/shape?offset=-1", headers={"authorization": f"Bearer {token}"})
    assert shaped.status_code == 401, "its shape tokens end with it"


def _token(client: httpx.Client, guest: Guest, secret: str) -> str:
    answer = client.post("/v1/shape-tokens", json=guest.order, headers=_cookie(secret) | _LET_IN[0])
    assert answer.is_success, answer.text
    return str(answer.json()["token"])


@pytest.mark.parametrize("over", ["idle_expires_at", "idle_expires_at, absolute_expires_at"])
def test_a_login_session_whose_time_is_over_is_none(
    over: str, client: httpx.Client, guest: Guest, writer: Connection
) -> None:
    secret = guest.sign_in()
    assert _status(client, secret) == 200
    assignments = ", ".join(f"{name} = now() - interval '1 second'" for name in over.split(", "))
    writer.execute(
        f"update auth.login_sessions set {assignments} where account_id = %s", [guest.account]
    )
    assert _status(client, secret) == 401


@pytest.mark.parametrize("cookie", ODD_COOKIES)
def test_a_cookie_that_is_not_exactly_ours_is_none(cookie: str, guest: Guest) -> None:
    secret = guest.sign_in()
    names = {
        "name": COOKIE,
        "secret": secret,
        "upper": secret.swapcase(),
        "account": guest.account,
        "half": secret[: len(secret) // 2],
    }
    for name, value in names.items():
        cookie = cookie.replace(f"{{{name}}}", value)
    request = (
        f"GET {guest.here} HTTP/1.1\r\nHost: {guest.gatekeeper.host}\r\nCookie: {cookie}\r\n"
        "Connection: close\r\n\r\n"
    )
    answered = wire.exchange(guest.gatekeeper.port, request.encode("latin-1"))
    assert answered.status in {400, 401}
    assert scene.whose(answered.raw) == []


def test_two_credentials_that_disagree_are_none(
    client: httpx.Client, guest: Guest, gatekeeper: Gatekeeper, writer: Connection
) -> None:
    other = Guest(gatekeeper, session=guest.session).enter(writer)
    headers = _cookie(guest.sign_in())
    both = client.get(guest.here, headers=headers | {"authorization": f"Bearer {guest.jwt()}"})
    torn = client.get(guest.here, headers=headers | {"authorization": f"Bearer {other.jwt()}"})
    spoiled = client.get(guest.here, headers=headers | {"authorization": "Bearer garbage"})
    assert both.status_code == 200
    assert torn.status_code == 400
    assert spoiled.status_code == 401


def test_only_a_token_of_the_issuer_signs_in(client: httpx.Client, guest: Guest) -> None:
    secret = guest.sign_in()
    token = _token(client, guest, secret)
    for headers in (
        {},
        _cookie(secret) | _LET_IN[0],
        {"authorization": f"Bearer {token}"},
        {"authorization": f"Bearer {secret}"},
    ):
        answer = client.post("/auth/session", headers=headers)
        assert answer.status_code in {400, 401}, headers.keys()
        assert "set-cookie" not in answer.headers


def _write(
    client: httpx.Client, guest: Guest, method: str, path: str, headers: dict[str, str]
) -> int:
    order = guest.order if path == "/v1/shape-tokens" else None
    return client.request(method, path, headers=headers, json=order).status_code


WRITES = [
    ("POST", "/v1/shape-tokens"),
    ("DELETE", "/auth/session"),
    ("DELETE", "/auth/sessions"),
    ("DELETE", "/auth/sessions/00000000-0000-4000-8000-000000000000"),
]


@pytest.mark.parametrize("headers", _KEPT_OUT, ids=str)
@pytest.mark.parametrize(("method", "path"), WRITES)
def test_another_sites_page_writes_nothing(
    method: str, path: str, headers: dict[str, str], client: httpx.Client, guest: Guest
) -> None:
    secret = guest.sign_in()
    assert _write(client, guest, method, path, _cookie(secret) | headers) == 403
    assert _status(client, secret) == 200, "nothing was ended"


@pytest.mark.parametrize("headers", _LET_IN, ids=str)
@pytest.mark.parametrize(("method", "path"), WRITES[:3])
def test_ones_own_page_writes(
    method: str, path: str, headers: dict[str, str], client: httpx.Client, guest: Guest
) -> None:
    status = _write(client, guest, method, path, _cookie(guest.sign_in()) | headers)
    assert 200 <= status < 300


def test_who_shows_a_token_is_no_other_sites_page(client: httpx.Client, guest: Guest) -> None:
    """A page of another site can't add the header."""
    headers = {"authorization": f"Bearer {guest.jwt()}", "sec-fetch-site": "cross-site"}
    assert _write(client, guest, "POST", "/v1/shape-tokens", headers) == 200


def test_a_login_session_of_another_is_one_that_is_nowhere(
    client: httpx.Client, guest: Guest, gatekeeper: Gatekeeper, writer: Connection
) -> None:
    other = Guest(gatekeeper).enter(writer)
    theirs = other.sign_in()
    row = writer.execute(
        "select id from auth.login_sessions where account_id = %s", [other.account]
    ).fetchone()
    assert row
    headers = _cookie(guest.sign_in()) | _LET_IN[0]
    there = client.delete(f"/auth/sessions/{row[0]}", headers=headers)
    nowhere = client.delete(f"/auth/sessions/{uuid4()}", headers=headers)
    assert there.status_code == nowhere.status_code == 403
    assert there.content == nowhere.content
    assert _status(client, theirs) == 200
    listed = client.get("/auth/sessions", headers=headers)
    assert listed.is_success
    assert str(row[0]) not in listed.text
    assert "secret" not in listed.text
    assert "hash" not in listed.text
