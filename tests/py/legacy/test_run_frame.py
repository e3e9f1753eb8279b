"""What the import functions refuse to whoever may execute them."""

from collections.abc import Callable, Iterator
from functools import partial

import psycopg
import pytest

from harness.connections import Connection, Server, connect
from tests.py.legacy.builders import DEFAULT_ACCOUNT, message, sha256, spelled

KINDS = ("threads", "messages", "tool_events")
BEGIN = "select run_id, attempt from legacy.begin_import(%s, 'test', p_resumed_run_id => %s)"
REGISTER = "select legacy.register_file(%s, %s, %s, 'file.json', null, null, %s)"
PLACE = "'messages', 0, 0, 1, 100, ''"
STEPS = {
    "register_file": "select legacy.register_file(%s, %s, 'threads', 'file.json', null, null, 0)",
    "import_batch": f"select legacy.import_batch(%s, %s, {PLACE})",
    "stage_batch": f"select legacy.stage_batch(%s, %s, {PLACE})",
    "begin_build": "select legacy.begin_build(%s, %s)",
    "load_batch": "select legacy.load_batch(%s, %s, 'messages', 0)",
    "end_build": "select legacy.end_build(%s, %s)",
    "give_up_build": "select legacy.give_up_build(%s, %s)",
    "finish_import": "select legacy.finish_import(%s, %s)",
}
"""Every function that takes part in a run, by name: called with a run and an attempt."""


@pytest.fixture
def importer(database: Server) -> Iterator[Connection]:
    """Return a connection that acts as importer."""
    with connect(database, "test") as opened:
        opened.execute("set role importer")
        opened.execute("select legacy.open_staging()")
        yield opened


@pytest.fixture
def other(database: Server) -> Iterator[Connection]:
    """Return another one."""
    with connect(database, "other") as opened:
        opened.execute("set role importer")
        yield opened


def begin(importer: Connection, resumed: int | None = None) -> tuple[int, int]:
    """Begin or resume a run; return it and its attempt."""
    [(run, attempt)] = importer.execute(BEGIN, [DEFAULT_ACCOUNT, resumed]).fetchall()
    return int(run), int(attempt)


def finish(importer: Connection, run: int, attempt: int, read: int = 0) -> None:
    """End a run that read so many messages."""
    for kind in KINDS:
        importer.execute(REGISTER, [run, attempt, kind, read if kind == "messages" else 0])
    importer.execute("select legacy.finish_import(%s, %s)", [run, attempt])


def stage(connection: Connection, table: str, run: int, ordinal: int, raw: bytes) -> None:
    """Put a message into a staging table."""
    connection.execute(
        f"insert into {table} (run_id, kind, ordinal, byte_offset, raw, sha256) "
        "values (%s, 'messages', %s, 0, %s, %s)".encode(),
        [run, ordinal, raw, sha256(raw)],
    )


def refusal(action: Callable[[], object]) -> str | None:
    with pytest.raises(psycopg.Error) as caught:
        action()
    return caught.value.sqlstate


def test_every_step_is_tried_here(connection: Connection) -> None:
    steps = connection.execute(
        "select proname from pg_proc where pronamespace = 'legacy'::regnamespace and prosecdef "
        "and proargnames[:2] = '{p_run_id,p_attempt}'"
    ).fetchall()
    assert {name for (name,) in steps} == set(STEPS)


@pytest.mark.parametrize("name", STEPS)
def test_a_run_that_is_not_under_way_takes_nothing(importer: Connection, name: str) -> None:
    assert refusal(lambda: importer.execute(STEPS[name], [4711, 1])) == "SB004"
    run, attempt = begin(importer)
    assert refusal(lambda: importer.execute(STEPS[name], [run, attempt + 1])) == "SB004"
    finish(importer, run, attempt)
    assert refusal(lambda: importer.execute(STEPS[name], [run, attempt])) == "SB004"


@pytest.mark.parametrize("name", STEPS)
def test_a_run_of_another_login_takes_nothing(
    importer: Connection, connection: Connection, name: str
) -> None:
    run = begin(importer)
    connection.execute("update legacy.import_runs set imported_by = 'another'")
    assert refusal(lambda: importer.execute(STEPS[name], run)) == "SB004"


@pytest.mark.parametrize("name", STEPS)
def test_an_attempt_that_was_taken_over_does_nothing_more(
    importer: Connection, connection: Connection, name: str
) -> None:
    run, first = begin(importer)
    assert begin(importer, run) == (run, first + 1)
    assert refusal(lambda: importer.execute(STEPS[name], [run, first])) == "SB004"
    assert connection.execute("select attempt, outcome from legacy.import_runs").fetchall() == [
        (first + 1, "running")
    ]
    finish(importer, run, first + 1)


@pytest.mark.parametrize("name", STEPS)
def test_an_abandoned_run_takes_nothing(
    importer: Connection, connection: Connection, name: str
) -> None:
    run, attempt = begin(importer)
    newer, _ = begin(importer)
    assert newer != run
    assert refusal(lambda: importer.execute(STEPS[name], [run, attempt])) == "SB004"
    assert connection.execute(
        "select id, outcome from legacy.import_runs order by id"
    ).fetchall() == [(run, "abandoned"), (newer, "running")]


def test_a_run_is_not_taken_over_while_a_step_of_it_is_under_way(
    importer: Connection, other: Connection
) -> None:
    run, attempt = begin(importer)
    with importer.transaction():
        importer.execute(STEPS["register_file"], [run, attempt])
        other.execute("set lock_timeout = '100ms'")
        # What is left of a backend holds no lock of the account, only what its step has.
        importer.execute("select pg_advisory_unlock_all()")
        assert refusal(lambda: begin(other, run)) == "55P03"
    assert begin(other, run) == (run, attempt + 1)
    assert refusal(lambda: importer.execute(STEPS["register_file"], [run, attempt])) == "SB004"


def test_two_connections_do_not_have_one_account(importer: Connection, other: Connection) -> None:
    run, attempt = begin(importer)
    assert refusal(lambda: begin(other)) == "SB002"
    assert refusal(lambda: begin(other, run)) == "SB002"
    assert (
        refusal(lambda: other.execute("select legacy.interrupted_run(%s)", [DEFAULT_ACCOUNT]))
        == "SB002"
    )
    finish(importer, run, attempt)


def test_a_run_does_not_end_with_a_file_unregistered(
    importer: Connection, connection: Connection
) -> None:
    run, attempt = begin(importer)
    importer.execute(REGISTER, [run, attempt, "threads", 0])
    stage(importer, "legacy.staged_records", run, 0, b"broken")
    assert refusal(lambda: importer.execute(STEPS["finish_import"], [run, attempt])) == "SB003"
    assert connection.execute("select count(*) from legacy.staged_records").fetchone() == (1,)


def test_a_run_does_not_end_with_a_batch_that_is_staged_only(
    importer: Connection, connection: Connection
) -> None:
    run, attempt = begin(importer)
    stage(importer, "legacy.staged_records", run, 0, spelled(message()))
    importer.execute(STEPS["stage_batch"], [run, attempt])
    assert refusal(lambda: finish(importer, run, attempt, read=1)) == "SB003"
    assert connection.execute("select outcome from legacy.import_runs").fetchone() == ("running",)


@pytest.mark.parametrize("name", ["import_batch", "stage_batch"])
def test_a_batch_is_as_large_as_was_said(
    importer: Connection, connection: Connection, name: str
) -> None:
    run, attempt = begin(importer)
    assert refusal(lambda: importer.execute(STEPS[name], [run, attempt])) == "SB003"
    table = {"import_batch": "pg_temp", "stage_batch": "legacy"}[name] + ".staged_records"
    with importer.transaction():
        # Another place of the file than the batch's.
        stage(importer, table, run, 1, spelled(message()))
        assert refusal_in_savepoint(importer, STEPS[name], run, attempt) == "SB003"
        stage(importer, table, run, 0, spelled(message()))
        importer.execute(STEPS[name], [run, attempt])
    assert connection.execute("select count(*) from legacy.import_batches").fetchone() == (1,)


def refusal_in_savepoint(importer: Connection, call: str, run: int, attempt: int) -> str | None:
    def in_savepoint() -> None:
        with importer.transaction():
            importer.execute(call.encode(), [run, attempt])

    return refusal(in_savepoint)


def test_a_batch_comes_in_once(importer: Connection, connection: Connection) -> None:
    run, attempt = begin(importer)

    def bring() -> None:
        with importer.transaction():
            stage(importer, "pg_temp.staged_records", run, 0, spelled(message()))
            importer.execute(STEPS["import_batch"], [run, attempt])

    bring()
    assert refusal(bring) == "23505"
    assert connection.execute("select count(*) from app.chat_messages").fetchone() == (1,)
    finish(importer, run, attempt, read=1)


def test_rows_staged_for_a_run_to_come_do_not_stand_in_its_way(importer: Connection) -> None:
    for run in range(1, 51):
        stage(importer, "legacy.staged_records", run, 0, b"{}")
    finish(importer, *begin(importer))


def test_a_disabled_account_takes_no_import(importer: Connection, connection: Connection) -> None:
    connection.execute("update app.accounts set status = 'disabled'")
    assert refusal(lambda: begin(importer)) == "SB001"


# The staging table of a connection: whoever owned it could have code run as import_definer.


BEFOREHAND = {
    "a table": "create temporary table staged_records (run_id bigint, kind text, ordinal bigint, "
    "byte_offset bigint, raw bytea, sha256 bytea, fault text)",
    "a view": "create temporary view staged_records as select 1::bigint as run_id, 'messages' as "
    "kind, 0::bigint as ordinal, 0::bigint as byte_offset, pg_temp.tell()::bytea as raw, "
    "''::bytea as sha256, null::text as fault",
    "a table with a rule": "create temporary table staged_records "
    "(run_id bigint, kind text, ordinal bigint, byte_offset bigint, raw bytea, sha256 bytea, "
    "fault text); create rule tell as on insert to pg_temp.staged_records "
    "do also select pg_temp.tell()",
    "a table with a default": "create temporary table staged_records "
    "(run_id bigint default length(pg_temp.tell()), kind text, ordinal bigint, byte_offset bigint, "
    "raw bytea, sha256 bytea, fault text)",
    "a sequence": "create temporary sequence staged_records",
    "a type": "create type pg_temp.staged_records as (run_id bigint)",
}
"""What a login can make in its own temporary schema under the name of the staging table."""

TELL = (
    "create function pg_temp.tell() returns text language plpgsql as "
    "$$ begin insert into public.told values (current_user); return ''; end $$; "
    "grant execute on function pg_temp.tell() to public"
)
TOLD = (
    "create table public.told (name text); grant insert on public.told to public; "
    "grant usage on schema public to public; grant temporary on database {} to importer"
)


@pytest.fixture
def trap(database: Server) -> Iterator[Connection]:
    """Return a connection that acts as importer, with a function that tells who calls it."""
    with connect(database, "trap") as opened:
        opened.execute(TOLD.format(database.database).encode())
        opened.execute("set role importer")
        opened.execute(TELL)
        yield opened


@pytest.mark.parametrize("thing", BEFOREHAND)
def test_what_a_login_made_beforehand_is_refused(
    trap: Connection, connection: Connection, thing: str
) -> None:
    run, attempt = begin(trap)
    trap.execute(BEFOREHAND[thing].encode())
    assert refusal(lambda: trap.execute("select legacy.open_staging()")) == "SB004"
    for step in ("import_batch", "load_batch"):
        assert refusal(partial(trap.execute, STEPS[step], [run, attempt])) == "SB004"
    assert connection.execute("select name from public.told").fetchall() == []


@pytest.mark.parametrize("thing", BEFOREHAND)
def test_what_a_login_put_in_its_place_is_refused(
    trap: Connection, connection: Connection, thing: str
) -> None:
    run, attempt = begin(trap)
    trap.execute("select legacy.open_staging()")
    trap.execute("discard temp")
    trap.execute(TELL)
    trap.execute(BEFOREHAND[thing].encode())
    for step in ("import_batch", "load_batch"):
        assert refusal(partial(trap.execute, STEPS[step], [run, attempt])) == "SB004"
    assert connection.execute("select name from public.told").fetchall() == []


@pytest.mark.parametrize(
    "query",
    [
        "select * from pg_temp.staged_records",
        "select run_id from pg_temp.staged_records",
        "copy pg_temp.staged_records to stdout",
        "update pg_temp.staged_records set raw = ''",
        "delete from pg_temp.staged_records",
        "truncate pg_temp.staged_records",
        "drop table pg_temp.staged_records",
        "alter table pg_temp.staged_records add check (raw is null)",
        "create policy p on pg_temp.staged_records using (true)",
        "create rule r as on insert to pg_temp.staged_records do also select 1",
        "insert into pg_temp.staged_records default values returning raw",
    ],
)
def test_importer_can_only_put_records_into_the_staging_table(
    importer: Connection, query: str
) -> None:
    with importer.transaction():
        stage(importer, "pg_temp.staged_records", 1, 0, b"{}")

        def in_savepoint() -> None:
            with importer.transaction():
                importer.execute(query.encode())

        assert refusal(in_savepoint) == "42501"
