"""What the doctor finds."""

from dataclasses import dataclass
from enum import IntEnum


class Urgency(IntEnum):
    """How soon something has to be done. Sorts the most urgent first."""

    BROKEN = 0
    SOON = 1
    FINE = 2


@dataclass(frozen=True, order=True)
class Symptom:
    """One thing that was looked at.

    what: what was looked at, and where. found: how it is. remedy: the command or step that mends
    it; empty where nothing has to be mended. harm: what it does to users. examination: which one
    found it, by its title in docs/doctor.md.
    """

    urgency: Urgency
    what: str
    found: str
    remedy: str = ""
    harm: str = ""
    examination: str = ""
