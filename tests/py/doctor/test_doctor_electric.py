"""What the doctor finds of Electric itself, with the stand-in in its place.

What the stand-in never does, as being of an older version or not being active, a server in front of
it does: it passes everything through but one thing.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from pydantic import SecretStr

from harness.connections import Connection, Server, connect
from harness.doctor.examination import examine
from harness.doctor.symptoms import Symptom, Urgency
from harness.errors import ExitCode
from harness.settings import Settings
from harness.testing.servers import Databases
from tests.py.commands.conftest import run_invoke
from tests.py.doctor.conftest import PUBLICATION, as_shown, broken_in, found_in, make_slot, run_sql
from tests.py.documents.showing import shown_block
from tests.py.electric.electrics import SECRET, Electric, stand_in

GHSA = "GHSA-m4f6-p2j8-rq76"
ACCOUNT = "00000000-0000-4000-8000-000000000001"

Look = Callable[..., list[Symptom]]


@pytest.fixture
def electric(patient: Server) -> Iterator[Electric]:
    """Run a stand-in on the patient."""
    with stand_in(patient) as running:
        yield running


@pytest.fixture
def look(patient: Server, settings: Settings) -> Look:
    """Return a way to examine the patient with an Electric at an address."""

    def looked(url: str, secret: str | None = SECRET, **more: object) -> list[Symptom]:
        update = {
            "electric_url": SecretStr(url),
            "electric_secret": SecretStr(secret) if secret else None,
        }
        symptoms = examine(patient, settings.model_copy(update=update | more))
        assert SECRET not in str(symptoms)
        return symptoms

    return looked


@dataclass
class Changed:
    """What a server in front of an Electric changes of its answers."""

    health: tuple[int, str] | None = None
    version: str | None = "ElectricSQL/1.7.12"
    most: int | None = None
    """How often it answers at all."""
    asked: list[str] = field(default_factory=list)


@contextmanager
def in_front(electric: Electric, changed: Changed) -> Iterator[str]:
    """Serve what an Electric does, but for what is changed; give the address."""

    class Front(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            changed.asked.append(self.path)
            if changed.most is not None and len(changed.asked) > changed.most:
                return
            answer = httpx.get(electric.url + self.path, trust_env=False)
            status, body = answer.status_code, answer.content
            if changed.health and self.path == "/v1/health":
                status, body = changed.health[0], changed.health[1].encode()
            self.send_response_only(status)
            if changed.version:
                self.send_header("electric-server", changed.version)
            self.send_header("location", f"{electric.url}/v1/health")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Front) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()


def run_doctor(patient: Server, home: Path, **variables: str) -> tuple[int, str]:
    environment = {"DATABASE_URL": patient.conninfo, "SESSIONBASE_HOME": str(home)}
    result = run_invoke("doctor", "--all", environment=environment | variables)
    assert "Traceback" not in result.stderr
    assert SECRET not in result.stdout + result.stderr
    return result.returncode, result.stdout


def test_one_that_is_well_is_fine(patient: Server, electric: Electric, tmp_path: Path) -> None:
    code, printed = run_doctor(
        patient, tmp_path, ELECTRIC_URL=electric.url, ELECTRIC_SECRET=electric.secret
    )
    assert code == ExitCode.OK
    lines = [line for line in printed.splitlines() if line.startswith("fine    Electric")]
    assert lines == [
        "fine    Electric's database: it follows this one, by stream id sessionbase",
        "fine    Electric's shapes: of 11 tables are served",
        "fine    Electric's state: active",
        f"fine    Electric's version: 1.7.12 (sessionbase's stand-in) at {electric.url}",
    ]


def test_it_reads_nobodys_rows(electric: Electric, look: Look, hand: Connection) -> None:
    hand.execute(f"insert into app.sessions (account_id, id) values ('{ACCOUNT}', 's1')")
    hand.execute(
        "insert into app.todos (account_id, id, session_id, body) "
        f"values ('{ACCOUNT}', 't1', 's1', 'canary-text')"
    )
    changed = Changed()
    with in_front(electric, changed) as url:
        symptoms = look(url)
    assert "canary-text" not in str(symptoms)
    asked = [dict(httpx.URL(path).params) for path in changed.asked if "where=" in path]
    assert len({one["table"] for one in asked}) == 11
    # Of another account each time: a snapshot that is there already shows no missing grant.
    assert len({one["params[1]"] for one in asked}) == 11
    for one in asked:
        assert values(electric, one) == []
        if one["table"] == "app.todos":
            # It was there to be read.
            (row,) = values(electric, one | {"params[1]": ACCOUNT})
            assert row["body"] == "canary-text"


def values(electric: Electric, query: dict[str, str]) -> list[dict[str, str]]:
    answer = httpx.get(f"{electric.url}/v1/shape", params=query, trust_env=False)
    return [one["value"] for one in answer.json() if "value" in one]


def test_without_a_url_nothing_is_asked(patient: Server, settings: Settings) -> None:
    told = found_in(examine(patient, settings), "Electric")
    assert (told.urgency, told.found) == (
        Urgency.FINE,
        "not asked, for ELECTRIC_URL is not set",
    )


@pytest.mark.parametrize(
    "url",
    [
        "electric:3000",
        "ftp://canary:3000",
        "http://",
        "http://canary:many",
        "http://user:canary@electric:3000",
        "http://electric:3000/canary",
        "http://electric:3000?secret=canary",
        "http://[canary",
    ],
)
def test_what_is_no_address_is_said_and_not_shown(look: Look, url: str) -> None:
    symptoms = look(url)
    assert broken_in(symptoms) == ["ELECTRIC_URL"]
    assert "canary" not in str(symptoms)


def test_one_that_is_not_there_is_said(patient: Server, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        port = closing.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    code, printed = run_doctor(patient, tmp_path, ELECTRIC_URL=url, ELECTRIC_SECRET=SECRET)
    assert code == ExitCode.SICK
    said, _, remedy = printed.splitlines()[:3]
    assert said == f"broken  Electric: {url} can't be reached: Connection refused"
    assert remedy.startswith("        Start it, or correct ELECTRIC_URL.")


@pytest.mark.parametrize("said", [b"", b"junk\n\n", b"HTTP/9.9 what\r\n\r\n"])
def test_what_does_not_speak_http_is_said(look: Look, said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            accepted, _ = listener.accept()
            with accepted:
                accepted.recv(4096)
                accepted.sendall(said)

        answering = Thread(target=answer)
        answering.start()
        symptoms = look(f"http://127.0.0.1:{listener.getsockname()[1]}")
        answering.join()
    assert broken_in(symptoms) == ["Electric"]
    assert "can't be reached: " in found_in(symptoms, "Electric").found


@pytest.mark.parametrize(
    "health",
    [(404, "Not found"), (200, "<html>"), (200, "[]"), (302, '{"status": "active"}'), (500, "{}")],
)
def test_another_server_is_not_taken_for_it(
    electric: Electric, look: Look, health: tuple[int, str]
) -> None:
    changed = Changed(health=health)
    with in_front(electric, changed) as url:
        symptoms = look(url)
    assert broken_in(symptoms) == ["Electric"]
    assert f"is none (status {health[0]})" in found_in(symptoms, "Electric").found
    # Whoever it is has not been told the secret, and no redirect was followed.
    assert changed.asked == ["/v1/health"]


@pytest.mark.parametrize("version", ["1.7.11", "1.7.9", "1.6.99", "0.9.20"])
def test_an_old_version_is_refused_by_the_advisorys_name(
    electric: Electric, look: Look, version: str
) -> None:
    with in_front(electric, Changed(version=f"ElectricSQL/{version}")) as url:
        symptoms = look(url)
    assert broken_in(symptoms) == ["Electric's version"]
    told = found_in(symptoms, "Electric's version")
    assert told.found == f"{version}: who reaches it needs no secret ({GHSA})"
    assert told.remedy == "Run electricsql/electric:1.7.12 or newer."


@pytest.mark.parametrize("version", ["1.7.12", "1.7.13", "1.10.0", "2.0.0", "1.7.12-5-g0a1b2c3"])
def test_a_version_from_the_mended_one_on_is_fine(
    electric: Electric, look: Look, version: str
) -> None:
    with in_front(electric, Changed(version=f"ElectricSQL/{version}")) as url:
        symptoms = look(url)
    assert broken_in(symptoms) == []
    assert found_in(symptoms, "Electric's version").found == f"{version} at {url}"


@pytest.mark.parametrize("version", [None, "nginx", "ElectricSQL/latest"])
def test_a_version_that_is_not_said_is_not_taken_for_well(
    electric: Electric, look: Look, version: str | None
) -> None:
    with in_front(electric, Changed(version=version)) as url:
        symptoms = look(url)
    assert broken_in(symptoms) == ["Electric's version"]
    told = found_in(symptoms, "Electric's version").found
    assert told.startswith("unknown: ")
    assert GHSA in told


@pytest.mark.parametrize(
    ("state", "said"), [("starting", "it starts"), ("waiting", "another Electric"), ("x", "not")]
)
def test_one_that_is_not_active_is_said_and_not_asked_for_shapes(
    electric: Electric, look: Look, state: str, said: str
) -> None:
    changed = Changed(health=(202, f'{{"status":"{state}"}}'))
    with in_front(electric, changed) as url:
        symptoms = look(url)
    assert broken_in(symptoms) == ["Electric's state"]
    assert said in found_in(symptoms, "Electric's state").found
    assert found_in(symptoms, "Electric's state").remedy
    assert changed.asked == ["/v1/health", "/v1/shape?"]


@pytest.mark.parametrize(
    ("secret", "said"), [("canary-text", "not the one"), (None, "ELECTRIC_SECRET is not set")]
)
def test_a_wrong_secret_is_said(
    electric: Electric, look: Look, secret: str | None, said: str
) -> None:
    symptoms = look(electric.url, secret)
    assert broken_in(symptoms) == ["Electric's secret"]
    told = found_in(symptoms, "Electric's secret")
    assert said in told.found
    assert told.remedy == "Set ELECTRIC_SECRET to what Electric was started with."
    assert "canary-text" not in str(symptoms)


def test_one_that_asks_for_no_secret_is_said(patient: Server, look: Look) -> None:
    with stand_in(patient, ELECTRIC_SECRET="") as open_to_all:
        for secret in (None, SECRET):
            symptoms = look(open_to_all.url, secret)
            assert broken_in(symptoms) == ["Electric's secret"]
            told = found_in(symptoms, "Electric's secret")
            assert "every account's rows" in told.found
            assert "without ELECTRIC_INSECURE" in told.remedy


def test_a_table_that_is_not_published_is_said_as_electric_sees_it(
    electric: Electric, look: Look, hand: Connection
) -> None:
    hand.execute(f"alter publication {PUBLICATION} drop table app.todos, app.hook_decisions")
    symptoms = look(electric.url)
    assert "table that is not published: app.todos" in broken_in(symptoms)
    told = found_in(symptoms, "Electric's shapes")
    assert told.found == (
        "of app.hook_decisions, app.todos none is served: not in the publication that it follows"
    )
    run_sql(hand, told.remedy)
    assert broken_in(look(electric.url)) == []


def test_a_role_without_grants_is_said_as_electric_sees_it(
    electric: Electric, look: Look, hand: Connection
) -> None:
    # Seen with the grant, it would be known, and not be read again for the same account.
    assert broken_in(look(electric.url)) == []
    hand.execute("revoke all on app.todos from electric_read")
    symptoms = look(electric.url)
    assert "table that electric_read may not read: app.todos" in broken_in(symptoms)
    told = found_in(symptoms, "Electric's shapes")
    assert told.found == (
        "of app.todos none is served: the login of its ELECTRIC_POOLED_DATABASE_URL may not read it"
    )
    finding, _ = shown_block("docs/sync.md", "broken  Electric's shapes").split("\nfine")
    assert as_shown(told) == finding


def test_another_identity_than_full_is_said_as_electric_sees_it(
    electric: Electric, look: Look, hand: Connection
) -> None:
    hand.execute("alter table app.todos replica identity default")
    told = found_in(look(electric.url), "Electric's shapes")
    assert told.found == "of app.todos none is served: without replica identity FULL"
    run_sql(hand, told.remedy)
    assert broken_in(look(electric.url)) == []


def test_one_of_another_database_is_said(patient: Server, rooms: Databases, look: Look) -> None:
    with rooms.migrated() as other:
        with stand_in(other) as elsewhere, connect(other, "test") as connection:
            symptoms = look(elsewhere.url)
            assert broken_in(symptoms) == ["Electric's database"]
            told = found_in(symptoms, "Electric's database")
            assert told.found == f"it follows {other.database}, not this one"
            # Names of a stand-in's slots end at random: it keeps nobody's from being made.
            assert "stream id sessionbase" not in {one.what for one in symptoms}
            assert "DATABASE_URL" in told.remedy

            # What that one does not publish this one does: nothing is to be added here.
            connection.execute(f"alter publication {PUBLICATION} drop table app.todos")
            shapes = found_in(look(elsewhere.url), "Electric's shapes")
            assert shapes.remedy.startswith(f"{PUBLICATION} of this database has them.")
        assert patient.database != other.database


def test_one_of_a_database_that_has_no_such_tables_is_said(rooms: Databases, look: Look) -> None:
    with rooms.empty() as other, connect(other, "test") as connection:
        connection.execute(f"create publication {PUBLICATION}")
        with stand_in(other) as elsewhere:
            told = found_in(look(elsewhere.url), "Electric's shapes")
    assert told.found.endswith("none is served: its database has no such table or column")


def test_one_of_another_server_is_said(patient: Server, database: Server, look: Look) -> None:
    # Two servers of the same age could be at the same transaction.
    with connect(database, "test") as there, connect(patient, "test") as here:
        while abs(next_number(there) - next_number(here)) < 100:
            there.execute("select pg_current_xact_id()")
    with stand_in(database) as elsewhere:
        symptoms = look(elsewhere.url)
    assert broken_in(symptoms) == ["Electric's database"]
    assert found_in(symptoms, "Electric's database").found == "it reads rows of another server"


def next_number(connection: Connection) -> int:
    row = connection.execute("select pg_snapshot_xmax(pg_current_snapshot())::text").fetchone()
    assert row is not None
    return int(row[0])


def test_one_that_follows_another_server_than_it_reads_from_is_said(
    patient: Server, database: Server, hand: Connection, look: Look
) -> None:
    make_slot(hand, "standby")
    with stand_in(database, ELECTRIC_POOLED_DATABASE_URL=patient.conninfo) as torn:
        symptoms = look(torn.url)
    assert broken_in(symptoms) == ["Electric's database"]
    told = found_in(symptoms, "Electric's database").found
    assert told.startswith("nobody reads electric_slot_sessionbase on this server")


def test_one_of_another_stream_id_is_said(patient: Server, hand: Connection, look: Look) -> None:
    missing = look("http://127.0.0.1:1", electric_replication_stream_id="second")
    what = "no publication: electric_publication_second"
    assert what in broken_in(missing)
    run_sql(hand, found_in(missing, what).remedy)
    with stand_in(patient, ELECTRIC_REPLICATION_STREAM_ID="second") as second:
        symptoms = look(second.url)
        assert broken_in(symptoms) == ["Electric's database"]
        told = found_in(symptoms, "Electric's database").found
        assert told == "its stream id is second, not sessionbase"
        well = look(second.url, electric_replication_stream_id="second")
        assert broken_in(well) == []
        with stand_in(patient):
            # That somebody reads the slot of the stream id does not make it this one.
            assert broken_in(look(second.url)) == ["Electric's database"]


@pytest.mark.parametrize("answers", range(5))
def test_one_that_goes_while_it_is_asked_is_said(
    electric: Electric, look: Look, answers: int
) -> None:
    changed = Changed(most=answers)
    with in_front(electric, changed) as url:
        symptoms = look(url)
    assert broken_in(symptoms) == ["Electric"]
    assert len(changed.asked) == answers + 1
    # What was seen before stays said, and the database is looked at all the same.
    assert bool(answers) == any(one.what == "Electric's version" for one in symptoms)
    assert found_in(symptoms, "sync").urgency == Urgency.FINE
