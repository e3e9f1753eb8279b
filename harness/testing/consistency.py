"""What holds of the tables whenever nobody is in the middle of a write, whoever wrote before."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

_BROKEN = {
    "a thread whose count is not the number of its messages": """
        select thread.id, thread.account_id
        from app.chat_threads as thread
        where thread.message_count <> (
            select count(*)
            from app.chat_messages as message
            where (message.account_id, message.thread_id) = (thread.account_id, thread.id)
        )
    """,
    "a thread whose preview or last time is not its newest message's": """
        select thread.id, thread.account_id
        from app.chat_threads as thread
        left join lateral (
            select message.content, message.created_at
            from app.chat_messages as message
            where (message.account_id, message.thread_id) = (thread.account_id, thread.id)
            order by message.created_at desc, message.id desc
            limit 1
        ) as newest on true
        where thread.last_message_at is distinct from newest.created_at
            or thread.last_message_preview is distinct from app.message_preview(newest.content)
    """,
    "a session and mode with two active threads": """
        select session_id || ' ' || mode, account_id
        from app.chat_threads
        where status = 'active'
        group by account_id, session_id, mode
        having count(*) > 1
    """,
    "two messages of one thread at one time": """
        select thread_id, account_id
        from app.chat_messages
        group by account_id, thread_id, created_at
        having count(*) > 1
    """,
    "a message of another mode or session than its thread": """
        select message.id, message.account_id
        from app.chat_messages as message
        left join app.chat_threads as thread
            on (thread.account_id, thread.id) = (message.account_id, message.thread_id)
        where (thread.session_id, thread.mode) is distinct from (message.session_id, message.mode)
    """,
    "a finished tool event without its latency, or with another": """
        select id, account_id
        from app.chat_tool_events
        where (status in ('succeeded', 'failed')) <> (latency_ms is not null)
            or latency_ms <> (extract(epoch from completed_at - started_at) * 1000)::bigint
    """,
    "a row that was changed before it was made": """
        select id, account_id from app.chat_threads where updated_at < created_at
        union all
        select id, account_id from app.chat_messages where updated_at < created_at
        union all
        select id, account_id from app.chat_tool_events where updated_at < created_at
    """,
}


def broken(
    ask: Callable[[str], Iterable[tuple[Any, ...]]], account_id: UUID | None = None
) -> dict[str, list[str]]:
    """Return what does not hold, and the ids where. ask: returns the rows of a statement.

    account_id: look at this account only. While nobody imports into it, it holds at any moment:
    what triggers derive is committed with what it is derived from. An import derives at its end.
    """
    found = {
        what: [str(id_) for id_, of in ask(sql) if account_id in {None, of}]
        for what, sql in _BROKEN.items()
    }
    return {what: places for what, places in found.items() if places}
