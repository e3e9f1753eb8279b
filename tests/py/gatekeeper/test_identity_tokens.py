"""Tokens of the issuer: whose are believed, and how keys come and go."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import sleep, time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from gatekeeper import identity_tokens
from gatekeeper.errors import Refusal
from gatekeeper.identity_tokens import Identity, IdentityTokens
from gatekeeper.settings import GatekeeperSettings
from tests.py.gatekeeper.issuers import AUDIENCE, ISSUER, Issuer, new_issuer
from tests.py.gatekeeper.spellings import decoded, other_spellings

_SECRET = "s" * 40


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


_CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "somebody", "exp": 4_000_000_000}


def test_what_a_token_wants_to_be_understood_is_not(issuer: Issuer) -> None:
    """`crit` names what a verifier must know; here there is no such thing (RFC 7515, 4.1.11)."""
    kid, key = next(iter(issuer.keys.items()))
    token = jwt.encode(_CLAIMS, key, algorithm="EdDSA", headers={"kid": kid})
    assert verify(verifier(issuer), token).subject == "somebody"
    for crit in (["exp"], ["b64"], [], "exp", None):
        token = jwt.encode(_CLAIMS, key, algorithm="EdDSA", headers={"kid": kid, "crit": crit})
        assert code(verifier(issuer), token) == (401, "token_invalid"), crit


def test_a_token_has_one_spelling(issuer: Issuer) -> None:
    """The last letter of a signature of 64 bytes has four bits that mean nothing."""
    tokens, token = verifier(issuer), issuer.token("somebody")
    assert verify(tokens, token).subject == "somebody"
    others = other_spellings(token)
    assert len(others) == 15
    signature = token.rpartition(".")[2]
    for other in others:
        assert decoded(other.rpartition(".")[2]) == decoded(signature)
        assert code(tokens, other) == (401, "token_invalid")


@pytest.fixture(scope="module")
def rsa_key() -> RSAPrivateKey:
    return generate_private_key(65_537, 2048)


@pytest.mark.parametrize(
    ("says", "takes", "good"),
    [
        ({}, ("RS256",), {"RS256"}),
        ({}, ("RS256", "PS384", "ES256"), {"RS256", "PS384"}),
        ({}, ("ES256", "EdDSA"), set[str]()),
        ({"alg": "RS256"}, ("RS256", "PS384"), {"RS256"}),
        ({"alg": "PS384"}, ("RS256", "PS384"), {"PS384"}),
        ({"use": "enc"}, ("RS256",), set[str]()),
    ],
)
def test_a_key_serves_the_algorithms_that_it_names_or_that_are_its_kinds(
    issuer: Issuer,
    rsa_key: RSAPrivateKey,
    says: dict[str, str],
    takes: tuple[str, ...],
    good: set[str],
) -> None:
    """An RSA key need not name one. Which are taken is a setting in any case."""
    public = RSAAlgorithm.to_jwk(rsa_key.public_key(), as_dict=True)
    unusable: list[object] = ["no key", {"kty": "new"}, {}]
    issuer.jwks_file.write_text(json.dumps({"keys": [*unusable, public | {"kid": "r"} | says]}))
    tokens = verifier(issuer, jwt_algorithms=takes)
    seen = set()
    for algorithm in ("RS256", "RS512", "PS384"):
        token = jwt.encode(_CLAIMS, rsa_key, algorithm=algorithm, headers={"kid": "r"})
        with suppress(Refusal):
            seen.add(verify(tokens, token).subject and algorithm)
    assert seen == good


@pytest.mark.parametrize("text", ["[]", "{}", '{"keys": {}}', '{"keys": []}', '{"keys": [{}]}'])
def test_what_is_no_key_set_judges_nobody(issuer: Issuer, text: str) -> None:
    token = issuer.token("somebody")
    issuer.jwks_file.write_text(text)
    assert code(verifier(issuer), token) == (503, "unavailable")


class Keys(BaseHTTPRequestHandler):
    """Gives an issuer's keys, and counts."""

    issuer: Issuer
    asked = 0
    status = 200
    pause_s = 0.0
    location = ""

    def do_GET(self) -> None:
        """Answer."""
        type(self).asked += 1
        is_moved = self.location and self.path == "/keys"
        self.send_response(302 if is_moved else self.status)
        if is_moved:
            self.send_header("location", self.location)
        self.end_headers()
        body = json.dumps(self.issuer.jwks()).encode()
        for piece in (body[:20], body[20:]):
            self.wfile.write(piece)
            sleep(self.pause_s)

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
        served.status = 500
        issuer.add_key("third")
        # Those that are known stay good.
        assert (await tokens.verify(old)).subject == "somebody"
        with pytest.raises(Refusal):
            await tokens.verify(issuer.token("somebody"))

    asyncio.run(run())


def test_nobody_follows_where_keys_are_said_to_have_gone(
    issuer: Issuer, keys: tuple[str, type[Keys]]
) -> None:
    url, served = keys
    token, elsewhere = issuer.token("x"), url.replace("/keys", "/elsewhere")
    # They are there, for whoever goes.
    assert verify(verifier(issuer, jwks_file=None, jwks_url=elsewhere), token).subject == "x"
    served.location, served.asked = elsewhere, 0
    tokens = verifier(issuer, jwks_file=None, jwks_url=url)
    assert code(tokens, token) == (503, "unavailable")
    assert served.asked == 1


def test_keys_that_come_in_pieces_are_read_to_their_end(
    issuer: Issuer, keys: tuple[str, type[Keys]]
) -> None:
    url, served = keys
    served.pause_s = 0.1
    tokens = verifier(issuer, jwks_file=None, jwks_url=url)
    assert asyncio.run(tokens.verify(issuer.token("somebody"))).subject == "somebody"


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
