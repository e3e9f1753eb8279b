"""The pair in containers: what is asked of an engine, and all that happens but the containers."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from testcontainers.core.config import ConnectionMode, testcontainers_config

from harness.connections import connect, server_of_url
from harness.embedded.guardian import temporary_postgres
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings
from harness.testing import pair
from harness.testing.composed import image_of, read_compose, required
from harness.testing.pair import Container, containers, open_pair
from tests.py.electric.electrics import stand_in

SERVICES: dict[str, Any] = read_compose(dict.fromkeys(required(), "x" * 20))["services"]


@dataclass
class Machine:
    """Runs what is wanted in containers without any: the embedded Postgres, the stand-in."""

    settings: Settings
    ran: list[Container] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    at: tuple[str, int] = ("", 0)

    @contextmanager
    def run(self, wanted: Container) -> Iterator[tuple[str, int]]:
        """Run one, and say where it is reached."""
        self.ran.append(wanted)
        with self._postgres(wanted) if wanted.name == "postgres" else self._electric(wanted) as at:
            yield at
        self.ended.append(wanted.name)

    @contextmanager
    def _postgres(self, wanted: Container) -> Iterator[tuple[str, int]]:
        with temporary_postgres(self.settings) as server:
            with connect(server, "test") as connection:
                password = wanted.environment["POSTGRES_PASSWORD"]
                statement = sql.SQL("alter role postgres password {}")
                connection.execute(statement.format(password))
            parts = conninfo_to_dict(server.conninfo)
            self.at = str(parts["host"]), int(str(parts["port"]))
            yield self.at

    @contextmanager
    def _electric(self, wanted: Container) -> Iterator[tuple[str, int]]:
        """Run the stand-in with the logins that the container would have, at their real place."""
        repl, read = (
            make_conninfo(wanted.environment[name], host=self.at[0], port=self.at[1])
            for name in ("DATABASE_URL", "ELECTRIC_POOLED_DATABASE_URL")
        )
        with stand_in(
            server_of_url(read),
            ELECTRIC_DATABASE_URL=repl,
            ELECTRIC_POOLED_DATABASE_URL=read,
            ELECTRIC_SECRET=wanted.environment["ELECTRIC_SECRET"],
        ) as running:
            yield "127.0.0.1", running.port


@pytest.fixture
def machine(settings: Settings) -> Machine:
    return Machine(settings)


def test_the_pair_is_migrated_and_its_roles_log_in(machine: Machine, settings: Settings) -> None:
    with open_pair(settings, machine.run) as opened:
        query = {"table": "app.todos", "offset": "-1", "where": "account_id = $1"}
        query |= {"params[1]": "00000000-0000-4000-8000-000000000001", "secret": opened.secret}
        answer = httpx.get(f"{opened.url}/v1/shape", params=query, trust_env=False)
        assert answer.status_code == httpx.codes.OK
        wrong = httpx.get(f"{opened.url}/v1/shape", params=query | {"secret": "x"}, trust_env=False)
        assert wrong.status_code == httpx.codes.UNAUTHORIZED
        with connect(opened.server, "test") as connection:
            row = connection.execute("select count(*) from sync.shapes").fetchone()
            assert row is not None
            assert row[0] > 0
        assert opened.secret not in repr(opened)
        assert opened.secret not in repr(machine.ran)
    assert machine.ended == ["electric", "postgres"]


def test_they_are_what_compose_has(machine: Machine, settings: Settings) -> None:
    with open_pair(settings, machine.run):
        pass
    assert [one.name for one in machine.ran] == ["postgres", "electric"]
    for one in machine.ran:
        service = SERVICES[one.name]
        assert one.image == service["image"] == image_of(one.name)
        assert one.command == service["command"]
        assert set(one.environment) == set(service["environment"])
        # Volumes are not kept: a database of tests is gone with them.
        assert {volume["target"] for volume in service["volumes"]} <= set(one.tmpfs)
    electric = machine.ran[1].environment
    assert electric["ELECTRIC_MANUAL_TABLE_PUBLISHING"] == "true"
    assert "@postgres:5432/sessionbase" in electric["DATABASE_URL"]
    # Of another run they are others.
    again = Machine(settings)
    with open_pair(settings, again.run):
        pass
    assert again.ran[1].environment["ELECTRIC_SECRET"] != electric["ELECTRIC_SECRET"]


def test_one_that_does_not_start_is_said_and_the_other_ended(
    machine: Machine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair, "_SECONDS", 1)
    monkeypatch.setattr(Machine, "_electric", lambda *_: nowhere())
    with ExitStack() as stack, pytest.raises(SessionbaseError) as caught:
        stack.enter_context(open_pair(settings, machine.run))
    assert caught.value.code == ExitCode.SERVER_WONT_START
    assert caught.value.what.startswith("Electric did not answer")


@contextmanager
def nowhere() -> Iterator[tuple[str, int]]:
    yield "127.0.0.1", 9


@dataclass
class Engine:
    """Takes notes of what a Docker engine is asked for, and says that it was done."""

    asked: list[tuple[str, str]] = field(default_factory=list)
    made: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Answer one request of the engine's API."""
        what = "/" + path.split("/", 2)[2] if path.startswith("/v1.") else path
        self.asked.append((method, what))
        if what.endswith("/create"):
            self.made.append(body)
            return 201, {"Id": f"{len(self.made):064}"}
        if what.startswith("/containers/") and what.endswith("/json"):
            ports = {"5432/tcp": [{"HostIp": "0.0.0.0", "HostPort": "49153"}]}  # noqa: S104
            return 200, {
                "Id": what.split("/")[2],
                "Config": {},
                "State": {"Status": "running", "Running": True},
                "NetworkSettings": {"Ports": ports, "Networks": {}},
            }
        if what.startswith("/networks/") and method == "GET":
            return 200, {"Id": what.split("/")[2], "Name": "n"}
        if what == "/version":
            return 200, {"ApiVersion": "1.44", "MinAPIVersion": "1.24"}
        return (204, None) if method in {"POST", "DELETE"} else (200, {})


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Serve an engine's API that runs nothing."""
    noted = Engine()
    with serving(noted.answer) as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        monkeypatch.setattr(testcontainers_config, "ryuk_disabled", True)
        # Or, where tests run in a container themselves, another way to the host is taken.
        monkeypatch.setattr(
            testcontainers_config, "connection_mode_override", ConnectionMode.docker_host
        )
        yield noted


@contextmanager
def serving(answer: Callable[[str, str, dict[str, Any]], tuple[int, Any]]) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            status, given = answer(self.command, urlsplit(self.path).path, body)
            content = b"" if given is None else json.dumps(given).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_an_engine_is_asked_for_what_is_wanted_and_to_end_it(engine: Engine) -> None:
    wanted = Container("postgres", "postgres:1", 5432, ["a", "-b"], {"NAME": "value"}, ["/data"])
    with containers() as run, run(wanted) as at:
        assert at == ("127.0.0.1", 49153)
        network, container = engine.made
        assert container["Image"] == "postgres:1"
        assert container["Cmd"] == ["a", "-b"]
        assert container["Env"] == ["NAME=value"]
        assert container["ExposedPorts"] == {"5432/tcp": {}}
        assert set(container["HostConfig"]["Tmpfs"]) == {"/data"}
        assert container["HostConfig"]["NetworkMode"] == network["Name"]
        (endpoint,) = container["NetworkingConfig"]["EndpointsConfig"].items()
        assert endpoint == (network["Name"], {"Aliases": ["postgres"]})
        assert not [one for one in engine.asked if one[0] == "DELETE"]
    # Its end, and then the network's.
    deleted = [what.split("/")[1] for method, what in engine.asked if method == "DELETE"]
    assert deleted == ["containers", "networks"]
