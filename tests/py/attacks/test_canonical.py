"""The judge of what reached Electric: it must see what is wrong, or nothing here means anything."""

import re
from urllib.parse import quote

import pytest

from tests.py.attacks.canonical import Canon, Definition, NotCanonicalError

_CANON = Canon("127.0.0.1:3000", "the-secret")
_WANTED = Definition(
    "app.todos", "session_id = $2 and account_id = $1", ("a1", "s 1"), ("id", "body")
)
_QUERY = {
    "columns": '"id","body"',
    "log": "full",
    "offset": "-1",
    "params[1]": "a1",
    "params[2]": "s 1",
    "queryable_columns": '"id","body"',
    "replica": "default",
    "table": "app.todos",
    "where": "session_id = $2 and account_id = $1",
    "secret": "the-secret",
}
_HEADERS = ("Host: 127.0.0.1:3000", "Accept-Encoding: identity")


def _head(*headers: str, **changed: str | None) -> bytes:
    names = {name: value for name, value in (_QUERY | changed).items() if value is not None}
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in names.items())
    return "\r\n".join([f"GET /v1/shape?{query} HTTP/1.1", *(headers or _HEADERS)]).encode()


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"where": "(session_id = $2 and account_id = $1)"},
        {"columns": "id,body", "queryable_columns": "id,body"},
        {"offset": "12_3", "handle": "1-1700000000000000", "live": "true", "cursor": ""},
        {"expired_handle": "1-1700000000000000", "cache-buster": "1234567890123-abc"},
    ],
)
def test_what_was_claimed_may_be_asked(changed: dict[str, str]) -> None:
    _CANON.check(_head(**changed), _WANTED)
    _CANON.check(b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1:3000", None)


@pytest.mark.parametrize("name", sorted(_QUERY))
def test_nothing_may_be_missing(name: str) -> None:
    with pytest.raises(NotCanonicalError):
        _CANON.check(_head(**{name: None}), _WANTED)


@pytest.mark.parametrize("name", sorted(_QUERY))
@pytest.mark.parametrize("value", ["x", "", "true", "a1%00", '"id","body","content"'])
def test_nothing_may_be_else(name: str, value: str) -> None:
    with pytest.raises(NotCanonicalError):
        _CANON.check(_head(**{name: value}), _WANTED)


@pytest.mark.parametrize(
    "more",
    ["x=1", "table=app.todos", "%74able=app.todos", "params[3]=x", "params[01]=a1", "api_secret=x",
     "subset__where=true", "live=1", "handle=x", "cursor=x", "a", "", "x=%ff", "x=%0a", "live=%7g",
     "experimental_live_sse=true"],
)  # fmt: skip
def test_nothing_may_be_added(more: str) -> None:
    with pytest.raises(NotCanonicalError):
        _CANON.check(_head().replace(b" HTTP/1.1", f"&{more} HTTP/1.1".encode()), _WANTED)


@pytest.mark.parametrize(
    "line",
    ["POST /v1/shape?{} HTTP/1.1", "GET /v1/shape/?{} HTTP/1.1", "GET //v1/shape?{} HTTP/1.1",
     "GET /v1/shape?{} HTTP/1.0", "GET http://x/v1/shape?{} HTTP/1.1", "GET /v1/health?{} HTTP/1.1",
     "GET /v1/shape?{}#x HTTP/1.1", "GET /v1/shape?{}\n HTTP/1.1"],
)  # fmt: skip
def test_no_other_request_line_may_be(line: str) -> None:
    head = _head()
    query = re.findall(rb"\?(\S+)", head)[0].decode()
    changed = line.format(query).encode() + head[head.index(b"\r\n") :]
    _CANON.check(head, _WANTED)
    with pytest.raises(NotCanonicalError):
        _CANON.check(changed, _WANTED)


@pytest.mark.parametrize(
    "header",
    ["Authorization: Bearer x", "Cookie: a=b", "Origin: https://x.example", "Traceparent: x",
     "X-Forwarded-For: x", "Content-Length: 5", "Transfer-Encoding: chunked", "Range: bytes=0-1",
     "Host: 127.0.0.1:3000", "Accept-Encoding: gzip", "X", "Accept: \x00"],
)  # fmt: skip
def test_no_other_header_may_be(header: str) -> None:
    with pytest.raises(NotCanonicalError):
        _CANON.check(_head("Host: 127.0.0.1:3000", header), _WANTED)


def test_no_other_host_and_no_shape_that_nobody_claimed() -> None:
    with pytest.raises(NotCanonicalError):
        _CANON.check(_head("Host: 127.0.0.1:3001"), _WANTED)
    with pytest.raises(NotCanonicalError):
        _CANON.check(_head(), None)
