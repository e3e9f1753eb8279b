"""The whole examination, and what it comes to."""

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import psycopg

from harness import console
from harness.connections import Connection, Server, connect
from harness.doctor.electric import examine_electric
from harness.doctor.server import examine_server
from harness.doctor.slots import examine_room, examine_slots, read_slots, stream_ids
from harness.doctor.symptoms import Symptom, Urgency
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.plan import Plan
from harness.migrations.runner import Migrator
from harness.settings import Settings

_WORDS = {Urgency.BROKEN: "broken", Urgency.SOON: "soon", Urgency.FINE: "fine"}


def examine(server: Server, settings: Settings) -> list[Symptom]:
    """Look at everything, and return what was found, the most urgent first.

    What can't be looked at is broken too: nobody knows that it is well.
    Raises SessionbaseError if the server can't be reached.
    """
    symptoms = [Symptom(Urgency.FINE, "sessionbase", f"version {version('sessionbase')}")]
    with connect(server, "doctor") as connection:
        slots = read_slots(connection)
        symptoms += examine_server(connection)
        symptoms += examine_room(connection, slots)
        symptoms += examine_slots(connection, slots)
        streams = {*stream_ids(connection, slots), settings.electric_replication_stream_id}
        symptoms += _sync(
            connection, [f"electric_publication_{stream}" for stream in sorted(streams)]
        )
        symptoms += examine_electric(connection, settings)
    symptoms.append(_migrations(Migrator(settings), server))
    return sorted(symptoms)


def _migrations(migrator: Migrator, server: Server) -> Symptom:
    try:
        return _what_is_pending(migrator.plan(server))
    except SessionbaseError as error:
        if error.code == ExitCode.UNREACHABLE:
            raise
        # A file that was changed, a policy that no file declares, a right that is missing.
        return Symptom(Urgency.BROKEN, "migrations", error.what, error.hint)


def _what_is_pending(plan: Plan) -> Symptom:
    if not plan.is_pending:
        return Symptom(Urgency.FINE, "migrations", "all of sql/ is in force")
    waiting = len(plan.versioned) + len(plan.repeatable)
    found = f"{waiting} files of sql/ are not in force" if waiting else "a file of sql/ is gone"
    return Symptom(Urgency.BROKEN, "migrations", found, "invoke migrate")


def _sync(connection: Connection, publications: list[str]) -> Iterator[Symptom]:
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


def report(symptoms: list[Symptom], *, as_json: bool) -> ExitCode:
    """Print what was found; SICK if something is broken."""
    sick = any(one.urgency == Urgency.BROKEN for one in symptoms)
    if as_json:
        console.show_json({"healthy": not sick, "symptoms": [_facts(one) for one in symptoms]})
    else:
        for one in symptoms:
            console.say(f"{_WORDS[one.urgency]:8}{one.what}: {one.found}")
            if one.remedy:
                # On a line of its own, never folded: most are there to be copied.
                console.say(f"{'':8}{one.remedy}")
    return ExitCode.SICK if sick else ExitCode.OK


def _facts(one: Symptom) -> dict[str, Any]:
    return {
        "urgency": _WORDS[one.urgency],
        "what": one.what,
        "found": one.found,
        "remedy": one.remedy or None,
    }
