"""Tokens of the application or an identity provider that say who somebody is (RFC 7519, 7517)."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import jwt

from gatekeeper.errors import Refusal, not_signed_in, unavailable
from gatekeeper.settings import GatekeeperSettings

_FETCH_SECONDS = 5
_AGAIN_SECONDS = 30.0
"""Between two fetches for a key that is not known: anybody can name one."""
_FRESH_SECONDS = 600.0
"""After this a key that the issuer withdrew is withdrawn here too."""
_LONGEST_JWKS = 1 << 20
_LONGEST_TOKEN = 8192
_REQUIRED = ["exp", "iss", "aud", "sub"]


_OF_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is, and until when that is said, in seconds of the epoch."""

    issuer: str
    subject: str
    expires_at: float


class IdentityTokens:
    """Verifies tokens of the one issuer that is configured."""

    def __init__(self, settings: GatekeeperSettings) -> None:
        self._settings = settings
        self._keys = _keys_of(settings)

    async def start(self) -> None:
        """Read the keys now, so that a wrong file or address is known at the start.

        Raises Refusal (503) if they can't be had.
        """
        if self._keys:
            await self._keys.load()

    async def verify(self, token: str) -> Identity:
        """Return who the token names. Raises Refusal (401, or 503 while no keys can be had)."""
        try:
            return self._decode(token, await self._key(token))
        except jwt.ExpiredSignatureError:
            raise not_signed_in("token_expired", "The token has expired.") from None
        except (jwt.PyJWTError, ValueError):
            raise not_signed_in("token_invalid", "The token is not valid here.") from None

    async def _key(self, token: str) -> Any:  # noqa: ANN401 - a key of any kind
        if len(token) > _LONGEST_TOKEN:
            raise jwt.InvalidTokenError
        header = jwt.get_unverified_header(token)
        # Whatever else it says of itself, such as where its key is, is not listened to.
        if header.get("alg") not in self._settings.jwt_algorithms or "crit" in header:
            raise jwt.InvalidAlgorithmError
        if self._keys is None:
            secret = self._settings.jwt_secret
            if secret is None:
                raise jwt.InvalidKeyError
            return secret.get_secret_value().encode()
        key = await self._keys.find(header.get("kid"))
        if key.jwk.public_key_use not in {None, "sig"} or header["alg"] not in key.algorithms:
            raise jwt.InvalidKeyError
        return key.jwk.key

    def _decode(self, token: str, key: Any) -> Identity:  # noqa: ANN401 - a key of any kind
        settings = self._settings
        claims = jwt.decode(
            token,
            key,
            algorithms=list(settings.jwt_algorithms),
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            leeway=settings.jwt_leeway_s,
            options={"require": _REQUIRED},
        )
        subject, issuer = claims["sub"], claims["iss"]
        if not subject or not isinstance(subject, str) or "\0" in subject:
            raise jwt.InvalidTokenError
        return Identity(issuer, subject, float(claims["exp"]) + settings.jwt_leeway_s)


@dataclass(frozen=True, slots=True)
class _Key:
    """A public key, and with which algorithms it may have signed, so far as it says."""

    jwk: jwt.PyJWK
    algorithms: frozenset[str]


class _Keys:
    """The issuer's public keys, by file or by URL."""

    def __init__(self, file: Path | None, url: str | None) -> None:
        self._file = file
        self._url = url
        self._keys: dict[str | None, _Key] = {}
        self._loaded_at = -_FRESH_SECONDS
        self._tried_at = -_AGAIN_SECONDS
        self._mark: object = None
        self._lock = asyncio.Lock()

    async def find(self, kid: str | None) -> _Key:
        """Return a key. Raises PyJWTError if there is none of that name."""
        if kid not in self._keys or self._is_stale(kid):
            # Whoever comes while they are read waits for them.
            async with self._lock:
                if self._is_stale(kid):
                    await self._reload()
        if kid not in self._keys:
            raise jwt.InvalidKeyError
        return self._keys[kid]

    async def load(self) -> None:
        """Read them. Raises Refusal (503) if that fails: the keys that were there stay."""
        self._tried_at = monotonic()
        try:
            mark = self._file_mark()
            text = await (self._fetch() if self._url else asyncio.to_thread(self._read))
            keys = _read_keys(text)
        except (OSError, ValueError, aiohttp.ClientError, TimeoutError):
            raise unavailable() from None
        self._keys = {key.jwk.key_id: key for key in keys}
        if len(keys) == 1:
            # A token need not name the only key.
            self._keys[None] = keys[0]
        self._mark, self._loaded_at = mark, monotonic()

    async def _reload(self) -> None:
        try:
            await self.load()
        except Refusal:
            # While the issuer can't be reached, the keys that are known stay good.
            if not self._keys:
                raise

    def _is_stale(self, kid: str | None) -> bool:
        if self._file:
            return self._file_mark() != self._mark
        now = monotonic()
        if now - self._tried_at < _AGAIN_SECONDS:
            return False
        return kid not in self._keys or now - self._loaded_at > _FRESH_SECONDS

    def _file_mark(self) -> object:
        if self._file is None:
            return None
        try:
            facts = self._file.stat()
        except OSError:
            return "missing"
        return facts.st_mtime_ns, facts.st_size, facts.st_ino

    def _read(self) -> bytes:
        return self._file.read_bytes() if self._file else b""

    async def _fetch(self) -> bytes:
        timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.get(str(self._url), allow_redirects=False) as response,
        ):
            body = b""
            # One read gives what has come so far, which may be a part of it.
            while len(body) <= _LONGEST_JWKS and (more := await response.content.readany()):
                body += more
            if response.status != 200 or len(body) > _LONGEST_JWKS:  # noqa: PLR2004 - HTTP's
                raise ValueError("no key set")
            return body


def _read_keys(text: bytes) -> list[_Key]:
    """Read a key set. Keys that are of no use here are passed over (RFC 7517, 5).

    Raises ValueError if none is left, or it is no key set.
    """
    told = json.loads(text)
    given = told.get("keys") if isinstance(told, dict) else None
    keys = []
    for one in given if isinstance(given, list) else ():
        with suppress(jwt.PyJWTError):
            jwk = jwt.PyJWK(one if isinstance(one, dict) else {})
            keys.append(_Key(jwk, _algorithms(jwk, names_one="alg" in one)))
    if not keys:
        raise ValueError("no key set")
    return keys


def _algorithms(jwk: jwt.PyJWK, *, names_one: bool) -> frozenset[str]:
    """Return what a key is for: the algorithm that it names, else all of its kind.

    `alg` is optional, and issuers that leave it out sign with RS384 or PS256 too. Of an elliptic
    key the curve says it. Which of them are taken is a setting.
    """
    if jwk.key_type == "RSA" and not names_one:
        return _OF_RSA
    return frozenset({jwk.algorithm_name})


def _keys_of(settings: GatekeeperSettings) -> _Keys | None:
    if settings.jwks_file or settings.jwks_url:
        return _Keys(settings.jwks_file, settings.jwks_url)
    return None
