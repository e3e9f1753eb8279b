"""An Electric for tests: that of ELECTRIC_URL, one in a container, or else the stand-in."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from uuid import uuid4

import httpx
import pytest

from harness.connections import Connection, Server, connect
from harness.settings import Settings
from harness.testing.pair import Pair
from harness.testing.servers import Databases
from tests.py.electric.electrics import Electric, stand_in
from tests.py.waiting import wait_until

Start = Callable[..., Electric]

_TABLE = """
    drop schema if exists rec cascade;
    create schema rec;
    create table rec.messages (
        account_id text not null, id text not null, session_id text not null, role text not null,
        content text, seq int not null default 0, done boolean not null default false,
        extra jsonb, tags text[], score numeric, uid uuid, at timestamptz, raw bytea,
        primary key (account_id, id)
    );
    alter table rec.messages replica identity full;
    alter publication electric_publication_sessionbase add table rec.messages;
    grant usage on schema rec to electric_read;
    grant select on rec.messages to electric_read;
"""
_ROWS = r"""
    insert into rec.messages
    values
        ('a1', 'm1', 's1', 'user', 'hello', 1, false, '{"k": [1, 2.50, null]}', '{x,"y z"}', 1.50,
            '00000000-0000-0000-0000-000000000001', '2025-12-18 23:50:36.922+00', '\x00ff');
    insert into rec.messages (account_id, id, session_id, role, content, seq)
    values
        ('a1', 'm2', 's1', 'assistant', e'café 😀 "q" \\ \n end', 2),
        ('a1', 'm3', 's2', 'user', 'other session', 3),
        ('a2', 'm1', 's1', 'user', 'other account', 4);
"""


@pytest.fixture(scope="module")
def electric(
    electric_choice: str, databases: Databases, request: pytest.FixtureRequest
) -> Iterator[Electric]:
    """Return an Electric, and the database it follows."""
    if electric_choice == "stand-in":
        with databases.migrated() as made, stand_in(made) as electric:
            yield electric
        return
    # A real one follows one database, which the modules of tests share.
    electric = request.getfixturevalue(f"electric_of_{electric_choice}")
    yield electric
    with connect(electric.server, "test") as connection:
        connection.execute("drop schema if exists rec cascade")


@pytest.fixture(scope="session")
def electric_of_url(server: Server, given_settings: Settings) -> Electric:
    """Return the one of ELECTRIC_URL. It follows the database of DATABASE_URL, migrated."""
    url, secret = given_settings.electric_url, given_settings.electric_secret
    assert url
    assert secret
    return Electric(url.get_secret_value().rstrip("/"), secret.get_secret_value(), server)


@pytest.fixture(scope="session")
def electric_of_container(pair: Pair) -> Electric:
    """Return the one in a container, with the database in another."""
    return Electric(pair.url, pair.secret, pair.server)


@pytest.fixture
def start(database: Server) -> Iterator[Start]:
    """Return a way to start stand-ins on this test's database; they end with the test."""
    with ExitStack() as stack:
        yield lambda *seconds, **options: stack.enter_context(
            stand_in(database, *seconds, **options)
        )


@pytest.fixture
def ask(electric: Electric) -> Iterator[httpx.Client]:
    """Return an HTTP client of it."""
    with electric.client() as client:
        yield client


@pytest.fixture
def writer(electric: Electric) -> Iterator[Connection]:
    """Give a connection to the database it follows, as a superuser."""
    with connect(electric.server, "test") as opened:
        yield opened


@pytest.fixture
def table(writer: Connection, electric: Electric, ask: httpx.Client) -> Connection:
    """Make the table of the recordings anew, as it was for each of them."""
    writer.execute(_TABLE)
    row = writer.execute("select (pg_current_wal_insert_lsn() - '0/0')::int8").fetchone()
    assert row
    writer.execute(_ROWS)
    wait_until(lambda: _is_known(electric, ask, row[0]))
    return writer


@pytest.fixture
def make_table() -> Callable[[Connection], None]:
    """Return how the table is made, for databases of a test's own."""
    return _make_table


def _is_known(electric: Electric, ask: httpx.Client, lsn: int) -> bool:
    """Whether Electric knows the table that was made anew, and its stream is past a place.

    It remembers tables by their numbers, and serves the shapes that it has of one that is gone.
    The first shape of its name that nobody had is answered 409; and the first change in the stream
    ends those that were made before it.
    """
    query = {"table": "rec.messages", "where": "id = $1", "params[1]": str(uuid4())}
    query |= {"secret": electric.secret, "offset": "-1"}
    answer = ask.get("/v1/shape", params=query)
    if answer.status_code != httpx.codes.OK:
        return False
    found = {name: answer.headers[f"electric-{name}"] for name in ("handle", "offset")}
    answer = ask.get("/v1/shape", params=query | found)
    if answer.status_code != httpx.codes.OK:
        return False
    return any(int(one["headers"].get("global_last_seen_lsn", 0)) > lsn for one in answer.json())


def _make_table(connection: Connection) -> None:
    connection.execute(_TABLE)
    connection.execute(_ROWS)
