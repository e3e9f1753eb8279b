"""The soak finds nothing wrong where nothing is, and what is lost, doubled or grows."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import aiohttp
import psutil
import pytest

from bench import soak_load
from bench.soak import (
    STAND_IN,
    SoakOrder,
    SoakReport,
    judge,
    measure,
    stand_in_parts,
    written_wrong,
)
from bench.soak_load import Client, Ledger, Writer
from bench.soak_report import load_share, soak_findings
from bench.soak_samples import Log, Series, Watched
from harness.connections import Server, connect
from harness.errors import ExitCode, SessionbaseError
from harness.testing.servers import Databases

TINY = SoakOrder(minutes=5 / 60, writers=4, clients=6, sessions=3, rate=20)


@pytest.fixture(scope="module")
def soaked(databases: Databases) -> Iterator[Server]:
    with databases.migrated() as database:
        yield database


@pytest.fixture(scope="module")
def report(soaked: Server) -> SoakReport:
    with stand_in_parts(soaked, TINY) as parts:
        return measure(parts, TINY, lambda _: None)


def test_nothing_is_lost_and_all_is_measured(report: SoakReport) -> None:
    assert report.faults == []
    written = len(report.ledger.acknowledged)
    assert 50 <= written <= 110
    # Two clients a session, and each message once to each.
    assert len(report.ledger.came_s) == 2 * written
    assert len(report.ledger.write_s) == written
    # A write comes after it was sent, and most are acknowledged before they come.
    assert 0 < min(report.ledger.came_s) <= max(report.ledger.came_s) < 60
    for one in report.watched:
        assert one.root is not None
        assert len(one.mb.values) >= 10, one.name
        assert min(one.mb.values) > 1
        assert one.cpu_s > 0
    assert 0 < load_share(report) < 1
    assert [name.startswith("electric_slot_") for name in report.log.kept_mb] == [True]


def test_the_report_has_it_all(report: SoakReport) -> None:
    facts = soak_findings(report).facts
    assert facts["well"] is True
    assert facts["written"] == len(report.ledger.acknowledged)
    assert facts["write_to_client_s"]["p50"] in report.ledger.came_s
    page = soak_findings(report).markdown()
    assert f"Measured: {STAND_IN}. 4 writers and 6 clients of 3 sessions for " in page
    assert "Nothing was lost or doubled, and nothing grew." in page
    assert (
        "WRONG: it fell over" in soak_findings(replace(report, faults=["it fell over"])).markdown()
    )


def test_nothing_is_left_behind(report: SoakReport, soaked: Server) -> None:
    assert report.is_well
    with connect(soaked, "test") as connection:
        left = "select name from app.accounts where name like 'bench soak%'"
        assert connection.execute(left).fetchall() == []


def test_what_the_database_loses_and_what_a_client_loses_is_found(
    soaked: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One write is acknowledged and gone when all is compared; one client drops an answer's rows.

    Of two sessions, so that neither hides the other.
    """
    order = replace(TINY, minutes=2 / 60, writers=1, clients=2, sessions=2, rate=10)
    gone: list[str] = []
    dropped: list[str] = []
    write, take = Writer.until_done, Client.take

    async def written(self: Writer, body: dict[str, str]) -> dict[str, Any]:
        row = await write(self, body)
        if not gone:
            gone.append(body["client_message_id"])
            with connect(soaked, "test") as connection:
                connection.execute("delete from app.chat_messages where id = %s", [row["id"]])
        return row

    def taken(self: Client, messages: list[dict[str, Any]], answer: aiohttp.ClientResponse) -> None:
        names = {one.get("value", {}).get("client_message_id") for one in messages}
        if "soak-0-5" in names:
            dropped.append(self.session_id)
            messages = [one for one in messages if "value" not in one]
        take(self, messages, answer)

    monkeypatch.setattr(Writer, "until_done", written)
    monkeypatch.setattr(Client, "take", taken)
    monkeypatch.setattr(soak_load, "_ONCE_MORE", 0)
    monkeypatch.setattr("bench.soak._SETTLE_S", 3)
    with stand_in_parts(soaked, order) as parts:
        found = measure(parts, order, lambda _: None)
    assert f"1 messages were lost: {gone[0]}" in found.faults
    assert f"1 clients have not the database's rows: of {dropped[0]}" in found.faults
    assert not found.is_well


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("a", "1"), ("b", "2")], []),
        ([("a", "1")], ["1 messages were lost: b"]),
        ([("a", "1"), ("b", "3")], ["1 messages were lost: b"]),
        ([("a", "1"), ("b", "2"), ("b", "3")], ["1 messages were doubled: b"]),
        ([("a", "1"), ("b", "2"), (None, "3")], ["1 messages were written by nobody: None"]),
    ],
)
def test_what_is_lost_or_doubled_is_said(
    rows: list[tuple[str | None, str]], said: list[str]
) -> None:
    ledger = Ledger(sent={"a": 0, "b": 0, "c": 0}, acknowledged={"a": "1", "b": "2"})
    assert written_wrong(ledger, rows) == said


def series(*values: float) -> Series:
    return Series([float(second) for second in range(len(values))], list(values))


@pytest.mark.parametrize(
    ("values", "is_flat"),
    [
        ([100.0] * 50, True),
        # What fills once is full by the middle.
        ([50.0] * 20 + [100.0] * 30, True),
        # A sawtooth, as of a collector.
        ([100.0, 100.0, 100.0, 140.0, 100.0] * 10, True),
        ([100.0 + second for second in range(50)], False),
        ([100.0] * 30 + [100.0 + 2 * second for second in range(20)], False),
        # Some MB of a small process are no leak; of one so large, a tenth is.
        ([10.0 + second / 10 for second in range(50)], True),
        ([2000.0 + second for second in range(50)], True),
    ],
)
def test_memory_that_rises_is_found(values: list[float], is_flat: bool) -> None:
    assert series(*values).is_flat is is_flat


def test_the_line_is_of_the_second_half() -> None:
    assert series(*[0.0] * 30, *[float(second) for second in range(30)]).slope == pytest.approx(60)
    assert series(*[float(second) for second in range(30)], *[9.0] * 30).slope == pytest.approx(0)


def judged(report: SoakReport, **changed: Any) -> list[str]:  # noqa: ANN401
    made = replace(report, faults=[], **changed)
    judge(made)
    return made.faults


def test_what_grows_is_judged(report: SoakReport) -> None:
    me = psutil.Process()
    rising = series(*[100.0 + 2 * second for second in range(50)])
    (fault,) = judged(report, watched=[Watched("gatekeeper", me, "resident", mb=rising)])
    assert fault.startswith("gatekeeper grows: ")
    assert judged(report, watched=[Watched("it", me, "resident", "why not", mb=rising)]) == []
    short = Watched("it", me, "resident", mb=series(1, 2, 3))
    assert judged(report, watched=[short]) == ["it: 3 samples say nothing of memory"]

    kept = Log(mb=series(1), kept_mb={"a": series(900, 1), "b": series(900, 33)})
    assert judged(report, log=kept) == ["a slot keeps 33 MB of log when all is still"]
    assert judged(report, log=Log(mb=series(1))) == ["no slot was there: nothing was synced"]
    assert judged(report, ledger=Ledger()) == ["nothing was written, or nothing came"]


@pytest.mark.parametrize(
    "wrong", [{"minutes": 0}, {"rate": 0}, {"writers": 0}, {"clients": 5, "sessions": 6}]
)
def test_an_order_that_can_not_be_run_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SessionbaseError) as caught:
        replace(TINY, **wrong).check()
    assert caught.value.code == ExitCode.REFUSED
