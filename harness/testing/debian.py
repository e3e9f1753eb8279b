"""pg_prove and pgTAP: PyPI has neither, Debian has both.

They are looked for on the machine first. If they are not there, Debian's packages are unpacked
into the project's own folder, which needs no root and changes nothing of the system.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness.console import Tell
from harness.embedded.binaries import home_of
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings

_PROVE_PACKAGE = "libtap-parser-sourcehandler-pgtap-perl"
_SYSTEM_POSTGRES = Path("/usr/share/postgresql")
_PGTAP_PATTERN = "*/extension/pgtap.sql"
_FETCH_SECONDS = 300


@dataclass(frozen=True)
class PgTapTools:
    """pg_prove as the beginning of a command, and the file that defines pgTAP's functions."""

    pg_prove: list[str]
    pgtap_sql: Path


def find_tools(settings: Settings, tell: Tell) -> PgTapTools:
    """Find or fetch the tools. Raises SessionbaseError (MISSING_TOOL) that says what to install."""
    cache = home_of(settings) / "tools"
    if _needs_fetching(settings, cache):
        tell("getting pg_prove and pgTAP from Debian's packages")
        _fetch(cache)
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
        raise _missing(f"PG_PROVE names {settings.pg_prove}, which is not there")
    installed = settings.pg_prove or shutil.which("pg_prove")
    if installed:
        return [str(installed)]
    program = cache / "usr/bin/pg_prove"
    if not program.exists():
        raise _missing("pg_prove is not on this machine")
    return ["perl", f"-I{cache / 'usr/share/perl5'}", str(program)]


def _pgtap_sql(settings: Settings, cache: Path) -> Path:
    if settings.pgtap_sql and not settings.pgtap_sql.exists():
        raise _missing(f"PGTAP_SQL names {settings.pgtap_sql}, which is not there")
    if settings.pgtap_sql:
        return settings.pgtap_sql
    found = [
        *sorted(_SYSTEM_POSTGRES.glob(_PGTAP_PATTERN)),
        *sorted((cache / "usr/share/postgresql").glob(_PGTAP_PATTERN)),
    ]
    if not found:
        raise _missing("pgTAP is not on this machine")
    return found[-1]


def _fetch(cache: Path) -> None:
    """Download and unpack both packages, with package lists of our own beside them."""
    for program in ("apt-get", "apt-cache", "dpkg-deb", "perl"):
        if shutil.which(program) is None:
            raise _missing(f"there is no {program} to get pg_prove and pgTAP with")
    unfinished = cache.with_name(f"tools-unfinished-{os.getpid()}")
    apt = unfinished / "apt"
    (apt / "lists" / "partial").mkdir(parents=True)
    (apt / "archives" / "partial").mkdir(parents=True)
    options = [
        *("-o", f"Dir::State::Lists={apt / 'lists'}"),
        *("-o", f"Dir::Cache={apt}"),
        # As root apt would drop to an account that can't reach this folder.
        *("-o", f"APT::Sandbox::User={'root' if os.geteuid() == 0 else ''}"),
    ]
    try:
        _run(apt, "apt-get", *options, "update")
        _run(apt, "apt-get", *options, "download", _PROVE_PACKAGE, _pgtap_package(apt, options))
        for package in sorted(apt.glob("*.deb")):
            _run(apt, "dpkg-deb", "--extract", str(package), str(unfinished))
        shutil.rmtree(apt)
        unfinished.rename(cache)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _pgtap_package(apt: Path, options: list[str]) -> str:
    """Return the name of this Debian's pgTAP package; its functions run on every Postgres."""
    listed = _run(apt, "apt-cache", *options, "search", "--names-only", "^postgresql-[0-9]+-pgtap$")
    names = sorted(line.split()[0] for line in listed.splitlines())
    if not names:
        raise _missing("this machine's package lists have no postgresql-*-pgtap")
    return names[-1]


def _run(folder: Path, *command: str) -> str:
    result = subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True, timeout=_FETCH_SECONDS
    )
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or ["no message"]
        raise _missing(f"`{command[0]}` failed while getting pg_prove and pgTAP: {lines[-1]}")
    return result.stdout


def _missing(why: str) -> SessionbaseError:
    return SessionbaseError(
        ExitCode.MISSING_TOOL,
        why,
        hint=f"Install them: apt-get install perl {_PROVE_PACKAGE} postgresql-15-pgtap (the "
        "number is your Debian's Postgres). Elsewhere: pg_prove from CPAN's "
        "TAP::Parser::SourceHandler::pgTAP and pgtap.sql from pgTAP's release, their paths in "
        "PG_PROVE and PGTAP_SQL. No test was run.",
    )
