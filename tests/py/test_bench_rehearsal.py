"""The bench of the rehearsal kills real cutovers, and says what came of it in plain data."""

import json
from typing import Any

import pytest
from pydantic import SecretStr

from bench import rehearsal
from bench.contents import Contents, read_contents
from bench.rehearsal import RehearsalOrder, Rehearsed, bench_rehearsal
from bench.rehearsal_report import rehearsal_findings
from harness.connections import Connection, Server
from harness.cutover.request import STEPS
from harness.errors import SessionbaseError
from harness.settings import Settings

ORDER = RehearsalOrder(messages=200, kills=2)


@pytest.fixture(scope="module")
def place(server: Server, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return settings of a bench on the server of the tests, beside whatever else runs."""
    url = SecretStr(server.conninfo)
    return settings.model_copy(
        update={"database_url": url, "home": tmp_path_factory.mktemp("home")}
    )


@pytest.fixture(scope="module")
def report(place: Settings) -> Rehearsed:
    return bench_rehearsal(place, ORDER, lambda _: None)


def test_it_kills_as_often_as_it_was_told(report: Rehearsed) -> None:
    assert report.killed.total() == 2
    assert set(report.killed) <= set(STEPS)
    assert report.contents["app.chat_messages"][0] == 200


def test_the_facts_are_json_and_have_what_the_page_has(report: Rehearsed) -> None:
    findings = rehearsal_findings(report)
    facts: dict[str, Any] = json.loads(json.dumps(findings.facts))
    assert facts["messages"] == 200
    assert sum(facts["killed"].values()) == 2
    assert facts["rows"]["app.chat_messages"] == 200
    rows = sum(facts["rows"].values())
    page = findings.markdown()
    assert f"Killed 2 times with seed 1, in {report.rounds} database" in page
    assert f"no difference in {rows:,} rows" in page
    for step in STEPS:
        assert f"| {step} | {facts['seconds'][step]:,.1f} |" in page


def test_a_row_that_differs_after_the_kills_is_a_difference(
    place: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two readings of the database, the second finds a message more."""
    seen: list[Contents] = []

    def more_each_time(connection: Connection) -> Contents:
        contents = read_contents(connection)
        count, total = contents["app.chat_messages"]
        seen.append(contents | {"app.chat_messages": (count + len(seen), total)})
        return seen[-1]

    monkeypatch.setattr(rehearsal, "read_contents", more_each_time)
    with pytest.raises(SessionbaseError, match=r"a difference .*: app\.chat_messages$"):
        bench_rehearsal(place, ORDER, lambda _: None)


def test_nothing_is_left_behind(report: Rehearsed, place: Settings) -> None:
    assert report.rounds
    assert not list(place.home.glob("bench/files"))
