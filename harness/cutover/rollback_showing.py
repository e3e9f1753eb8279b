"""What `invoke rollback` prints."""

from harness import console
from harness.cutover.rollback import RolledBack


def report_rollback(done: RolledBack, *, as_json: bool) -> None:
    """Show what became of each file, what is stopped, and what the files can't hold."""
    if as_json:
        console.show_json(done.facts())
        return
    would = "would be " if done.dry_run else ""
    console.show_table(
        f"{done.archive or 'the database'} to {done.folder}",
        ["file", "bytes", "SHA-256", "what"],
        [[f.name, f.size_bytes, f.sha256, f"{would}{f.fate}"] for f in done.files],
    )
    if done.aside:
        console.say(f"What stood there is kept in {done.aside}")
    if done.others:
        console.say(f"Not the archive's, and left as they are: {', '.join(done.others)}")
    if done.losses:
        console.show_table(
            "what the old files can't hold, and the database keeps",
            ["kind", "rows", "what"],
            [[loss.kind, loss.rows, loss.what] for loss in done.losses],
        )
    if done.dry_run:
        console.say("Nothing was done.")
    elif done.stopped:
        console.say(
            "Writing into the database is stopped; all of it is still there, and can be read. "
            "Let it go on: invoke maintenance --end"
        )
    else:
        console.say("Nothing was said to the database: whoever writes into it goes on.")
