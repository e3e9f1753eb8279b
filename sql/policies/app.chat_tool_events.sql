-- app.chat_tool_events: tool calls.
-- Who may: an account reads the tool events of its own sessions and of those shared with it; it reports, finishes and removes them
-- in its own and where it is an editor or owner.
-- The import functions bring tool events in, and replace one where --on-conflict=replace says so.
-- Electric reads all of it, for it serves every account; the gatekeeper decides who gets which of it.
set local role sessionbase_owner;

revoke all on app.chat_tool_events
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.chat_tool_events enable row level security;
alter table app.chat_tool_events force row level security;

drop policy if exists "An account reads its own tool events and shared ones" on app.chat_tool_events;
create policy "An account reads its own tool events and shared ones" on app.chat_tool_events
for select to app_user
using (
    account_id = (select app.current_account_id())
    or (account_id, session_id) in (
        select
            shared.account_id,
            shared.session_id
        from app.memberships as shared
    )
);

drop policy if exists "An account reports tool events where it may edit" on app.chat_tool_events;
create policy "An account reports tool events where it may edit" on app.chat_tool_events
for insert to app_user
with check (
    (
        account_id = (select app.current_account_id())
        or (account_id, session_id) in (
            select
                shared.account_id,
                shared.session_id
            from app.memberships as shared
            where shared.role in ('editor', 'owner')
        )
    )
    and author_account_id = (select app.current_account_id())
);

drop policy if exists "An account finishes tool events where it may edit" on app.chat_tool_events;
create policy "An account finishes tool events where it may edit" on app.chat_tool_events
for update to app_user
using (
    account_id = (select app.current_account_id())
    or (account_id, session_id) in (
        select
            shared.account_id,
            shared.session_id
        from app.memberships as shared
        where shared.role in ('editor', 'owner')
    )
)
with check (
    account_id = (select app.current_account_id())
    or (account_id, session_id) in (
        select
            shared.account_id,
            shared.session_id
        from app.memberships as shared
        where shared.role in ('editor', 'owner')
    )
);

drop policy if exists "An account removes tool events where it may edit" on app.chat_tool_events;
create policy "An account removes tool events where it may edit" on app.chat_tool_events
for delete to app_user
using (
    account_id = (select app.current_account_id())
    or (account_id, session_id) in (
        select
            shared.account_id,
            shared.session_id
        from app.memberships as shared
        where shared.role in ('editor', 'owner')
    )
);

drop policy if exists "Electric reads all tool events" on app.chat_tool_events;
create policy "Electric reads all tool events" on app.chat_tool_events
for select to electric_read
using (true);

drop policy if exists "The import finds any tool event" on app.chat_tool_events;
create policy "The import finds any tool event" on app.chat_tool_events
for select to import_definer
using (true);

drop policy if exists "The import brings tool events in" on app.chat_tool_events;
create policy "The import brings tool events in" on app.chat_tool_events
for insert to import_definer
with check (true);

drop policy if exists "The import replaces a tool event where it is told to" on app.chat_tool_events;
create policy "The import replaces a tool event where it is told to" on app.chat_tool_events
for update to import_definer
using (true)
with check (true);

grant select, delete on app.chat_tool_events to app_user;
grant insert (
    account_id, session_id, thread_id, tool_call_id, tool_name, status, arguments, result, error, started_at,
    completed_at, latency_ms, context_events, author_account_id, created_at, updated_at
) on app.chat_tool_events to app_user;
grant update (
    status, result, error, completed_at, latency_ms, context_events, updated_at
) on app.chat_tool_events to app_user;
grant select on app.chat_tool_events to electric_read;
grant select on app.chat_tool_events to import_definer;
grant insert (
    account_id, id, session_id, thread_id, tool_call_id, tool_name, status, arguments, result, error,
    started_at, completed_at, latency_ms, context_events, created_at, updated_at, extra
) on app.chat_tool_events to import_definer;
grant update (
    thread_id, tool_call_id, tool_name, status, arguments, result, error, started_at, completed_at, latency_ms,
    context_events, created_at, updated_at, extra
) on app.chat_tool_events to import_definer;
-- Not granted: insert of id, which is made here; update of account_id, id, session_id and thread_id: a tool event stays where
-- it is; update of what was asked: tool_name, arguments, started_at, author_account_id.
