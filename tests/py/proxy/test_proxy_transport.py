"""What is between a browser and nginx: TLS, HTTP/2, hosts, and what is not there from outside."""

import re
import socket
import ssl
import subprocess
import warnings

import httpx
import pytest

from harness.settings import PROJECT
from harness.testing.nginx import Nginx
from tests.py.proxy.nginxes import HOST, TEMPLATE, Proxy, command_of
from tests.py.proxy.witnesses import Witness


def test_the_configuration_is_sound(nginx: Nginx, proxy: Proxy) -> None:
    command = [*command_of(nginx, proxy.folder), "-t"]
    result = subprocess.run(
        command, check=False, env=nginx.environment, capture_output=True, text=True, timeout=30
    )
    assert (result.returncode, "[warn]" in result.stderr) == (0, False), result.stderr


def test_every_variable_is_explained() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)\}", TEMPLATE.read_text()))
    page = (PROJECT / "docs" / "load-balancer.md").read_text()
    assert used == set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE))


def test_http_2_is_spoken(ask: httpx.Client, witness: Witness) -> None:
    answer = ask.get("/v1/sessions")
    assert (answer.http_version, answer.json()) == ("HTTP/2", {"fine": True})
    assert len(witness.seen) == 1


def test_http_1_1_is_spoken_too(proxy: Proxy) -> None:
    with proxy.client(http2=False) as client:
        answer = client.get("/v1/sessions")
    assert (answer.http_version, answer.json()) == ("HTTP/1.1", {"fine": True})


@pytest.mark.parametrize("path", ["/v1/sessions", "/nowhere"], ids=["passed on", "refused here"])
def test_browsers_are_told_to_keep_to_tls(ask: httpx.Client, path: str) -> None:
    assert ask.get(path).headers.get_list("strict-transport-security") == ["max-age=63072000"]


@pytest.mark.parametrize("host", [HOST, "elsewhere.example"])
def test_plain_http_leads_to_our_origin_and_nowhere_else(proxy: Proxy, host: str) -> None:
    answer = httpx.get(
        f"http://127.0.0.1:{proxy.http_port}/v1/sessions?a=1",
        headers={"host": host},
        trust_env=False,
    )
    assert answer.status_code == 308
    assert answer.headers["location"] == f"{proxy.origin}/v1/sessions?a=1"


def test_tls_1_2_and_1_3_are_spoken(proxy: Proxy) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = proxy.trusting()
        context.minimum_version = context.maximum_version = version
        with proxy.connect(context=context) as connection:
            assert connection.version() == version.name.replace("_", ".")


def test_tls_1_1_is_not(proxy: Proxy) -> None:
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        proxy.connect(context=_only_tls_1_1(proxy))


def test_ciphers_without_authentication_of_what_they_hide_are_not(proxy: Proxy) -> None:
    context = proxy.trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA")
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        proxy.connect(context=context)


@pytest.mark.parametrize("sni", ["elsewhere.example", None])
def test_another_host_gets_no_certificate(proxy: Proxy, sni: str | None) -> None:
    context = proxy.trusting()
    context.check_hostname = False
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        proxy.connect(sni=sni, context=context)


def test_a_host_that_is_not_the_certificates_is_misdirected(proxy: Proxy, witness: Witness) -> None:
    status = _status_of(proxy, "GET /v1/sessions HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n")
    assert (status, witness.seen) == (421, [])
    assert _status_of(proxy, f"GET /v1/sessions HTTP/1.1\r\nHost: {HOST}\r\n\r\n") == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/health", "/ready", "/metrics", "//ready", "/v1/../ready", "/v1/%2e%2e/ready"),
        *("/%72eady", "/v1/..%2fready", "/ready/", "/ready;/v1/"),
    ],
)
def test_what_is_for_operators_stays_inside(proxy: Proxy, witness: Witness, path: str) -> None:
    status = _status_of(proxy, f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
    assert (status, witness.seen) == (404, [])


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/shape?a=%20b", "/v1/sessions/a%2Fb/shapes/x", "/auth/session", "/rpc/f"),
        *("/api/uploads/a%2Fb", "/openapi.json"),
    ],
)
def test_what_is_for_clients_is_passed_on_as_it_was_sent(
    proxy: Proxy, witness: Witness, path: str
) -> None:
    assert _status_of(proxy, f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n") == 200
    assert [seen.target for seen in witness.seen] == [path]


def test_nginx_does_not_say_which_it_is(ask: httpx.Client, proxy: Proxy) -> None:
    answers = [ask.get("/v1/sessions"), ask.get("/nowhere")]
    answers += [httpx.get(f"http://127.0.0.1:{proxy.http_port}/", trust_env=False)]
    assert {answer.headers["server"] for answer in answers} == {"nginx"}
    assert not any(re.search(r"nginx/|\d\.\d+\.\d+", answer.text) for answer in answers)


def _only_tls_1_1(proxy: Proxy) -> ssl.SSLContext:
    """Return a client's settings that today's libraries only take with a warning."""
    context = proxy.trusting()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    # OpenSSL 3 has it at no higher level of security.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def _status_of(proxy: Proxy, request: str) -> int:
    """Send bytes that a client library would tidy up, and return the answer's status."""
    with proxy.connect() as connection:
        connection.sendall(request.encode())
        connection.settimeout(10)
        head = b""
        while b"\r\n" not in head:
            try:
                more = connection.recv(4096)
            except socket.timeout as error:  # noqa: UP041 - what recv raises
                raise AssertionError("no answer") from error
            assert more, "the connection ended without an answer"
            head += more
    return int(head.split()[1])
