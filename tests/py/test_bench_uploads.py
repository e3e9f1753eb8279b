"""The bench of uploads measures every method on every size of chunk, and keeps nothing."""

import gzip
from pathlib import Path
from statistics import median

import pytest

from bench import uploads
from bench.paper.figures import distributions_of, ratios_of
from bench.uploads import CHOSEN, SIZES, Method, UploadsOrder, UploadsReport, find_methods, measure
from bench.uploads_report import uploads_findings
from harness.chunks import CHUNK_BYTES
from harness.connections import Server, connect
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings

LINE = b'{"type": "response_item", "payload": {"type": "message", "number": %06d}}\n'


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    (folder / "2026").mkdir()
    long = b"".join(LINE % number for number in range(8_000))
    (folder / "2026" / "rollout-a.jsonl").write_bytes(long)
    (folder / "session.json").write_bytes(LINE % 1)
    (folder / "empty.jsonl").write_bytes(b"")
    (folder / "notes.txt").write_bytes(b"not a log")
    return folder


@pytest.fixture(scope="module")
def report(server: Server, settings: Settings, logs: Path) -> UploadsReport:
    return measure(server, settings, UploadsOrder(logs, runs=2), lambda _: None)


def test_every_method_is_measured_on_every_size_in_every_run(report: UploadsReport) -> None:
    methods, _ = find_methods()
    assert {(one.method, one.chunk_bytes) for one in report.packings} == {
        (method.title, size) for method in methods for size in SIZES
    }
    assert (CHOSEN, CHUNK_BYTES) in {(one.method, one.chunk_bytes) for one in report.packings}
    for one in report.packings:
        assert [len(one.pack_rates), len(one.unpack_rates)] == [2, 2]
        assert min(one.pack_rates + one.unpack_rates) > 0
    for kept in report.keepings:
        assert [len(kept.write_rates), len(kept.read_rates)] == [2, 2]
        assert min(kept.write_rates + kept.read_rates) > 0
        assert kept.ratio > 0


def test_a_ratio_is_of_all_logs_together(report: UploadsReport, logs: Path) -> None:
    assert sorted(report.sizes) == [len(LINE % 1), 8_000 * len(LINE % 1)]
    content = (logs / "2026" / "rollout-a.jsonl").read_bytes()
    size = 1 << 20
    packed = sum(
        len(gzip.compress(content[at : at + size], 6)) for at in range(0, len(content), size)
    )
    packed += len(gzip.compress(LINE % 1, 6))
    found = next(
        one for one in report.packings if (one.method, one.chunk_bytes) == ("gzip 6", size)
    )
    assert found.ratio == pytest.approx(sum(report.sizes) / packed)
    assert len(report.file_ratios) == 2


def test_what_is_found_is_on_the_page_and_in_the_facts(report: UploadsReport) -> None:
    chosen = next(
        one for one in report.packings if (one.method, one.chunk_bytes) == (CHOSEN, CHUNK_BYTES)
    )
    page, facts = uploads_findings(report).markdown(), uploads_findings(report).facts
    rates = f"{median(chosen.pack_rates):,.0f} | {median(chosen.unpack_rates):,.0f}"
    assert f"| 1024 KiB | {CHOSEN} (chosen) | {chosen.ratio:.2f} | 1.00 | {rates} |" in page
    assert f"Goal 5 to 1: {chosen.ratio:.2f}, met." in page
    assert facts["chosen"] == {"method": CHOSEN, "chunk_bytes": CHUNK_BYTES, "ratio": chosen.ratio}
    for one in facts["packings"]:
        assert one["to_chosen"] == pytest.approx(one["ratio"] / chosen.ratio)
    assert all(f"| {one.title} | {one.ratio:.2f} |" in page for one in report.keepings)


def test_a_method_that_gives_back_something_else_is_not_measured(
    server: Server, settings: Settings, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Method("wrong", gzip.compress, lambda packed: gzip.decompress(packed)[:-1] + b"?")
    monkeypatch.setattr(uploads, "find_methods", lambda: ([wrong], []))
    with pytest.raises(SessionbaseError, match="wrong gives back something else"):
        measure(server, settings, UploadsOrder(logs, runs=1), lambda _: None)


def test_nothing_is_left_behind(report: UploadsReport, server: Server) -> None:
    assert report.packings
    with connect(server, "test") as connection:
        left = "select datname from pg_database where datname like 'sessionbase\\_bench%'"
        assert connection.execute(left).fetchall() == []


def test_an_order_that_can_not_be_measured_is_refused(tmp_path: Path) -> None:
    for order, code in (
        (UploadsOrder(None, runs=1), ExitCode.REFUSED),
        (UploadsOrder(tmp_path, runs=0), ExitCode.REFUSED),
        (UploadsOrder(tmp_path, runs=1), ExitCode.NO_DATA_FOLDER),
    ):
        with pytest.raises(SessionbaseError) as caught:
            uploads.read_logs(order)
        assert caught.value.code == code


def test_the_page_of_all_benches_takes_these_facts(report: UploadsReport) -> None:
    told = uploads_findings(report).facts
    assert all(ratio.runs for ratio in ratios_of("uploads", told))
    assert ratios_of("uploads", told)
    assert [len(one.samples) for one in distributions_of("uploads", told)] == []
