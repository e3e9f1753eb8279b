"""Revocations: what was revoked, on whichever node, known as soon as Postgres knows it.

A notification wakes this process, and what is told is read from auth.revocations, so that nothing
is missed while nobody listens. An answer that was held is checked by a question of its own.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import time
from typing import Any, Protocol
from uuid import UUID

import psycopg

from gatekeeper.database import Database
from gatekeeper.errors import Refusal

_LOG = logging.getLogger(__name__)
_LISTEN = "listen sessionbase_revocations"
_SINCE = """
    select next_since::text, kind, login_session_id, account_id, owner_account_id, session_id, id
    from auth.revocations_since(%s::xid8)
"""
_POLL_SECONDS = 5.0
"""How often Postgres is asked though nothing was heard: a dead network is silent too."""
_AGAIN_SECONDS = 0.4
"""How often it is asked while nobody can listen. An open stream must end within a second."""
_KEPT_SECONDS = 86_400.0
"""As long as Postgres keeps them: nothing is told again after that."""
_CLOCKS_SECONDS = 1.0
"""How far the clocks of two nodes may be apart: a claim of another may seem that much younger."""


class Revocable(Protocol):
    """What can be revoked: a shape token's claim. issued_at: before who asks was looked up."""

    @property
    def account_id(self) -> UUID:
        """Who asks."""

    @property
    def login_session_id(self) -> UUID | None:
        """With which login session."""

    @property
    def owner_account_id(self) -> UUID | None:
        """Whose session it is about."""

    @property
    def session_id(self) -> str | None:
        """Which session it is about."""

    @property
    def issued_at(self) -> float:
        """Since when it holds, in seconds of the epoch."""


Subject = tuple[object, ...]
"""What was revoked: a login session, an account, or a membership."""


@dataclass(eq=False)
class _Watch:
    """Who waits for a claim's end. call: what is called then, for who has no task that waits."""

    claim: Revocable
    call: Callable[[], object] | None
    event: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self) -> None:
        """Tell it."""
        self.event.set()
        if self.call:
            self.call()


class Revocations:
    """Knows what was revoked, on whichever node, as soon as Postgres does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._question = database.question(_SINCE)
        self._since: str | None = None
        self._told: dict[int, float] = {}
        self._heard_at: dict[Subject, float] = {}
        self._watches: dict[UUID, set[_Watch]] = {}
        self._asking: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Learn what was revoked lately, and listen. Raises Refusal (503)."""
        await self.check()
        self._listening = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """Listen no more."""
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening

    async def check(self) -> None:
        """Ask Postgres now what was revoked. Askers of one moment share the question.

        Raises Refusal (503): what can't be asked is not taken for nothing.
        """
        # Not the question that is under way: it may have been asked before what must be known.
        if self._next is None:
            self._next = asyncio.create_task(self._ask_after(self._asking))
            self._next.add_done_callback(_look_at)
        await asyncio.shield(self._next)

    def is_revoked(self, claim: Revocable) -> bool:
        """Say whether it was, as far as is known here."""
        return any(self._ends(subject, claim) for subject in _subjects(claim))

    @contextmanager
    def watch(
        self, claim: Revocable, call: Callable[[], object] | None = None
    ) -> Iterator[asyncio.Event]:
        """Give an event that is set once it is revoked. call: what is called then as well."""
        watch = _Watch(claim, call)
        watches = self._watches.setdefault(claim.account_id, set())
        watches.add(watch)
        if self.is_revoked(claim):
            watch.end()
        try:
            yield watch.event
        finally:
            watches.discard(watch)
            if not watches and self._watches.get(claim.account_id) is watches:
                del self._watches[claim.account_id]

    def _ends(self, subject: Subject, claim: Revocable) -> bool:
        heard_at = self._heard_at.get(subject)
        if heard_at is None:
            return False
        if subject[0] == "login_session":
            # It never comes back.
            return True
        if claim.login_session_id is not None and subject[0] == "account":
            # Its login sessions were revoked by themselves, and who signs in again at once has a
            # good one: so this is for one that began while its account was being disabled.
            return claim.issued_at <= heard_at
        return claim.issued_at <= heard_at + _CLOCKS_SECONDS

    async def _ask_after(self, asking: asyncio.Task[None] | None) -> None:
        """Ask once the question that is under way is answered; from then on another is the next."""
        if asking is not None:
            await asyncio.wait([asking])
        self._asking, self._next = self._next, None
        await self._ask()

    async def _ask(self) -> None:
        rows = await self._question.ask(self._since)
        now = time()
        self._since = rows[0][0]
        for _, kind, *about, number in rows:
            if kind is not None and number not in self._told:
                self._told[number] = now
                self._hear(kind, about, now)
        _forget(self._told, now - _KEPT_SECONDS)
        _forget(self._heard_at, now - _KEPT_SECONDS)

    def _hear(self, kind: str, about: list[Any], now: float) -> None:
        login_session_id, account_id, owner_account_id, session_id = about
        subject: Subject = {
            "login_session": ("login_session", login_session_id),
            "account": ("account", account_id),
            "membership": ("membership", account_id, owner_account_id, session_id),
        }[kind]
        # The latest is put last, where _forget() expects it.
        self._heard_at.pop(subject, None)
        self._heard_at[subject] = now
        for watch in self._watches.get(account_id, ()):
            if self.is_revoked(watch.claim):
                watch.end()

    async def _listen(self) -> None:
        """Hear of revocations for as long as this process runs, whatever becomes of Postgres."""
        while True:
            try:
                await self._hear_notifications()
            except (psycopg.Error, OSError, Refusal) as error:
                _LOG.warning("revocations: nobody listens (%s)", type(error).__name__)
            with suppress(Refusal):
                await self.check()
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _hear_notifications(self) -> None:
        async with self._database.alone() as connection:
            await connection.execute(_LISTEN)
            while True:
                # First of all: what was revoked before anybody listened.
                await self.check()
                async for _ in connection.notifies(timeout=_POLL_SECONDS, stop_after=1):
                    pass


def _subjects(claim: Revocable) -> Iterator[Subject]:
    """Give all that would end a claim if it were revoked."""
    if claim.login_session_id is not None:
        yield "login_session", claim.login_session_id
    yield "account", claim.account_id
    if claim.session_id is not None:
        yield "membership", claim.account_id, claim.owner_account_id, claim.session_id


def _forget(times: dict[Any, float], before: float) -> None:
    """Drop what is older; the oldest is first."""
    while times:
        oldest = next(iter(times))
        if times[oldest] >= before:
            return
        del times[oldest]


def _look_at(task: asyncio.Task[None]) -> None:
    """Take a failure as seen, also where all who asked have left."""
    if not task.cancelled():
        task.exception()
