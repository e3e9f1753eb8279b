"""Bodies of requests: of one media type, and never longer than allowed."""

from collections.abc import AsyncGenerator

from starlette.requests import ClientDisconnect, Request

from gatekeeper.errors import Refusal, bad_request, too_large

_UNSUPPORTED = 415


async def read_body(request: Request, media_type: str, limit_bytes: int) -> bytes:
    """Return a body. Raises what stream_body() raises."""
    return b"".join([block async for block in stream_body(request, media_type, limit_bytes)])


async def stream_body(
    request: Request, media_type: str, limit_bytes: int
) -> AsyncGenerator[bytes, None]:
    """Give a body's bytes as they come in.

    Raises Refusal: 415 for another media type or a compressed body, 413 for one that says or
    turns out to be longer than limit_bytes, 400 if the client leaves.
    """
    _check_head(request, media_type, limit_bytes)
    size = 0
    try:
        async for block in request.stream():
            size += len(block)
            if size > limit_bytes:
                raise _over()
            yield block
    except ClientDisconnect:
        raise bad_request("The body has no end.") from None


def _check_head(request: Request, media_type: str, limit_bytes: int) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != media_type or "content-encoding" in request.headers:
        raise Refusal(
            _UNSUPPORTED,
            "unsupported_media_type",
            f"The body must be {media_type}, and not compressed.",
            {"accept": media_type},
        )
    said = request.headers.get("content-length", "")
    # Longer numbers are refused by what they say: that many digits no body has.
    if said.isdecimal() and (len(said) > len(str(limit_bytes)) + 1 or int(said) > limit_bytes):
        raise _over()


def _over() -> Refusal:
    refusal = too_large()
    # What is still under way is not read.
    refusal.headers["connection"] = "close"
    return refusal
