"""Settings, and that the documents name all of them."""

import re
from pathlib import Path

import pytest

from harness import settings
from harness.connections import server_of_url
from harness.errors import ExitCode, SessionbaseError
from harness.settings import PROJECT, Settings
from tasks import ns
from tests.py.gatekeeper.variables import VARIABLES as OF_GATEKEEPER

VARIABLES = {
    (str(field.validation_alias) if field.validation_alias else f"SESSIONBASE_{name}".upper())
    for name, field in Settings.model_fields.items()
}


def test_a_wrong_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSIONBASE_LOCK_TRIES", "canary-text")
    with pytest.raises(SessionbaseError) as caught:
        settings.load()
    assert caught.value.code == ExitCode.BAD_SETTINGS
    assert "SESSIONBASE_LOCK_TRIES" in caught.value.what
    assert "canary-text" not in caught.value.what


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    assert settings.load().database_url is None


def test_an_empty_variable_overrules_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("SESSIONBASE_LOCK_TRIES=7\nDATABASE_URL=postgresql://db/name\n")
    monkeypatch.setenv("DATABASE_URL", "")
    known = Settings(_env_file=tmp_path / ".env")
    assert known.lock_tries == 7
    assert known.database_url is None


def test_a_url_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://someone:canary-text@db.example:6543/name")
    known = settings.load()
    assert known.database_url is not None
    server = server_of_url(known.database_url.get_secret_value())
    assert "canary-text" in server.conninfo
    assert "canary-text" not in f"{known} {known!r} {server!r}"
    assert server.label == "postgresql://someone@db.example:6543/name"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://someone:canary text@:port",
        "postgresql://someone:half@canary@127.0.0.1:1/db",
        "postgresql://someone:half/canary@127.0.0.1:1/db",
        "postgresql://someone:half#canary@127.0.0.1:port/db",
    ],
)
def test_a_broken_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SessionbaseError) as caught:
        server_of_url(url)
    assert caught.value.code == ExitCode.BAD_SETTINGS
    assert "canary" not in caught.value.what + caught.value.hint


def test_what_a_url_leaves_out_is_taken_from_libpqs_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGDATABASE", "elsewhere")
    monkeypatch.setenv("PGPORT", "6543")
    server = server_of_url("postgresql://someone@db.example")
    assert server.label == "postgresql://someone@db.example:6543/elsewhere"
    assert server_of_url("postgresql://someone@db.example/here").database == "here"


def test_the_readme_and_the_example_list_every_setting() -> None:
    readme = (PROJECT / "README.md").read_text()
    listed = set(re.findall(r"^\| `([A-Z_]+)`", readme, re.MULTILINE))
    example = (PROJECT / ".env.example").read_text()
    shown = set(re.findall(r"^#? ?([A-Z_]+)=", example, re.MULTILINE))
    assert listed == VARIABLES
    assert shown == VARIABLES | OF_GATEKEEPER


def test_the_readme_lists_every_exit_code() -> None:
    readme = (PROJECT / "README.md").read_text()
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", readme, re.MULTILINE)}
    assert listed == {int(code) for code in ExitCode} | {130}


def test_the_readme_lists_every_command() -> None:
    readme = (PROJECT / "README.md").read_text()
    tasks = (PROJECT / "tasks.py").read_text()
    written = set(re.findall(r"@command\ndef (\w+)\(", tasks))
    listed = set(re.findall(r"^\| `invoke ([a-z-]+)", readme, re.MULTILINE))
    assert listed == set(ns.task_names) == {name.replace("_", "-") for name in written}
