"""Postgres and Electric in containers, with image, command and environment of deploy/compose.yaml.

It was written where no Docker engine is. tests/py/testing/test_pair.py holds it to what it asks an
engine for, and runs all but the containers; that those start has yet to be seen.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from harness.connections import Server, connect, server_of_url
from harness.doctor.asking import NoAnswerError, electric_at
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.runner import Migrator
from harness.passwords import set_passwords
from harness.settings import Settings
from harness.testing.composed import read_compose, required

_SECONDS = 120
_PORTS = {"postgres": 5432, "electric": 3000}


@dataclass(frozen=True)
class Pair:
    """An Electric, what it asks for, and the migrated database that it follows."""

    server: Server
    url: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Container:
    """What a service of compose.yaml asks an engine for. port: the one to be reached at."""

    name: str
    image: str
    port: int
    command: list[str] | None
    environment: Mapping[str, str] = field(repr=False)
    tmpfs: list[str]


Run = Callable[[Container], AbstractContextManager[tuple[str, int]]]
"""Runs a container while it is entered, and says at which host and port it is reached."""


@contextmanager
def containers() -> Iterator[Run]:
    """Give a way to run containers in a network of their own, each by its name there."""
    with Network() as network:

        @contextmanager
        def run(wanted: Container) -> Iterator[tuple[str, int]]:
            container = DockerContainer(
                wanted.image,
                env=dict(wanted.environment),
                network=network,
                network_aliases=[wanted.name],
            )
            container.with_exposed_ports(wanted.port)
            for folder in wanted.tmpfs:
                container.with_tmpfs_mount(folder)
            if wanted.command:
                container.with_command(wanted.command)
            with container:
                yield container.get_container_host_ip(), container.get_exposed_port(wanted.port)

        yield run


@contextmanager
def open_pair(settings: Settings, run: Run) -> Iterator[Pair]:
    """Run Postgres, migrate it, give the roles their passwords, run Electric; end all of it.

    Raises SessionbaseError: SERVER_WONT_START, and what migrating raises.
    """
    services = read_compose({name: secrets.token_hex(24) for name in required()})["services"]
    tools = services["migrate"]["environment"]
    with ExitStack() as stack:
        host, port = stack.enter_context(run(_container("postgres", services["postgres"])))
        password = services["postgres"]["environment"]["POSTGRES_PASSWORD"]
        server = server_of_url(f"postgresql://postgres:{password}@{host}:{port}/sessionbase")
        _wait("Postgres", lambda: _answers(server))
        Migrator(settings).apply(server)
        set_passwords(server, settings.model_copy(update=_passwords(tools)))
        host, port = stack.enter_context(run(_container("electric", services["electric"])))
        url = f"http://{host}:{port}"
        _wait("Electric", lambda: _is_active(url))
        yield Pair(server, url, tools["ELECTRIC_SECRET"])


def _container(name: str, service: dict[str, Any]) -> Container:
    return Container(
        name,
        service["image"],
        _PORTS[name],
        service.get("command"),
        service["environment"],
        # What is a volume there is gone with the tests here.
        [*service.get("tmpfs", []), *(one["target"] for one in service.get("volumes", []))],
    )


def _passwords(environment: Mapping[str, str]) -> dict[str, SecretStr]:
    roles = ("app_server", "electric_read", "electric_repl")
    return {
        f"{role}_password": SecretStr(environment[f"SESSIONBASE_{role.upper()}_PASSWORD"])
        for role in roles
    }


def _answers(server: Server) -> bool:
    try:
        with connect(server, "test"):
            return True
    except SessionbaseError:
        return False


def _is_active(url: str) -> bool:
    try:
        return bool(electric_at(url, None).health().json() == {"status": "active"})
    except NoAnswerError:
        return False


def _wait(what: str, is_there: Callable[[], bool]) -> None:
    patience = Retrying(
        stop=stop_after_delay(_SECONDS), wait=wait_fixed(0.5), retry=retry_if_result(_is_false)
    )
    try:
        patience(is_there)
    except RetryError:
        raise SessionbaseError(
            ExitCode.SERVER_WONT_START,
            f"{what} did not answer within {_SECONDS} s in its container",
            hint="docker logs says why, while it is there.",
        ) from None


def _is_false(there: bool) -> bool:
    return not there
