"""Databases as the guide's reader has them: the samples imported, a second account, a login."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from uuid import UUID

import pytest

from harness.connections import Connection, Server, connect
from harness.legacy.importer import import_folder
from harness.legacy.results import ImportRequest
from harness.settings import EXAMPLES
from harness.testing.servers import Databases
from tests.py.applications import application_login, as_login
from tests.py.guide.running import ACCOUNT, FRIEND

Seeded = Callable[[], tuple[Server, Server]]

_SIGN_IN = """
    with identity as (
        insert into auth.identities (issuer, subject, account_id)
        values ('https://issuer.example', 'somebody', %(account)s)
        returning *
    )

    insert into auth.login_sessions (
        account_id, issuer, subject, user_agent,
        created_at, last_used_at, idle_expires_at, absolute_expires_at
    )
    select
        account_id, issuer, subject, agent,
        now(), now() + make_interval(secs => age), now() + '1 day', now() + '1 day'
    from identity, (values ('a browser', 2), ('another', 1)) as used (agent, age)
    returning id
"""


def seed(server: Server) -> None:
    """Fill a migrated database as the guide's reader has it."""
    import_folder(server, ImportRequest(EXAMPLES, None), lambda *_: None)
    with connect(server, "test") as connection:
        connection.execute("insert into app.accounts (id, name) values (%s, 'friend')", [FRIEND])
        sign_in(connection)


def sign_in(connection: Connection) -> UUID:
    """Sign the account in, twice; return the id of a login session."""
    return UUID(str(connection.execute(_SIGN_IN, {"account": ACCOUNT}).fetchall()[0][0]))


@pytest.fixture
def seeded(databases: Databases) -> Iterator[Seeded]:
    """Make databases as the README's first command leaves them: for a superuser, for a login."""
    with ExitStack() as stack:
        login = stack.enter_context(application_login(stack.enter_context(databases.migrated())))

        def make() -> tuple[Server, Server]:
            server = stack.enter_context(databases.migrated())
            seed(server)
            return server, as_login(server, login)

        yield make
