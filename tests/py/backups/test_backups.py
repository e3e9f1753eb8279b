"""A backup holds all there is, and restores into a server that has never heard of sessionbase."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import pytest
from psycopg import sql

from harness.backups.backup import Backup, BackupRequest, back_up
from harness.backups.manifest import MANIFEST, read_manifest
from harness.backups.restore import RestoreRequest, restore
from harness.connections import Connection, Server, connect
from harness.databases import create_database, drop_database
from harness.embedded.binaries import find_program
from harness.embedded.guardian import temporary_postgres
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.importer import import_folder
from harness.legacy.results import ImportRequest
from harness.migrations.runner import Migrator
from harness.review.catalog import read_catalog
from harness.review.compare import compare
from harness.review.intent import load_intent
from harness.settings import EXAMPLES, Settings
from harness.testing.servers import Databases

NEVER_SHOWN = "a line nobody should see in an error"
DEFAULT = "00000000-0000-4000-8000-000000000001"
_ROLES = """
    select rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication,
        rolbypassrls, shobj_description(oid, 'pg_authid')
    from pg_roles where rolname !~ '^pg_' order by rolname
"""
_MEMBERS = """
    select roleid::regrole::text, member::regrole::text, admin_option from pg_auth_members
    where roleid::regrole::text !~ '^pg_' order by 1, 2
"""
_RIGHTS = """
    select grantee::regrole::text, privilege_type from pg_database, aclexplode(datacl)
    where datname = current_database() order by 1, 2
"""


def silent(_: str) -> None:
    """Take no note."""


@pytest.fixture(scope="module")
def source(databases: Databases, settings: Settings) -> Iterator[Server]:
    """Give a database with an imported viewer in it, and the rights that migrations give on it."""
    with databases.empty() as made:
        Migrator(settings).apply(made)
        import_folder(made, ImportRequest(EXAMPLES), lambda *_: None)
        yield made


@pytest.fixture(scope="module")
def backup(source: Server, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Backup:
    folder = tmp_path_factory.mktemp("backups") / "one"
    return back_up(source, settings, BackupRequest(folder), silent)


@pytest.fixture(scope="module")
def other(settings: Settings) -> Iterator[Server]:
    """Give another server, new and empty."""
    with temporary_postgres(settings) as server:
        yield server


@pytest.fixture
def target(other: Server) -> Iterator[Server]:
    """Give an empty database of the other server."""
    made = create_database(other, "restored", "template0", "test")
    yield made
    drop_database(other, "restored", "test")


def rows(server: Server, query: LiteralString) -> list[tuple[object, ...]]:
    with connect(server, "test") as connection:
        return connection.execute(query).fetchall()


def schema(server: Server, settings: Settings) -> list[str]:
    """Return all definitions, as pg_dump writes them, without the marks that differ each time.

    And without parentheses: Postgres itself leaves some out when it reads what it wrote.
    """
    command = [str(find_program(settings, "pg_dump")), "--schema-only"]
    printed = subprocess.run(
        command, check=True, capture_output=True, text=True, env=server.environment()
    ).stdout
    plain = printed.translate(str.maketrans("", "", "()"))
    return [line for line in plain.splitlines() if not line.startswith(("\\restrict", "\\unres"))]


@pytest.mark.parametrize("jobs", [1, 2])
def test_it_restores_into_a_server_that_is_new(
    source: Server, backup: Backup, target: Server, settings: Settings, jobs: int
) -> None:
    done = restore(target, settings, RestoreRequest(backup.folder, jobs), silent)
    assert done.manifest.rows == backup.manifest.rows > 29
    assert schema(target, settings) == schema(source, settings)
    assert rows(target, _RIGHTS) == rows(source, _RIGHTS)
    for query in (_ROLES, _MEMBERS):
        ours = {row for row in rows(source, query) if not is_of_others(row)}
        assert ours == set(rows(target, query)) - {
            row for row in rows(target, query) if is_of_others(row)
        }
    assert rows(target, "select * from sync.check()") == []
    with connect(target, "test") as connection:
        assert compare(read_catalog(connection), load_intent()) == ()


def is_of_others(row: tuple[object, ...]) -> bool:
    """Whether a role is none of sessionbase's: the superuser's, or one that a test made."""
    ours = set(load_intent().roles)
    return str(row[0]) not in ours


def test_policies_hold_in_what_was_restored(
    backup: Backup, target: Server, settings: Settings
) -> None:
    restore(target, settings, RestoreRequest(backup.folder), silent)
    with connect(target, "test") as connection:
        connection.execute(
            "insert into app.accounts (id, name) values (gen_random_uuid(), 'other')"
        )
        ((other,),) = connection.execute(
            "select id::text from app.accounts where name = 'other'"
        ).fetchall()
        assert seen_by(connection, DEFAULT) == 18
        assert seen_by(connection, other) == 0


def seen_by(connection: Connection, account: str) -> int:
    with connection.transaction():
        connection.execute("set local role app_user")
        connection.execute(
            "select set_config('request.jwt.claims', %s, true)", [json.dumps({"sub": account})]
        )
        ((count,),) = connection.execute("select count(*) from app.chat_messages").fetchall()
    return int(count)


def changed_at(server: Server) -> list[tuple[object, ...]]:
    with connect(server, "test") as connection:
        return connection.execute("select updated_at from app.sessions order by id").fetchall()


def test_it_is_of_one_moment(
    source: Server, settings: Settings, target: Server, tmp_path: Path
) -> None:
    """What is written while it is made is not in it, in neither the dump nor the sums."""
    before = changed_at(source)
    steps: list[str] = []

    def write(step: str) -> None:
        steps.append(step)
        with connect(source, "test") as connection:
            connection.execute("update app.sessions set updated_at = updated_at + interval '1 s'")

    made = back_up(source, settings, BackupRequest(tmp_path / "two"), write)
    assert len(steps) > 1
    restore(target, settings, RestoreRequest(made.folder), silent)
    assert changed_at(target) == before != changed_at(source)


@pytest.mark.parametrize(
    "damage", ["changed", "missing", "further", "no manifest", "half a manifest"]
)
def test_a_damaged_one_is_refused_before_anything_is_done(
    source: Server, settings: Settings, target: Server, tmp_path: Path, damage: str
) -> None:
    folder = back_up(source, settings, BackupRequest(tmp_path / "one"), silent).folder
    largest = max((folder / "dump").iterdir(), key=lambda path: path.stat().st_size)
    if damage == "changed":
        content = bytearray(largest.read_bytes())
        content[len(content) // 2] ^= 1
        largest.write_bytes(content)
    elif damage == "missing":
        largest.unlink()
    elif damage == "further":
        (folder / "dump" / "further.dat").write_bytes(b"")
    elif damage == "no manifest":
        (folder / MANIFEST).unlink()
    else:
        text = (folder / MANIFEST).read_bytes()
        (folder / MANIFEST).write_bytes(text[: len(text) // 2])
    with pytest.raises(SessionbaseError) as raised:
        restore(target, settings, RestoreRequest(folder), silent)
    assert raised.value.code == (
        ExitCode.NOT_THERE if damage == "no manifest" else ExitCode.DAMAGED
    )
    assert rows(target, "select from pg_namespace where nspname = 'app'") == []


def test_a_sum_that_is_not_the_tables_is_found(
    source: Server, settings: Settings, target: Server, tmp_path: Path
) -> None:
    """A manifest that says something else of a table's rows is found out at the end."""
    made = back_up(source, settings, BackupRequest(tmp_path / "one"), silent)
    manifest = json.loads((made.folder / MANIFEST).read_bytes())
    for table in manifest["facts"]["tables"]:
        if table["table"] == "app.chat_messages":
            table["digest"] = str(int(table["digest"]) + 1)
    (made.folder / MANIFEST).write_text(json.dumps(manifest))
    assert read_manifest(made.folder)
    with pytest.raises(SessionbaseError, match=r"app\.chat_messages") as raised:
        restore(target, settings, RestoreRequest(made.folder), silent)
    assert raised.value.code == ExitCode.DIFFERENT


def test_a_database_that_is_not_empty_is_refused(
    backup: Backup, settings: Settings, target: Server
) -> None:
    with connect(target, "test") as connection:
        connection.execute("create table public.theirs (id int)")
    with pytest.raises(SessionbaseError, match="not empty: it has schema public") as raised:
        restore(target, settings, RestoreRequest(backup.folder), silent)
    assert raised.value.code == ExitCode.REFUSED
    assert rows(target, "select count(*) from public.theirs") == [(0,)]


def test_a_login_that_policies_bind_is_refused(
    source: Server, settings: Settings, tmp_path: Path
) -> None:
    login = f"bound_{tmp_path.name[:20]}"
    with connect(source, "test") as connection:
        connection.execute(
            sql.SQL("create role {} login password 'p' in role sessionbase_owner").format(
                sql.Identifier(login)
            )
        )
        connection.execute(
            sql.SQL("grant connect on database {} to {}").format(
                sql.Identifier(source.database), sql.Identifier(login)
            )
        )
    bound = Server(f"{source.conninfo} user={login} password=p", embedded=True)
    try:
        with pytest.raises(SessionbaseError, match="row level security binds") as raised:
            back_up(bound, settings, BackupRequest(tmp_path / "one"), silent)
        assert raised.value.code == ExitCode.NO_PERMISSION
        assert list(tmp_path.iterdir()) == []
    finally:
        with connect(source, "test") as connection:
            connection.execute(sql.SQL("drop owned by {}").format(sql.Identifier(login)))
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(login)))


def test_a_folder_that_is_there_is_left_alone(
    source: Server, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text("as it was")
    with pytest.raises(SessionbaseError, match="there already") as raised:
        back_up(source, settings, BackupRequest(tmp_path), silent)
    assert raised.value.code == ExitCode.REFUSED
    assert (tmp_path / "kept").read_text() == "as it was"


def test_a_failed_restore_leaves_nothing_and_quotes_no_row(
    source: Server, settings: Settings, target: Server, tmp_path: Path
) -> None:
    """A row that a constraint refuses is met in the middle: a damage that no sum can show."""
    with connect(source, "test") as connection:
        connection.execute("create function public.right_one() returns int immutable return 1")
        connection.execute(
            "create table public.numbers (n int check (n = public.right_one()), said text)"
        )
        connection.execute("insert into public.numbers values (1, %s)", [NEVER_SHOWN])
        connection.execute(
            "create or replace function public.right_one() returns int immutable return 2"
        )
    try:
        made = back_up(source, settings, BackupRequest(tmp_path / "one"), silent)
        with pytest.raises(SessionbaseError) as raised:
            restore(target, settings, RestoreRequest(made.folder), silent)
        assert raised.value.code == ExitCode.BACKUP_FAILED
        assert NEVER_SHOWN not in raised.value.what + raised.value.hint
        assert "numbers" in raised.value.what
        assert rows(target, "select from pg_namespace where nspname = 'app'") == []
    finally:
        with connect(source, "test") as connection:
            connection.execute("drop table public.numbers")
            connection.execute("drop function public.right_one()")
