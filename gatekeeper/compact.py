"""The spelling of signed tokens (RFC 7515): of each there is one."""

import base64
import binascii

import jwt


def require_canonical(token: str) -> None:
    """Refuse a token of which a part is not spelled as an encoder spells it.

    Base64url leaves up to four bits of a last letter unused, and decoders take no notice of them:
    so one token could be spelled in several ways, and a list of tokens be passed by. Raises
    jwt.InvalidTokenError.
    """
    for part in token.split("."):
        try:
            decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        except (binascii.Error, ValueError):
            raise jwt.InvalidTokenError from None
        if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part.encode():
            raise jwt.InvalidTokenError
