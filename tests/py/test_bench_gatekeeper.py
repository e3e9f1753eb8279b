"""The bench of the gatekeeper asks the same of the same upstream, through it and past it."""

import asyncio
from statistics import median

import pytest

from bench import trivial_upstream
from bench.gatekeeper import GatekeeperOrder, GatekeeperReport, measure
from bench.gatekeeper_report import gatekeeper_findings
from bench.http_load import Request, get, hold
from bench.paper.figures import distributions_of, ratios_of
from harness.connections import Server, connect
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings

ORDER = GatekeeperOrder(rows=50, runs=1, seconds=0.2, clients=3, writes=3, held=20)


@pytest.fixture(scope="module")
def report(server: Server, settings: Settings) -> GatekeeperReport:
    return measure(server, settings, ORDER, lambda _: None)


def test_both_upstreams_are_read_in_every_way(report: GatekeeperReport) -> None:
    ways = [(1, False), (1, True), (3, True)]
    assert [(one.upstream, one.clients, one.kept) for one in report.readings] == [
        (upstream, *way) for upstream in ("trivial", "stand-in") for way in ways
    ]
    for one in report.readings:
        assert [len(one.direct), len(one.through)] == [1, 1]
        assert min(one.direct + one.through) > 0
        assert one.ratios == [one.through[0] / one.direct[0]]


def test_changes_are_waited_for_on_both_sides(report: GatekeeperReport) -> None:
    assert [(one.upstream, len(one.added_ms)) for one in report.deliveries] == [
        ("trivial", 3),
        ("stand-in", 3),
    ]
    assert [one.held for one in report.holdings] == [20, 20]
    for one in report.holdings:
        assert 0 < one.half_s <= one.all_s
        assert one.memory_mb > 0


def test_what_is_said_is_what_was_measured(report: GatekeeperReport) -> None:
    one = report.readings[0]
    facts, page = gatekeeper_findings(report).facts, gatekeeper_findings(report).markdown()
    assert facts["snapshots"][0]["ratio"]["median"] == median(one.ratios)
    verdict = "met" if median(one.ratios) >= 0.8 else "not met"
    assert f"| {median(one.ratios):.2f} | " in page
    assert f"| 0.80 | {verdict} |" in page
    assert facts["held"][0]["memory_mb"] == report.holdings[0].memory_mb


def test_nothing_is_left_behind(report: GatekeeperReport, server: Server) -> None:
    assert report.readings
    with connect(server, "test") as connection:
        left = connection.execute(
            "select datname from pg_database where datname like 'sessionbase_bench_%'"
        )
        assert left.fetchall() == []


def test_an_answer_that_is_no_success_is_no_measurement() -> None:
    async def ask() -> None:
        async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as refusing:
            port = refusing.sockets[0].getsockname()[1]
            await get(Request(f"http://127.0.0.1:{port}", "/"))

    with pytest.raises(SessionbaseError, match="403") as caught:
        asyncio.run(ask())
    assert caught.value.code == ExitCode.FAILED


def test_the_trivial_upstream_holds_until_it_is_told() -> None:
    left = asyncio.Semaphore(0)

    class Upstream(trivial_upstream.Upstream):
        def connection_lost(self, error: Exception | None) -> None:
            super().connection_lost(error)
            left.release()

    async def try_it() -> None:
        held: set[trivial_upstream.Upstream] = set()
        loop = asyncio.get_running_loop()
        serving = await loop.create_server(lambda: Upstream(b"[]", held), "127.0.0.1", 0)
        async with serving:
            url = f"http://127.0.0.1:{serving.sockets[0].getsockname()[1]}"
            polls = await hold(Request(url, "/v1/shape?offset=0_0&live=true"), 5)
            await asyncio.sleep(0.2)
            assert not any(poll.answer.done() for poll in polls)
            assert len(held) == 5
            await get(Request(url, "/release", method="POST"))
            answers = await asyncio.gather(*(poll.answer for poll in polls))
            assert all("operation" in answer.text for answer in answers)
            for poll in polls:
                poll.close()
            for _ in range(6):
                await left.acquire()

    asyncio.run(asyncio.wait_for(try_it(), 10))


def test_the_page_of_all_benches_takes_these_facts(report: GatekeeperReport) -> None:
    told = gatekeeper_findings(report).facts
    assert all(ratio.runs for ratio in ratios_of("gatekeeper", told))
    assert ratios_of("gatekeeper", told)
    assert [len(one.samples) for one in distributions_of("gatekeeper", told)] == [
        len(report.deliveries)
    ]
