"""The test command itself: it can fail, and it leaves nothing out in silence."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from harness.connections import Server
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings
from harness.testing.debian import PgTapTools, find_tools
from harness.testing.pgtap import matching_tests, run_pg_prove
from harness.testing.run import run_tests, workers_for

PASSING = "begin; select plan(1); select ok(true, 'is true'); select * from finish(); rollback;"


@pytest.fixture(scope="session")
def tools(settings: Settings) -> PgTapTools:
    """Find pg_prove and pgTAP, or fetch them as the test command does."""
    return find_tools(settings, print)


@pytest.fixture
def passes(
    database: Server, settings: Settings, tools: PgTapTools, tmp_path: Path
) -> Callable[[str], bool]:
    """Return a function that says whether pg_prove passes a test of this text."""

    def passed(text: str) -> bool:
        test = tmp_path / "probe.sql"
        test.write_text(text)
        return run_pg_prove(database, settings, tools, [test]) == 0

    return passed


def test_pg_prove_passes_what_is_true(passes: Callable[[str], bool]) -> None:
    assert passes(PASSING)


@pytest.mark.parametrize(
    "text",
    [
        PASSING.replace("ok(true", "ok(false"),
        PASSING.replace("plan(1)", "plan(2)"),
        PASSING.replace("plan(1);", "plan(1); select nonsense;"),
    ],
    ids=["failing", "wrong plan", "broken SQL"],
)
def test_pg_prove_fails_what_is_not(passes: Callable[[str], bool], text: str) -> None:
    assert not passes(text)


def test_tools_that_are_nowhere_are_named(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    nowhere = settings.model_copy(update={"home": tmp_path, "pg_prove": None, "pgtap_sql": None})
    with pytest.raises(SessionbaseError) as caught:
        find_tools(nowhere, print)
    assert caught.value.code == ExitCode.MISSING_TOOL
    assert "there is no apt-get" in caught.value.what
    assert "apt-get install perl libtap-parser-sourcehandler-pgtap-perl" in caught.value.hint


def test_a_download_that_fails_is_named_and_leaves_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("apt-get", "apt-cache", "dpkg-deb", "perl"):
        (programs / name).write_text("#!/bin/sh\necho 'E: no network' >&2\nexit 100\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    home = tmp_path / "home"
    nowhere = settings.model_copy(update={"home": home, "pg_prove": None, "pgtap_sql": None})
    with pytest.raises(SessionbaseError) as caught:
        find_tools(nowhere, print)
    assert "`apt-get` failed while getting pg_prove and pgTAP: E: no network" in caught.value.what
    assert list(home.glob("*")) == []


def test_an_expression_that_fits_no_test_is_an_error(settings: Settings) -> None:
    with pytest.raises(SessionbaseError) as caught:
        run_tests(settings, parts={"sql"}, expression="no-test-is-called-so", postgres="embedded")
    assert caught.value.code == ExitCode.NO_TESTS


def test_an_unknown_server_to_test_on_is_an_error(settings: Settings) -> None:
    with pytest.raises(SessionbaseError) as caught:
        run_tests(settings, parts={"sql"}, expression="", postgres="somewhere")
    assert caught.value.code == ExitCode.BAD_SETTINGS


def test_every_sql_test_is_found() -> None:
    assert len(matching_tests("")) > len(matching_tests("row")) > 0


def test_only_servers_of_their_own_are_shared_out(settings: Settings) -> None:
    cores = len(os.sched_getaffinity(0))
    given = settings.model_copy(update={"database_url": SecretStr("postgresql://h/d")})
    assert workers_for(settings, "", "auto") == min(cores, 4)
    assert workers_for(given, "", "auto") == workers_for(given, "", "url") == 1
    assert workers_for(given, "", "embedded") == min(cores, 4)
    assert workers_for(settings, "one_test", "auto") == 1
