"""The night rehearsed: timed undisturbed, then killed at random and compared with that.

A cutover is rehearsed as it is meant to be, and done for good in two databases of the same server:
once undisturbed, once killed again and again. What is left must be the same to the last row.
"""

import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from bench.contents import Contents, read_contents
from bench.databases import environment_of, open_place
from bench.snapshot import Plan, write_snapshot
from bench.watched import Watched, events, seconds_of, start
from harness.connections import Server, connect
from harness.console import Tell
from harness.cutover.folder import list_contents
from harness.cutover.request import STEPS
from harness.databases import create_database, drop_database
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.steps import FILES
from harness.settings import Settings

_BAD_EVERY = 10_000
_PURPOSE = "bench"
_OF_REHEARSALS = 5
"""One kill of so many is of a rehearsal: it leaves nothing that could be compared."""

_SLOWER = 4
"""How many times longer than undisturbed a step may take before the bench gives up."""


@dataclass(frozen=True)
class RehearsalOrder:
    """What to do. kills: how often a cutover is killed, at the least. seed: when."""

    messages: int
    kills: int = 20
    seed: int = 1


@dataclass
class Rehearsed:
    """What came of it. seconds: undisturbed, by step. killed: how often, by step.

    forecast: what the rehearsal printed; wall_s: how long each part took, with all processes.
    contents: rows of each table, equal in all databases.
    """

    order: RehearsalOrder
    environment: dict[str, str] = field(default_factory=dict)
    size_bytes: int = 0
    forecast: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    killed: Counter[str] = field(default_factory=Counter)
    killed_rehearsals: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    wall_s: dict[str, float] = field(default_factory=dict)
    contents: Contents = field(default_factory=dict)


def bench_rehearsal(settings: Settings, order: RehearsalOrder, tell: Tell) -> Rehearsed:
    """Do it all. Raises SessionbaseError (FAILED) at the first difference."""
    with open_place(settings) as place:
        data = place.folder / "data"
        tell(f"writing {order.messages:,} messages")
        plan = Plan(order.messages, bad_every=_BAD_EVERY, tool_events=True)
        place.folder.mkdir(parents=True, exist_ok=True)
        write_snapshot(data, plan)
        for path in data.iterdir():
            # Rows for other benches, which no viewer has.
            if path.name not in FILES.values():
                path.unlink()
        found = Rehearsed(order, environment_of(place.server))
        return _Bench(place.server, settings, data, found, tell).run()


class _Bench:
    """One bench under way."""

    def __init__(
        self, server: Server, settings: Settings, data: Path, found: Rehearsed, tell: Tell
    ) -> None:
        self._server = server
        self._settings = settings
        self._data = data
        self._found = found
        self._tell = tell
        self._dice = Random(found.order.seed)  # noqa: S311 - moments, no secrets

    def run(self) -> Rehearsed:
        """Rehearse, do it undisturbed, and kill both."""
        found = self._found
        before = list_contents(self._data, self._tell)
        found.size_bytes = sum(file.size_bytes for file in before.files)
        with self._database("undisturbed") as server, self._out() as out:
            with self._timed("rehearsal"):
                found.forecast = self._finish(server, out, rehearse=True)
            with self._timed("undisturbed"):
                self._finish(server, out)
            found.seconds = seconds_of(out / "journal.jsonl")
            found.contents = _contents(server)
        with self._timed("killed"):
            while found.killed.total() < found.order.kills:
                self._kill_round()
        with self._timed("killed rehearsal"):
            self._kill_rehearsal()
        if list_contents(self._data, self._tell) != before:
            raise _different("the data folder")
        return found

    def _kill_round(self) -> None:
        """Kill a cutover of an empty database until kills or steps are used up; compare."""
        found = self._found
        found.rounds += 1
        with self._database(f"killed_{found.rounds}") as server, self._out() as out:
            for step in self._plan(found.order.kills - found.killed.total()):
                found.killed[step] += self._kill(server, out, step)
            self._tell("going on to the end")
            self._finish(server, out)
            self._tell("comparing")
            here = _contents(server)
            if here != found.contents:
                names = [name for name in here if here[name] != found.contents[name]]
                raise _different(", ".join(names))
            if len(list((out / "archive").glob("*.tar.zst"))) != 1:
                raise _different("the number of archives")

    def _kill_rehearsal(self) -> None:
        """Kill a rehearsal now and then, and see that the next one leaves nothing."""
        found = self._found
        with self._database("rehearsed") as server, self._out() as out:
            for step in sorted(
                self._dice.sample(list(STEPS), max(1, found.order.kills // _OF_REHEARSALS)),
                key=list(STEPS).index,
            ):
                found.killed_rehearsals[step] += self._kill(server, out, step, rehearse=True)
            self._finish(server, out, rehearse=True)
            if left := _left(server):
                raise _different(f"databases {', '.join(left)}")
            with connect(server, _PURPOSE) as connection:
                row = connection.execute("select to_regnamespace('ops') is null").fetchone()
            if not (row and row[0]):
                raise _different("the database that was not to be touched")

    def _plan(self, kills: int) -> list[str]:
        """Draw the steps to kill in, in order: each once, and long ones more often."""
        steps = list(STEPS)
        drawn = self._dice.sample(steps, min(kills, len(steps)))
        weights = [self._found.seconds[step] for step in steps]
        drawn += self._dice.choices(steps, weights, k=kills - len(drawn))
        return sorted(drawn, key=steps.index)

    def _kill(self, server: Server, out: Path, step: str, *, rehearse: bool = False) -> bool:
        """Start it, and kill it at a random moment of a step. False: that was over by then."""
        self._tell(f"killing in {step}, {self._found.killed.total()} times so far")
        watched = self._start(server, out, rehearse=rehearse)
        before = events(watched.journal).count(("begun", step))
        # Behind the steps that are still to be done before it.
        patience = 60 + _SLOWER * sum(self._found.seconds.values())
        try:
            if watched.wait_for("begun", step, before + 1, patience):
                time.sleep(self._dice.uniform(0, self._found.seconds[step]))
        finally:
            was_alive = watched.kill()
        return was_alive

    def _finish(self, server: Server, out: Path, *, rehearse: bool = False) -> dict[str, Any]:
        """Run it to its end, and return what it printed."""
        watched = self._start(server, out, rehearse=rehearse)
        said, why = watched.process.communicate()
        if watched.process.returncode:
            raise SessionbaseError(ExitCode.FAILED, "a cutover failed", excerpt=why)
        facts: dict[str, Any] = json.loads(said)
        return facts

    def _start(self, server: Server, out: Path, *, rehearse: bool) -> Watched:
        command = [
            *(sys.executable, "-m", "invoke", "cutover", "--json"),
            *("--data", str(self._data), "--out", str(out)),
            *("--max-quarantine", str(self._found.order.messages)),
            *(["--rehearse"] if rehearse else []),
        ]
        given = {
            "DATABASE_URL": server.conninfo,
            "SESSIONBASE_HOME": str(self._settings.home),
        }
        folder = out / "rehearsal" if rehearse else out
        return start(command, folder / "journal.jsonl", os.environ | given)

    @contextmanager
    def _database(self, name: str) -> Iterator[Server]:
        database = f"sessionbase_bench_{os.getpid()}_{name}"
        try:
            yield create_database(self._server, database, "template0", _PURPOSE)
        finally:
            drop_database(self._server, database, _PURPOSE)

    @contextmanager
    def _out(self) -> Iterator[Path]:
        out = self._data.with_name("out")
        shutil.rmtree(out, ignore_errors=True)
        yield out

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        self._tell(part)
        began = time.monotonic()
        yield
        self._found.wall_s[part] = round(time.monotonic() - began, 1)


def _contents(server: Server) -> Contents:
    with connect(server, _PURPOSE) as connection:
        return read_contents(connection)


def _left(server: Server) -> list[str]:
    with connect(server, _PURPOSE) as connection:
        rows = connection.execute(
            "select datname from pg_database where datname ~ '^sessionbase_(trial|rehearsal)_'"
        ).fetchall()
    return [name for (name,) in rows]


def _different(what: str) -> SessionbaseError:
    return SessionbaseError(
        ExitCode.FAILED, f"after the kills there is a difference to the undisturbed run: {what}"
    )
