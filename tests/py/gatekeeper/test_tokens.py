"""Shape tokens: what they say is what was decided, and nothing else is believed."""

import base64
import json
from dataclasses import replace
from time import time
from typing import Any
from uuid import UUID

import jwt
import pytest

from gatekeeper.errors import Refusal
from gatekeeper.principals import Principal
from gatekeeper.settings import GatekeeperSettings
from gatekeeper.shapes import Definition
from gatekeeper.tokens import Claim, ShapeTokens
from tests.py.gatekeeper.spellings import other_spellings

_ME = UUID("00000000-0000-4000-8000-000000000001")
_OLD, _NEW = ("k1:" + "A" * 43, "k2:" + "B" * 43)
_NOW = time()
_CLAIM = Claim(
    _ME,
    UUID(int=7),
    _ME,
    "session_todos",
    "s1",
    Definition("app.todos", "session_id = $1", ("s1",), ("id", "body")),
    _NOW,
    # Whichever test comes last may run long after this file was read.
    float(int(_NOW) + 7200),
)


def tokens(keys: str = _OLD, **more: Any) -> ShapeTokens:  # noqa: ANN401 - any setting
    return ShapeTokens(GatekeeperSettings(_env_file=None, token_keys=keys, **more))


def signed(
    claims: dict[str, Any] | None = None,
    headers: dict[str, Any] | None = None,
    key: bytes = b"\0" * 32,
) -> str:
    """Sign a token as ours are, but for what is given. None leaves a claim out."""
    token, _ = tokens().issue(_CLAIM)
    said = jwt.decode(token, options={"verify_signature": False}) | (claims or {})
    said = {name: value for name, value in said.items() if value is not None}
    named = {"kid": "k1", "typ": "shape+jwt"} | (headers or {})
    return jwt.encode(said, key, algorithm="HS256", headers=named)


def test_a_claim_comes_back_as_it_was() -> None:
    token, expires_at = tokens().issue(_CLAIM)
    assert tokens().verify(token) == _CLAIM
    assert tokens().verify(signed()) == _CLAIM
    assert expires_at == _CLAIM.expires_at


def test_keys_rotate() -> None:
    old, _ = tokens(_OLD).issue(_CLAIM)
    both = tokens(f"{_NEW},{_OLD}")
    new, _ = both.issue(_CLAIM)
    assert both.verify(old) == both.verify(new) == _CLAIM
    assert jwt.get_unverified_header(new)["kid"] == "k2"
    for other, token in ((tokens(_NEW), old), (tokens(_OLD), new)):
        with pytest.raises(Refusal):
            other.verify(token)


def test_without_keys_each_start_has_its_own() -> None:
    settings = GatekeeperSettings(_env_file=None)
    token, _ = ShapeTokens(settings).issue(_CLAIM)
    with pytest.raises(Refusal):
        ShapeTokens(settings).verify(token)


def test_a_token_ends_with_who_asks() -> None:
    soon = Principal(_ME, None, time() + 30, "jwt")
    assert tokens(token_ttl_s=300).expiry(soon) == soon.expires_at
    late = replace(soon, expires_at=time() + 9000)
    assert tokens(token_ttl_s=300).expiry(late) == pytest.approx(time() + 300, abs=5)


def test_an_expired_token_says_that_it_is() -> None:
    with pytest.raises(Refusal) as refusal:
        tokens().verify(signed({"exp": int(time()) - 1}))
    assert (refusal.value.status, refusal.value.code) == (401, "token_expired")


def _unsigned() -> str:
    head = base64.urlsafe_b64encode(
        json.dumps({"alg": "none", "kid": "k1", "typ": "shape+jwt"}).encode()
    ).decode()
    return f"{head.rstrip('=')}.{signed().split('.')[1]}."


def test_a_token_that_was_verified_is_not_read_again_and_still_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = tokens()
    token, expires_at = ours.issue(_CLAIM)
    assert ours.verify(token) == _CLAIM
    monkeypatch.setattr(ours, "_keys", {})
    assert ours.verify(token) == _CLAIM
    with pytest.raises(Refusal):
        ours.verify(token[:-1] + ("A" if token[-1] != "A" else "B"))
    monkeypatch.setattr("gatekeeper.tokens.time", lambda: float(expires_at))
    for _ in range(2):
        with pytest.raises(Refusal) as refused:
            ours.verify(token)
        assert refused.value.status == 401
    monkeypatch.undo()
    assert ours.verify(token) == _CLAIM


def test_only_so_many_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatekeeper.tokens._REMEMBERED", 2)
    ours = tokens()
    issued = [ours.issue(_CLAIM)[0] for _ in range(3)]
    for token in issued:
        ours.verify(token)
    monkeypatch.setattr(ours, "_keys", {})
    assert [ours.verify(token) for token in issued[1:]] == [_CLAIM, _CLAIM]
    with pytest.raises(Refusal):
        ours.verify(issued[0])


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        signed(key=b"\1" * 32),
        signed(headers={"kid": "k9"}),
        signed(headers={"typ": "JWT"}),
        signed(headers={"crit": ["exp"]}),
        signed(headers={"crit": []}),
        signed({"aud": "sessionbase"}),
        signed({"aud": ["sessionbase/shape"]}),
        signed({"iss": "elsewhere"}),
        signed({"exp": None}),
        signed({"jti": None}),
        signed({"sub": "nobody"}),
        signed({"nbf": int(time()) + 36_000}),
        signed({"def": None}),
        signed({"def": {"table": "app.todos"}}),
        signed({"asked_at": None}),
        signed()[:-4],
        _unsigned(),
        "a" * 9000,
    ],
)
def test_anything_else_is_not_believed(token: str) -> None:
    with pytest.raises(Refusal) as refusal:
        tokens().verify(token)
    assert (refusal.value.status, refusal.value.code) == (401, "token_invalid")


def test_a_token_has_one_spelling() -> None:
    """The last letter of a signature of 32 bytes has two bits that mean nothing."""
    token = signed()
    assert tokens().verify(token)
    others = other_spellings(token)
    assert len(others) == 3
    for other in others:
        with pytest.raises(Refusal) as refusal:
            tokens().verify(other)
        assert (refusal.value.status, refusal.value.code) == (401, "token_invalid")
