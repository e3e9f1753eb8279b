"""A private installation under load, which the tests of faults share, and break one at a time."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

import pytest

from drill import invariants
from drill.faults import Fault, Scene, all_faults
from drill.invariants import Check
from drill.run import Actors, looking_on, usual_actors
from drill.stage import Stage, open_stage
from harness.settings import Settings

_SEED = 4711


@dataclass
class Drilled:
    """The installation, who writes and follows, and the faults that can be injected here."""

    stage: Stage
    actors: Actors
    faults: dict[tuple[str, str], Fault]
    scene: Scene

    def inject(self, name: str, target: str) -> str:
        """Inject a fault; return how it was seen. Skips, with the reason, what is not possible."""
        if name in self.stage.why_not:
            pytest.skip(f"not injected: {name}: {self.stage.why_not[name]}")
        return self.faults[name, target].inject(self.scene)

    def checks(self) -> list[Check]:
        """Check all that can be checked while imports go on."""
        owner = self.stage.cast.owner
        with self.actors.pausing(), self.stage.looking() as connection:
            return [
                invariants.check_writes(connection, self.actors.ledger, owner),
                invariants.check_tools(connection, self.actors.ledger, owner),
                invariants.check_tables(connection, owner),
                invariants.check_imports(connection, self.actors.importer),
                invariants.check_followers(self.stage, connection, self.actors.followers),
                invariants.check_connections(connection),
                invariants.check_logs(
                    self.stage, self.actors.importer.printed, [self.stage.jwt_secret]
                ),
                invariants.check_surprises(self.stage, self.actors.ledger),
            ]

    def acknowledged(self) -> int:
        """Count the writes that are acknowledged."""
        return self.actors.ledger.acknowledged()


@contextmanager
def _drilled(settings: Settings) -> Iterator[Drilled]:
    with open_stage(settings, print) as stage:
        actors = usual_actors(stage, _SEED)
        actors.importer.undisturbed()
        actors.start()
        faults, _ = all_faults(stage)
        by_name = {(fault.name, fault.target): fault for fault in faults}
        dice = Random(_SEED)  # noqa: S311 - the same ones every time
        with looking_on(stage, actors.ledger):
            yield Drilled(stage, actors, by_name, Scene(stage, actors.importer, dice))
        stage.mend()
        actors.stop_writing()
        actors.stop_following(stage)


@pytest.fixture(scope="module")
def drilled(settings: Settings, request: pytest.FixtureRequest) -> Iterator[Drilled]:
    """Give the installation, under load, to a module."""
    with _drilled(settings) as opened:
        yield opened
    if not request.session.testsfailed:
        shutil.rmtree(opened.stage.home)


Holds = Callable[[], None]


@pytest.fixture
def holds(drilled: Drilled) -> Holds:
    """Return a way to assert that everything holds, and that the load goes on."""

    def check() -> None:
        for one in drilled.checks():
            assert one.holds, one
            assert sum(one.looked_at.values()), one

    return check
