"""A fresh database and one that came here step by step are the same."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from harness.connections import Server, connect
from harness.embedded.binaries import find_program
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.files import discover
from harness.migrations.runner import Migrator
from harness.settings import SQL, Settings
from harness.testing.servers import Databases
from harness.uploads import read_upload

OLD_BOOKS = """
    insert into legacy.import_runs (account_id, tool_version, finished_at)
    select id, 'old', now() + interval '1 second' from app.accounts
    union all
    select id, 'old', null from app.accounts;
    insert into legacy.source_records (
        account_id, kind, record_id, fate, content_sha256, mends, run_id, ordinal, byte_offset
    )
    select account.id, 'messages', old.id, old.fate, sha256(''), old.mends, 1, old.place, old.byte
    from app.accounts as account
    cross join (
        values
        ('a', 'imported', '{}'::jsonb, 0, 1),
        ('b', 'adopted', '{"threadId": {"reason": "thread_absent"}}', 1, 50),
        ('c', 'imported', '{}', 3, 150)
    ) as old (id, fate, mends, place, byte)
"""

OLD_UPLOADS = """
    insert into app.accounts (id, name) values ('00000000-0000-4000-8000-00000000000b', 'other');
    insert into app.session_uploads (
        account_id, id, original_name, size_bytes, content_sha256, source
    )
    select id, 'upload-' || kept.size, 'log', kept.size, kept.sha256, 'upload'
    from app.accounts
    cross join (values (9, sha256('onetwoone')), (0, sha256(''))) as kept (size, sha256);
    insert into app.session_upload_contents (
        account_id, content_sha256, chunk_index, encoding, chunk
    )
    select id, sha256('onetwoone'), kept.place, 'identity', kept.chunk
    from app.accounts
    cross join (values (0, 'one'::bytea), (1, 'two'), (2, 'one')) as kept (place, chunk)
"""

# A random token, new in every dump.
RESTRICT = re.compile(r"^\\(un)?restrict .*$", re.MULTILINE)


def dump(server: Server, settings: Settings) -> str:
    """Return schema, rights, policies and the data that migrations bring, as SQL."""
    data = [f"--table={name}" for name in ("app.accounts", "legacy.reasons", "sync.shapes")]
    schema = pg_dump(server, settings, "--schema-only")
    rows = pg_dump(server, settings, "--data-only", "--inserts", *data)
    # The one account is made with the time of its making.
    return RESTRICT.sub("", schema + re.sub(r"'\d{4}-\d\d-\d\d [0-9:.+]+'", "'time'", rows))


def pg_dump(server: Server, settings: Settings, *options: str) -> str:
    parts = conninfo_to_dict(server.conninfo)
    environment = {"PGDATABASE": server.database}
    for name in ("host", "port", "user", "password"):
        environment[f"PG{name.upper()}"] = str(parts[name])
    command = [str(find_program(settings, "pg_dump")), *options]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment
    ).stdout


@pytest.fixture(scope="module")
def fresh(databases: Databases, settings: Settings) -> str:
    with databases.migrated() as server:
        return dump(server, settings)


def test_step_by_step_equals_at_once(
    empty_database: Server, settings: Settings, tmp_path: Path, fresh: str
) -> None:
    for file in discover(SQL):
        target = tmp_path / file.name
        target.parent.mkdir(exist_ok=True)
        target.write_text(file.text)
        if file.kind == "versioned":
            Migrator(settings, tmp_path).apply(empty_database)
    assert "create policy" not in dump(empty_database, settings).lower()
    Migrator(settings, tmp_path).apply(empty_database)
    assert dump(empty_database, settings) == fresh


def migrate_before(number: str, server: Server, settings: Settings, folder: Path) -> None:
    """Bring a database to the state before a migration."""
    for file in discover(SQL):
        if file.kind == "versioned" and Path(file.name).name < number:
            target = folder / file.name
            target.parent.mkdir(exist_ok=True)
            target.write_text(file.text)
    Migrator(settings, folder).apply(server)


def test_what_an_older_version_imported_stays_in_the_books(
    empty_database: Server, settings: Settings, tmp_path: Path
) -> None:
    migrate_before("0008", empty_database, settings, tmp_path)
    with connect(empty_database, "test") as connection:
        connection.execute(OLD_BOOKS)
    Migrator(settings).apply(empty_database)
    with connect(empty_database, "test") as connection:
        assert connection.execute("select outcome from legacy.import_runs").fetchall() == [
            ("finished",),
            ("abandoned",),
        ]
        # The record at place 2 was quarantined, so the books have a gap there.
        assert connection.execute(
            "select ordinal, byte_offset, fate, record_id, sha256 from legacy.source_records "
            "order by ordinal"
        ).fetchall() == [
            (0, 1, "imported", "a", b""),
            (1, 50, "adopted", "b", b""),
            (3, 150, "imported", "c", b""),
        ]
        assert connection.execute(
            "select record_id, mends, raw, ordinal from legacy.kept_records"
        ).fetchall() == [("b", {"threadId": {"reason": "thread_absent"}}, None, 1)]


def test_what_an_older_version_had_of_uploads_can_be_read(
    empty_database: Server, settings: Settings, tmp_path: Path
) -> None:
    migrate_before("0011", empty_database, settings, tmp_path)
    with connect(empty_database, "test") as connection:
        connection.execute(OLD_UPLOADS)
    Migrator(settings).apply(empty_database)
    with connect(empty_database, "test") as connection:
        rows = connection.execute("select id from app.accounts").fetchall()
        assert len(rows) == 2
        for (account_id,) in rows:
            pieces = read_upload(connection, account_id, "upload-9")
            assert list(pieces) == [b"one", b"two", b"one"]
            assert list(read_upload(connection, account_id, "upload-0")) == []
        chunks = connection.execute("select from app.upload_chunks").fetchall()
        assert len(chunks) == 2 * 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "update app.session_upload_contents set encoding = 'zstd'",
            "has compressed chunks",
        ),
        (
            "delete from app.session_upload_contents where chunk_index = 2",
            "whose content is not there, or not whole",
        ),
        (
            "update app.session_upload_contents set chunk_index = 3 where chunk_index = 2",
            "whose content is not there, or not whole",
        ),
        (
            "delete from app.session_upload_contents",
            "whose content is not there, or not whole",
        ),
    ],
)
def test_what_can_not_be_taken_over_of_uploads_is_said(
    empty_database: Server, settings: Settings, tmp_path: Path, change: str, said: str
) -> None:
    migrate_before("0011", empty_database, settings, tmp_path)
    with connect(empty_database, "test") as connection:
        connection.execute(OLD_UPLOADS)
        connection.execute(change)
    with pytest.raises(SessionbaseError) as caught:
        Migrator(settings).apply(empty_database)
    assert caught.value.code == ExitCode.MIGRATION_FAILED
    assert said in caught.value.excerpt
    with connect(empty_database, "test") as connection:
        assert connection.execute("select from app.session_uploads").fetchall()


def test_applied_again_equals_applied_once(
    database: Server, settings: Settings, fresh: str
) -> None:
    Migrator(settings).apply(database, reapply=True)
    assert dump(database, settings) == fresh


def test_the_comparison_sees_one_grant_and_one_policy(
    database: Server, settings: Settings, tmp_path: Path, fresh: str
) -> None:
    assert 'CREATE POLICY "The import finds any account"' in fresh
    folder = Path(shutil.copytree(SQL, tmp_path / "sql"))
    path = folder / "policies/app.todos.sql"
    path.write_text(path.read_text() + "grant truncate on app.todos to app_user;\n")
    Migrator(settings, folder).apply(database)
    assert dump(database, settings) != fresh
