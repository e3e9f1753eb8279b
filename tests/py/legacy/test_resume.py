"""An import that was stopped goes on where it was, and ends as if nothing had been."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.connections import Connection
from harness.errors import ExitCode, SessionbaseError
from harness.legacy import steps
from harness.legacy.steps import FILES
from tests.py.legacy.builders import (
    ABSENT,
    OTHER_SESSION,
    Content,
    Fates,
    How,
    Target,
    fates,
    file_of,
    finished,
    message,
    outcome,
    sha256,
    small_batches,
    spelled,
    thread,
    time,
    tool_event,
    wipe,
    write_folder,
)
from tests.py.waiting import wait_until_no_import_is_connected

RECORDS = 3
"""How many records a batch has here."""

CONTENT: dict[str, Content] = {
    "threads": [
        thread(updatedAt=time(3), messageCount=4),
        thread(id="two", messageCount=1),
        thread(id="late", updatedAt=time(30)),
        thread(id="elsewhere", sessionId=OTHER_SESSION),
        b"5",
        thread(id="two", messageCount=1),
        thread(id="last", mode="general", createdAt=time(5)),
    ],
    "messages": b"\xef\xbb\xbf"
    + file_of(
        [
            message(id="chat_0", clientMessageId="c"),
            message(id="chat_1", threadId=ABSENT),
            message(id="chat_2", threadId="lost", createdAt=time(20), updatedAt=time(20)),
            message(id="chat_3", clientMessageId="c"),
            message(id="chat_4", threadId="lost", createdAt=time(1)),
            message(id="chat_5", threadId="lost", sessionId=OTHER_SESSION),
            message(id="chat_0", clientMessageId="c"),
            message(id="chat_0", content="other"),
            b'{"id": 01}',
            message(id="chat_8", content="a\0b", clientMessageId=None),
            *[message(id=f"chat_{n}") for n in range(9, 15)],
            message(id="chat_15", threadId="elsewhere"),
            b"5",
        ]
    ),
    "tool_events": [
        *[tool_event(id=f"tool_{n}") for n in range(4)],
        finished(id="tool_4", threadId="lost"),
        tool_event(id="tool_5", threadId="gone", startedAt=time(0)),
        tool_event(id="tool_6", threadId="gone", sessionId=OTHER_SESSION),
        tool_event(id="tool_7", threadId=None, sessionId="third"),
        tool_event(id="tool_7", threadId=None, sessionId="third"),
    ],
}
"""Something of everything that a record can meet in an earlier batch."""

WAYS = {"batches": How(), "build": How(builds=True), "two connections": How(jobs=2)}
PATIENT = How(wait_s=10)
"""A backend that was killed or left alone can take a moment to end."""

STEPS = (
    "begin",
    "import_batch",
    "stage_batch",
    "note_faults",
    "register_file",
    "begin_build",
    "load_batch",
    "end_build",
    "give_up_build",
    "finish",
)


class StoppedError(Exception):
    """What stops a client here."""


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_batches(monkeypatch, RECORDS)


@pytest.fixture
def folder(data: Path) -> Path:
    return write_folder(data, **CONTENT)


class Stops:
    """Counts the steps of an import, and does something before or after one of them."""

    def __init__(self, patch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
        self._act = act
        self.count = 0
        self.names: list[str] = []
        self.at: int | None = None
        self.is_after = False
        for name in STEPS:
            self._watch(patch, name)

    def _watch(self, patch: pytest.MonkeyPatch, name: str) -> None:
        real = getattr(steps, name)

        def step(*rest: Any, **options: Any) -> Any:  # noqa: ANN401 - passed on
            place, self.count = self.count, self.count + 1
            self.names.append(name)
            if place == self.at and not self.is_after:
                self._act()
            try:
                return real(*rest, **options)
            finally:
                if place == self.at and self.is_after:
                    self._act()

        patch.setattr(steps, name, step)


def stop() -> None:
    raise StoppedError


def stop_everywhere(own: Target, folder: Path, how: How, act: Callable[[], None]) -> None:
    """Stop an import before and after each of its steps, and run it again each time."""
    wipe(own.connection)
    with pytest.MonkeyPatch.context() as patch:
        stops = Stops(patch, act)
        whole = own.run(folder, **how)
    undisturbed = outcome(own.connection)
    assert len(undisturbed["messages"]) > 10
    names = stops.names

    resumed = 0
    for place, name in enumerate(names):
        for is_after in (False, True):
            if name == "finish" and is_after:
                continue
            wipe(own.connection)
            with pytest.MonkeyPatch.context() as patch:
                stops = Stops(patch, act)
                stops.at, stops.is_after = place, is_after
                with pytest.raises((StoppedError, SessionbaseError)):
                    own.run(folder, **how)
            again = own.run(folder, **(how | PATIENT))
            where = f"{'after' if is_after else 'before'} no. {place}, {name}"
            assert outcome(own.connection) == undisturbed, where
            assert (again.files, again.reasons) == (whole.files, whole.reasons), where
            assert (again.sessions, again.threads_made) == (whole.sessions, whole.threads_made)
            assert again.attempts == (1 if place == 0 and not is_after else 2), where
            resumed += again.attempts - 1
    assert resumed >= 2 * len(names) - 3


@pytest.mark.parametrize("way", WAYS)
def test_stopped_at_any_step_it_goes_on_there(own: Target, folder: Path, way: str) -> None:
    stop_everywhere(own, folder, WAYS[way], stop)


def test_the_build_of_records_in_each_others_way_too(own: Target, data: Path) -> None:
    """Such as messages of one id: then it falls back to batches."""
    content = CONTENT | {"messages": [message(id=f"chat_{n % 11}") for n in range(12)]}
    stop_everywhere(own, write_folder(data, **content), How(builds=True), stop)


def kill_backends(connection: Connection) -> None:
    """End the backends of the import."""
    connection.execute(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
        "where application_name = 'sessionbase import' and datname = current_database()"
    )


@pytest.mark.parametrize("way", ["batches", "build"])
def test_with_its_backends_killed_too(own: Target, folder: Path, way: str) -> None:
    wipe(own.connection)
    whole = own.run(folder, **WAYS[way])
    undisturbed = outcome(own.connection)
    for place in range(0, 30, 4):
        wipe(own.connection)
        with pytest.MonkeyPatch.context() as patch:
            stops = Stops(patch, partial(kill_backends, own.connection))
            stops.at = place
            with suppress(SessionbaseError):
                own.run(folder, **WAYS[way])
        if own.rows("select from legacy.import_runs where account_id = %s and finished_at is null"):
            again = own.run(folder, **(WAYS[way] | PATIENT))
            assert (again.files, again.attempts) == (whole.files, 2)
        elif place == 0:
            own.run(folder, **(WAYS[way] | PATIENT))
        assert outcome(own.connection) == undisturbed, f"before no. {place}"


def test_a_lost_connection_is_said_and_what_to_do(own: Target, folder: Path) -> None:
    for how in (How(), How(jobs=2)):
        wipe(own.connection)
        with pytest.MonkeyPatch.context() as patch:
            stops = Stops(patch, partial(kill_backends, own.connection))
            stops.at = 8
            with pytest.raises(SessionbaseError) as caught:
                own.run(folder, **how)
        assert caught.value.code == ExitCode.UNREACHABLE
        assert "run the command again" in caught.value.hint.lower()


def test_stopped_again_and_again_it_comes_to_its_end(own: Target, folder: Path) -> None:
    wipe(own.connection)
    own.run(folder)
    undisturbed = outcome(own.connection)
    wipe(own.connection)
    calls = 0

    def watch(_text: str, _done: int, _total: int) -> None:
        nonlocal calls
        calls += 1
        if calls % 3 == 0:
            raise StoppedError

    seen = set()
    for _ in range(40):
        with suppress(StoppedError):
            result = own.run(folder, watch)
            break
        seen |= {
            run for (run,) in own.rows("select id from legacy.import_runs where account_id = %s")
        }
    assert result.attempts > 5
    assert seen == {result.run_id}
    assert outcome(own.connection) == undisturbed


def interrupt(target: Target, folder: Path, batches: int, **how: Any) -> int:  # noqa: ANN401
    """Stop an import when so many batches of messages are in; return its run."""

    def watch(text: str, _done: int, _total: int) -> None:
        nonlocal batches
        if text == "reading chat-messages.json":
            batches -= 1
            if batches == 0:
                raise StoppedError

    with pytest.raises(StoppedError):
        target.run(folder, watch, **how)
    # The lock of a run is its backend's, which ends a moment after its client.
    wait_until_no_import_is_connected(target.connection)
    run = target.row(
        "select id, outcome from legacy.import_runs where account_id = %s order by id desc limit 1"
    )
    assert run[1] == "running"
    return int(run[0])


def runs(target: Target) -> list[tuple[Any, ...]]:
    """Return run, outcome and attempt of each run."""
    return target.rows(
        "select id, outcome, attempt from legacy.import_runs where account_id = %s order by id"
    )


PLAIN = [message(id=f"chat_{n}", createdAt=time(2)) for n in range(12)]


def plain(**content: Content) -> dict[str, Content]:
    return {"threads": [thread(messageCount=12)], "messages": PLAIN} | content


def test_what_was_committed_stays_and_is_not_read_again(target: Target, data: Path) -> None:
    folder = write_folder(data, **plain())
    run = interrupt(target, folder, 2)
    assert target.ids("chat_messages") == {f"chat_{n}" for n in range(6)}
    seen: list[int] = []

    def watch(text: str, done: int, _total: int) -> None:
        if text == "reading chat-messages.json":
            seen.append(done)

    # Still the state in the middle: nothing is derived yet.
    assert target.thread()["message_count"] == 0
    result = target.run(folder, watch)
    assert (result.run_id, result.attempts) == (run, 2)
    assert fates(result)["messages"] == Fates(read=12, imported=12)
    assert len(seen) == 2
    assert runs(target) == [(run, "finished", 2)]
    assert target.thread()["message_count"] == 12
    data_of = (folder / FILES["messages"]).read_bytes()
    assert result.files[1].sha256 == sha256(data_of).hex()


def test_a_file_with_more_behind_is_gone_on_with(target: Target, data: Path) -> None:
    run = interrupt(target, write_folder(data, **plain()), 2)
    more = [*PLAIN, message(id="more"), tool_event()]
    result = target.run(write_folder(data, **plain(messages=more, tool_events=[tool_event()])))
    assert (result.run_id, result.attempts) == (run, 2)
    assert fates(result)["messages"] == Fates(read=14, imported=13, quarantined=1)
    assert fates(result)["tool_events"] == Fates(read=1, imported=1)


def test_a_file_that_lost_its_end_is_gone_on_with(target: Target, data: Path) -> None:
    run = interrupt(target, write_folder(data, **plain()), 2)
    whole = file_of(PLAIN)
    result = target.run(write_folder(data, **plain(messages=whole[: len(whole) // 2 + 20])))
    assert (result.run_id, result.attempts) == (run, 2)
    assert fates(result)["messages"] == Fates(read=7, imported=6, quarantined=1)


def changed(place: int) -> list[Any]:
    """Return the messages, one of them with another content of the same length."""
    records: list[Any] = list(PLAIN)
    records[place] = PLAIN[place] | {"content": "which event broke the build?"}
    return records


OTHER_FILES: dict[str, dict[str, Content]] = {
    "a changed record": plain(messages=changed(1)),
    "another first byte": plain(messages=b" " + file_of(PLAIN)),
    "a file without what came in": plain(messages=PLAIN[5:]),
    "a shorter file": plain(messages=PLAIN[:2]),
    "a missing file": plain(messages=None),
    "an empty array": plain(messages=b"[]"),
    "another file of those before": plain(threads=[thread(title="other")]),
    "a missing file of those before": plain(threads=None),
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_with_other_bytes_a_new_run_begins(target: Target, data: Path, name: str) -> None:
    run = interrupt(target, write_folder(data, **plain()), 2)
    result = target.run(write_folder(data, **OTHER_FILES[name]))
    assert result.run_id != run
    assert result.attempts == 1
    assert runs(target) == [(run, "abandoned", 1), (result.run_id, "finished", 1)]
    # What the first one brought is there, with its books.
    rows = target.source_records(run)
    assert [row[3] for row in rows if row[0] == "messages"] == ["imported"] * 6
    assert target.ids("chat_messages") >= {f"chat_{n}" for n in range(6)}
    assert target.thread()["message_count"] == len(target.ids("chat_messages"))
    assert not target.rows("select from legacy.thread_claims where account_id = %s")


def test_for_a_new_run_what_came_in_is_unchanged(target: Target, data: Path) -> None:
    folder = write_folder(data, **plain())
    interrupt(target, folder, 2)
    result = target.run(write_folder(data, **plain(messages=changed(7)[::-1])))
    assert fates(result)["threads"] == Fates(read=1, unchanged=1)
    assert fates(result)["messages"] == Fates(read=12, unchanged=6, imported=6)
    conflict = target.run(write_folder(data, **plain(messages=changed(1))))
    assert fates(conflict)["messages"] == Fates(read=12, unchanged=10, quarantined=2)


def test_a_change_behind_what_was_read_is_gone_on_with(target: Target, data: Path) -> None:
    run = interrupt(target, write_folder(data, **plain()), 2)
    result = target.run(write_folder(data, **plain(messages=changed(6))))
    assert (result.run_id, result.attempts) == (run, 2)
    assert target.message("chat_6")["content"] == "which event broke the build?"


def test_a_file_that_comes_late_is_brought_in(target: Target, data: Path) -> None:
    run = interrupt(target, write_folder(data, **plain(threads=None)), 2)
    result = target.run(write_folder(data, **plain()))
    assert (result.run_id, result.attempts) == (run, 2)
    assert not result.files[0].missing
    # Adopted, for its own count of messages.
    assert fates(result)["threads"] == Fates(read=1, adopted=1)
    assert not target.made_threads()


@pytest.mark.parametrize("policy", ["keep", "replace"])
def test_with_another_way_to_treat_conflicts_a_new_run_begins(
    target: Target,
    data: Path,
    policy: Any,  # noqa: ANN401 - a literal
) -> None:
    folder = write_folder(data, **plain())
    run = interrupt(target, folder, 2)
    result = target.run(folder, on_conflict=policy)
    assert runs(target) == [(run, "abandoned", 1), (result.run_id, "finished", 1)]
    assert fates(result)["messages"] == Fates(read=12, unchanged=6, imported=6)


def test_a_run_of_another_login_is_not_gone_on_with(target: Target, data: Path) -> None:
    folder = write_folder(data, **plain())
    run = interrupt(target, folder, 2)
    target.rows(
        "update legacy.import_runs set imported_by = 'another' where account_id = %s returning id"
    )
    result = target.run(folder)
    assert runs(target) == [(run, "abandoned", 1), (result.run_id, "finished", 1)]


def test_a_dry_run_between_leaves_all_as_it_was(target: Target, data: Path) -> None:
    folder = write_folder(data, **plain())
    run = interrupt(target, folder, 2)
    rehearsed = target.run(folder, dry_run=True)
    assert fates(rehearsed)["messages"] == Fates(read=12, imported=12)
    assert runs(target) == [(run, "running", 1)]
    other = target.run(write_folder(data, **plain(messages=changed(1))), dry_run=True)
    assert fates(other)["messages"] == Fates(read=12, unchanged=5, imported=6, quarantined=1)
    assert runs(target) == [(run, "running", 1)]
    result = target.run(write_folder(data, **plain()))
    assert (result.run_id, result.attempts) == (run, 2)


def test_faults_of_a_file_are_known_after_it_was_stopped(target: Target, data: Path) -> None:
    """Also those that only show before the place where it is gone on."""
    records = [spelled(each) for each in PLAIN]
    content = b"[ " + records[0] + b"\n" + b",\n".join(records[1:])
    folder = write_folder(data, **plain(messages=content))
    interrupt(target, folder, 2)
    result = target.run(folder)
    assert result.attempts == 2
    codes = [(fault.code, fault.offset) for fault in result.files[1].faults]
    assert codes == [("missing_comma", 3 + len(records[0])), ("no_end", len(content))]


@pytest.mark.parametrize("how", WAYS.values())
def test_a_stopped_import_leaves_no_file_open(target: Target, data: Path, how: How) -> None:
    folder = write_folder(data, **plain(tool_events=[tool_event()]))

    def watch(text: str, _done: int, _total: int) -> None:
        if text == "reading chat-messages.json":
            raise StoppedError

    # As long as the traceback is kept, so is all that the import had.
    with pytest.raises(StoppedError) as caught:
        target.run(folder, watch, **how)
    opened = {Path(file.path).name for file in psutil.Process().open_files()}
    assert not opened & set(FILES.values())
    assert caught.traceback


def test_what_was_staged_and_lost_is_staged_again(
    own: Target, data: Path, connection: Connection
) -> None:
    """A crash of the server empties unlogged tables."""
    assert connection
    wipe(own.connection)
    folder = write_folder(data, **plain(tool_events=[tool_event()]))
    whole = own.run(folder, builds=True)
    undisturbed = outcome(own.connection)
    wipe(own.connection)
    run = interrupt(own, folder, 2, builds=True)
    assert not own.ids("chat_messages")
    assert own.connection.execute("select count(*) from legacy.staged_records").fetchone() == (6,)
    own.connection.execute("truncate legacy.staged_records")
    again = own.run(folder, builds=True)
    assert (again.run_id, again.attempts, again.files) == (run, 2, whole.files)
    assert outcome(own.connection) == undisturbed


def test_what_was_staged_of_an_abandoned_run_never_came_in(own: Target, data: Path) -> None:
    wipe(own.connection)
    run = interrupt(own, write_folder(data, **plain()), 2, builds=True)
    result = own.run(write_folder(data, **plain(messages=changed(1))), builds=True)
    assert runs(own) == [(run, "abandoned", 1), (result.run_id, "finished", 1)]
    assert fates(result)["messages"] == Fates(read=12, imported=12)
    assert [row[0] for row in own.source_records(run)] == ["threads"]
    assert own.connection.execute("select count(*) from legacy.staged_records").fetchone() == (0,)


def test_rows_that_the_application_changed_between_stay(target: Target, data: Path) -> None:
    folder = write_folder(data, **plain())
    interrupt(target, folder, 2)
    target.rows(
        "update app.chat_messages set content = 'changed' "
        "where account_id = %s and id = 'chat_1' returning id"
    )
    target.rows(
        "delete from app.chat_messages where account_id = %s and id = 'chat_2' returning id"
    )
    result = target.run(folder)
    assert fates(result)["messages"] == Fates(read=12, imported=12)
    assert target.message("chat_1")["content"] == "changed"
    assert target.ids("chat_messages") == {record["id"] for record in PLAIN} - {"chat_2"}


def test_threads_count_what_is_left_of_their_messages(target: Target, data: Path) -> None:
    folder = write_folder(data, **plain())
    interrupt(target, folder, 2)
    target.rows(
        "delete from app.chat_messages where account_id = %s and id = 'chat_2' returning id"
    )
    target.run(folder)
    assert target.thread()["message_count"] == 11
