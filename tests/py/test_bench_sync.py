"""The bench of sync measures what it says, and nothing that is lost, late or out of order."""

from collections.abc import Iterator
from statistics import median

import pytest
from pydantic import SecretStr

from bench import sync
from bench.paper.figures import distributions_of, ratios_of
from bench.report import percentile
from bench.sync import SyncOrder, SyncReport, measure
from bench.sync_clients import CLIENTS, POLLS, Hear
from bench.sync_report import sync_findings
from bench.sync_subjects import STAND_IN, Subject, open_subject, open_thread, stand_in_beside
from harness.connections import Server, connect
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings
from harness.testing.servers import Databases

ORDER = SyncOrder(rows=5, runs=2, burst=50)
DAMAGED_FROM = 10


@pytest.fixture(scope="module")
def followed(databases: Databases) -> Iterator[tuple[Server, str]]:
    """Give a database, and the address of a stand-in that follows it."""
    with databases.migrated() as database, stand_in_beside(database) as url:
        yield database, url


@pytest.fixture
def subject(followed: tuple[Server, str]) -> Iterator[Subject]:
    with open_thread(*followed, None) as made:
        yield made


@pytest.fixture(scope="module")
def report(followed: tuple[Server, str]) -> SyncReport:
    with open_thread(*followed, None) as subject:
        return measure(subject, ORDER, lambda _: None)


def test_every_client_is_measured_in_every_run(report: SyncReport) -> None:
    assert [one.client for one in report.reachings] == list(CLIENTS)
    for reaching in report.reachings:
        assert [len(run) for run in reaching.seconds] == [5, 5]
        # A message is with a client after its COMMIT was sent.
        assert min(min(run) for run in reaching.seconds) > 0
    assert [(one.client, one.transactions) for one in report.bursts] == [
        (client, transactions) for transactions in (50, 1) for client in CLIENTS
    ]
    for burst in report.bursts:
        assert len(burst.written) == len(burst.arrived) == 2
        assert min(burst.written + burst.arrived) > 0


def test_ratios_are_to_listen_in_the_same_run(report: SyncReport) -> None:
    listen, polls, _ = report.reachings
    ratios = [
        one / other
        for one, other in zip(polls.percentiles(50), listen.percentiles(50), strict=True)
    ]
    facts = sync_findings(report).facts["commit_to_client"]
    assert facts[0]["p50_to_listen"] == [1, 1]
    assert facts[1]["p50_to_listen"] == ratios
    assert f"| {median(ratios):.1f} |" in sync_findings(report).markdown()


def test_it_says_what_is_measured(report: SyncReport) -> None:
    assert report.subject == STAND_IN
    assert (
        sync_findings(report)
        .markdown()
        .startswith("Measured: the stand-in, which is a test double.")
    )
    assert sync_findings(report).facts["measured"] == STAND_IN


@pytest.mark.parametrize(("percent", "value"), [(1, 1), (50, 50), (99, 99), (100, 100)])
def test_percentiles_are_values_that_were_measured(percent: int, value: int) -> None:
    assert percentile(range(100, 0, -1), percent) == value
    assert percentile([7], percent) == 7


@pytest.mark.parametrize("what", ["lost", "out of order", "doubled"])
def test_what_is_not_whole_is_no_measurement(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setitem(CLIENTS, POLLS, _damaged(CLIENTS[POLLS], what))
    monkeypatch.setattr(sync, "_PATIENCE_S", 10)
    order = SyncOrder(rows=1, runs=1, burst=20)
    with pytest.raises(SessionbaseError, match="long polls: of 20 changes") as caught:
        measure(subject, order, lambda _: None)
    assert caught.value.code == ExitCode.FAILED


def _damaged(hear: Hear, what: str) -> Hear:
    """Damage what comes of a burst, and not the few messages that tell that a client hears."""

    def heard(subject: Subject) -> Iterator[list[int]]:
        for numbers in hear(subject):
            if len(numbers) < DAMAGED_FROM:
                yield numbers
            elif what == "lost":
                yield numbers[:-2] + numbers[-1:]
            elif what == "doubled":
                yield [*numbers[:-1], numbers[0]]
            else:
                yield [*numbers[1:], numbers[0]]

    return heard


def test_nothing_is_left_behind(followed: tuple[Server, str], report: SyncReport) -> None:
    assert report.bursts
    server, _ = followed
    with connect(server, "test") as connection:
        left = "select name from app.accounts where name like 'bench sync%'"
        assert connection.execute(left).fetchall() == []


def test_the_electric_of_electric_url_is_taken(
    followed: tuple[Server, str], settings: Settings
) -> None:
    server, url = followed
    known = _with(settings, electric_url=url, database_url=server.conninfo)
    with open_subject(known) as subject:
        assert (subject.name, subject.url) == (STAND_IN, url)
        assert subject.server.label == server.label
        seen = measure(subject, SyncOrder(rows=1, runs=1, burst=2), lambda _: None)
    assert [len(one.seconds) for one in seen.reachings] == [1, 1, 1]


def test_electric_url_without_its_database_is_refused(settings: Settings) -> None:
    known = _with(settings, electric_url="http://127.0.0.1:9")
    with pytest.raises(SessionbaseError, match="DATABASE_URL is not") as caught:
        open_subject(known).__enter__()
    assert caught.value.code == ExitCode.BAD_SETTINGS


def test_an_electric_that_does_not_answer_is_named_without_the_secret(
    database: Server, settings: Settings
) -> None:
    known = _with(
        settings,
        electric_url="http://127.0.0.1:9",
        electric_secret="of-this-test",
        database_url=database.conninfo,
    )
    with pytest.raises(SessionbaseError, match="can't reach Electric") as caught:
        open_subject(known).__enter__()
    assert caught.value.code == ExitCode.UNREACHABLE
    assert "of-this-test" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("order", [SyncOrder(rows=0, runs=1), SyncOrder(rows=1, runs=0)])
def test_an_order_that_can_not_be_measured_is_refused(order: SyncOrder) -> None:
    with pytest.raises(SessionbaseError) as caught:
        order.check()
    assert caught.value.code == ExitCode.REFUSED


def _with(settings: Settings, **urls: str) -> Settings:
    return settings.model_copy(update={name: SecretStr(url) for name, url in urls.items()})


def test_the_page_of_all_benches_takes_these_facts(report: SyncReport) -> None:
    told = sync_findings(report).facts
    assert all(ratio.runs for ratio in ratios_of("sync", told))
    assert ratios_of("sync", told)
    assert [len(one.samples) for one in distributions_of("sync", told)] == [len(CLIENTS)]
