"""How fast the import is, beside what it could be at best and what an application would do.

Every method of a table takes its turn in every run, and who is first changes from run to run, so
that what else the machine does hits all of them. Each measurement has a fresh copy of a database
and a fresh process.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from bench.databases import Databases, environment_of, open_databases, open_place
from bench.one import Job, Measured, Way
from bench.rows import COLUMNS, load
from bench.snapshot import Plan, Snapshot, write_snapshot
from harness.connections import Connection, Server, connect
from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.runner import Migrator
from harness.settings import PROJECT, Settings

FEWEST = 100
_OTHER_ACCOUNT = "00000000-0000-4000-8000-00000000beef"
_SCALE = (10_000, 100_000, 1_000_000)
_BAD_EVERY = 400

State = Literal["filled", "empty", "imported"]
"""filled: another account has messages; empty: nobody; imported: filled, and the file is in."""


@dataclass(frozen=True)
class Order:
    """What to measure: messages, runs, messages of another account in the filled database.

    scale: also how the cost grows with the file.
    """

    rows: int
    runs: int
    filled: int
    scale: bool = False

    def check(self) -> None:
        """Raise SessionbaseError (REFUSED) if it can't be measured."""
        if self.rows < FEWEST or self.filled < FEWEST:
            raise SessionbaseError(
                ExitCode.REFUSED, f"--rows and --filled must be {FEWEST} or more"
            )
        if self.runs < 1:
            raise SessionbaseError(ExitCode.REFUSED, "--runs must be 1 or more")


@dataclass(frozen=True)
class Method:
    """One way to bring the messages of a snapshot into a database in some state.

    floor: the title of the method it is compared with. goal: how many times as long as that one's
    a row may take, if there is a goal.
    """

    title: str
    way: Way
    state: State
    snapshot: str
    floor: str
    jobs: int = 1
    goal: float | None = None


@dataclass
class Line:
    """What was measured of a method, run by run."""

    method: Method
    measured: list[Measured] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        """Records a second."""
        return [one.records / one.seconds for one in self.measured]

    def ratios(self, floor: "Line") -> list[float]:
        """How much longer a record took than in the same run of the floor."""
        return [theirs / ours for theirs, ours in zip(floor.rates, self.rates, strict=True)]


@dataclass(frozen=True)
class Measurements:
    """Methods that were measured side by side. messages: how many were brought in."""

    messages: int
    lines: list[Line]

    def floor_of(self, line: Line) -> Line:
        """Return the line that another one is compared with."""
        return next(other for other in self.lines if other.method.title == line.method.floor)


@dataclass(frozen=True)
class Report:
    """All that was measured, and where. scale: a table a size of file."""

    order: Order
    environment: dict[str, str]
    main: Measurements
    scale: list[Measurements]


FLOOR_FILLED = "COPY of ready rows (floor)"
FLOOR_EMPTY = "COPY of ready rows, empty (floor)"
GOAL_FILLED = 1 / 0.9
"""0.9 of the rows a second of the floor."""
GOAL_EMPTY = 1 / 1.5

METHODS = (
    Method(FLOOR_FILLED, "copy", "filled", "clean", FLOOR_FILLED),
    Method("import, 1 job", "import", "filled", "clean", FLOOR_FILLED, goal=GOAL_FILLED),
    Method("import, 2 jobs", "import", "filled", "clean", FLOOR_FILLED, jobs=2),
    Method("insert row by row", "insert", "filled", "tenth", FLOOR_FILLED),
    Method("import, 1 bad record in 400", "import", "filled", "dirty", FLOOR_FILLED),
    Method("import again, same file", "import", "imported", "clean", FLOOR_FILLED),
    Method("import again, 1 message more", "import", "imported", "appended", FLOOR_FILLED),
    Method(FLOOR_EMPTY, "copy", "empty", "clean", FLOOR_EMPTY),
    Method("import into empty tables", "import", "empty", "clean", FLOOR_EMPTY, goal=GOAL_EMPTY),
    Method(
        "import into empty tables, 1 bad record in 400", "import", "empty", "dirty", FLOOR_EMPTY
    ),
)
_SCALE_METHODS = (
    Method(FLOOR_FILLED, "copy", "filled", "scale", FLOOR_FILLED),
    Method("import, 1 job", "import", "filled", "scale", FLOOR_FILLED),
    Method(FLOOR_EMPTY, "copy", "empty", "scale", FLOOR_EMPTY),
    Method("import into empty tables", "import", "empty", "scale", FLOOR_EMPTY),
)


def bench_imports(settings: Settings, order: Order, tell: Tell) -> Report:
    """Measure on a server of its own, or that of DATABASE_URL."""
    order.check()
    with open_place(settings) as place:
        return measure(place.server, settings, place.folder, order, tell)


def measure(server: Server, settings: Settings, folder: Path, order: Order, tell: Tell) -> Report:
    """Measure on a server, in databases that are gone afterwards; the files stay in a folder."""
    with open_databases(server) as databases:
        bench = _Bench(databases, folder, order, tell)
        bench.make_templates(settings)
        main = bench.table(order.rows, bench.snapshots, METHODS)
        scale = [bench.scale_table(size) for size in _SCALE] if order.scale else []
        return Report(order, environment_of(server), main, scale)


class _Bench:
    """The databases and files of one bench."""

    def __init__(self, databases: Databases, folder: Path, order: Order, tell: Tell) -> None:
        self._databases = databases
        self._folder = folder
        self._order = order
        self._tell = tell
        self.snapshots = {name: self._write(name, plan) for name, plan in _plans(order)}

    def make_templates(self, settings: Settings) -> None:
        """Make the databases that every measurement begins with."""
        self._tell("making the databases")
        make = self._databases.make_template
        make("empty", None, Migrator(settings).apply)
        make("filled", "empty", self._fill)
        make("imported", "filled", self._import_before)

    def table(
        self, messages: int, snapshots: dict[str, Snapshot], methods: tuple[Method, ...]
    ) -> Measurements:
        """Measure some methods side by side."""
        lines = [Line(method) for method in methods]
        # What comes first finds everything cold, so that is done once for nothing.
        self._measure(methods[0], snapshots[methods[0].snapshot])
        for run in range(self._order.runs):
            first = run % len(lines)
            for line in lines[first:] + lines[:first]:
                method = line.method
                self._tell(f"run {run + 1} of {self._order.runs}: {messages}: {method.title}")
                line.measured.append(self._measure(method, snapshots[method.snapshot]))
        return Measurements(messages, lines)

    def scale_table(self, messages: int) -> Measurements:
        """Measure files of one size, tool events among them."""
        snapshot = self._write(f"scale-{messages}", Plan(messages, tool_events=True))
        return self.table(messages, {"scale": snapshot}, _SCALE_METHODS)

    def _write(self, name: str, plan: Plan) -> Snapshot:
        self._tell(f"writing {plan.messages} messages: {name}")
        return write_snapshot(self._folder / name, plan)

    def _measure(self, method: Method, snapshot: Snapshot) -> Measured:
        with self._databases.clone(method.state) as server:
            job = Job(method.way, server.conninfo, str(snapshot.folder), method.jobs)
            measured = _in_a_process(job, method.title)
        check(method, snapshot, measured)
        return measured

    def _fill(self, server: Server) -> None:
        with connect(server, "bench") as connection:
            connection.execute(
                "insert into app.accounts (id, name) values (%s, 'other')", [_OTHER_ACCOUNT]
            )
            load(connection, self.snapshots["other"].folder, *COLUMNS)
            _settle(connection)

    def _import_before(self, server: Server) -> None:
        folder = str(self.snapshots["clean"].folder)
        _in_a_process(Job("import", server.conninfo, folder), "the import to repeat")
        with connect(server, "bench") as connection:
            _settle(connection)


def _plans(order: Order) -> Iterator[tuple[str, Plan]]:
    yield "other", Plan(order.filled, seed=2, account_id=_OTHER_ACCOUNT)
    yield "clean", Plan(order.rows)
    yield "appended", Plan(order.rows, appended=1)
    yield "dirty", Plan(order.rows, bad_every=_BAD_EVERY)
    yield "tenth", Plan(order.rows // 10, seed=3)


def _settle(connection: Connection) -> None:
    """Leave a database as one that has been there for a while: nothing for autovacuum to do."""
    connection.execute("vacuum (analyze)")


def _in_a_process(job: Job, title: str) -> Measured:
    result = subprocess.run(
        [sys.executable, "-m", "bench.one"],
        check=False,
        input=json.dumps(asdict(job)),
        capture_output=True,
        text=True,
        cwd=PROJECT,
    )
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines()
        raise SessionbaseError(
            ExitCode.FAILED, f"{title}: {lines[-1] if lines else 'the process was killed'}"
        )
    return Measured(**json.loads(result.stdout))


def check(method: Method, snapshot: Snapshot, measured: Measured) -> None:
    """Raise SessionbaseError (FAILED) unless every record met its fate: else no figure counts."""
    fates = ("imported", "unchanged", "adopted", "quarantined")
    found = {fate: getattr(measured, fate) for fate in fates}
    wanted = dict.fromkeys(fates, 0) | _expected(method, snapshot)
    if found != wanted:
        raise SessionbaseError(
            ExitCode.FAILED, f"{method.title}: {wanted} was to come of it, but {found} did"
        )


def _expected(method: Method, snapshot: Snapshot) -> dict[str, int]:
    """Return what must become of the records."""
    if method.way != "import":
        return {"imported": snapshot.rows}
    if method.state == "imported":
        # Every message but the one that may have been appended.
        appended = snapshot.messages - snapshot.known
        return {"imported": appended, "unchanged": snapshot.records - appended}
    bad = snapshot.messages - snapshot.rows
    return {"imported": snapshot.records - bad, "quarantined": bad}
