"""However an import is cut and whoever brings the batches in, what comes of it is the same."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.connections import Connection, Server, connect
from harness.errors import ExitCode, SessionbaseError
from harness.legacy import steps
from harness.legacy.reader import RecordFile
from harness.legacy.results import ImportResult, OnConflict
from harness.legacy.staging import StagedBatch
from harness.legacy.steps import FILES
from harness.settings import EXAMPLES
from tests.py.legacy import odd_snapshots
from tests.py.legacy.builders import (
    ABSENT,
    BUILDERS,
    DEFAULT_ACCOUNT,
    OTHER_SESSION,
    SESSION,
    Content,
    Fates,
    How,
    Record,
    Target,
    fates,
    finished,
    message,
    new_target,
    outcome,
    small_batches,
    spelled,
    thread,
    time,
    tool_event,
    wipe,
    words_of,
    write_folder,
)
from tests.py.legacy.test_import_property import Snapshot, snapshots
from tests.py.waiting import wait_until_no_import_is_connected

MARKER = "do not print me 4711"


@dataclass(frozen=True)
class Way:
    """A way to import: how, and how many records a batch has."""

    how: How
    records: int = 4000


WAYS = {
    "one by one": Way(How(), 1),
    "in twos": Way(How(), 2),
    "in threes": Way(How(), 3),
    "built": Way(How(builds=True)),
    "built in twos": Way(How(builds=True), 2),
    "side by side": Way(How(jobs=2), 1),
    "three side by side in twos": Way(How(jobs=3), 2),
}


def import_anew(own: Target, folder: Path, way: Way) -> tuple[ImportResult, dict[str, list[str]]]:
    """Empty the database, import a folder, and return what came of it."""
    wipe(own.connection)
    with pytest.MonkeyPatch.context() as patch:
        small_batches(patch, way.records)
        result = own.run(folder, **way.how)
    return result, outcome(own.connection)


def assert_all_ways_are_one(own: Target, folder: Path, ways: dict[str, Way]) -> None:
    result, whole = import_anew(own, folder, Way(How()))
    for name, way in ways.items():
        other, found = import_anew(own, folder, way)
        for part, rows in whole.items():
            assert found[part] == rows, f"{part}, {name}"
        assert (other.files, other.reasons) == (result.files, result.reasons), name
        assert (other.sessions, other.threads_made) == (result.sessions, result.threads_made)


# Every reason for a record to look at another one.


RIVALS = [
    thread(id="early", updatedAt=time(10)),
    thread(id="late", updatedAt=time(30)),
    thread(id="same", updatedAt=time(30)),
    thread(id="middle", updatedAt=time(20)),
    thread(id="general", mode="general", messageCount=7),
    thread(id="latest", updatedAt=time(40), createdAt=time(41)),
    thread(id="elsewhere", sessionId=OTHER_SESSION),
    thread(id="early", updatedAt=time(10)),
    thread(id="early", updatedAt=time(50)),
]


def twins(**fields: object) -> list[Any]:
    return [message(**fields), message(**fields), message(**fields | {"content": "other"})]


FOLDERS: dict[str, dict[str, Content]] = {
    "active threads": {"threads": RIVALS},
    "active threads, the latest first": {"threads": RIVALS[::-1]},
    "twins": {
        "threads": [thread()],
        "messages": [message(id="x"), *twins(), message(id="y"), *twins()],
        "tool_events": [tool_event(), finished(), tool_event(), finished(id="y")],
    },
    "twins but for a null, or how a time is spelled": {
        "threads": [
            thread(messageCount=4),
            thread(messageCount=4),
            thread(messageCount=4, lastMessagePreview=None),
            thread(messageCount=0),
            thread(id="b", status="archived", starred=None),
            thread(id="b", status="archived"),
        ],
        "messages": [
            message(id="a", clientMessageId=None),
            message(id="a"),
            message(id="a", clientMessageId=None),
            message(id="b"),
            message(id="b", clientMessageId=None),
            message(id="c", createdAt="2025-11-03T00:02:07.125+00:00"),
            message(id="c"),
            message(id="d", threadId=ABSENT),
            message(id="d"),
            message(id="d", threadId=ABSENT),
        ],
        "tool_events": [tool_event(error=None), tool_event(), tool_event(error=None)],
    },
    "twins of one that can't come in": {
        "messages": [message(role="tool"), message(), message(role="tool"), message()],
    },
    "client message ids": {
        "threads": [thread(), thread(id="two", status="archived"), thread(id="far", sessionId="x")],
        "messages": [
            message(id=f"chat_{n}", clientMessageId="c", threadId=thread_id)
            for n, thread_id in enumerate(
                ["thread_1", "two", ABSENT, "thread_1", "lost", "far"] * 2
            )
        ],
    },
    "missing threads": {
        "messages": [
            message(id="a", threadId="lost", createdAt=time(9), updatedAt=time(9)),
            message(id="b", threadId="lost", sessionId="other", createdAt=time(3)),
            message(id="c", threadId="lost", mode="general", createdAt=time(1)),
            message(id="d", threadId="lost", sessionId="other", createdAt=time(1)),
            message(id="e", threadId="lost", updatedAt=time(30)),
        ],
        "tool_events": [
            tool_event(id="a", threadId="lost", startedAt=time(0)),
            finished(id="b", threadId="lost", completedAt=time(90)),
            tool_event(id="c", threadId="gone", sessionId="other"),
            tool_event(id="d", threadId="gone"),
        ],
    },
    "no thread": {
        "threads": [thread(id="old", status="archived"), thread(id="g", mode="general")],
        "messages": [
            message(id=f"chat_{n}", threadId=ABSENT, mode=mode, createdAt=time(9 - n))
            for n, mode in enumerate(["session", "general", "session", "general", "session"])
        ],
    },
    "other sessions": {
        "threads": [thread(), thread(id="far", sessionId="x")],
        "messages": [
            message(id=f"chat_{n}", threadId="far", createdAt=time(20 - n), updatedAt=time(20 + n))
            for n in range(5)
        ],
        "tool_events": [tool_event(id=f"tool_{n}", threadId="far") for n in range(3)],
    },
    "no session": {
        "tool_events": [
            tool_event(id=f"tool_{n}", threadId=None, sessionId=f"s{n % 2}", startedAt=time(9 - n))
            for n in range(5)
        ],
    },
    "unreadable": {
        "threads": [thread(), b"5", b"nul", thread(id="two", status="archived")],
        "messages": [b"5", message(), b"5", message(id="b"), b'{"id": 01}', message(content="\0")],
        "tool_events": b'[{"id": "a"}, {"id"',
    },
    "plain": {
        "threads": [thread()],
        "messages": [message(id=f"chat_{n}", createdAt=time(n)) for n in range(9)],
        "tool_events": [tool_event(id=f"tool_{n}") for n in range(9)],
    },
    "not plain": {
        "threads": [thread(messageCount=1)],
        "messages": [message(id=f"chat_{n}", clientMessageId=None) for n in range(7)],
        "tool_events": [tool_event(id=f"tool_{n}", error=None) for n in range(7)],
    },
    "nothing": {"threads": b"[]", "messages": None},
}


@pytest.mark.parametrize("name", FOLDERS)
def test_where_batches_are_cut_does_not_count(own: Target, data: Path, name: str) -> None:
    assert_all_ways_are_one(own, write_folder(data, **FOLDERS[name]), WAYS)


def test_nor_for_the_example(own: Target) -> None:
    assert_all_ways_are_one(own, EXAMPLES, WAYS)


SOME = settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FEW_WAYS = {name: WAYS[name] for name in ("one by one", "in threes", "built", "side by side")}


@SOME
@given(snapshot=snapshots)
def test_nor_for_any_snapshot(own: Target, data: Path, snapshot: Snapshot) -> None:
    assert_all_ways_are_one(own, write_folder(data, **snapshot), FEW_WAYS)


@SOME
@given(snapshot=odd_snapshots.snapshots)
def test_nor_for_any_odd_snapshot(
    own: Target, data: Path, snapshot: dict[str, list[bytes]]
) -> None:
    assert_all_ways_are_one(own, write_folder(data, **snapshot), FEW_WAYS)


def assert_newer_is_one(
    own: Target, data: Path, older: Snapshot, newer: Snapshot, policy: OnConflict
) -> None:
    """Import one snapshot after another, in several ways."""
    found = []
    for jobs, records in ((1, 4000), (1, 1), (2, 1)):
        wipe(own.connection)
        with pytest.MonkeyPatch.context() as patch:
            small_batches(patch, records)
            own.run(write_folder(data, **older), jobs=jobs)
            result = own.run(write_folder(data, **newer), jobs=jobs, on_conflict=policy)
        found.append((outcome(own.connection), result.files, result.reasons))
    assert found[1] == found[0]
    assert found[2] == found[0]


POLICIES: list[OnConflict] = ["quarantine", "keep", "replace"]


@SOME
@given(older=snapshots, newer=snapshots, policy=st.sampled_from(POLICIES))
def test_nor_for_a_newer_snapshot(
    own: Target, data: Path, older: Snapshot, newer: Snapshot, policy: OnConflict
) -> None:
    assert_newer_is_one(own, data, older, newer, policy)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", FILES)
def test_nor_for_several_records_of_an_id_that_is_there(
    own: Target, data: Path, kind: str, policy: OnConflict
) -> None:
    there = BUILDERS[kind](note=0)

    def other(note: int, **fields: object) -> Record:
        return BUILDERS[kind](note=note, **fields)

    newer = [
        b"{ " + spelled(there)[1:],
        other(1, sessionId=OTHER_SESSION),
        other(1),
        other(2),
        b"{ " + spelled(other(1))[1:],
        other(2),
        other(3, sessionId=OTHER_SESSION),
    ]
    assert_newer_is_one(own, data, {kind: [there]}, {kind: newer}, policy)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("sessions", [(SESSION, OTHER_SESSION), (OTHER_SESSION, SESSION)])
def test_nor_for_a_made_thread_that_two_records_claim(
    own: Target, data: Path, sessions: tuple[str, str], policy: OnConflict
) -> None:
    """One fills it in; the other's session is another."""
    claims = [thread(id="lost", sessionId=session, messageCount=1) for session in sessions]
    older = {"messages": [message(threadId="lost")]}
    assert_newer_is_one(own, data, older, {"threads": claims}, policy)


# Keys that are dropped and built again.


KEYS = """
    select 'constraint', conrelid::regclass::text, conname, contype::text,
        pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint'),
        convalidated, coninhcount, conislocal, conkey::text
    from pg_constraint where connamespace = 'app'::regnamespace
    union all
    select 'index', indrelid::regclass::text, indexrelid::regclass::text, '',
        pg_get_indexdef(indexrelid), obj_description(indexrelid, 'pg_class'),
        indisvalid and indisready and indislive, 0, indisreplident or indisclustered, indkey::text
    from pg_index inner join pg_class on pg_class.oid = indrelid
    where relnamespace = 'app'::regnamespace
    union all
    select 'table', oid::regclass::text, relreplident::text, relowner::regrole::text,
        relacl::text, reloptions::text, relrowsecurity, relchecks, relforcerowsecurity,
        (select string_agg(attnotnull::text, ',' order by attnum) from pg_attribute
            where attrelid = pg_class.oid and attnum > 0)
    from pg_class where relnamespace = 'app'::regnamespace and relkind = 'r'
    union all
    select 'trigger', tgrelid::regclass::text, '', '', pg_get_triggerdef(oid), tgenabled::text,
        true, 0, true, ''
    from pg_trigger
    where tgrelid in (select oid from pg_class where relnamespace = 'app'::regnamespace)
        and not tgisinternal
    union all
    select 'dropped', table_name, name, kind, definition, description, true, 0, true, ''
    from ops.dropped_keys
    order by 1, 2, 3, 4, 5
"""


def keys(connection: Connection) -> list[tuple[Any, ...]]:
    """Return what the tables of app have besides rows."""
    return connection.execute(KEYS).fetchall()


BUILT = {
    "threads": [thread(), thread(id="two", status="archived")],
    "messages": [message(id=f"chat_{n}", threadId="two") for n in range(5)],
    "tool_events": [tool_event(), finished(id="tool_2", threadId=None)],
}


@pytest.fixture
def folder(data: Path) -> Path:
    return write_folder(data, **BUILT)


def spy(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the names of the steps that are done."""
    seen: list[str] = []

    def watched(name: str) -> None:
        real = getattr(steps, name)

        def step(*rest: Any, **options: Any) -> Any:  # noqa: ANN401 - passed on
            seen.append(name)
            return real(*rest, **options)

        monkeypatch.setattr(steps, name, step)

    for name in ("import_batch", "stage_batch", "begin_build", "load_batch", "end_build"):
        watched(name)
    return seen


def test_after_a_build_the_keys_are_what_they_were(
    alone: Target, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = keys(alone.connection)
    assert sum(row[0] == "index" and "chat_messages" in row[1] for row in before) >= 4
    seen = spy(monkeypatch)
    assert fates(alone.run(folder, builds=True))["messages"] == Fates(read=5, imported=5)
    assert seen == [
        *["import_batch", "stage_batch", "stage_batch", "begin_build"],
        *["load_batch", "load_batch", "end_build"],
    ]
    assert keys(alone.connection) == before
    assert alone.row("select builds from legacy.import_runs where account_id = %s") == (True,)


FALLING_BACK: dict[str, dict[str, Content]] = {
    "one id twice": {"messages": [*BUILT["messages"], message(id="chat_1", content="x")]},
    "one client message id twice": {
        "messages": [message(id=f"chat_{n}", threadId="two", clientMessageId="c") for n in "ab"]
    },
    "a judged one before one of its id": {
        "messages": [message(clientMessageId=None), message(content="plain")]
    },
    "a judged one before one of its client message id": {
        "messages": [message(id="x", clientMessageId="c", mode="x"), message(clientMessageId="c")]
    },
    "a judged tool event before one of its id": {
        "tool_events": [tool_event(error=None), tool_event()]
    },
}


@pytest.mark.parametrize("name", FALLING_BACK)
@pytest.mark.parametrize("records", [1, 4000])
def test_records_in_each_others_way_are_taken_batch_by_batch(
    alone: Target, data: Path, monkeypatch: pytest.MonkeyPatch, name: str, records: int
) -> None:
    before = keys(alone.connection)
    seen = spy(monkeypatch)
    small_batches(monkeypatch, records)
    result = alone.run(write_folder(data, **(BUILT | FALLING_BACK[name])), builds=True)
    assert "begin_build" in seen
    if records == 1:
        assert seen[-1] == "import_batch"
    assert keys(alone.connection) == before
    assert alone.row("select outcome from legacy.import_runs where account_id = %s") == (
        "finished",
    )
    assert alone.connection.execute("select count(*) from legacy.staged_records").fetchone() == (0,)
    assert fates(result) == fates(alone.another().run(data))


@pytest.mark.parametrize("step", ["begin_build", "load_batch", "end_build", "finish"])
def test_after_a_build_that_failed_the_keys_are_what_they_were(
    alone: Target, folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = keys(alone.connection)
    real = getattr(steps, step)

    def failing(*rest: Any) -> None:  # noqa: ANN401 - passed on
        real(*rest)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(steps, step, failing)
        with pytest.raises(KeyboardInterrupt):
            alone.run(folder, builds=True)
    assert keys(alone.connection) == before
    assert alone.ids("chat_messages") == (
        {f"chat_{n}" for n in range(5)} if step == "finish" else set()
    )


def test_with_a_message_of_another_account_nothing_is_dropped(
    alone: Target, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = new_target(alone.server, alone.connection)
    other.run(folder)
    seen = spy(monkeypatch)
    assert fates(alone.run(folder, builds=True))["messages"] == Fates(read=5, imported=5)
    assert set(seen) == {"import_batch"}


def test_a_message_that_came_in_the_meantime_ends_the_build(
    alone: Target, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = new_target(alone.server, alone.connection)
    seen = spy(monkeypatch)
    real = steps.begin_build

    def late(*rest: Any) -> list[tuple[str, int, int]]:  # noqa: ANN401 - passed on
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(steps, "begin_build", real)
            other.run(folder)
        return real(*rest)

    before = keys(alone.connection)
    monkeypatch.setattr(steps, "begin_build", late)
    assert fates(alone.run(folder, builds=True))["messages"] == Fates(read=5, imported=5)
    assert seen[-2:] == ["import_batch", "import_batch"]
    assert keys(alone.connection) == before
    assert other.ids("chat_messages") == alone.ids("chat_messages")


MESSAGE = (
    "insert into app.chat_messages (account_id, id, session_id, thread_id, mode, role, content) "
    "values (%s, 'x', 'session-default', %s, 'session', 'user', 'x')"
)
TOOL_EVENT = (
    "insert into app.chat_tool_events "
    "(account_id, id, session_id, thread_id, tool_name, status, started_at) "
    "values (%s, 'x', 'session-default', %s, 'x', 'pending', now())"
)
ORPHANS = {
    "a message": (MESSAGE, "chat_messages"),
    "a tool event": (TOOL_EVENT, "chat_tool_events"),
}


@pytest.mark.parametrize("name", ORPHANS)
@pytest.mark.parametrize("role", ["superuser", "import_definer"])
def test_a_foreign_key_is_checked_when_it_is_built(
    alone: Target, folder: Path, name: str, role: str
) -> None:
    """As the role of the import functions too, which policies bind."""
    alone.run(folder)
    before = keys(alone.connection)
    statement, table = ORPHANS[name]

    def build(thread_id: str) -> None:
        with alone.connection.transaction(force_rollback=True):
            if role != "superuser":
                alone.connection.execute(f"set local role {role}".encode())
            alone.connection.execute("select app.drop_chat_keys()")
            alone.connection.execute(statement.encode(), [DEFAULT_ACCOUNT, thread_id])
            alone.connection.execute("select app.restore_chat_keys()")
            alone.connection.execute("reset role")
            assert keys(alone.connection) == before

    build("thread_1")
    with pytest.raises(psycopg.errors.ForeignKeyViolation) as caught:
        build("nowhere")
    assert caught.value.diag.table_name == table
    assert keys(alone.connection) == before


@pytest.mark.parametrize("function", ["drop_chat_keys", "restore_chat_keys"])
@pytest.mark.parametrize("role", ["importer", "app_user", "app_server", "reviewer"])
def test_nobody_else_may_take_keys_off(alone: Target, function: str, role: str) -> None:
    alone.connection.execute(f"set role {role}".encode())
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        alone.connection.execute(f"select app.{function}()".encode())


# Two imports at once.


@pytest.fixture
def first(alone: Target) -> Iterator[Connection]:
    """Give a connection that has the only account, as a run under way does."""
    with connect(alone.server, "first") as opened:
        opened.execute("set role importer")
        opened.execute("select legacy.begin_import(%s, 'test')", [alone.account])
        yield opened


def test_a_second_import_into_an_account_is_refused(
    alone: Target, folder: Path, first: Connection
) -> None:
    with pytest.raises(SessionbaseError) as caught:
        alone.run(folder)
    error = caught.value
    assert error.code == ExitCode.IMPORT_RUNNING
    assert str(first.info.backend_pid) in error.what.split()
    assert "run this again" in error.hint
    assert not alone.ids("chat_messages")
    first.close()
    assert fates(alone.run(folder, wait_s=10))["messages"].imported == 5


def test_a_dry_run_does_not_pass_it_either(alone: Target, folder: Path, first: Connection) -> None:
    assert not first.closed
    with pytest.raises(SessionbaseError) as caught:
        alone.run(folder, dry_run=True)
    assert caught.value.code == ExitCode.IMPORT_RUNNING


def test_another_account_is_not_in_the_way(alone: Target, folder: Path, first: Connection) -> None:
    assert not first.closed
    other = new_target(alone.server, alone.connection)
    assert fates(other.run(folder))["messages"] == Fates(read=5, imported=5)
    assert fates(other.run(folder, jobs=2))["messages"] == Fates(read=5, unchanged=5)


def test_who_waits_gets_its_turn(alone: Target, folder: Path, first: Connection) -> None:
    waiting = threading.Event()

    def watch(text: str, _done: int, _total: int) -> None:
        if text.startswith("waiting"):
            waiting.set()

    def leave() -> None:
        waiting.wait(10)
        first.close()

    leaver = threading.Thread(target=leave)
    leaver.start()
    result = alone.run(folder, watch, wait_s=20)
    leaver.join()
    assert fates(result)["messages"] == Fates(read=5, imported=5)


@pytest.mark.parametrize("how", [How(), How(jobs=2), How(builds=True)])
def test_imports_into_two_accounts_run_at_the_same_time(
    alone: Target, data: Path, monkeypatch: pytest.MonkeyPatch, how: How
) -> None:
    """One of them stands still between two batches, while the other comes to its end."""
    small_batches(monkeypatch, 3)
    records = {
        "threads": [thread()],
        "messages": [message(id=f"chat_{n}") for n in range(20)],
        "tool_events": [tool_event(id=f"tool_{n}") for n in range(20)],
    }
    folder = write_folder(data, **records)
    other = new_target(alone.server, alone.connection)
    done: list[Fates] = []

    def watch(text: str, _done: int, _total: int) -> None:
        if text == "reading chat-messages.json" and not done:
            done.append(fates(other.run(folder, **how))["messages"])

    result = alone.run(folder, watch, **how)
    assert done == [Fates(read=20, imported=20)]
    assert fates(result)["messages"] == Fates(read=20, imported=20)
    assert alone.ids("chat_tool_events") == other.ids("chat_tool_events")
    assert not outcome(alone.connection)["staged"]


# Several connections.


def test_batches_are_in_work_at_the_same_time_and_committed_in_order(
    alone: Target, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_batches(monkeypatch, 2)
    records = [message(id=f"chat_{n}") for n in range(12)]
    folder = write_folder(data, threads=[thread()], messages=records)
    real = steps.import_batch
    in_work: set[int] = set()
    met: list[set[int]] = []
    backends: set[int] = set()
    together = threading.Barrier(2, timeout=20)

    def import_batch(
        connection: Connection,
        run: steps.Run,
        file: RecordFile,
        staged: StagedBatch,
        *,
        only_if_clean: bool,
    ) -> bool:
        if staged.kind != "messages":
            return real(connection, run, file, staged, only_if_clean=only_if_clean)
        backends.add(connection.info.backend_pid)
        in_work.add(staged.number)
        if staged.number < 2:
            together.wait()
            met.append(set(in_work))
        return real(connection, run, file, staged, only_if_clean=only_if_clean)

    monkeypatch.setattr(steps, "import_batch", import_batch)
    ended: list[int] = []

    def watch(text: str, done: int, _total: int) -> None:
        if text == "reading chat-messages.json":
            ended.append(done)

    result = alone.run(folder, watch, jobs=2)
    assert fates(result)["messages"] == Fates(read=12, imported=12)
    assert met == [{0, 1}, {0, 1}]
    assert len(backends) == 2
    assert ended == sorted(ended)


def test_what_fails_in_one_of_them_ends_all(
    alone: Target, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_batches(monkeypatch, 1)
    records = [message(id=f"chat_{n}") for n in range(12)]
    folder = write_folder(data, threads=[thread()], messages=records)
    real = steps.import_batch

    def failing(
        connection: Connection,
        run: steps.Run,
        file: RecordFile,
        staged: StagedBatch,
        *,
        only_if_clean: bool,
    ) -> bool:
        if staged.kind == "messages" and staged.number == 5:
            connection.execute(f"select '{MARKER}'::integer".encode())
        return real(connection, run, file, staged, only_if_clean=only_if_clean)

    with monkeypatch.context() as patch:
        patch.setattr(steps, "import_batch", failing)
        with pytest.raises(SessionbaseError) as caught:
            alone.run(folder, jobs=3)
    assert (caught.value.code, caught.value.what) == (
        ExitCode.IMPORT_FAILED,
        "the import failed: 22P02",
    )
    assert MARKER not in words_of(caught.value)
    # Those before it came in, and none behind one that did not.
    brought = alone.ids("chat_messages")
    assert brought == {f"chat_{n}" for n in range(len(brought))}
    assert len(brought) <= 5
    result = alone.run(folder, jobs=3, wait_s=10)
    assert (fates(result)["messages"], result.attempts) == (Fates(read=12, imported=12), 2)


def test_the_other_connections_are_gone_afterwards(
    alone: Target, folder: Path, connection: Connection, database: Server
) -> None:
    assert alone.server == database
    alone.run(folder, jobs=3)
    wait_until_no_import_is_connected(connection)
