"""Tokens of the issuer: whose are believed, and how keys come and go."""

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gatekeeper import identity_tokens
from gatekeeper.errors import Refusal
from gatekeeper.identity_tokens import Identity, IdentityTokens
from gatekeeper.settings import GatekeeperSettings
from tests.py.gatekeeper.issuers import AUDIENCE, ISSUER, Issuer, new_issuer

_SECRET = "s" * 40


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return new_issuer(tmp_path)


def verify(tokens: IdentityTokens, token: str) -> Identity:
    return asyncio.run(tokens.verify(token))


def verifier(issuer: Issuer, **more: Any) -> IdentityTokens:  # noqa: ANN401 - any setting
    return IdentityTokens(GatekeeperSettings(_env_file=None, **(issuer.settings() | more)))


def code(tokens: IdentityTokens, token: str) -> tuple[int, str]:
    """Return what a token is refused with."""
    with pytest.raises(Refusal) as refusal:
        verify(tokens, token)
    return refusal.value.status, refusal.value.code


def test_who_the_issuer_names_is_known_until_then(issuer: Issuer) -> None:
    now = int(time())
    found = verify(verifier(issuer, jwt_leeway_s=0), issuer.token("somebody", exp=now + 60))
    assert found == Identity(ISSUER, "somebody", now + 60)


def test_clocks_may_be_a_little_apart(issuer: Issuer) -> None:
    tokens, now = verifier(issuer, jwt_leeway_s=30), int(time())
    assert verify(tokens, issuer.token("a", exp=now - 10, nbf=now + 10)).subject == "a"
    assert code(tokens, issuer.token("a", exp=now - 60)) == (401, "token_expired")
    assert code(tokens, issuer.token("a", nbf=now + 60)) == (401, "token_invalid")


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "https://elsewhere.example"},
        {"aud": None},
        {"exp": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a\0b"},
    ],
)
def test_another_claim_is_not_believed(issuer: Issuer, claims: dict[str, Any]) -> None:
    token = issuer.token("somebody")
    assert verify(verifier(issuer), token).subject == "somebody"
    kid, key = next(iter(issuer.keys.items()))
    said = jwt.decode(token, options={"verify_signature": False}) | claims
    said = {name: value for name, value in said.items() if value is not None}
    # PyJWT itself signs no sub that is no text.
    body = json.dumps(said).encode()
    forged = jwt.PyJWS().encode(body, key, algorithm="EdDSA", headers={"kid": kid})
    assert code(verifier(issuer), forged) == (401, "token_invalid")


def test_another_key_or_algorithm_is_not_believed(issuer: Issuer, tmp_path: Path) -> None:
    tokens = verifier(issuer)
    (tmp_path / "other").mkdir()
    other = new_issuer(tmp_path / "other")
    assert code(tokens, other.token("somebody")) == (401, "token_invalid")
    kid, key = next(iter(issuer.keys.items()))
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "somebody", "exp": int(time()) + 60}
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    confused = jwt.encode(claims, public, algorithm="HS256", headers={"kid": kid})
    bare = jwt.encode(claims, "", algorithm="none", headers={"kid": kid})
    elsewhere = {"kid": "x", "jku": "http://127.0.0.1:9/keys", "jwk": {"kty": "OKP"}}
    stranger = jwt.encode(claims, Ed25519PrivateKey.generate(), "EdDSA", headers=elsewhere)
    for token in (confused, bare, stranger, "", "a.b.c", "a" * 9000):
        assert code(tokens, token) == (401, "token_invalid")


def test_a_file_that_changed_is_read_again(issuer: Issuer) -> None:
    tokens = verifier(issuer)
    old = issuer.token("somebody")
    assert verify(tokens, old).subject == "somebody"
    issuer.add_key("second")
    assert verify(tokens, issuer.token("somebody")).subject == "somebody"
    assert verify(tokens, old).subject == "somebody"
    del issuer.keys["first"]
    issuer.add_key("third")
    assert code(tokens, old) == (401, "token_invalid")


def test_without_keys_nobody_is_judged(issuer: Issuer) -> None:
    token = issuer.token("somebody")
    issuer.jwks_file.unlink()
    assert code(verifier(issuer), token) == (503, "unavailable")
    issuer.jwks_file.write_text("no keys")
    assert code(verifier(issuer), token) == (503, "unavailable")


def test_a_shared_secret_serves_one_application(issuer: Issuer) -> None:
    tokens = verifier(issuer, jwks_file=None, jwt_secret=_SECRET, jwt_algorithms=("HS256",))
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "somebody", "exp": int(time()) + 60}
    assert verify(tokens, jwt.encode(claims, _SECRET)).subject == "somebody"
    assert code(tokens, jwt.encode(claims, "x" * 40)) == (401, "token_invalid")
    assert code(tokens, issuer.token("somebody")) == (401, "token_invalid")


class Keys(BaseHTTPRequestHandler):
    """Gives an issuer's keys, and counts."""

    issuer: Issuer
    asked = 0
    status = 200

    def do_GET(self) -> None:
        """Answer."""
        type(self).asked += 1
        self.send_response(self.status)
        self.send_header("location", "http://127.0.0.1:9/")
        self.end_headers()
        self.wfile.write(json.dumps(self.issuer.jwks()).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def keys(issuer: Issuer) -> Iterator[tuple[str, type[Keys]]]:
    """Serve the keys. Gives the address, and what is served."""

    class Ours(Keys):
        pass

    Ours.issuer = issuer
    with ThreadingHTTPServer(("127.0.0.1", 0), Ours) as web:
        thread = Thread(target=web.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{web.server_address[1]}/keys", Ours
        web.shutdown()
        thread.join()


def test_keys_are_fetched_again_for_a_token_that_names_another(
    issuer: Issuer, keys: tuple[str, type[Keys]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, served = keys

    async def run() -> None:
        tokens = verifier(issuer, jwks_file=None, jwks_url=url)
        old = issuer.token("somebody")
        together = await asyncio.gather(*(tokens.verify(old) for _ in range(5)))
        assert [found.subject for found in together] == ["somebody"] * 5
        assert served.asked == 1
        issuer.add_key("second")
        new = issuer.token("somebody")
        with pytest.raises(Refusal):
            # Whoever names keys that are not there makes nobody fetch all the time.
            await tokens.verify(new)
        assert served.asked == 1
        monkeypatch.setattr(identity_tokens, "_AGAIN_SECONDS", 0.0)
        assert (await tokens.verify(new)).subject == "somebody"
        assert served.asked == 2
        served.status = 302
        issuer.add_key("third")
        assert (await tokens.verify(old)).subject == "somebody"
        with pytest.raises(Refusal):
            await tokens.verify(issuer.token("somebody"))

    asyncio.run(run())


def test_keys_that_can_not_be_fetched_judge_nobody(
    issuer: Issuer, keys: tuple[str, type[Keys]]
) -> None:
    url, served = keys
    served.status = 500
    assert code(verifier(issuer, jwks_file=None, jwks_url=url), issuer.token("x")) == (
        503,
        "unavailable",
    )
    assert served.asked == 1
