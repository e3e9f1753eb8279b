"""Killed anywhere, by a real SIGKILL, the same command ends as if nothing had been."""

import random
import time
from pathlib import Path

import pytest

from bench.contents import Contents, read_contents
from bench.watched import events, seconds_of
from harness.connections import Server, connect
from harness.cutover.request import STEPS
from harness.embedded.postgres import EmbeddedPostgres
from harness.settings import Settings
from harness.testing.servers import Databases
from tests.py.cutover.nights import (
    PATIENCE_S,
    Place,
    close_to_public,
    databases_of,
    files_of,
    is_closed,
)
from tests.py.killing import kill_server

SERVER_KILLS = ["import", "verify"]


class Undisturbed:
    """What a cutover leaves that nobody disturbs, and how long its steps take."""

    def __init__(self, place: Place) -> None:
        self.data = files_of(place.data)
        place.finish()
        self.contents = contents_of(place.server)
        self.seconds = seconds_of(place.out / "journal.jsonl")


def contents_of(server: Server) -> Contents:
    with connect(server, "test") as connection:
        return read_contents(connection)


@pytest.fixture(scope="module")
def undisturbed(
    databases: Databases, settings: Settings, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Undisturbed:
    with databases.migrated() as server:
        out = tmp_path_factory.mktemp("undisturbed") / "out"
        return Undisturbed(Place(close_to_public(server), settings, data, out))


def assert_same(place: Place, undisturbed: Undisturbed) -> None:
    assert contents_of(place.server) == undisturbed.contents
    assert contents_of(place.server)["app.chat_messages"][0] == 300
    assert files_of(place.data) == undisturbed.data
    assert not is_closed(place.server)
    assert databases_of(place.server) == set()
    # One archive, whole; of what was under way when it was killed nothing is left.
    assert len(list((place.out / "archive").iterdir())) == 2
    assert {path.name for path in place.out.iterdir()} == {
        "archive",
        "cutover.html",
        "cutover.json",
        "journal.jsonl",
        "lock",
    }


def test_killed_where_each_step_begins(place: Place, undisturbed: Undisturbed) -> None:
    for step in STEPS:
        watched = place.start()
        assert watched.wait_for("begun", step)
        assert watched.kill()
    place.finish()
    assert_same(place, undisturbed)
    found = events(place.out / "journal.jsonl")
    for step in STEPS:
        # Each was killed and begun again, and nothing that was done was done twice.
        assert found.count(("begun", step)) == 2
        assert found.count(("done", step)) == 1


def test_killed_at_random_moments_within_steps(new_place: Place, undisturbed: Undisturbed) -> None:
    dice = random.Random()  # noqa: S311 - other moments every time
    killed = 0
    for step in STEPS:
        watched = new_place.start()
        if watched.wait_for("begun", step):
            time.sleep(dice.uniform(0, 1.2 * undisturbed.seconds[step]))
        killed += watched.kill()
    new_place.finish()
    assert_same(new_place, undisturbed)
    assert killed > len(STEPS) / 2


def test_the_server_killed_within_steps(
    server_to_kill: EmbeddedPostgres,
    settings: Settings,
    data: Path,
    tmp_path: Path,
    undisturbed: Undisturbed,
) -> None:
    dice = random.Random()  # noqa: S311 - other moments every time
    place = Place(server_to_kill.ensure_running(), settings, data, tmp_path / "out")
    for step in SERVER_KILLS:
        watched = place.start()
        assert watched.wait_for("begun", step)
        time.sleep(dice.uniform(0, undisturbed.seconds[step]))
        kill_server(server_to_kill)
        _, said = watched.process.communicate(timeout=PATIENCE_S)
        assert "Traceback" not in said
        server_to_kill.ensure_running()
    place.finish()
    assert_same(place, undisturbed)


def test_a_rehearsal_killed_in_each_step_leaves_nothing(
    place: Place, undisturbed: Undisturbed
) -> None:
    before = contents_of(place.server)
    for step in ("preflight", "import", "verify", "report"):
        watched = place.start("rehearse")
        assert watched.wait_for("begun", step)
        assert watched.kill()
    # It is there, so that its going says something.
    assert any("rehearsal" in name for name in databases_of(place.server))
    place.finish("rehearse")
    assert databases_of(place.server) == set()
    assert contents_of(place.server) == before
    assert files_of(place.data) == undisturbed.data
    assert {path.name for path in (place.out / "rehearsal").iterdir()} == {
        "cutover.html",
        "cutover.json",
        "lock",
    }
