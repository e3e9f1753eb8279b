"""Every command, a few lines each: parse, call the harness, print.

`invoke --list` shows them, `invoke --help NAME` their options.
"""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task
from rich.prompt import Prompt

from harness import console, quality, reports, settings
from harness.embedded.postgres import EmbeddedPostgres, project_postgres
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.importer import ImportRequest, check_folder, import_folder
from harness.migrations.runner import Migrator
from harness.psql import run_psql
from harness.reset import reset as reset_database
from harness.targets import bring_up_to_date, target

P = ParamSpec("P")
_INTERRUPTED = 130
_JSON = {"json": "Print the facts as JSON, and nothing else."}


def command(function: Callable[P, ExitCode | None]) -> Callable[P, None]:
    """Make what a function returns or raises the command's exit code, and errors readable."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = function(*args, **kwargs)
        except SessionbaseError as error:
            console.show_error(error)
            raise Exit(code=error.code) from None
        except OSError as error:
            # A path that is not what it was taken for; the program at fault would print more.
            where = f"{error.filename}: " if error.filename else ""
            console.show_error(SessionbaseError(ExitCode.FAILED, f"{where}{error.strerror}"))
            raise Exit(code=ExitCode.FAILED) from None
        except KeyboardInterrupt:
            console.note("interrupted; what was not committed is undone")
            raise Exit(code=_INTERRUPTED) from None
        if code:
            raise Exit(code=code)

    return run


@task(
    help={
        "dry-run": "Only show what would be applied.",
        "status": "Show every file and whether it is in force; exit 3 if something is pending.",
        "reapply": "Apply every function and policy again, as after one was changed by hand.",
        **_JSON,
    }
)
@command
def migrate(
    _: Context,
    dry_run: bool = False,
    status: bool = False,
    reapply: bool = False,
    json: bool = False,
) -> ExitCode | None:
    """Bring the database to the state of sql/."""
    if status and dry_run:
        raise SessionbaseError(ExitCode.REFUSED, "--status and --dry-run show different things")
    known = settings.load()
    server = target(known)
    if status or dry_run:
        report = reports.report_plan if status else reports.report_dry_run
        return report(server, Migrator(known).plan(server, reapply=reapply), as_json=json)
    with console.progress() as tell:
        applied = Migrator(known, tell=tell, warn=console.note).apply(server, reapply=reapply)
    reports.report_applied(server, applied, as_json=json)
    return None


@task(
    help={
        "data": "The viewer's data folder; without it, the samples in examples/legacy.",
        "account": "Name or id of the account to import into, where there are several.",
        "dry-run": "Do it all, report it, and roll it back.",
        **_JSON,
    }
)
@command
def import_legacy(
    _: Context,
    data: str = str(settings.EXAMPLES),
    account: str = "",
    dry_run: bool = False,
    json: bool = False,
) -> ExitCode:
    """Import the old viewer's three JSON files."""
    known = settings.load()
    folder = Path(data)
    with console.progress() as tell:
        check_folder(folder, tell)
    server = target(known)
    bring_up_to_date(server, known, dry_run=dry_run)
    with console.progress() as tell:
        result = import_folder(server, ImportRequest(folder, account or None, dry_run), tell)
    return reports.report_import(result, as_json=json)


@task(
    help={
        "sql": "Only the pgTAP tests.",
        "py": "Only the pytest tests.",
        "k": "Only tests with this in their name.",
        "postgres": "auto, embedded, container or url: what the tests run on.",
    }
)
@command
def test(
    _: Context, sql: bool = False, py: bool = False, k: str = "", postgres: str = "auto"
) -> ExitCode:
    """Run the tests: pgTAP by pg_prove, then pytest."""
    try:
        from harness.testing.run import run_tests  # noqa: PLC0415 - needs the test requirements
    except ModuleNotFoundError as error:
        raise SessionbaseError(
            ExitCode.MISSING_TOOL,
            f"{error.name} is not installed",
            hint="python3 -m pip install -e '.[test]'",
        ) from None
    parts = {name for name, wanted in (("sql", sql), ("py", py)) if wanted} or {"sql", "py"}
    return run_tests(settings.load(), parts=parts, expression=k, postgres=postgres)


@task(help={"command": "Run this and exit, instead of a prompt."})
@command
def psql(_: Context, command: str = "") -> ExitCode | None:
    """Open psql on the database."""
    known = settings.load()
    return ExitCode.FAILED if run_psql(target(known), known, command) else None


@task
@command
def lint(_: Context) -> ExitCode:
    """Check SQL and Python: sqlfluff, squawk, ruff, mypy."""
    return quality.lint()


@task
@command
def fmt(_: Context) -> ExitCode:
    """Format SQL and Python in place."""
    return quality.fmt()


@task
@command
def pg_start(_: Context) -> None:
    """Start the embedded Postgres, if it does not run."""
    console.say(f"running: {_embedded(settings.load()).ensure_running().label}")


@task
@command
def pg_stop(_: Context) -> None:
    """Stop the embedded Postgres. Its data stays."""
    stopped = _embedded(settings.load()).stop()
    console.say("stopped" if stopped else "it did not run")


@task(help=_JSON)
@command
def pg_status(_: Context, json: bool = False) -> ExitCode:
    """Show whether the embedded Postgres runs; exit 1 if not."""
    return reports.report_status(_embedded(settings.load()).status(), as_json=json)


@task(help={"database": "Name of the database, if it is not the embedded one."})
@command
def reset(_: Context, database: str = "") -> None:
    """Throw the database's contents away, after asking twice."""
    console.say(reset_database(settings.load(), database or None, _ask))


def _embedded(known: settings.Settings) -> EmbeddedPostgres:
    if known.database_url:
        raise SessionbaseError(
            ExitCode.REFUSED,
            "DATABASE_URL is set, so there is no embedded server to speak of",
            hint="Unset it to work with the embedded server.",
        )
    return project_postgres(known)


def _ask(question: str) -> str:
    try:
        return Prompt.ask(question)
    except EOFError:
        return ""


ns = Collection(migrate, import_legacy, test, psql, lint, fmt, pg_start, pg_stop, pg_status, reset)
