"""Accounts, sessions of equal names, memberships at random, and a row in every place."""

from random import Random
from uuid import UUID

from harness.connections import Connection

ROLES = ("viewer", "editor", "owner")
SESSIONS = ("session-default", "session-a", "session-b")
THREADS = ("thread-1", "thread-2")

_PLACES = """
    create temporary table place as
    select account.id as account_id, session_id
    from app.accounts as account
    cross join unnest(%(sessions)s::text[]) as session_id
    where account.name like 'world %%'
"""
_ROWS = (
    "insert into app.sessions (account_id, id) select * from place",
    """
    insert into app.chat_threads (account_id, id, session_id, mode, title, status)
    select account_id, session_id || thread, session_id, 'session', 'Session Coach', 'archived'
    from place
    cross join unnest(%(threads)s::text[]) as thread
    """,
    """
    insert into app.chat_messages (account_id, id, session_id, thread_id, mode, role, content)
    select account_id, session_id || thread || n, session_id, session_id || thread, 'session',
        'user', 'of ' || account_id || session_id || thread
    from place
    cross join unnest(%(threads)s::text[]) as thread
    cross join generate_series(1, 2) as n
    """,
    """
    insert into app.chat_tool_events (account_id, id, session_id, tool_name, status, started_at)
    select account_id, session_id, session_id, 'search', 'pending', now()
    from place
    """,
    """
    insert into app.session_events (account_id, session_id, event_index, event_type)
    select account_id, session_id, 0, 'message'
    from place
    """,
    """
    insert into app.session_repo_bindings (account_id, session_id, asset_path, root_dir)
    select account_id, session_id, 'log', '/'
    from place
    """,
    """
    insert into app.misalignments (account_id, id, session_id, rule_id, title, summary, severity)
    select account_id, session_id, session_id, 'rule', 'title', 'summary', 'low'
    from place
    """,
    """
    insert into app.hook_decisions (
        account_id, id, session_id, source, content_hash, severity, blocked
    )
    select account_id, session_id, session_id, 'hook', 'hash', 'low', false
    from place
    """,
    # Of the account as a whole too: those are in no session, and in no session's shape.
    """
    insert into app.todos (account_id, id, session_id, body)
    select account_id, 'todo-' || coalesce(session_id, 'own'), session_id, 'of ' || account_id
    from (
        select * from place
        union all
        select distinct account_id, null::text from place
    ) as anywhere
    """,
)


class World:
    """What the accounts of a test have.

    accounts: their ids; the last one is disabled. unknown: an id that no account has.
    """

    def __init__(self, connection: Connection, seed: int, size: int = 6) -> None:
        dice = Random(seed)  # noqa: S311 - the same world every time
        self.accounts = [UUID(int=dice.getrandbits(128), version=4) for _ in range(size)]
        self.unknown = UUID(int=dice.getrandbits(128), version=4)
        with connection.transaction():
            self._fill(connection, dice)

    @property
    def disabled(self) -> UUID:
        """The account that is disabled."""
        return self.accounts[-1]

    def _fill(self, connection: Connection, dice: Random) -> None:
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into app.accounts (id, name, status) values (%s, %s, %s)",
                [
                    (one, f"world {one}", "disabled" if one == self.disabled else "active")
                    for one in self.accounts
                ],
            )
            cursor.execute(_PLACES, {"sessions": list(SESSIONS)})
            for statement in _ROWS:
                cursor.execute(statement, {"threads": list(THREADS)})
            self._upload(connection)
            cursor.executemany(
                "insert into app.session_members (account_id, session_id, member_account_id, role) "
                "values (%s, %s, %s, %s)",
                [
                    (owner, session, member, dice.choice(ROLES))
                    for owner in self.accounts
                    for session in SESSIONS
                    for member in (*self.accounts, self.unknown)
                    if member != owner and dice.random() < 0.3
                ],
            )
            cursor.execute("drop table place")

    def _upload(self, connection: Connection) -> None:
        connection.execute(
            """
            insert into app.upload_contents (account_id, sha256, size_bytes, chunk_count)
            select distinct account_id, sha256('x'), 1, 1
            from place
            """
        )
        connection.execute(
            """
            insert into app.session_uploads (
                account_id, id, session_id, original_name, size_bytes, content_sha256, source
            )
            select account_id, session_id, session_id, 'log', 1, sha256('x'), 'upload'
            from place
            """
        )
