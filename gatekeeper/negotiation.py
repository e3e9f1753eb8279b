"""What a client has already, and what it takes: RFC 9110, 12.5.3 and 13.1.2."""

from starlette.requests import Request


def has_tag(request: Request, tag: str) -> bool:
    """Say whether a header If-None-Match has a tag, or any."""
    headers = request.headers.getlist("if-none-match")
    tags = [one.strip().removeprefix("W/") for header in headers for one in header.split(",")]
    return tag in tags or "*" in tags


def takes_coding(request: Request, coding: str) -> bool:
    """Say whether Accept-Encoding names a coding, and not to refuse it."""
    for given in ",".join(request.headers.getlist("accept-encoding")).split(","):
        name, _, weight = given.replace(" ", "").lower().partition(";")
        if name == coding:
            return weight.strip("0.") != "q="
    return False
