"""An operator lets somebody sign in, sees who is signed in, and signs them out."""

import json
from uuid import UUID, uuid4

import pytest

from harness.connections import Connection
from harness.errors import ExitCode
from tests.py.commands.conftest import Invoke
from tests.py.gatekeeper.issuers import ISSUER
from tests.py.login_sessions.people import Person, enrol, let_time_pass, sign_in, why_revoked

ADD = ("add-identity", "--issuer", ISSUER)


@pytest.fixture
def ada(connection: Connection) -> Person:
    return enrol(connection, "ada")


def account_of(connection: Connection, subject: str) -> UUID | None:
    rows = connection.execute("select auth.find_account(%s, %s)", [ISSUER, subject]).fetchall()
    found: UUID | None = rows[0][0]
    return found


def test_an_identity_is_added_to_an_account(invoke: Invoke, connection: Connection) -> None:
    unknown = invoke(*ADD, "--account", "grace", "--subject", "s-1")
    assert unknown.returncode == ExitCode.NO_ACCOUNT
    assert "there is no account grace" in unknown.stderr
    assert account_of(connection, "s-1") is None

    made = invoke(*ADD, "--account", "grace", "--subject", "s-1", "--create", "--json")
    assert made.returncode == ExitCode.OK
    said = json.loads(made.stdout)
    assert account_of(connection, "s-1") == UUID(said["account_id"])
    assert (said["account_is_new"], said["identity_is_new"]) == (True, True)

    again = invoke(*ADD, "--account", "grace", "--subject", "s-1", "--create")
    assert again.returncode == ExitCode.OK
    assert "there already" in again.stdout
    assert "could sign in already" in again.stdout

    by_id = invoke(*ADD, "--account", said["account_id"], "--subject", "s-2")
    assert "may sign in now" in by_id.stdout
    assert account_of(connection, "s-2") == UUID(said["account_id"])

    other = invoke(*ADD, "--account", "default", "--subject", "s-1")
    assert other.returncode == ExitCode.REFUSED
    assert "another account's" in other.stderr
    assert account_of(connection, "s-1") == UUID(said["account_id"])
    assert invoke(*ADD, "--account", "default", "--subject", "").returncode == ExitCode.REFUSED


def test_who_is_signed_in_is_listed(invoke: Invoke, connection: Connection, ada: Person) -> None:
    assert invoke("sessions").stdout == "nobody is signed in\n"
    bob = enrol(connection, "bob")
    (one, secret), (two, old), (three, _) = (
        sign_in(connection, person) for person in (ada, ada, bob)
    )
    let_time_pass(connection, old, "1 hour")
    listed = invoke("sessions", "--json")
    assert {row["id"] for row in json.loads(listed.stdout)["sessions"]} == {str(one), str(three)}
    ended = json.loads(invoke("sessions", "--ended", "--json").stdout)
    assert {row["id"] for row in ended["sessions"]} == {str(one), str(two), str(three)}
    own = invoke("sessions", "--account", ada.subject, "--ended").stdout
    assert str(one) in own
    assert str(two) in own
    assert str(three) not in own
    assert "signed in" in own
    assert "expired" in own
    assert "a test" in own
    assert secret not in own + listed.stdout
    assert invoke("sessions", "--account", "nobody").returncode == ExitCode.NO_ACCOUNT


def test_one_is_revoked_or_all_of_an_account(
    invoke: Invoke, connection: Connection, ada: Person
) -> None:
    bob = enrol(connection, "bob")
    names = [sign_in(connection, person)[0] for person in (ada, ada, ada, bob)]
    assert invoke("sessions", "--revoke", str(names[0])).stdout == "ended: 1\n"
    revoked = [why_revoked(connection, name) for name in names]
    assert revoked == ["by an operator", None, None, None]

    again = invoke("sessions", "--revoke", str(names[0]))
    assert again.returncode == ExitCode.NOT_THERE
    assert "or it has ended" in again.stderr
    assert invoke("sessions", "--revoke", str(uuid4())).returncode == ExitCode.NOT_THERE
    assert invoke("sessions", "--revoke", "x").returncode == ExitCode.REFUSED
    assert invoke("sessions", "--revoke-all").returncode == ExitCode.REFUSED
    assert invoke("sessions", "--prune", "--revoke-all").returncode == ExitCode.REFUSED
    assert [why_revoked(connection, name) for name in names] == revoked

    all_of = invoke("sessions", "--revoke-all", "--account", ada.subject, "--json")
    assert json.loads(all_of.stdout) == {"ended": 2}
    assert [why_revoked(connection, name) for name in names] == ["by an operator"] * 3 + [None]


def test_what_is_over_for_long_is_removed(
    invoke: Invoke, connection: Connection, ada: Person
) -> None:
    (kept, _), (over, old) = (sign_in(connection, ada) for _ in range(2))
    let_time_pass(connection, old, "31 days")
    pruned = invoke("sessions", "--prune")
    assert pruned.stdout == "login sessions: 1; revocations: 0\n"
    rows = connection.execute("select id from auth.login_sessions").fetchall()
    assert rows == [(kept,)] != [(over,)]
