"""A file that Postgres refused, and how to tell a person."""

from psycopg.errors import InsufficientPrivilege

from harness.errors import ExitCode, SessionbaseError
from harness.migrations.files import SqlFile
from harness.migrations.script import ScriptError, excerpt

_INSUFFICIENT_PRIVILEGE = InsufficientPrivilege.sqlstate


class FileError(Exception):
    """A file failed; cause says where and why. duration_ms: how long it ran until then."""

    def __init__(self, file: SqlFile, cause: ScriptError, duration_ms: int) -> None:
        super().__init__(f"{file.name}: {cause}")
        self.file = file
        self.cause = cause
        self.duration_ms = duration_ms


def for_person(error: FileError) -> SessionbaseError:
    """Say file, line, column, the line with a caret, SQLSTATE, message, and what is left."""
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
    elif cause.sqlstate == _INSUFFICIENT_PRIVILEGE:
        code = ExitCode.NO_PERMISSION
        left = "Nothing of this file was kept. The login needs the rights in docs/logins.md."
    return SessionbaseError(code, f"migration failed: {where}", hint=left, excerpt="\n".join(shown))
