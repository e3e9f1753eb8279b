"""GET /v1/sessions: which sessions there are for who asks, and which shapes of each."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gatekeeper.calling import calling
from gatekeeper.fields import read_fields, read_number
from gatekeeper.parts import parts_of
from gatekeeper.principals import principal_of

_PAGE_SIZE = 100
_HEADERS = {"cache-control": "private, no-store", "vary": "authorization, cookie"}

# Whoever may see a session may have its shapes: that is what sync.authorize_shape() decides by.
_DISCOVER = """
    with page as materialized (
        select row_number() over () as place, listed.*
        from api.list_sessions(after => %(after)s, page_size => %(page_size)s) as listed
    ),

    of_session as (
        select coalesce(json_agg(shape.name order by shape.name), '[]') as names
        from sync.shapes as shape
        where 'session_id' = any(shape.params)
    )

    select json_build_object(
        'sessions', (
            select coalesce(
                json_agg(
                    json_build_object(
                        'session_id', page.id,
                        'owner', page.account_id,
                        'role', page.role,
                        'created_at', page.created_at,
                        'updated_at', page.updated_at,
                        'shapes', of_session.names
                    )
                    order by page.place
                ),
                '[]'
            )
            from page
            cross join of_session
        ),
        'next', (
            select page.cursor
            from page
            where page.place = %(page_size)s
        ),
        'shapes', (
            select json_agg(
                json_build_object(
                    'name', shape.name,
                    'description', shape.description,
                    'takes', array(
                        select param.name
                        from unnest(shape.params) as param (name)
                        where param.name in ('session_id', 'thread_id')
                    )
                )
                order by shape.name
            )
            from sync.shapes as shape
        )
    )::text
"""


def routes() -> list[Route]:
    """Return the routes of this module."""
    return [Route("/v1/sessions", _discover, methods=["GET"])]


async def _discover(request: Request) -> Response:
    parts, principal = parts_of(request), await principal_of(request)
    fields = read_fields(request, {"after", "page_size"})
    asked = {
        "after": fields.get("after"),
        "page_size": read_number(fields, "page_size", _PAGE_SIZE),
    }
    async with calling(parts, principal) as connection:
        cursor = await connection.execute(_DISCOVER, asked)
        row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - it is one object
    return Response(row[0], headers=_HEADERS, media_type="application/json")
