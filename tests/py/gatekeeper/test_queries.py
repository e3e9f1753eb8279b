"""How a query string is read: strictly, once."""

import pytest

from gatekeeper.errors import Refusal
from gatekeeper.queries import LONGEST_QUERY, Protocol, read_query

HANDLE = "123-1763891000000000"


def test_a_query_of_the_official_client_is_read() -> None:
    asked = read_query(
        b"columns=%22id%22%2C%22body%22&cursor=&expired_handle=99-1763891000000001&"
        b"experimental_live_sse=true&handle=123-1763891000000000&live=true&live_sse=true&"
        b"log=full&offset=26800584_4&params%5B1%5D=a+b%2Bc&table=app.todos"
        b"&cache-buster=1763891000000-abc1234"
    )
    assert asked.protocol == Protocol(
        "26800584_4",
        HANDLE,
        live=True,
        sse=True,
        expired_handle="99-1763891000000001",
        is_retry=True,
    )
    assert asked.shape == {"columns": '"id","body"', "log": "full", "table": "app.todos"}
    assert asked.params == ("a b+c",)


def test_a_handle_at_the_start_tells_nothing() -> None:
    assert read_query(b"offset=-1&handle=123-1763891000000000").protocol.handle is None
    assert read_query(b"offset=now").protocol.begins


def test_what_only_one_route_takes_is_unknown_elsewhere() -> None:
    assert read_query(b"offset=-1&owner=x", frozenset({"owner"})).own == {"owner": "x"}
    with pytest.raises(Refusal):
        read_query(b"offset=-1&owner=x")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "offset",
        "offset=",
        "offset=-1&",
        "&offset=-1",
        "offset=-1&offset=-1",
        "offset=-1&%6fffset=0_0",
        "offset=-1&table=app.todos&table=app.accounts",
        "offset=-1&table=app.todos&%74able=app.accounts",
        "offset=-1&TABLE=app.todos",
        "offset=-1&table[]=app.todos",
        "offset=-1&where[a]=b",
        "offset=-1&params[1][]=a",
        "offset=-1&params[]=a",
        "offset=-1&params[01]=a",
        "offset=-1&params[0]=a",
        "offset=-1&params[2]=a",
        "offset=-1&params[1]=a&params[3]=b",
        "offset=-1&params[1]=a&params%5B1%5D=b",
        "offset=-1&params[%D9%A1]=a",
        "offset=-1&secret=x",
        "offset=-1&api_secret=x",
        "offset=-1&source_id=x",
        "offset=-1&experimental_compaction=true",
        "offset=-1&subset__where=true",
        "offset=-1&subset__where_expr={}",
        "offset=-1;table=x",
        "offset=-1&where=%",
        "offset=-1&where=%zz",
        "offset=-1&where=%00",
        "offset=-1&where=%0d%0aHost:x",
        "offset=-1&where=%7f",
        "offset=-1&where=%c2%85",
        "offset=-1&where=%c0%af",
        "offset=-1&where=%ed%a0%80",
        "offset=-1&where=%ff",
        "offset=-2",
        "offset=0",
        "offset=0_0",
        "offset=0_0&handle=x",
        "offset=0_0&handle=",
        "offset=0_0&handle=123-176389100000",
        "offset=0_0%0a&handle=123-1763891000000000",
        "offset=%D9%A1_0&handle=123-1763891000000000",
        "offset=0_99999999999&handle=123-1763891000000000",
        "offset=-1&live=true",
        "offset=now&live=true",
        "offset=0_0&handle=123-1763891000000000&live=1",
        "offset=0_0&handle=123-1763891000000000&live=TRUE",
        "offset=0_0&handle=123-1763891000000000&live_sse=true",
        "offset=0_0&handle=123-1763891000000000&live=false&live_sse=true",
        "offset=0_0&handle=123-1763891000000000&live=true&cursor=1e3",
        "offset=0_0&handle=123-1763891000000000&live=true&cursor=-1",
        "offset=-1&expired_handle=x",
        "offset=-1&cache-buster=x",
        "offset=-1&cache-buster=1763891000000-ABC",
    ],
)
def test_everything_else_is_refused(query: str) -> None:
    with pytest.raises(Refusal) as refusal:
        read_query(query.encode())
    assert (refusal.value.status, refusal.value.code) == (400, "bad_request")


def test_bytes_that_no_address_has_are_refused() -> None:
    for raw in (b"offset=-1&where=\xc3\xa4", b"offset=-1 ", b"offset=-1\x00", b"offset=-1\t"):
        with pytest.raises(Refusal):
            read_query(raw)


def test_a_query_has_an_end() -> None:
    fits = b"offset=-1&where=".ljust(LONGEST_QUERY, b"x")
    assert read_query(fits).shape["where"].endswith("x")
    with pytest.raises(Refusal) as refusal:
        read_query(fits + b"x")
    assert refusal.value.status == 414
