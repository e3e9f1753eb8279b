"""What is sampled while a soak runs: memory, processor time, the log, and who holds it."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import linear_regression, median
from time import perf_counter
from typing import Literal

import psutil

from harness.connections import Connection

RISE = 1.10
"""How much more a process may have in the last fifth of the time than in the middle fifth."""

RISE_MB = 8.0
"""And so many MB at least: a small process grows by a tenth when a page of it is touched."""

FEWEST = 10
"""With fewer samples there is no middle fifth."""

SEGMENTS_MB = 32.0
"""Log that a slot may still keep at the end, in MB: two segments, of which the last is in use."""

_LOOK_AROUND = 10
"""After so many samples it is looked which processes there are."""

Memory = Literal["resident", "private"]

_LOG = """
    select
        (select sum(size) from pg_ls_waldir())::float8 / 1e6,
        slot_name::text,
        pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8 / 1e6,
        pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::float8 / 1e6
    from (values (true)) as always (is_so)
    left join pg_replication_slots on database = current_database()
"""


@dataclass
class Series:
    """Figures over time. times: seconds from the begin."""

    times: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, time: float, value: float) -> None:
        """Note a figure."""
        self.times.append(time)
        self.values.append(value)

    def fifth(self, number: int) -> float:
        """Return the median of a fifth of the figures, from 0."""
        count = len(self.values)
        return median(self.values[count * number // 5 : count * (number + 1) // 5])

    @property
    def slope(self) -> float:
        """Return how much a minute a line through the second half rises by."""
        half = len(self.values) // 2
        return 60 * linear_regression(self.times[half:], self.values[half:]).slope

    @property
    def rise(self) -> float:
        """Return the last fifth to the middle fifth."""
        return self.fifth(4) / self.fifth(2)

    @property
    def is_flat(self) -> bool:
        """Whether it rises by no more than RISE, or RISE_MB, from the middle to the end."""
        return self.rise <= RISE or self.fifth(4) - self.fifth(2) <= RISE_MB


@dataclass
class Watched:
    """A program. excuse: why it is not judged; one without has to stay flat.

    memory: resident, or private. Where it is private there are processes of it, which share the
    rest.
    """

    name: str
    root: psutil.Process | None
    memory: Memory
    excuse: str = ""
    mb: Series = field(default_factory=Series)
    cpu_s: float = 0.0
    _seen: dict[int, float] = field(default_factory=dict)
    _family: list[psutil.Process] = field(default_factory=list)
    _samples: int = 0
    _began: float = 0.0

    def sample(self, time: float) -> None:
        """Note what its processes have now."""
        total = 0.0
        if self._samples % _LOOK_AROUND == 0:
            self._family = self._processes()
        self._samples += 1
        for process in self._family:
            with suppress(psutil.NoSuchProcess):
                total += _memory(process, self.memory) / 1e6
                used = process.cpu_times()
                self._seen[process.pid] = used.user + used.system
        self.mb.add(time, total)

    def begin(self) -> None:
        """Count processor time from now on."""
        self.sample(0)
        self.mb = Series()
        self._began = sum(self._seen.values())

    def end(self) -> None:
        """Stop counting."""
        self.cpu_s = sum(self._seen.values()) - self._began

    def _processes(self) -> list[psutil.Process]:
        if self.root is None:
            return []
        # Which processes there are takes long to find out, where there are many of others.
        children = self.root.children() if self.memory == "private" else []
        return [self.root, *children]


def _memory(process: psutil.Process, kind: Memory) -> float:
    found = process.memory_info()
    # Each of Postgres' processes has the shared buffers resident: they would count many times.
    return float(found.rss - found.shared if kind == "private" else found.rss)


def postmaster_of(connection: Connection) -> psutil.Process | None:
    """Return the server's first process, if it is on this machine."""
    with suppress(psutil.Error):
        backend = psutil.Process(connection.info.backend_pid)
        parent = backend.parent()
        if parent and backend.name() == parent.name() == "postgres":
            return parent
    return None


@dataclass
class Log:
    """The write-ahead log. kept_mb, behind_mb: of each slot, by its name."""

    mb: Series = field(default_factory=Series)
    kept_mb: dict[str, Series] = field(default_factory=dict)
    behind_mb: dict[str, Series] = field(default_factory=dict)

    def sample(self, time: float, connection: Connection) -> None:
        """Note how much there is."""
        rows = connection.execute(_LOG.encode()).fetchall()
        self.mb.add(time, rows[0][0])
        for _, slot, kept, behind in rows:
            if slot is not None and kept is not None:
                self.kept_mb.setdefault(slot, Series()).add(time, kept)
                self.behind_mb.setdefault(slot, Series()).add(time, behind or 0)

    @property
    def kept_at_the_end(self) -> float:
        """What the slots keep at the end, in MB, of the one that keeps most."""
        return max((one.values[-1] for one in self.kept_mb.values()), default=0.0)


class Sampler:
    """Samples until it is told to stop."""

    def __init__(self, connection: Connection, watched: Sequence[Watched], every_s: float) -> None:
        self.connection = connection
        self.watched = watched
        self.log = Log()
        self._every_s = every_s
        self._began = perf_counter()

    def begin(self) -> None:
        """Count from now on."""
        self._began = perf_counter()
        for one in self.watched:
            one.begin()

    def sample(self) -> None:
        """Note everything now."""
        time = perf_counter() - self._began
        for one in self.watched:
            one.sample(time)
        self.log.sample(time, self.connection)

    async def run(self, stopped: asyncio.Event) -> None:
        """Sample again and again, on a thread, so that nobody waits for it."""
        while not stopped.is_set():
            await asyncio.to_thread(self.sample)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), self._every_s)
        for one in self.watched:
            one.end()


def itself() -> psutil.Process:
    """Return this process."""
    return psutil.Process(os.getpid())
