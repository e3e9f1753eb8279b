"""The query of a request, read once and strictly: what is not known, or known twice, is refused."""

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from gatekeeper.errors import bad_request, uri_too_long

LONGEST_QUERY = 8192
"""In bytes, as it came."""

FROM_THE_START = frozenset({"-1", "now"})
"""The offsets at which a client has no handle yet."""

_PLAIN = re.compile(rb"[\x21-\x7e]*")
_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PARAM = re.compile(r"params\[([1-9][0-9]{0,2})\]", re.ASCII)
_HANDLE = r"[0-9]{1,10}-[0-9]{13,20}"
_BOOLEAN = r"true|false"
_FORMS = {
    "offset": re.compile(r"-1|now|[0-9]{1,20}_(?:[0-9]{1,10}|inf)"),
    "handle": re.compile(_HANDLE),
    "live": re.compile(_BOOLEAN),
    "live_sse": re.compile(_BOOLEAN),
    "experimental_live_sse": re.compile(_BOOLEAN),
    "cursor": re.compile(r"[0-9]{0,12}"),
    "expired_handle": re.compile(_HANDLE),
    "cache-buster": re.compile(r"[0-9]{13}-[a-z0-9]{1,8}"),
}
"""The parameters of Electric's protocol, and what each looks like."""

_SHAPE = frozenset({"table", "where", "columns", "queryable_columns", "replica", "log"})
"""What defines a shape. It is Postgres' to say; a client may repeat it."""

HANDLE = _FORMS["handle"]


@dataclass(frozen=True, slots=True)
class Protocol:
    """Where a client is in a shape, and how it wants to go on.

    handle is None at the offsets -1 and now. expired_handle: a handle that the client knows to be
    over. is_retry: the client was given something stale and says so.
    """

    offset: str
    handle: str | None
    live: bool
    sse: bool
    expired_handle: str | None
    is_retry: bool

    @property
    def begins(self) -> bool:
        """Whether the client begins with the shape."""
        return self.offset in FROM_THE_START


@dataclass(frozen=True, slots=True)
class Asked:
    """A query. shape: what the client says of the shape; own: what only the one route takes."""

    protocol: Protocol
    shape: dict[str, str]
    params: tuple[str, ...]
    own: dict[str, str]


def read_query(raw: bytes, own: frozenset[str] = frozenset()) -> Asked:
    """Read a query string. own: further parameters that the route takes.

    Raises Refusal: 414 if it is too long, 400 for anything that is not exactly as it must be.
    """
    protocol: dict[str, str] = {}
    shape: dict[str, str] = {}
    numbered: dict[int, str] = {}
    others: dict[str, str] = {}
    for name, value in read_pairs(raw).items():
        param = _PARAM.fullmatch(name)
        if param:
            numbered[int(param[1])] = value
        elif name in _FORMS:
            protocol[name] = value
        elif name in _SHAPE:
            shape[name] = value
        elif name in own:
            others[name] = value
        elif name.startswith("subset__"):
            raise bad_request("Subsets are not served: use the sync mode eager.")
        else:
            raise bad_request("The query has a parameter that is not known here.")
    if set(numbered) != set(range(1, len(numbered) + 1)):
        raise bad_request("params must be numbered from 1, without gaps.")
    params = tuple(numbered[number] for number in sorted(numbered))
    return Asked(_read_protocol(protocol), shape, params, others)


def read_pairs(raw: bytes) -> dict[str, str]:
    """Read names and values, decoded once. Raises Refusal: 400 and 414."""
    if len(raw) > LONGEST_QUERY:
        raise uri_too_long()
    if not _PLAIN.fullmatch(raw):
        raise bad_request()
    pairs: dict[str, str] = {}
    for piece in raw.decode("ascii").split("&") if raw else []:
        name, equals, value = piece.partition("=")
        if not equals:
            raise bad_request("A parameter has no value.")
        decoded = decode(name.replace("+", " "))
        if decoded in pairs:
            raise bad_request("A parameter is given twice.")
        pairs[decoded] = decode(value.replace("+", " "))
    return pairs


def decode(text: str) -> str:
    """Undo percent-encoding, once. Raises Refusal (400) if it is broken, or has a control."""
    if _BROKEN_PERCENT.search(text):
        raise bad_request()
    try:
        decoded = unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise bad_request() from None
    if any(unicodedata.category(letter) == "Cc" for letter in decoded):
        raise bad_request()
    return decoded


def _read_protocol(given: dict[str, str]) -> Protocol:
    for name, value in given.items():
        if not _FORMS[name].fullmatch(value):
            raise bad_request("A parameter of the protocol has the wrong form.")
    if "offset" not in given:
        raise bad_request("The parameter offset is missing.")
    offset = given["offset"]
    begins = offset in FROM_THE_START
    live = given.get("live") == "true"
    sse = "true" in {given.get("live_sse"), given.get("experimental_live_sse")}
    if not begins and "handle" not in given:
        raise bad_request("The parameter handle is missing.")
    if (live and begins) or (sse and not live):
        raise bad_request("live needs an offset in the log, and live_sse needs live.")
    return Protocol(
        offset=offset,
        # At the start Electric takes no notice of it, so that it would only part equal requests.
        handle=None if begins else given["handle"],
        live=live,
        sse=sse,
        expired_handle=given.get("expired_handle"),
        is_retry="cache-buster" in given,
    )
