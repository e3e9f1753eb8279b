"""Revocations. A stub of the same interface: it knows of none."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from uuid import UUID

from gatekeeper.database import Database


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


class Revocations:
    """Knows what was revoked, on whichever node, as soon as Postgres does."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def start(self) -> None:
        """Listen."""

    async def stop(self) -> None:
        """Listen no more."""

    async def check(self) -> None:
        """Ask Postgres now what was revoked. Askers of one moment share the question."""

    def is_revoked(self, claim: Revocable) -> bool:
        """Say whether it was."""
        del claim
        return False

    @contextmanager
    def watch(self, claim: Revocable) -> Iterator[asyncio.Event]:
        """Give an event that is set once it is revoked."""
        del claim
        yield asyncio.Event()
