"""Settings of the gatekeeper, on top of those that every command has. docs/gatekeeper.md."""

import base64
import binascii
import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from harness.settings import Settings

SINGLE_ACCOUNT = UUID("00000000-0000-4000-8000-000000000001")
"""The account that the first migration makes."""

_ASYMMETRIC = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
_KEY_BYTES = 32
_LEAST_GRACE_S = 5
_MEBIBYTE = 1 << 20


class GatekeeperSettings(Settings):
    """What can be set. Without an issuer there is one account, and only this machine reaches it."""

    gatekeeper_database_url: SecretStr | None = Field(
        default=None, validation_alias="GATEKEEPER_DATABASE_URL"
    )
    """The login app_server, or a member of it; without it DATABASE_URL's takes that role."""

    gatekeeper_host: str = "127.0.0.1"
    """Where to listen."""

    gatekeeper_port: int = Field(default=3100, ge=0, le=65_535)
    """Where to listen; 0 takes any port that is free."""

    metrics_port: int = Field(default=3101, ge=-1, le=65_535)
    """Where Prometheus reads; each further process takes the next port. -1: nowhere."""

    metrics_host: str = "127.0.0.1"
    """Where Prometheus reads from."""

    gatekeeper_processes: int = Field(default=1, ge=1, le=64)
    """How many processes serve. They share no state."""

    public_origin: str | None = None
    """How browsers reach it, as https://chat.example."""

    viewer_dir: Path | None = None
    """The folder of a built viewer, to be served; without one, no page is."""

    viewer_authorize_url: str | None = None
    """Where the viewer sends who wants to sign in: the issuer's authorization endpoint."""

    jwt_issuer: str | None = None
    """Who signs the tokens that say who somebody is; without one, single-tenant mode."""

    jwt_audience: str | None = None
    """For whom those tokens must be."""

    jwt_algorithms: Annotated[tuple[str, ...], NoDecode] = ("RS256", "ES256", "EdDSA")
    """What they may be signed with, separated by commas."""

    jwt_secret: SecretStr | None = None
    """The key of HS256, where the application itself signs. Excludes the two below."""

    jwks_file: Path | None = None
    """The issuer's public keys (RFC 7517), read again whenever the file changes."""

    jwks_url: str | None = None
    """Where the issuer's public keys are; they are fetched again when a token names another."""

    jwt_leeway_s: int = Field(default=30, ge=0, le=300)
    """How far the issuer's clock may be off, in seconds."""

    token_keys: SecretStr | None = None
    """kid:secret pairs, separated by commas; secret: 32 random bytes or more as base64url.

    The first signs shape tokens, all verify. Without any, one is made at every start.
    """

    token_ttl_s: int = Field(default=240, ge=10, le=300)
    """How long a shape token lives, in seconds."""

    login_idle_s: int = Field(default=8 * 3600, ge=60)
    """After how many seconds without a request a login session ends."""

    login_absolute_s: int = Field(default=7 * 86_400, ge=60)
    """After how many seconds a login session ends in any case."""

    login_rotate_s: int = Field(default=15 * 60, ge=10)
    """After how many seconds a login session's secret is replaced."""

    login_grace_s: int = Field(default=60, le=600)
    """How long a replaced secret is still good, for requests that are under way.

    Whoever comes with it after that is taken for a thief, so it must outlast a slow request.
    """

    upload_limit_bytes: int = Field(default=1 << 30, gt=0)
    """How large an upload may be."""

    transfers: int = Field(default=64, gt=0)
    """How many uploads and downloads a process has under way; an account a quarter of them."""

    body_limit_bytes: int = Field(default=_MEBIBYTE, gt=0)
    """How large the body of any other request may be."""

    function_timeout_s: int = Field(default=15, gt=0)
    """How long a call of a function, or a page of an upload, may take Postgres, in seconds."""

    streams_per_account: int = Field(default=200, gt=0)
    """How many answers may be held for one account at a time, in one process."""

    shapes_per_minute: int = Field(default=600, gt=0)
    """How many shapes one account may begin in a minute, in one process."""

    requests_per_second: int = Field(default=200, gt=0)
    """How many requests one account may make in a second, over ten seconds, in one process."""

    cache_bytes: int = Field(default=128 * _MEBIBYTE, ge=0)
    """How much of Electric's answers a process keeps."""

    buffer_bytes: int = Field(default=256 * _MEBIBYTE, gt=0)
    """How much a process holds of answers that are still read; beyond it new ones wait."""

    chunk_bytes: int = Field(default=32 * _MEBIBYTE, gt=0)
    """How large one answer of Electric may be; it cuts them at some 10 MB."""

    database_connections: int = Field(default=8, gt=0)
    """How many connections to Postgres a process holds at most, besides two for revocations."""

    drain_lead_s: float = Field(default=0, ge=0, le=120)
    """How long it still takes requests after SIGTERM, as not ready, in seconds."""

    drain_s: float = Field(default=5, ge=0, le=120)
    """How long held answers may then take before they are told to come again, in seconds."""

    single_account_id: UUID = SINGLE_ACCOUNT
    """Single-tenant mode: whose rows there are."""

    @property
    def is_single_tenant(self) -> bool:
        """Whether everybody who reaches it is the one account."""
        return self.jwt_issuer is None

    def signing_keys(self) -> dict[str, bytes]:
        """Return the keys of shape tokens by their ids; the first signs. Raises ValueError."""
        text = self.token_keys.get_secret_value() if self.token_keys else ""
        return dict(_read_key(pair) for pair in text.split(",") if pair)

    @field_validator("jwt_algorithms", mode="before")
    @classmethod
    def _split(cls, given: Any) -> Any:  # noqa: ANN401 - whatever is set
        return tuple(given.replace(" ", "").split(",")) if isinstance(given, str) else given

    @field_validator("login_grace_s")
    @classmethod
    def _outlasts_a_request(cls, seconds: int) -> int:
        if seconds < _LEAST_GRACE_S:
            raise ValueError(
                f"SESSIONBASE_LOGIN_GRACE_S must be {_LEAST_GRACE_S} or more: whoever comes with "
                "a secret after its grace is taken for a thief, a slow request too"
            )
        return seconds

    @field_validator("jwks_file", "viewer_dir")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path and path.expanduser().absolute()

    @field_validator("public_origin")
    @classmethod
    def _is_origin(cls, text: str | None) -> str | None:
        parts = urlsplit(text or "")
        if text is not None and (
            parts.scheme not in {"http", "https"} or text != f"{parts.scheme}://{parts.netloc}"
        ):
            raise ValueError("must be scheme and host, as https://chat.example")
        return text

    @model_validator(mode="after")
    def _single_tenant_stays_here(self) -> Self:
        if self.is_single_tenant and not is_loopback(self.gatekeeper_host):
            raise ValueError(
                "without SESSIONBASE_JWT_ISSUER whoever reaches the gatekeeper is the one account, "
                "so SESSIONBASE_GATEKEEPER_HOST must be a loopback address"
            )
        public = urlsplit(self.public_origin or "").hostname
        if self.is_single_tenant and public and not is_loopback(public):
            raise ValueError(
                "without SESSIONBASE_JWT_ISSUER whoever reaches SESSIONBASE_PUBLIC_ORIGIN would be "
                "the one account, so that must be a loopback address too"
            )
        return self

    @model_validator(mode="after")
    def _one_way_to_verify(self) -> Self:
        ways = [way for way in (self.jwt_secret, self.jwks_file, self.jwks_url) if way]
        if self.is_single_tenant:
            if ways:
                raise ValueError("keys of an issuer are set, and no SESSIONBASE_JWT_ISSUER")
            return self
        if len(ways) != 1:
            raise ValueError(
                "SESSIONBASE_JWT_ISSUER needs exactly one of SESSIONBASE_JWKS_URL, "
                "SESSIONBASE_JWKS_FILE and SESSIONBASE_JWT_SECRET"
            )
        if not self.jwt_audience:
            raise ValueError("SESSIONBASE_JWT_ISSUER needs SESSIONBASE_JWT_AUDIENCE")
        return self

    @model_validator(mode="after")
    def _algorithms_fit_keys(self) -> Self:
        if self.is_single_tenant:
            return self
        given = set(self.jwt_algorithms)
        if self.jwt_secret is None:
            if not given or not given <= _ASYMMETRIC:
                raise ValueError("SESSIONBASE_JWT_ALGORITHMS must be asymmetric with a JWKS")
            return self
        if given != {"HS256"}:
            raise ValueError("SESSIONBASE_JWT_ALGORITHMS must be HS256 with a secret")
        if len(self.jwt_secret.get_secret_value().encode()) < _KEY_BYTES:
            raise ValueError("SESSIONBASE_JWT_SECRET must have 32 bytes or more")
        return self

    @model_validator(mode="after")
    def _keys_are_read(self) -> Self:
        keys = self.signing_keys()
        if self.gatekeeper_processes > 1 and not keys:
            raise ValueError(
                "several processes must verify each other's tokens: set SESSIONBASE_TOKEN_KEYS"
            )
        return self


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine and nobody else's."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_key(pair: str) -> tuple[str, bytes]:
    """Read one kid:secret. Raises ValueError that quotes nothing of it."""
    kid, _, text = pair.strip().partition(":")
    try:
        secret = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", kid) or len(secret) < _KEY_BYTES:
        raise ValueError("SESSIONBASE_TOKEN_KEYS must be kid:secret, 32 bytes or more as base64url")
    return kid, secret
