"""Why a server can't be reached: what is said, and that nothing of the password is."""

import json
import socket
from collections.abc import Callable

import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from harness.connections import Connection, Server
from harness.doctor.examination import consult
from harness.doctor.reaching import why_not
from harness.doctor.symptoms import Urgency
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings

PASSWORD = "canary-text"  # noqa: S105
Said = Callable[..., str]


@pytest.fixture
def said(patient: Server, settings: Settings, capsys: pytest.CaptureFixture[str]) -> Said:
    """Examine the patient, reached otherwise; return what was found and what to do."""

    def run(**changed: str) -> str:
        away = Server(make_conninfo(patient.conninfo, **changed), embedded=False)
        code = consult(away, settings, as_json=False, everything=False)
        assert code == ExitCode.UNREACHABLE
        printed = capsys.readouterr().out
        found, harm, remedy = printed.splitlines()[:3]
        assert found.startswith("broken  connection: ")
        assert harm == "        Nobody can read or write anything."
        assert consult(away, settings, as_json=True, everything=False) == code
        facts = json.loads(capsys.readouterr().out)
        (symptom,) = facts["symptoms"]
        assert (facts["healthy"], symptom["urgency"]) == (False, "broken")
        assert symptom["remedy"] == remedy.strip()
        for secret in (PASSWORD, str(conninfo_to_dict(patient.conninfo)["password"])):
            assert secret not in printed
        return found + remedy

    return run


def test_where_nothing_listens(said: Said) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        port = closing.getsockname()[1]
    told = said(port=str(port))
    assert "nothing listens there" in told
    assert "invoke pg-start" in told


def test_a_wrong_password(said: Said) -> None:
    assert "the login or its password is wrong" in said(password=PASSWORD)


def test_a_database_that_is_not_there(said: Said) -> None:
    told = said(dbname="nowhere")
    assert "there is no such database" in told
    assert "invoke restore DIR" in told


def test_a_name_that_leads_nowhere(said: Said) -> None:
    assert "its name leads nowhere" in said(host="nowhere.invalid")


def test_no_connection_that_is_left(patient: Server, said: Said, hand: Connection) -> None:
    hand.execute("create role crowded login password 'canary-text' connection limit 0")
    try:
        grant = sql.SQL("grant connect on database {} to crowded")
        hand.execute(grant.format(sql.Identifier(patient.database)))
        told = said(user="crowded", password=PASSWORD)
    finally:
        hand.execute("drop owned by crowded")
        hand.execute("drop role crowded")
    assert "too many connections" in told
    assert "pg_terminate_backend" in told


def test_a_login_that_may_not_connect(said: Said, hand: Connection) -> None:
    hand.execute("create role uninvited nologin password 'canary-text'")
    try:
        told = said(user="uninvited", password=PASSWORD)
    finally:
        hand.execute("drop role uninvited")
    assert "this login may not connect to this database" in told


@pytest.mark.parametrize(
    ("words", "found"),
    [
        # As the server says it in moments that a test can't hold.
        ("FATAL:  the database system is starting up", "it starts"),
        ("FATAL:  the database system is in recovery mode", "it recovers after a crash"),
        ("FATAL:  the database system is not yet accepting connections", "it recovers"),
        ("FATAL:  the database system is shutting down", "it shuts down"),
        ("FATAL:  sorry, too many clients already", "too many connections"),
        ("FATAL:  remaining connection slots are reserved for roles with", "too many connections"),
        ('FATAL:  no pg_hba.conf entry for host "192.0.2.1", user "a"', "pg_hba.conf does not"),
        ("connection timeout expired", "no answer"),
        ("SSL error: certificate verify failed", "TLS does not come about"),
    ],
)
def test_what_the_server_says_is_understood(patient: Server, words: str, found: str) -> None:
    error = SessionbaseError(ExitCode.UNREACHABLE, f"can't connect to it: {words}")
    symptom = why_not(patient, error)
    assert symptom.urgency == Urgency.BROKEN
    assert f": {found}" in symptom.found
    assert symptom.remedy


def test_words_that_nobody_knows_stand_as_they_are(patient: Server) -> None:
    error = SessionbaseError(ExitCode.UNREACHABLE, "can't connect: FATAL: nanu", hint="Look.")
    symptom = why_not(patient, error)
    assert (symptom.found, symptom.remedy) == (error.what, "Look.")
