"""nginx for the tests of deploy/nginx/: the machine's, or else Debian's package, unpacked.

Unpacked it runs as anybody and anywhere: the tests give it every folder that it writes to.
"""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from harness.console import Tell
from harness.embedded.binaries import home_of
from harness.settings import Settings
from harness.testing.packages import AskCache, Wanted, fetch

_PLACES = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
"""Debian has it where the PATH of no account but root's leads."""


@dataclass(frozen=True)
class Nginx:
    """The program, and what its environment must have besides."""

    program: Path
    environment: dict[str, str] = field(default_factory=dict)


def find_nginx(settings: Settings, tell: Tell) -> Nginx:
    """Find it, or fetch it. Raises SessionbaseError (MISSING_TOOL) that says what to install."""
    installed = shutil.which("nginx", path=_PLACES)
    if installed:
        return Nginx(Path(installed))
    cache = home_of(settings) / "nginx"
    if not cache.exists():
        tell(f"getting {_WANTED.label} from Debian's packages")
        fetch(_WANTED, cache)
    program = cache / "usr/sbin/nginx"
    if not program.exists():
        raise _WANTED.missing(f"Debian's package left no nginx in {cache}; remove that folder")
    folders = sorted({str(found.parent) for found in cache.glob("**/lib*.so.*")})
    return Nginx(program, {"LD_LIBRARY_PATH": os.pathsep.join(folders)})


def _packages(ask: AskCache) -> list[str]:
    """Name nginx and its libraries: a bare Debian lacks libssl. libc is everywhere, and one."""
    needed = (
        line.split()[-1] for line in ask("depends", "nginx").splitlines() if "Depends:" in line
    )
    return ["nginx", *(name for name in needed if _is_library(name))]


def _is_library(package: str) -> bool:
    return package.startswith(("lib", "zlib")) and not package.startswith(("libc6", "libnginx"))


_WANTED = Wanted("nginx", _packages, "Install it: apt-get install nginx, 1.22 or newer.")
