"""Every function of schema api through the gatekeeper: for who may, as if called directly.

The calls are the examples of docs/developer-guide.md, which has one of every function.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from examples.clients import api
from harness.connections import Server, connect
from harness.guide.entries import load_entries
from harness.legacy.importer import import_folder
from harness.legacy.results import ImportRequest
from harness.settings import EXAMPLES
from harness.testing.servers import Databases
from tests.py.gatekeeper.personas import clients
from tests.py.guide.running import ACCOUNT, FRIEND, run_psycopg, what_is_left

STRANGER = "7a0c3e52-4b0f-4d3c-9f6c-0e6d2c1b9a11"

WITH_BYTES = {
    "add_session_events",
    "finish_session_log",
    "list_missing_upload_chunks",
    "put_upload_chunk",
    "read_upload",
    "replace_upload_content",
    "store_upload",
}
OF_NOBODY_ELSE = {"list_sessions", "recognize_log"}
"""They take no account_id: nobody can ask for another's with them."""

EMPTY_FOR_ALL = {"expire_uploads", "list_unused_upload_contents", "remove_unused_upload_contents"}
"""There is nothing to deny yet: what was stored a moment ago is neither unused nor expired."""

REFUSED = {401, 403, 404}


@contextmanager
def seeded(databases: Databases) -> Iterator[Server]:
    """Give a database as the README's first command leaves it, and two more accounts."""
    with databases.migrated() as server:
        import_folder(server, ImportRequest(EXAMPLES, None), lambda *_: None)
        with connect(server, "test") as connection:
            connection.execute(
                "insert into app.accounts (id, name) values (%s, 'friend'), (%s, 'stranger')",
                [FRIEND, STRANGER],
            )
        yield server


def as_json(value: object) -> object:
    """Return an argument of an example as JSON has it."""
    if isinstance(value, Jsonb):
        return value.obj
    if isinstance(value, datetime | UUID):
        return str(value)
    return value


def directly(
    connection: psycopg.Connection[Any], account: str, name: str, **given: object
) -> list[dict[str, Any]]:
    """Call a function without the gatekeeper; its rows as Postgres makes JSON of them."""
    if name in WITH_BYTES:
        return api.call(connection, account, name, **given)
    named = sql.SQL(", ").join(
        sql.SQL("{} => {}").format(sql.Identifier(key), sql.Placeholder(key)) for key in given
    )
    query = sql.SQL("select to_jsonb(f) as row from api.{}({}) as f").format(
        sql.Identifier(name), named
    )
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("set local role app_user")
        claims = json.dumps({"sub": account})
        cursor.execute("select set_config('request.jwt.claims', %s, true)", [claims])
        rows = cursor.execute(query, given).fetchall()
    return [row["row"] if isinstance(row["row"], dict) else row for row in rows]


class Through:
    """Calls functions through the gatekeeper, after a stranger has tried the same."""

    def __init__(self, server: Server, asking: dict[str, httpx.Client]) -> None:
        self._server = server
        self._asking = asking
        self.called: set[str] = set()
        self.denied: dict[str, str] = {}

    def call(
        self, connection: psycopg.Connection[Any], account: str, name: str, **given: object
    ) -> list[dict[str, Any]]:
        """Call a function, as examples/clients/api.py does."""
        if name in WITH_BYTES:
            self._cannot(name)
            return directly(connection, account, name, **given)
        body = {key: as_json(value) for key, value in given.items()}
        tried = None if name in OF_NOBODY_ELSE else self._try(account, name, body)
        answer = self._asking[account].post(f"/rpc/{name}", json=body)
        assert answer.status_code == 200, (name, answer.text)
        rows = answer.json()
        rows = rows if isinstance(rows, list) else [rows]
        self.called.add(name)
        if tried is not None and (tried.status_code in REFUSED or holds(rows)):
            # Who may gets it: so it is there, and was denied.
            self.denied[name] = "refused" if tried.status_code in REFUSED else "no row"
        return rows

    def _cannot(self, name: str) -> None:
        answer = self._asking[ACCOUNT].post(f"/rpc/{name}", json={})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
        assert "bytes" in answer.json()["error"]["message"]
        self.called.add(name)

    def _try(self, account: str, name: str, body: dict[str, object]) -> httpx.Response:
        """Make the call as a stranger, for the rows of the account."""
        before = what_is_left(self._server)
        answer = self._asking[STRANGER].post(f"/rpc/{name}", json={"account_id": account} | body)
        assert what_is_left(self._server) == before, f"{name} wrote something for a stranger"
        if answer.status_code == 200:
            assert not holds(answer.json()), (name, answer.json())
        else:
            assert answer.status_code in REFUSED, (name, answer.text)
        return answer


def holds(rows: Any) -> bool:  # noqa: ANN401 - it is JSON
    """Say whether an answer tells of anything; an answer of counts does not, where all are 0."""
    row = (rows[0] if rows else {}) if isinstance(rows, list) else rows
    return any(value for name, value in row.items() if name != "txid")


def test_every_function_does_what_it_does_without_the_gatekeeper(databases: Databases) -> None:
    entries = load_entries().functions
    with ExitStack() as stack:
        plain, served = (stack.enter_context(seeded(databases)) for _ in range(2))
        accounts = map(UUID, (ACCOUNT, FRIEND, STRANGER))
        asking = stack.enter_context(clients(served, *accounts))
        through = Through(served, {str(account): client for account, client in asking.items()})
        assert run_psycopg(entries, served, through.call) == run_psycopg(entries, plain, directly)
        left = what_is_left(served)
        assert left == what_is_left(plain)
    assert left["chat_messages"]
    assert through.called == entries.keys()
    assert through.denied.keys() == entries.keys() - WITH_BYTES - OF_NOBODY_ELSE - EMPTY_FOR_ALL
