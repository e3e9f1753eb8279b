"""What the old viewer's files can't hold: counted, so that nobody is surprised after a rollback."""

from dataclasses import dataclass

import psycopg

from harness.connections import Connection
from harness.errors import ExitCode, SessionbaseError


@dataclass(frozen=True)
class Loss:
    """Rows of one kind that stay in the database alone. kind: in a word; what: in a sentence."""

    kind: str
    what: str
    rows: int


_WHAT = {
    "other accounts": "accounts with data of their own: the old viewer knows one",
    "members": "memberships of shared sessions: whom they are shared with",
    "authors": "messages of other authors: that it was they",
    "row versions": "threads, messages and tool events that were changed: how often",
    "empty sessions": "sessions without a thread and without a tool event",
    "todos": "todos",
    "misalignments": "misalignments",
    "hook decisions": "decisions of hooks",
    "repositories": "repositories that are bound to a session",
    "settings": "settings of a profile",
    "uploads": "uploads, with their bytes",
    "timelines": "entries of timelines",
    "session logs": "logs of agents: which were read, and how far",
    "login sessions": "login sessions that are good: the old viewer asks nobody",
}
"""Every kind, in the order it is shown."""

_COUNT = """
    with changed as (
        select row_version from app.chat_threads where account_id = %(account)s
        union all
        select row_version from app.chat_messages where account_id = %(account)s
        union all
        select row_version from app.chat_tool_events where account_id = %(account)s
    )
    select 'other accounts', count(distinct account_id)
    from app.sessions where account_id <> %(account)s
    union all
    select 'members', count(*) from app.session_members where account_id = %(account)s
    union all
    select 'authors', count(*) from app.chat_messages
    where account_id = %(account)s and author_account_id <> account_id
    union all
    select 'row versions', count(*) from changed where row_version > 1
    union all
    select 'empty sessions', count(*) from app.sessions as session
    where account_id = %(account)s
        and not exists (
            select from app.chat_threads as chat
            where chat.account_id = session.account_id and chat.session_id = session.id
        )
        and not exists (
            select from app.chat_tool_events as chat
            where chat.account_id = session.account_id and chat.session_id = session.id
        )
    union all
    select 'todos', count(*) from app.todos where account_id = %(account)s
    union all
    select 'misalignments', count(*) from app.misalignments where account_id = %(account)s
    union all
    select 'hook decisions', count(*) from app.hook_decisions where account_id = %(account)s
    union all
    select 'repositories', count(*) from app.session_repo_bindings where account_id = %(account)s
    union all
    select 'settings', count(*) from app.ui_settings where account_id = %(account)s
    union all
    select 'uploads', count(*) from app.session_uploads where account_id = %(account)s
    union all
    select 'timelines', count(*) from app.session_events where account_id = %(account)s
    union all
    select 'session logs', count(*) from app.session_logs where account_id = %(account)s
    union all
    select 'login sessions', count(*) from auth.login_sessions
    where account_id = %(account)s and revoked_at is null and idle_expires_at > clock_timestamp()
"""


def count_losses(connection: Connection, account_id: str) -> list[Loss]:
    """Count, as of the transaction that is open. Kinds of which there is nothing are left out.

    Raises SessionbaseError (NO_PERMISSION) for a login that policies bind: it would see too little.
    """
    connection.execute("set local row_security = off")
    try:
        rows: dict[str, int] = dict(connection.execute(_COUNT, {"account": account_id}).fetchall())
    except psycopg.errors.InsufficientPrivilege:
        raise SessionbaseError(
            ExitCode.NO_PERMISSION,
            "this login can't count what the old files can't hold: row level security binds it",
            hint="Use a login that is a superuser or has BYPASSRLS.",
        ) from None
    return [Loss(kind, what, rows[kind]) for kind, what in _WHAT.items() if rows[kind]]
