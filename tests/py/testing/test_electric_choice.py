"""Which Electric tests run on: what is chosen, what is refused, and what a report says."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from harness.errors import ExitCode, SessionbaseError
from harness.settings import PROJECT, Settings
from harness.testing import electrics
from harness.testing.composed import image_of
from harness.testing.electrics import choose_electric, parse_electric
from harness.testing.run import run_tests
from harness.testing.servers import Choice
from tests.py.commands.conftest import run_invoke

URL = {"electric_url": SecretStr("http://127.0.0.1:3000")}
BOTH = URL | {"electric_secret": SecretStr("canary-text")}


@pytest.fixture(params=[True, False], ids=["engine", "no engine"])
def has_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Say that an engine answers, or that none does."""
    monkeypatch.setattr(electrics, "docker_answers", lambda: bool(request.param))
    return bool(request.param)


def test_what_is_set_comes_before_what_is_there(settings: Settings, *, has_engine: bool) -> None:
    found = choose_electric(settings.model_copy(update=BOTH), "auto", "url")
    assert found.header == "electric: url, http://127.0.0.1:3000"
    found = choose_electric(settings, "auto", "embedded")
    if has_engine:
        assert found.header == f"electric: container, {image_of('electric')}"
    else:
        assert found.header == "electric: stand-in, held to recordings of 1.7.12"


def test_what_is_asked_for_is_chosen(settings: Settings, *, has_engine: bool) -> None:
    both = settings.model_copy(update=BOTH)
    assert choose_electric(both, "stand-in", "embedded").choice == "stand-in"
    assert choose_electric(both, "url", "url").choice == "url"
    if has_engine:
        assert choose_electric(both, "container", "embedded").choice == "container"
        return
    with pytest.raises(SessionbaseError) as caught:
        choose_electric(both, "container", "embedded")
    assert caught.value.code == ExitCode.MISSING_TOOL


@pytest.mark.parametrize(
    ("update", "wanted", "postgres", "why"),
    [
        ({}, "url", "url", "ELECTRIC_URL is not set"),
        (URL, "url", "url", "and ELECTRIC_SECRET is not"),
        (URL, "auto", "url", "and ELECTRIC_SECRET is not"),
        (BOTH, "url", "embedded", "does not follow the tests' Postgres (embedded)"),
        (BOTH, "auto", "container", "does not follow the tests' Postgres (container)"),
        (BOTH | {"electric_url": SecretStr("canary:1")}, "url", "url", "ELECTRIC_URL is not an"),
    ],
)
def test_what_does_not_go_together_is_refused(
    settings: Settings, update: dict[str, SecretStr], wanted: str, postgres: Choice, why: str
) -> None:
    known = settings.model_copy(update=update)
    with pytest.raises(SessionbaseError) as caught:
        choose_electric(known, parse_electric(wanted), postgres)
    assert caught.value.code == ExitCode.BAD_SETTINGS
    assert why in caught.value.what
    assert caught.value.hint
    assert "canary" not in caught.value.what + caught.value.hint


def test_an_unknown_electric_is_an_error_before_anything_is_started(settings: Settings) -> None:
    with pytest.raises(SessionbaseError) as caught:
        run_tests(settings, parts={"sql"}, expression="", postgres="embedded", electric="some")
    assert caught.value.code == ExitCode.BAD_SETTINGS
    assert "stand-in" in caught.value.hint


def test_invoke_test_refuses_without_a_traceback(tmp_path: Path) -> None:
    environment = {"SESSIONBASE_HOME": str(tmp_path), "DATABASE_URL": "", "ELECTRIC_URL": ""}
    result = run_invoke("test", "--py", "--electric=url", environment=environment)
    assert result.returncode == ExitCode.BAD_SETTINGS
    assert "ELECTRIC_URL is not set" in result.stderr
    assert "Traceback" not in result.stderr


def test_invoke_test_hands_the_choice_on(tmp_path: Path) -> None:
    environment = {"SESSIONBASE_HOME": str(tmp_path), "DATABASE_URL": "", "ELECTRIC_SECRET": "x"}
    result = run_invoke(
        *("test", "--py", "--electric=stand-in", "-k", "no-test-is-called-so"),
        environment=environment | {"ELECTRIC_URL": "http://127.0.0.1:9"},
    )
    assert "\nelectric: stand-in, " in result.stdout
    assert result.returncode == ExitCode.NO_TESTS


def test_a_report_begins_with_what_it_ran_on() -> None:
    command = [sys.executable, "-m", "pytest", "--electric=stand-in", "--postgres=embedded"]
    result = subprocess.run(
        [*command, "--collect-only", "tests/py/electric/test_recordings.py"],
        check=False,
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert "\nelectric: stand-in, held to recordings of 1.7.12\n" in result.stdout
