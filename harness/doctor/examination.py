"""The whole examination, and what it comes to."""

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from harness import console
from harness.connections import Connection, Server, connect
from harness.doctor.server import examine_server, examine_slots
from harness.doctor.symptoms import Symptom, Urgency
from harness.errors import ExitCode
from harness.migrations.plan import Plan
from harness.migrations.runner import Migrator
from harness.settings import Settings

_WORDS = {Urgency.BROKEN: "broken", Urgency.SOON: "soon", Urgency.FINE: "fine"}


def examine(server: Server, settings: Settings) -> list[Symptom]:
    """Look at everything, and return what was found, the most urgent first.

    Raises SessionbaseError if the server can't be reached or is too old.
    """
    symptoms = [
        Symptom(Urgency.FINE, "sessionbase", f"version {version('sessionbase')}"),
        _migrations(Migrator(settings).plan(server)),
    ]
    with connect(server, "doctor") as connection:
        symptoms += examine_server(connection)
        symptoms += examine_slots(connection)
        symptoms += _sync(connection)
    return sorted(symptoms)


def _migrations(plan: Plan) -> Symptom:
    waiting = [file.name for file in (*plan.versioned, *plan.repeatable)]
    if not plan.is_pending:
        return Symptom(Urgency.FINE, "migrations", "all of sql/ is in force")
    found = (
        f"{len(waiting)} files of sql/ are not in force" if waiting else "a file of sql/ is gone"
    )
    return Symptom(Urgency.BROKEN, "migrations", found, "invoke migrate")


def _sync(connection: Connection) -> Iterator[Symptom]:
    row = connection.execute("select to_regprocedure('sync.check(text)') is not null").fetchone()
    if row is None or not row[0]:
        yield Symptom(Urgency.BROKEN, "sync", "sync.check() is not there", "invoke migrate")
        return
    found = connection.execute(
        "select problem, object, detail, remedy from sync.check()"
    ).fetchall()
    for problem, place, detail, remedy in found:
        yield Symptom(Urgency.BROKEN, f"{problem}: {place}", detail, remedy)
    if not found:
        yield Symptom(
            Urgency.FINE, "sync", "registry, publication, grants, policies and identities agree"
        )


def report(symptoms: list[Symptom], *, as_json: bool) -> ExitCode:
    """Print what was found; SICK if something is broken."""
    sick = any(one.urgency == Urgency.BROKEN for one in symptoms)
    if as_json:
        console.show_json({"healthy": not sick, "symptoms": [_facts(one) for one in symptoms]})
    else:
        rows = [[_WORDS[one.urgency], one.what, one.found, one.remedy] for one in symptoms]
        console.show_table("", ["", "what", "how it is", "what to do"], rows)
    return ExitCode.SICK if sick else ExitCode.OK


def _facts(one: Symptom) -> dict[str, Any]:
    return {
        "urgency": _WORDS[one.urgency],
        "what": one.what,
        "found": one.found,
        "remedy": one.remedy or None,
    }
