"""Writes that a browser sends with its cookie. A stub: every write is let through."""

from starlette.requests import Request

from gatekeeper.principals import Principal


def check_same_site(request: Request, principal: Principal) -> None:
    """Refuse a write that another site made a browser send. Raises Refusal (403)."""
    del request, principal
