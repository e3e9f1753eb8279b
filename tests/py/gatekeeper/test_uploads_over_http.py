"""GET and POST /api/uploads: bytes as they are, in ranges and compressed; who may, and who not."""

import hashlib
import io
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from random import Random
from urllib.parse import quote, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatekeeper import uploads
from gatekeeper.errors import forbidden
from harness import chunks
from harness.chunks import zstd
from harness.connections import Connection, Server, connect
from harness.uploads import About, read_upload, store_upload
from tests.py.gatekeeper.personas import (
    DISABLED,
    EDITOR,
    OWNER,
    SHARED,
    STRANGER,
    VIEWER,
    Clients,
    asking,
)
from tests.py.waiting import wait_until

BYTES = {"content-type": "application/octet-stream"}
PLAIN = {"accept-encoding": "identity"}
ZSTD = {"accept-encoding": "gzip, zstd;q=0.5"}


def stored(root: Connection, content: bytes, name: str = "log.jsonl") -> str:
    """Store a content as the owner's, in the shared session; return the upload's id."""
    about = About(name, session_id=SHARED)
    upload_id: str = store_upload(root, OWNER, io.BytesIO(content), about).upload["id"]
    return upload_id


def count_of(root: Connection, table: str) -> int:
    ((count,),) = root.execute(f"select count(*) from app.{table}".encode()).fetchall()
    return int(count)


def error_of(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["cache-control"] == "no-store"
    code: str = answer.json()["error"]["code"]
    return code


def told(answer: httpx.Response) -> dict[str, str]:
    """Return the headers that are the same each time."""
    varying = {"date", "x-request-id"}
    return {name: value for name, value in answer.headers.items() if name not in varying}


def test_a_content_is_served_as_it_is(owner: httpx.Client, root: Connection) -> None:
    content = b'{"type": "x"}\n' * 200_000 + b"<script>alert(1)</script>"
    answer = owner.get(f"/api/uploads/{stored(root, content)}", headers=PLAIN)
    assert answer.content == content
    assert answer.status_code == 200
    assert told(answer) == {
        "content-type": "text/plain; charset=utf-8",
        "content-length": str(len(content)),
        "etag": f'"{hashlib.sha256(content).hexdigest()}"',
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
        "vary": "authorization, cookie, accept-encoding",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox",
        "cross-origin-resource-policy": "same-origin",
    }


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("\ufeffhé\n".encode("utf-16le"), "text/plain; charset=utf-16le"),
        ("\ufeffhé\n".encode("utf-16be"), "text/plain; charset=utf-16be"),
        (b"\x00\x01\xff", "application/octet-stream"),
        (b"", "text/plain; charset=utf-8"),
    ],
)
def test_the_charset_is_the_one_that_was_found(
    owner: httpx.Client, root: Connection, content: bytes, kind: str
) -> None:
    answer = owner.get(f"/api/uploads/{stored(root, content)}")
    assert (answer.headers["content-type"], answer.content) == (kind, content)


def test_head_tells_and_gives_nothing(owner: httpx.Client, root: Connection) -> None:
    url = f"/api/uploads/{stored(root, b'x' * 1000)}"
    head = owner.head(url, headers=PLAIN | {"range": "bytes=0-1"})
    assert (head.status_code, head.content) == (200, b"")
    assert told(head) == told(owner.get(url, headers=PLAIN))


def test_who_may_read_the_bytes(personas: Clients, root: Connection) -> None:
    upload = stored(root, b"the owner's alone")
    answers = {
        account: client.get(f"/api/uploads/{upload}", params={"owner": str(OWNER)}).status_code
        for account, client in personas.items()
    }
    # A member sees that it is there, and is told so; nobody else learns whether it is.
    assert answers == {OWNER: 200, VIEWER: 403, EDITOR: 403, STRANGER: 404, DISABLED: 404}
    without = {
        account: client.get(f"/api/uploads/{upload}").status_code
        for account, client in personas.items()
    }
    assert without == dict.fromkeys(personas, 404) | {OWNER: 200}


def test_what_is_anothers_and_what_is_nowhere_is_answered_alike(
    personas: Clients, root: Connection
) -> None:
    upload = stored(root, b"there")
    there, nowhere = (
        personas[STRANGER].get(f"/api/uploads/{one}", params={"owner": str(OWNER)})
        for one in (upload, "upload_nowhere")
    )
    assert personas[OWNER].get(f"/api/uploads/{upload}").content == b"there"
    assert there.text.replace(upload, "upload_nowhere") == nowhere.text
    assert there.status_code == nowhere.status_code == 404


def test_an_unchanged_content_is_not_sent_again(owner: httpx.Client, root: Connection) -> None:
    url = f"/api/uploads/{stored(root, b'known' * 99)}"
    for coding in (PLAIN, ZSTD):
        tag = owner.get(url, headers=coding).headers["etag"]
        for known in (tag, f'"other", W/{tag}', "*"):
            again = owner.get(url, headers=coding | {"if-none-match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag or known == "*"
            assert again.headers["cache-control"] == "private, no-cache"
        assert owner.get(url, headers=coding | {"if-none-match": '"other"'}).status_code == 200


def test_a_tag_is_of_a_coding(owner: httpx.Client, root: Connection) -> None:
    url = f"/api/uploads/{stored(root, b'coded' * 99)}"
    plain, packed = (owner.get(url, headers=coding).headers["etag"] for coding in (PLAIN, ZSTD))
    assert packed == plain[:-1] + '-zstd"'


@pytest.fixture(scope="module")
def long_url(shared: Server) -> tuple[str, bytes]:
    """Return where a content of many chunks is, and the content."""
    content = Random(5).randbytes(73)  # noqa: S311 - the same every time
    with connect(shared, "test") as connection, pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK_BYTES", 7)
        return f"/api/uploads/{stored(connection, content)}", content


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 90), st.integers(0, 90), st.sampled_from(["{0}-{1}", "{0}-", "-{1}"]))
def test_any_range_is_that_slice(
    personas: Clients, long_url: tuple[str, bytes], first: int, last: int, form: str
) -> None:
    url, content = long_url
    given_range = "bytes=" + form.format(first, last)
    answer = personas[OWNER].get(url, headers=ZSTD | {"range": given_range})
    size = len(content)
    if form == "-{1}":
        first, last = max(0, size - last), size - 1
    elif form == "{0}-":
        last = size - 1
    elif last < first:
        # No range at all.
        assert (answer.status_code, zstd.decompress(answer.content)) == (200, content)
        return
    wanted = content[first : last + 1]
    if not wanted:
        assert error_of(answer, 416) == "range_not_satisfiable"
        assert answer.headers["content-range"] == f"bytes */{size}"
        return
    assert (answer.status_code, answer.content) == (206, wanted)
    last = first + len(wanted) - 1
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{size}"
    assert answer.headers["content-length"] == str(len(wanted))
    assert "content-encoding" not in answer.headers


def test_a_range_reads_no_chunk_before_it(
    owner: httpx.Client, root: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = Random(6).randbytes((5 << 20) + 5)  # noqa: S311 - the same every time
    url = f"/api/uploads/{stored(root, content)}"
    opened = []
    real = chunks.decompress

    def noted(encoding: str, packed: bytes, sha256: bytes, size: int) -> bytes:
        opened.append(size)
        return real(encoding, packed, sha256, size)

    monkeypatch.setattr(uploads, "decompress", noted)
    answer = owner.get(url, headers={"range": "bytes=-8"})
    assert (answer.content, opened) == (content[-8:], [1 << 20, 5])


def test_a_range_holds_only_of_what_one_has(owner: httpx.Client, root: Connection) -> None:
    url = f"/api/uploads/{stored(root, b'0123456789')}"
    tag = owner.get(url, headers=PLAIN).headers["etag"]
    asked = PLAIN | {"range": "bytes=2-3"}
    assert owner.get(url, headers=asked | {"if-range": tag}).content == b"23"
    for other in ('"other"', f"W/{tag}", "Mon, 23 Nov 2026 10:00:00 GMT", f'{tag[:-1]}-zstd"'):
        answer = owner.get(url, headers=asked | {"if-range": other})
        assert (answer.status_code, answer.content) == (200, b"0123456789")


def test_what_is_stored_compressed_is_sent_so(owner: httpx.Client, root: Connection) -> None:
    content = (b"compresses well " * 1000 + Random(7).randbytes(50_000)) * 40  # noqa: S311
    url = f"/api/uploads/{stored(root, content)}"
    with owner.stream("GET", url, headers=ZSTD) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "zstd"
    kept = root.execute(
        """
        select chunk.chunk
        from app.upload_content_chunks as part
        inner join app.upload_chunks as chunk
            on part.account_id = chunk.account_id and part.chunk_sha256 = chunk.sha256
        where part.content_sha256 = %s and chunk.encoding = 'zstd'
        order by part.chunk_index
        """,
        [hashlib.sha256(content).digest()],
    ).fetchall()
    assert len(kept) > 1
    assert raw == b"".join(chunk for (chunk,) in kept)
    assert len(raw) < len(content) / 2
    assert zstd.decompress(raw) == content


@pytest.mark.parametrize(
    ("given_codings", "packed"),
    [
        ("zstd", True),
        ("br, ZSTD ;q=0.1", True),
        ("gzip, deflate, br", False),
        ("zstd;q=0", False),
        ("zstd; q=0.000", False),
        ("*", False),
        ("identity", False),
    ],
)
def test_it_is_sent_compressed_to_who_takes_it(
    owner: httpx.Client, root: Connection, given_codings: str, packed: bool
) -> None:
    url = f"/api/uploads/{stored(root, b'x' * 5000)}"
    answer = owner.get(url, headers={"accept-encoding": given_codings})
    assert ("content-encoding" in answer.headers) is packed


def test_chunks_of_every_encoding_make_one_answer(owner: httpx.Client, root: Connection) -> None:
    content = Random(8).randbytes(1 << 20) + b"y" * (1 << 20)  # noqa: S311 - one of each
    upload = stored(root, content)
    encodings = root.execute(
        "select distinct encoding from app.upload_chunks where account_id = %s", [OWNER]
    ).fetchall()
    assert {("identity",), ("zstd",)} <= set(encodings)
    with owner.stream("GET", f"/api/uploads/{upload}", headers=ZSTD) as answer:
        raw = b"".join(answer.iter_raw())
    assert zstd.decompress(raw) == content


@pytest.mark.parametrize(
    "name", ["log.jsonl", 'a "b"\\c; d%41.txt', "../../etc/passwd", "häß\r\nx: y\u202e😀.log", "  "]
)
def test_a_download_has_a_name_and_no_path(
    owner: httpx.Client, root: Connection, name: str
) -> None:
    upload = stored(root, b"x", name)
    assert "content-disposition" not in owner.get(f"/api/uploads/{upload}").headers
    header = owner.get(f"/api/uploads/{upload}?download=true").headers["content-disposition"]
    read = Message()
    read["content-disposition"] = header
    assert read.get_content_disposition() == "attachment"
    names = re.fullmatch(r"attachment; filename=\"([^\"\\]+)\"; filename\*=UTF-8''(\S+)", header)
    assert names is not None
    assert header.isascii()
    assert "/" not in names[1]
    assert quote(re.sub(r'[/\\"\r\n\u202e]', "_", name), safe="") == names[2]


def test_an_upload_with_any_id_is_found(owner: httpx.Client, root: Connection) -> None:
    upload = stored(root, b"odd")
    odd = "logs/2026 %2e ä?#.jsonl"
    root.execute("update app.session_uploads set id = %s where id = %s", [odd, upload])
    assert owner.get(f"/api/uploads/{quote(odd, safe='')}").content == b"odd"


@pytest.mark.parametrize(
    "query",
    [
        "x=1",
        "owner=me",
        "download=true&download=true",
        "owner=%ff",
        "download=1",
        "download",
        "owner",
    ],
)
def test_a_query_that_is_not_known_is_refused(
    owner: httpx.Client, root: Connection, query: str
) -> None:
    upload = stored(root, b"x")
    assert error_of(owner.get(f"/api/uploads/{upload}?{query}"), 400) == "bad_request"


def test_a_damaged_content_is_never_whole(owner: httpx.Client, root: Connection) -> None:
    first, second = (Random(seed).randbytes(1 << 20) for seed in (9, 10))  # noqa: S311
    url = f"/api/uploads/{stored(root, first + second)}"
    assert owner.get(url).content == first + second
    damage(root, second)
    for headers in (PLAIN, ZSTD):
        with pytest.raises(httpx.RemoteProtocolError):
            owner.get(url, headers=headers)
    assert owner.get(url, headers={"range": "bytes=0-99"}).content == first[:100]
    damage(root, first)
    assert error_of(owner.get(url), 500) == "damaged"


def damage(root: Connection, chunk: bytes) -> None:
    """Change a chunk behind the database's back."""
    with root.transaction():
        root.execute("set local session_replication_role = replica")
        root.execute(
            "alter table app.upload_chunks drop constraint if exists upload_chunks_is_its_sha256"
        )
        root.execute(
            "update app.upload_chunks set chunk = %b, encoding = 'zstd' where sha256 = %b",
            [zstd.compress(b"?" * len(chunk)), hashlib.sha256(chunk).digest()],
        )


def test_a_content_that_is_replaced_meanwhile_is_broken_off(
    owner: httpx.Client, root: Connection
) -> None:
    content = Random(11).randbytes(24 << 20)  # noqa: S311 - more than fits into buffers
    upload = stored(root, content)
    with owner.stream("GET", f"/api/uploads/{upload}", headers=PLAIN) as answer:
        blocks = answer.iter_raw()
        got = next(blocks)
        root.execute("delete from app.session_uploads where id = %s", [upload])
        with pytest.raises(httpx.RemoteProtocolError):
            got += b"".join(blocks)
    assert content.startswith(got)
    assert len(got) < len(content)


def test_a_body_is_stored(owner: httpx.Client, root: Connection) -> None:
    content = "hé\n".encode() * 500_000
    query = {"name": "häß.log", "session_id": SHARED, "last_modified": "2026-01-09T10:00:00.123Z"}
    answer = owner.post("/api/uploads", params=query, content=content, headers=BYTES)
    assert answer.status_code == 201, answer.text
    row = answer.json()
    ((kept, xmin),) = root.execute(
        "select to_jsonb(u), xmin::text::bigint from app.session_uploads as u where id = %s",
        [row["id"]],
    ).fetchall()
    assert row == kept | {"txid": xmin}
    assert row["content_sha256"] == "\\x" + hashlib.sha256(content).hexdigest()
    assert (row["original_name"], row["charset"]) == ("häß.log", "utf-8")
    assert row["last_modified"] == "2026-01-09T10:00:00.123+00:00"
    assert answer.headers["location"] == f"/api/uploads/{row['id']}"
    assert owner.get(answer.headers["location"]).content == content
    assert b"".join(read_upload(root, OWNER, row["id"])) == content


def test_it_is_stored_as_the_harness_stores_it(owner: httpx.Client, root: Connection) -> None:
    content = Random(12).randbytes(3 << 20) + b"z" * 999  # noqa: S311 - the same every time
    answer = owner.post("/api/uploads?name=x", content=content, headers=BYTES)
    assert answer.status_code == 201
    before = count_of(root, "upload_chunks")
    again = store_upload(root, OWNER, io.BytesIO(content), About("x"))
    assert (again.content.sent_chunks, count_of(root, "upload_chunks")) == (0, before)
    assert "\\x" + again.content.sha256.hex() == answer.json()["content_sha256"]


def test_an_empty_body_is_an_empty_upload(owner: httpx.Client) -> None:
    answer = owner.post("/api/uploads?name=empty", content=b"", headers=BYTES)
    assert answer.json()["size_bytes"] == 0
    assert owner.get(answer.headers["location"], headers=ZSTD).content == b""
    ranged = owner.get(answer.headers["location"], headers={"range": "bytes=0-"})
    assert error_of(ranged, 416) == "range_not_satisfiable"


def test_who_may_store_where(personas: Clients, root: Connection) -> None:
    # A member stores nothing into another's session: with that id it is a session of its own.
    before = count_of(root, "session_uploads")
    answers = {
        account: client.post(
            "/api/uploads", params={"name": "x", "session_id": SHARED}, content=b"x", headers=BYTES
        )
        for account, client in personas.items()
    }
    assert error_of(answers[DISABLED], 401) == "28000"
    assert {a.json()["account_id"] for p, a in answers.items() if p != DISABLED} == {
        str(account) for account in personas if account != DISABLED
    }
    assert count_of(root, "session_uploads") == before + len(answers) - 1


def test_a_body_over_the_limit_is_refused_early_and_late(shared: Server, root: Connection) -> None:
    with (
        asking(shared, OWNER, upload_limit_bytes=5000) as gatekeeper,
        gatekeeper.client() as client,
    ):
        before = count_of(root, "session_uploads")
        url = "/api/uploads?name=x"
        assert client.post(url, content=b"x" * 5000, headers=BYTES).status_code == 201
        late = client.post(url, content=iter([b"x" * 5000, b"x"]), headers=BYTES)
        assert error_of(late, 413) == "too_large"
        assert late.headers["connection"] == "close"
        assert count_of(root, "session_uploads") == before + 1
        # Early: no byte of the body is waited for.
        with raw_post(gatekeeper.url, url, 5001) as connection:
            assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")
        with raw_post(gatekeeper.url, url, int("9" * 19)) as connection:
            assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


@contextmanager
def raw_post(origin: str, path: str, length: int) -> Iterator[socket.socket]:
    """Give a connection on which a POST has begun that says how long its body will be."""
    parts = urlsplit(origin)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        head = [
            f"POST {path} HTTP/1.1",
            f"host: {parts.netloc}",
            f"content-length: {length}",
            "content-type: application/octet-stream",
        ]
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        yield connection


def test_a_body_that_breaks_off_leaves_nothing_to_be_seen(shared: Server, root: Connection) -> None:
    content = Random(13).randbytes(6 << 20)  # noqa: S311 - the same every time
    with asking(shared, OWNER) as gatekeeper, gatekeeper.client() as client:
        seen, kept = count_of(root, "session_uploads"), count_of(root, "upload_chunks")
        with raw_post(gatekeeper.url, "/api/uploads?name=x", len(content) + 1) as connection:
            connection.sendall(content)
            wait_until(lambda: count_of(root, "upload_chunks") > kept)
        wait_until(lambda: not gatekeeper.web.server_state.tasks)
        assert count_of(root, "session_uploads") == seen
        assert client.get("/health").status_code == 200
        # What had come in is not sent again.
        kept = count_of(root, "upload_chunks")
        assert client.post("/api/uploads?name=x", content=content, headers=BYTES).status_code == 201
        assert count_of(root, "upload_chunks") == kept + 2


def test_who_sends_too_slowly_is_given_up(
    shared: Server, root: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "PATIENCE_S", 0.2)
    seen = count_of(root, "session_uploads")
    with (
        asking(shared, OWNER) as gatekeeper,
        raw_post(gatekeeper.url, "/api/uploads?name=x", 10) as connection,
    ):
        connection.sendall(b"12345")
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")
    assert count_of(root, "session_uploads") == seen


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", BYTES, 400),
        ("name=", BYTES, 400),
        ("name=x&name=y", BYTES, 400),
        ("name=x&source=bundled", BYTES, 400),
        ("name=x%00", BYTES, 400),
        ("name=%ff", BYTES, 400),
        ("name=x&last_modified=yesterday", BYTES, 400),
        ("name=x&last_modified=2026-01-09T10:00:00", BYTES, 400),
        ("name=x&session_id=" + "s" * 600, BYTES, 400),
        ("name=x", {}, 415),
        ("name=x", {"content-type": "text/plain"}, 415),
        ("name=x", BYTES | {"content-encoding": "gzip"}, 415),
    ],
)
def test_what_is_wrong_is_refused(
    owner: httpx.Client, root: Connection, query: str, headers: dict[str, str], status: int
) -> None:
    seen = count_of(root, "session_uploads")
    error_of(owner.post(f"/api/uploads?{query}", content=b"x", headers=headers), status)
    assert count_of(root, "session_uploads") == seen


def test_storing_is_checked_for_where_it_comes_from(
    owner: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise forbidden()

    monkeypatch.setattr(uploads, "check_same_site", refuse)
    answer = owner.post("/api/uploads?name=x", content=b"x", headers=BYTES)
    assert error_of(answer, 403) == "forbidden"
