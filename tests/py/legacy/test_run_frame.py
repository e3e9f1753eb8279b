"""What the import functions refuse to whoever may execute them."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from harness.connections import Connection, Server, connect

ACCOUNT = "00000000-0000-4000-8000-000000000001"
BEGIN = f"select legacy.begin_import('{ACCOUNT}', 'test')"
REGISTER = "select legacy.register_file(%s, %s, 'file.json', null, null, 0)"
ADDING: dict[str, Callable[[Connection, int], object]] = {
    "register_file": lambda c, run: c.execute(REGISTER, [run, "threads"]),
    "import_threads": lambda c, run: c.execute("select legacy.import_threads(%s)", [run]),
    "import_messages": lambda c, run: c.execute("select legacy.import_messages(%s)", [run]),
    "import_tool_events": lambda c, run: c.execute("select legacy.import_tool_events(%s)", [run]),
    "finish_import": lambda c, run: c.execute("select legacy.finish_import(%s)", [run]),
}


@pytest.fixture
def importer(database: Server) -> Iterator[Connection]:
    """Return a connection that acts as importer."""
    with connect(database, "test") as opened:
        opened.execute("set role importer")
        yield opened


def begin(importer: Connection) -> int:
    [(run,)] = importer.execute(BEGIN).fetchall()
    return int(run)


def refusal(action: Callable[[], object]) -> str | None:
    with pytest.raises(psycopg.Error) as caught:
        action()
    return caught.value.sqlstate


@pytest.mark.parametrize("name", ADDING)
def test_a_run_that_is_not_under_way_takes_nothing(importer: Connection, name: str) -> None:
    assert refusal(lambda: ADDING[name](importer, 4711)) == "SB004"
    run = begin(importer)
    for kind in ("threads", "messages", "tool_events"):
        importer.execute(REGISTER, [run, kind])
    importer.execute("select legacy.finish_import(%s)", [run])
    assert refusal(lambda: ADDING[name](importer, run)) == "SB004"


@pytest.mark.parametrize("name", ADDING)
def test_a_run_of_another_login_takes_nothing(
    importer: Connection, connection: Connection, name: str
) -> None:
    run = begin(importer)
    connection.execute("update legacy.import_runs set imported_by = 'another'")
    assert refusal(lambda: ADDING[name](importer, run)) == "SB004"


@pytest.mark.parametrize("name", ADDING)
def test_two_transactions_do_not_work_on_one_account(
    importer: Connection, connection: Connection, name: str
) -> None:
    run = begin(importer)
    with connection.transaction():
        connection.execute(BEGIN)
        assert refusal(lambda: ADDING[name](importer, run)) == "SB002"


def test_a_run_does_not_end_with_a_file_unregistered(
    importer: Connection, connection: Connection
) -> None:
    run = begin(importer)
    importer.execute(REGISTER, [run, "threads"])
    importer.execute(
        "insert into legacy.staged_records (run_id, kind, ordinal, byte_offset, raw) "
        "values (%s, 'messages', 0, 0, 'broken')",
        [run],
    )
    assert refusal(lambda: ADDING["finish_import"](importer, run)) == "SB003"
    assert connection.execute("select count(*) from legacy.staged_records").fetchone() == (1,)


def test_rows_staged_for_a_run_to_come_do_not_stand_in_its_way(importer: Connection) -> None:
    importer.execute(
        "insert into legacy.staged_records (run_id, kind, ordinal, byte_offset, raw) "
        "select run, 'threads', 0, 0, '{}' from generate_series(1, 50) as run"
    )
    run = begin(importer)
    for kind in ("threads", "messages", "tool_events"):
        importer.execute(REGISTER, [run, kind])
    importer.execute("select legacy.finish_import(%s)", [run])


def test_a_disabled_account_takes_no_import(importer: Connection, connection: Connection) -> None:
    connection.execute("update app.accounts set status = 'disabled'")
    assert refusal(lambda: begin(importer)) == "SB001"
