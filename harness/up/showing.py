"""What people and machines see of `invoke up` and `invoke status`."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from harness import console
from harness.errors import ExitCode
from harness.settings import Settings
from harness.up.children import answers
from harness.up.state import Part, State, folder_of, read_state


def show_up(state: State, *, was_up: bool, as_json: bool) -> None:
    """Show where it is, and what there is to know of it."""
    if as_json:
        console.show_json(_facts(state))
        return
    if was_up:
        console.say(f"it is up already, since {_time(state.since)}")
    else:
        console.say(f"up in {state.seconds:.1f} s")
    for note in state.notes:
        console.say(note)
    console.say(str(state.address))
    console.say("`invoke down` ends it" + ("" if was_up else ", or Ctrl-C where it runs"))


def report_status(settings: Settings, *, as_json: bool) -> ExitCode:
    """Show what is up and whether it is well; FAILED if nothing is, or something is not."""
    state = read_state(folder_of(settings))
    if state is None or state.up.process() is None:
        if as_json:
            console.show_json({"up": False})
        else:
            console.say("nothing is up; `invoke up` starts it")
        return ExitCode.FAILED
    health = {part.name: _health(part) for part in state.parts}
    is_well = state.seconds is not None and not set(health.values()) - {"well"}
    if as_json:
        parts = [part | {"health": health[part["name"]]} for part in _facts(state)["parts"]]
        console.show_json({"up": True, "healthy": is_well} | _facts(state) | {"parts": parts})
    else:
        _show_table(state, health)
    return ExitCode.OK if is_well else ExitCode.FAILED


def _facts(state: State) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(state)
    return facts


def _health(part: Part) -> str:
    """Say in a word how a part is. Of what we only use, the gatekeeper's says it."""
    if part.pid and part.process() is None:
        return "ended"
    return "well" if answers(part.health) else "does not answer"


def _show_table(state: State, health: dict[str, str]) -> None:
    console.say(
        f"{state.address}, since {_time(state.since)}"
        if state.address
        else f"starting since {_time(state.since)}"
    )
    console.show_table(
        "",
        ("part", "process", "health", "what", "address", "log"),
        (
            (part.name, part.pid, health[part.name], part.what, part.address, part.log)
            for part in state.parts
        ),
    )


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
