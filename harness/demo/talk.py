"""Ada and Bo go on talking while somebody looks: `invoke up --demo`."""

import random
import threading
from dataclasses import dataclass
from uuid import uuid4

from psycopg.types.json import Jsonb

from examples.clients import api
from harness.connections import Server, connect
from harness.demo.people import ADA, BO, Person, let_in
from harness.demo.story import TOUR

_FIRST_S = 1.0
_PAUSES_S = (3.0, 9.0)
_TOOL = "run_tests"


@dataclass(frozen=True)
class Line:
    """What is said, and who is signed in where it is typed. An assistant's is typed by nobody."""

    person: Person
    role: str
    content: str


_LINES = (
    Line(ADA, "user", "Run the importer's tests again, please."),
    Line(ADA, "assistant", "Running them now. The last run took 41 seconds."),
    Line(BO, "user", "Can you also look at what the nightly build says about memory?"),
    Line(ADA, "assistant", "All 212 pass. Peak memory is 96 MB, 4 MB less than on Monday."),
    Line(BO, "user", "Good. Then the zone was all of it."),
    Line(
        ADA, "user", "I'd like a test for the hour that is not there, and one for the double one."
    ),
    Line(ADA, "assistant", "Written: `test_times.py`, two cases, for Berlin and for Lord Howe."),
    Line(BO, "user", "Lord Howe? Half an hour of daylight saving, of course."),
    Line(ADA, "user", "Let us leave it there for today. 🌙"),
)


def talk(server: Server, asked_to_end: threading.Event) -> None:
    """Write a line of the talk every few seconds until asked to end.

    Raises SessionbaseError: what connect() raises.
    """
    accounts = let_in(server)
    pause = _FIRST_S
    number = 0
    while not asked_to_end.wait(pause):
        line = _LINES[number % len(_LINES)]
        with connect(server, "demo") as connection:
            if line.role == "assistant":
                _use_tool(connection, accounts[ADA.subject], asked_to_end)
            api.call(
                connection,
                accounts[line.person.subject],
                "append_message",
                session_id=TOUR,
                account_id=accounts[ADA.subject],
                mode="general",
                role=line.role,
                content=line.content,
                client_message_id=f"demo-{uuid4()}",
            )
        number += 1
        pause = random.uniform(*_PAUSES_S)  # noqa: S311 - nobody has to guess it


def _use_tool(connection: api.Connection, account: str, asked_to_end: threading.Event) -> None:
    """Show a tool that is at work for a second."""
    (event,) = api.call(
        connection,
        account,
        "start_tool_event",
        session_id=TOUR,
        tool_name=_TOOL,
        arguments=Jsonb({"path": "tests/importer"}),
        status="executing",
    )
    asked_to_end.wait(1)
    api.call(
        connection,
        account,
        "finish_tool_event",
        tool_event_id=event["id"],
        status="succeeded",
        result=Jsonb({"passed": 212}),
    )
