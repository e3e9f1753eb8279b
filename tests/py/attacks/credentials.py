"""Tokens of the issuer and of the gatekeeper, good ones and forged ones.

Tokens are put together by hand: a library would not sign most of what is sent here.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.py.attacks.scene import AUDIENCE, ISSUER

Claims = Mapping[str, Any]

ABSENT = object()
"""The value of a claim that is not there."""


class Issuer:
    """An identity provider: keys of its own, and a file in which it publishes them."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.keys = {"one": _key(), "two": _key()}
        self.stranger = _key()
        self.publish("one", "two")

    def publish(self, *kids: str) -> None:
        """Write the key set anew, with those keys in it."""
        keys = [self._public(kid) for kid in kids]
        self.file.write_text(json.dumps({"keys": keys}), encoding="utf-8")

    def pem(self, kid: str) -> bytes:
        """Return a public key as text, which a confused verifier takes for a shared secret."""
        return (
            self.keys[kid]
            .public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    def token(
        self, subject: str, header: Claims | None = None, kid: str = "one", **claims: object
    ) -> str:
        """Sign a token. A claim or header that is ABSENT is left out."""
        return self.signed(
            self.keys[kid], good_claims(subject) | claims, {"kid": kid, **(header or {})}
        )

    def signed(self, key: rsa.RSAPrivateKey, claims: Claims, header: Claims) -> str:
        """Sign a token with any key, as RS256 whatever its header says."""
        signing = unsigned({"alg": "RS256", "typ": "JWT"} | dict(header), claims)
        signature = key.sign(signing.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signing}.{encoded(signature)}"

    def _public(self, kid: str) -> dict[str, str]:
        numbers = self.keys[kid].public_key().public_numbers()
        return {
            "kty": "RSA",
            "kid": kid,
            "use": "sig",
            "alg": "RS256",
            "n": encoded(numbers.n.to_bytes(256, "big")),
            "e": encoded(numbers.e.to_bytes(3, "big")),
        }


def good_claims(subject: str) -> dict[str, object]:
    """Return what the issuer says of somebody."""
    now = int(time.time())
    return {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 600}


def unsigned(header: Claims, claims: Claims) -> str:
    """Return the part of a token that is signed. What is ABSENT is left out."""
    parts = [
        {name: value for name, value in one.items() if value is not ABSENT}
        for one in (header, claims)
    ]
    return ".".join(encoded(json.dumps(part).encode()) for part in parts)


def hmac_signed(secret: bytes, header: Claims, claims: Claims) -> str:
    """Sign a token with HS256, HS384 or HS512, as its header says; else with HS256."""
    digest = {"HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(
        str(header.get("alg")), hashlib.sha256
    )
    signing = unsigned(header, claims)
    return f"{signing}.{encoded(hmac.digest(secret, signing.encode(), digest))}"


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read header and claims of a token, unverified."""
    header, claims, _ = token.split(".")
    return json.loads(decoded(header)), json.loads(decoded(claims))


def encoded(data: bytes) -> str:
    """Write bytes as tokens do."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """Read bytes as tokens hold them."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
