"""Who applies a shape's log has, at every end, the rows that its condition selects."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from random import Random

import pytest

from harness.connections import Connection
from harness.testing.shape_log import Row
from tests.py.electric.electrics import Electric
from tests.py.electric.following import Follower
from tests.py.electric.writing import select, write_at_random
from tests.py.waiting import wait_until

_SEEDS = (1, 2, 3)
_WRITERS = 3
_TRANSACTIONS = 60
_LATE = 4
_ALL_COLUMNS = [
    *("account_id", "id", "session_id", "role", "content", "seq", "done"),
    *("extra", "tags", "score", "uid", "at", "raw"),
]
_FEW_COLUMNS = ["account_id", "id", "seq", "done"]
_LAST = """
    insert into rec.messages (account_id, id, session_id, role, seq, tags)
    select 'a1', 'last' || number, 's' || number, 'user', 2, '{s1}'
    from generate_series(1, 3) as number
"""


@dataclass(frozen=True)
class Case:
    """A shape, and its condition with the parameters in it."""

    query: dict[str, str]
    where: str
    columns: list[str]


_CASES = (
    Case({}, "true", _ALL_COLUMNS),
    Case({"columns": ",".join(_FEW_COLUMNS)}, "true", _FEW_COLUMNS),
    Case(
        {
            "where": "account_id = $1 AND session_id = $2",
            "params[1]": "a1",
            "params[2]": "s1",
            "columns": '"account_id","id","content","session_id"',
        },
        "account_id = 'a1' and session_id = 's1'",
        ["account_id", "id", "content", "session_id"],
    ),
    Case(
        {"where": "session_id = 's2' or done", "replica": "full"},
        "session_id = 's2' or done",
        _ALL_COLUMNS,
    ),
    Case(
        {"where": "content is null and seq & 1 = $1", "params[1]": "0"},
        "content is null and seq & 1 = 0",
        _ALL_COLUMNS,
    ),
    Case(
        {"where": "'s1' = any(tags) and seq is distinct from 7", "replica": "full"},
        "'s1' = any(tags) and seq is distinct from 7",
        _ALL_COLUMNS,
    ),
)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(_WRITERS + _LATE * len(_CASES)) as made:
        yield made


@pytest.mark.parametrize("seed", _SEEDS)
def test_rows_are_those_that_the_condition_selects(
    seed: int, electric: Electric, table: Connection, pool: ThreadPoolExecutor
) -> None:
    """Followers of six shapes start while writers write, so snapshots are taken in the middle."""
    random = Random(seed)  # noqa: S311 - the same again for a seed
    writers = _start_writers(pool, electric, seed)
    followers = []
    for _ in range(_LATE):
        followers += [_Following(pool, electric, case) for case in _CASES]
        time.sleep(random.uniform(0, 0.3))
    for writer in writers:
        writer.result()
    table.execute(_LAST)
    for following in followers:
        following.assert_ends_right(table)


def test_truncate_makes_everybody_begin_anew(
    electric: Electric, table: Connection, pool: ThreadPoolExecutor
) -> None:
    followers = [_Following(pool, electric, case) for case in _CASES]
    writers = _start_writers(pool, electric, seed=4)
    wait_until(lambda: all(following.follower.handle for following in followers))
    table.execute("truncate rec.messages")
    for writer in writers:
        writer.result()
    table.execute(_LAST)
    for following in followers:
        following.assert_ends_right(table)
        assert following.follower.rotations >= 1


@pytest.mark.parametrize("count", [1, 99, 100, 101, 200, 1_000])
def test_an_insert_of_many_rows_comes_whole(
    count: int, electric: Electric, table: Connection
) -> None:
    """Somebody has seen Electric lose inserts of exactly 100 rows (its issue 3726)."""
    follower = Follower(electric, {"table": "rec.messages"})
    follower.follow(until=lambda rows: len(rows) == 4)
    table.execute(
        "insert into rec.messages (account_id, id, session_id, role) "
        "select 'a1', 'many' || number, 's1', 'user' from generate_series(1, %s) as number",
        [count],
    )
    follower.follow(until=lambda rows: len(rows) == 4 + count)


def _start_writers(pool: ThreadPoolExecutor, electric: Electric, seed: int) -> list[Future[None]]:
    return [
        pool.submit(write_at_random, electric.server, f"{seed}.{number}", _TRANSACTIONS)
        for number in range(_WRITERS)
    ]


def _has_the_last_row(rows: dict[str, Row]) -> bool:
    return any('/"last' in key for key in rows)


class _Following:
    """A follower at work in a thread of its own, until it has the last row."""

    def __init__(self, pool: ThreadPoolExecutor, electric: Electric, case: Case) -> None:
        self.follower = Follower(electric, {"table": "rec.messages"} | case.query)
        self._case = case
        self._at_work = pool.submit(self.follower.follow, _has_the_last_row)

    def assert_ends_right(self, connection: Connection) -> None:
        """Fail unless its rows are those that the condition selects now."""
        self._at_work.result()
        columns = self._case.columns
        has = [tuple(row[name] for name in columns) for row in self.follower.rows.values()]
        assert sorted(has, key=repr) == select(connection, self._case.where, columns)
