"""What can't be set, and what it is told."""

import re

import pytest

from gatekeeper.app import build
from gatekeeper.settings import GatekeeperSettings
from harness.connections import Server
from harness.errors import ExitCode, SessionbaseError
from harness.settings import PROJECT, load_as
from tests.py.gatekeeper.variables import VARIABLES

_SECRET = "a-secret-that-nobody-is-told-" * 2
_ISSUER = {"SESSIONBASE_JWT_ISSUER": "https://issuer.example", "SESSIONBASE_JWT_AUDIENCE": "me"}
_JWKS = _ISSUER | {"SESSIONBASE_JWKS_URL": "https://issuer.example/keys"}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"SESSIONBASE_GATEKEEPER_HOST": "0.0.0.0"}, "must be a loopback address"),  # noqa: S104
        ({"SESSIONBASE_GATEKEEPER_HOST": "chat.example"}, "must be a loopback address"),
        ({"SESSIONBASE_GATEKEEPER_PROCESSES": "2"}, "set SESSIONBASE_TOKEN_KEYS"),
        ({"SESSIONBASE_TOKEN_KEYS": "k1:" + _SECRET[:8]}, "32 bytes or more"),
        ({"SESSIONBASE_TOKEN_KEYS": _SECRET}, "32 bytes or more"),
        ({"SESSIONBASE_TOKEN_TTL_S": "301"}, "SESSIONBASE_TOKEN_TTL_S"),
        ({"SESSIONBASE_LOGIN_GRACE_S": "0"}, "SESSIONBASE_LOGIN_GRACE_S must be 5 or more"),
        ({"SESSIONBASE_LOGIN_GRACE_S": "4"}, "SESSIONBASE_LOGIN_GRACE_S must be 5 or more"),
        ({"SESSIONBASE_TRANSFERS": "0"}, "SESSIONBASE_TRANSFERS"),
        ({"SESSIONBASE_PUBLIC_ORIGIN": "https://chat.example/"}, "SESSIONBASE_PUBLIC_ORIGIN"),
        ({"SESSIONBASE_PUBLIC_ORIGIN": "https://chat.example"}, "a loopback address too"),
        (_ISSUER, "needs exactly one of"),
        (_JWKS | {"SESSIONBASE_JWT_SECRET": _SECRET}, "needs exactly one of"),
        (_JWKS | {"SESSIONBASE_JWT_AUDIENCE": ""}, "needs SESSIONBASE_JWT_AUDIENCE"),
        (_JWKS | {"SESSIONBASE_JWT_ALGORITHMS": "HS256"}, "must be asymmetric"),
        (_JWKS | {"SESSIONBASE_JWT_ALGORITHMS": "RS256, none"}, "must be asymmetric"),
        (_ISSUER | {"SESSIONBASE_JWT_SECRET": _SECRET}, "must be HS256"),
        (
            _ISSUER | {"SESSIONBASE_JWT_SECRET": "short", "SESSIONBASE_JWT_ALGORITHMS": "HS256"},
            "32 bytes or more",
        ),
        ({"SESSIONBASE_JWT_SECRET": _SECRET}, "no SESSIONBASE_JWT_ISSUER"),
    ],
)
def test_what_does_not_go_together_is_said(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SessionbaseError) as error:
        load_as(GatekeeperSettings)
    assert error.value.code == ExitCode.BAD_SETTINGS
    assert said in error.value.what
    assert _SECRET[:8] not in error.value.what


def test_what_goes_together_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in _JWKS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SESSIONBASE_JWT_ALGORITHMS", "RS256, ES256")
    monkeypatch.setenv("SESSIONBASE_GATEKEEPER_HOST", "0.0.0.0")  # noqa: S104
    known = load_as(GatekeeperSettings)
    assert known.jwt_algorithms == ("RS256", "ES256")
    assert not known.is_single_tenant


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"ELECTRIC_URL": f"http://user:{_SECRET}@electric:3000"}, "no user, password"),
        ({"ELECTRIC_URL": f"http://electric:3000?secret={_SECRET}"}, "no user, password"),
        ({"ELECTRIC_URL": f"ftp://{_SECRET}"}, "http://host:3000"),
        ({"ELECTRIC_URL": "http://electric:3000/v1/shape"}, "http://host:3000"),
        ({"SESSIONBASE_ENV": "production", "ELECTRIC_SECRET": _SECRET}, "needs ELECTRIC_URL"),
        (
            {"SESSIONBASE_ENV": "production", "ELECTRIC_URL": "http://electric:3000"},
            "ELECTRIC_SECRET",
        ),
    ],
)
def test_where_electric_is_must_be_clear(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SessionbaseError) as error:
        build(load_as(GatekeeperSettings), Server("dbname=x", embedded=False))
    assert error.value.code == ExitCode.BAD_SETTINGS
    assert said in error.value.what
    assert _SECRET not in error.value.what


def test_the_docs_list_every_setting() -> None:
    page = (PROJECT / "docs" / "gatekeeper.md").read_text()
    listed = set(re.findall(r"^\| `([A-Z_]+)`", page, re.MULTILINE))
    assert listed == VARIABLES
