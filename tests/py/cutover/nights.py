"""Nights to try: data folders, requests, processes that are watched by their journal."""

import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from bench.watched import Watched, start
from harness.connections import Server, connect
from harness.cutover.request import CutoverRequest
from harness.cutover.run import Done, cut_over
from harness.settings import Settings
from tests.py.legacy.builders import message, thread, tool_event, write_folder
from tests.py.legacy.builders import time as at

PATIENCE_S = 60


def write_data(folder: Path, messages: int = 300) -> Path:
    """Write a folder with plain records, mended ones, and two that are kept out."""
    records: list[Any] = [
        message(
            id=f"chat_{n}",
            # One of ten names a thread of another session.
            sessionId=f"session-{n % 8 % 3 if n % 10 else 9}",
            threadId=f"thread_{n % 8}",
            createdAt=at(n),
            updatedAt=at(n),
            clientMessageId=f"client-{n // 2 if n % 50 == 0 else n}",
        )
        for n in range(messages)
    ]
    records += [message(id="broken", role="robot"), b'{"id": nothing}']
    return write_folder(
        folder,
        threads=[thread(id=f"thread_{n}", sessionId=f"session-{n % 3}") for n in range(8)],
        messages=records,
        tool_events=[
            tool_event(id=f"tool_{n}", sessionId="session-1", threadId=None) for n in range(60)
        ],
    )


def files_of(folder: Path) -> dict[str, tuple[str, int]]:
    """Return sum and time of every file below a folder."""
    return {
        str(path.relative_to(folder)): (
            sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def close_to_public(server: Server) -> Server:
    """Give a copied database the rights of one that was migrated, and return it."""
    with connect(server, "test") as connection:
        name = server.database
        connection.execute(f"revoke all on database {name} from public")
        connection.execute(f"grant temporary on database {name} to import_definer")
        connection.execute(f"grant connect on database {name} to importer, reviewer")
    return server


def databases_of(server: Server) -> set[str]:
    """Return the names of the databases that a cutover has made."""
    with connect(server, "test") as connection:
        return {
            name
            for (name,) in connection.execute(
                "select datname from pg_database where datname ~ '^sessionbase_(trial|rehearsal)_'"
            )
        }


def is_closed(server: Server) -> bool:
    """Say whether the mark of maintenance is set."""
    with connect(server, "test") as connection:
        row = connection.execute(
            "select since is not null from app.maintenance where scope = 'writes'"
        ).fetchone()
    return bool(row and row[0])


@dataclass(frozen=True)
class Place:
    """Where a night is tried."""

    server: Server
    settings: Settings
    data: Path
    out: Path

    def request(self, **options: Any) -> CutoverRequest:  # noqa: ANN401 - as the request has them
        """Return a request for it."""
        return CutoverRequest(self.data, self.out, **{"max_quarantine": 2, **options})

    def cut_over(self, **options: Any) -> Done:  # noqa: ANN401 - as above
        """Cut over here and now."""
        return cut_over(self.server, self.settings, self.request(**options))

    def start(self, way: str = "really") -> Watched:
        """Cut over in a process of its own."""
        command = [
            sys.executable,
            "-m",
            "tests.py.cutover.cutting",
            self.server.conninfo,
            str(self.settings.home),
            str(self.data),
            str(self.out),
            way,
        ]
        folder = self.out / "rehearsal" if way == "rehearse" else self.out
        return start(command, folder / "journal.jsonl")

    def finish(self, way: str = "really") -> str:
        """Cut over in a process of its own to the end; return what it said."""
        watched = self.start(way)
        _, said = watched.process.communicate(timeout=PATIENCE_S)
        assert watched.process.returncode == 0, said
        return said
