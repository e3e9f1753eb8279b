"""Other spellings of a signed token: they decode to the same bytes, leniently read."""

import base64
import string

_LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


def decoded(part: str) -> bytes:
    """Decode a part as leniently as Python does."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def other_spellings(token: str) -> list[str]:
    """Return the tokens that differ in the unused bits of the signature's last letter only."""
    head, _, signature = token.rpartition(".")
    others = [signature[:-1] + letter for letter in _LETTERS if letter != signature[-1]]
    return [f"{head}.{one}" for one in others if decoded(one) == decoded(signature)]
