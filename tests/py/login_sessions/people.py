"""Who signs in: accounts with an identity each, and what is done to their login sessions."""

from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from uuid import UUID, uuid4

from harness.connections import Connection
from tests.py.gatekeeper.issuers import ISSUER

_START = "select login_session_id from auth.start_login_session(%s, %s, %s, 'a test', 600, 6000)"
_OLDER = """
    update auth.login_sessions as session
    set
        created_at = created_at - %(time)s,
        last_used_at = last_used_at - %(time)s,
        idle_expires_at = idle_expires_at - %(time)s,
        absolute_expires_at = absolute_expires_at - %(time)s
    from auth.login_secrets as secret
    where session.id = secret.login_session_id
        and %(hash)s in (secret.secret_hash, secret.previous_hash)
"""
_OLDER_PROOF = """
    update auth.login_secrets
    set rotated_at = rotated_at - %(time)s, previous_until = previous_until - %(time)s
    where %(hash)s in (secret_hash, previous_hash)
"""


@dataclass(frozen=True)
class Person:
    """An account, and who it is to the identity provider."""

    account_id: UUID
    subject: str


def enrol(admin: Connection, name: str) -> Person:
    """Make an account with an identity."""
    subject = f"{name} {uuid4()}"
    rows = admin.execute(
        "insert into app.accounts (name) values (%s) returning id", [subject]
    ).fetchall()
    admin.execute("insert into auth.identities values (%s, %s, %s)", [ISSUER, subject, rows[0][0]])
    return Person(rows[0][0], subject)


def sign_in(admin: Connection, person: Person) -> tuple[UUID, str]:
    """Begin a login session; return its id and its secret."""
    secret = token_urlsafe(32)
    rows = admin.execute(_START, [ISSUER, person.subject, hash_of(secret)]).fetchall()
    return rows[0][0], secret


def hash_of(secret: str) -> bytes:
    """Return what Postgres has of a secret."""
    return sha256(secret.encode()).digest()


def let_time_pass(admin: Connection, secret: str, time: str) -> None:
    """Make a login session and its secrets older. time: as Postgres writes an interval."""
    for statement in (_OLDER, _OLDER_PROOF):
        changed = admin.execute(
            statement.replace("%(time)s", f"interval '{time}'").encode(), {"hash": hash_of(secret)}
        )
        assert changed.rowcount == 1, "there is no such login session"


def why_revoked(admin: Connection, login_session_id: UUID) -> str | None:
    """Return why a login session was revoked; None if it was not."""
    rows = admin.execute(
        "select revoked_why from auth.login_sessions where id = %s", [login_session_id]
    ).fetchall()
    return rows[0][0] if rows[0][0] is None else str(rows[0][0])


def share(admin: Connection, owner: Person, member: Person, session_id: str) -> None:
    """Let somebody see a session."""
    admin.execute(
        "insert into app.sessions (account_id, id) values (%s, %s)", [owner.account_id, session_id]
    )
    admin.execute(
        "insert into app.session_members (account_id, session_id, member_account_id, role) "
        "values (%s, %s, %s, 'viewer')",
        [owner.account_id, session_id, member.account_id],
    )
