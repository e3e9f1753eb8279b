"""An operator who imports one viewer's files after another, again until each is in."""

import json
import random
from collections import Counter
from hashlib import sha256
from threading import Event, Thread
from typing import TYPE_CHECKING

from bench.snapshot import Plan, write_snapshot
from drill.ledger import Ledger
from drill.programs import Program
from drill.stage import IMPORTS, Stage
from harness.connections import Connection
from harness.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

MESSAGES = 3_000
UNDISTURBED = "drill import 0"
"""Whose import no fault meets: all others must end as this one did."""

EXPECTED = {
    ExitCode.OK,
    ExitCode.UNREACHABLE,
    ExitCode.SERVER_GAVE_UP,
    ExitCode.IMPORT_RUNNING,
    ExitCode.IMPORT_FAILED,
    ExitCode.MIGRATION_LOCKED,
    ExitCode.MIGRATION_FAILED,
    -9,
}
"""What a command may end with while faults go on: each says what happened, and to try again."""

_TABLES = ("sessions", "chat_threads", "chat_messages", "chat_tool_events")
_LEGACY = ("kept_records", "quarantine")
_OF_RUNS = ("id", "run_id", "last_run_id")
_PATIENCE_S = 120


class Importer:
    """Imports in a thread, into one account after another. running: the import that is at it.

    account: which account that is, or was last. seconds: how many second operators there were.
    finished: accounts whose import has ended well. codes: how often a run ended how.
    """

    def __init__(self, stage: Stage, ledger: Ledger, seed: int) -> None:
        self.stage = stage
        self.finished: list[str] = []
        self.codes: Counter[int] = Counter()
        self.running: Program | None = None
        self.account = UNDISTURBED
        self.seconds = 0
        self.folder = stage.home / "viewer"
        self.printed: list[Path] = []
        self._ledger = ledger
        self._dice = random.Random(f"{seed} importer")  # noqa: S311 - the same ones for a seed
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="importer", daemon=True)
        plan = Plan(MESSAGES, bad_every=500, tool_events=True, seed=seed)
        write_snapshot(self.folder, plan)

    def undisturbed(self) -> None:
        """Import once while nothing is broken."""
        self._import(UNDISTURBED)
        self.finished.clear()

    def start(self) -> None:
        """Begin to import."""
        self._thread.start()

    def stop(self) -> None:
        """Tell it to stop once the import that is at it has ended well."""
        self._stopped.set()

    def join(self) -> None:
        """Wait until it has stopped."""
        self._thread.join(_PATIENCE_S)
        if self._thread.is_alive():
            self._ledger.surprise(f"the importer did not stop within {_PATIENCE_S} s")

    def command(self, account: str, log: str) -> Program:
        """Return the import of the files into an account, not yet started."""
        words = ["import-legacy", "--data", str(self.folder), "--account", account, "--json"]
        return self.program([*words, "--max-quarantine", "1000000"], log)

    def program(self, words: list[str], log: str, **settings: str) -> Program:
        """Return a command that works on the database through the writers' relay."""
        path = self.stage.home / f"{log}.log"
        self.printed.append(path)
        environment = {
            "DATABASE_URL": self.stage.written_through(),
            "SESSIONBASE_HOME": str(self.stage.home / "unused"),
            **settings,
        }
        return Program(" ".join(words[:1]), words, environment, path)

    def _run(self) -> None:
        try:
            for number in range(1, IMPORTS + 1):
                if self._stopped.wait(self._dice.uniform(0, 1)):
                    return
                self._import(f"drill import {number}")
        except Exception as error:  # noqa: BLE001 - a thread that ends unseen would hide a fault
            self._ledger.surprise(f"the importer ended: {type(error).__name__}: {error}")

    def _import(self, account: str) -> None:
        """Run the same command until it ends well."""
        code, self.account = -1, account
        while code != ExitCode.OK:
            self.running = self.command(account, f"{account.replace(' ', '-')}")
            self.running.start()
            code = self.running.wait(_PATIENCE_S)
            self.codes[code] += 1
            if code not in EXPECTED:
                self._ledger.surprise(f"an import ended with {code}")
                return
            if code != ExitCode.OK:
                self._stopped.wait(0.5)
        self.running = None
        self.finished.append(account)


def digest_of(connection: Connection, account: str) -> dict[str, tuple[int, str]]:
    """Return how many rows an import has left of an account, table by table, and their SHA-256."""
    found = {}
    for schema, tables in (("app", _TABLES), ("legacy", _LEGACY)):
        left_out = ["account_id", "author_account_id", *(_OF_RUNS if schema == "legacy" else ())]
        for table in tables:
            rows = connection.execute(
                f"""
                select to_jsonb(t) - %s::text[]
                from {schema}.{table} as t
                where account_id = (select id from app.accounts where name = %s)
                """.encode(),  # noqa: S608 - names of ours
                [left_out, account],
            ).fetchall()
            lines = sorted(json.dumps(row, sort_keys=True) for (row,) in rows)
            found[table] = (len(lines), sha256("\n".join(lines).encode()).hexdigest())
    return found
