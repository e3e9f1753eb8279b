"""The bench of row security measures reads that see the same rows with and without it."""

from statistics import median

import pytest

from bench.paper.figures import distributions_of, ratios_of
from bench.row_security import GOALS, READS, RlsOrder, RlsReport, measure
from bench.row_security_report import rls_findings
from harness.connections import Server, connect
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings

ORDER = RlsOrder(rows=6000, accounts=6, runs=2, reads=20)


@pytest.fixture(scope="module")
def report(server: Server, settings: Settings) -> RlsReport:
    return measure(server, settings, ORDER, lambda _: None)


def test_every_read_is_measured_as_owner_and_as_member_in_every_run(report: RlsReport) -> None:
    assert {(one.title, one.principal) for one in report.readings} == {
        (title, whom) for title in READS for whom in GOALS
    }
    for one in report.readings:
        assert [len(one.off), len(one.on), len(one.again)] == [2, 2, 2]
        assert min(one.off + one.on + one.again) > 0


def test_a_ratio_is_against_both_measurements_around_it(report: RlsReport) -> None:
    one = report.readings[0]
    first = one.on[0] / ((one.off[0] + one.again[0]) / 2)
    assert one.ratios[0] == pytest.approx(first)
    facts = rls_findings(report).facts["readings"][0]
    assert facts["ratio"]["median"] == median(one.ratios)
    page = rls_findings(report).markdown()
    assert f"| newest 50 | owner | {median(one.off):.0f} |" in page
    verdict = "met" if median(one.ratios) <= GOALS["owner"] else "not met"
    assert f"| 1.10 | {verdict} |" in page


def test_a_read_that_row_security_empties_is_not_measured(
    server: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(READS, "newest 50", READS["newest 50"].replace("'{0}'", "'{0}' and false"))
    with pytest.raises(SessionbaseError, match="0 rows with row security") as caught:
        measure(server, settings, ORDER, lambda _: None)
    assert caught.value.code == ExitCode.FAILED


def test_nothing_is_left_behind(report: RlsReport, server: Server) -> None:
    assert report.readings
    with connect(server, "test") as connection:
        left = "select datname from pg_database where datname like 'sessionbase\\_bench%'"
        assert connection.execute(left).fetchall() == []


@pytest.mark.parametrize(
    "order",
    [
        RlsOrder(rows=599, accounts=6, runs=1, reads=1),
        RlsOrder(rows=6000, accounts=5, runs=1, reads=1),
        RlsOrder(rows=6000, accounts=6, runs=0, reads=1),
        RlsOrder(rows=6000, accounts=6, runs=1, reads=0),
    ],
)
def test_an_order_that_can_not_be_measured_is_refused(order: RlsOrder) -> None:
    with pytest.raises(SessionbaseError) as caught:
        order.check()
    assert caught.value.code == ExitCode.REFUSED


def test_the_page_of_all_benches_takes_these_facts(report: RlsReport) -> None:
    told = rls_findings(report).facts
    assert all(ratio.runs for ratio in ratios_of("rls", told))
    assert ratios_of("rls", told)
    assert [len(one.samples) for one in distributions_of("rls", told)] == []
