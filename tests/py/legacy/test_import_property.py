"""Any small snapshot, however odd: sums, rows and invariants hold; a second run adds nothing."""

from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.legacy.steps import FILES
from tests.py.legacy.builders import (
    ABSENT,
    BUILDERS,
    Record,
    Target,
    fates,
    time,
    write_folder,
)

SNAPSHOTS = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

names = st.sampled_from(["a", "b", "a b", "c", "session"])
sessions = st.sampled_from(["s", "t", "s t"])
modes = st.sampled_from(["session", "session", "general"])
times = st.builds(time, st.integers(0, 20))
odd = st.sampled_from([ABSENT, None, "", 5, "odd", {}, [], time(30)])
"""What a field may be besides what it should be."""


def maybe_odd(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Give an odd value once in a while."""
    return st.integers(0, 19).flatmap(lambda dice: usual if dice else odd)


def fields(**usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Record]:
    return st.fixed_dictionaries({name: maybe_odd(values) for name, values in usual.items()})


def records(kind: str, strategy: st.SearchStrategy[Record]) -> st.SearchStrategy[list[Any]]:
    """Give a file's records, some of which are none."""
    built = strategy.map(lambda drawn: BUILDERS[kind](**drawn))
    broken = st.sampled_from([b"5", b'{"id": 01}', b'{"id": "\\u0000"}'])
    return st.lists(st.one_of(built, built, built, built, built, broken), max_size=7)


threads = records(
    "threads",
    fields(
        id=names,
        sessionId=sessions,
        mode=modes,
        status=st.sampled_from(["active", "archived"]),
        messageCount=st.integers(0, 3),
        updatedAt=times,
        createdAt=times,
    ),
)
messages = records(
    "messages",
    fields(
        id=names,
        sessionId=sessions,
        mode=modes,
        threadId=st.one_of(names, names, st.just(ABSENT)),
        clientMessageId=st.sampled_from([ABSENT, "x", "y"]),
        content=st.sampled_from(["", "hello", "🌊" * 150]),
        createdAt=times,
        updatedAt=times,
        extra=st.integers(0, 1),
    ),
)
tool_events = records(
    "tool_events",
    fields(
        id=names,
        sessionId=sessions,
        threadId=st.one_of(names, st.just(None), st.just(ABSENT)),
        status=st.sampled_from(["pending", "succeeded", "failed"]),
        startedAt=times,
        completedAt=st.one_of(times, st.just(ABSENT)),
        latencyMs=st.one_of(st.integers(-1, 5), st.just(ABSENT)),
        # Unknown in a tool event, whatever they say.
        mode=st.just(ABSENT),
        createdAt=st.just(ABSENT),
        updatedAt=st.just(ABSENT),
    ),
)
snapshots = st.fixed_dictionaries(
    {"threads": threads, "messages": messages, "tool_events": tool_events}
)
Snapshot = dict[str, list[Any]]


def rows_that_came_in(target: Target) -> list[tuple[Any, ...]]:
    """Return kind and id of all that an import brought."""
    return target.rows(
        "select kind, record_id from legacy.source_records "
        "where account_id = %s and fate in ('imported', 'adopted') order by 1, 2"
    )


def broken_invariants(target: Target) -> list[tuple[Any, ...]]:
    """Return what must never be: each row says what is wrong and where."""
    return target.rows(BROKEN)


BROKEN = """
    with account as (select %s::uuid as account_id),
    thread as (select t.* from app.chat_threads as t inner join account using (account_id)),
    message as (select m.* from app.chat_messages as m inner join account using (account_id)),
    tool_event as (select e.* from app.chat_tool_events as e inner join account using (account_id)),
    source as (select s.* from legacy.source_records as s inner join account using (account_id)),
    made as (select m.* from legacy.made_threads as m inner join account using (account_id)),
    kept as (select q.* from legacy.quarantine as q inner join account using (account_id))
    select 'several active', session_id
    from thread where status = 'active' group by session_id, mode having count(*) > 1
    union all
    select 'count', id
    from thread where message_count <> (select count(*) from message where thread_id = thread.id)
    union all
    select 'last time', id
    from thread
    where last_message_at is distinct from
        (select max(created_at) from message where thread_id = thread.id)
    union all
    select 'session of a message', m.id
    from message as m left join thread as t on m.thread_id = t.id
    where m.session_id is distinct from t.session_id
    union all
    select 'session of a tool event', e.id
    from tool_event as e inner join thread as t on e.thread_id = t.id
    where e.session_id <> t.session_id
    union all
    select 'client message id', thread_id
    from message where client_message_id is not null
    group by thread_id, client_message_id having count(*) > 1
    union all
    select 'made although it came', thread_id
    from made where thread_id in (select record_id from source where kind = 'threads')
    union all
    select 'refused', raw::text from kept where reason = 'refused'
    union all
    select 'adopted and not kept', record_id
    from source
    where fate = 'adopted' and not exists (
        select from legacy.kept_records as k
        where k.account_id = source.account_id and k.kind = source.kind
            and k.record_id = source.record_id and k.mends <> '{}' and k.raw is not null
    )
    union all
    select 'left in ' || tableoid::regclass, ordinal::text from legacy.staged_records
    union all
    select 'left in ' || tableoid::regclass, ordinal::text from legacy.judged_records
    union all
    select 'left in ' || tableoid::regclass, record_id from legacy.known_records
    union all
    select 'left in ' || tableoid::regclass, thread_id from legacy.thread_claims
"""


def assert_each_has_its_row(target: Target) -> None:
    for kind in FILES:
        came_in = {record_id for of_kind, record_id in rows_that_came_in(target) if of_kind == kind}
        made = set(target.made_threads()) if kind == "threads" else set()
        assert target.ids(f"chat_{kind}") == came_in | made


@SNAPSHOTS
@given(snapshot=snapshots)
def test_any_snapshot_is_accounted_for(target: Target, data: Path, snapshot: Snapshot) -> None:
    target = target.another()
    result = target.run(write_folder(data, **snapshot))
    found = fates(result)
    assert [found[kind].read for kind in FILES] == [len(snapshot[kind]) for kind in FILES]
    assert len(target.quarantine()) == result.quarantined
    assert len(rows_that_came_in(target)) == result.changed
    assert len(target.made_threads()) == result.threads_made
    assert_each_has_its_row(target)
    assert broken_invariants(target) == []


@SNAPSHOTS
@given(snapshot=snapshots)
def test_a_second_run_of_any_snapshot_adds_nothing(
    target: Target, data: Path, snapshot: Snapshot
) -> None:
    target = target.another()
    first = target.run(write_folder(data, **snapshot))
    came_in, kept_out = rows_that_came_in(target), target.quarantine()
    second = target.run(data)
    assert (second.changed, second.threads_made) == (0, 0)
    for before, after in zip(first.files, second.files, strict=True):
        assert after.unchanged == before.unchanged + before.imported + before.adopted
        assert after.quarantined == before.quarantined
    assert rows_that_came_in(target) == came_in
    assert target.quarantine() == kept_out


@SNAPSHOTS
@given(older=snapshots, newer=snapshots)
def test_any_snapshot_after_any_other_is_accounted_for(
    target: Target, data: Path, older: Snapshot, newer: Snapshot
) -> None:
    target = target.another()
    first = target.run(write_folder(data, **older))
    second = target.run(write_folder(data, **newer))
    assert len(rows_that_came_in(target)) == first.changed + second.changed
    fates(second)
    assert_each_has_its_row(target)
    assert broken_invariants(target) == []
