"""deploy/compose.yaml: Docker Compose takes it, and it keeps what it promises."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict

from gatekeeper.settings import GatekeeperSettings
from harness.connections import NEWEST_MAJOR
from harness.embedded.electric.server import VERSION
from harness.errors import SessionbaseError
from harness.settings import Settings
from harness.testing.composed import COMPOSE, FOLDER, read_compose, variables

VALUES = {name: f"{name.lower()}-of-the-tests" for name in variables()} | {
    "GATEKEEPER_PORT": "3999"
}
REQUIRED = {
    "APP_SERVER_PASSWORD",
    "ELECTRIC_READ_PASSWORD",
    "ELECTRIC_REPL_PASSWORD",
    "ELECTRIC_SECRET",
    "POSTGRES_PASSWORD",
    "SESSIONBASE_JWT_AUDIENCE",
    "SESSIONBASE_JWT_ISSUER",
    "SESSIONBASE_PUBLIC_ORIGIN",
}
# What Electric 1.7.12 reads, by its documentation; a name that it does not know it ignores.
KNOWN_TO_ELECTRIC = {
    "DATABASE_URL",
    "ELECTRIC_MANUAL_TABLE_PUBLISHING",
    "ELECTRIC_MAX_CONCURRENT_REQUESTS",
    "ELECTRIC_MAX_SHAPES",
    "ELECTRIC_POOLED_DATABASE_URL",
    "ELECTRIC_REPLICATION_STREAM_ID",
    "ELECTRIC_SECRET",
    "ELECTRIC_STORAGE_DIR",
    "ELECTRIC_TCP_READ_TIMEOUT",
}

Service = dict[str, Any]


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    return read_compose(VALUES)


@pytest.fixture(scope="module")
def services(composed: dict[str, Any]) -> dict[str, Service]:
    found: dict[str, Service] = composed["services"]
    assert set(found) == {"postgres", "migrate", "electric", "gatekeeper"}
    return found


@pytest.fixture
def electric(services: dict[str, Service]) -> Service:
    return services["electric"]


def lasting(services: dict[str, Service]) -> dict[str, Service]:
    """Return the services that stay up; the others end when they are done."""
    return {name: one for name, one in services.items() if one["restart"] != "no"}


def test_the_example_has_every_variable_and_no_other() -> None:
    example = (FOLDER / ".env.example").read_text()
    assert set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE)) == variables()


@pytest.mark.parametrize("name", sorted(REQUIRED))
@pytest.mark.parametrize("given", [None, ""], ids=["not set", "empty"])
def test_without_a_secret_nothing_starts(name: str, given: str | None) -> None:
    values = {one: value for one, value in VALUES.items() if one != name}
    with pytest.raises(SessionbaseError, match=f"{name}.*set it in deploy/.env"):
        read_compose(values if given is None else values | {name: given})


def test_what_is_not_required_may_be_left_out() -> None:
    assert read_compose({name: VALUES[name] for name in REQUIRED})


def test_electric_has_no_port_and_no_way_out(
    composed: dict[str, Any], electric: Service, services: dict[str, Service]
) -> None:
    assert not {"ports", "expose", "network_mode"} & set(electric)
    for name, service in services.items():
        leads_out = any(
            not composed["networks"][one].get("internal") for one in service["networks"]
        )
        assert leads_out == (name == "gatekeeper"), name
    on_its_network = {name for name, one in services.items() if "electric" in one["networks"]}
    assert on_its_network == {"electric", "gatekeeper", "migrate"}


def test_only_the_gatekeeper_has_a_port_and_only_on_this_machine(
    services: dict[str, Service],
) -> None:
    published = {name: one["ports"] for name, one in services.items() if "ports" in one}
    assert set(published) == {"gatekeeper"}
    (port,) = published["gatekeeper"]
    assert (port["host_ip"], port["published"], port["target"]) == ("127.0.0.1", "3999", 3100)
    assert services["gatekeeper"]["environment"]["SESSIONBASE_GATEKEEPER_PORT"] == "3100"


def test_electric_is_a_version_that_checks_its_secret(electric: Service) -> None:
    found = re.fullmatch(r"electricsql/electric:(\d+)\.(\d+)\.(\d+)", electric["image"])
    assert found, electric["image"]
    assert tuple(int(part) for part in found.groups()) >= (1, 7, 12)
    # What the stand-in is held to, and so what tests show where there is no engine.
    assert electric["image"].endswith(f":{VERSION}")


def test_electric_is_told_only_what_it_knows(electric: Service) -> None:
    environment = electric["environment"]
    assert set(environment) <= KNOWN_TO_ELECTRIC
    assert environment["ELECTRIC_MANUAL_TABLE_PUBLISHING"] == "true"
    assert environment["ELECTRIC_SECRET"] == VALUES["ELECTRIC_SECRET"]
    (volume,) = electric["volumes"]
    assert volume["target"] == environment["ELECTRIC_STORAGE_DIR"]
    assert volume["type"] == "volume"


def test_who_asks_electric_has_its_secret(services: dict[str, Service]) -> None:
    for name in ("migrate", "gatekeeper"):
        environment = services[name]["environment"]
        assert environment["ELECTRIC_SECRET"] == VALUES["ELECTRIC_SECRET"]
        assert environment["ELECTRIC_URL"] == "http://electric:3000"
    assert "ELECTRIC_SECRET" not in services["postgres"]["environment"]


def test_every_login_is_the_role_that_it_is_for_with_its_password(
    services: dict[str, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = services["migrate"]["environment"]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    known = Settings(_env_file=None)
    logins = {
        "electric_repl": (services["electric"], "DATABASE_URL", known.electric_repl_password),
        "electric_read": (
            services["electric"],
            "ELECTRIC_POOLED_DATABASE_URL",
            known.electric_read_password,
        ),
        "app_server": (
            services["gatekeeper"],
            "GATEKEEPER_DATABASE_URL",
            known.app_server_password,
        ),
    }
    for role, (service, variable, password) in logins.items():
        login = conninfo_to_dict(service["environment"][variable])
        assert password
        assert (login["user"], login["password"]) == (role, password.get_secret_value())
        assert (login["host"], login["dbname"]) == ("postgres", "sessionbase")
    # Every name is one that the settings have: what they do not know they leave out in silence.
    aliases = {str(one.validation_alias) for one in Settings.model_fields.values()}
    names = {f"SESSIONBASE_{name}".upper() for name in Settings.model_fields} | aliases
    assert set(environment) <= names
    stream = services["electric"]["environment"]["ELECTRIC_REPLICATION_STREAM_ID"]
    assert known.electric_replication_stream_id == stream
    assert known.env == "production"


def test_the_database_is_made_for_sync_and_kept(services: dict[str, Service]) -> None:
    postgres = services["postgres"]
    assert re.fullmatch(rf"postgres:{NEWEST_MAJOR}\.\d+-\w+", postgres["image"])
    assert "--wal_level=logical" in postgres["command"]
    (bound,) = [one for one in postgres["command"] if "max_slot_wal_keep_size" in one]
    assert re.fullmatch(r"--max_slot_wal_keep_size=[1-5]0GB", bound)
    # From 18 on the image keeps a folder for each major version in it.
    assert [volume["target"] for volume in postgres["volumes"]] == ["/var/lib/postgresql"]
    assert postgres["environment"]["POSTGRES_DB"] == "sessionbase"


def test_everything_that_stays_has_a_health_check(services: dict[str, Service]) -> None:
    assert set(services) - set(lasting(services)) == {"migrate"}
    for name, service in lasting(services).items():
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["restart"] == "unless-stopped", name


def test_each_waits_for_what_it_needs(services: dict[str, Service]) -> None:
    waits = {
        name: {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
        for name, service in services.items()
    }
    done, healthy = "service_completed_successfully", "service_healthy"
    assert waits == {
        "postgres": {},
        "migrate": {"postgres": healthy},
        "electric": {"postgres": healthy, "migrate": done},
        "gatekeeper": {"migrate": done, "electric": healthy},
    }


def test_no_service_has_more_rights_than_it_needs(services: dict[str, Service]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name
        assert bool(service.get("cap_add")) == (name == "postgres"), name


def test_no_secret_is_in_the_file() -> None:
    raw = yaml.safe_load(COMPOSE.read_text())
    secrets, addresses = set(), set()
    for service in raw["services"].values():
        for name, value in service["environment"].items():
            if re.search("PASSWORD|SECRET|KEYS", name):
                assert re.fullmatch(r"\$\{\w+:[?-].*\}", value), name
                secrets.add(name)
            elif "postgresql://" in str(value):
                assert re.search(r"://\w+:\$\{\w+\}@", value), name
                addresses.add(name)
    # Or nothing was looked at.
    assert {"POSTGRES_PASSWORD", "ELECTRIC_SECRET"} <= secrets
    assert "DATABASE_URL" in addresses


@pytest.mark.parametrize(("status", "is_alive"), [(200, True), (503, False), (None, False)])
def test_the_gatekeepers_check_is_one(
    services: dict[str, Service], status: int | None, *, is_alive: bool
) -> None:
    how, python, *check = services["gatekeeper"]["healthcheck"]["test"]
    assert (how, python) == ("CMD", "python")
    with answering(status) as port:
        result = subprocess.run(
            [sys.executable, *(part.replace(":3100", f":{port}") for part in check)],
            check=False,
            capture_output=True,
        )
    assert (result.returncode == 0) == is_alive


@contextmanager
def answering(status: int | None) -> Iterator[int]:
    """Serve /health with a status, and nothing else; with None, be gone. Give the port."""

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status or 0 if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Health) as server:
        serving = Thread(target=server.serve_forever)
        if status is None:
            server.socket.close()
        else:
            serving.start()
        yield server.server_port
        if status is not None:
            server.shutdown()
            serving.join()


def test_the_gatekeeper_takes_its_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = VALUES | {
        "SESSIONBASE_PUBLIC_ORIGIN": "https://chat.example",
        "SESSIONBASE_JWT_ISSUER": "https://login.example",
        "SESSIONBASE_JWKS_URL": "https://login.example/jwks",
        "SESSIONBASE_JWT_SECRET": "",
        "SESSIONBASE_JWT_ALGORITHMS": "",
        "SESSIONBASE_TOKEN_KEYS": "",
    }
    environment = read_compose(values)["services"]["gatekeeper"]["environment"]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    known = GatekeeperSettings(_env_file=None)
    assert not known.is_single_tenant
    aliases = {str(one.validation_alias) for one in GatekeeperSettings.model_fields.values()}
    names = {f"SESSIONBASE_{name}".upper() for name in GatekeeperSettings.model_fields} | aliases
    assert set(environment) <= names
