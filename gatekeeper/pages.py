"""The viewer's page: files that were read when the process started, and nothing else.

A request picks one of them by its whole name. No part of a request is ever a path on the disk.
"""

import gzip
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gatekeeper.errors import not_found
from gatekeeper.negotiation import has_tag, takes_coding
from gatekeeper.parts import parts_of
from gatekeeper.settings import GatekeeperSettings
from harness.errors import ExitCode, SessionbaseError

_INDEX = "index.html"
_ASSETS = "assets"
_LARGEST = 64 << 20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_HASHED = re.compile(r".*[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+")
_FOR_EVER = "public, max-age=31536000, immutable"
"""Of a file whose name has its content's hash: another content is another name."""
_ASK_FIRST = "no-cache"

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
_PACKED = frozenset({".ico", ".png", ".webp", ".woff2"})
"""What gzip makes no smaller."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""What the page may load and do: its own files, requests to where it came from, nothing inline."""

_HEADERS = {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), "
    "payment=(), usb=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Page:
    """A file as it is served. packed: by gzip, None where that makes it no smaller."""

    content: bytes = field(repr=False)
    packed: bytes | None = field(repr=False)
    tag: str
    type: str
    lasts: str

    def answer(self, request: Request) -> Response:
        """Return it, or 304 to who has it already."""
        packs = self.packed is not None and takes_coding(request, "gzip")
        headers = _HEADERS | {
            "cache-control": self.lasts,
            "content-type": self.type,
            "etag": f'"{self.tag}-gzip"' if packs else f'"{self.tag}"',
            "vary": "accept-encoding",
        }
        if has_tag(request, headers["etag"]):
            return Response(status_code=304, headers=headers)
        if packs:
            headers["content-encoding"] = "gzip"
        return Response(self.packed if packs else self.content, headers=headers)


class Pages:
    """The files of SESSIONBASE_VIEWER_DIR by their names, assets with their folder's."""

    def __init__(self, settings: GatekeeperSettings) -> None:
        folder = settings.viewer_dir
        self._pages = _read(folder) if folder else {}

    @property
    def are_served(self) -> bool:
        """Whether there are any."""
        return bool(self._pages)

    def find(self, name: str) -> Page:
        """Return the file of a name. Raises Refusal (404)."""
        page = self._pages.get(name)
        if page is None:
            raise not_found()
        return page


def routes() -> list[Route]:
    """Return the routes of this module."""
    return [
        Route("/", _index, methods=["GET"]),
        Route("/assets/{name}", _asset, methods=["GET"]),
        Route("/viewer-config.json", _tell, methods=["GET"]),
    ]


async def _index(request: Request) -> Response:
    return parts_of(request).pages.find(_INDEX).answer(request)


async def _asset(request: Request) -> Response:
    name = f"{_ASSETS}/{request.path_params['name']}"
    return parts_of(request).pages.find(name).answer(request)


async def _tell(request: Request) -> Response:
    """Tell the page how one signs in here; nothing in it is a secret."""
    parts = parts_of(request)
    if not parts.pages.are_served:
        raise not_found()
    settings = parts.settings
    sign_in = {
        "authorize_url": settings.viewer_authorize_url,
        "client_id": settings.jwt_audience,
    }
    facts = {"sign_in": None if settings.is_single_tenant else sign_in}
    headers = _HEADERS | {"cache-control": "no-store"}
    return Response(msgspec.json.encode(facts), headers=headers, media_type="application/json")


def _read(folder: Path) -> dict[str, Page]:
    """Read index.html and assets/. Raises SessionbaseError (BAD_SETTINGS)."""
    try:
        files = {_INDEX: folder / _INDEX} | {
            f"{_ASSETS}/{path.name}": path for path in sorted((folder / _ASSETS).iterdir())
        }
        if sum(path.stat().st_size for path in files.values()) > _LARGEST:
            raise _not_a_viewer(f"it has more than {_LARGEST >> 20} MiB")
        return {name: _page(path) for name, path in files.items()}
    except OSError as error:
        where = Path(str(error.filename)).relative_to(folder)
        raise _not_a_viewer(f"{where}: {error.strerror}") from None


def _page(path: Path) -> Page:
    kind = _TYPES.get(path.suffix)
    if not _NAME.fullmatch(path.name) or kind is None or path.is_symlink() or not path.is_file():
        raise _not_a_viewer(f"{path.name} is no file of a known kind")
    content = path.read_bytes()
    packed = None if path.suffix in _PACKED else gzip.compress(content, mtime=0)
    return Page(
        content,
        packed if packed and len(packed) < len(content) else None,
        hashlib.sha256(content).hexdigest()[:32],
        kind,
        _FOR_EVER if path.name != _INDEX and _HASHED.fullmatch(path.name) else _ASK_FIRST,
    )


def _not_a_viewer(why: str) -> SessionbaseError:
    return SessionbaseError(
        ExitCode.BAD_SETTINGS,
        f"SESSIONBASE_VIEWER_DIR is no built viewer: {why}",
        hint="It is the folder that `npm run build` writes: index.html and assets/.",
    )
