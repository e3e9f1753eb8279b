"""A clock that is stepped while a process runs."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Clock:
    """The clock of one program, by libfaketime. file: says how far it is off."""

    library: Path
    file: Path

    def environment(self) -> dict[str, str]:
        """Return what makes a process that starts with it see this clock.

        Clocks that only count are left alone: a step does not move them on a real machine either.
        """
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, seconds: int) -> None:
        """Put it so far off, forwards or backwards; 0 is right again."""
        # In one piece, for a process may read it at any moment.
        unfinished = self.file.with_suffix(".new")
        unfinished.write_text(f"{seconds:+d}\n")
        unfinished.rename(self.file)
