"""The bench of writes measures the same row written by the function and by a bare INSERT."""

from statistics import median

import pytest

from bench import writes
from bench.paper.figures import distributions_of, ratios_of
from bench.writes import FORMS, WritesOrder, WritesReport, measure
from bench.writes_report import writes_findings
from harness.connections import Server, connect
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings

ORDER = WritesOrder(rows=1000, runs=1, seconds=1, clients=(1, 2))


@pytest.fixture(scope="module")
def report(server: Server, settings: Settings) -> WritesReport:
    return measure(server, settings, ORDER, lambda _: None)


def test_every_form_and_number_of_clients_is_measured(report: WritesReport) -> None:
    assert [(one.form, one.clients) for one in report.writings] == [
        (form, clients) for form in FORMS for clients in ORDER.clients
    ]
    for one in report.writings:
        assert [len(one.before), len(one.append), len(one.after)] == [1, 1, 1]
        assert min(one.before + one.append + one.after) > 0


def test_a_ratio_is_against_both_measurements_around_it(report: WritesReport) -> None:
    one = report.writings[0]
    assert one.ratios == [
        pytest.approx(one.append[0] / ((one.before[0] + one.after[0]) / 2)),
    ]
    assert writes_findings(report).facts["writings"][0]["ratio"]["median"] == median(one.ratios)
    page = writes_findings(report).markdown()
    verdict = "met" if median(one.ratios) >= writes.GOAL else "not met"
    assert f"| {median(one.ratios):.2f} |" in page
    assert f"| 0.80 | {verdict} |" in page


def test_the_parts_are_measured_from_nothing_to_the_whole(report: WritesReport) -> None:
    assert report.steps[0].title == "nothing: select 1"
    assert report.steps[-1].title == "api.append_message"
    assert min(report.steps[0].microseconds) < min(report.steps[-1].microseconds)


def test_a_write_that_fails_is_no_measurement(
    server: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writes, "APPEND", writes.APPEND.replace("'user'", "'nobody'"))
    with pytest.raises(SessionbaseError, match="chat_messages_role_check") as caught:
        measure(server, settings, ORDER, lambda _: None)
    assert caught.value.code == ExitCode.FAILED


def test_nothing_is_left_behind(report: WritesReport, server: Server) -> None:
    assert report.writings
    with connect(server, "test") as connection:
        left = "select datname from pg_database where datname like 'sessionbase\\_bench%'"
        assert connection.execute(left).fetchall() == []


@pytest.mark.parametrize(
    "order",
    [
        WritesOrder(rows=-1, runs=1, seconds=1),
        WritesOrder(rows=0, runs=0, seconds=1),
        WritesOrder(rows=0, runs=1, seconds=0),
    ],
)
def test_an_order_that_can_not_be_measured_is_refused(order: WritesOrder) -> None:
    with pytest.raises(SessionbaseError) as caught:
        order.check()
    assert caught.value.code == ExitCode.REFUSED


def test_the_page_of_all_benches_takes_these_facts(report: WritesReport) -> None:
    told = writes_findings(report).facts
    assert all(ratio.runs for ratio in ratios_of("writes", told))
    assert ratios_of("writes", told)
    assert [len(one.samples) for one in distributions_of("writes", told)] == []
