"""A Node program plays a day of the old viewer through node-postgres, as its developers will."""

import json
from pathlib import Path

import pytest

from harness.connections import Connection, Server
from harness.guide.page import CLIENTS
from harness.node import install_packages, lay_out, run_node
from harness.settings import PROJECT, Settings
from tests.py.applications import application_login, as_login

NODE_PROJECT = PROJECT / "tests" / "node"
ANNA = "00000000-0000-4000-8000-000000000001"
DAY_SECONDS = 120


def play(server: Server, settings: Settings, folder: Path, ben: str) -> tuple[int, str, str]:
    """Run the day; return its exit code, output and errors."""
    packages = install_packages(NODE_PROJECT, settings, print)
    lay_out(folder, packages, [NODE_PROJECT / "day.mjs", *CLIENTS.glob("*.mjs")])
    with application_login(server) as login:
        environment = as_login(server, login).environment() | {"ACCOUNT": ANNA, "FRIEND": ben}
        result = run_node(folder / "day.mjs", environment, DAY_SECONDS)
    return result.returncode, result.stdout, result.stderr


@pytest.fixture
def ben(connection: Connection) -> str:
    """Make a second account."""
    row = connection.execute("insert into app.accounts (name) values ('ben') returning id")
    return str(row.fetchone()[0])  # type: ignore[index]


def test_a_day_of_the_viewer(
    database: Server, connection: Connection, settings: Settings, tmp_path: Path, ben: str
) -> None:
    code, out, errors = play(database, settings, tmp_path, ben)
    assert code == 0, errors
    summary = json.loads(out.splitlines()[-1])
    assert summary["connections lost"] == 3
    assert summary["refused"] >= 15
    assert summary["calls"] > 100
    assert summary["bytes stored"] > 2 << 20
    # What the program did was done as the accounts it named.
    (rows,) = connection.execute("select count(*) from app.chat_tool_events").fetchone() or (0,)
    assert rows == 2


@pytest.mark.parametrize(
    ("broken", "where"),
    [
        ("drop index app.chat_messages_client_message_idx", "chat"),
        ("drop trigger preview_message on app.chat_messages", "chat"),
        ("revoke execute on function api.list_todos from app_user", "desk"),
        ("create policy p on app.sessions for select to app_user using (true)", "sharing"),
    ],
)
def test_a_day_notices_what_is_broken(  # noqa: PLR0913, PLR0917 - fixtures and cases
    database: Server,
    connection: Connection,
    settings: Settings,
    tmp_path: Path,
    ben: str,
    broken: str,
    where: str,
) -> None:
    connection.execute(broken.encode())
    code, _, errors = play(database, settings, tmp_path, ben)
    assert code == 1
    assert f"at async {where}" in errors or f"at {where}" in errors
