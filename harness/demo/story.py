"""What the people of the demo have: a bit of everything that a viewer can show."""

from functools import partial
from typing import Any

from psycopg.types.json import Jsonb

from examples.clients import api
from harness.acting import acting_as, find_account
from harness.connections import Connection, Server, connect
from harness.console import Tell, quiet_watch
from harness.demo.people import ADA, BO, CY, ISSUER, let_in
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.importer import import_folder
from harness.legacy.results import ImportRequest
from harness.session_logs.ingest import ingest_logs
from harness.session_logs.results import IngestRequest
from harness.settings import EXAMPLES, PROJECT
from harness.upload_files import StoreRequest, store_file

TOUR = "tour"
"""The session that Ada shares with Bo."""

_LOGS = PROJECT / "examples" / "sessions"
_FILE = EXAMPLES / "chat-tool-events.json"
# Its threads are written last, so where they are all of it is.
_IS_TOLD = "select exists (select from app.chat_threads where account_id = %s and session_id = %s)"
_IS_USED = "select exists (select from app.sessions where account_id = %s)"
_IS_BEGUN = "select exists (select from auth.identities where issuer = %s)"


def tell_story(server: Server, tell: Tell) -> bool:
    """Write what is not there yet; say whether there was something to write.

    Raises SessionbaseError: REFUSED where Ada's account, on a server that is not sessionbase's
    own, has sessions that no demo made; what importing, reading logs and connect() raise.
    """
    if _is_told(server):
        return False
    accounts = let_in(server)
    tell("importing the old viewer's sample")
    import_folder(server, ImportRequest(EXAMPLES, ADA.account), quiet_watch)
    tell("reading the sample's session logs")
    ingest_logs(server, IngestRequest([_LOGS], ADA.account, bundled=True), quiet_watch)
    with connect(server, "demo") as connection:
        api.call(connection, accounts[ADA.subject], "open_session", session_id=TOUR)
    store_file(server, StoreRequest(_FILE, ADA.account, TOUR), quiet_watch)
    with connect(server, "demo") as connection, connection.transaction():
        _write(connection, accounts)
    return True


def _is_told(server: Server) -> bool:
    """Say whether all is there. Raises SessionbaseError (REFUSED) if it would be mixed with more.

    What a demo has begun, and was interrupted, is its own.
    """
    with connect(server, "demo") as connection:
        account = find_account(connection, ADA.account)
        with acting_as(connection, account):
            ((told,),) = connection.execute(_IS_TOLD, [account, TOUR]).fetchall()
            ((used,),) = connection.execute(_IS_USED, [account]).fetchall()
        with connection.transaction():
            connection.execute("set local role authorizer")
            ((begun,),) = connection.execute(_IS_BEGUN, [ISSUER]).fetchall()
    if used and not (begun or server.embedded):
        raise _in_use(server)
    return bool(told)


def _in_use(server: Server) -> SessionbaseError:
    return SessionbaseError(
        ExitCode.REFUSED,
        f"{server.label} has sessions already, and the demo would be mixed with them",
        hint="`invoke up --no-sample` shows what is there; or give another database.",
    )


def _write(connection: Connection, accounts: dict[str, str]) -> None:
    """Write what each of them has, in one transaction."""
    ada, bo, cy = (accounts[person.subject] for person in (ADA, BO, CY))
    _write_tour(partial(api.call, connection, ada), ada, bo)
    reply = partial(api.call, connection, bo)
    reply(
        "append_message",
        session_id=TOUR,
        account_id=ada,
        role="user",
        content="I see it too, as an editor. Typing this from the other window.",
        client_message_id="demo-tour-bo",
    )
    _write_notes(
        reply,
        "bo-notes",
        "What is left to do this week",
        ("Which of the migrations is still open?", "0012, for its index is built concurrently."),
        "Ask Ada for the log of Tuesday's run",
    )
    _write_notes(
        partial(api.call, connection, cy),
        "cy-garden",
        "When to sow what",
        ("May I sow beans in April?", "Wait for the middle of May: they don't stand frost."),
        "Order seeds",
    )


def _write_notes(call: Any, session: str, title: str, talk: tuple[str, str], todo: str) -> None:  # noqa: ANN401 - api.call, as somebody
    """Write a session of somebody's own: a question, its answer, a todo."""
    call("open_session", session_id=session)
    call("start_thread", session_id=session, title=title)
    for number, (role, content) in enumerate(zip(("user", "assistant"), talk, strict=True)):
        call(
            "append_message",
            session_id=session,
            role=role,
            content=content,
            client_message_id=f"demo-{session}-{number}",
        )
    call("add_todo", session_id=session, body=todo)


def _write_tour(call: Any, ada: str, bo: str) -> None:  # noqa: ANN401 - api.call, as Ada
    """Write Ada's session, and share it with Bo."""
    call("start_thread", session_id=TOUR, title="Why the nightly build fails")
    say = partial(_say, call)
    say("1", "user", "The nightly build fails since Tuesday. What changed?")
    _use_tools(call)
    say(
        "2",
        "assistant",
        "Three tests of the importer fail. They began with the change of the time zone: "
        "`2026-03-29T02:30` is not there in Berlin, and the parser takes it for the hour before.",
        evidence=Jsonb(
            [
                {
                    "path": "src/importer/times.py",
                    "ruleId": "naive-time",
                    "snippet": "datetime.fromisoformat(text)",
                    "severity": "high",
                    "label": "a time without a zone",
                }
            ]
        ),
    )
    say("3", "user", "Then let us keep times in UTC. Bo, can you see this?")
    for body, completed in (("Read times as UTC", True), ("Run the nightly build again", False)):
        (todo,) = call("add_todo", session_id=TOUR, body=body)
        if completed:
            call("update_todo", todo_id=todo["id"], completed=True)
    call("bind_repo", session_id=TOUR, asset_path="tour.jsonl", root_dir="/home/ada/importer")
    call("share_session", session_id=TOUR, member_account_id=bo, role="editor", account_id=ada)


def _use_tools(call: Any) -> None:  # noqa: ANN401 - api.call, as Ada
    """Write two tool events: one that succeeded and one that failed."""
    events: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
        (
            "run_tests",
            {"path": "tests/importer"},
            {"status": "failed", "error": "3 of 212 tests failed"},
        ),
        (
            "search_timeline",
            {"query": "time zone"},
            {"status": "succeeded", "result": Jsonb({"found": 2})},
        ),
    )
    for number, (tool, arguments, end) in enumerate(events):
        (event,) = call(
            "start_tool_event",
            session_id=TOUR,
            tool_name=tool,
            arguments=Jsonb(arguments),
            tool_call_id=f"demo-call-{number}",
            status="executing",
        )
        call("finish_tool_event", tool_event_id=event["id"], **end)


def _say(call: Any, number: str, role: str, content: str, **more: object) -> None:  # noqa: ANN401 - api.call, as Ada
    call(
        "append_message",
        session_id=TOUR,
        role=role,
        content=content,
        client_message_id=f"demo-tour-{number}",
        **more,
    )
