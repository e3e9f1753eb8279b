"""An identity provider for tests: it signs, and gives its public keys away."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

ISSUER = "https://issuer.example"
AUDIENCE = "https://chat.example"


@dataclass
class Issuer:
    """Signs with the last of its keys. jwks_file has all of them."""

    jwks_file: Path
    keys: dict[str, Ed25519PrivateKey] = field(default_factory=dict, repr=False)

    def add_key(self, kid: str) -> None:
        """Make a key, and publish it."""
        self.keys[kid] = Ed25519PrivateKey.generate()
        self.jwks_file.write_text(json.dumps(self.jwks()))

    def jwks(self) -> dict[str, Any]:
        """Return the public keys."""
        return {
            "keys": [
                OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
                | {"kid": kid, "use": "sig", "alg": "EdDSA"}
                for kid, key in self.keys.items()
            ]
        }

    def token(self, subject: str, **claims: Any) -> str:  # noqa: ANN401 - any claim
        """Sign that somebody is subject. claims: what else, or otherwise."""
        kid, key = list(self.keys.items())[-1]
        now = int(time())
        said = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 600}
        return jwt.encode(said | claims, key, algorithm="EdDSA", headers={"kid": kid})

    def settings(self) -> dict[str, Any]:
        """Return what makes a gatekeeper believe it."""
        return {
            "jwt_issuer": ISSUER,
            "jwt_audience": AUDIENCE,
            "jwt_algorithms": ("EdDSA",),
            "jwks_file": self.jwks_file,
        }


def new_issuer(folder: Path) -> Issuer:
    """Make one with a key."""
    issuer = Issuer(folder / "jwks.json")
    issuer.add_key("first")
    return issuer
