"""How long a commit takes to reach a client, through Electric and by LISTEN, and how a burst does.

Each client is alone when it is measured, and they take turns, run by run. A transaction is the same
for all: it calls api.append_message and notifies.
"""

import json
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event
from time import perf_counter, sleep
from typing import TypeVar

from bench.databases import environment_of
from bench.report import percentile
from bench.sync_clients import CHANNEL, CLIENTS, LISTEN, POLLS
from bench.sync_subjects import Subject, open_subject
from harness.connections import Connection, connect
from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings

BURST = 5_000
_PAUSE_S = (0.005, 0.025)
_PATIENCE_S = 120
_LOOK_S = 0.5
_APPEND = f"""
    select pg_notify('{CHANNEL}', number::text)
    from generate_series(%(first)s::int, %(last)s::int) as number
    cross join lateral api.append_message(
        session_id => %(session)s, thread_id => %(thread)s, role => 'user', content => number::text
    ) as message
"""  # noqa: S608 - a name of ours

T = TypeVar("T")


@dataclass(frozen=True)
class SyncOrder:
    """What to measure: commits a measurement, how often, and changes a burst."""

    rows: int
    runs: int
    burst: int = BURST

    def check(self) -> None:
        """Raise SessionbaseError (REFUSED) if it can't be measured."""
        if self.rows < 1 or self.runs < 1:
            raise SessionbaseError(ExitCode.REFUSED, "--rows and --runs must be 1 or more")


@dataclass
class Reaching:
    """Seconds from each commit to a client, and that the commits themselves took; run by run."""

    client: str
    seconds: list[list[float]] = field(default_factory=list)
    commits: list[list[float]] = field(default_factory=list)

    def percentiles(self, percent: int) -> list[float]:
        """Return a percentile of each run, in seconds."""
        return [percentile(run, percent) for run in self.seconds]


@dataclass
class Burst:
    """Seconds from the begin of a burst to its last commit, and until a client had it all."""

    client: str
    transactions: int
    written: list[float] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class SyncReport:
    """All that was measured, on what, and where. Bursts: of many transactions, then of one."""

    order: SyncOrder
    subject: str
    environment: dict[str, str]
    reachings: list[Reaching]
    bursts: list[Burst]


def bench_sync(settings: Settings, order: SyncOrder, tell: Tell) -> SyncReport:
    """Measure the Electric of ELECTRIC_URL, or the stand-in on a server of its own."""
    order.check()
    with open_subject(settings) as subject:
        return measure(subject, order, tell)


def measure(subject: Subject, order: SyncOrder, tell: Tell) -> SyncReport:
    """Measure every client. Raises SessionbaseError (FAILED) if one misses a change."""
    reachings = [Reaching(client) for client in CLIENTS]
    bursts = [Burst(client, parts) for parts in (order.burst, 1) for client in CLIENTS]
    with _writing(subject) as writer:
        for run in range(order.runs):
            tell(f"run {run + 1} of {order.runs}: one commit after another")
            for reaching in _turned(reachings, run):
                _reach(writer, reaching, order.rows)
            tell(f"run {run + 1} of {order.runs}: bursts of {order.burst:,} changes")
            for burst in _turned(bursts, run):
                _burst(writer, burst, order.burst)
    return SyncReport(order, subject.name, environment_of(subject.server), reachings, bursts)


def _reach(writer: "_Writer", reaching: Reaching, rows: int) -> None:
    """Write a message, wait until the client has it, and again, each after a short pause."""
    seconds, commits = [], []
    with _hearing(writer, reaching.client) as heard:
        for _ in range(rows):
            sleep(random.uniform(*_PAUSE_S))  # noqa: S311 - no secret
            number, began, committed = writer.write(1)
            (arrived,) = heard.wait_for([number])
            seconds.append(arrived - began)
            commits.append(committed - began)
    reaching.seconds.append(seconds)
    reaching.commits.append(commits)


def _burst(writer: "_Writer", burst: Burst, changes: int) -> None:
    """Write as fast as one connection does, in equal transactions, and wait until all is there."""
    with _hearing(writer, burst.client) as heard:
        began = perf_counter()
        for _ in range(burst.transactions):
            last, _, committed = writer.write(changes // burst.transactions)
        arrived = heard.wait_for(range(last - changes + 1, last + 1))
    burst.written.append(committed - began)
    burst.arrived.append(arrived[-1] - began)


class _Writer:
    """An application's connection, as the account. Messages are numbered on and on."""

    def __init__(self, subject: Subject, connection: Connection) -> None:
        self.subject = subject
        self._connection = connection
        self._next = 1

    def write(self, messages: int) -> tuple[int, float, float]:
        """Write messages in one transaction.

        Returns the last one's number, and when its COMMIT was sent and was done.
        """
        values = {
            "first": self._next,
            "last": self._next + messages - 1,
            "session": self.subject.session_id,
            "thread": self.subject.thread_id,
        }
        self._connection.execute("begin")
        self._connection.execute(_APPEND.encode(), values)
        began = perf_counter()
        self._connection.execute("commit")
        self._next += messages
        return self._next - 1, began, perf_counter()


@contextmanager
def _writing(subject: Subject) -> Iterator[_Writer]:
    with connect(subject.server, "bench") as connection:
        connection.execute("set role app_user")
        claims = json.dumps({"sub": str(subject.account_id)})
        connection.execute("select set_config('request.jwt.claims', %s, false)", [claims])
        yield _Writer(subject, connection)


class _Heard:
    """What a client hears, and when, on a thread of its own."""

    def __init__(self, subject: Subject, client: str, pool: ThreadPoolExecutor) -> None:
        self._client = client
        self._came: SimpleQueue[tuple[list[int], float]] = SimpleQueue()
        self._enough = Event()
        self._hearing = pool.submit(self._hear, CLIENTS[client](subject))
        self._next(perf_counter() + _PATIENCE_S)

    def _hear(self, client: Iterator[list[int]]) -> None:
        for numbers in client:
            self._came.put((numbers, perf_counter()))
            if self._enough.is_set():
                return

    def _next(self, gives_up_at: float) -> tuple[list[int], float]:
        """Return what came next, and when: nothing if the time is up. Raises what it failed of."""
        while perf_counter() < gives_up_at:
            try:
                return self._came.get(timeout=_LOOK_S)
            except Empty:
                if self._hearing.done():
                    self._hearing.result()
        return [], gives_up_at

    def wait_past(self, number: int) -> None:
        """Wait until a message came, whatever came before it."""
        gives_up_at = perf_counter() + _PATIENCE_S
        while number not in self._next(gives_up_at)[0]:
            if perf_counter() >= gives_up_at:
                raise SessionbaseError(
                    ExitCode.FAILED, f"{self._client}: a message did not come in {_PATIENCE_S} s"
                )

    def wait_for(self, numbers: Sequence[int]) -> list[float]:
        """Return when each came. They must come all, once, and in order."""
        came: list[int] = []
        times: list[float] = []
        gives_up_at = perf_counter() + _PATIENCE_S
        while len(came) < len(numbers) and perf_counter() < gives_up_at:
            some, at = self._next(gives_up_at)
            came += some
            times += [at] * len(some)
        if came != list(numbers):
            raise SessionbaseError(
                ExitCode.FAILED,
                f"{self._client}: of {len(numbers):,} changes {len(set(came) & set(numbers)):,} "
                f"came, {'' if came == sorted(came) else 'not '}in order",
                hint="What is lost or out of order is no measurement: it is a fault to be found.",
            )
        return times

    def end(self) -> None:
        """Let the client go once it hears anything."""
        self._enough.set()


@contextmanager
def _hearing(writer: _Writer, client: str) -> Iterator[_Heard]:
    """Let a client hear, once nothing that was written before is still on its way."""
    if client == LISTEN:
        # Electric goes on with it meanwhile, on the same cores.
        with _hearing(writer, POLLS):
            pass
    with ThreadPoolExecutor(1) as pool:
        heard = _Heard(writer.subject, client, pool)
        try:
            heard.wait_past(writer.write(1)[0])
            yield heard
        finally:
            heard.end()
            writer.write(1)


def _turned(ones: list[T], run: int) -> list[T]:
    """Let another one begin in each run."""
    first = run % len(ones)
    return ones[first:] + ones[:first]
