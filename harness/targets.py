"""Which server a command works on, and the two things many commands need done to it."""

from harness import console
from harness.connections import Server, server_of_url
from harness.embedded.postgres import project_postgres
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.runner import Migrator
from harness.settings import Settings


def target(settings: Settings) -> Server:
    """Return the server of DATABASE_URL, or else the embedded one, started if need be."""
    if settings.database_url:
        return server_of_url(settings.database_url.get_secret_value())
    with console.progress() as tell:
        tell("starting the embedded Postgres")
        return project_postgres(settings).ensure_running()


def bring_up_to_date(server: Server, settings: Settings, *, dry_run: bool) -> None:
    """Migrate before an import. A dry run may do so to the embedded server only.

    Raises SessionbaseError (PENDING) for a dry run on another server that is not up to date.
    """
    with console.progress() as tell:
        migrator = Migrator(settings, tell=tell, warn=console.note)
        if not migrator.sees_ledger(server):
            console.note("this login may not see the migrations; taking them as applied")
            return
        if dry_run and not server.embedded:
            if migrator.plan(server).is_pending:
                raise SessionbaseError(
                    ExitCode.PENDING,
                    f"{server.label} has pending migrations, and a dry run changes nothing",
                    hint="Run `invoke migrate` first.",
                )
            return
        applied = migrator.apply(server)
    if applied:
        console.note(f"migrated {server.label}: {len(applied)} files of sql/ applied")
