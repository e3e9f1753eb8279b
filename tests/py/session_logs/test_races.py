"""Two that read the same log at once: one waits or is refused, and nothing is doubled."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.acting import acting_as
from harness.connections import Connection, Server, connect
from harness.errors import ExitCode, SessionbaseError
from harness.session_logs.reading import Batch
from harness.session_logs.results import IngestResult
from harness.session_logs.steps import Books, Known
from tests.py.session_logs.builders import LOG_ID, Account, lines_of, meta, rollout, said
from tests.py.waiting import wait_until

SESSION = f"session-{LOG_ID}"
PATIENCE_S = 30


@contextmanager
def held_after_its_first_batch(
    account: Account, log: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[threading.Event, list[IngestResult]]]:
    """Read a log in a thread, which stops behind its first batch until it is told to go on."""
    began, go_on, results = threading.Event(), threading.Event(), list[IngestResult]()
    add = Books.add

    def stop(books: Books, known: Known, batch: Batch) -> Known:
        if threading.current_thread().name.startswith("first") and known.event_count:
            began.set()
            assert go_on.wait(PATIENCE_S)
        return add(books, known, batch)

    monkeypatch.setattr(Books, "add", stop)
    with ThreadPoolExecutor(1, "first") as pool:
        future = pool.submit(account.ingest, log)
        try:
            assert began.wait(PATIENCE_S)
            yield go_on, results
        finally:
            go_on.set()
            results.append(future.result(PATIENCE_S))


def test_the_second_is_refused_after_a_while(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(lines_of(rollout(9)))
    with held_after_its_first_batch(account, log, monkeypatch) as (_, first):
        (second,) = account.ingest(log, wait_s=0).logs
        assert (second.status, second.note) == ("refused", "another run is reading this log")
    assert [each.status for each in first[0].logs] == ["new"]
    assert len(account.timeline(SESSION)) == 10
    assert account.ingest(log).logs[0].status == "unchanged"


def test_the_second_waits(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(lines_of(rollout(9)))
    with (
        ThreadPoolExecutor(1, "second") as pool,
        held_after_its_first_batch(account, log, monkeypatch) as (go_on, _),
    ):
        second = pool.submit(account.ingest, log, wait_s=PATIENCE_S)
        # It has asked for the lock: nothing else is asked in a transaction of its own.
        wait_until(lambda: "pg_try_advisory_lock" in _last_statements(account.connection))
        assert not second.done()
        go_on.set()
        assert [each.status for each in second.result(PATIENCE_S).logs] == ["unchanged"]
    assert len(account.timeline(SESSION)) == 10
    assert len(account.rows("select from app.session_uploads where account_id = %s")) == 1


def _last_statements(connection: Connection) -> str:
    rows = connection.execute(
        "select query from pg_stat_activity "
        "where application_name = 'sessionbase ingest' and state = 'idle'"
    )
    return " ".join(query for (query,) in rows)


def begin(connection: Connection, path: str) -> str:
    ((session_id,),) = connection.execute(
        "select session_id from api.begin_session_log(%s, 'codex', %s)", [path, LOG_ID]
    ).fetchall()
    return str(session_id)


def waits_for_a_lock(connection: Connection, waiting: Connection) -> bool:
    rows = connection.execute(
        "select from pg_stat_activity where pid = %s and wait_event_type = 'Lock'",
        [waiting.info.backend_pid],
    )
    return bool(rows.fetchall())


@pytest.fixture
def two(shared: tuple[Server, Connection]) -> Iterator[tuple[Connection, Connection]]:
    with connect(shared[0], "test") as one, connect(shared[0], "test") as other:
        yield one, other


def test_two_begin_a_log_at_once(account: Account, two: tuple[Connection, Connection]) -> None:
    one, other = two

    def second() -> None:
        with acting_as(other, account.uuid):
            begin(other, "/b")

    with ThreadPoolExecutor(1) as pool:
        with acting_as(one, account.uuid):
            assert begin(one, "/a") == SESSION
            racing = pool.submit(second)
            wait_until(lambda: waits_for_a_lock(account.connection, other))
        with pytest.raises(SessionbaseError) as raised:
            racing.result(PATIENCE_S)
    assert raised.value.code == ExitCode.REFUSED
    # Later it sees the first, and is told another session.
    with acting_as(other, account.uuid):
        assert begin(other, "/b").startswith(f"{SESSION}-")


def test_two_add_to_a_log_at_once(account: Account, two: tuple[Connection, Connection]) -> None:
    one, other = two
    with acting_as(one, account.uuid):
        begin(one, "/a")

    def add(connection: Connection) -> None:
        lines = [line.decode() for line in lines_of([meta(), said(1, "hi")]).splitlines()]
        connection.execute(
            "select api.add_session_events(%s, %s::text[], '{1,2}', '{null,null}', "
            "2, 100, sha256('x'), 1)",
            [SESSION, lines],
        )

    def second() -> None:
        with acting_as(other, account.uuid):
            add(other)

    with ThreadPoolExecutor(1) as pool:
        with acting_as(one, account.uuid):
            add(one)
            racing = pool.submit(second)
            wait_until(lambda: waits_for_a_lock(account.connection, other))
        with pytest.raises(SessionbaseError) as raised:
            racing.result(PATIENCE_S)
    assert "was changed by somebody else" in raised.value.what
    assert len(account.timeline(SESSION)) == 2
