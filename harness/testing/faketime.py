"""libfaketime for the drill: the machine's, or else Debian's package, unpacked.

A process that has it loaded sees a clock that a file sets.
"""

from pathlib import Path

from harness.console import Tell
from harness.embedded.binaries import home_of
from harness.settings import Settings
from harness.testing.packages import AskCache, Wanted, fetch

_LIBRARY = "libfaketimeMT.so.1"


def find_faketime(settings: Settings, tell: Tell) -> Path:
    """Find the library, or fetch it. Raises SessionbaseError (MISSING_TOOL)."""
    installed = sorted(Path("/usr/lib").glob(f"*/faketime/{_LIBRARY}"))
    if installed:
        return installed[0]
    cache = home_of(settings) / "faketime"
    if not cache.exists():
        tell(f"getting {_WANTED.label} from Debian's packages")
        fetch(_WANTED, cache)
    found = sorted(cache.glob(f"usr/lib/*/faketime/{_LIBRARY}"))
    if not found:
        raise _WANTED.missing(f"Debian's package left no {_LIBRARY} in {cache}; remove that folder")
    return found[0]


def _packages(_: AskCache) -> list[str]:
    return ["libfaketime"]


_WANTED = Wanted("libfaketime", _packages, "Install it: apt-get install libfaketime, 0.9.10.")
