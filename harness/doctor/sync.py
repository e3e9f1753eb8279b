"""Whether the database is at the files' state, and offers what Electric needs."""

from collections.abc import Iterator

import psycopg

from harness import __version__
from harness.connections import Connection
from harness.doctor.patient import Patient
from harness.doctor.slots import read_slots, stream_ids
from harness.doctor.symptoms import Symptom, Urgency
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.plan import Plan
from harness.migrations.runner import Migrator


def examine_version(_: Patient) -> Iterator[Symptom]:
    """Say which sessionbase looks."""
    yield Symptom(Urgency.FINE, "sessionbase", f"version {__version__}")


def examine_migrations(patient: Patient) -> Iterator[Symptom]:
    """Look whether all files are in force, and policies as the files declare them."""
    try:
        yield _what_is_pending(Migrator(patient.settings).plan(patient.hurried))
    except SessionbaseError as error:
        if error.code == ExitCode.UNREACHABLE:
            raise
        # A file that was changed, a policy that no file declares, a right that is missing.
        yield Symptom(Urgency.BROKEN, "migrations", error.what, error.hint)


def _what_is_pending(plan: Plan) -> Symptom:
    if not plan.is_pending:
        return Symptom(Urgency.FINE, "migrations", "all of sql/ is in force")
    waiting = len(plan.versioned) + len(plan.repeatable)
    found = f"{waiting} files of sql/ are not in force" if waiting else "a file of sql/ is gone"
    return Symptom(Urgency.BROKEN, "migrations", found, "invoke migrate")


def examine_sync(patient: Patient) -> Iterator[Symptom]:
    """Ask sync.check() about the publication of every stream id that there is."""
    connection = patient.connection
    streams = {
        *stream_ids(connection, read_slots(connection)),
        patient.settings.electric_replication_stream_id,
    }
    publications = [f"electric_publication_{stream}" for stream in sorted(streams)]
    try:
        found = _disagreements(connection, publications)
    except (psycopg.errors.UndefinedFunction, psycopg.errors.InvalidSchemaName):
        yield Symptom(Urgency.BROKEN, "sync", "sync.check() is not there", "invoke migrate")
        return
    except psycopg.errors.InsufficientPrivilege:
        yield Symptom(
            Urgency.BROKEN,
            "sync",
            "not looked at: this login may not execute sync.check()",
            f'grant reviewer to "{connection.info.user}"',
        )
        return
    yield from found
    if not found:
        yield Symptom(
            Urgency.FINE, "sync", "registry, publication, grants, policies and identities agree"
        )


def _disagreements(connection: Connection, publications: list[str]) -> set[Symptom]:
    """Return what is wrong with any of the publications, or with what they have in common."""
    return {
        Symptom(Urgency.BROKEN, f"{problem}: {place}", detail, remedy)
        for publication in publications
        for problem, place, detail, remedy in connection.execute(
            "select problem, object, detail, remedy from sync.check(%s::text)", [publication]
        )
    }
