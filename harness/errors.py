"""Errors that reach a person, and the exit codes that scripts can tell apart."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command exits with. The README lists them; a test holds the two together."""

    OK = 0
    FAILED = 1
    PENDING = 3
    BAD_SETTINGS = 10
    UNREACHABLE = 11
    TOO_OLD = 12
    WRONG_WAL_LEVEL = 13
    WRONG_ENCODING = 14
    NO_PERMISSION = 15
    SERVER_WONT_START = 16
    READ_ONLY = 17
    SERVER_GAVE_UP = 18
    MIGRATION_FAILED = 20
    MIGRATION_CHANGED = 21
    MIGRATION_MISPLACED = 22
    MIGRATION_LOCKED = 23
    POLICY_UNDECLARED = 24
    REVIEW_FAILED = 25
    GUIDE_STALE = 26
    SICK = 27
    NO_DATA_FOLDER = 30
    NOT_AN_ARRAY = 31
    QUARANTINED = 33
    IMPORT_RUNNING = 34
    NO_ACCOUNT = 35
    IMPORT_FAILED = 36
    DIFFERENT = 37
    LOGS_REFUSED = 38
    MISSING_TOOL = 40
    REFUSED = 41
    NO_TESTS = 42
    NOT_THERE = 43
    DAMAGED = 44
    BACKUP_FAILED = 45
    ARCHIVE_FAILED = 46
    DATA_CHANGED = 47
    WRITERS_STAY = 48
    UNDER_MAINTENANCE = 49
    NOT_READY = 50
    CUTOVER_STOPPED = 51
    CUTOVER_RUNNING = 52
    OTHER_CUTOVER = 53
    BROKEN = 54


INTERRUPTED = 130
"""What a command exits with that somebody ended with Ctrl-C."""


class SessionbaseError(Exception):
    """A failure that a person can do something about.

    what: one sentence, what happened and where.
    hint: what to do about it, if there is something.
    excerpt: lines of a file that show the place, ready to print.
    """

    def __init__(self, code: ExitCode, what: str, *, hint: str = "", excerpt: str = "") -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.hint = hint
        self.excerpt = excerpt


def of_os_error(error: OSError) -> SessionbaseError:
    """Return what the system refused as an error for a person: where, and why."""
    where = f"{error.filename}: " if error.filename else ""
    return SessionbaseError(ExitCode.FAILED, f"{where}{error.strerror}")
