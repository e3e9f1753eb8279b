"""All that a window needs: a database with people in it, an Electric, a gatekeeper that can die."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from playwright.sync_api import Route
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from harness.acting import acting_as
from harness.connections import Connection
from harness.console import quiet_watch
from harness.ports import free_port
from harness.session_logs.ingest import ingest_logs
from harness.session_logs.results import IngestRequest
from harness.settings import PROJECT
from tests.py.electric.electrics import Electric
from tests.py.gatekeeper.issuers import AUDIENCE, ISSUER, Issuer, new_issuer
from tests.py.login_sessions.people import Person, enrol
from tests.py.waiting import wait_until

AUTHORIZE_URL = f"{ISSUER}/authorize"
SESSION = "session-1"
FIRST = "Which query is slow?"
"""The first message of the session."""

LOG_SESSION = "session-5f0c1f1e-0000-4000-8000-000000000001"
_LOG = (
    {
        "timestamp": "2026-05-04T10:00:00.000Z",
        "type": "session_meta",
        "payload": {"id": LOG_SESSION.removeprefix("session-"), "cwd": "/home/ada/shop"},
    },
    {
        "timestamp": "2026-05-04T10:00:01.000Z",
        "type": "response_item",
        "payload": {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "Why is <b>this</b> query slow?"}],
        },
    },
    {
        "timestamp": "2026-05-04T10:00:02.000Z",
        "type": "response_item",
        "payload": {
            "type": "function_call",
            "name": "shell",
            "call_id": "call-1",
            "arguments": '{"command": "explain"}',
        },
    },
)


@dataclass
class Stage:
    """The page's address, and who there is: owner and editor of one session, and a stranger."""

    writer: Connection = field(repr=False)
    electric: Electric
    issuer: Issuer = field(repr=False)
    viewer: Path
    owner: Person
    editor: Person
    reader: Person
    stranger: Person
    thread_id: str
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the gatekeeper is, or will be again."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the gatekeeper, as a process of its own."""
        settings = {
            "PATH": os.environ["PATH"],
            "GATEKEEPER_DATABASE_URL": self.electric.server.conninfo,
            "ELECTRIC_URL": self.electric.url,
            "ELECTRIC_SECRET": self.electric.secret,
            "SESSIONBASE_DRAIN_S": "0",
            "SESSIONBASE_GATEKEEPER_PORT": str(self.port),
            "SESSIONBASE_METRICS_PORT": "-1",
            "SESSIONBASE_JWT_ISSUER": ISSUER,
            "SESSIONBASE_JWT_AUDIENCE": AUDIENCE,
            "SESSIONBASE_JWT_ALGORITHMS": "EdDSA",
            "SESSIONBASE_JWKS_FILE": str(self.issuer.jwks_file),
            "SESSIONBASE_VIEWER_DIR": str(self.viewer),
            "SESSIONBASE_VIEWER_AUTHORIZE_URL": AUTHORIZE_URL,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gatekeeper", "0"],
            cwd=PROJECT,
            env=settings,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: self._is_ready(self.process))

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is None:
            raise AssertionError("no gatekeeper runs")
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def authorize(self, route: Route, person: Person, name: str) -> None:
        """Answer as the identity provider's page does once somebody has said who they are."""
        asked = dict(parse_qsl(urlsplit(route.request.url).query))
        assert asked["client_id"] == AUDIENCE
        assert asked["response_type"] == "id_token"
        token = self.issuer.token(person.subject, nonce=asked["nonce"], name=name)
        back = urlencode({"id_token": token, "state": asked["state"]})
        route.fulfill(status=302, headers={"location": f"{asked['redirect_uri']}#{back}"})

    def call(self, person: Person, function: str, **given: object) -> dict[str, Any]:
        """Call a function of schema api as somebody; the row it gives."""
        named = ", ".join(f"{name} => %({name})s" for name in given)
        query = f"select * from api.{function}({named})".encode()
        for name, value in given.items():
            given[name] = Jsonb(value) if isinstance(value, dict) else value
        with acting_as(self.writer, person.account_id):
            row = self.writer.cursor(row_factory=dict_row).execute(query, given).fetchone()
        if row is None:
            raise AssertionError(f"{function} gives what it wrote")
        return row

    def say(self, content: str, **more: object) -> dict[str, Any]:
        """Write a message as an assistant does, beside the browsers."""
        given: dict[str, object] = {"session_id": SESSION, "thread_id": self.thread_id}
        given |= {"role": "assistant", "content": content}
        return self.call(self.owner, "append_message", **(given | more))

    def count(self, content: str) -> int:
        """Count the messages with a content that there are in the database."""
        ((found,),) = self.writer.execute(
            "select count(*) from app.chat_messages where content = %s", [content]
        ).fetchall()
        return int(found)

    def _is_ready(self, process: subprocess.Popen[bytes] | None) -> bool:
        assert process is not None
        assert process.poll() is None, "the gatekeeper ended by itself"
        try:
            return httpx.get(f"{self.url}/ready", trust_env=False).is_success
        except httpx.TransportError:
            return False


@contextmanager
def set_up(writer: Connection, electric: Electric, viewer: Path, folder: Path) -> Iterator[Stage]:
    """Enrol the people, write what they look at, and run the gatekeeper. folder: for files."""
    stage = Stage(
        writer=writer,
        electric=electric,
        issuer=new_issuer(folder),
        viewer=viewer,
        owner=enrol(writer, "owner"),
        editor=enrol(writer, "editor"),
        reader=enrol(writer, "reader"),
        stranger=enrol(writer, "stranger"),
        thread_id="",
        port=free_port(),
    )
    stage.call(stage.owner, "open_session", session_id=SESSION)
    stage.call(stage.stranger, "open_session", session_id="session-of-a-stranger")
    for member, role in ((stage.editor, "editor"), (stage.reader, "viewer")):
        stage.call(
            stage.owner,
            "share_session",
            session_id=SESSION,
            member_account_id=member.account_id,
            role=role,
        )
    thread = stage.call(stage.owner, "start_thread", session_id=SESSION, title="Why is it slow?")
    stage.thread_id = thread["id"]
    _furnish(stage, folder)
    stage.start()
    try:
        yield stage
    finally:
        if stage.process is not None:
            stage.kill()


def _furnish(stage: Stage, folder: Path) -> None:
    """Write what is looked at in the other views, and read a log of an agent."""
    stage.say(FIRST)
    event = stage.call(
        stage.owner,
        "start_tool_event",
        session_id=SESSION,
        tool_name="read_file",
        arguments={"path": "src/query.sql"},
    )
    stage.call(
        stage.owner,
        "finish_tool_event",
        tool_event_id=event["id"],
        status="succeeded",
        result={"lines": 12},
    )
    stage.call(stage.owner, "add_todo", session_id=SESSION, body="Look at the plan")
    log = folder / "rollout.jsonl"
    log.write_text("".join(json.dumps(entry) + "\n" for entry in _LOG))
    account = str(stage.owner.account_id)
    ingest_logs(stage.electric.server, IngestRequest([log], account), quiet_watch)
