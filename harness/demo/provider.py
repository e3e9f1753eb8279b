"""An identity provider for the demo. It asks for no password, so it is for development only.

It speaks as much of OpenID Connect as a page needs that has no server of its own: the implicit
flow with an id_token in the fragment (OpenID Connect Core 1.0, 3.2). A provider in earnest gives a
code, which the page exchanges (RFC 9700, 2.1.2); what comes of it here is the same, an id_token.
"""

import base64
import hashlib
import json
import os
import re
import signal
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from urllib.parse import parse_qsl, urlencode

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jinja2 import Template
from jwt.algorithms import OKPAlgorithm
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from harness.demo.people import CLIENT_ID, ISSUER, PEOPLE
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings
from harness.templates import template_environment

TOKEN_SECONDS = 60
"""How long a token lives: it is exchanged for a login session at once."""

_HOST = "127.0.0.1"
_KEY_ID = "demo"
_ASKED = (
    "response_type",
    "response_mode",
    "scope",
    "client_id",
    "redirect_uri",
    "state",
    "nonce",
)
_CHOSEN = "person"
_OPAQUE = re.compile(r"[!-~]{1,512}")
_SEE_OTHER = 303
_BAD_REQUEST = 400
_FORBIDDEN = 403


@dataclass(frozen=True)
class ProviderOrder:
    """How it is to be run.

    redirect_uris: where the browser may be sent back to. jwks_file: where its public key goes.
    """

    port: int
    redirect_uris: list[str]
    jwks_file: Path


@dataclass(frozen=True)
class Provider:
    """Signs for whoever says who they are. Its key is made with it, and is nowhere else."""

    redirect_uris: tuple[str, ...]
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)

    def jwks(self) -> dict[str, object]:
        """Return the public key, as RFC 7517 has it."""
        public = OKPAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [public | {"kid": _KEY_ID, "use": "sig", "alg": "EdDSA"}]}

    def application(self) -> Starlette:
        """Return the application: the page, what it posts to, and the public key."""
        return Starlette(
            routes=[
                Route("/authorize", self._show, methods=["GET"]),
                Route("/authorize", self._sign_in, methods=["POST"]),
                Route("/jwks.json", self._keys, methods=["GET"]),
            ],
            # A name that somebody made point here is not ours.
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[_HOST, "localhost"])],
        )

    async def _show(self, request: Request) -> Response:
        asked = _single(parse_qsl(request.url.query))
        fault = self._client_fault(asked)
        if fault:
            # Never sent back: nobody knows to whom.
            return self._page(_BAD_REQUEST, fault=fault)
        refused = _refused(asked)
        if refused:
            return _back(asked, {"error": refused})
        return self._page(
            200,
            fault="",
            people=PEOPLE,
            asked=[(name, asked[name]) for name in _ASKED if name in asked],
        )

    async def _sign_in(self, request: Request) -> Response:
        asked = _single(parse_qsl((await request.body()).decode("ascii", "replace")))
        fault = self._client_fault(asked)
        if fault or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return self._page(_FORBIDDEN, fault=fault or "This was not asked for by its own page.")
        refused = _refused(asked)
        if refused:
            return _back(asked, {"error": refused})
        for person in PEOPLE:
            if asked.get(_CHOSEN) == person.subject:
                claims = {"sub": person.subject, "name": person.name, "nonce": asked["nonce"]}
                return _back(asked, {"id_token": self._token(claims)})
        return _back(asked, {"error": "access_denied"})

    async def _keys(self, _: Request) -> Response:
        return JSONResponse(self.jwks())

    def _client_fault(self, asked: dict[str, str]) -> str:
        """Say what is wrong with who asks, or where to; nothing if it is who it should be."""
        if asked.get("client_id") != CLIENT_ID:
            return "client_id is not the viewer's."
        if asked.get("redirect_uri") not in self.redirect_uris:
            return "redirect_uri is not the viewer's, letter by letter."
        return ""

    def _token(self, claims: dict[str, str]) -> str:
        now = int(time())
        whole = {"iss": ISSUER, "aud": CLIENT_ID, "iat": now, "exp": now + TOKEN_SECONDS, **claims}
        return jwt.encode(whole, self.key, algorithm="EdDSA", headers={"kid": _KEY_ID})

    def _page(self, status: int, **facts: object) -> Response:
        text = _template().render(facts)
        style = text.partition("<style>")[2].partition("</style>")[0].encode()
        digest = base64.b64encode(hashlib.sha256(style).digest()).decode()
        # A form's redirect counts as its action too.
        targets = " ".join(sorted({uri.removesuffix("/") for uri in self.redirect_uris}))
        policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self' {targets}; "
            "base-uri 'none'; frame-ancestors 'none'"
        )
        return Response(
            text,
            status,
            _KEPT_NOWHERE
            | {"content-security-policy": policy, "x-content-type-options": "nosniff"},
            media_type="text/html",
        )


_KEPT_NOWHERE = {"cache-control": "no-store", "referrer-policy": "no-referrer"}


def run_provider(settings: Settings, order: ProviderOrder) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises SessionbaseError (REFUSED) in production."""
    if settings.env == "production":
        raise SessionbaseError(
            ExitCode.REFUSED,
            "the demo's identity provider believes everybody, and SESSIONBASE_ENV is production",
            hint="Set SESSIONBASE_JWT_ISSUER to a provider in earnest: docs/gatekeeper.md.",
        )
    provider = Provider(tuple(order.redirect_uris))
    unfinished = order.jwks_file.with_suffix(".new")
    unfinished.write_text(json.dumps(provider.jwks()))
    unfinished.replace(order.jwks_file)
    config = uvicorn.Config(
        provider.application(),
        host=_HOST,
        port=order.port,
        lifespan="off",
        # Its lines would hold states and nonces.
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    # uvicorn gives the signal back when it is done, which would end this with a traceback.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    uvicorn.Server(config).run()


def _single(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Return what is there once; what is there twice is as if it were not (RFC 6749, 3.1)."""
    names = [name for name, _ in pairs]
    return {name: value for name, value in pairs if names.count(name) == 1}


def _refused(asked: dict[str, str]) -> str:
    """Return OpenID Connect's word for what is wrong with a request; nothing if it is right."""
    if asked.get("response_type") != "id_token":
        return "unsupported_response_type"
    if asked.get("response_mode", "fragment") != "fragment":
        return "invalid_request"
    if "openid" not in asked.get("scope", "").split(" "):
        return "invalid_scope"
    if not all(_OPAQUE.fullmatch(asked.get(name, "")) for name in ("state", "nonce")):
        return "invalid_request"
    return ""


def _back(asked: dict[str, str], facts: dict[str, str]) -> Response:
    """Send the browser back, with what came of it in the fragment, which no server is told."""
    if "state" in asked:
        facts = facts | {"state": asked["state"]}
    address = f"{asked['redirect_uri']}#{urlencode(facts)}"
    return RedirectResponse(address, _SEE_OTHER, _KEPT_NOWHERE)


def _template() -> Template:
    folder = Path(__file__).parent
    return template_environment(folder, is_html=True, filters={}).get_template("page.html.j2")
