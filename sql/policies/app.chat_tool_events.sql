-- app.chat_tool_events: tool calls.
-- Who may: the import functions bring tool events in, and replace one where --on-conflict=replace says so.
set local role sessionbase_owner;

revoke all on app.chat_tool_events
from public, app_user, app_server, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.chat_tool_events enable row level security;
alter table app.chat_tool_events force row level security;

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

grant select on app.chat_tool_events to import_definer;
grant insert (
    account_id, id, session_id, thread_id, tool_call_id, tool_name, status, arguments, result, error,
    started_at, completed_at, latency_ms, context_events, created_at, updated_at, extra
) on app.chat_tool_events to import_definer;
grant update (
    thread_id, tool_call_id, tool_name, status, arguments, result, error, started_at, completed_at, latency_ms,
    context_events, created_at, updated_at, extra
) on app.chat_tool_events to import_definer;
-- Not granted: update of account_id, id and session_id: a tool event stays where it is; delete, to anybody.
