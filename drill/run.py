"""The drill: load, faults by a seed, and what must hold of it all."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Event, Thread

import psycopg

from drill import invariants
from drill.faults import Fault, Injected, Scene, all_faults
from drill.followers import SHAPES, Follower, Stranger, Wanted
from drill.importing import Importer
from drill.invariants import Check
from drill.ledger import Ledger
from drill.stage import SESSIONS, Stage, open_stage
from drill.writers import DirectWriter, HttpWriter, Load, ToolUser
from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings

_STOP_S = 60
_LOOK_EVERY_S = 2
_SETTLE_S = 2.0


@dataclass(frozen=True)
class DrillOrder:
    """For how long to inject faults, in minutes, and by which seed."""

    minutes: float
    seed: int

    def check(self) -> None:
        """Raise SessionbaseError (REFUSED) if it can't be drilled."""
        if self.minutes <= 0:
            raise SessionbaseError(ExitCode.REFUSED, "--minutes must be more than 0")


@dataclass
class Report:
    """What was injected, what was not and why, and what was checked. kept: where logs are."""

    order: DrillOrder
    injected: list[Injected] = field(default_factory=list)
    not_injected: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    import_codes: dict[int, int] = field(default_factory=dict)
    kept: Path | None = None

    @property
    def holds(self) -> bool:
        """Whether every check holds."""
        return all(check.holds for check in self.checks)


@dataclass
class Actors:
    """All that writes and follows."""

    ledger: Ledger
    writers: list[Load]
    followers: list[Follower]
    stranger: Stranger
    importer: Importer

    def start(self) -> None:
        """Begin, all but the undisturbed import, which has ended by now."""
        for load in (*self.writers, *self.followers, self.stranger):
            load.start()
        self.importer.start()

    @contextmanager
    def pausing(self) -> Iterator[None]:
        """Let nobody write meanwhile, but the importer, whose accounts are its own."""
        for load in self.writers:
            load.pause()
        try:
            yield
        finally:
            for load in self.writers:
                load.resume()

    def stop_writing(self) -> None:
        """Let what is under way end, and begin nothing more."""
        self.importer.stop()
        for load in (*self.writers, self.stranger):
            load.stop()
        for load in (*self.writers, self.stranger):
            load.join(_STOP_S)
        self.importer.join()

    def stop_following(self, stage: Stage) -> None:
        """End the polls that are held."""
        for follower in self.followers:
            follower.stop()
        stage.ways.clients.refuse()
        stage.ways.clients.break_off("reset")
        for follower in self.followers:
            follower.join(_STOP_S)


Casting = Callable[[Stage, int], Actors]
"""Makes all that writes and follows, by a seed."""


def usual_actors(stage: Stage, seed: int) -> Actors:
    """Return writers by both ways, a user of tools, clients by every way, and an importer."""
    ledger = Ledger()
    writers: list[Load] = [
        *(HttpWriter(stage, ledger, f"http-{n}", seed) for n in range(2)),
        *(DirectWriter(stage, ledger, f"direct-{n}", seed) for n in range(2)),
        ToolUser(stage, ledger, "tools", seed),
    ]
    wanted = [
        *(Wanted(shape, SESSIONS[0], "owner", "name") for shape in SHAPES),
        Wanted(SHAPES[0], SESSIONS[0], "viewer", "token"),
        Wanted(SHAPES[0], SESSIONS[0], "viewer", "cookie"),
        Wanted(SHAPES[0], SESSIONS[1], "owner", "token"),
        Wanted(SHAPES[1], SESSIONS[1], "owner", "cookie"),
    ]
    followers = [Follower(stage, ledger, each, seed) for each in wanted]
    stranger = Stranger(stage, ledger, seed)
    return Actors(ledger, writers, followers, stranger, Importer(stage, ledger, seed))


def run_drill(
    settings: Settings, order: DrillOrder, tell: Tell, casting: Casting = usual_actors
) -> Report:
    """Start everything, break it for a while, put it right, and check.

    The folder of logs is removed if all holds. Raises SessionbaseError: REFUSED, FAILED for a
    fault that can't be seen to have happened, SERVER_WONT_START, MISSING_TOOL.
    """
    order.check()
    report = Report(order)
    with open_stage(settings, tell) as stage:
        report.kept = stage.home
        actors = casting(stage, order.seed)
        tell("the undisturbed import")
        actors.importer.undisturbed()
        actors.start()
        try:
            with looking_on(stage, actors.ledger):
                _break_things(stage, actors, report, tell)
        finally:
            tell("putting everything right")
            stage.mend()
            actors.stop_writing()
        check_all(stage, actors, report, tell)
    if report.holds:
        shutil.rmtree(report.kept)
        report.kept = None
    return report


def check_all(stage: Stage, actors: Actors, report: Report, tell: Tell) -> None:
    """Check everything, with all programs at work and nobody who writes."""
    tell("checking")
    owner = stage.cast.owner
    time.sleep(_SETTLE_S)
    with stage.looking() as connection:
        report.checks = [
            invariants.check_writes(connection, actors.ledger, owner),
            invariants.check_tools(connection, actors.ledger, owner),
            invariants.check_tables(connection),
            invariants.check_imports(connection, actors.importer),
            invariants.check_followers(stage, connection, actors.followers),
            invariants.check_stranger(actors.stranger),
            invariants.check_connections(connection),
        ]
    actors.stop_following(stage)
    report.checks += [
        invariants.check_logs(stage, actors.importer.printed, [stage.jwt_secret]),
        invariants.check_surprises(stage, actors.ledger),
    ]
    report.answers = dict(sorted(actors.ledger.answers.items()))
    report.import_codes = dict(sorted(actors.importer.codes.items()))


def _break_things(stage: Stage, actors: Actors, report: Report, tell: Tell) -> None:
    dice = Random(report.order.seed)  # noqa: S311 - the same faults for a seed
    faults, report.not_injected = all_faults(stage)
    scene = Scene(stage, actors.importer, dice)
    began = time.monotonic()
    ends_at = began + report.order.minutes * 60
    for fault in in_turn(faults, dice):
        time.sleep(dice.uniform(0.3, 1.5))
        at = time.monotonic()
        if at >= ends_at:
            break
        tell(f"{at - began:.0f} s: {fault.name}, {fault.target}")
        seen = fault.inject(scene)
        lasted = time.monotonic() - at
        report.injected.append(
            Injected(round(at - began, 1), fault.name, fault.target, seen, round(lasted, 1))
        )
    missing = {fault.name for fault in faults} - {each.name for each in report.injected}
    report.not_injected |= dict.fromkeys(sorted(missing), "the time was up before its turn")


def in_turn(faults: list[Fault], dice: Random) -> Iterator[Fault]:
    """Give faults without end: one of each name, in an order that is thrown, then again."""
    by_name: dict[str, list[Fault]] = {}
    for fault in faults:
        by_name.setdefault(fault.name, []).append(fault)
    while True:
        names = sorted(by_name)
        dice.shuffle(names)
        for name in names:
            yield dice.choice(by_name[name])


@contextmanager
def looking_on(stage: Stage, ledger: Ledger) -> Iterator[None]:
    """Look at the tables again and again while things break: what is derived always agrees."""
    ended = Event()

    def look() -> None:
        while not ended.wait(_LOOK_EVERY_S):
            try:
                with psycopg.connect(
                    stage.server.conninfo, autocommit=True, application_name="sessionbase drill"
                ) as connection:
                    check = invariants.check_tables(connection, stage.cast.owner)
            except psycopg.Error:
                # Postgres is away just now: what this is about.
                continue
            ledger.count("tables looked at")
            for what in check.wrong:
                ledger.surprise(f"in the middle of it: {what}")

    thread = Thread(target=look, name="looking on", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_STOP_S)
