"""Electric itself: is it there, is it one that is safe, does it run, has it our secret."""

import re
from collections.abc import Iterator
from http import HTTPStatus

from harness.connections import Connection
from harness.doctor.asking import Answer, Electric, NoAnswerError, electric_at
from harness.doctor.patient import Patient
from harness.doctor.shapes import examine_shapes
from harness.doctor.symptoms import Symptom, Urgency
from harness.settings import Settings

ADVISORY = "GHSA-m4f6-p2j8-rq76"
SAFE = (1, 7, 12)
"""The first version without the advisory's fault: requests that pass the secret by."""

_WHAT = "Electric"
_STATES = {
    "starting": (
        "it starts, and answers no shape yet",
        "Wait a little and look again. If it stays so, its log says why.",
    ),
    "waiting": (
        "it waits for another Electric of its stream id to let go of the slot",
        "In an upgrade that is as it should be. Else end one of the two: docs/sync.md.",
    ),
}


def examine_electric(patient: Patient) -> Iterator[Symptom]:
    """Look at the Electric of ELECTRIC_URL, from "does it answer" to "does it serve these rows"."""
    settings = patient.settings
    if settings.electric_url is None:
        yield Symptom(Urgency.FINE, _WHAT, "not asked, for ELECTRIC_URL is not set")
        return
    secret = settings.electric_secret.get_secret_value() if settings.electric_secret else None
    try:
        electric = electric_at(settings.electric_url.get_secret_value(), secret)
    except ValueError as error:
        yield Symptom(Urgency.BROKEN, "ELECTRIC_URL", str(error), "Correct it.")
        return
    try:
        yield from _look(electric, patient.connection, settings)
    except NoAnswerError as error:
        yield Symptom(
            Urgency.BROKEN,
            _WHAT,
            f"{electric.label} can't be reached: {error}",
            "Start it, or correct ELECTRIC_URL. It has no port outside its network: ask from "
            "there, as docs/deploy.md says.",
        )


def _look(electric: Electric, connection: Connection, settings: Settings) -> Iterator[Symptom]:
    health = electric.health()
    facts = health.json()
    state = facts.get("status") if isinstance(facts, dict) else None
    if health.status not in {HTTPStatus.OK, HTTPStatus.ACCEPTED} or not isinstance(state, str):
        found = f"what answers at {electric.label} is none (status {health.status})"
        yield Symptom(Urgency.BROKEN, _WHAT, found, "Correct ELECTRIC_URL.")
        return
    yield _version(health, electric)
    guarded = electric.shape({}, with_secret=False)
    if guarded.status != HTTPStatus.UNAUTHORIZED:
        yield Symptom(
            Urgency.BROKEN,
            f"{_WHAT}'s secret",
            "it asks for none: who reaches it reads every account's rows",
            "Start it with ELECTRIC_SECRET and without ELECTRIC_INSECURE, and set the same here.",
        )
    if state != "active":
        found, remedy = _STATES.get(state, ("it is not active", "Its log says why."))
        yield Symptom(Urgency.BROKEN, f"{_WHAT}'s state", found, remedy)
        return
    yield Symptom(Urgency.FINE, f"{_WHAT}'s state", "active")
    # Without a table it is told that one is missing, and makes no shape.
    if electric.shape({}).status == HTTPStatus.UNAUTHORIZED:
        yield _wrong_secret(electric)
        return
    yield from examine_shapes(electric, connection, settings.electric_replication_stream_id)


def _version(answer: Answer, electric: Electric) -> Symptom:
    shown = answer.headers.get("electric-server", "")
    found = re.match(r"ElectricSQL/((\d+)\.(\d+)\.(\d+))(?!\d)", shown)
    safe = ".".join(str(part) for part in SAFE)
    what, upgrade = f"{_WHAT}'s version", f"Run electricsql/electric:{safe} or newer."
    if found is None:
        return Symptom(
            Urgency.BROKEN,
            what,
            f"unknown: it must be {safe} or newer ({ADVISORY}), and the answer does not say",
            f"Ask Electric itself, not a proxy that takes headers away. {upgrade}",
        )
    if tuple(int(part) for part in found.groups()[1:]) < SAFE:
        return Symptom(
            Urgency.BROKEN,
            what,
            f"{found[1]}: who reaches it needs no secret ({ADVISORY})",
            upgrade,
        )
    return Symptom(Urgency.FINE, what, f"{shown.removeprefix('ElectricSQL/')} at {electric.label}")


def _wrong_secret(electric: Electric) -> Symptom:
    found = "ELECTRIC_SECRET is not the one that it asks for"
    if electric.secret is None:
        found = "it asks for one, and ELECTRIC_SECRET is not set"
    remedy = "Set ELECTRIC_SECRET to what Electric was started with."
    return Symptom(Urgency.BROKEN, f"{_WHAT}'s secret", found, remedy)
