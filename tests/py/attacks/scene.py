"""Who attacks whom: accounts, sessions of equal names, and a mark in every row.

A mark names who has the row, so an answer shows whose rows are in it.
"""

from dataclasses import dataclass

from harness.connections import Connection

ISSUER = "https://issuer.example"
AUDIENCE = "sessionbase-tests"

ACCOUNT = "a1b2c3d4-0000-4000-8000-00000000000a"
"""Who attacks. Has the sessions s1 and s2, and sees the session `shared` of OTHER."""

OTHER = "b1c2d3e4-0000-4000-8000-00000000000b"
"""Who is attacked. Has the sessions s1, theirs, which nobody else sees, and shared."""

DISABLED = "d1e2f3a4-0000-4000-8000-00000000000d"
"""An account that is disabled, and has a session s1."""

STRANGER = "e1f2a3b4-0000-4000-8000-00000000000e"
"""An id that no account has."""

SUBJECTS = {ACCOUNT: "attacker", OTHER: "attacked", DISABLED: "disabled"}
"""What the issuer calls them."""

_PLACES = (
    (ACCOUNT, "s1"),
    (ACCOUNT, "s2"),
    (OTHER, "s1"),
    (OTHER, "theirs"),
    (OTHER, "shared"),
    (DISABLED, "s1"),
)
_MARK = "mark-{0}-{1}-"
_ROWS = (
    """
    insert into app.sessions (account_id, id, cwd)
    values (%(account)s, %(session)s, %(mark)s)
    """,
    """
    insert into app.chat_threads (account_id, id, session_id, mode, title, status)
    values (%(account)s, %(session)s || '-thread', %(session)s, 'session', %(mark)s, 'archived')
    """,
    """
    insert into app.chat_messages (account_id, id, session_id, thread_id, mode, role, content)
    values (
        %(account)s, %(session)s, %(session)s, %(session)s || '-thread', 'session', 'user', %(mark)s
    )
    """,
    """
    insert into app.todos (account_id, id, session_id, body)
    values (%(account)s, %(session)s, %(session)s, %(mark)s)
    """,
)


@dataclass(frozen=True)
class Place:
    """A session, and whose."""

    account: str
    session: str

    @property
    def mark(self) -> bytes:
        """How what is in its rows begins."""
        return _MARK.format(SUBJECTS[self.account], self.session).encode()


PLACES = tuple(Place(*place) for place in _PLACES)


def set_scene(connection: Connection) -> None:
    """Make accounts, identities, sessions and rows in a migrated database."""
    with connection.transaction():
        for account, subject in SUBJECTS.items():
            connection.execute(
                "insert into app.accounts (id, name, status) values (%s, %s, %s)",
                [account, subject, "disabled" if account == DISABLED else "active"],
            )
            connection.execute(
                "insert into auth.identities (issuer, subject, account_id) values (%s, %s, %s)",
                [ISSUER, subject, account],
            )
        for place in PLACES:
            values = {
                "account": place.account,
                "session": place.session,
                "mark": f"{place.mark.decode()}row",
            }
            for statement in _ROWS:
                connection.execute(statement, values)
        share(connection)


def share(connection: Connection) -> None:
    """Let ACCOUNT see the session `shared` of OTHER."""
    connection.execute(
        "insert into app.session_members (account_id, session_id, member_account_id, role) "
        "values (%s, 'shared', %s, 'viewer')",
        [OTHER, ACCOUNT],
    )


def foreign_marks(*allowed: Place) -> list[bytes]:
    """Return the marks that must not be in an answer."""
    return [place.mark for place in PLACES if place not in allowed]


def whose(body: bytes) -> list[Place]:
    """Return whose rows are in an answer."""
    return [place for place in PLACES if place.mark in body]
