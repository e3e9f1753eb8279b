"""The gatekeeper's defences, and how each is taken out."""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import jwt
import msgspec
import pytest
from starlette.requests import Request

from gatekeeper import (
    cache,
    csrf,
    electric,
    exchanges,
    following,
    handles,
    identity_tokens,
    principals,
    proxy,
    queries,
    revocations,
    shapes,
    signing_in,
    tokens,
    upstream,
)
from gatekeeper.errors import unavailable
from gatekeeper.logs import LOG

Patch = pytest.MonkeyPatch
TakeOut = Callable[[Patch], None]

_ANYTHING = re.compile(r"(?s).*")
_request: ContextVar[Request] = ContextVar("request")


def do_as_published_examples(patch: Patch) -> None:
    """Compare all but params, and send on what the client sent."""
    compare_all_but_params(patch)
    forward_the_query(patch)


def read_leniently(patch: Patch) -> None:
    """Take of equal parameters the last, and any bytes."""

    def pairs(raw: bytes) -> dict[str, str]:
        return dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True))

    patch.setattr(queries, "read_pairs", pairs)


def pass_over_what_is_unknown(patch: Patch) -> None:
    """Take no notice of parameters that nobody knows."""
    strict = queries.read_pairs
    known = {*queries._FORMS, *queries._SHAPE}  # noqa: SLF001

    def pairs(raw: bytes) -> dict[str, str]:
        return {
            name: value
            for name, value in strict(raw).items()
            if name in known or re.fullmatch(r"params\[[1-9]\]", name)
        }

    patch.setattr(queries, "read_pairs", pairs)


def take_any_value(patch: Patch) -> None:
    """Take any text as an offset, handle, cursor."""
    patch.setattr(queries, "_FORMS", dict.fromkeys(queries._FORMS, _ANYTHING))  # noqa: SLF001


def compare_nothing(patch: Patch) -> None:
    """Take a request's word for the shape that it names, and give the claimed one."""
    patch.setattr(shapes.Definition, "require", lambda *_: None)


def compare_all_but_params(patch: Patch) -> None:
    """Compare what published examples compare: table, where, columns."""
    strict = shapes.Definition.require

    def require(self: shapes.Definition, asked: queries.Asked) -> None:
        strict(self, replace(asked, params=()))

    patch.setattr(shapes.Definition, "require", require)


def forward_the_query(patch: Patch) -> None:
    """Ask Electric with what the client sent behind what was claimed, as published examples do."""

    def query(protocol: queries.Protocol) -> bytes:
        given: bytes = _request.get().scope["query_string"]
        return shapes.protocol_query(protocol) + b"&" + given

    _remember_requests(patch)
    patch.setattr(upstream, "protocol_query", query)


def forward_the_headers(patch: Patch) -> None:
    """Send a client's headers on."""
    ask = electric.Electric.ask

    async def with_headers(self: electric.Electric, query: bytes, accept: str) -> electric.Reply:
        session = self._session
        assert session
        session.headers.update(
            {k: v for k, v in _request.get().headers.items() if k not in {"host", "connection"}}
        )
        return await ask(self, query, accept)

    _remember_requests(patch)
    patch.setattr(electric.Electric, "ask", with_headers)


def return_all_headers(patch: Patch) -> None:
    """Give a client all headers of Electric."""
    strict = exchanges.head_of

    def head_of(reply: electric.Reply, media_type: str) -> exchanges.Head:
        head = strict(reply, media_type)
        left_out = {"content-length", "transfer-encoding", "connection", "cache-control"}
        more = {k.lower(): v for k, v in reply.headers.items() if k.lower() not in left_out}
        return replace(head, headers=more | head.headers)

    patch.setattr(upstream, "head_of", head_of)


def keep_electrics_cache_control(patch: Patch) -> None:
    """Let everybody keep an answer, as Electric does."""
    patch.setattr(
        exchanges.Head,
        "raw_headers",
        property(lambda self: [
            (b"cache-control", b"public, max-age=604800"),
            *((k.encode(), v.encode()) for k, v in self.headers.items()),
        ]),
    )  # fmt: skip


def take_any_method(patch: Patch) -> None:
    """Answer any method as GET."""
    strict = proxy._get  # noqa: SLF001

    def route(path: str, endpoint: Any) -> Any:  # noqa: ANN401 - Starlette's
        made = strict(path, endpoint)
        made.methods = {"GET", "OPTIONS", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
        return made

    patch.setattr(proxy, "_get", route)


def take_the_first_header(patch: Patch) -> None:
    """Take of several headers Authorization the first, and any scheme."""

    def bearer_of(request: Request) -> str | None:
        given = request.headers.get("authorization")
        return given.split()[-1] if given and given.split() else None

    patch.setattr(proxy, "bearer_of", bearer_of)
    patch.setattr(principals, "bearer_of", bearer_of)


def believe_any_handle(patch: Patch) -> None:
    """Leave it to Electric whether a handle is of the definition that it comes with."""
    patch.setattr(handles.Handles, "knows", lambda *_: True)


def keep_by_table(patch: Patch) -> None:
    """Tell what is kept apart by its table only, not by whose rows it has."""
    get, put = cache.Cache.get, cache.Cache.put

    def key_of(key: bytes) -> bytes:
        return re.sub(rb"params%5B\d%5D=[^&]*&?", b"", key)

    def got(self: cache.Cache, key: bytes, expired: str | None) -> exchanges.Exchange | None:
        return get(self, key_of(key), expired)

    def kept(self: cache.Cache, exchange: exchanges.Exchange, shape: bytes, seconds: int) -> bool:
        exchange.key = key_of(exchange.key)
        return put(self, exchange, shape, seconds)

    patch.setattr(cache.Cache, "get", got)
    patch.setattr(cache.Cache, "put", kept)


def keep_what_nobody_waits_for(patch: Patch) -> None:
    """Leave a request to Electric under way when all who followed it have left."""
    patch.setattr(upstream.Upstream, "_abandon", lambda *_: None)


def follow_redirects(patch: Patch) -> None:
    """Go where Electric sends one."""
    get = aiohttp.ClientSession.get

    def anywhere(self: Any, url: Any, **options: Any) -> Any:  # noqa: ANN401 - aiohttp's
        return get(self, url, **(options | {"allow_redirects": True}))

    patch.setattr(aiohttp.ClientSession, "get", anywhere)


def deliver_unchecked(patch: Patch) -> None:
    """Deliver what was held without asking what was revoked meanwhile."""

    async def unchecked(_: following.Following) -> None:
        return

    patch.setattr(following.Following, "require_unrevoked", unchecked)
    patch.setattr(following.Following, "require_not_known_revoked", lambda _: None)


def hear_nothing(patch: Patch) -> None:
    """Let what is held be, whatever is revoked."""

    @contextmanager
    def deaf(*_: object) -> Iterator[asyncio.Event]:
        yield asyncio.Event()

    patch.setattr(revocations.Revocations, "watch", deaf)


def let_any_page_write(patch: Patch) -> None:
    """Take a cookie for a wish, whoever made the browser send it."""
    for module in (csrf, signing_in):
        patch.setattr(module, "require_same_origin", lambda _: None)


def take_the_last_cookie(patch: Patch) -> None:
    """Take of several cookies of one name the last."""

    def cookie_of(request: Request) -> str | None:
        return request.cookies.get(principals.COOKIE)

    patch.setattr(principals, "cookie_of", cookie_of)


def tell_what_failed(patch: Patch) -> None:
    """Log an error's text, in which there is the address that was asked, with the secret."""

    def failed(error: BaseException) -> Exception:
        LOG.warning("electric_failed", text=str(error))
        return unavailable()

    patch.setattr(electric, "_failed", failed)


def act_as_nobody_in_particular(patch: Patch) -> None:
    """Ask Postgres with the account's claim, and without its role: policies don't bind."""
    patch.setattr(
        "gatekeeper.database._ACT",
        "select set_config('role', 'none', true), set_config('request.jwt.claims', %s, true)",
    )


def verify_no_signature_of_shape_tokens(patch: Patch) -> None:
    """Take a shape token's word for it."""
    patch.setattr(tokens.ShapeTokens, "_decode", lambda _, token: _unverified(token))


def check_no_type_and_audience_of_shape_tokens(patch: Patch) -> None:
    """Take whatever was signed with the key, whoever it was for."""

    def decode(self: tokens.ShapeTokens, token: str) -> Any:  # noqa: ANN401 - private to tokens
        key = self._keys["now"]
        options: Any = {"verify_aud": False, "verify_iss": False, "verify_exp": False}
        claims = jwt.decode(token, key, algorithms=["HS256"], options=options)
        return msgspec.convert(claims, tokens._Said, strict=True)  # noqa: SLF001

    patch.setattr(tokens.ShapeTokens, "_decode", decode)


def verify_no_signature_of_the_issuer(patch: Patch) -> None:
    """Take the word of a token of the issuer."""
    _decode_identities(patch, {"verify_signature": False})


def check_no_times_and_audience_of_the_issuer(patch: Patch) -> None:
    """Take whatever the issuer ever signed, for whomever."""
    _decode_identities(
        patch,
        {"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )


def take_any_algorithm_of_the_issuer(patch: Patch) -> None:
    """Let a token say how it is signed."""
    strict_key = identity_tokens.IdentityTokens._key  # noqa: SLF001
    strict_decode = identity_tokens.IdentityTokens._decode  # noqa: SLF001

    async def key(self: identity_tokens.IdentityTokens, token: str) -> Any:  # noqa: ANN401 - a key
        algorithm = str(jwt.get_unverified_header(token)["alg"]).lower()
        return None if algorithm == "none" else await strict_key(self, token)

    def decode(
        self: identity_tokens.IdentityTokens, token: str, key: object
    ) -> identity_tokens.Identity:
        if key is not None:
            return strict_decode(self, token, key)
        claims = jwt.decode(token, options={"verify_signature": False})
        return identity_tokens.Identity(claims["iss"], claims["sub"], float(claims["exp"]))

    patch.setattr(identity_tokens.IdentityTokens, "_key", key)
    patch.setattr(identity_tokens.IdentityTokens, "_decode", decode)


def _decode_identities(patch: Patch, options: Any) -> None:  # noqa: ANN401 - PyJWT's
    def decode(
        self: identity_tokens.IdentityTokens, token: str, key: object
    ) -> identity_tokens.Identity:
        del self
        claims = jwt.decode(token, key, algorithms=["RS256"], options=options)  # type: ignore[arg-type]
        return identity_tokens.Identity(claims["iss"], claims["sub"], float(claims["exp"]))

    patch.setattr(identity_tokens.IdentityTokens, "_decode", decode)


def _unverified(token: str) -> Any:  # noqa: ANN401 - private to tokens
    claims = jwt.decode(token, options={"verify_signature": False})
    return msgspec.convert(claims, tokens._Said, strict=True)  # noqa: SLF001


def _remember_requests(patch: Patch) -> None:
    """Keep the client's request where what asks Electric finds it."""
    follow = proxy._follow  # noqa: SLF001

    def remembered(request: Request, *others: Any) -> Any:  # noqa: ANN401 - as they are
        _request.set(request)
        return follow(request, *others)

    patch.setattr(proxy, "_follow", remembered)


@contextmanager
def weakened(take_out: TakeOut) -> Iterator[None]:
    """Take a defence out until the block ends."""
    with pytest.MonkeyPatch.context() as patch:
        take_out(patch)
        yield
