"""Accounts that ask, each a gatekeeper of its own: in single-tenant mode that knows no other."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from harness.connections import Server, connect
from tests.py.electric.electrics import Electric
from tests.py.gatekeeper.gatekeepers import Gatekeeper, running
from tests.py.gatekeeper.issuers import ISSUER, Issuer, new_issuer

OWNER = UUID("00000000-0000-4000-8000-000000000001")
VIEWER = UUID("00000000-0000-4000-8000-0000000000a1")
EDITOR = UUID("00000000-0000-4000-8000-0000000000a2")
STRANGER = UUID("00000000-0000-4000-8000-0000000000a3")
DISABLED = UUID("00000000-0000-4000-8000-0000000000a4")

SHARED = "session shared/with ä%"
"""A session of the owner's: viewer and editor are members. Its id is one that must be encoded."""

_CAST = f"""
    insert into app.accounts (id, name, status)
    values
        ('{VIEWER}', 'viewer', 'active'),
        ('{EDITOR}', 'editor', 'active'),
        ('{STRANGER}', 'stranger', 'active'),
        ('{DISABLED}', 'disabled', 'disabled');

    insert into app.sessions (account_id, id)
    values
        ('{OWNER}', '{SHARED}'),
        ('{OWNER}', 'session-own'),
        ('{STRANGER}', 'session-own');

    insert into app.session_members (account_id, session_id, member_account_id, role)
    values
        ('{OWNER}', '{SHARED}', '{VIEWER}', 'viewer'),
        ('{OWNER}', '{SHARED}', '{EDITOR}', 'editor');
"""


Clients = dict[UUID, httpx.Client]
"""An HTTP client for each account."""


@contextmanager
def asking(
    server: Server,
    account: UUID,
    **settings: Any,  # noqa: ANN401 - any setting
) -> Iterator[Gatekeeper]:
    """Run a gatekeeper that is asked by one account. There is no Electric behind it."""
    with running(nowhere(server), single_account_id=account, **settings) as gatekeeper:
        yield gatekeeper


@contextmanager
def clients(server: Server, *accounts: UUID) -> Iterator[Clients]:
    """Give an HTTP client for each account."""
    with ExitStack() as stack:
        gatekeepers = {
            account: stack.enter_context(asking(server, account)) for account in accounts
        }
        yield {
            account: stack.enter_context(gatekeeper.client())
            for account, gatekeeper in gatekeepers.items()
        }


@dataclass
class Tenants:
    """One gatekeeper that all accounts ask, each with a token of an issuer."""

    gatekeeper: Gatekeeper
    issuer: Issuer

    def bearer(self, account: UUID) -> str:
        """Return an account's header Authorization."""
        return f"Bearer {self.issuer.token(str(account))}"

    def client(self, account: UUID) -> httpx.Client:
        """Return an HTTP client of an account."""
        return self.gatekeeper.client(authorization=self.bearer(account))


@contextmanager
def tenants(
    electric: Electric,
    folder: Path,
    **settings: Any,  # noqa: ANN401 - any setting
) -> Iterator[Tenants]:
    """Run a gatekeeper that believes an issuer, who names accounts by their ids."""
    issuer = new_issuer(folder)
    with connect(electric.server, "test") as connection:
        connection.execute(
            "insert into auth.identities (issuer, subject, account_id) "
            "select %s, id::text, id from app.accounts on conflict do nothing",
            [ISSUER],
        )
    with running(electric, **(issuer.settings() | settings)) as gatekeeper:
        yield Tenants(gatekeeper, issuer)


def nowhere(server: Server) -> Electric:
    """Return an Electric that is not there, over a database that is."""
    return Electric("http://127.0.0.1:9", "secret", server)


def cast(server: Server) -> None:
    """Make the accounts, the owner's sessions and who is a member of one."""
    with connect(server, "test") as connection:
        connection.execute(_CAST.encode())
