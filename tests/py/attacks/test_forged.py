"""Tokens that are forged, stale, or of another kind: of the issuer's and of the gatekeeper's."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.py.attacks import scene, wire
from tests.py.attacks.attacked import TOKEN_KEY, TOKEN_SECRET, Gatekeeper, running
from tests.py.attacks.credentials import (
    ABSENT,
    Issuer,
    decoded,
    encoded,
    good_claims,
    hmac_signed,
    parts_of,
    unsigned,
)
from tests.py.attacks.striking import Stage

Forge = Callable[[Issuer], str]
Spoil = Callable[[str], str]

_OTHER_KEY = encoded(b"key-of-tests-number-two-32-bytes")
_FUTURE = int(time.time()) + 3_000
_NONE = ("none", "None", "NONE", "nOnE", "")


def _bare(alg: str, _: Issuer) -> str:
    return unsigned({"alg": alg, "typ": "JWT", "kid": "one"}, good_claims("attacker")) + "."


def _confused(alg: str, issuer: Issuer) -> str:
    return hmac_signed(issuer.pem("one"), {"alg": alg, "kid": "one"}, good_claims("attacker"))


BY_ISSUER: dict[str, Forge] = {
    **{f"alg {alg!r}, no signature": partial(_bare, alg) for alg in _NONE},
    "alg none with a good signature": lambda issuer: (
        unsigned({"alg": "none", "kid": "one"}, good_claims("attacker"))
        + "."
        + issuer.token("attacker").split(".")[2]
    ),
    "no alg": lambda issuer: issuer.token("attacker", {"alg": ABSENT}),
    "alg of a list": lambda issuer: issuer.token("attacker", {"alg": ["RS256"]}),
    **{
        f"{alg} with the public key as a shared secret": partial(_confused, alg)
        for alg in ("HS256", "HS384", "HS512")
    },
    "HS256 with an empty secret": lambda _: hmac_signed(
        b"", {"alg": "HS256", "kid": "one"}, good_claims("attacker")
    ),
    "HS256 with the key of shape tokens": lambda _: hmac_signed(
        TOKEN_SECRET, {"alg": "HS256", "kid": "now"}, good_claims("attacker")
    ),
    "alg RS256, signed as HS256": lambda issuer: hmac_signed(
        issuer.pem("one"), {"alg": "RS256", "kid": "one"}, good_claims("attacker")
    ),
    "RS512 in the header, RS256 in truth": lambda issuer: issuer.token(
        "attacker", {"alg": "RS512"}
    ),
    "another's key under a known name": lambda issuer: issuer.signed(
        issuer.stranger, good_claims("attacker"), {"kid": "one"}
    ),
    "another's key, which the token brings along": lambda issuer: issuer.signed(
        issuer.stranger, good_claims("attacker"), {"kid": "one", "jwk": {"kty": "RSA"}}
    ),
    "a key that nobody knows": lambda issuer: issuer.token("attacker", {"kid": "three"}),
    "the other key's name": lambda issuer: issuer.token("attacker", {"kid": "two"}),
    "no name of a key": lambda issuer: issuer.token("attacker", {"kid": ABSENT}),
    "a path as the key's name": lambda issuer: issuer.token("attacker", {"kid": "../../dev/null"}),
    "a number as the key's name": lambda issuer: issuer.token("attacker", {"kid": 1}),
    "a list as the key's name": lambda issuer: issuer.token("attacker", {"kid": ["one"]}),
    "what must be understood and is not": lambda issuer: issuer.token(
        "attacker", {"crit": ["x"], "x": 1}
    ),
    "a body that is not encoded": lambda issuer: issuer.token(
        "attacker", {"crit": ["b64"], "b64": False}
    ),
    "expired": lambda issuer: issuer.token("attacker", exp=int(time.time()) - 5),
    "expired long ago": lambda issuer: issuer.token("attacker", exp=0),
    "expired before time": lambda issuer: issuer.token("attacker", exp=-1),
    "never expires": lambda issuer: issuer.token("attacker", exp=ABSENT),
    "expires at infinity": lambda issuer: issuer.token("attacker", exp=math.inf),
    "expires at no number": lambda issuer: issuer.token("attacker", exp="soon"),
    "expires at a list": lambda issuer: issuer.token("attacker", exp=[_FUTURE]),
    "not yet good": lambda issuer: issuer.token("attacker", nbf=_FUTURE),
    "not yet good, as no number": lambda issuer: issuer.token("attacker", nbf="later"),
    "issued in the future": lambda issuer: issuer.token("attacker", iat=_FUTURE),
    "for another": lambda issuer: issuer.token("attacker", aud="somebody-else"),
    "for others": lambda issuer: issuer.token("attacker", aud=["a", "b"]),
    "for shapes": lambda issuer: issuer.token("attacker", aud="sessionbase/shape"),
    "for nobody": lambda issuer: issuer.token("attacker", aud=ABSENT),
    "for a part of us": lambda issuer: issuer.token("attacker", aud=scene.AUDIENCE[:-1]),
    "of another issuer": lambda issuer: issuer.token("attacker", iss="https://elsewhere.example"),
    "of an issuer with a slash more": lambda issuer: issuer.token(
        "attacker", iss=f"{scene.ISSUER}/"
    ),
    "of a list of issuers": lambda issuer: issuer.token("attacker", iss=[scene.ISSUER]),
    "of no issuer": lambda issuer: issuer.token("attacker", iss=ABSENT),
    "about nobody": lambda issuer: issuer.token("attacker", sub=ABSENT),
    "about the empty name": lambda issuer: issuer.token(""),
    "about a number": lambda issuer: issuer.token("attacker", sub=1),
    "about a list": lambda issuer: issuer.token("attacker", sub=["attacker"]),
    "about a name with a NUL": lambda issuer: issuer.token("attacker\0"),
    "of nine kilobytes": lambda issuer: issuer.token("attacker", more="x" * 9_000),
}


def _again(token: str, claims: dict[str, object] | None = None, **names: object) -> str:
    header, known = parts_of(token)
    return hmac_signed(TOKEN_SECRET, header | names, known | (claims or {}))


def _with_claims(**claims: object) -> Spoil:
    """Change claims, and keep the signature of those that were."""

    def spoil(token: str) -> str:
        header, known = parts_of(token)
        return unsigned(header, known | claims) + "." + token.split(".")[2]

    return spoil


def _with_header(**names: object) -> Spoil:
    """Change the header, and keep the signature."""

    def spoil(token: str) -> str:
        header, known = parts_of(token)
        return unsigned(header | names, known) + "." + token.split(".")[2]

    return spoil


def _flipped(token: str) -> str:
    signing, _, signature = token.rpartition(".")
    first, *rest = decoded(signature)
    return f"{signing}.{encoded(bytes([first ^ 1, *rest]))}"


SPOILED: dict[str, Spoil] = {
    "another subject": _with_claims(sub="attacked"),
    "another account": _with_claims(sub=scene.OTHER),
    "a later end": _with_claims(exp=_FUTURE * 2),
    "another header": _with_header(x=1),
    "no type": _with_header(typ=ABSENT),
    "a signature with one bit flipped": _flipped,
    "a signature cut short": lambda token: token[:-4],
    "no signature": lambda token: token.rpartition(".")[0] + ".",
    "two parts": lambda token: token.rpartition(".")[0],
    "four parts": lambda token: f"{token}.x",
    "five parts, as of an encrypted one": lambda token: f"{token}.x.y",
    "padding": lambda token: f"{token}=",
    "a part twice": lambda token: f"{token}.{token}",
    "a line break, encoded": lambda token: f"{token}%0A",
    "the parts of the signature's end changed": lambda token: token.replace(".", "..", 1),
}

SIGNED: dict[str, Spoil] = {
    **{f"alg {alg!r}": partial(_again, alg=alg) for alg in _NONE},
    "HS384 with the right key": lambda token: _again(token, alg="HS384"),
    "HS512 with the right key": lambda token: _again(token, alg="HS512"),
    "RS256 in the header": lambda token: _again(token, alg="RS256"),
    "another type": lambda token: _again(token, typ="JWT"),
    "no type": lambda token: _again(token, typ=ABSENT),
    "another key's name": lambda token: _again(token, kid="next"),
    "no key's name": lambda token: _again(token, kid=ABSENT),
    "a list as the key's name": lambda token: _again(token, kid=["now"]),
    "what must be understood": lambda token: _again(token, crit=["x"], x=1),
    "expired": lambda token: _again(token, claims={"exp": int(time.time()) - 5}),
    "never expires": lambda token: _again(token, claims={"exp": ABSENT}),
    "expires at infinity": lambda token: _again(token, claims={"exp": math.inf}),
    "not yet good": lambda token: _again(token, claims={"nbf": _FUTURE, "exp": _FUTURE + 9}),
    "for another": lambda token: _again(token, claims={"aud": "somebody-else"}),
    "for the application": lambda token: _again(token, claims={"aud": scene.AUDIENCE}),
    "for nobody": lambda token: _again(token, claims={"aud": ABSENT}),
    "of another issuer": lambda token: _again(token, claims={"iss": scene.ISSUER}),
    "of no issuer": lambda token: _again(token, claims={"iss": ABSENT}),
    "about nobody": lambda token: _again(token, claims={"sub": ABSENT}),
    "about no account's id": lambda token: _again(token, claims={"sub": "attacker"}),
    "without a definition": lambda token: _again(token, claims={"def": ABSENT}),
    "with a text as definition": lambda token: _again(token, claims={"def": "true"}),
    "with an empty definition": lambda token: _again(token, claims={"def": {}}),
}
"""Tokens with the right key: what a thief of nothing but another of its tokens might make pass."""


def _ask(stage: Stage, target: str, token: str) -> wire.Answer:
    """Ask with a token. Nothing of it may reach Electric unless the answer is 200."""
    since = stage.recorder.count
    request = (
        f"GET {target} HTTP/1.1\r\nHost: {stage.gatekeeper.host}\r\n"
        f"Authorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    )
    answer = wire.exchange(stage.gatekeeper.port, request.encode("latin-1")).answers[0]
    assert answer.status == 200 or stage.recorder.heads(since) == []
    return answer


def _by_jwt(stage: Stage, token: str) -> wire.Answer:
    return _ask(stage, "/v1/sessions/s1/shapes/session_todos?offset=-1", token)


def _by_shape_token(stage: Stage, token: str) -> wire.Answer:
    return _ask(stage, "/v1/shape?offset=-1", token)


@pytest.fixture
def token(stage: Stage) -> str:
    """Return a good shape token of the attacker."""
    return stage.names()["token"]


def test_good_tokens_are_good(stage: Stage, issuer: Issuer, token: str) -> None:
    assert _by_jwt(stage, issuer.token("attacker")).status == 200
    assert _by_jwt(stage, issuer.token("attacker", aud=["x", scene.AUDIENCE])).status == 200
    assert _by_jwt(stage, issuer.token("attacker", kid="two")).status == 200
    assert _by_shape_token(stage, token).status == 200
    assert _by_shape_token(stage, _again(token)).status == 200


@pytest.mark.parametrize("say", BY_ISSUER)
def test_a_forged_token_of_the_issuer_signs_nobody_in(
    say: str, stage: Stage, issuer: Issuer
) -> None:
    answer = _by_jwt(stage, BY_ISSUER[say](issuer))
    assert answer.status == 401, answer.body


@pytest.mark.parametrize("subject", ["disabled", "nobody", scene.OTHER, "Attacker", "attacker "])
def test_who_has_no_active_account_gets_nothing(subject: str, stage: Stage, issuer: Issuer) -> None:
    assert _by_jwt(stage, issuer.token(subject)).status == 403


@pytest.mark.parametrize("say", SPOILED)
def test_a_spoiled_token_is_none(say: str, stage: Stage, issuer: Issuer, token: str) -> None:
    jwt = issuer.token("attacker")
    assert _by_jwt(stage, SPOILED[say](jwt)).status == 401
    assert _by_shape_token(stage, SPOILED[say](token)).status == 401


@pytest.mark.parametrize("say", SIGNED)
def test_a_token_of_another_kind_is_no_shape_token(say: str, stage: Stage, token: str) -> None:
    answer = _by_shape_token(stage, SIGNED[say](token))
    assert answer.status == 401, answer.body


@pytest.mark.parametrize("claim", ["where", "table", "params", "columns", "replica", "log"])
def test_every_part_of_a_definition_is_signed(claim: str, stage: Stage, token: str) -> None:
    _, claims = parts_of(token)
    definition = claims["def"]
    assert claim in definition
    other = {"where": "true", "table": "app.sessions", "params": [scene.OTHER, "s1"]}
    changed = definition | {claim: other.get(claim, ["id"])}
    assert _by_shape_token(stage, _with_claims(**{"def": changed})(token)).status == 401


def test_one_kind_of_token_is_not_the_other(stage: Stage, issuer: Issuer, token: str) -> None:
    assert _by_jwt(stage, token).status == 401
    assert _by_shape_token(stage, issuer.token("attacker")).status == 401
    shaped = issuer.signed(
        issuer.keys["one"], parts_of(token)[1], {"kid": "one", "typ": "shape+jwt"}
    )
    assert _by_shape_token(stage, shaped).status == 401


def test_a_token_lives_five_minutes_at_most(token: str) -> None:
    _, claims = parts_of(token)
    assert 0 < claims["exp"] - claims["iat"] <= 300
    assert {"sub", "aud", "iss", "jti", "def", "nbf"} <= set(claims)


def test_a_token_says_nothing_to_fetch(stage: Stage, issuer: Issuer) -> None:
    """Not a key from where a token says that it is."""
    since = stage.recorder.count
    there = f"http://{stage.canon.host}/keys.json"
    for name in ("jku", "x5u"):
        forged = issuer.signed(issuer.stranger, good_claims("attacker"), {"kid": "x", name: there})
        assert _by_jwt(stage, forged).status == 401
    assert stage.recorder.heads(since) == []


def test_a_key_that_the_issuer_withdrew_is_withdrawn(stage: Stage, issuer: Issuer) -> None:
    token = issuer.token("attacker", kid="two")
    assert _by_jwt(stage, token).status == 200
    issuer.publish("one")
    try:
        assert _by_jwt(stage, token).status == 401
        assert _by_jwt(stage, issuer.token("attacker")).status == 200
    finally:
        issuer.publish("one", "two")
    assert _by_jwt(stage, token).status == 200


@contextmanager
def _with_keys(
    keys: str, folder: Path, issuer: Issuer, environment: dict[str, str]
) -> Iterator[Gatekeeper]:
    named = environment | {"SESSIONBASE_TOKEN_KEYS": keys}
    with running(folder, issuer, named) as gatekeeper:
        yield gatekeeper


def _status(gatekeeper: Gatekeeper, token: str) -> int:
    with gatekeeper.client() as client:
        answer = client.get("/v1/shape?offset=-1", headers={"authorization": f"Bearer {token}"})
    return answer.status_code


def test_keys_rotate_and_what_they_signed_ends_with_them(
    folder: Path, issuer: Issuer, environment: dict[str, str], token: str
) -> None:
    old, new = f"now:{TOKEN_KEY}", f"next:{_OTHER_KEY}"
    with _with_keys(f"{new},{old}", folder, issuer, environment) as gatekeeper:
        newer = gatekeeper.shape_token(scene.ACCOUNT, shape="session_todos", session_id="s1")
        assert parts_of(newer["token"])[0]["kid"] == "next"
        assert _status(gatekeeper, token) == httpx.codes.OK
        assert _status(gatekeeper, newer["token"]) == httpx.codes.OK
    with _with_keys(new, folder, issuer, environment) as gatekeeper:
        assert _status(gatekeeper, newer["token"]) == httpx.codes.OK
        assert _status(gatekeeper, token) == httpx.codes.UNAUTHORIZED
