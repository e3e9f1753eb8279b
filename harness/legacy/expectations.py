"""What a record of the old files must be in the database: the verification's own reading of it.

Nothing here is shared with the import. What Postgres does there with JSON, Python does here; where
the two do not agree, the verification says so.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Literal, cast

Json = Any
"""None, a bool, a str, a Number, or a list or dict of these."""

_MOST_DIGITS = 131_072
_MOST_DECIMALS = 16_383
# Longer exponents are beyond any number that Postgres holds.
_MOST_EXPONENT_DIGITS = 9

_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?)([0-9]+))?")
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:Z|([+-])(\d\d):(\d\d))",
    re.ASCII,
)
_MICROSECONDS_A_DAY = 86_400_000_000
_EPOCH = date(1970, 1, 1).toordinal()
_ODD_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE = re.compile("[\\x00\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number, spelled with the digits that Postgres keeps of it."""

    digits: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A value in a jsonb column: a JSON null there is not an SQL null."""

    value: Json


class _NotATime:
    """In place of a time that is none: equal to nothing in the database."""


_NOT_A_TIME: Final = _NotATime()


@dataclass(slots=True)
class Reading:
    """A JSON value as Postgres can hold it.

    replaced: whether something in it is not what the bytes say, or they say a field twice.
    """

    value: Json = None
    replaced: bool = False
    _has_odd_escape: bool = field(default=False, repr=False)

    def number(self, text: str) -> Number | str:
        """Take a number; one that Postgres can't hold becomes a string of its digits."""
        digits = stored_digits(text)
        if digits is None:
            self.replaced = True
            return text
        return Number(digits)

    def members(self, pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        """Take an object; of two fields of one name the last counts."""
        if self._has_odd_escape:
            pairs = [(self._storable(name), value) for name, value in pairs]
        members = dict(pairs)
        self.replaced |= len(members) != len(pairs)
        return members

    def read(self, raw: bytes) -> None:
        """Read bytes. Raises ValueError if they are no JSON."""
        self._has_odd_escape = _ODD_ESCAPE.search(raw) is not None
        value = json.loads(
            raw.decode(),
            parse_int=self.number,
            parse_float=self.number,
            parse_constant=_refuse,
            object_pairs_hook=self.members,
        )
        self.value = self._with_storable_strings(value) if self._has_odd_escape else value

    def _storable(self, text: str) -> str:
        if not self._has_odd_escape:
            return text
        stored = _UNSTORABLE.sub(_REPLACEMENT, text)
        self.replaced |= stored != text
        return stored

    def _with_storable_strings(self, value: Json) -> Json:
        """Replace what can't be held in the strings of a value; names are replaced already."""
        if isinstance(value, str):
            return self._storable(value)
        if isinstance(value, list):
            return [self._with_storable_strings(item) for item in value]
        if isinstance(value, dict):
            return {name: self._with_storable_strings(item) for name, item in value.items()}
        return value


def _refuse(name: str) -> None:
    """Refuse NaN and Infinity, which Python reads and JSON has not."""
    raise ValueError(name)


def read_json(raw: bytes) -> Reading | None:
    """Read bytes as JSON; None if they are none. Raises RecursionError for very deep ones."""
    reading = Reading()
    try:
        reading.read(raw)
    except ValueError:
        return None
    return reading


def stored_digits(text: str) -> str | None:
    """Return the digits that Postgres keeps of a JSON number; None if it can't hold it."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    sign, whole, decimals, exponent_sign, exponent_digits = found.groups(default="")
    exponent_digits = exponent_digits.lstrip("0")
    if len(exponent_digits) > _MOST_EXPONENT_DIGITS:
        return None
    exponent = int(f"{exponent_sign}{exponent_digits or 0}")
    scale = max(0, len(decimals) - exponent)
    digits = (whole + decimals).lstrip("0")
    length = len(digits) - len(decimals) + exponent  # of the part before the point
    if scale > _MOST_DECIMALS or (digits and length > _MOST_DIGITS):
        return None
    if not digits:
        return "0." + "0" * scale if scale else "0"
    if scale == 0:
        return sign + digits + "0" * (length - len(digits))
    digits = digits.rjust(scale + 1, "0")
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}"


def microseconds(text: object) -> int | _NotATime | None:
    """Return a time as microseconds since 1970; None for none."""
    if text is None:
        return None
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return _NOT_A_TIME
    year, month, day, hour, minute, second, part, sign, off_hour, off_minute = found.groups("0")
    try:
        days = date(int(year), int(month), int(day)).toordinal() - _EPOCH
    except ValueError:
        return _NOT_A_TIME
    minutes = int(hour) * 60 + int(minute)
    offset = int(off_hour) * 60 + int(off_minute)
    minutes += offset if sign == "-" else -offset
    in_day = (minutes * 60 + int(second)) * 1_000_000 + int(part.ljust(6, "0"))
    return days * _MICROSECONDS_A_DAY + in_day


# From fields to columns.

Shape = Literal["text", "time", "count", "json", "items"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column, and the fields it is of: the first of them that is there and not null."""

    name: str
    shape: Shape
    fields: tuple[str, ...]


def _columns(table: str) -> tuple[Column, ...]:
    return tuple(
        Column(name, cast("Shape", shape), tuple(fields.split("|")))
        for name, shape, fields in (line.split() for line in table.strip().splitlines())
    )


COLUMNS: Final = {
    "threads": _columns("""
        session_id text sessionId
        mode text mode
        title text title
        status text status
        created_at time createdAt
        updated_at time updatedAt
    """),
    "messages": _columns("""
        session_id text sessionId
        mode text mode
        thread_id text threadId
        role text role
        content text content
        client_message_id text clientMessageId
        misalignment_id text misalignmentId
        evidence items evidence
        context_events items contextEvents
        created_at time createdAt
        updated_at time updatedAt
    """),
    "tool_events": _columns("""
        session_id text sessionId
        thread_id text threadId
        tool_call_id text toolCallId
        tool_name text toolName
        arguments json arguments
        status text status
        result json result
        error text error
        started_at time startedAt
        completed_at time completedAt
        latency_ms count latencyMs
        context_events items contextEvents
        created_at time startedAt
        updated_at time completedAt|startedAt
    """),
}
"""What each column must hold, by kind; besides them id and extra."""

DERIVED: Final = _columns("""
    message_count count messageCount
    last_message_preview text lastMessagePreview
    last_message_at time lastMessageAt
""")
"""The columns of a thread that its messages decide."""

_ITEM_FIELDS = {
    "evidence": frozenset({"path", "ruleId", "snippet", "severity", "label"}),
    "contextEvents": frozenset({"eventIndex", "displayIndex", "eventId", "eventType", "summary"}),
}
_KNOWN = {
    kind: frozenset(
        {"id"}
        | {name for column in columns for name in column.fields}
        | ({column.fields[0] for column in DERIVED} if kind == "threads" else set())
    )
    for kind, columns in COLUMNS.items()
}
_NULL_IS_KEPT = {"threadId", "toolCallId", "arguments", "result"}
"""Fields of a tool event whose null the row gives back."""


def expected(kind: str, record: Mapping[str, Json]) -> dict[str, object]:
    """Return what the columns of a record's row must hold, times in microseconds since 1970."""
    found = {column.name: _value(column, record) for column in COLUMNS[kind]}
    extra = {name: value for name, value in record.items() if name not in _KNOWN[kind]}
    return {**found, "extra": Stored(extra)}


def said(column: Column, record: Mapping[str, Json]) -> object:
    """Return what a record says for a column."""
    return _value(column, record)


def _value(column: Column, record: Mapping[str, Json]) -> object:
    values = [record[name] for name in column.fields if record.get(name) is not None]
    value = values[0] if values else None
    if column.shape == "json":
        name = column.fields[0]
        return Stored(record[name]) if name in record else None
    if value is None:
        return None
    if column.shape == "time":
        return microseconds(value)
    if column.shape == "items":
        return Stored(_wrapped(value, _ITEM_FIELDS[column.fields[0]]))
    if column.shape == "count":
        return int(value.digits) if isinstance(value, Number) and _is_whole(value) else value
    return value


def _is_whole(number: Number) -> bool:
    return number.digits.isdecimal() and len(number.digits) < 19  # noqa: PLR2004 - a bigint's


def _wrapped(items: Json, known: frozenset[str]) -> Json:
    """Return items with their unknown fields in a field extra, as the column has them."""
    if not isinstance(items, list):
        return items
    return [_wrapped_item(item, known) for item in items]


def _wrapped_item(item: Json, known: frozenset[str]) -> Json:
    if not isinstance(item, dict) or item.keys() <= known:
        return item
    own = {name: value for name, value in item.items() if name in known}
    return own | {"extra": {name: value for name, value in item.items() if name not in known}}


def gives_back(kind: str, record: Mapping[str, Json]) -> bool:
    """Say whether a row has all that its record says: if not, the record's bytes must be kept."""
    columns = COLUMNS[kind] + (DERIVED if kind == "threads" else ())
    for column in columns:
        value = record.get(column.fields[0])
        is_null = column.fields[0] in record and value is None
        if is_null and not (kind == "tool_events" and column.fields[0] in _NULL_IS_KEPT):
            return False
        if column.shape == "time" and value is not None and spelled(microseconds(value)) != value:
            return False
    if kind == "tool_events":
        return "threadId" in record and "toolCallId" in record
    return kind != "threads" or "messageCount" in record


def spelled(time: object) -> str | None:
    """Spell a time as the old viewer does; with microseconds where it has them."""
    if not isinstance(time, int):
        return None
    days, rest = divmod(time, _MICROSECONDS_A_DAY)
    try:
        day = date.fromordinal(days + _EPOCH)
    except ValueError:
        return None
    seconds, part = divmod(rest, 1_000_000)
    minutes, second = divmod(seconds, 60)
    fraction = f"{part:06}" if part % 1000 else f"{part // 1000:03}"
    return f"{day}T{minutes // 60:02}:{minutes % 60:02}:{second:02}.{fraction}Z"


def preview(content: str | None) -> str | None:
    """Return the first 280 UTF-16 units of a message, without half a character at the end."""
    if content is None:
        return None
    units = content[:280].encode("utf-16-le")[: 280 * 2]
    return units.decode("utf-16-le", errors="ignore")
