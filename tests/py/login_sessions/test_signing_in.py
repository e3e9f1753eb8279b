"""Signing in and out over HTTP: cookies, their secrets, and who may end what."""

import re
from uuid import UUID, uuid4

import httpx
import pytest

from harness.connections import Connection
from tests.py.gatekeeper.issuers import ISSUER, Issuer
from tests.py.login_sessions.conftest import ORIGIN, SAME_ORIGIN, Client
from tests.py.login_sessions.people import (
    Person,
    hash_of,
    let_time_pass,
    share,
    sign_in,
    why_revoked,
)

_COOKIE = re.compile(
    r"__Host-sessionbase=([A-Za-z0-9_-]{43}); Path=/; Secure; HttpOnly; SameSite=Strict"
)
_GONE = "__Host-sessionbase=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict"
_CLEARED = '"cache", "cookies", "storage"'


def secret_in(answer: httpx.Response) -> str:
    """Return the secret that an answer gives the browser."""
    match = _COOKIE.fullmatch(answer.headers["set-cookie"])
    assert match, "the cookie is not as it should be"
    return match[1]


def signed_in(client: Client, issuer: Issuer, person: Person, **headers: str) -> httpx.Response:
    token = issuer.token(person.subject)
    return client(authorization=f"Bearer {token}").post("/auth/session", headers=headers)


def is_good(client: Client, secret: str) -> bool:
    return client(secret).get("/auth/session").status_code == 200


def test_a_jwt_is_exchanged_for_a_cookie(
    client: Client, issuer: Issuer, ada: Person, admin: Connection
) -> None:
    answer = signed_in(client, issuer, ada, **{"user-agent": "a browser"})
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    secret = secret_in(answer)
    who = client(secret).get("/auth/session")
    assert who.headers["cache-control"] == "no-store"
    assert who.json() == answer.json()
    assert who.json()["account_id"] == str(ada.account_id)
    assert who.json()["kind"] == "login_session"
    assert admin.execute(
        "select login_session_id, user_agent from auth.login_secrets "
        "inner join auth.login_sessions on login_session_id = id where secret_hash = %s",
        [hash_of(secret)],
    ).fetchall() == [(UUID(who.json()["login_session_id"]), "a browser")]


def test_no_secret_is_in_the_database(
    client: Client, issuer: Issuer, ada: Person, admin: Connection
) -> None:
    secret = secret_in(signed_in(client, issuer, ada))
    rows = admin.execute(
        "select to_jsonb(session) || to_jsonb(secret) from auth.login_sessions as session "
        "inner join auth.login_secrets as secret on session.id = secret.login_session_id "
        "where account_id = %s",
        [ada.account_id],
    ).fetchall()
    assert len(rows) == 1
    assert hash_of(secret).hex() in str(rows)
    assert secret not in str(rows)
    assert secret.encode().hex() not in str(rows)


def test_who_is_unknown_or_disabled_does_not_sign_in(
    client: Client, issuer: Issuer, ada: Person, admin: Connection
) -> None:
    nobody = Person(uuid4(), "nobody")
    assert signed_in(client, issuer, nobody).status_code == 403
    assert signed_in(client, issuer, ada).status_code == 201
    admin.execute("update app.accounts set status = 'disabled' where id = %s", [ada.account_id])
    refused = signed_in(client, issuer, ada)
    assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)


def test_without_a_token_nobody_signs_in(client: Client, admin: Connection, ada: Person) -> None:
    assert client().post("/auth/session").status_code == 401
    assert client(authorization="Bearer x").post("/auth/session").status_code == 401
    _, secret = sign_in(admin, ada)
    assert is_good(client, secret)
    assert client(secret, **SAME_ORIGIN).post("/auth/session").status_code == 401


def test_who_signs_in_gets_a_secret_that_nobody_knew(
    client: Client, issuer: Issuer, ada: Person, bob: Person, admin: Connection
) -> None:
    planted = "A" * 43
    answer = signed_in(client, issuer, ada, cookie=f"__Host-sessionbase={planted}")
    assert secret_in(answer) != planted
    assert not is_good(client, planted)
    # Somebody plants the cookie of a login session of their own.
    own_id, own = sign_in(admin, bob)
    assert is_good(client, own)
    answer = signed_in(client, issuer, ada, cookie=f"__Host-sessionbase={own}")
    assert secret_in(answer) != own
    assert why_revoked(admin, own_id) == "signed out"
    assert client(secret_in(answer)).get("/auth/session").json()["account_id"] == str(
        ada.account_id
    )


@pytest.mark.parametrize("secret", ["", "x", "A" * 43, "A" * 44, "A" * 5000, "é" * 43, "'; --"])
def test_what_is_no_secret_is_nobody(client: Client, secret: str) -> None:
    raw = [(b"cookie", b"__Host-sessionbase=" + secret.encode("latin-1"))]
    answer = client().get("/auth/session", headers=httpx.Headers(raw))
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "not_signed_in")


def test_a_cookie_without_its_prefix_is_none(
    client: Client, ada: Person, admin: Connection
) -> None:
    _, secret = sign_in(admin, ada)
    assert is_good(client, secret)
    assert client(cookie=f"sessionbase={secret}").get("/auth/session").status_code == 401


def test_a_secret_is_replaced_when_it_is_old(
    client: Client, ada: Person, admin: Connection
) -> None:
    login_session_id, old = sign_in(admin, ada)
    assert "set-cookie" not in client(old).get("/auth/session").headers
    let_time_pass(admin, old, "500 s")
    admin.execute(
        "update auth.login_secrets set rotated_at = rotated_at - interval '1 hour' "
        "where login_session_id = %s",
        [login_session_id],
    )
    answer = client(old).get("/auth/sessions")
    new = secret_in(answer)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json()["sessions"][0]["is_current"]
    # Requests that were under way have the old one, which brings no third.
    again = client(old).get("/auth/session")
    assert (again.status_code, "set-cookie" in again.headers) == (200, False)
    assert again.json()["login_session_id"] == str(login_session_id)
    assert is_good(client, new)
    let_time_pass(admin, new, "61 s")
    assert is_good(client, new)
    assert not is_good(client, old)
    assert why_revoked(admin, login_session_id) == "old secret used"
    assert not is_good(client, new)


def test_a_secret_is_replaced_when_a_role_changes(
    client: Client, ada: Person, bob: Person, admin: Connection
) -> None:
    share(admin, bob, ada, "session-shared")
    _, old = sign_in(admin, ada)
    assert "set-cookie" not in client(old).get("/auth/session").headers
    admin.execute(
        "update app.session_members set role = 'editor' where member_account_id = %s",
        [ada.account_id],
    )
    assert secret_in(client(old).get("/auth/session")) != old


def test_what_is_refused_replaces_a_secret_too(
    client: Client, ada: Person, admin: Connection
) -> None:
    login_session_id, old = sign_in(admin, ada)
    admin.execute(
        "update auth.login_secrets set rotation_asked = true where login_session_id = %s",
        [login_session_id],
    )
    answer = client(old, **SAME_ORIGIN).delete(f"/auth/sessions/{uuid4()}")
    assert answer.status_code == 403
    assert is_good(client, secret_in(answer))


@pytest.mark.parametrize(
    ("passed", "used"), [("601 s", False), ("6001 s", True)], ids=["unused", "for all its time"]
)
def test_a_login_session_ends(
    client: Client, ada: Person, admin: Connection, passed: str, *, used: bool
) -> None:
    login_session_id, secret = sign_in(admin, ada)
    assert is_good(client, secret)
    if used:
        admin.execute(
            "update auth.login_sessions set idle_expires_at = absolute_expires_at where id = %s",
            [login_session_id],
        )
        let_time_pass(admin, secret, "601 s")
        assert is_good(client, secret)
    let_time_pass(admin, secret, passed)
    assert not is_good(client, secret)


def test_signing_out_clears_the_browser(client: Client, ada: Person, admin: Connection) -> None:
    login_session_id, secret = sign_in(admin, ada)
    answer = client(secret).delete("/auth/session", headers=SAME_ORIGIN)
    assert answer.status_code == 204
    assert answer.headers["clear-site-data"] == _CLEARED
    assert answer.headers["set-cookie"] == _GONE
    assert answer.headers["cache-control"] == "no-store"
    assert why_revoked(admin, login_session_id) == "signed out"
    assert not is_good(client, secret)
    # Twice is as once; and who has none is told so.
    assert client(secret).delete("/auth/session", headers=SAME_ORIGIN).status_code == 204
    assert client().delete("/auth/session", headers=SAME_ORIGIN).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": ORIGIN}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": f"{ORIGIN}.evil.example"}, 403),
        ({"referer": f"{ORIGIN}/"}, 403),
        ({"origin": ORIGIN}, 204),
        ({"sec-fetch-site": "same-origin"}, 204),
    ],
)
@pytest.mark.parametrize("path", ["/auth/session", "/auth/sessions", "/auth/sessions/{id}"])
def test_no_other_site_writes_with_the_cookie(  # noqa: PLR0913, PLR0917 - a case is two
    client: Client,
    ada: Person,
    admin: Connection,
    path: str,
    headers: dict[str, str],
    status: int,
) -> None:
    login_session_id, secret = sign_in(admin, ada)
    answer = client(secret).delete(path.format(id=login_session_id), headers=headers)
    assert answer.status_code == status
    assert (why_revoked(admin, login_session_id) is None) == (status == 403)


def test_no_other_site_signs_anybody_in(client: Client, issuer: Issuer, ada: Person) -> None:
    evil = {"sec-fetch-site": "cross-site"}
    assert signed_in(client, issuer, ada, **evil).status_code == 403
    assert signed_in(client, issuer, ada, **SAME_ORIGIN).status_code == 201


def test_everybody_sees_their_own(
    client: Client, ada: Person, bob: Person, admin: Connection
) -> None:
    own = [sign_in(admin, ada) for _ in range(3)]
    another, _ = sign_in(admin, bob)
    listed = client(own[1][1]).get("/auth/sessions").json()["sessions"]
    assert {row["id"] for row in listed} == {str(each[0]) for each in own}
    assert [row["id"] for row in listed if row["is_current"]] == [str(own[1][0])]
    assert "hash" not in str(listed)
    assert why_revoked(admin, another) is None


def test_nobody_ends_anothers(client: Client, ada: Person, bob: Person, admin: Connection) -> None:
    _, secret = sign_in(admin, ada)
    another, _ = sign_in(admin, bob)
    asking = client(secret, **SAME_ORIGIN)
    refused = [asking.delete(f"/auth/sessions/{name}") for name in (another, uuid4(), "x")]
    assert {answer.status_code for answer in refused} == {403}
    assert len({answer.content for answer in refused}) == 1
    assert why_revoked(admin, another) is None


def test_one_ends_ones_own(client: Client, ada: Person, admin: Connection) -> None:
    here, there, elsewhere = (sign_in(admin, ada) for _ in range(3))
    asking = client(here[1])
    answer = asking.delete(f"/auth/sessions/{there[0]}", headers=SAME_ORIGIN)
    assert (answer.status_code, "clear-site-data" in answer.headers) == (204, False)
    assert [is_good(client, each[1]) for each in (here, there, elsewhere)] == [True, False, True]
    answer = asking.delete("/auth/sessions", headers=SAME_ORIGIN)
    assert (answer.status_code, answer.headers["clear-site-data"]) == (204, _CLEARED)
    assert [is_good(client, each[1]) for each in (here, there, elsewhere)] == [False, False, False]


def test_a_bearer_ends_login_sessions_too(
    client: Client, issuer: Issuer, ada: Person, admin: Connection
) -> None:
    _, secret = sign_in(admin, ada)
    bearer = client(authorization=f"Bearer {issuer.token(ada.subject)}")
    assert bearer.delete("/auth/sessions").status_code == 204
    assert not is_good(client, secret)


def test_a_removed_identity_is_signed_out(client: Client, ada: Person, admin: Connection) -> None:
    _, secret = sign_in(admin, ada)
    assert is_good(client, secret)
    admin.execute(
        "delete from auth.identities where (issuer, subject) = (%s, %s)", [ISSUER, ada.subject]
    )
    assert not is_good(client, secret)
