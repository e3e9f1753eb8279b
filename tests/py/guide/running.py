"""Runs the guide's examples as their reader would: by psql, in Python, and in Node."""

import json
import re
import subprocess
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from examples.clients import api
from harness.connections import Server, connect
from harness.embedded.binaries import find_program
from harness.guide.entries import Entry
from harness.guide.page import CLIENTS
from harness.node import install_packages, lay_out, run_node
from harness.settings import PROJECT, Settings

Way = Callable[..., list[api.Row]]
"""Calls a function as examples/clients/api.py does."""

ACCOUNT = "00000000-0000-4000-8000-000000000001"
FRIEND = "a50b15b6-c8cf-4eb2-97db-215a582fd60d"
NODE_PROJECT = PROJECT / "tests" / "node"
_SECONDS = 120

_MADE = re.compile(r"^(txid|cursor|id|thread_id|upload_id|author_account_id|latency_ms|\w+_at)$")
"""Columns whose values differ from run to run."""


class ExampleFailedError(AssertionError):
    """An example that does not do what it shows."""


@dataclass(frozen=True)
class Call:
    """A call that an example made: its arguments' names, and rows without what is made anew."""

    function: str
    arguments: tuple[str, ...]
    rows: list[dict[str, Any]]


def run_psql(entries: Mapping[str, Entry], server: Server, settings: Settings) -> None:
    """Run the examples for psql, each in a transaction; every one must give rows."""
    claims = json.dumps({"sub": ACCOUNT})
    lines = ["\\set ON_ERROR_STOP on"]
    for name, entry in entries.items():
        lines += [f"\\echo == {name}", "begin;", "set local role app_user;"]
        lines += [f"select set_config('request.jwt.claims', '{claims}', true) \\g /dev/null"]
        lines += [entry.psql, "commit;"]
    result = subprocess.run(
        [str(find_program(settings, "psql")), "--no-psqlrc", "--quiet", "--file=-"],
        check=False,
        input="\n".join(lines),
        env={"LC_ALL": "C.UTF-8", "PGCLIENTENCODING": "UTF8"} | server.environment(),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    outputs = re.split(r"^== ", result.stdout, flags=re.MULTILINE)[1:]
    if result.returncode != 0:
        raise ExampleFailedError(f"psql: {outputs[-1:]}: {result.stderr}")
    for output in outputs:
        if "(0 rows)" in output and not entries[output.splitlines()[0]].empty:
            raise ExampleFailedError(f"psql: {output}")


def run_psycopg(entries: Mapping[str, Entry], server: Server, way: Way = api.call) -> list[Call]:
    """Run the examples for Python, one after the other; return the calls they made.

    way: how a call is made, if not as the guide says.
    """
    calls: list[Call] = []

    def call(
        connection: psycopg.Connection[Any], account: str, name: str, **given: object
    ) -> list[api.Row]:
        rows = way(connection, account, name, **given)
        calls.append(_call(name, given, json.loads(json.dumps(rows, default=_as_node_has_it))))
        return rows

    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        names: dict[str, Any] = {"call": call, "connection": connection, "Jsonb": Jsonb}
        names |= {"account": ACCOUNT, "friend": FRIEND, "sha256": sha256}
        for name, entry in entries.items():
            try:
                exec(compile(entry.psycopg, name, "exec"), names)  # noqa: S102 - our own examples
            except Exception as error:
                raise ExampleFailedError(f"psycopg: {name}: {error!r}") from error
    return _checked("psycopg", calls, entries)


def run_node_postgres(
    entries: Mapping[str, Entry], server: Server, settings: Settings, folder: Path
) -> list[Call]:
    """Run the examples for Node as one program; return the calls they made."""
    packages = install_packages(NODE_PROJECT, settings, print)
    lay_out(folder, packages, CLIENTS.glob("*.mjs"))
    program = folder / "examples.mjs"
    body = "\n".join(f"at = '{name}';\n{entry.node}" for name, entry in entries.items())
    program.write_text(_NODE.replace("EXAMPLES", body))
    environment = server.environment() | {"ACCOUNT": ACCOUNT, "FRIEND": FRIEND}
    result = run_node(program, environment, _SECONDS)
    if result.returncode != 0:
        raise ExampleFailedError(f"node: {result.stderr}")
    calls = json.loads(result.stdout)
    made = [_call(call["name"], call["given"], call["rows"]) for call in calls]
    return _checked("node", made, entries)


def what_is_left(server: Server) -> dict[str, list[str]]:
    """Return all rows of schema app, without what differs from run to run."""
    with connect(server, "test") as connection:
        tables = connection.execute(
            """
            select relname
            from pg_class
            where relnamespace = 'app'::regnamespace and relkind = 'r'
            """
        ).fetchall()
        return {name: _rows_of(connection, name) for (name,) in tables}


def _rows_of(connection: psycopg.Connection[Any], table: str) -> list[str]:
    query = sql.SQL("select to_jsonb(t) from app.{} as t").format(sql.Identifier(table))
    rows = connection.execute(query).fetchall()
    return sorted(json.dumps(_without_made(row), sort_keys=True) for (row,) in rows)


def arguments_in_psql(text: str, function: str) -> set[str]:
    """Return the names of the arguments that an example for psql gives a function."""
    names: set[str] = set()
    for statement in re.split(r";|\\gset", text):
        if f"api.{function}(" in statement:
            names |= set(re.findall(r"(\w+) =>", statement))
    return names


def _checked(language: str, calls: list[Call], entries: Mapping[str, Entry]) -> list[Call]:
    for call in calls:
        if not call.rows and not entries[call.function].empty:
            raise ExampleFailedError(f"{language}: {call.function} gave no row")
    return calls


def _call(name: str, given: Mapping[str, object], rows: list[dict[str, Any]]) -> Call:
    return Call(name, tuple(sorted(given)), [_without_made(row) for row in rows])


def _without_made(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not _MADE.match(name)}


def _as_node_has_it(value: object) -> object:
    if isinstance(value, bytes):
        return {"type": "Buffer", "data": list(value)}
    if isinstance(value, uuid.UUID | datetime):
        return str(value)
    if isinstance(value, timedelta):
        return {"days": value.days}
    raise TypeError(type(value))


_NODE = """
import { createHash } from 'node:crypto';
import * as api from './api.mjs';

const { ACCOUNT: account, FRIEND: friend } = process.env;
const calls = [];
const noted = (way) => async (who, name, given = {}) => {
  const rows = await way(who, name, given);
  calls.push({ name, given, rows });
  return rows;
};
const call = noted(api.call);
const callAgain = noted(api.callAgain);
let at;
try {
EXAMPLES
  console.log(JSON.stringify(calls));
} catch (error) {
  console.error(`${at}: ${error.stack}`);
  process.exitCode = 1;
} finally {
  await api.pool.end();
}
"""
