"""The whole examination, and what it comes to."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg

from harness import console
from harness.connections import Server, connect
from harness.doctor.catalog import EXAMINATIONS, UNREACHABLE, Examination
from harness.doctor.patient import Patient
from harness.doctor.reaching import why_not
from harness.doctor.symptoms import Symptom, Urgency
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings

_WORDS = {Urgency.BROKEN: "broken", Urgency.SOON: "soon", Urgency.FINE: "fine"}
_INDENT = f"{'':8}"
_FIGURES = (
    "sessionbase",
    "Postgres",
    "disk",
    "connections",
    "oldest transaction",
    "Electric's state",
    "gatekeeper",
    "last backup",
)
"""What is shown of a database that is well."""


def examine(server: Server, settings: Settings) -> list[Symptom]:
    """Look at everything, and return what was found, the most urgent first.

    What can't be looked at is broken too: nobody knows that it is well.
    Raises SessionbaseError if the server can't be reached.
    """
    symptoms: list[Symptom] = []
    with connect(server, "doctor") as connection:
        connection.execute("set statement_timeout = '30s'; set lock_timeout = '3s'")
        patient = Patient(server, connection, settings)
        for examination in EXAMINATIONS:
            symptoms += _findings(examination, patient)
    ranks = {one.title: rank for rank, one in enumerate(EXAMINATIONS)}
    return sorted(symptoms, key=lambda one: (one.urgency, ranks[one.examination], one))


def consult(server: Server, settings: Settings, *, as_json: bool, everything: bool) -> ExitCode:
    """Examine, and print what was found; also where nothing but that it can't be reached."""
    try:
        symptoms = examine(server, settings)
    except SessionbaseError as error:
        if error.code != ExitCode.UNREACHABLE:
            raise
        report([_with(UNREACHABLE, why_not(server, error))], as_json=as_json, everything=everything)
        return ExitCode.UNREACHABLE
    return report(symptoms, as_json=as_json, everything=everything)


def _findings(examination: Examination, patient: Patient) -> Iterator[Symptom]:
    """Examine one thing. One that fails ends no other."""
    try:
        for symptom in examination.look(patient):
            yield _with(examination, symptom)
    except psycopg.errors.InsufficientPrivilege:
        login = patient.connection.info.user
        yield _not_looked_at(
            examination,
            "this login may not",
            f'grant reviewer, pg_monitor to "{login}"',
        )
    except psycopg.Error as error:
        if patient.connection.broken:
            raise
        # Its text could quote a value.
        yield _not_looked_at(
            examination, f"Postgres gave up ({error.sqlstate})", "Mend the rest, and look again."
        )


def _not_looked_at(examination: Examination, why: str, remedy: str) -> Symptom:
    found = f"not looked at: {why}"
    return _with(examination, Symptom(Urgency.BROKEN, examination.title, found, remedy))


def _with(examination: Examination, symptom: Symptom) -> Symptom:
    """Say which examination found it, and what it does to users if it is not well."""
    harm = "" if symptom.urgency == Urgency.FINE else symptom.harm or examination.harm
    return replace(symptom, harm=harm, examination=examination.title)


def report(symptoms: list[Symptom], *, as_json: bool, everything: bool = False) -> ExitCode:
    """Print what was found; SICK if something is broken. everything: what is fine too."""
    sick = any(one.urgency == Urgency.BROKEN for one in symptoms)
    if as_json:
        console.show_json({"healthy": not sick, "symptoms": [_facts(one) for one in symptoms]})
    else:
        _show(symptoms, everything=everything)
    return ExitCode.SICK if sick else ExitCode.OK


def _show(symptoms: list[Symptom], *, everything: bool) -> None:
    fine = [one for one in symptoms if one.urgency == Urgency.FINE]
    for one in symptoms if everything else [one for one in symptoms if one not in fine]:
        console.say(f"{_WORDS[one.urgency]:8}{one.what}: {one.found}")
        if one.harm:
            console.say(f"{_INDENT}{one.harm}")
        if one.remedy:
            # On a line of its own, never folded: most are there to be copied.
            console.say(f"{_INDENT}{one.remedy}")
    if everything:
        return
    if len(fine) < len(symptoms):
        console.say(f"fine    {len(fine)} other things; --all shows them")
        return
    console.say(f"fine    all {len(fine)} things that were looked at; --all shows them")
    for one in sorted(fine, key=lambda one: one.what not in _FIGURES):
        if one.what in _FIGURES:
            console.say(f"{_INDENT}{one.what}: {one.found}")


def _facts(one: Symptom) -> dict[str, Any]:
    return {
        "urgency": _WORDS[one.urgency],
        "examination": one.examination,
        "what": one.what,
        "found": one.found,
        "harm": one.harm or None,
        "remedy": one.remedy or None,
    }
