"""A random mix of everything at once: no deadlock, no error that is not documented, sound rows."""

from collections import Counter
from functools import partial

import pytest

from tests.py.api.invariants import broken
from tests.py.api.mix import DEEDS, Known, Mixer
from tests.py.api.stage import Stage, at_once

CONNECTIONS = 16
CALLS = 150
DOCUMENTED = {"done", "SB404", "SB409", "SB422", "22023"}


def leap(stage: Stage) -> None:
    """Let every look at the clock be minutes from the one before: sessions are noted each time."""
    stage.do(
        "create or replace function app.clock() returns timestamptz language sql volatile as "
        "'select date_trunc(''milliseconds'', clock_timestamp() + random() * interval ''1 hour'')'"
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("clock", ["steady", "leaping"])
def test_a_mix_of_all_functions_never_deadlocks(stage: Stage, seed: int, clock: str) -> None:
    if clock == "leaping":
        leap(stage)
    known = Known()
    mixers = [
        Mixer(caller, known, 1000 * seed + number)
        for number, caller in enumerate(stage.callers(CONNECTIONS))
    ]
    at_once([partial(mixer.run, CALLS) for mixer in mixers])
    came: Counter[tuple[str, str]] = sum((mixer.came for mixer in mixers), Counter())
    assert came.total() == CONNECTIONS * CALLS
    assert {what: count for what, count in came.items() if what[1] not in DOCUMENTED} == {}
    # It was no mix of refusals.
    assert {function for function, code in came if code == "done"} == set(DEEDS)
    assert broken(stage) == {}


def test_the_mix_has_every_function_that_writes(stage: Stage) -> None:
    writing = stage.ask(
        "select proname from pg_proc where pronamespace = 'api'::regnamespace and provolatile = 'v'"
    )
    names = {name for (name,) in writing}
    assert {
        name
        for name in names - set(DEEDS)
        if not any(word in name for word in ("upload", "log", "event"))
    } == set()
    assert set(DEEDS) <= names
