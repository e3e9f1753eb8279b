"""What a request asks for, as Electric reads it: its dangerous habits included.

Of a parameter given twice the last counts, and the body of a POST overrides the URL. The gatekeeper
has to withstand both, so its tests need a server that does them.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

BEFORE_ALL = (-1, 0)
INFINITE = 1 << 62

Offset = tuple[int, int]
"""A place in a shape's log: where the transaction is in Postgres' log, and which change of it."""

_SUBSET_KEYS = ("where", "params", "limit", "offset", "order_by")
_NAME = r'(?:"(?:[^"]|"")+"|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)'
_TABLE = re.compile(rf"(?:({_NAME})\.)?({_NAME})")
_COLUMNS = re.compile(rf"\s*({_NAME})\s*(?:,|$)")
_LONGEST_NAME = 63


class InvalidRequestError(Exception):
    """A request that Electric answers with 400. errors: field to what is wrong with it."""

    def __init__(self, **errors: str) -> None:
        super().__init__("Invalid request")
        self.errors = {name: [text] for name, text in errors.items()}


@dataclass(frozen=True)
class Subset:
    """A part of a shape's rows, asked for at once and not followed."""

    where: str | None = None
    params: tuple[str, ...] = ()
    order_by: str | None = None
    limit: int | None = None
    offset: int | None = None


@dataclass(frozen=True)
class Asked:
    """A request, read and not yet compared with the database. offset is None for `now`."""

    table: tuple[str, str]
    where: str | None
    params: tuple[str, ...]
    columns: tuple[str, ...] | None
    replica: str
    log: str
    offset_text: str
    offset: Offset | None
    handle: str | None
    live: bool
    sse: bool
    cursor: str
    subset: Subset | None


@dataclass
class _Fields:
    """Named values of URL and body, with params and those of a subset apart."""

    named: dict[str, Any] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    subset: dict[str, Any] = field(default_factory=dict)


def read_request(query: list[tuple[str, str]], body: bytes) -> Asked:
    """Read a request's URL and body. Raises InvalidRequestError."""
    if any("\0" in text for pair in query for text in pair) or b"\\u0000" in body:
        raise InvalidRequestError(query="must not contain null characters")
    fields = _of_url(query)
    if body:
        _override(fields, body)
    named = fields.named
    missing = {name: "can't be blank" for name in ("table", "offset") if not named.get(name)}
    if missing:
        raise InvalidRequestError(**missing)
    offset = read_offset(str(named["offset"]))
    handle = named.get("handle") or None
    is_first = offset is None or offset == BEFORE_ALL
    if not is_first and handle is None:
        raise InvalidRequestError(handle="can't be blank when offset != -1")
    live, sse = _is_on(named, "live"), _is_on(named, "live_sse", "experimental_live_sse")
    if live and is_first:
        raise InvalidRequestError(live=f"can't be true when offset == {named['offset']}")
    if sse and not live:
        raise InvalidRequestError(live_sse="can't be true unless live is also true")
    return Asked(
        table=read_table(str(named["table"])),
        where=str(named["where"]) if named.get("where") else None,
        params=_numbered(fields.params),
        columns=read_columns(str(named["columns"])) if named.get("columns") else None,
        replica=_one_of(named, "replica", "default", "full"),
        log=_one_of(named, "log", "full", "changes_only"),
        offset_text=str(named["offset"]),
        offset=offset,
        handle=handle,
        live=live,
        sse=sse,
        cursor=str(named.get("cursor") or ""),
        subset=_read_subset(fields.subset) if fields.subset else None,
    )


def _of_url(query: list[tuple[str, str]]) -> _Fields:
    fields = _Fields()
    for name, value in query:
        number = re.fullmatch(r"params\[(.+?)\]", name)
        if number:
            fields.params[number[1]] = value
        elif name == "subset__params":
            fields.subset["params"] = _json(value, "subset")
        elif name.startswith("subset__"):
            fields.subset[name.removeprefix("subset__")] = value
        else:
            fields.named[name] = value
    return fields


def _override(fields: _Fields, body: bytes) -> None:
    """Let the body of a POST win, as it does in Electric.

    With a map "subset" in it, all of it goes over the URL, condition and all; without, the five
    keys of a subset are its own and all others go over the URL.
    """
    given = _json(body, "body")
    if isinstance(given.get("subset"), dict):
        fields.subset = given.pop("subset") | {"asked": True}
        if "params" in given:
            fields.params = _texts(given.pop("params"))
    else:
        own = {name: given.pop(name) for name in _SUBSET_KEYS if name in given}
        fields.subset |= own | {"asked": True}
    fields.named |= {name: value for name, value in given.items() if name != "secret"}


def _is_on(named: dict[str, Any], *names: str) -> bool:
    return any(named.get(name, "false") not in {"false", False, None} for name in names)


def _one_of(named: dict[str, Any], name: str, *allowed: str) -> str:
    value = str(named.get(name) or allowed[0])
    if value not in allowed:
        raise InvalidRequestError(**{name: "is invalid"})
    return value


def _json(text: str | bytes, field: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise InvalidRequestError(**{field: "must be a JSON object"})
    return given


def _texts(params: Any) -> dict[str, str]:  # noqa: ANN401 - it is JSON
    if not isinstance(params, dict):
        raise InvalidRequestError(params="must be an object")
    return {str(name): str(value) for name, value in params.items()}


def _numbered(params: dict[str, str]) -> tuple[str, ...]:
    if set(params) != {str(number) for number in range(1, len(params) + 1)}:
        raise InvalidRequestError(
            params="Parameters must be numbered sequentially, starting from 1"
        )
    return tuple(params[str(number)] for number in range(1, len(params) + 1))


def _read_subset(fields: dict[str, Any]) -> Subset:
    try:
        limit, offset = (
            None if fields.get(name) is None else int(fields[name]) for name in ("limit", "offset")
        )
    except (TypeError, ValueError):
        raise InvalidRequestError(subset="limit and offset must be numbers") from None
    if (limit is not None or offset is not None) and not fields.get("order_by"):
        raise InvalidRequestError(subset="order_by is required when limit or offset is present")
    return Subset(
        where=str(fields["where"]) if fields.get("where") else None,
        params=_numbered(_texts(fields.get("params") or {})),
        order_by=str(fields["order_by"]) if fields.get("order_by") else None,
        limit=limit,
        offset=offset,
    )


def read_offset(text: str) -> Offset | None:
    """Read an offset: -1, now (None), or two numbers, of which the second may be inf."""
    if text == "-1":
        return BEFORE_ALL
    if text == "now":
        return None
    parts = re.fullmatch(r"(\d{1,20})_(\d{1,20}|inf)", text, re.ASCII)
    if parts is None:
        raise InvalidRequestError(offset="has invalid format")
    return int(parts[1]), INFINITE if parts[2] == "inf" else int(parts[2])


def write_offset(offset: Offset) -> str:
    """Write a place in the log as Electric does."""
    return f"{offset[0]}_{'inf' if offset[1] == INFINITE else offset[1]}"


def read_table(text: str) -> tuple[str, str]:
    """Read a table's name, with public where no schema is given."""
    parts = _TABLE.fullmatch(text)
    if parts is None:
        raise InvalidRequestError(table="Invalid relation identifier")
    return _unquoted(parts[1], "table") if parts[1] else "public", _unquoted(parts[2], "table")


def read_columns(text: str) -> tuple[str, ...]:
    """Read a list of columns."""
    names, at = [], 0
    while at < len(text):
        part = _COLUMNS.match(text, at)
        if part is None:
            raise InvalidRequestError(columns="Invalid column list")
        names.append(_unquoted(part[1], "columns"))
        at = part.end()
    return tuple(sorted(set(names)))


def _unquoted(name: str, where: str) -> str:
    if name.startswith('"'):
        plain = name[1:-1].replace('""', '"')
    else:
        # Postgres folds letters of ASCII only, in a database of UTF-8.
        plain = re.sub("[A-Z]", lambda letter: letter[0].lower(), name)
    if len(plain.encode()) > _LONGEST_NAME:
        raise InvalidRequestError(**{where: f"Identifier too long (max {_LONGEST_NAME} bytes)"})
    return plain
