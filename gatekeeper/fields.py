"""Query strings of routes that take a few fields, each once."""

from collections.abc import Set as AbstractSet
from datetime import datetime
from urllib.parse import parse_qsl
from uuid import UUID

from starlette.requests import Request

from gatekeeper.errors import bad_request

Fields = dict[str, str]


def read_fields(request: Request, allowed: AbstractSet[str]) -> Fields:
    """Return the query's fields. Raises Refusal (400) for one that is unknown or there twice."""
    try:
        pairs = parse_qsl(
            request.scope["query_string"].decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=len(allowed),
        )
    except ValueError:
        raise bad_request("The query is not well formed, or has too many fields.") from None
    fields = dict(pairs)
    if len(fields) < len(pairs) or not fields.keys() <= allowed:
        raise bad_request(f"The query takes {', '.join(sorted(allowed))}, each once.")
    return fields


def read_uuid(fields: Fields, name: str) -> UUID | None:
    """Return a field that is a uuid, or None where it is not given. Raises Refusal (400)."""
    try:
        return UUID(fields[name]) if name in fields else None
    except ValueError:
        raise bad_request(f"{name} must be a uuid.") from None


def read_number(fields: Fields, name: str, usual: int) -> int:
    """Return a field that is a whole number of at most nine digits. Raises Refusal (400)."""
    text = fields.get(name, str(usual))
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):  # noqa: PLR2004 - fits an integer
        raise bad_request(f"{name} must be a whole number.")
    return int(text)


def read_time(fields: Fields, name: str) -> datetime | None:
    """Return a field that is a time with its zone, or None. Raises Refusal (400)."""
    try:
        found = datetime.fromisoformat(fields[name]) if name in fields else None
    except ValueError:
        found = None
    if name in fields and (found is None or found.tzinfo is None):
        raise bad_request(f"{name} must be a time with its zone, as 2026-01-09T10:00:00Z.")
    return found
