"""nginx in front of a real gatekeeper, and of an Electric that holds polls as long as its own."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from urllib.parse import quote, urlencode, urlsplit

import httpx
import pytest

from harness.connections import Connection, connect
from harness.testing.nginx import Nginx
from harness.testing.servers import Databases
from tests.py.electric.electrics import Electric, stand_in
from tests.py.gatekeeper import gatekeepers
from tests.py.gatekeeper.gatekeepers import Gatekeeper
from tests.py.gatekeeper.personas import OWNER, SHARED, cast
from tests.py.proxy.nginxes import HOST, TEMPLATE, UPLOAD_LIMIT, Proxy, running
from tests.py.waiting import wait_until

_TODO = "insert into app.todos (account_id, id, session_id, body) values (%s, %s, %s, %s)"
_TODOS = f"/v1/sessions/{quote(SHARED, safe='')}/shapes/session_todos"
_LONG_POLL_S, _KEEP_ALIVE_S, _SSE_S = 20, 21, 60
"""Electric's own."""
_LOG_BEHIND_S = 0.8
_AT_ONCE_S = 1
"""Far below every other wait here, and far above what a busy machine takes."""


@pytest.fixture(scope="module")
def electric(databases: Databases) -> Iterator[Electric]:
    """Return a stand-in over a database with people in it."""
    with databases.migrated() as made:
        cast(made)
        with stand_in(made, _LONG_POLL_S, _KEEP_ALIVE_S, _SSE_S) as electric:
            yield electric


@pytest.fixture(scope="module")
def gatekeeper(electric: Electric) -> Iterator[Gatekeeper]:
    """Return a gatekeeper that knows the owner alone."""
    with gatekeepers.running(
        electric, single_account_id=OWNER, public_origin=f"https://{HOST}"
    ) as gatekeeper:
        yield gatekeeper


@pytest.fixture
def proxy(nginx: Nginx, gatekeeper: Gatekeeper, tmp_path: Path) -> Iterator[Proxy]:
    """Return nginx in front of the gatekeeper."""
    with running(nginx, tmp_path / "nginx", urlsplit(gatekeeper.url).netloc) as proxy:
        yield proxy


@pytest.fixture
def writer(electric: Electric) -> Iterator[Connection]:
    """Give a connection to the database, in which there are no todos yet."""
    with connect(electric.server, "test") as opened:
        opened.execute("delete from app.todos")
        yield opened


def test_a_shape_comes_through_as_it_is(
    ask: httpx.Client, gatekeeper: Gatekeeper, writer: Connection
) -> None:
    writer.execute(_TODO, [OWNER, "t1", SHARED, "through"])
    through = ask.get(f"{_TODOS}?offset=-1")
    with gatekeeper.client() as client:
        direct = client.get(f"{_TODOS}?offset=-1")
    assert (through.http_version, direct.http_version) == ("HTTP/2", "HTTP/1.1")
    assert [message["value"]["id"] for message in through.json() if "value" in message] == ["t1"]
    assert through.content == direct.content
    told = _headers(through)
    assert told == _headers(direct)
    assert {"electric-handle", "electric-offset", "electric-schema", "etag", "vary"} <= set(told)


def test_a_token_brings_a_shape(ask: httpx.Client, writer: Connection) -> None:
    writer.execute(_TODO, [OWNER, "t1", SHARED, "by token"])
    answer = ask.get("/v1/shape?offset=-1", headers=_bearer(ask))
    assert [message["value"]["id"] for message in answer.json() if "value" in message] == ["t1"]


def test_a_poll_is_held_to_its_end(ask: httpx.Client) -> None:
    query = _live(ask)
    began = time.monotonic()
    answer = ask.get(_TODOS, params=query)
    assert (answer.status_code, answer.headers["electric-up-to-date"]) == (200, "")
    assert time.monotonic() - began > _LONG_POLL_S - 1


@pytest.mark.parametrize("style", ["by name", "by token"])
def test_a_held_poll_is_answered_by_a_write(
    ask: httpx.Client, gatekeeper: Gatekeeper, writer: Connection, style: str
) -> None:
    query = _live(ask)
    path, headers = (_TODOS, {}) if style == "by name" else ("/v1/shape", _bearer(ask))
    with ThreadPoolExecutor() as pool:
        poll = pool.submit(ask.get, path, params=query, headers=headers)
        wait_until(lambda: _held(gatekeeper, "poll") == 1)
        assert not poll.done()
        written = time.monotonic()
        writer.execute(_TODO, [OWNER, "t1", SHARED, "written meanwhile"])
        answer = poll.result(timeout=30)
    assert time.monotonic() - written < _AT_ONCE_S
    assert [message["value"]["id"] for message in answer.json() if "value" in message] == ["t1"]


def test_events_come_one_at_a_time_while_the_stream_stays_open(
    proxy: Proxy, gatekeeper: Gatekeeper, writer: Connection
) -> None:
    with proxy.client() as client:
        query = _live(client) | {"live_sse": "true"}
        asked = time.monotonic()
        with client.stream("GET", _TODOS, params=query) as answer:
            # nginx keeps the head of an HTTP/2 answer until there is a first byte behind it.
            assert time.monotonic() - asked < _AT_ONCE_S
            assert answer.headers["content-type"] == "text/event-stream"
            lines = answer.iter_lines()
            for todo in ("t1", "t2", "t3"):
                written = time.monotonic()
                writer.execute(_TODO, [OWNER, todo, SHARED, "seen at once"])
                assert next(line for line in lines if f'"{todo}"' in line)
                assert time.monotonic() - written < _AT_ONCE_S
                assert _held(gatekeeper, "events") == 1
    wait_until(lambda: _held(gatekeeper, "events") == 0)


def test_who_cancels_a_poll_leaves_nothing_at_the_gatekeeper(
    ask: httpx.Client, proxy: Proxy, gatekeeper: Gatekeeper
) -> None:
    with proxy.asking_by_http_2(f"{_TODOS}?{urlencode(_live(ask))}") as leave:
        wait_until(lambda: _held(gatekeeper, "poll") == 1)
        left = time.monotonic()
        leave()
        wait_until(lambda: _held(gatekeeper, "poll") == 0)
        # Else its poll goes on for many seconds more.
        assert time.monotonic() - left < _LONG_POLL_S / 2


def test_who_hangs_up_leaves_nothing_at_the_gatekeeper(
    ask: httpx.Client, proxy: Proxy, gatekeeper: Gatekeeper
) -> None:
    target = f"{_TODOS}?{urlencode(_live(ask))}"
    with proxy.connect() as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        wait_until(lambda: _held(gatekeeper, "poll") == 1)
        left = time.monotonic()
    wait_until(lambda: _held(gatekeeper, "poll") == 0)
    assert time.monotonic() - left < _LONG_POLL_S / 2


def test_an_upload_goes_through_and_comes_back(proxy: Proxy) -> None:
    content = Random("an upload").randbytes(UPLOAD_LIMIT - 1)  # noqa: S311 - no secret
    headers = {"content-type": "application/octet-stream"}
    with proxy.client() as client:
        stored = client.post("/api/uploads?name=log", content=content, headers=headers)
        assert stored.status_code == 201, stored.text
        back = client.get(f"/api/uploads/{quote(stored.json()['id'], safe='')}")
    assert back.content == content


def test_who_asks_for_another_host_is_no_account(gatekeeper: Gatekeeper) -> None:
    """The host that nginx names is the one the gatekeeper knows as its own."""
    with gatekeeper.client() as client:
        assert client.get(f"{_TODOS}?offset=-1", headers={"host": HOST}).status_code == 200
        assert client.get(f"{_TODOS}?offset=-1", headers={"host": "a.example"}).status_code == 403


def test_health_is_there_inside_and_not_outside(ask: httpx.Client, gatekeeper: Gatekeeper) -> None:
    with gatekeeper.client() as client:
        inside = [client.get(path).status_code for path in ("/health", "/ready")]
    outside = [ask.get(path).status_code for path in ("/health", "/ready", "/metrics")]
    assert (inside, outside) == ([200, 200], [404, 404, 404])


def test_one_line_of_the_template_lets_the_viewer_through_and_no_more(
    nginx: Nginx, electric: Electric, tmp_path: Path
) -> None:
    assets = tmp_path / "viewer" / "assets"
    assets.mkdir(parents=True)
    (assets.parent / "index.html").write_text("<!doctype html><title>Sessions</title>")
    (assets / "main-0123abcd.js").write_text("document.title += '!';\n")
    served = {"public_origin": f"https://{HOST}", "viewer_dir": assets.parent}
    template = TEMPLATE.read_text()
    assert template.count("\n    # location ") == 1
    uncommented = template.replace("\n    # location ", "\n    location ")
    with (
        gatekeepers.running(electric, single_account_id=OWNER, **served) as gatekeeper,
        running(nginx, tmp_path / "nginx", urlsplit(gatekeeper.url).netloc, uncommented) as proxy,
        proxy.client() as outside,
        gatekeeper.client() as inside,
    ):
        for path in ("/", "/assets/main-0123abcd.js", "/viewer-config.json"):
            through, direct = outside.get(path), inside.get(path)
            assert (through.status_code, direct.status_code) == (200, 200)
            assert (through.content, _headers(through)) == (direct.content, _headers(direct))
            assert "default-src 'none'" in through.headers["content-security-policy"]
        for path in ("/health", "/ready"):
            assert inside.get(path).status_code == 200
            for spelling in (path, f"/assets/..%2f{path[1:]}"):
                assert outside.get(spelling).status_code == 404


def test_the_gatekeeper_keeps_idle_connections_longer_than_nginx(gatekeeper: Gatekeeper) -> None:
    found = re.search(r"^    keepalive_timeout (\d+)s;$", TEMPLATE.read_text(), re.MULTILINE)
    assert found
    assert int(found[1]) < gatekeeper.web.config.timeout_keep_alive


def _headers(answer: httpx.Response) -> dict[str, str]:
    """Return what the gatekeeper says in an answer, and says the same again."""
    differing = {"connection", "date", "server", "strict-transport-security", "x-request-id"}
    return {name: value for name, value in answer.headers.items() if name not in differing}


def _bearer(client: httpx.Client) -> dict[str, str]:
    order = {"shape": "session_todos", "session_id": SHARED}
    told = client.post("/v1/shape-tokens", json=order).json()
    assert told["url"] == f"https://{HOST}/v1/shape"
    return {"authorization": f"Bearer {told['token']}"}


def _live(client: httpx.Client) -> dict[str, str]:
    """Read the shape until it is up to date, and return the query of a poll."""
    # On a server of tests a commit reaches the log up to three rounds of the WAL writer later.
    time.sleep(_LOG_BEHIND_S)
    answer = client.get(f"{_TODOS}?offset=-1")
    while "electric-up-to-date" not in answer.headers:
        answer = client.get(_TODOS, params=_next(answer))
    return _next(answer) | {"live": "true"}


def _next(answer: httpx.Response) -> dict[str, str]:
    headers = answer.headers
    return {"offset": headers["electric-offset"], "handle": headers["electric-handle"]}


def _held(gatekeeper: Gatekeeper, kind: str) -> float:
    """Return how many answers the gatekeeper holds, by its own figures."""
    registry = gatekeeper.web.parts.metrics.registry
    return registry.get_sample_value("gatekeeper_held", {"kind": kind}) or 0
