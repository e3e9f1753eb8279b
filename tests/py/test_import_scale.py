"""The cost of a record does not grow with the file."""

import json
import time
from pathlib import Path

from psycopg.conninfo import make_conninfo

from harness.connections import Connection, Server
from harness.console import quiet_watch
from harness.legacy.importer import import_folder
from harness.legacy.results import ImportRequest

SMALL, LARGE = 1_000, 4_000
# So that a cost which grows with the square ends the test instead of holding it up.
PATIENCE = "-c statement_timeout=60s"
# Four times the records: 4 where the cost a record is flat, 16 where it grows with their number.
MOST = 9


def write_messages(folder: Path, count: int) -> Path:
    """Write messages of ten sessions, some of which name no thread or one that is in no file."""
    folder.mkdir()
    messages = [
        {
            "id": f"chat_{number}",
            "sessionId": f"session-{number % 10}",
            "mode": "session",
            **({"threadId": f"thread_{number % 50}"} if number % 3 else {}),
            "role": "user",
            "content": f"message {number} " * 20,
            "clientMessageId": f"client-{number}",
            "createdAt": "2026-01-02T03:04:05.678Z",
            "updatedAt": "2026-01-02T03:04:05.678Z",
        }
        for number in range(count)
    ]
    (folder / "chat-messages.json").write_text(json.dumps(messages, indent=2))
    return folder


def seconds(server: Server, folder: Path, account: str) -> float:
    start = time.monotonic()
    import_folder(server, ImportRequest(folder, account, dry_run=False), quiet_watch)
    return time.monotonic() - start


def test_four_times_the_messages_cost_about_four_times_as_much(
    database: Server, connection: Connection, tmp_path: Path
) -> None:
    for name in ("small", "large"):
        connection.execute("insert into app.accounts (name) values (%s)", [name])
    server = Server(make_conninfo(database.conninfo, options=PATIENCE), embedded=True)
    small = write_messages(tmp_path / "s", SMALL)
    large = write_messages(tmp_path / "l", LARGE)

    first = seconds(server, large, "large") / seconds(server, small, "small")
    again = seconds(server, large, "large") / seconds(server, small, "small")

    assert connection.execute("select count(*) from app.chat_messages").fetchone() == (
        SMALL + LARGE,
    )
    assert first < MOST
    assert again < MOST
