"""The fuzz can fail: row level security with one fault in it differs from the model."""

from collections.abc import Iterator

import pytest

from harness.connections import Connection, connect
from harness.testing.servers import Databases
from tests.py.policies.fuzz import DifferenceError, Fuzz
from tests.py.policies.model import read_rights

SEED = 4711
STEPS = 3000

ME = "(select app.current_account_id())"
OWN = f"account_id = {ME}"
MEMBER = "(account_id, session_id) in (select account_id, session_id from app.memberships)"
EDITOR = MEMBER[:-1] + " where role in ('editor', 'owner'))"
SAME_SESSION_ID = "session_id in (select session_id from app.memberships)"

VIEW = """
    create or replace view app.memberships with (security_barrier) as
    select member.account_id, member.session_id, member.role
    from app.session_members as member
"""

WHO_ASKS = """
    create or replace function app.current_account_id() returns uuid
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as $$
        select account.id from app.accounts as account
        where account.id = app.claimed_account_id()
    $$
"""


def policy(name: str, table: str, **clauses: str) -> str:
    """Return SQL that changes a policy; clauses are its using and with_check."""
    said = " ".join(f"{name.replace('_', ' ')} ({said})" for name, said in clauses.items())
    return f'alter policy "{name}" on app.{table} {said}'


MUTANTS = {
    "viewers remove messages": policy(
        "An account removes messages where it may edit",
        "chat_messages",
        using=f"{OWN} or {MEMBER}",
    ),
    "viewers write timeline entries": policy(
        "An account writes timeline entries where it may edit",
        "session_events",
        with_check=f"{OWN} or {MEMBER}",
    ),
    "viewers change tool events": policy(
        "An account finishes tool events where it may edit",
        "chat_tool_events",
        using=f"{OWN} or {MEMBER}",
        with_check=f"{OWN} or {MEMBER}",
    ),
    "sessions are told apart by their id alone": policy(
        "An account reads its own todos and shared ones",
        "todos",
        using=f"{OWN} or {SAME_SESSION_ID}",
    ),
    "who may edit names anybody as author": policy(
        "An account starts threads where it may edit",
        "chat_threads",
        with_check=f"{OWN} or {EDITOR}",
    ),
    "who names itself as author writes anywhere": policy(
        "An account adds hook decisions where it may edit",
        "hook_decisions",
        with_check=f"{OWN} or author_account_id = {ME}",
    ),
    "who reads an upload removes it": policy(
        "An account removes its own uploads", "session_uploads", using="true"
    ),
    "everybody reads all settings": policy(
        "An account reads its own settings", "ui_settings", using="true"
    ),
    "everybody reads all accounts": policy(
        "An account reads its own row", "accounts", using="true"
    ),
    "editors add uploads": policy(
        "An account adds its own uploads",
        "session_uploads",
        with_check=f"{OWN} or {EDITOR}",
    ),
    "editors manage members": policy(
        "An account adds members where it is an owner",
        "session_members",
        with_check=f"{OWN} or {EDITOR}",
    ),
    "members give themselves another role": policy(
        "An account changes roles where it is an owner",
        "session_members",
        using=f"{OWN} or member_account_id = {ME}",
        with_check=f"{OWN} or member_account_id = {ME}",
    ),
    "members do not read the timeline": policy(
        "An account reads its own timeline entries and shared ones", "session_events", using=OWN
    ),
    "one more policy for reading sessions": (
        "create policy more on app.sessions for select to app_user using (id = 'session-1')"
    ),
    "no row security": "alter table app.misalignments disable row level security",
    "the view shows the memberships of all": VIEW,
    "the view shows memberships of disabled accounts": (
        f"{VIEW} where member.member_account_id = app.claimed_account_id();"
        " grant execute on function app.claimed_account_id() to authorizer"
    ),
    "disabled accounts ask": WHO_ASKS,
    "nobody is told that it has no account": "drop trigger require_account on app.todos",
    "who writes chooses the id": "grant insert (id) on app.chat_messages to app_user",
    "who changes a row changes its author": (
        "grant update (author_account_id) on app.todos, app.chat_threads, app.chat_messages,"
        " app.chat_tool_events to app_user"
    ),
    "decisions can be removed": "grant delete on app.hook_decisions to app_user",
}


@pytest.fixture(scope="module")
def shared(databases: Databases) -> Iterator[Connection]:
    """Give a connection to a database that the tests of this module leave as it was."""
    with databases.migrated() as server, connect(server, "test") as opened:
        yield opened


def first_difference(connection: Connection, mutant: str) -> int:
    """Return the step at which the fuzz sees that something is wrong."""
    with connection.transaction(force_rollback=True):
        connection.execute(mutant.encode())
        with pytest.raises(DifferenceError) as caught:
            Fuzz(connection, read_rights(), SEED).run(STEPS)
    return caught.value.step


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_fuzz_finds_a_fault(shared: Connection, mutant: str) -> None:
    step = first_difference(shared, MUTANTS[mutant])
    # Without the fault, the same steps show nothing.
    Fuzz(shared, read_rights(), SEED).run(step)
