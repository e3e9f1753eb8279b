"""Shape tokens: who may follow which shape, whole, for a few minutes."""

import secrets
from collections import OrderedDict
from dataclasses import asdict, dataclass
from hashlib import sha256
from time import time
from typing import Any
from uuid import UUID

import jwt
import msgspec

from gatekeeper.errors import Refusal, not_signed_in
from gatekeeper.principals import Principal
from gatekeeper.settings import GatekeeperSettings
from gatekeeper.shapes import Definition

_ALGORITHM = "HS256"
_TYPE = "shape+jwt"
_AUDIENCE = "sessionbase/shape"
_ISSUER = "sessionbase"
_LONGEST = 8192
_REQUIRED = ["aud", "exp", "iat", "iss", "jti", "nbf", "sub", "def"]
_CLOCKS_APART_S = 5
"""How far the clocks of two gatekeepers may be apart."""

_REMEMBERED = 20_000
"""Tokens that were verified, some 3 kB each; who came first goes first."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What was decided: an account may follow a shape until expires_at. Seconds of the epoch.

    issued_at: before Postgres was asked, so that whatever was revoked since is known to be later.
    """

    account_id: UUID
    login_session_id: UUID | None
    owner_account_id: UUID | None
    shape: str
    session_id: str | None
    definition: Definition
    issued_at: float
    expires_at: float


class _Said(msgspec.Struct, frozen=True):
    """What a token says, of the types that it must have."""

    sub: UUID
    lsid: UUID | None
    own: UUID | None
    shape: str
    session_id: str | None
    definition: Definition = msgspec.field(name="def")
    asked_at: float
    exp: int


class ShapeTokens:
    """Issues tokens and verifies them. The first key signs, all verify."""

    def __init__(self, settings: GatekeeperSettings) -> None:
        self._keys = settings.signing_keys() or {"start": secrets.token_bytes(32)}
        self._signs_with = next(iter(self._keys))
        self._ttl_s = settings.token_ttl_s
        self._verified: OrderedDict[bytes, Claim] = OrderedDict()

    def expiry(self, principal: Principal) -> float:
        """Return when a token of now ends: never after who asks stops being somebody."""
        return min(time() + self._ttl_s, principal.expires_at)

    def issue(self, claim: Claim) -> tuple[str, int]:
        """Return a token and when it ends, in whole seconds of the epoch."""
        expires_at = int(claim.expires_at)
        said: dict[str, Any] = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "sub": str(claim.account_id),
            "jti": secrets.token_urlsafe(12),
            "iat": int(claim.issued_at),
            "nbf": int(claim.issued_at) - _CLOCKS_APART_S,
            "exp": expires_at,
            "lsid": claim.login_session_id and str(claim.login_session_id),
            "own": claim.owner_account_id and str(claim.owner_account_id),
            "shape": claim.shape,
            "session_id": claim.session_id,
            "def": asdict(claim.definition),
            "asked_at": claim.issued_at,
        }
        headers = {"kid": self._signs_with, "typ": _TYPE}
        key = self._keys[self._signs_with]
        return jwt.encode(said, key, algorithm=_ALGORITHM, headers=headers), expires_at

    def verify(self, token: str) -> Claim:
        """Return what a token says. Raises Refusal (401).

        A client shows the same one many times. What was verified is remembered by its digest, for
        keys stay as they are while a process runs; when it ends, and what was revoked, is not.
        """
        digest = sha256(token.encode()).digest()
        claim = self._verified.get(digest)
        if claim is None:
            claim = self._claim(token)
            self._verified[digest] = claim
            if len(self._verified) > _REMEMBERED:
                self._verified.popitem(last=False)
        elif claim.expires_at <= time():
            del self._verified[digest]
            raise _expired()
        return claim

    def _claim(self, token: str) -> Claim:
        try:
            said = self._decode(token)
        except jwt.ExpiredSignatureError:
            raise _expired() from None
        except (jwt.PyJWTError, msgspec.ValidationError, ValueError):
            raise not_signed_in("token_invalid", "The shape token is not valid.") from None
        return Claim(
            said.sub,
            said.lsid,
            said.own,
            said.shape,
            said.session_id,
            said.definition,
            said.asked_at,
            said.exp,
        )

    def _decode(self, token: str) -> _Said:
        if len(token) > _LONGEST:
            raise jwt.InvalidTokenError
        header = jwt.get_unverified_header(token)
        key = self._keys.get(str(header.get("kid")))
        if key is None or header.get("typ") != _TYPE or "crit" in header:
            raise jwt.InvalidTokenError
        claims = jwt.decode(
            token,
            key,
            algorithms=[_ALGORITHM],
            audience=_AUDIENCE,
            issuer=_ISSUER,
            options={"require": _REQUIRED, "strict_aud": True, "verify_iat": False},
        )
        return msgspec.convert(claims, _Said, strict=True)


def _expired() -> Refusal:
    return not_signed_in("token_expired", "The shape token has expired.")
