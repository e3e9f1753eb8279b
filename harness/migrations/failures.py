"""A file that Postgres refused, and how to tell a person."""

from psycopg.errors import DeadlockDetected, InsufficientPrivilege, LockNotAvailable

from harness.errors import ExitCode, SessionbaseError
from harness.migrations.files import SqlFile
from harness.migrations.script import ScriptError, excerpt

_INSUFFICIENT_PRIVILEGE = InsufficientPrivilege.sqlstate
_HELD_BY_OTHERS = {LockNotAvailable.sqlstate, DeadlockDetected.sqlstate}
"""A lock that did not come in time, and one that somebody waited for who had another of ours."""


class FileError(Exception):
    """A file failed; cause says where and why. duration_ms: how long it ran until then."""

    def __init__(self, file: SqlFile, cause: ScriptError, duration_ms: int) -> None:
        super().__init__(f"{file.name}: {cause}")
        self.file = file
        self.cause = cause
        self.duration_ms = duration_ms


def is_held_by_others(error: BaseException) -> bool:
    """Whether a file may get through when it is tried again: nothing of it is left, then."""
    return (
        isinstance(error, FileError)
        and error.cause.sqlstate in _HELD_BY_OTHERS
        and not error.file.no_transaction
    )


def for_person(error: FileError, holders: str = "") -> SessionbaseError:
    """Say file, line, column, the line with a caret, SQLSTATE, message, and what is left.

    holders: who has the tables that it needs, if that is what it failed of, and it is known.
    """
    cause = error.cause
    where = f"sql/{error.file.name}"
    shown = []
    if cause.place:
        where += f", line {cause.place.line}, column {cause.place.column}"
        if cause.place.whole_statement:
            where += " (the statement that begins there)"
        shown.append(excerpt(error.file.text, cause.place))
    shown.append(f"  {cause.sqlstate}: {cause.message}")
    shown += [
        f"  {title}: {text}"
        for title, text in (
            ("detail", cause.detail),
            ("hint", cause.hint),
            ("context", cause.context),
        )
        if text
    ]
    code, left = ExitCode.MIGRATION_FAILED, "Nothing of this file was kept. Mend it and run again."
    if error.file.no_transaction:
        left = (
            "It ran outside a transaction; look at what it left before you run it again. "
            "An index that is not valid goes with: drop index concurrently NAME;"
        )
    elif is_held_by_others(error):
        who = f"Just now these have tables: {holders}. " if holders else ""
        left = (
            "Nothing of this file was kept, and nothing is wrong with it: others had a table that "
            f"it needs each time it was tried. {who}Run the same again when imports and long "
            "transactions have ended, or let it try more often (SESSIONBASE_LOCK_TRIES)."
        )
    elif cause.sqlstate == _INSUFFICIENT_PRIVILEGE:
        code = ExitCode.NO_PERMISSION
        left = "Nothing of this file was kept. The login needs the rights in docs/logins.md."
    return SessionbaseError(code, f"migration failed: {where}", hint=left, excerpt="\n".join(shown))
