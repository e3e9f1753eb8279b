"""nginx with the configuration of deploy/nginx/, on free ports, in a folder of a test."""

import json
import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import httpx
import trustme
from h2.connection import H2Connection
from h2.errors import ErrorCodes

from harness.settings import PROJECT
from harness.testing.nginx import Nginx
from tests.py.waiting import wait_until

TEMPLATE = PROJECT / "deploy" / "nginx" / "sessionbase.conf.template"
HOST = "localhost"
"""Single-tenant mode serves no other name."""
UPLOAD_LIMIT = 4 << 20
_MAIN = Template("""
$user
daemon off;
worker_processes 2;
pid $folder/nginx.pid;
error_log $folder/main.log notice;
events { worker_connections 1024; }
http {
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    scgi_temp_path $folder/scgi;
    uwsgi_temp_path $folder/uwsgi;
    include $folder/conf.d/*.conf;
}
""")
"""What belongs to a machine, as Debian and the image nginx have it in a file of their own."""


@dataclass(frozen=True)
class Proxy:
    """An nginx that runs."""

    https_port: int
    http_port: int
    folder: Path
    authority: trustme.CA

    @property
    def origin(self) -> str:
        """How browsers reach it."""
        return f"https://{HOST}:{self.https_port}"

    def trusting(self) -> ssl.SSLContext:
        """Return what TLS needs to believe its certificate, and nobody else's."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    def client(self, *, http2: bool = True, **headers: str) -> httpx.Client:
        """Return an HTTP client for which its host is here. It waits as long as a long poll."""
        transport = _Here(verify=self.trusting(), http2=http2, retries=0)
        return httpx.Client(base_url=self.origin, headers=headers, timeout=40, transport=transport)

    def connect(
        self, *, sni: str | None = HOST, context: ssl.SSLContext | None = None
    ) -> ssl.SSLSocket:
        """Open a connection to say anything on, by HTTP/1.1."""
        plain = socket.create_connection(("127.0.0.1", self.https_port), timeout=30)
        return (context or self.trusting()).wrap_socket(plain, server_hostname=sni)

    @contextmanager
    def asking_by_http_2(self, target: str) -> Iterator[Callable[[], None]]:
        """Ask, and give what a browser does whose page asks no longer: the connection stays.

        httpx never does that.
        """
        context = self.trusting()
        context.set_alpn_protocols(["h2"])
        with self.connect(context=context) as connection:
            state = H2Connection()
            state.initiate_connection()
            head = {":method": "GET", ":scheme": "https", ":authority": HOST, ":path": target}
            state.send_headers(1, list(head.items()), end_stream=True)
            connection.sendall(state.data_to_send())

            def leave() -> None:
                state.reset_stream(1, ErrorCodes.CANCEL)
                connection.sendall(state.data_to_send())

            yield leave

    def log_lines(self) -> list[dict[str, Any]]:
        """Read the access log."""
        text = (self.folder / "logs" / "access.log").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def logged(self) -> str:
        """Return all that it wrote into any log."""
        logs = [*(self.folder / "logs").iterdir(), *self.folder.glob("*.log")]
        return "".join(path.read_text() for path in logs)


class _Here(httpx.HTTPTransport):
    """Goes to 127.0.0.1 whatever host is asked for; name and Host header stay."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        request.extensions["sni_hostname"] = request.url.host
        request.url = request.url.copy_with(host="127.0.0.1")
        return super().handle_request(request)


@contextmanager
def running(nginx: Nginx, folder: Path, gatekeeper: str, text: str = "") -> Iterator[Proxy]:
    """Run it in front of a gatekeeper at host:port. text: a configuration instead of ours."""
    folder.mkdir()
    with ExitStack() as stack:
        listeners = [stack.enter_context(_listener()) for _ in range(2)]
        http, https = (listener.getsockname()[1] for listener in listeners)
        proxy = Proxy(https, http, folder, trustme.CA())
        _write(proxy, gatekeeper, text or TEMPLATE.read_text())
        inherited = [listener.fileno() for listener in listeners]
        process = subprocess.Popen(
            command_of(nginx, folder),
            # How one nginx hands its sockets to the next: nobody else can get the port meanwhile.
            env=os.environ
            | nginx.environment
            | {"NGINX": "".join(f"{number};" for number in inherited)},
            pass_fds=inherited,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            wait_until(lambda: (folder / "nginx.pid").exists() or process.poll() is not None)
            assert process.poll() is None, process.communicate()[1]
            yield proxy
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)


def command_of(nginx: Nginx, folder: Path) -> list[str]:
    """Return how nginx is called. -e: what fails before it knows where to say so goes there."""
    return [
        str(nginx.program),
        *("-p", str(folder)),
        *("-c", str(folder / "nginx.conf")),
        *("-e", str(folder / "start.log")),
    ]


def _listener() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(511)
    return listener


def _write(proxy: Proxy, gatekeeper: str, text: str) -> None:
    folder = proxy.folder
    for name in ("logs", "conf.d"):
        (folder / name).mkdir()
    certificate = proxy.authority.issue_cert(HOST)
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(folder / "certificate.pem", append=True)
    variables = {
        "NGINX_GATEKEEPER": gatekeeper,
        "NGINX_SERVER_NAME": HOST,
        "NGINX_CERTIFICATE": str(folder / "certificate.pem"),
        "NGINX_CERTIFICATE_KEY": str(folder / "key.pem"),
        "NGINX_LISTEN_HTTP": f"127.0.0.1:{proxy.http_port}",
        "NGINX_LISTEN_HTTPS": f"127.0.0.1:{proxy.https_port}",
        "NGINX_LOG_FOLDER": str(folder / "logs"),
        "SESSIONBASE_PUBLIC_ORIGIN": proxy.origin,
        "SESSIONBASE_UPLOAD_LIMIT_BYTES": str(UPLOAD_LIMIT),
    }
    (folder / "conf.d" / "sessionbase.conf").write_text(filled_in(text, variables))
    user = "user root root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_MAIN.substitute(folder=folder, user=user))


def filled_in(text: str, variables: dict[str, str]) -> str:
    """Do what envsubst does for the variables named, and leave nginx its own."""
    for name, value in variables.items():
        text = text.replace(f"${{{name}}}", value)
    return text
