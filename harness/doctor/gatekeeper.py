"""The gatekeeper: does it live, and does it take requests."""

from collections.abc import Iterator
from http import HTTPStatus

from harness.doctor.asking import NoAnswerError, Place, place_at
from harness.doctor.patient import Patient
from harness.doctor.symptoms import Symptom, Urgency

_WHAT = "gatekeeper"
_VARIABLE = "SESSIONBASE_GATEKEEPER_URL"


def examine_gatekeeper(patient: Patient) -> Iterator[Symptom]:
    """Ask the gatekeeper of SESSIONBASE_GATEKEEPER_URL whether it lives and is ready."""
    url = patient.settings.gatekeeper_url
    if url is None:
        yield Symptom(Urgency.FINE, _WHAT, f"not asked, for {_VARIABLE} is not set")
        return
    try:
        place = place_at(url.get_secret_value())
    except ValueError as error:
        yield Symptom(Urgency.BROKEN, _VARIABLE, str(error), "Correct it.")
        return
    try:
        yield _asked(place)
    except NoAnswerError as error:
        yield Symptom(
            Urgency.BROKEN,
            _WHAT,
            f"{place.label} can't be reached: {error}",
            "Start it: docker compose up --detach gatekeeper, or invoke gatekeeper; or correct "
            f"{_VARIABLE}",
        )


def _asked(place: Place) -> Symptom:
    health = place.get("/health")
    facts = health.json()
    if health.status != HTTPStatus.OK or facts != {"status": "alive"}:
        found = f"what answers at {place.label} is none (status {health.status})"
        return Symptom(Urgency.BROKEN, _WHAT, found, f"Correct {_VARIABLE}.")
    if place.get("/ready").status != HTTPStatus.OK:
        return Symptom(
            Urgency.BROKEN,
            _WHAT,
            f"{place.label} lives, and is not ready: Postgres or Electric does not answer it, or "
            "it ends",
            "Mend what is named here of Postgres and Electric; if nothing is, its log says which "
            "of its logins fails: docker compose logs gatekeeper",
        )
    return Symptom(Urgency.FINE, _WHAT, f"ready at {place.label}")
