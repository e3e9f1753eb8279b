"""What a node hears of revocations: at once, from other nodes, and though nobody notified it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic, time
from typing import Any
from uuid import UUID, uuid4

import pytest

from gatekeeper.database import Database, Question
from gatekeeper.errors import Refusal
from gatekeeper.revocations import Revocations
from harness.connections import Connection, Server, connect
from tests.py.login_sessions.people import Person, enrol, hash_of, share, sign_in

_REVOKE = "select auth.revoke_login_session_by_hash(%s)"
_LISTENERS = "application_name = 'sessionbase gatekeeper listens' and datname = current_database()"
_ASKERS = "application_name = 'sessionbase gatekeeper asks' and datname = current_database()"
_SECOND = 1.0


@dataclass
class Held:
    """What somebody was allowed, as a shape token's claim says it."""

    account_id: UUID
    login_session_id: UUID | None = None
    owner_account_id: UUID | None = None
    session_id: str | None = None
    issued_at: float = field(default_factory=time)


@asynccontextmanager
async def nodes(server: Server, count: int = 1) -> AsyncIterator[list[Revocations]]:
    """Run some, each on connections of its own."""
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(count):
            database = Database(server, 2)
            await stack.enter_async_context(database.opened())
            node = Revocations(database)
            await node.start()
            stack.push_async_callback(node.stop)
            made.append(node)
        await listening(server, count)
        yield made


async def listening(server: Server, count: int) -> None:
    """Wait until so many listen."""
    with connect(server, "test") as admin:
        for _ in range(500):
            rows = admin.execute(
                f"select count(*) from pg_stat_activity where {_LISTENERS} "
                "and wait_event = 'ClientRead' and query ilike 'listen%'"
            ).fetchall()
            if rows[0][0] == count:
                return
            await asyncio.sleep(0.02)
    raise AssertionError("nobody listens")


async def within_a_second(event: asyncio.Event, since: float) -> None:
    """Wait for it."""
    await asyncio.wait_for(event.wait(), 10)
    assert monotonic() - since < _SECOND


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def test_every_node_ends_what_is_held_within_a_second(
    migrated: Server, admin: Connection, ada: Person
) -> None:
    async def play() -> None:
        login_session_id, secret = sign_in(admin, ada)
        other_id, _ = sign_in(admin, ada)
        revoked, other = Held(ada.account_id, login_session_id), Held(ada.account_id, other_id)
        async with nodes(migrated, 2) as (here, there):
            with (
                here.watch(revoked) as here_ends,
                there.watch(revoked) as there_ends,
                there.watch(other) as goes_on,
            ):
                since = monotonic()
                admin.execute(_REVOKE, [hash_of(secret)])
                await within_a_second(here_ends, since)
                await within_a_second(there_ends, since)
                assert here.is_revoked(revoked)
                assert there.is_revoked(revoked)
                assert not goes_on.is_set()
                assert not there.is_revoked(other)
            with there.watch(revoked) as ends_at_once:
                assert ends_at_once.is_set()

    run(play())


def test_who_hears_nothing_asks_before_it_answers(
    migrated: Server, admin: Connection, ada: Person
) -> None:
    async def play() -> None:
        login_session_id, secret = sign_in(admin, ada)
        held = Held(ada.account_id, login_session_id)
        async with nodes(migrated) as (node,):
            await node.stop()
            with node.watch(held) as ends:
                admin.execute(_REVOKE, [hash_of(secret)])
                await asyncio.sleep(0.2)
                assert not node.is_revoked(held), "control: nobody told it"
                await node.check()
                assert node.is_revoked(held)
                assert ends.is_set()

    run(play())


def test_who_loses_its_connection_listens_again(
    migrated: Server, admin: Connection, ada: Person
) -> None:
    async def play() -> None:
        async with nodes(migrated) as (node,):
            for _ in range(2):
                login_session_id, secret = sign_in(admin, ada)
                held = Held(ada.account_id, login_session_id)
                with node.watch(held) as ends:
                    killed = admin.execute(
                        f"select pg_terminate_backend(pid) from pg_stat_activity where {_LISTENERS}"
                    ).fetchall()
                    assert killed == [(True,)]
                    since = monotonic()
                    admin.execute(_REVOKE, [hash_of(secret)])
                    await within_a_second(ends, since)
                await listening(migrated, 1)
            login_session_id, secret = sign_in(admin, ada)
            with node.watch(Held(ada.account_id, login_session_id)) as ends:
                since = monotonic()
                admin.execute(_REVOKE, [hash_of(secret)])
                await within_a_second(ends, since)

    run(play())


def test_who_loses_the_connection_that_it_asks_on_asks_on_another(
    migrated: Server, admin: Connection, ada: Person
) -> None:
    async def play() -> None:
        login_session_id, secret = sign_in(admin, ada)
        held = Held(ada.account_id, login_session_id)
        async with nodes(migrated) as (node,):
            await node.stop()
            killed = admin.execute(
                f"select pg_terminate_backend(pid) from pg_stat_activity where {_ASKERS}"
            ).fetchall()
            assert killed == [(True,)]
            admin.execute(_REVOKE, [hash_of(secret)])
            await node.check()
            assert node.is_revoked(held)

    run(play())


def test_who_stopped_waiting_leaves_a_question_that_others_can_ask(migrated: Server) -> None:
    async def play() -> None:
        database = Database(migrated, 2)
        async with database.opened():
            question = database.question("select pg_sleep(%s), 'answer'")
            await question.ask(0)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(question.ask(30), 0.2)
            assert await question.ask(0) == [("", "answer")]

    run(play())


def test_nobody_is_answered_by_a_question_that_was_asked_before(
    migrated: Server, admin: Connection, other_admin: Connection, ada: Person
) -> None:
    async def play() -> None:
        login_session_id, secret = sign_in(admin, ada)
        held = Held(ada.account_id, login_session_id)
        async with nodes(migrated) as (node,):
            await node.stop()
            with admin.transaction():
                admin.execute("lock table auth.revocations in access exclusive mode")
                # It has its picture of the database, and can't read on.
                early = asyncio.create_task(node.check())
                await blocked_by(other_admin, admin.info.backend_pid)
                admin.execute(_REVOKE, [hash_of(secret)])
            # Committed; and only then:
            late = [asyncio.create_task(node.check()) for _ in range(5)]
            await asyncio.gather(early, *late)
            assert node.is_revoked(held)

    run(play())


async def blocked_by(admin: Connection, pid: int) -> None:
    for _ in range(500):
        rows = admin.execute(
            "select count(*) from pg_stat_activity where %s = any(pg_blocking_pids(pid))", [pid]
        ).fetchall()
        if rows != [(0,)]:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nobody waits")


class Counting(Database):
    """Counts what it is asked for."""

    asked = 0

    def question(self, statement: str) -> Question:
        """Return a question that is counted whenever it is asked."""
        question = super().question(statement)
        ask = question.ask

        async def counted(*arguments: object) -> list[tuple[Any, ...]]:
            self.asked += 1
            return await ask(*arguments)

        question.ask = counted  # type: ignore[method-assign]
        return question


def test_askers_of_one_moment_share_a_question(migrated: Server) -> None:
    async def play() -> None:
        database = Counting(migrated, 2)
        async with database.opened():
            node = Revocations(database)
            await asyncio.gather(*(node.check() for _ in range(1000)))
        assert database.asked == 1

    run(play())


def test_a_disabled_account_and_a_removed_member_are_cut(
    migrated: Server, admin: Connection, ada: Person, bob: Person
) -> None:
    async def play() -> None:
        for name in ("kept", "lost"):
            share(admin, bob, ada, name)
        lost = Held(ada.account_id, None, bob.account_id, "lost")
        kept = Held(ada.account_id, None, bob.account_id, "kept")
        own = Held(ada.account_id, None, ada.account_id, "lost")
        owners = Held(bob.account_id, None, bob.account_id, "lost")
        others = [kept, own, owners]
        async with nodes(migrated) as (node,):
            with node.watch(lost) as ends, node.watch(kept) as goes_on:
                since = monotonic()
                admin.execute(
                    "delete from app.session_members where session_id = 'lost' "
                    "and member_account_id = %s",
                    [ada.account_id],
                )
                await within_a_second(ends, since)
                assert not goes_on.is_set()
                assert not any(map(node.is_revoked, others))
                since = monotonic()
                admin.execute(
                    "update app.accounts set status = 'disabled' where id = %s", [ada.account_id]
                )
                await within_a_second(goes_on, since)
                assert list(map(node.is_revoked, others)) == [True, True, False]

    run(play())


def test_what_is_allowed_anew_is_not_what_was_revoked(
    migrated: Server, admin: Connection, other_admin: Connection, ada: Person, bob: Person
) -> None:
    async def play() -> None:
        share(admin, bob, ada, "again")
        async with nodes(migrated) as (node,):
            old = Held(ada.account_id, None, bob.account_id, "again")
            with other_admin.transaction():
                # While a transaction is open, what was revoked since it began is told again.
                other_admin.execute("select pg_current_xact_id()")
                admin.execute("delete from app.session_members where session_id = 'again'")
                admin.execute("select auth.end_login_sessions(%s)", [ada.account_id])
                await node.check()
                new_session, _ = sign_in(admin, ada)
                assert node.is_revoked(old)
                # Who signs in again is let in at once; what is bound to nothing is, when the clocks
                # of two nodes can't have been meant.
                signed_in = Held(ada.account_id, new_session, issued_at=time() + 0.01)
                later = Held(ada.account_id, None, bob.account_id, "again", time() + 1.5)
                assert not node.is_revoked(signed_in)
                assert not node.is_revoked(later)
                await asyncio.sleep(0.7)
                await node.check()
                assert not node.is_revoked(signed_in)
                assert not node.is_revoked(later)

    run(play())


def test_a_node_that_starts_knows_what_was_revoked_lately(
    migrated: Server, admin: Connection, ada: Person
) -> None:
    async def play() -> None:
        login_session_id, secret = sign_in(admin, ada)
        held = Held(ada.account_id, login_session_id)
        admin.execute(_REVOKE, [hash_of(secret)])
        async with nodes(migrated) as (node,):
            assert node.is_revoked(held)
            assert not node.is_revoked(Held(ada.account_id, uuid4(), issued_at=time() + 2))

    run(play())


def test_a_transaction_that_ends_late_is_heard(
    migrated: Server, admin: Connection, other_admin: Connection, ada: Person
) -> None:
    async def play() -> None:
        login_session_id, secret = sign_in(admin, ada)
        held = Held(ada.account_id, login_session_id)
        bob = enrol(admin, "late")
        async with nodes(migrated) as (node,):
            await node.stop()
            with other_admin.transaction():
                other_admin.execute(_REVOKE, [hash_of(secret)])
                # Meanwhile others begin and end, and the node asks more than once.
                for _ in range(3):
                    _, another = sign_in(admin, bob)
                    admin.execute(_REVOKE, [hash_of(another)])
                    await node.check()
                assert not node.is_revoked(held), "control: it is not committed"
            await node.check()
            assert node.is_revoked(held)

    run(play())


def test_what_can_not_be_asked_is_not_taken_for_nothing(migrated: Server) -> None:
    async def play() -> None:
        database = Database(migrated, 1)
        node = Revocations(database)
        async with database.opened():
            await node.check()
        with pytest.raises(Refusal) as refused:
            await node.check()
        assert refused.value.status == 503

    run(play())
