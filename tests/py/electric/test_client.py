"""Electric's own client, unmodified, follows an Electric."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.connections import Connection, connect
from harness.node import find_node, install_packages, lay_out
from harness.settings import PROJECT, Settings
from tests.py.electric.conftest import Start
from tests.py.electric.electrics import Electric

_PROJECT = PROJECT / "tests" / "clients"
_PROGRAM = "follow.mjs"
_PATIENCE_S = 90
_SESSION = {
    "table": "rec.messages",
    "where": "account_id = $1 AND session_id = $2",
    "params": ["a1", "s1"],
    "columns": ["account_id", "id", "session_id", "content", "seq", "done", "tags", "extra"],
}

Fact = dict[str, Any]
Follow = Callable[..., "Client"]


class Client:
    """A client at work, and what it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.heard: list[Fact] = []

    def until(self, is_it: Callable[[Fact], bool]) -> Fact:
        """Listen until it says what is waited for. A client that does not in time is ended."""
        for line in self._process.stdout or []:
            fact: Fact = json.loads(line)
            self.heard.append(fact)
            if is_it(fact):
                return fact
        raise AssertionError(f"the client ended; it said {self.heard[-5:]}")

    def until_rows(self, **contents: Any) -> None:  # noqa: ANN401 - values of any type
        """Listen until it has these rows, by id, with these contents."""
        self.until(
            lambda fact: {row["id"]: row["content"] for row in fact.get("rows", [])} == contents
        )


@pytest.fixture
def follow(settings: Settings, tmp_path: Path) -> Iterator[Follow]:
    """Return a way to start clients; they end with the test."""
    packages = install_packages(_PROJECT, settings, print)
    lay_out(tmp_path, packages, [_PROJECT / _PROGRAM])

    def followed(electric: Electric, *, sse: bool = False, **params: object) -> Client:
        environment = {
            "ELECTRIC_URL": electric.url,
            "PARAMS": json.dumps(params | {"secret": electric.secret}),
            "LIVE_SSE": str(sse).lower(),
        }
        return stack.enter_context(_running(tmp_path, environment))

    with ExitStack() as stack:
        yield followed


@contextmanager
def _running(folder: Path, environment: dict[str, str]) -> Iterator[Client]:
    process = subprocess.Popen(
        [str(find_node()), _PROGRAM],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    patience = threading.Timer(_PATIENCE_S, process.kill)
    patience.start()
    with process:
        try:
            yield Client(process)
        finally:
            patience.cancel()
            process.kill()


@pytest.mark.parametrize("sse", [False, True], ids=["long polls", "events"])
def test_it_has_what_was_there_and_what_comes(
    follow: Follow, electric: Electric, table: Connection, *, sse: bool
) -> None:
    client = follow(electric, sse=sse, **_SESSION)
    first = 'café 😀 "q" \\ \n end'
    client.until_rows(m1="hello", m2=first)
    (row, _) = client.heard[-1]["rows"]
    assert (row["seq"], row["done"], row["tags"]) == (1, False, ["x", "y z"])
    assert row["extra"] == {"k": [1, 2.5, None]}

    table.execute("update rec.messages set content = 'naïve 🦆', done = true where id = 'm1'")
    client.until_rows(m1="naïve 🦆", m2=first)
    assert client.heard[-1]["rows"][0]["done"] is True
    table.execute("update rec.messages set session_id = 's1' where id = 'm3'")
    client.until_rows(m1="naïve 🦆", m2=first, m3="other session")
    table.execute("update rec.messages set session_id = 's2' where account_id = 'a1' and id = 'm2'")
    client.until_rows(m1="naïve 🦆", m3="other session")
    table.execute("delete from rec.messages where id = 'm3'")
    client.until_rows(m1="naïve 🦆")


def test_it_learns_the_number_of_its_own_transaction(
    follow: Follow, electric: Electric, table: Connection
) -> None:
    client = follow(electric, **_SESSION)
    client.until(lambda fact: fact.get("count") == 2)
    row = table.execute("""
        update rec.messages
        set content = 'mine'
        where id = 'm2'
        returning pg_current_xact_id()::xid::text::int8
    """).fetchone()
    client.until(lambda fact: row is not None and fact.get("txid") == row[0])


def test_it_has_ten_thousand_rows_and_the_next(
    follow: Follow, electric: Electric, table: Connection
) -> None:
    table.execute(
        "insert into rec.messages (account_id, id, session_id, role, content) "
        "select 'a1', 'n' || n, 's1', 'user', repeat('text ', 20) from generate_series(1, 10000) n"
    )
    client = follow(electric, **_SESSION)
    client.until(lambda fact: fact.get("count") == 10_002)
    table.execute("update rec.messages set session_id = 's2' where id like 'n%' and id <> 'n7'")
    client.until(lambda fact: fact.get("count") == 3)


def test_it_begins_anew_after_truncate(
    follow: Follow, electric: Electric, table: Connection
) -> None:
    client = follow(electric, **_SESSION)
    client.until(lambda fact: fact.get("count") == 2)
    table.execute("truncate rec.messages")
    client.until(lambda fact: "refetched" in fact)
    table.execute(
        "insert into rec.messages (account_id, id, session_id, role, content) "
        "values ('a1', 'new', 's1', 'user', 'after')"
    )
    client.until_rows(new="after")


def test_it_goes_on_after_the_server_was_killed_and_started_again(
    follow: Follow, start: Start, make_table: Callable[[Connection], None]
) -> None:
    first = start()
    with connect(first.server, "test") as writer:
        make_table(writer)
        client = follow(first, **_SESSION)
        client.until(lambda fact: fact.get("count") == 2)
        first.kill()
        writer.execute("delete from rec.messages where id = 'm2'")
        start(port=first.port)
        client.until_rows(m1="hello")
        writer.execute("update rec.messages set content = 'again' where id = 'm1'")
        client.until_rows(m1="again")
