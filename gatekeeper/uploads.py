"""The bytes of uploads: GET /api/uploads/{id}, and POST /api/uploads.

Either way some chunks are in memory at most, and no connection to Postgres is held while a client
is slow: each page of chunks is a transaction of its own, as the one who asks.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from math import inf
from time import time
from typing import Any
from urllib.parse import quote
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gatekeeper.allowing import while_allowed
from gatekeeper.bodies import stream_body
from gatekeeper.calling import calling
from gatekeeper.csrf import check_same_site
from gatekeeper.errors import Refusal, bad_request, not_signed_in
from gatekeeper.fields import read_boolean, read_fields, read_time, read_uuid
from gatekeeper.negotiation import has_tag, takes_coding
from gatekeeper.parts import Parts, parts_of
from gatekeeper.principals import Principal, principal_of
from gatekeeper.ranges import Span, UnsatisfiableError, read_range
from gatekeeper.transfers import PATIENCE_S, Download, Transfer
from harness.chunks import Cutter, as_frame, compress, decompress
from harness.errors import SessionbaseError
from harness.uploads import MISSING, PUT, STORE, About, Gathering

_AT_ONCE = 4
"""How many chunks are in memory for one request, asked for and sent in one transaction."""

_BEHIND_ALL = (1 << 63) - 1
_BYTES = "application/octet-stream"
_PRIVATE = {
    "cache-control": "private, no-cache",
    "vary": "authorization, cookie, accept-encoding",
}
_HARMLESS = {
    # What is in a log is shown, and never run.
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox",
    "cross-origin-resource-policy": "same-origin",
}

# Of chunks behind all there are none: this asks whether the content may be read, and reads none.
_MAY_READ = "select from api.read_upload(%s, from_chunk => %s, account_id => %s)"
_ABOUT = """
    select account_id, content_sha256, size_bytes, charset, original_name
    from api.get_upload(%s, account_id => %s)
"""
_FIND_CHUNK = """
    select chunk_index
    from app.upload_content_chunks
    where account_id = %s
        and content_sha256 = %b
        and byte_offset <= %s
    order by chunk_index desc
    limit 1
"""
_READ = """
    select byte_offset, size_bytes, sha256, encoding, chunk
    from api.read_upload(
        %s, from_chunk => %s, page_size => %s, content_sha256 => %b, account_id => %s
    )
"""
_STORE = f"select stored.id, to_json(stored)::text from ({STORE}) as stored"  # noqa: S608 - constant

Opener = Callable[[str, bytes, bytes, int], bytes]
"""Opens a chunk: takes its encoding, its bytes, and what its SHA-256 and size should be."""


def routes() -> list[Route]:
    """Return the routes of this module."""
    return [
        Route("/api/uploads", _store, methods=["POST"]),
        # An upload that was imported has whatever id it had, slashes too.
        Route("/api/uploads/{upload_id:path}", _read, methods=["GET"]),
    ]


@dataclass(frozen=True)
class _Upload:
    """An upload that the principal may read. account_id: whose it is."""

    id: str
    account_id: UUID
    sha256: bytes
    size: int
    charset: str | None
    name: str

    def tag(self, coding: str = "") -> str:
        """Return the ETag, which is another for the same content in another coding."""
        return f'"{self.sha256.hex()}{coding and "-" + coding}"'

    def headers(self, *, as_file: bool) -> dict[str, str]:
        """Return what every answer with its content says."""
        # Of what is no text a charset would be a guess.
        kind = f"text/plain; charset={self.charset}" if self.charset else _BYTES
        headers = _PRIVATE | _HARMLESS | {"content-type": kind, "accept-ranges": "bytes"}
        if as_file:
            headers["content-disposition"] = disposition_of(self.name)
        return headers


def disposition_of(name: str) -> str:
    """Return the header Content-Disposition for a file of this name (RFC 6266).

    For who does not know filename*, ASCII; and no path, no control character for anybody.
    """
    safe = "".join("_" if one in '/\\"' or not one.isprintable() else one for one in name) or "_"
    plain = "".join(one if one.isascii() and one not in "%;" else "_" for one in safe)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"


async def _read(request: Request) -> Response:
    parts, principal = parts_of(request), await principal_of(request)
    fields = read_fields(request, {"owner", "download"})
    owner = read_uuid(fields, "owner") or principal.account_id
    upload = await _find(parts, principal, request.path_params["upload_id"], owner)
    headers = upload.headers(as_file=read_boolean(fields, "download"))

    for coding in ("", "zstd"):
        if has_tag(request, upload.tag(coding)):
            kept = {name: headers[name] for name in _PRIVATE} | {"etag": upload.tag(coding)}
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=kept)
    span = _wanted(request, upload)
    if span is None and upload.size and takes_coding(request, "zstd"):
        headers |= {"etag": upload.tag("zstd"), "content-encoding": "zstd"}
        return await _answer(request, upload, Span(0, upload.size), as_frame, headers)
    headers["etag"] = upload.tag()
    whole = Span(0, upload.size)
    size = (span or whole).stop - (span or whole).start
    headers["content-length"] = str(size)
    if span is None:
        return await _answer(request, upload, whole, decompress, headers)
    headers["content-range"] = f"bytes {span.start}-{span.stop - 1}/{upload.size}"
    return await _answer(request, upload, span, decompress, headers)


async def _find(parts: Parts, principal: Principal, upload_id: str, owner: UUID) -> _Upload:
    """Return an upload. Raises Refusal: 404 if it is not to be seen, 403 if not to be read."""
    async with calling(parts, principal) as connection:
        await connection.execute(_MAY_READ, [upload_id, _BEHIND_ALL, owner])
        cursor = await connection.execute(_ABOUT, [upload_id, owner])
        row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - else it could not be read
    return _Upload(upload_id, *row)


def _wanted(request: Request, upload: _Upload) -> Span | None:
    """Return the range that is asked for. None: all. Raises Refusal (416)."""
    given = request.headers.getlist("range")
    condition = request.headers.get("if-range")
    if len(given) != 1 or request.method != "GET" or condition not in {None, upload.tag()}:
        return None
    try:
        return read_range(given[0], upload.size)
    except UnsatisfiableError:
        raise Refusal(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            "range_not_satisfiable",
            "The content has no such bytes.",
            {"content-range": f"bytes */{upload.size}"},
        ) from None


async def _answer(
    request: Request, upload: _Upload, span: Span, opener: Opener, headers: dict[str, str]
) -> Response:
    status = HTTPStatus.PARTIAL_CONTENT if "content-range" in headers else HTTPStatus.OK
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    parts, principal = parts_of(request), await principal_of(request)
    transfer = _transfer(principal, upload.account_id)
    pieces = _pieces(parts, principal, transfer, upload, span, opener)
    return Download(parts, transfer, pieces, status, headers)


def _transfer(principal: Principal, owner: UUID) -> Transfer:
    return Transfer(
        principal.account_id, principal.login_session_id, owner, time(), principal.expires_at
    )


async def _pieces(  # noqa: PLR0913, PLR0917 - what is read, and as whom
    parts: Parts,
    principal: Principal,
    transfer: Transfer,
    upload: _Upload,
    span: Span,
    opener: Opener,
) -> AsyncGenerator[bytes]:
    """Give the pieces of a span, each after its chunk was checked.

    Raises Refusal, which breaks the answer off: the content was replaced, removed or is damaged, or
    who asks may no longer.
    """
    place, read = await _begin(parts, principal, upload, span), span.start
    while read < span.stop:
        await _check(parts, transfer)
        page = await _page(parts, principal, upload, place)
        if not page:
            raise _damaged()
        for offset, size, sha256, encoding, packed in page:
            piece = await _open(opener, encoding, packed, sha256, size)
            yield piece if opener is as_frame else span.of(offset, piece)
            read = offset + size
            if read >= span.stop:
                return
        place += len(page)


async def _begin(parts: Parts, principal: Principal, upload: _Upload, span: Span) -> int:
    """Return which chunk has the span's first byte."""
    if span.start == 0:
        return 0
    async with calling(parts, principal) as connection:
        cursor = await connection.execute(
            _FIND_CHUNK, [upload.account_id, upload.sha256, span.start]
        )
        row = await cursor.fetchone()
    if row is None:
        raise _damaged()
    return int(row[0])


async def _check(parts: Parts, transfer: Transfer) -> None:
    """Raise Refusal (401) if who began may go on no more. Postgres is asked."""
    await parts.revocations.check()
    if parts.revocations.is_revoked(transfer) or time() >= transfer.expires_at:
        raise not_signed_in()


async def _page(
    parts: Parts, principal: Principal, upload: _Upload, place: int
) -> list[tuple[Any, ...]]:
    asked = [upload.id, place, _AT_ONCE, upload.sha256, upload.account_id]
    async with calling(parts, principal) as connection:
        cursor = await connection.execute(_READ, asked, binary=True)
        return await cursor.fetchall()


async def _open(opener: Opener, encoding: str, packed: bytes, sha256: bytes, size: int) -> bytes:
    try:
        return await asyncio.to_thread(opener, encoding, packed, sha256, size)
    except SessionbaseError:
        raise _damaged() from None


def _damaged() -> Refusal:
    return Refusal(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "damaged",
        "The content is not what its SHA-256 says.",
    )


async def _store(request: Request) -> Response:
    """Store a body as a new upload. Until its end it is chunks that no upload has."""
    parts, principal = parts_of(request), await principal_of(request)
    check_same_site(request, principal)
    about = _about(request)
    # What was good when it began stays so until it is revoked: an upload can't be resumed.
    transfer = replace(_transfer(principal, principal.account_id), expires_at=inf)
    with parts.limits.transfer(principal.account_id), _closing():
        async with while_allowed(parts.revocations, transfer):
            content = await _put(parts, principal, request)
        await _check(parts, transfer)
    async with calling(parts, principal, writes=True) as connection:
        cursor = await connection.execute(_STORE, about.named() | content.content().named())
        row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - the function gives one row
    headers = {"location": f"/api/uploads/{quote(row[0], safe='')}", "cache-control": "no-store"}
    return Response(row[1], HTTPStatus.CREATED, headers, "application/json")


@contextmanager
def _closing() -> Iterator[None]:
    """Have the connection closed after a refusal: the rest of the body is not read."""
    try:
        yield
    except Refusal as refusal:
        refusal.headers["connection"] = "close"
        raise


def _about(request: Request) -> About:
    fields = read_fields(request, {"name", "session_id", "last_modified"})
    if not fields.get("name"):
        raise bad_request("The query must have name.")
    modified = read_time(fields, "last_modified")
    return About(fields["name"], session_id=fields.get("session_id"), last_modified=modified)


async def _put(parts: Parts, principal: Principal, request: Request) -> Gathering:
    """Store the chunks of a body that are not stored yet."""
    gathering, batch = Gathering(), dict[bytes, bytes]()
    async for piece in _cut(request, parts.settings.upload_limit_bytes):
        batch[gathering.feed(piece)] = piece
        if len(batch) == _AT_ONCE:
            gathering.note_sent(await _send(parts, principal, batch))
            batch.clear()
    gathering.note_sent(await _send(parts, principal, batch))
    return gathering


async def _cut(request: Request, limit_bytes: int) -> AsyncIterator[bytes]:
    cutter = Cutter()
    async with aclosing(stream_body(request, _BYTES, limit_bytes)) as blocks:
        while True:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    block = await anext(blocks)
            except StopAsyncIteration:
                break
            except TimeoutError:
                raise _too_slow() from None
            for piece in cutter.feed(block):
                yield piece
    for piece in cutter.rest():
        yield piece


def _too_slow() -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_TIMEOUT,
        "too_slow",
        "The body did not come in time.",
    )


async def _send(parts: Parts, principal: Principal, batch: dict[bytes, bytes]) -> list[int]:
    """Store those chunks that are missing; return how many bytes each takes.

    In one order whoever sends, so that two who send the same never wait for each other in a ring.
    """
    if not batch:
        return []
    async with calling(parts, principal) as connection:
        cursor = await connection.execute(MISSING, [list(batch)])
        missing = sorted([row[0] async for row in cursor])
    # Without a connection, for it takes longer than anything else here.
    packed = [await asyncio.to_thread(compress, batch[sha256]) for sha256 in missing]
    async with calling(parts, principal, writes=True) as connection, connection.pipeline():
        for sha256, (encoding, chunk) in zip(missing, packed, strict=True):
            await connection.execute(PUT, [sha256, encoding, len(batch[sha256]), chunk])
    return [len(chunk) for _, chunk in packed]
