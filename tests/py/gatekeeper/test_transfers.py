"""Uploads and downloads under way: how many, and that they end with what allowed them."""

import asyncio
import io
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from time import monotonic, time
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest

from gatekeeper import transfers, uploads
from harness.connections import Connection, Server, connect
from harness.uploads import About, store_upload
from tests.py.gatekeeper.personas import (
    EDITOR,
    OWNER,
    STRANGER,
    VIEWER,
    Tenants,
    nowhere,
    tenants,
)
from tests.py.waiting import wait_until

_LARGE = Random(21).randbytes(24 << 20)  # noqa: S311 - more than fits into buffers
_BYTES = {"content-type": "application/octet-stream"}

Start = Callable[..., Tenants]


@pytest.fixture
def start(shared: Server, tmp_path: Path) -> Iterator[Start]:
    """Return a way to start a gatekeeper with settings of a test's own."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(tenants(nowhere(shared), tmp_path, **settings))


@pytest.fixture(scope="module")
def large(shared: Server) -> Iterator[Callable[[UUID], str]]:
    """Return a way to store a large upload of an account's; it gives the path."""
    with connect(shared, "test") as opened:

        def store(account: UUID) -> str:
            stored = store_upload(opened, account, io.BytesIO(_LARGE), About("log"))
            return f"/api/uploads/{stored.upload['id']}"

        yield store


def under_way(made: Tenants) -> int:
    """Return how many transfers there are."""
    return made.gatekeeper.web.parts.limits._transfers.total()  # noqa: SLF001 - to wait for it


@contextmanager
def downloading(made: Tenants, account: UUID, path: str) -> Iterator[Iterator[bytes]]:
    """Begin to read, and read no further than the test does."""
    with (
        made.client(account) as client,
        client.stream("GET", path, headers={"accept-encoding": "identity"}) as answer,
    ):
        assert answer.status_code == 200
        pieces = answer.iter_raw(1000)
        assert next(pieces) == _LARGE[:1000]
        yield pieces


@contextmanager
def uploading(made: Tenants, account: UUID) -> Iterator[socket.socket]:
    """Begin to send a body, and go no further."""
    at = urlsplit(made.gatekeeper.url)
    head = (
        f"POST /api/uploads?name=x HTTP/1.1\r\nhost: {at.netloc}\r\n"
        f"authorization: {made.bearer(account)}\r\ncontent-length: {len(_LARGE)}\r\n"
        "content-type: application/octet-stream\r\n\r\n"
    )
    with socket.create_connection((at.hostname, at.port), timeout=20) as connection:
        connection.sendall(head.encode() + _LARGE[:1000])
        wait_until(lambda: under_way(made) > 0)
        yield connection


def disable(root: Connection, account: UUID) -> None:
    root.execute("update app.accounts set status = 'disabled' where id = %s", [account])


def count(root: Connection) -> int:
    ((uploads,),) = root.execute("select count(*) from app.session_uploads").fetchall()
    return int(uploads)


def test_a_download_ends_within_a_second_of_a_revocation(
    start: Start,
    large: Callable[[UUID], str],
    root: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also while nothing is sent, so that nobody asks before it is."""
    made, path = start(), large(EDITOR)
    give, given, stuck = uploads._page, Counter[str](), threading.Event()  # noqa: SLF001 - wrapped

    async def first_page_only(*asked: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 - as they are
        given["pages"] += 1
        if given["pages"] > 1:
            stuck.set()
            await asyncio.Event().wait()
        return await give(*asked)

    monkeypatch.setattr(uploads, "_page", first_page_only)
    with downloading(made, EDITOR, path) as pieces:
        assert under_way(made) == 1
        got = b"".join(next(pieces) for _ in range(4 << 20 >> 10))
        assert stuck.wait(10)
        disable(root, EDITOR)
        since = monotonic()
        wait_until(lambda: under_way(made) == 0)
        assert monotonic() - since < 1
        assert _LARGE[1000:].startswith(got)
        with pytest.raises(httpx.RemoteProtocolError):
            b"".join(pieces)


def test_an_upload_ends_within_a_second_of_a_revocation(start: Start, root: Connection) -> None:
    made, before = start(), count(root)
    with uploading(made, VIEWER) as connection:
        disable(root, VIEWER)
        since = monotonic()
        answer = connection.recv(4096)
        assert monotonic() - since < 1
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b"connection: close" in answer.lower()
    assert count(root) == before


def test_an_upload_outlives_the_token_it_began_with(start: Start, root: Connection) -> None:
    made = start(jwt_leeway_s=0)
    exp = int(time()) + 2
    soon = made.issuer.token(str(STRANGER), exp=exp)

    def body() -> Iterator[bytes]:
        yield b"x"
        wait_until(lambda: time() > exp)
        yield b"y"

    before = count(root)
    with made.gatekeeper.client(authorization=f"Bearer {soon}") as client:
        answer = client.post("/api/uploads?name=x", content=body(), headers=_BYTES)
        assert answer.status_code == 201
        assert client.get(answer.headers["location"]).status_code == 401
    assert count(root) == before + 1


def test_a_process_has_so_many_transfers_and_an_account_a_quarter(
    start: Start, large: Callable[[UUID], str]
) -> None:
    made, path = start(transfers=2), large(OWNER)
    with made.client(STRANGER) as stranger, made.client(OWNER) as owner:
        theirs = stranger.post("/api/uploads?name=x", content=b"x", headers=_BYTES)
        with downloading(made, OWNER, path):
            second = owner.get(path)
            assert (second.status_code, second.headers["retry-after"]) == (429, "1")
            assert owner.post("/api/uploads?name=x", content=b"", headers=_BYTES).status_code == 429
            # Others have room.
            assert stranger.get(theirs.headers["location"]).content == b"x"
        wait_until(lambda: under_way(made) == 0)
        assert owner.get(path).content == _LARGE
    made.gatekeeper.web.parts.limits._transfers_in_all = 1  # noqa: SLF001 - less than a quarter has
    with downloading(made, OWNER, path), made.client(STRANGER) as stranger:
        for refused in (
            stranger.get(theirs.headers["location"]),
            stranger.post("/api/uploads?name=x", content=b"x", headers=_BYTES),
        ):
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
            assert refused.json()["error"]["code"] == "unavailable"


def test_who_takes_nothing_is_left(
    start: Start, large: Callable[[UUID], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfers, "PATIENCE_S", 0.3)
    made = start()
    with downloading(made, OWNER, large(OWNER)):
        assert under_way(made) == 1
        wait_until(lambda: under_way(made) == 0)
