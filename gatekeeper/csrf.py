"""Writes that another site made a browser send: its cookie goes along, its Origin does not lie."""

from http import HTTPStatus

from starlette.requests import Request

from gatekeeper.errors import Refusal
from gatekeeper.parts import parts_of
from gatekeeper.principals import Principal

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def check_same_site(request: Request, principal: Principal) -> None:
    """Refuse a write that another site made a browser send. Raises Refusal (403).

    A token in a header is no browser's doing. A cookie is, and so is being on the machine where
    single-tenant mode believes everybody.
    """
    if request.method in _SAFE or principal.kind == "jwt":
        return
    if principal.kind == "single" and not _is_of_a_browser(request):
        return
    require_same_origin(request)


def require_same_origin(request: Request) -> None:
    """Refuse what a page of our own did not send. Raises Refusal (403).

    Where the browser says nothing of its own (Sec-Fetch-Site), Origin must be ours.
    """
    sites = request.headers.getlist("sec-fetch-site")
    if sites:
        is_ours = sites == ["same-origin"]
    else:
        origins = request.headers.getlist("origin")
        is_ours = len(origins) == 1 and origins[0] == parts_of(request).settings.public_origin
    if not is_ours:
        raise Refusal(
            HTTPStatus.FORBIDDEN, "forbidden", "A write must come from a page of this origin."
        )


def _is_of_a_browser(request: Request) -> bool:
    return "sec-fetch-site" in request.headers or "origin" in request.headers
