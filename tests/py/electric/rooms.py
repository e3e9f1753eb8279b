"""A session of a test's own, with a thread that is followed and one beside it."""

import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from harness.acting import acting_as
from harness.connections import Connection

OWNER = UUID("00000000-0000-4000-8000-000000000001")
"""The account that the migrations make."""


@dataclass(frozen=True)
class Room:
    """A thread and what is written into it, as a superuser whom no function stands in the way."""

    writer: Connection
    session_id: str
    thread: dict[str, Any]
    other_id: str

    def fill(self, rows: int) -> None:
        """Write many messages at once, as an import does: no trigger counts them one by one."""
        with self._without_triggers():
            self.add(*(f"{number} {'text ' * 20}" for number in range(rows)))

    def add(self, *contents: str, thread_id: str | None = None) -> int:
        """Write messages in one transaction; return its number, as Electric gives it."""
        with self.writer.transaction():
            self._run(
                """
                insert into app.chat_messages
                    (account_id, session_id, thread_id, mode, role, content)
                select %(account)s, %(session)s, %(thread)s, 'session', 'user', content
                from unnest(%(contents)s::text[]) as content
                """,
                thread=thread_id or self.thread["id"],
                contents=list(contents),
            )
            ((txid,),) = self.writer.execute("select pg_current_xact_id()::xid::text::int8")
        return int(txid)

    def change(self, content: str, to: str) -> None:
        """Give messages with a content another one."""
        self._run(
            "update app.chat_messages set content = %(new)s where content = %(old)s and {room}",
            old=content,
            new=to,
        )

    def change_all(self) -> None:
        """Change every message of the thread, in one transaction."""
        with self._without_triggers():
            self._run(
                "update app.chat_messages set content = content || '!' "
                "where thread_id = %(thread)s and {room}",
                thread=self.thread["id"],
            )

    def move(self, content: str, thread_id: str) -> None:
        """Move messages with a content to a thread."""
        self._run(
            "update app.chat_messages set thread_id = %(thread)s "
            "where content = %(content)s and {room}",
            thread=thread_id,
            content=content,
        )

    def remove(self, content: str) -> None:
        """Remove messages with a content."""
        self._run(
            "delete from app.chat_messages where content = %(content)s and {room}", content=content
        )

    def digest(self) -> str:
        """Return the SHA-256 of what a client of the thread should have, as the programs do."""
        rows = self.writer.execute(
            "select id, content from app.chat_messages "
            'where account_id = %s and thread_id = %s order by id collate "C"',
            [OWNER, self.thread["id"]],
        )
        digest = hashlib.sha256()
        for row in rows:
            text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
            digest.update(text.encode())
        return digest.hexdigest()

    def definition(self) -> dict[str, Any]:
        """Return the shape of the thread's messages, as the registry gives it to its owner."""
        cursor = self.writer.cursor(row_factory=dict_row)
        with acting_as(self.writer, OWNER):
            (shape,) = cursor.execute(
                "select * from sync.authorize_shape('thread_messages', %s, %s)",
                [self.session_id, self.thread["id"]],
            ).fetchall()
        return {
            "table": f"{shape['table_schema']}.{shape['table_name']}",
            "where": shape["where_clause"],
            "params": shape["params"],
            "columns": shape["columns"],
        }

    def leave(self) -> None:
        """Remove the session, and the messages of all sessions.

        An Electric forgets the shapes of a table that is truncated. Else the stand-in would look
        at every change for each room that there ever was.
        """
        self.writer.execute("truncate app.chat_messages")
        self._run("delete from app.sessions where account_id = %(account)s and id = %(session)s")

    @contextmanager
    def _without_triggers(self) -> Iterator[None]:
        with self.writer.transaction():
            self.writer.execute("set local session_replication_role = replica")
            yield

    def _run(self, statement: str, **values: object) -> None:
        room = "account_id = %(account)s and session_id = %(session)s"
        self.writer.execute(
            statement.replace("{room}", room).encode(),
            {"account": OWNER, "session": self.session_id, **values},
        )


def enter_room(writer: Connection) -> Room:
    """Make a room in a migrated database."""
    session_id = f"room-{secrets.token_hex(8)}"
    cursor = writer.cursor(row_factory=dict_row)
    with acting_as(writer, OWNER):
        writer.execute("select from api.open_session(%s)", [session_id])
        threads = [
            cursor.execute("select * from api.start_thread(%s)", [session_id]).fetchone()
            for _ in range(2)
        ]
    other, thread = threads
    if thread is None or other is None:
        raise AssertionError("a function that writes gives what it wrote")
    known = {name: str(thread[name]) for name in ("account_id", "session_id", "id")}
    return Room(writer, session_id, known, other["id"])
