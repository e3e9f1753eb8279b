"""Two requests of one browser at once, when its secret is due to be replaced."""

from concurrent.futures import Future, ThreadPoolExecutor
from secrets import token_bytes
from threading import Barrier
from typing import Any

from harness.connections import Connection
from tests.py.login_sessions.people import Person, hash_of, sign_in, why_revoked
from tests.py.waiting import wait_until

_ROTATE = "select login_session_id from auth.rotate_login_session(%s, %s, 60)"
_USE = "select login_session_id from auth.use_login_session(%s, 600, 600)"
_ROUNDS = 20


def rotate(connection: Connection, old: bytes, new: bytes) -> list[Any]:
    return [row[0] for row in connection.execute(_ROTATE, [old, new]).fetchall()]


def is_good(connection: Connection, secret_hash: bytes) -> bool:
    return bool(connection.execute(_USE, [secret_hash]).fetchall())


def wait_for_lock(admin: Connection, pid: int, other: Future[Any]) -> None:
    """Wait until a connection waits for another's lock."""

    def waits() -> bool:
        blocking = admin.execute("select cardinality(pg_blocking_pids(%s))", [pid]).fetchone()
        return other.done() or blocking != (0,)

    wait_until(waits)
    assert not other.done(), "it did not wait"


def test_of_two_that_replace_it_one_does(
    admin: Connection, other_admin: Connection, ada: Person
) -> None:
    for _ in range(_ROUNDS):
        login_session_id, secret = sign_in(admin, ada)
        barrier, new = Barrier(2), (token_bytes(), token_bytes())

        def replace(
            connection: Connection,
            mine: bytes,
            barrier: Barrier = barrier,
            old: bytes = hash_of(secret),
        ) -> list[Any]:
            barrier.wait(10)
            return rotate(connection, old, mine)

        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(replace, (admin, other_admin), new))
        assert sorted(map(len, results)) == [0, 1]
        winner = results.index([login_session_id])
        assert [is_good(admin, each) for each in new] == [winner == 0, winner == 1]
        # Who lost goes on with what it has.
        assert is_good(admin, hash_of(secret))


def test_who_waits_for_another_replaces_nothing(
    migrated_three: tuple[Connection, Connection, Connection], ada: Person
) -> None:
    admin, first, second = migrated_three
    _, secret = sign_in(admin, ada)
    kept, lost = token_bytes(), token_bytes()
    with ThreadPoolExecutor(1) as pool:
        with first.transaction():
            assert rotate(first, hash_of(secret), kept)
            late = pool.submit(rotate, second, hash_of(secret), lost)
            wait_for_lock(admin, second.info.backend_pid, late)
        assert late.result(10) == []
    assert [is_good(admin, each) for each in (kept, lost)] == [True, False]


def test_a_use_does_not_wait_for_a_replacement(
    admin: Connection, other_admin: Connection, ada: Person
) -> None:
    login_session_id, secret = sign_in(admin, ada)
    new = token_bytes()
    other_admin.execute("set lock_timeout = '5s'")
    with admin.transaction():
        assert rotate(admin, hash_of(secret), new)
        admin.execute(
            "update auth.login_sessions set last_used_at = last_used_at - interval '0' "
            "where id = %s",
            [login_session_id],
        )
        assert is_good(other_admin, hash_of(secret))
    assert is_good(other_admin, hash_of(secret))
    assert is_good(other_admin, new)


def test_a_revocation_is_not_undone_by_a_use_or_a_replacement(
    migrated_three: tuple[Connection, Connection, Connection], ada: Person
) -> None:
    admin, first, second = migrated_three
    login_session_id, secret = sign_in(admin, ada)
    new = token_bytes()
    with ThreadPoolExecutor(1) as pool, first.transaction():
        assert rotate(first, hash_of(secret), new)
        late = pool.submit(
            second.execute, "select auth.revoke_login_session_by_hash(%s)", [hash_of(secret)]
        )
        assert late.result(10).fetchone() == (True,)
    assert why_revoked(admin, login_session_id) == "signed out"
    assert [is_good(admin, each) for each in (hash_of(secret), new)] == [False, False]
