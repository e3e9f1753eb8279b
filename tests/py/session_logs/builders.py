"""Session logs of our own, and what a test asks of the database about them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from harness.connections import Connection, Server
from harness.console import quiet_watch
from harness.session_logs.ingest import ingest_logs
from harness.session_logs.reading import Limits
from harness.session_logs.results import IngestRequest, IngestResult, LogResult

Record = dict[str, Any]

LOG_ID = "0195a001-0000-7000-8000-00000000c0de"
SMALL = Limits(batch_bytes=600, batch_entries=3, most=1 << 20, excerpt=1 << 10, window=256)
"""Many batches of a small log."""


def at(second: int) -> str:
    """Return a time as Codex writes it, so many seconds after a fixed one."""
    return f"2026-03-02T{9 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.250Z"


def meta(log_id: str | None = LOG_ID, **more: object) -> Record:
    """Return the first line of a new rollout."""
    git = {"commit_hash": "c0ffee", "branch": "main", "repository_url": "https://x.example/a/b.git"}
    payload = {
        "id": log_id,
        "timestamp": at(0),
        "cwd": "/home/dana/till",
        "originator": "codex_cli_rs",
        "cli_version": "0.104.0",
        "instructions": None,
        "git": git,
        **more,
    }
    return {"timestamp": at(0), "type": "session_meta", "payload": payload}


def item(second: int, **payload: object) -> Record:
    """Return a response item of a new rollout."""
    return {"timestamp": at(second), "type": "response_item", "payload": payload}


def said(second: int, text: str, role: str = "user") -> Record:
    """Return a message of a new rollout."""
    content = [{"type": "output_text" if role == "assistant" else "input_text", "text": text}]
    return item(second, type="message", role=role, content=content)


def rollout(messages: int = 12, log_id: str | None = LOG_ID) -> list[Record]:
    """Return a new rollout with so many messages."""
    return [meta(log_id), *(said(n + 1, f"{n}: {'word ' * (n % 7)}") for n in range(messages))]


def old_rollout() -> list[Record]:
    """Return an old rollout, without envelopes."""
    place = "<environment_context>\n  <cwd>/home/dana/shelf</cwd>\n</environment_context>"
    return [
        {
            "id": "7a3f1c52",
            "timestamp": at(0),
            "instructions": "Write short commits.",
            "git": {"commit_hash": "91d0b6", "branch": "tidy"},
        },
        {"record_type": "state"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": place}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}]},
        {"type": "function_call", "name": "shell", "arguments": "{}", "call_id": "c1"},
        {"type": "function_call_output", "call_id": "c1", "output": "done"},
    ]


def gemini(messages: int = 3, **more: object) -> Record:
    """Return a session of Gemini CLI."""
    return {
        "sessionId": "e2b1c0de",
        "projectHash": "9f86d0",
        "startTime": at(0),
        "lastUpdated": at(messages),
        "messages": [gemini_message(n) for n in range(messages)],
        **more,
    }


def gemini_message(n: int) -> Record:
    """Return a message of such a session, of the user and of Gemini in turn."""
    return {
        "id": f"m{n}",
        "timestamp": at(n + 1),
        "type": "gemini" if n % 2 else "user",
        "content": f"message {n}",
    }


def lines_of(records: Iterable[object]) -> bytes:
    """Spell records as JSON Lines; what is bytes already is a line as it is."""
    return b"".join(
        (record if isinstance(record, bytes) else spelled(record)) + b"\n" for record in records
    )


def spelled(record: object) -> bytes:
    """Spell a record as the tools do."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def document(record: Record) -> bytes:
    """Spell a session as Gemini CLI does."""
    return json.dumps(record, indent=2, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Account:
    """An account that logs are read into, and a connection that sees every row."""

    server: Server
    connection: Connection
    id: str

    @property
    def uuid(self) -> UUID:
        """The id."""
        return UUID(self.id)

    def ingest(
        self, *paths: Path, limits: Limits | None = SMALL, **options: object
    ) -> IngestResult:
        """Read logs."""
        request = replace(IngestRequest(list(paths), self.id), **options)  # type: ignore[arg-type]
        return ingest_logs(self.server, request, quiet_watch, limits)

    def read(self, path: Path, content: bytes, **options: object) -> LogResult:
        """Write a log and read it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        (result,) = self.ingest(path, **options).logs  # type: ignore[arg-type]
        return result

    def rows(self, query: str, *values: object) -> list[Any]:
        """Ask the database, with the account's id as the first value."""
        return self.connection.execute(query.encode(), [self.id, *values]).fetchall()

    def timeline(self, session_id: str | None = None) -> list[tuple[Any, ...]]:
        """Return a session's timeline, or that of all, but for how often it was written."""
        return self.rows(
            """
            select
                session_id, event_index, event_type, role, occurred_at, call_id, name, body, payload
            from app.session_events
            where account_id = %s and session_id = coalesce(%s, session_id)
            order by session_id, event_index
            """,
            session_id,
        )

    def bodies(self, session_id: str) -> list[str | None]:
        """Return the texts of a session's timeline."""
        return [event[7] for event in self.timeline(session_id)]

    def state(self) -> list[Any]:
        """Return all that reading leaves, but for when and how often it was written."""
        return [
            self.timeline(),
            self.rows(
                """
                select
                    session_id, log_id, format, source_path, event_count, broken_count,
                    settled_count, settled_bytes, settled_sha256, size_bytes, content_sha256
                from app.session_logs where account_id = %s order by session_id
                """
            ),
            self.rows(
                """
                select
                    id, created_at, cwd, repository_url, branch, commit_hash, originator,
                    cli_version, updated_at
                from app.sessions where account_id = %s order by id
                """
            ),
            self.rows(
                """
                select session_id, original_name, size_bytes, content_sha256, source, source_path
                from app.session_uploads where account_id = %s order by session_id, content_sha256
                """
            ),
        ]

    def versions(self) -> list[Any]:
        """Return what changes with every write."""
        return self.rows(
            """
            with own as (select %s::uuid as id)
            select id, row_version from app.sessions where account_id = (select id from own)
            union all
            select session_id, row_version from app.session_logs
            where account_id = (select id from own)
            union all
            select id, row_version from app.session_uploads where account_id = (select id from own)
            union all
            select xmin::text, event_index from app.session_events
            where account_id = (select id from own)
            order by 1, 2
            """
        )


def new_account(server: Server, connection: Connection) -> Account:
    """Make an account."""
    query = "insert into app.accounts (name) values ('reader ' || gen_random_uuid()) returning id"
    ((account_id,),) = connection.execute(query).fetchall()
    return Account(server, connection, str(account_id))
