"""pg_prove and pgTAP: PyPI has neither, Debian has both.

They are looked for on the machine first. If they are not there, Debian's packages are unpacked
into the project's own folder.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.console import Tell
from harness.embedded.binaries import home_of
from harness.errors import SessionbaseError
from harness.settings import Settings
from harness.testing.packages import AskCache, Wanted, fetch

_PROVE_PACKAGE = "libtap-parser-sourcehandler-pgtap-perl"
_SYSTEM_POSTGRES = Path("/usr/share/postgresql")
_PGTAP_PATTERN = "*/extension/pgtap.sql"


@dataclass(frozen=True)
class PgTapTools:
    """pg_prove as the beginning of a command, and the file that defines pgTAP's functions."""

    pg_prove: list[str]
    pgtap_sql: Path


def find_tools(settings: Settings, tell: Tell) -> PgTapTools:
    """Find or fetch the tools. Raises SessionbaseError (MISSING_TOOL) that says what to install."""
    cache = home_of(settings) / "tools"
    if _needs_fetching(settings, cache):
        tell(f"getting {_WANTED.label} from Debian's packages")
        fetch(_WANTED, cache)
    return PgTapTools(_pg_prove(settings, cache), _pgtap_sql(settings, cache))


def _needs_fetching(settings: Settings, cache: Path) -> bool:
    try:
        _pg_prove(settings, cache)
        _pgtap_sql(settings, cache)
    except SessionbaseError:
        return not cache.exists()
    return False


def _pg_prove(settings: Settings, cache: Path) -> list[str]:
    if settings.pg_prove and not settings.pg_prove.exists():
        raise _WANTED.missing(f"PG_PROVE names {settings.pg_prove}, which is not there")
    installed = settings.pg_prove or shutil.which("pg_prove")
    if installed:
        return [str(installed)]
    program = cache / "usr/bin/pg_prove"
    if not program.exists():
        raise _WANTED.missing("pg_prove is not on this machine")
    return ["perl", f"-I{cache / 'usr/share/perl5'}", str(program)]


def _pgtap_sql(settings: Settings, cache: Path) -> Path:
    if settings.pgtap_sql and not settings.pgtap_sql.exists():
        raise _WANTED.missing(f"PGTAP_SQL names {settings.pgtap_sql}, which is not there")
    if settings.pgtap_sql:
        return settings.pgtap_sql
    found = [
        *sorted(_SYSTEM_POSTGRES.glob(_PGTAP_PATTERN)),
        *sorted((cache / "usr/share/postgresql").glob(_PGTAP_PATTERN)),
    ]
    if not found:
        raise _WANTED.missing("pgTAP is not on this machine")
    return found[-1]


def _packages(ask: AskCache) -> list[str]:
    """Name pg_prove's package, and this Debian's pgTAP; its functions run on every Postgres."""
    listed = ask("search", "--names-only", "^postgresql-[0-9]+-pgtap$")
    names = sorted(line.split()[0] for line in listed.splitlines())
    if not names:
        raise _WANTED.missing("this machine's package lists have no postgresql-*-pgtap")
    return [_PROVE_PACKAGE, names[-1]]


_WANTED = Wanted(
    "pg_prove and pgTAP",
    _packages,
    f"Install them: apt-get install perl {_PROVE_PACKAGE} postgresql-15-pgtap (the number is your "
    "Debian's Postgres). Elsewhere: pg_prove from CPAN's TAP::Parser::SourceHandler::pgTAP and "
    "pgtap.sql from pgTAP's release, their paths in PG_PROVE and PGTAP_SQL.",
    programs=("perl",),
)
