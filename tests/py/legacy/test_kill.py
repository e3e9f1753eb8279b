"""Killed at any moment, client or server, an import that is run again ends as if nothing was."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench.contents import IGNORED, TABLES
from harness.connections import Connection, Server, connect
from harness.embedded.postgres import EmbeddedPostgres
from harness.migrations.runner import Migrator
from harness.settings import PROJECT, Settings
from harness.testing.servers import Databases
from tests.py.killing import kill_server
from tests.py.legacy.builders import message, spelled, thread, tool_event, write_folder
from tests.py.legacy.builders import time as at

BATCH_RECORDS = 40
ROUNDS = 5
SERVER_ROUNDS = 3
MOST_ROUNDS = 15
"""Moments are measured on a machine that others use too: all of a few can come too late."""
PATIENCE_S = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a folder with something of everything, in an order that random numbers gave."""
    dice = random.Random(4711)  # noqa: S311 - the same folder every time
    threads = [
        thread(
            id=f"thread_{n}",
            sessionId=f"session-{n % 7}",
            status=dice.choice(["active", "archived"]),
            updatedAt=at(1 + dice.randrange(500)),
        )
        for n in range(130)
    ]
    messages: list[Any] = []
    for n in range(900):
        record = message(
            id=f"chat_{n}",
            sessionId=f"session-{dice.randrange(7)}",
            threadId=f"thread_{dice.randrange(140)}",
            content=f"{n} " * dice.randrange(60),
            createdAt=at(n),
            updatedAt=at(n),
        )
        if dice.random() < 0.3:
            record["clientMessageId"] = f"client-{dice.randrange(500)}"
        if dice.random() < 0.1:
            del record["threadId"]
        messages.append(dice.choice(messages) if messages and dice.random() < 0.05 else record)
        if dice.random() < 0.05:
            messages.append(b'{"id": nothing}')
        if dice.random() < 0.05:
            messages.append(message(id=f"nul_{n}", content="a\x00b", threadId=f"thread_{n % 130}"))
    tool_events = [
        tool_event(id=f"tool_{n}", sessionId=f"session-{n % 8}", threadId=None) for n in range(200)
    ]
    path = tmp_path_factory.mktemp("kill") / "data"
    # Indented as the viewer does it, so that there are bytes to read.
    return write_folder(
        path,
        threads=threads,
        messages=[
            json.dumps(each, indent=2).encode() if isinstance(each, dict) else spelled(each)
            for each in messages
        ],
        tool_events=tool_events,
    )


def state(connection: Connection) -> dict[str, list[str]]:
    """Return every row that an import leaves, without what differs from run to run."""
    found = {}
    for schema, tables in TABLES.items():
        for table in tables:
            rows = connection.execute(f"select to_jsonb(t) from {schema}.{table} as t").fetchall()
            found[table] = sorted(
                json.dumps(
                    {k: v for k, v in row.items() if k not in IGNORED[schema]}, sort_keys=True
                )
                for (row,) in rows
            )
    return found


def start(server: Server, folder: Path, jobs: int, way: str) -> subprocess.Popen[str]:
    arguments = [server.conninfo, str(folder), str(BATCH_RECORDS), str(jobs), way]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.py.legacy.importing", *arguments],
        cwd=PROJECT,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(server: Server, folder: Path, jobs: int, way: str) -> float:
    """Import to the end; return how long it took, in seconds."""
    begin = time.monotonic()
    process = start(server, folder, jobs, way)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    return time.monotonic() - begin


def outcomes(connection: Connection) -> list[str]:
    """Return the outcomes of all runs."""
    return [run for (run,) in connection.execute("select outcome from legacy.import_runs")]


def finish(server: Server, connection: Connection, folder: Path, jobs: int, way: str) -> int:
    """Run the import again, unless it was done already. Return how often it was resumed."""
    if outcomes(connection) != ["finished"]:
        run(server, folder, jobs, way)
    # Resumed, not begun anew.
    assert outcomes(connection) == ["finished"]
    (attempt,) = connection.execute("select attempt from legacy.import_runs").fetchone() or (0,)
    return int(attempt) - 1


def kill_after(process: subprocess.Popen[str], seconds: float) -> bool:
    """Kill a process after a while. False: it was done by then."""
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    return False


@pytest.mark.parametrize(("jobs", "way"), [(1, "batches"), (2, "batches"), (1, "build")])
def test_a_client_killed_at_random_moments(
    databases: Databases, folder: Path, jobs: int, way: str
) -> None:
    with databases.migrated() as server, connect(server, "test") as connection:
        seconds = run(server, folder, jobs, way)
        undisturbed = state(connection)
    assert undisturbed["chat_messages"]
    assert undisturbed["quarantine"]

    dice = random.Random()  # noqa: S311 - other moments every time
    resumed = rounds = 0
    while rounds < ROUNDS or (not resumed and rounds < MOST_ROUNDS):
        rounds += 1
        with databases.migrated() as server, connect(server, "test") as connection:
            # Twice in a row: what a resumed run leaves is resumed too.
            for _ in range(2):
                if outcomes(connection) != ["finished"]:
                    process = start(server, folder, jobs, way)
                    kill_after(process, dice.uniform(0.3 * seconds, 0.9 * seconds))
            resumed += finish(server, connection, folder, jobs, way)
            assert state(connection) == undisturbed
    # Or nothing was shown.
    assert resumed


@pytest.mark.parametrize("way", ["batches", "build"])
def test_a_server_killed_at_random_moments(
    server_to_kill: EmbeddedPostgres,
    databases: Databases,
    settings: Settings,
    folder: Path,
    way: str,
) -> None:
    with databases.migrated() as server, connect(server, "test") as connection:
        seconds = run(server, folder, 1, way)
        undisturbed = state(connection)

    dice = random.Random()  # noqa: S311 - other moments every time
    server = server_to_kill.ensure_running()
    Migrator(settings).apply(server)
    resumed = rounds = 0
    while rounds < SERVER_ROUNDS or (not resumed and rounds < MOST_ROUNDS):
        rounds += 1
        with connect(server, "test") as connection:
            for (table,) in connection.execute(
                "select relid::regclass::text from pg_stat_user_tables where schemaname = 'app' "
                "and relname not in ('accounts', 'maintenance') "
                "or schemaname = 'legacy' and relname <> 'reasons'"
            ).fetchall():
                connection.execute(f"truncate {table} cascade")
        process = start(server, folder, 1, way)
        time.sleep(dice.uniform(0.3 * seconds, 0.9 * seconds))
        kill_server(server_to_kill)
        process.communicate(timeout=PATIENCE_S)

        server = server_to_kill.ensure_running()
        with connect(server, "test") as connection:
            resumed += finish(server, connection, folder, 1, way)
            assert state(connection) == undisturbed
    assert resumed
