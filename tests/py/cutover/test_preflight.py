"""Every refusal of the preflight comes before anything is changed, and all of them at once."""

import json
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from psycopg.conninfo import make_conninfo

from harness import connections
from harness.connections import Server, connect
from harness.doctor import server as server_symptoms
from harness.errors import ExitCode, SessionbaseError
from tests.py.cutover.nights import Place, databases_of, is_closed


def refusal(place: Place, **options: object) -> str:
    """Return what a refused cutover said, after seeing that nothing was changed."""
    with pytest.raises(SessionbaseError) as caught:
        place.cut_over(**options)
    assert caught.value.code == ExitCode.NOT_READY, caught.value
    assert "nothing was changed" in caught.value.what
    told = {"stopped.html", "stopped.json"}
    kept = {"journal.jsonl", "lock", "rehearsal"} | told
    assert {path.name for path in place.out.rglob("*")} <= kept
    assert databases_of(place.server) == set()
    return caught.value.excerpt


def remade(place: Place, **parts: object) -> Place:
    return Place(
        **{name: getattr(place, name) for name in ("server", "settings", "data", "out")} | parts
    )


def copied(place: Place, tmp_path: Path) -> Place:
    """Return the place with a data folder that a test may spoil."""
    shutil.copytree(place.data, tmp_path / "spoiled")
    return remade(place, data=tmp_path / "spoiled")


def test_every_problem_is_said_at_once(
    new_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No older server runs here, and wal_level needs a restart: so others are wanted.
    monkeypatch.setattr(server_symptoms, "OLDEST_MAJOR", 99)
    monkeypatch.setattr(server_symptoms, "NEEDED_WAL_LEVEL", "replica")
    monkeypatch.setattr(connections, "OLDEST_MAJOR", 99)
    place = copied(new_place, tmp_path)
    (place.data / "chat-threads.json").write_text("")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(10 << 40, 10 << 40, 1 << 20))
    said = refusal(place, account="nobody-here")
    for one in (
        "Postgres: version",
        "too old",
        "wal_level: logical",
        "it is empty",
        "nobody-here",
        "room for the archive: 1 MiB free",
        "room for the database: 1 MiB free",
    ):
        assert one in said
    assert_nothing_of_sessionbase(place.server)


class _Usage(NamedTuple):
    total: int
    used: int
    free: int


def assert_nothing_of_sessionbase(server: Server) -> None:
    with connect(server, "test") as connection:
        assert connection.execute("select to_regnamespace('ops')").fetchone() == (None,)


def test_a_database_of_another_encoding(place: Place) -> None:
    name = f"sessionbase_test_{secrets.token_hex(4)}"
    with connect(place.server, "test") as connection:
        connection.execute(
            f"create database {name} template template0 "
            "encoding 'LATIN1' locale_provider libc locale 'C'"
        )
        try:
            said = refusal(remade(place, server=place.server.with_database(name)))
        finally:
            connection.execute(f"drop database {name}")
    assert "encoding: LATIN1" in said


def test_a_login_that_can_only_read(place: Place) -> None:
    options = "-c default_transaction_read_only=on"
    standby = Server(make_conninfo(place.server.conninfo, options=options), embedded=False)
    said = refusal(remade(place, server=standby))
    assert "writing: this login's transactions are read-only" in said
    assert not is_closed(place.server)


@pytest.fixture
def poor(place: Place) -> Iterator[Place]:
    """Give the place with a login that has no right but to connect."""
    with connect(place.server, "test") as connection:
        connection.execute("create role cutover_poor login password 'not-much-of-a-secret'")
        connection.execute(f"grant connect on database {place.server.database} to cutover_poor")
        conninfo = make_conninfo(
            place.server.conninfo, user="cutover_poor", password="not-much-of-a-secret"
        )
        try:
            yield remade(place, server=Server(conninfo, embedded=False))
        finally:
            connection.execute("drop owned by cutover_poor")
            connection.execute("drop role cutover_poor")


def test_a_login_without_rights(place: Place, poor: Place) -> None:
    with pytest.raises(SessionbaseError) as caught:
        poor.cut_over()
    assert caught.value.code == ExitCode.NOT_READY
    assert "can't act as authorizer, import_definer, importer, reviewer" in caught.value.excerpt
    assert 'grant authorizer, import_definer, importer, reviewer to "cutover_poor"' in (
        caught.value.excerpt
    )
    assert not is_closed(place.server)


def test_a_login_without_rights_on_a_new_database(new_place: Place, poor: Place) -> None:
    database = new_place.server.database
    with connect(new_place.server, "test") as connection:
        connection.execute(f"grant connect on database {database} to cutover_poor")
    said = refusal(remade(new_place, server=poor.server.with_database(database)), rehearse=True)
    for one in ("does not own the database", "may not make roles", "may not make a database"):
        assert one in said
    assert_nothing_of_sessionbase(new_place.server)


def test_an_account_that_is_not_known(place: Place) -> None:
    assert "account: there is no active account nobody" in refusal(place, account="nobody")


def test_another_import_that_is_running(place: Place) -> None:
    with connect(place.server, "test") as connection:
        connection.execute("set role importer")
        connection.execute(
            "select from legacy.interrupted_run('00000000-0000-4000-8000-000000000001')"
        )
        said = refusal(place)
        assert f"backend process {connection.info.backend_pid}" in said


def test_a_migration_that_was_changed(place: Place) -> None:
    with connect(place.server, "test") as connection:
        connection.execute(
            "update ops.migrations set checksum = repeat('0', 64) where file ~ '/0003_'"
        )
    assert "0003_chat.sql was changed after it had been applied" in refusal(place)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (None, "holds none of the viewer's files"),
        ('[{"id": "x", "role": "rob', "1 to be kept out"),
        ('[{"id": 5}, {"id": 6}]', "2 to be kept out"),
    ],
)
def test_files_that_will_not_do(
    place: Place, tmp_path: Path, content: str | None, shown: str
) -> None:
    (tmp_path / "few").mkdir()
    if content:
        (tmp_path / "few" / "chat-messages.json").write_text(content)
    said = refusal(remade(place, data=tmp_path / "few"), max_quarantine=0)
    assert shown in said
    assert "import-legacy --dry-run" in said or content is None
    assert not is_closed(place.server)


def test_a_full_disk(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(1 << 40, 1 << 40, 5 << 20))
    said = refusal(place)
    assert "5 MiB free" in said
    assert "Make room there" in said


def test_the_estimate_says_what_it_is_from(place: Place) -> None:
    facts = place.cut_over().facts
    assert "370 records" in facts["estimate"]["basis"]
    assert set(facts["estimate"]["seconds"]) == {"archive", "migrate", "import", "verify"}
    assert facts["estimate"]["total_s"] > 0


def test_a_rehearsal_leaves_database_and_folder_as_they_were(place: Place) -> None:
    with connect(place.server, "test") as connection:
        sums = connection.execute("select count(*) from legacy.import_runs").fetchone()
        facts = place.cut_over(rehearse=True).facts
        assert facts["rehearsal"]
        assert facts["total"]["read"] == 370
        assert connection.execute("select count(*) from legacy.import_runs").fetchone() == sums
    assert databases_of(place.server) == set()
    assert "Rehearsed" in (place.out / "rehearsal" / "cutover.html").read_text()
    assert not (place.out / "rehearsal" / "archive").exists()
    # It says nothing of the night itself.
    assert not place.cut_over().was_done


def test_a_rehearsal_that_fails_leaves_nothing_either(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.cutover.preflight.refuse", lambda _: None)
    with pytest.raises(SessionbaseError) as caught:
        place.cut_over(rehearse=True, max_quarantine=0)
    assert caught.value.code == ExitCode.CUTOVER_STOPPED
    assert databases_of(place.server) == set()
    left = place.out / "rehearsal"
    assert {path.name for path in left.iterdir()} == {"lock", "stopped.html", "stopped.json"}
    facts = json.loads((left / "stopped.json").read_text())
    assert facts["stopped"]["step"] == "import"
    assert facts["doors"] == "untouched"
    assert facts["again"].endswith(" --rehearse")
    assert (facts["archive"], facts["rollback"]) == (None, None)
    assert "2 records were quarantined" in (left / "stopped.html").read_text()
    # The next one is another.
    place.cut_over(rehearse=True)
    assert {path.name for path in left.iterdir()} == {"lock", "cutover.html", "cutover.json"}
