"""Who may sign in and who is signed in, for operators. They act as authorizer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg import Cursor
from psycopg.rows import dict_row

from harness import console
from harness.acting import find_account, in_words
from harness.connections import Server, connect
from harness.errors import ExitCode, SessionbaseError

Row = dict[str, Any]
"""A row by its columns' names."""

_LONGEST = 1024
_LIST = """
    select
        session.id,
        account.name as account,
        session.account_id,
        session.created_at,
        session.last_used_at,
        session.idle_expires_at,
        session.absolute_expires_at,
        session.revoked_at,
        session.revoked_why,
        session.user_agent
    from auth.login_sessions as session
    inner join app.accounts as account on session.account_id = account.id
    where (%(account_id)s::uuid is null or session.account_id = %(account_id)s)
        and (
            %(ended)s
            or (session.revoked_at is null and session.idle_expires_at > clock_timestamp())
        )
    order by account.name, session.last_used_at desc, session.id
"""
_END = "select auth.end_login_session(%s) as was_there"
_END_ALL = "select auth.end_login_sessions(%s) as ended"
_PRUNE = "select login_sessions, revocations from auth.prune()"
_ADD = "select * from auth.add_identity(%s, %s, %s, %s)"


@dataclass(frozen=True)
class Identity:
    """Who somebody is to an identity provider: its claims iss and sub."""

    issuer: str
    subject: str


def list_login_sessions(server: Server, account: str | None, *, with_ended: bool) -> list[Row]:
    """Return the login sessions of an account, or of all, last used first.

    account: name or id. Raises SessionbaseError: NO_ACCOUNT, and what connect() raises.
    """
    with connect(server, "sessions") as connection:
        account_id = find_account(connection, account) if account else None
        with _as_operator(connection.cursor(row_factory=dict_row)) as cursor:
            asked = {"account_id": account_id, "ended": with_ended}
            return cursor.execute(_LIST, asked).fetchall()


def revoke_login_session(server: Server, login_session: str) -> None:
    """End a login session. Raises SessionbaseError: REFUSED for no id, NOT_THERE."""
    try:
        login_session_id = UUID(login_session)
    except ValueError:
        raise SessionbaseError(
            ExitCode.REFUSED,
            "--revoke takes the id of a login session",
            hint="`invoke sessions` lists them.",
        ) from None
    row = _ask(server, _END, login_session_id)
    if not row["was_there"]:
        raise SessionbaseError(
            ExitCode.NOT_THERE,
            f"there is no login session {login_session_id}, or it has ended",
            hint="`invoke sessions` lists them; with --ended, those that have ended too.",
        )


def revoke_all_login_sessions(server: Server, account: str) -> int:
    """End all of an account, and return how many there were. Raises SessionbaseError."""
    if not account:
        raise SessionbaseError(ExitCode.REFUSED, "--account must say whose login sessions to end")
    with connect(server, "sessions") as connection:
        account_id = find_account(connection, account)
    return int(_ask(server, _END_ALL, account_id)["ended"])


def prune_login_sessions(server: Server) -> Row:
    """Remove what is over for long; return how many login_sessions and revocations that were."""
    return _ask(server, _PRUNE)


def add_identity(server: Server, account: str, identity: Identity, *, may_create: bool) -> Row:
    """Let an identity sign in to an account, named or by id.

    Returns account_id, account_is_new and identity_is_new. Raises SessionbaseError: NO_ACCOUNT if
    it is not there and may not be made, REFUSED for an identity of another account.
    """
    for name, value in (
        ("account", account),
        ("issuer", identity.issuer),
        ("subject", identity.subject),
    ):
        if not 0 < len(value.encode()) <= _LONGEST:
            raise SessionbaseError(ExitCode.REFUSED, f"--{name} must have 1 to {_LONGEST} bytes")
    return _ask(server, _ADD, account, identity.issuer, identity.subject, may_create)


def report_login_sessions(rows: list[Row], *, as_json: bool) -> None:
    """Show login sessions: no secret is among what is known of them."""
    if as_json:
        console.show_json({"sessions": rows})
        return
    if not rows:
        console.say("nobody is signed in")
        return
    now = datetime.now(UTC)
    console.show_table(
        "",
        ("account", "id", "signed in", "last used", "until", "state", "browser"),
        (
            (
                row["account"],
                row["id"],
                _time(row["created_at"]),
                _time(row["last_used_at"]),
                _time(row["idle_expires_at"]),
                _state(row, now),
                row["user_agent"],
            )
            for row in rows
        ),
    )


def report_count(facts: Row, *, as_json: bool) -> None:
    """Show what was done, as "ended: 3"."""
    if as_json:
        console.show_json(facts)
        return
    console.say("; ".join(f"{name.replace('_', ' ')}: {count}" for name, count in facts.items()))


def report_identity(row: Row, account: str, *, as_json: bool) -> None:
    """Show what came of adding an identity."""
    if as_json:
        console.show_json(row)
        return
    made = "made" if row["account_is_new"] else "there already"
    added = "may sign in now" if row["identity_is_new"] else "could sign in already"
    console.say(f"account {account} ({row['account_id']}): {made}")
    console.say(f"the identity {added}")


@contextmanager
def _as_operator(cursor: Cursor[Row]) -> Iterator[Cursor[Row]]:
    """Be authorizer for one transaction. Raises SessionbaseError for what a function refuses."""
    with in_words(), cursor.connection.transaction():
        cursor.execute("set local role authorizer")
        yield cursor


def _ask(server: Server, statement: str, *arguments: object) -> Row:
    with (
        connect(server, "sessions") as connection,
        _as_operator(connection.cursor(row_factory=dict_row)) as cursor,
    ):
        (row,) = cursor.execute(statement.encode(), arguments).fetchall()
    return row


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def _state(row: Row, now: datetime) -> str:
    if row["revoked_why"] or row["revoked_at"]:
        return row["revoked_why"] or "revoked"
    return "signed in" if row["idle_expires_at"] > now else "expired"
