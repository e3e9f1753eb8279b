"""Which server a command works on, and how that is brought up to date."""

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


def bring_up_to_date(server: Server, settings: Settings, *, may_migrate: bool) -> None:
    """Migrate a server that a command needs to be up to date; the embedded one in any case.

    may_migrate: whether the command may change a server that is not sessionbase's own.
    Raises SessionbaseError (PENDING) if it may not, and that server is not up to date.
    """
    with console.progress() as tell:
        migrator = Migrator(settings, tell=tell, warn=console.note)
        if not migrator.sees_ledger(server):
            console.note("this login may not see the migrations; taking them as applied")
            return
        if not (may_migrate or server.embedded):
            if migrator.plan(server).is_pending:
                raise SessionbaseError(
                    ExitCode.PENDING,
                    f"{server.label} has pending migrations, and this command applies none",
                    hint="Run `invoke migrate` first.",
                )
            return
        applied = migrator.apply(server)
    if applied:
        console.note(f"migrated {server.label}: {len(applied)} files of sql/ applied")
