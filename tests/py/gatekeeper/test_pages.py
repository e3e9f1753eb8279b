"""The viewer's page: what is served of it, how, and nothing else."""

import gzip
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from gatekeeper.app import build
from gatekeeper.settings import GatekeeperSettings
from harness.connections import Server
from harness.errors import ExitCode, SessionbaseError
from tests.py.electric.electrics import Electric
from tests.py.gatekeeper.gatekeepers import Gatekeeper, running
from tests.py.gatekeeper.issuers import Issuer

Start = Callable[..., Gatekeeper]

INDEX = b"<!doctype html><title>Viewer</title>" + b"<p>There is a page here.</p>" * 20
SCRIPT = b"export const there = true;\n" * 40
SECRET = b"not for anybody"
HASHED, PLAIN = "index-B4dC0ffe.js", "mark.svg"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a built viewer of a test's own."""
    return built(tmp_path)


@pytest.fixture(scope="module")
def viewer(electric: Electric, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gatekeeper]:
    """Return a gatekeeper that serves a viewer, in single-tenant mode."""
    with running(electric, viewer_dir=built(tmp_path_factory.mktemp("built"))) as gatekeeper:
        yield gatekeeper


def built(parent: Path) -> Path:
    """Make a built viewer, with files beside what it serves that are nobody's business."""
    folder = parent / "viewer"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_bytes(INDEX)
    (folder / "assets" / HASHED).write_bytes(SCRIPT)
    (folder / "assets" / PLAIN).write_bytes(b"<svg/>")
    (folder / "notes.txt").write_bytes(SECRET)
    (parent / "secret.txt").write_bytes(SECRET)
    return folder


def test_the_page_and_its_files_are_served_with_their_types(viewer: Gatekeeper) -> None:
    with viewer.client() as client:
        found = {path: client.get(path) for path in ("/", f"/assets/{HASHED}", f"/assets/{PLAIN}")}
    assert [(answer.status_code, answer.content) for answer in found.values()] == [
        (200, INDEX),
        (200, SCRIPT),
        (200, b"<svg/>"),
    ]
    assert [
        (answer.headers["content-type"], answer.headers["cache-control"])
        for answer in found.values()
    ] == [
        ("text/html; charset=utf-8", "no-cache"),
        ("text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
        # Its name says nothing of its content.
        ("image/svg+xml", "no-cache"),
    ]


def test_the_page_may_load_and_do_nothing_but_what_is_its_own(viewer: Gatekeeper) -> None:
    with viewer.client() as client:
        answers = [client.get("/"), client.get(f"/assets/{HASHED}")]
        answers.append(client.get("/", headers={"if-none-match": answers[0].headers["etag"]}))
    for answer in answers:
        policy = dict(
            part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; ")
        )
        assert policy.pop("require-trusted-types-for") == "'script'"
        assert policy.pop("default-src") == "'none'"
        assert {
            name: value for name, value in policy.items() if value != "'none'"
        } == dict.fromkeys(
            ("script-src", "style-src", "img-src", "font-src", "connect-src"), "'self'"
        )
        assert policy.keys() >= {"base-uri", "form-action", "frame-ancestors", "trusted-types"}
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "geolocation=()" in answer.headers["permissions-policy"]
        assert "set-cookie" not in answer.headers


def test_who_has_a_file_already_is_told_so(viewer: Gatekeeper) -> None:
    with viewer.client() as client:
        for coding in ("identity", "gzip"):
            first = client.get("/", headers={"accept-encoding": coding})
            tag = first.headers["etag"]
            again = client.get("/", headers={"accept-encoding": coding, "if-none-match": tag})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        other = client.get("/", headers={"if-none-match": '"another"'})
    assert (other.status_code, other.content) == (200, INDEX)


def test_a_file_comes_compressed_to_who_takes_that(viewer: Gatekeeper) -> None:
    packed = raw(viewer, b"GET / HTTP/1.1", b"accept-encoding: br, gzip")
    plain = raw(viewer, b"GET / HTTP/1.1", b"accept-encoding: br, gzip;q=0")
    assert b"content-encoding: gzip" in packed
    assert gzip.decompress(packed.split(b"\r\n\r\n", 1)[1]) == INDEX
    assert b"content-encoding" not in plain
    assert plain.split(b"\r\n\r\n", 1)[1] == INDEX
    assert b"vary: accept-encoding" in packed
    assert b"vary: accept-encoding" in plain


def test_head_has_everything_but_the_file(viewer: Gatekeeper) -> None:
    with viewer.client() as client:
        whole, head = client.get("/"), client.head("/")
    dated = {"date", "x-request-id"}
    assert head.content == b""
    assert {n: v for n, v in head.headers.items() if n not in dated} == {
        n: v for n, v in whole.headers.items() if n not in dated
    }


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_no_other_method_is_taken(viewer: Gatekeeper, method: str) -> None:
    with viewer.client() as client:
        answers = [client.request(method, path) for path in ("/", f"/assets/{HASHED}")]
    assert [(one.status_code, one.headers["allow"]) for one in answers] == [(405, "GET, HEAD")] * 2


@pytest.mark.parametrize(
    "path",
    [
        "/index.html",
        "/notes.txt",
        "/assets",
        "/assets/",
        "/assets/gone.js",
        "/assets/../notes.txt",
        "/assets/..%2fnotes.txt",
        "/assets/%2e%2e/notes.txt",
        "/assets/%2e%2e%2fnotes.txt",
        "/assets/..%5cnotes.txt",
        "/assets/....//notes.txt",
        "/assets/%252e%252e%252fnotes.txt",
        "/assets/..%c0%afnotes.txt",
        "/assets/../../secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/assets/%00",
        f"/assets/{HASHED}%00.txt",
        f"/assets/{HASHED}/",
        f"/assets//{HASHED}",
        f"/assets/./{HASHED}",
        f"/assets/{HASHED.upper()}",
        f"//assets/{HASHED}",
        "/assets//etc/passwd",
        "/assets/%2fetc%2fpasswd",
        "/../secret.txt",
        "//secret.txt",
    ],
)
def test_nothing_else_is_to_be_had(viewer: Gatekeeper, path: str) -> None:
    # Over a socket: a client library would tidy the path up.
    answer = raw(viewer, b"GET " + path.encode() + b" HTTP/1.1")
    assert answer.split(b" ", 2)[1] in {b"404", b"400"}, answer
    assert b"no such route" in answer or b" 400 " in answer
    for hidden in (SECRET, b"root:", SCRIPT):
        assert hidden not in answer


def test_what_is_there_later_is_not_served(start: Start, folder: Path) -> None:
    viewer = start(viewer_dir=folder)
    (folder / "assets" / "later.js").write_bytes(SECRET)
    (folder / "index.html").write_bytes(SECRET)
    with viewer.client() as client:
        assert client.get("/assets/later.js").status_code == 404
        assert client.get("/").content == INDEX


def test_without_a_folder_there_is_no_page(ask: httpx.Client) -> None:
    for path in ("/", f"/assets/{HASHED}", "/viewer-config.json"):
        answer = ask.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
        assert "content-security-policy" not in answer.headers


def test_the_page_is_told_how_one_signs_in(start: Start, folder: Path, issuer: Issuer) -> None:
    address = "https://id.example/authorize"
    both = issuer.settings() | {"viewer_dir": folder}
    for more, told in (
        ({}, {"authorize_url": None, "client_id": "https://chat.example"}),
        (
            {"viewer_authorize_url": address},
            {"authorize_url": address, "client_id": "https://chat.example"},
        ),
    ):
        with start(**both, **more).client() as client:
            answer = client.get("/viewer-config.json")
        assert answer.json() == {"sign_in": told}
        assert answer.headers["cache-control"] == "no-store"
    with start(viewer_dir=folder).client() as client:
        assert client.get("/viewer-config.json").json() == {"sign_in": None}


@pytest.mark.parametrize("damage", ["no index", "no assets", "unknown kind", "a link", "a folder"])
def test_a_folder_that_is_no_viewer_is_refused(database: Server, folder: Path, damage: str) -> None:
    build(GatekeeperSettings(_env_file=None, viewer_dir=folder), database)
    break_folder(folder, damage)
    with pytest.raises(SessionbaseError, match="no built viewer") as caught:
        build(GatekeeperSettings(_env_file=None, viewer_dir=folder), database)
    assert caught.value.code == ExitCode.BAD_SETTINGS


def break_folder(folder: Path, damage: str) -> None:
    """Make something of a folder that no build writes."""
    assets = folder / "assets"
    if damage == "no index":
        (folder / "index.html").unlink()
    elif damage == "no assets":
        for file in assets.iterdir():
            file.unlink()
        assets.rmdir()
    elif damage == "unknown kind":
        (assets / "program.exe").write_bytes(b"MZ")
    elif damage == "a link":
        (assets / "link.txt").symlink_to(folder.parent / "secret.txt")
    else:
        (assets / "more.js").mkdir()


def raw(gatekeeper: Gatekeeper, first: bytes, *headers: bytes) -> bytes:
    """Send a request as it stands; return the whole answer."""
    port = int(gatekeeper.url.rpartition(":")[2])
    lines = [first, b"host: 127.0.0.1", b"connection: close", *headers, b"", b""]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"\r\n".join(lines))
        answer = b""
        while more := connection.recv(65_536):
            answer += more
    return answer
