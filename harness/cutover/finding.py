"""What a preflight finds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg

from harness.errors import SessionbaseError


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. remedy: what to do about it; empty where it is well."""

    what: str
    found: str
    remedy: str = ""


@dataclass
class Findings:
    """All of them. notes: what is no hindrance and should be known."""

    fine: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    problems: list[Finding] = field(default_factory=list)

    def add(self, what: str, found: str, remedy: str = "") -> None:
        """Take down how something is: a problem where there is a remedy."""
        (self.problems if remedy else self.fine).append(Finding(what, found, remedy))

    def note(self, what: str, found: str) -> None:
        """Take down what should be known."""
        self.notes.append(Finding(what, found))

    @contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Make a problem of what goes wrong while something is looked at."""
        try:
            yield
        except SessionbaseError as error:
            self.add(what, error.what, error.hint or "See the message.")
        except psycopg.errors.InsufficientPrivilege as error:
            self.add(what, f"not looked at: {error.diag.message_primary}", "See docs/logins.md.")
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            self.add(what, f"{where}{error.strerror}", "Make it readable for who runs this.")

    def facts(self) -> dict[str, Any]:
        """Return the same as plain data, for JSON."""
        return asdict(self)
