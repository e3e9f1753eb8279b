"""What `invoke cutover` prints: for people or, as JSON, for machines."""

from typing import Any

from harness import console
from harness.cutover.journal import Facts
from harness.cutover.run import Done


def show_cutover(done: Done, *, as_json: bool) -> None:
    """Show what was done, or that it was done before."""
    facts = done.facts
    if as_json:
        console.show_json({**facts, "was_done": done.was_done})
        return
    console.show_table(
        f"{facts['folder']} to {facts['server']}",
        ["step", "what", "took", "begun"],
        [[one["step"], one["what"], _took(one), _begun(one)] for one in facts["steps"]],
    )
    _show_time(facts)
    console.say(_records(facts["total"]))
    console.say(f"archive: {facts['archive']['path']}, SHA-256 {facts['archive']['sha256']}")
    console.say(f"report: {facts['page']}, {facts['json']}")
    if facts["rehearsal"]:
        console.say("Rehearsed: archive and database are gone again, and nothing else was touched.")
        return
    console.say(f"The way back: {facts['rollback']}")
    if done.was_done:
        console.say(f"It was finished at {facts['finished_at'][:19]} UTC: nothing was done now.")
    else:
        console.say("The doors are open.")


def show_stop(facts: Facts, *, as_json: bool) -> None:
    """Show that it stopped, beside the error: as JSON all of it, else where the page is."""
    if as_json:
        console.show_json(facts)
    if facts["page"]:
        console.note(f"report: {facts['page']}, {facts['json']}")


def _show_time(facts: Facts) -> None:
    estimate = facts["estimate"]
    console.say(f"{facts['seconds']:,.1f} s, all steps together")
    if estimate:
        console.say(f"estimated: {estimate['total_s']:,.1f} s, from {estimate['basis']}")


def _records(total: dict[str, int]) -> str:
    read, *others = (f"{count:,} {name}" for name, count in total.items())
    return f"records: {read} = {' + '.join(others)}; compared one by one, none differs"


def _took(step: dict[str, Any]) -> str:
    return f"{step['seconds']:,.1f} s"


def _begun(step: dict[str, Any]) -> str:
    return "once" if step["attempts"] == 1 else f"{step['attempts']} times"
