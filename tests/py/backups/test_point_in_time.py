"""Going back to a moment, as docs/backups.md says: with a copy of the server and its kept log.

In order: each test goes on where the one before it ended, for a server takes long to make.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from harness.connections import Connection, Server, connect
from harness.doctor.examination import examine
from harness.doctor.symptoms import Symptom, Urgency
from harness.embedded.binaries import Binaries, find_binaries
from harness.embedded.postgres import EmbeddedPostgres
from harness.migrations.runner import Migrator
from harness.settings import PROJECT, Settings
from tests.py.doctor.conftest import broken_in, found_in, look_at, make_slot, reload
from tests.py.electric.electrics import Electric, stand_in
from tests.py.waiting import wait_until

ACCOUNT = "00000000-0000-4000-8000-000000000001"
SLOT = "electric_slot_sessionbase"
SHAPE = {"table": "app.todos", "offset": "-1"}


@dataclass
class Cluster:
    """A server in a folder of its own, that can be stopped and started."""

    folder: Path
    binaries: Binaries

    @property
    def postgres(self) -> EmbeddedPostgres:
        """The server of the folder."""
        return EmbeddedPostgres(self.folder, self.binaries, throwaway=True)

    @property
    def data(self) -> Path:
        """Where its data is."""
        return self.folder / "data"

    def start(self) -> Server:
        """Start it, and wait until it answers."""
        return self.postgres.ensure_running()

    def run(self, program: str, *arguments: str) -> None:
        """Run a program, as the account that owns the data."""
        done = self.binaries.run(program, *arguments)
        assert done.returncode == 0, done.stderr


@contextmanager
def clusters(settings: Settings) -> Iterator[tuple[Cluster, Cluster, Path]]:
    """Give places for a server and for what is restored of it, and one for the log."""
    home = Path(tempfile.mkdtemp(prefix="sessionbase-test-"))
    home.chmod(0o711)
    binaries = find_binaries(settings)
    archive = home / "archive"
    archive.mkdir(mode=0o700)
    binaries.give(archive)
    made = [Cluster(home / name, binaries) for name in ("first", "second")]
    try:
        yield made[0], made[1], archive
    finally:
        for cluster in made:
            cluster.postgres.remove()
        shutil.rmtree(home)


@dataclass
class Night:
    """What the tests share."""

    first: Cluster
    second: Cluster
    archive: Path
    server: Server
    target: str = ""
    handle: str = ""


@pytest.fixture(scope="module")
def night(settings: Settings) -> Iterator[Night]:
    """Run a server that archives its log, with a base backup and what was written around it."""
    with clusters(settings) as (first, second, archive):
        with connect(first.start(), "test") as connection:
            # As docs/backups.md has it; what tells that a segment is there already, too.
            keep = f"test ! -f {archive}/%f && cp %p {archive}/%f"
            connection.execute("alter system set archive_mode = on")
            connection.execute(f"alter system set archive_command = '{keep}'")
            for name in ("fsync", "full_page_writes", "synchronous_commit"):
                connection.execute(f"alter system set {name} = on")
        first.postgres.stop()
        server = first.start()
        Migrator(settings).apply(server)
        yield Night(first, second, archive, server)


def write(connection: Connection, name: str) -> None:
    connection.execute(
        "insert into app.todos (account_id, id, session_id, body) values (%s, %s, 's1', 'x')",
        [ACCOUNT, name],
    )


def todos(connection: Connection) -> list[str]:
    return [row[0] for row in connection.execute("select id from app.todos order by id")]


def ask(electric: Electric, **more: str) -> httpx.Response:
    with electric.client() as client:
        return client.get("/v1/shape", params=SHAPE | {"secret": electric.secret} | more)


def followed(electric: Electric) -> list[str]:
    """Read a shape from its beginning to its end: rows that were inserted, in order."""
    answer = ask(electric)
    messages = answer.json()
    while "electric-up-to-date" not in answer.headers:
        handle, offset = answer.headers["electric-handle"], answer.headers["electric-offset"]
        answer = ask(electric, handle=handle, offset=offset)
        messages += answer.json()
    return sorted(one["value"]["id"] for one in messages if "value" in one)


def archived(connection: Connection) -> None:
    """Wait until all that was written is in the archive."""
    row = connection.execute("select pg_walfile_name(pg_switch_wal())").fetchone()
    assert row is not None
    last = "select last_archived_wal >= %s from pg_stat_archiver"
    wait_until(lambda: connection.execute(last, [row[0]]).fetchone() == (True,))


def archive_of(night: Night, settings: Settings) -> Symptom:
    (found,) = look_at(night.server, settings, "archive")
    return found


def test_an_archive_that_does_not_take_the_log_is_said(night: Night, settings: Settings) -> None:
    with connect(night.server, "test") as connection:
        archived(connection)
        assert archive_of(night, settings).urgency == Urgency.FINE
        row = connection.execute("show archive_command").fetchone()
        assert row is not None
        connection.execute("alter system set archive_command = 'false'")
        reload(connection)
        connection.execute("select pg_logical_emit_message(false, 'test', 'x'), pg_switch_wal()")
        wait_until(lambda: archive_of(night, settings).urgency == Urgency.BROKEN)
        assert "the last that did was " in archive_of(night, settings).found
        assert "Never remove a file of pg_wal." in archive_of(night, settings).remedy
        connection.execute(f"alter system set archive_command = '{row[0]}'")
        reload(connection)
        wait_until(lambda: archive_of(night, settings).urgency == Urgency.FINE)


def test_a_base_backup_and_the_log_behind_it(night: Night) -> None:
    with connect(night.server, "test") as connection:
        connection.execute("insert into app.sessions (account_id, id) values (%s, 's1')", [ACCOUNT])
        write(connection, "1 before the copy")
        make_slot(connection)
        night.second.folder.mkdir(mode=0o700)
        night.second.binaries.give(night.second.folder)
        night.second.run(
            "pg_basebackup",
            f"--pgdata={night.second.data}",
            "--checkpoint=fast",
            "--no-sync",
            f"--dbname={night.server.conninfo}",
        )
        write(connection, "2 before the moment")
        with stand_in(night.server) as electric:
            assert followed(electric) == ["1 before the copy", "2 before the moment"]
            night.handle = ask(electric).headers["electric-handle"]
        row = connection.execute("select clock_timestamp()::text").fetchone()
        assert row is not None
        night.target = row[0]
        write(connection, "3 behind the moment")
        connection.execute("delete from app.todos where id = '1 before the copy'")
        assert todos(connection) == ["2 before the moment", "3 behind the moment"]
        archived(connection)
    night.first.postgres.stop()


def test_the_moment_is_restored(night: Night, settings: Settings) -> None:
    shutil.copy(night.first.folder / "password", night.second.folder / "password")
    night.second.binaries.give(night.second.folder / "password")
    with (night.second.data / "postgresql.auto.conf").open("a") as configuration:
        configuration.write(
            "archive_mode = off\n"
            f"restore_command = 'cp {night.archive}/%f %p'\n"
            f"recovery_target_time = '{night.target}'\n"
            "recovery_target_action = 'promote'\n"
        )
    (night.second.data / "recovery.signal").touch()
    night.second.binaries.give(night.second.data / "recovery.signal")
    night.server = night.second.start()
    with connect(night.server, "test") as connection:
        recovering = "select pg_is_in_recovery()"
        wait_until(lambda: connection.execute(recovering).fetchone() == (False,))
        assert todos(connection) == ["1 before the copy", "2 before the moment"]
        # No base backup has slots.
        assert connection.execute("select * from pg_replication_slots").fetchall() == []
        assert connection.execute("select * from sync.check()").fetchall() == []
    assert broken_in(examine(night.server, settings)) == []


def test_sync_goes_on_from_there_and_nobody_keeps_what_is_gone(
    night: Night, settings: Settings
) -> None:
    with stand_in(night.server) as electric, connect(night.server, "test") as connection:
        # A client that had what is gone is told to begin anew.
        old = ask(electric, handle=night.handle, offset="0_inf")
        assert old.status_code == httpx.codes.CONFLICT
        assert followed(electric) == ["1 before the copy", "2 before the moment"]
        write(connection, "4 after all")
        wait_until(lambda: len(followed(electric)) == 3)
        assert followed(electric)[-1] == "4 after all"
        known = settings.model_copy(
            update={
                "electric_url": SecretStr(electric.url),
                "electric_secret": SecretStr(electric.secret),
            }
        )
        symptoms = examine(night.server, known)
        assert broken_in(symptoms) == []
        assert found_in(symptoms, "Electric's database").found.startswith("it follows this one")


def test_an_electric_that_follows_the_old_server_is_said(night: Night, settings: Settings) -> None:
    old = night.first.start()
    with stand_in(old) as electric:
        known = settings.model_copy(
            update={
                "electric_url": SecretStr(electric.url),
                "electric_secret": SecretStr(electric.secret),
            }
        )
        assert broken_in(examine(night.server, known)) == ["Electric's database"]
    night.first.postgres.stop()


def test_pages_that_are_damaged_are_said(night: Night, settings: Settings) -> None:
    cluster = night.second
    with connect(night.server, "test") as connection:
        connection.execute("create table public.damaged as select generate_series(1, 1000) as n")
        row = connection.execute("select pg_relation_filepath('public.damaged')").fetchone()
        assert row is not None
    assert look_at(night.server, settings, "checksums")[0].urgency == Urgency.FINE
    cluster.postgres.stop()
    if "version:           0" in cluster.binaries.run("pg_controldata", str(cluster.data)).stdout:
        # Before Postgres 18 a cluster has none unless it is told to.
        cluster.run("pg_checksums", "--enable", "--no-sync", f"--pgdata={cluster.data}")
    with (cluster.data / row[0]).open("r+b") as file:
        file.seek(4000)
        file.write(b"damage")
    night.server = cluster.start()
    with (
        connect(night.server, "test") as connection,
        pytest.raises(psycopg.errors.DataCorrupted),
        connection.transaction(),
    ):
        connection.execute("select sum(n) from public.damaged")
    wait_until(lambda: look_at(night.server, settings, "checksums")[0].urgency == Urgency.BROKEN)
    (ill,) = look_at(night.server, settings, "checksums")
    assert ill.found.endswith("pages were read that are not what was written")


def test_the_page_says_what_was_done_here() -> None:
    page = (PROJECT / "docs" / "backups.md").read_text()
    for said in (
        "alter system set archive_mode = on",
        "recovery.signal",
        "restore_command = 'cp ",
        "recovery_target_time = '",
        "recovery_target_action = 'promote'",
        "pg_basebackup",
    ):
        assert said in page
