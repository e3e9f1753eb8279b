"""What the gatekeeper may ask Electric, written down a second time.

Nothing here is imported from the gatekeeper, and nothing is as lenient as Electric: what is not
spelled as one of these is a hole, even where Electric would take it for the same.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from harness.connections import Connection

_LINE = re.compile(rb"GET /v1/shape\?([!-~]+) HTTP/1\.1")
_HEALTH = re.compile(rb"GET /v1/health HTTP/1\.1")
_HEADER = re.compile(rb"([A-Za-z-]+): ([\t -~]*)")
_HEADERS = {"host", "accept", "accept-encoding", "connection", "if-none-match", "user-agent"}
_VALUE = re.compile(r"(?:[A-Za-z0-9_.~*()$=,+ :/\"-]|%[0-9A-F]{2})*")
_PROTOCOL = {
    "offset": r"-1|now|[0-9]{1,20}_(?:[0-9]{1,20}|inf)",
    "handle": r"[0-9]{1,10}-[0-9]{13,20}",
    "expired_handle": r"[0-9]{1,10}-[0-9]{13,20}",
    "live": r"true|false",
    "live_sse": r"true|false",
    "cursor": r"[0-9]{0,12}",
    "cache-buster": r"[0-9]{13}-[a-z0-9]{1,8}",
}
_FIXED = {"replica": "default", "log": "full"}


class NotCanonicalError(Exception):
    """A request that reached Electric and may not have."""


@dataclass(frozen=True)
class Definition:
    """What a claim says of a shape, filled in."""

    table: str
    where: str
    params: tuple[str, ...]
    columns: tuple[str, ...]


def definition(
    connection: Connection,
    shape: str,
    account: str,
    session: str | None = None,
    thread: str | None = None,
) -> Definition:
    """Fill in a row of the registry, without the function that authorizes."""
    row = connection.execute(
        "select table_schema || '.' || table_name, where_template, params, columns "
        "from sync.shapes where name = %s",
        [shape],
    ).fetchone()
    assert row, f"there is no shape {shape}"
    values = {
        "account_id": account,
        "member_account_id": account,
        "session_id": session,
        "thread_id": thread,
    }
    return Definition(row[0], row[1], tuple(str(values[name]) for name in row[2]), tuple(row[3]))


@dataclass(frozen=True)
class Canon:
    """What is the same in every request: Electric's address, as host:port, and its secret."""

    host: str
    secret: str = field(repr=False)

    def check(self, head: bytes, wanted: Definition | None) -> None:
        """Compare a request with what a claim says. wanted: None if nothing may be asked for.

        Raises NotCanonicalError, which says what is wrong with it.
        """
        line, *headers = head.split(b"\r\n")
        _check_headers(headers, self.host)
        if _HEALTH.fullmatch(line):
            return
        asked = _LINE.fullmatch(line)
        if asked is None:
            raise NotCanonicalError(f"this is no request line of ours: {line[:200]!r}")
        if wanted is None:
            raise NotCanonicalError(f"nothing may be asked for, and this was: {line[:200]!r}")
        _check_query(_pairs(asked[1].decode("ascii")), wanted, self.secret)


def _check_headers(headers: list[bytes], host: str) -> None:
    names = []
    for header in headers:
        parts = _HEADER.fullmatch(header)
        if parts is None:
            raise NotCanonicalError(f"this is no header: {header[:200]!r}")
        name, value = parts[1].decode().lower(), parts[2].decode()
        names.append(name)
        if name not in _HEADERS:
            raise NotCanonicalError(f"the header {name} went on to Electric")
        if name == "host" and value != host:
            raise NotCanonicalError(f"Electric is asked as {value}")
        if name == "accept-encoding" and value != "identity":
            raise NotCanonicalError(f"Electric is to answer as it is, not as {value}")
    if len(set(names)) != len(names):
        raise NotCanonicalError(f"a header came twice: {sorted(names)}")


def _pairs(query: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        if not equals or not _VALUE.fullmatch(value):
            raise NotCanonicalError(f"this is no parameter: {part[:200]}")
        name = _decoded(name)
        if name in pairs:
            raise NotCanonicalError(f"{name} came twice")
        pairs[name] = _decoded(value.replace("+", " "))
    return pairs


def _decoded(text: str) -> str:
    try:
        decoded = unquote_to_bytes(text).decode("utf-8", errors="strict")
    except UnicodeDecodeError:
        raise NotCanonicalError(f"this is no UTF-8: {text[:200]}") from None
    if re.search(r"[\x00-\x1f\x7f]", decoded):
        raise NotCanonicalError(f"a control character went on: {text[:200]}")
    return decoded


def _check_query(pairs: dict[str, str], wanted: Definition, secret: str) -> None:
    if pairs.pop("secret", None) != secret:
        raise NotCanonicalError("Electric's secret is not there, or another is")
    expected = _FIXED | {
        "table": wanted.table,
        **{f"params[{n}]": value for n, value in enumerate(wanted.params, 1)},
    }
    for name, value in expected.items():
        if pairs.pop(name, None) != value:
            raise NotCanonicalError(f"{name} is not what was claimed")
    where = pairs.pop("where", "")
    if where not in {wanted.where, f"({wanted.where})"}:
        raise NotCanonicalError("where is not what was claimed")
    for name in ("columns", "queryable_columns"):
        names = pairs.pop(name, "").split(",")
        if tuple(one.removeprefix('"').removesuffix('"') for one in names) != wanted.columns:
            raise NotCanonicalError(f"{name} are not those that were claimed")
    for name, value in pairs.items():
        if name not in _PROTOCOL or not re.fullmatch(_PROTOCOL[name], value):
            raise NotCanonicalError(f"{name} went on, or such a value of it: {value[:100]!r}")
    if "offset" not in pairs:
        raise NotCanonicalError("there is no offset")
