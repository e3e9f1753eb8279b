"""GET /openapi.json: all routes, for programs that make clients and tests of such a document.

openapi.yaml has what is always the same; the functions are those of the catalog, with its comments.
"""

import copy
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gatekeeper.functions import Callable, Functions
from gatekeeper.parts import parts_of
from harness.guide.catalog import Catalog, Function, Rows

_FIXED = Path(__file__).with_name("openapi.yaml")
_REF = "#/components/schemas/{name}"
_ERROR = {"$ref": "#/components/responses/Error"}

_TYPES: dict[str, dict[str, Any]] = {
    "bigint": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "bytea": {"type": "string", "pattern": r"^\\x([0-9a-f]{2})*$"},
    "integer": {"type": "integer"},
    "interval": {"type": "string"},
    "jsonb": {},
    "text": {"type": "string"},
    "timestamp with time zone": {"type": "string", "format": "date-time"},
    "uuid": {"type": "string", "format": "uuid"},
}
"""What a column of a type is in JSON, as Postgres makes it."""


def routes() -> list[Route]:
    """Return the routes of this module."""
    return [Route("/openapi.json", _tell, methods=["GET"])]


def describe(functions: Functions, catalog: Catalog) -> dict[str, Any]:
    """Return the document."""
    document = copy.deepcopy(_fixed())
    schemas = document["components"]["schemas"]
    for function in catalog.functions.values():
        called = functions.callable(function)
        if called is not None:
            document["paths"][f"/rpc/{function.name}"] = {"post": _operation(called, catalog)}
            schemas |= _arguments(called)
    # Also of those that are called by a route of their own.
    results = {function.result for function in catalog.functions.values()}
    schemas |= {name: _row(catalog.relations[name]) for name in results & catalog.relations.keys()}
    return document


async def _tell(request: Request) -> Response:
    functions = parts_of(request).functions
    document = describe(functions, await functions.catalog())
    body = msgspec.json.encode(document)
    return Response(body, headers={"cache-control": "no-store"}, media_type="application/json")


@cache
def _fixed() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(_FIXED.read_text(encoding="utf-8"))
    return document


def _operation(called: Callable, catalog: Catalog) -> dict[str, Any]:
    function = called.function
    arguments = {"$ref": _REF.format(name=called.arguments.__name__)}
    return {
        "tags": ["functions"],
        "operationId": function.name,
        "description": function.comment,
        "requestBody": {"required": True, "content": {"application/json": {"schema": arguments}}},
        "responses": {
            "200": {
                "description": "What it gives.",
                "content": {"application/json": {"schema": _result(function, catalog)}},
            },
            "default": _ERROR,
        },
    }


def _arguments(called: Callable) -> dict[str, Any]:
    _, found = msgspec.json.schema_components([called.arguments], ref_template=_REF)
    return dict(found)


def _result(function: Function, catalog: Catalog) -> dict[str, Any]:
    """Return the schema of an answer: a row or a value, or an array of them."""
    known = function.result in catalog.relations
    one = {"$ref": _REF.format(name=function.result)} if known else _value(function.result)
    return {"type": "array", "items": one} if function.many else one


def _row(rows: Rows) -> dict[str, Any]:
    return {
        "type": "object",
        "description": rows.comment,
        "required": [column.name for column in rows.columns],
        "additionalProperties": False,
        "properties": {
            column.name: _value(column.type) | {"description": column.comment}
            for column in rows.columns
        },
    }


def _value(type_name: str) -> dict[str, Any]:
    """Return the schema of a value, which can be null: also of a column that never is."""
    if type_name.endswith("[]"):
        return {"type": ["array", "null"], "items": _value(type_name.removesuffix("[]"))}
    known = _TYPES.get(type_name, {})
    return known | {"type": [known["type"], "null"]} if known else {}
