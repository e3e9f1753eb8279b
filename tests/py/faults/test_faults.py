"""Each fault alone: it is seen to have happened, the load goes on, and everything holds."""

import pytest

from drill.programs import wait_for
from tests.py.faults.conftest import Drilled, Holds
from tests.py.waiting import wait_until

FAULTS = [
    ("backend_kill", "a backend of Postgres", "began anew"),
    ("stand_in_kill", "stand-in", "gone"),
    ("gatekeeper_kill", "gatekeeper", "gone"),
    ("gatekeeper_term", "gatekeeper", "ended with 0"),
    ("import_kill", "invoke import-legacy", "gone"),
    ("disk_full", "Postgres' disk", "no space left on device"),
    ("two_operators", "import and migrate", "the second import ended with"),
    ("cut", "writers to Postgres", "connections"),
    ("reset", "gatekeeper to Postgres", "connections"),
    ("half_close", "clients to gatekeeper", "connections"),
    ("stall", "gatekeeper to stand-in", "had to wait"),
    ("refuse", "stand-in to Postgres", "turned away"),
    ("clock_step", "stand-in by -3600 s", "dated -36"),
]


@pytest.mark.parametrize(("name", "target", "seen"), FAULTS, ids=[each[0] for each in FAULTS])
def test_what_must_hold_holds_after(
    drilled: Drilled, holds: Holds, name: str, target: str, seen: str
) -> None:
    before = drilled.acknowledged()
    assert seen in drilled.inject(name, target)
    wait_until(lambda: drilled.acknowledged() > before)
    holds()


def test_an_import_goes_on_through_the_end_of_postgres(drilled: Drilled, holds: Holds) -> None:
    importer = drilled.actors.importer
    seen = drilled.inject("postgres_kill", "postmaster, during an import")
    assert "an import at work" in seen
    assert "recovered" in seen
    cut_off = importer.account
    wait_for("the import ends well", lambda: cut_off in importer.finished, 120)
    assert {11, 36} & importer.codes.keys()
    holds()


@pytest.mark.parametrize("seconds", [20, -20])
def test_a_clock_that_is_a_little_off_refuses_nobody(
    drilled: Drilled, holds: Holds, seconds: int
) -> None:
    refused = _refusals(drilled)
    seen = drilled.inject("clock_step", f"gatekeeper by {seconds:+} s")
    assert f"dated {'+' if seconds > 0 else '-'}" in seen
    assert _refusals(drilled) == refused
    holds()


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_clock_that_is_an_hour_off_refuses_clearly_and_ends_no_login_session(
    drilled: Drilled, holds: Holds, seconds: int
) -> None:
    by_cookie = [each for each in drilled.actors.followers if each.wanted.way == "cookie"]
    refused, answered = _refusals(drilled), [each.answers for each in by_cookie]
    sign_ins = [each.sign_ins for each in by_cookie]
    drilled.inject("clock_step", f"gatekeeper by {seconds:+} s")
    said = {code for code, times in _refusals(drilled).items() if times != refused.get(code)}
    # Put right again, the clock runs past the end of what was allowed meanwhile.
    expected = "token_expired" if seconds > 0 else "token_invalid"
    assert {expected} <= said <= {"token_expired", "token_invalid"}
    wait_until(lambda: all(e.answers > n for e, n in zip(by_cookie, answered, strict=True)))
    assert [each.sign_ins for each in by_cookie] == sign_ins
    holds()


def _refusals(drilled: Drilled) -> dict[str, int]:
    """Count 401s by their codes, of writers by HTTP and of clients."""
    found: dict[str, int] = {}
    for answer, times in drilled.actors.ledger.answers.items():
        status, _, code = answer.partition(": ")[2].partition(" ")
        if status == "401":
            found[code] = found.get(code, 0) + times
    return found
