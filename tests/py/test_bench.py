"""The bench measures what it says it measures. How fast anything is, no test asks."""

import json
from pathlib import Path

import pytest
from psycopg import sql

from bench.imports import METHODS, Line, Measurements, Method, Order, Report, check, measure
from bench.imports_report import cells, import_findings
from bench.one import Measured
from bench.paper.figures import distributions_of, ratios_of
from bench.registry import NAMES
from bench.rows import COLUMNS, load
from bench.snapshot import ACCOUNT_ID, Plan, write_snapshot
from harness.connections import Server, connect
from harness.console import quiet_watch
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.importer import import_folder
from harness.legacy.results import ImportRequest
from harness.legacy.steps import FILES
from harness.settings import Settings
from harness.testing.servers import Databases
from tests.py.commands.conftest import run_invoke

ROWS = 500
TITLES = [method.title for method in METHODS]


@pytest.fixture(scope="module")
def report(server: Server, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Run a bench as small as it can be useful."""
    order = Order(rows=ROWS, runs=1, filled=ROWS)
    return measure(server, settings, tmp_path_factory.mktemp("bench"), order, lambda _: None)


def test_every_method_is_measured_in_every_run(report: Report) -> None:
    assert [line.method.title for line in report.main.lines] == TITLES
    assert [len(line.measured) for line in report.main.lines] == [1] * len(TITLES)
    assert [row[0] for row in cells(report.main)] == TITLES
    assert len(set(TITLES)) == len(TITLES)


def test_every_record_is_where_it_belongs(report: Report) -> None:
    found = {
        line.method.title: (one.imported, one.unchanged, one.adopted, one.quarantined)
        for line in report.main.lines
        for one in line.measured
    }
    assert found == {
        "COPY of ready rows (floor)": (500, 0, 0, 0),
        "import, 1 job": (505, 0, 0, 0),
        "import, 2 jobs": (505, 0, 0, 0),
        "insert row by row": (50, 0, 0, 0),
        "import, 1 bad record in 400": (504, 0, 0, 1),
        "import again, same file": (0, 505, 0, 0),
        "import again, 1 message more": (1, 505, 0, 0),
        "COPY of ready rows, empty (floor)": (500, 0, 0, 0),
        "import into empty tables": (505, 0, 0, 0),
        "import into empty tables, 1 bad record in 400": (504, 0, 0, 1),
    }


def test_the_page_and_the_facts_have_every_figure(report: Report) -> None:
    page = import_findings(report).markdown()
    told = json.loads(json.dumps(import_findings(report).facts))
    for line, row in zip(told["methods"], cells(report.main), strict=True):
        assert f"| {' | '.join(row)} |" in page
        assert line["method"] == row[0]
        assert line["time_per_row_to_floor"]["floor"] in TITLES
        assert (line["client_peak_mb"] is None) == ("floor" in row[0])
    for setting in ("fsync", "shared_buffers", "max_wal_size"):
        assert f"{setting} = {told['environment'][setting]}" in page


def test_a_ratio_is_against_the_floor_of_the_same_run() -> None:
    floor = Method("floor", "copy", "empty", "clean", "floor")
    slow = Method("slow", "import", "empty", "clean", "floor", goal=1.5)
    table = Measurements(
        10,
        [
            Line(floor, [Measured(1, 0, imported=10), Measured(4, 0, imported=10)]),
            Line(slow, [Measured(2, 0, imported=10), Measured(6, 0, imported=10)]),
        ],
    )
    assert table.lines[1].ratios(table.lines[0]) == [2, 1.5]
    assert cells(table)[1] == ["slow", "empty", "10", "3", "2..5", "1.75", "1.50", "not met", "0"]


def test_an_import_that_loses_a_record_gives_no_figure(tmp_path: Path) -> None:
    snapshot = write_snapshot(tmp_path / "s", Plan(400, bad_every=400))
    dirty = next(method for method in METHODS if method.snapshot == "dirty")
    check(dirty, snapshot, Measured(1, 0, imported=403, quarantined=1))
    for wrong in (Measured(1, 0, imported=403), Measured(1, 0, imported=404)):
        with pytest.raises(SessionbaseError) as caught:
            check(dirty, snapshot, wrong)
        assert caught.value.code == ExitCode.FAILED


def test_the_floor_loads_the_rows_that_the_import_makes(
    databases: Databases, tmp_path: Path
) -> None:
    snapshot = write_snapshot(tmp_path / "s", Plan(ROWS, tool_events=True))
    with databases.migrated() as by_copy, databases.migrated() as by_import:
        with connect(by_copy, "test") as connection:
            load(connection, snapshot.folder, *COLUMNS)
        request = ImportRequest(snapshot.folder, ACCOUNT_ID)
        result = import_folder(by_import, request, quiet_watch)
        assert [file.imported for file in result.files] == [5, ROWS, snapshot.tool_events]
        for table in COLUMNS:
            assert rows_of(by_copy, table) == rows_of(by_import, table) != []


def rows_of(server: Server, table: str) -> list[tuple[object, ...]]:
    """Return all that rows of a table say."""
    # When a session ended, its tool events say too, which the floor does not load.
    left_out = ["row_version", *(["updated_at"] if table == "sessions" else [])]
    query = sql.SQL("select to_jsonb(t) - %s::text[] from {} as t order by id").format(
        sql.Identifier("app", table)
    )
    with connect(server, "test") as connection:
        return connection.execute(query, [left_out]).fetchall()


def test_a_snapshot_is_what_the_viewer_writes_and_the_same_each_time(tmp_path: Path) -> None:
    plan = Plan(ROWS, tool_events=True)
    for name in ("one", "other"):
        write_snapshot(tmp_path / name, plan)
    for name in FILES.values():
        text = (tmp_path / "one" / name).read_text()
        assert text == (tmp_path / "other" / name).read_text()
        assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False)


def test_a_message_more_is_all_that_an_appended_file_has_more(tmp_path: Path) -> None:
    plain = write_snapshot(tmp_path / "plain", Plan(ROWS))
    more = write_snapshot(tmp_path / "more", Plan(ROWS, appended=1))
    before, after = (
        {name: (made.folder / name).read_text() for name in FILES.values()}
        for made in (plain, more)
    )
    assert len(json.loads(after[FILES["messages"]])) == ROWS + 1
    assert after.pop(FILES["messages"]).startswith(before.pop(FILES["messages"])[:-2])
    assert before == after


@pytest.mark.parametrize("order", [Order(99, 1, 100), Order(100, 1, 99), Order(100, 0, 100)])
def test_what_can_not_be_measured_is_refused(order: Order) -> None:
    with pytest.raises(SessionbaseError) as caught:
        order.check()
    assert caught.value.code == ExitCode.REFUSED


def test_a_bench_that_there_is_not_is_refused_with_those_there_are() -> None:
    result = run_invoke("bench", "imprt", environment={})
    assert result.returncode == ExitCode.REFUSED
    assert f"It is one of: {', '.join(NAMES)}, all." in result.stderr
    assert {"import", "rls", "soak"} < set(NAMES)


def test_the_page_of_all_benches_takes_these_facts(report: Report) -> None:
    told = import_findings(report).facts
    assert all(ratio.runs for ratio in ratios_of("import", told))
    goals = {ratio.name: ratio.goal for ratio in ratios_of("import", told) if ratio.goal}
    assert goals == {
        "import, 1 job, filled: time a row to COPY of ready rows": pytest.approx(1.11, abs=0.01),
        "import into empty tables, empty: time a row to COPY of ready rows": pytest.approx(2 / 3),
    }
    assert [len(one.samples) for one in distributions_of("import", told)] == []
