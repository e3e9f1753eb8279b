-- app.chat_tool_events: tool calls.
-- Who may: the import functions bring tool events in.
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

grant select on app.chat_tool_events to import_definer;
grant insert (
    account_id, id, session_id, thread_id, tool_call_id, tool_name, status, arguments, result, error,
    started_at, completed_at, latency_ms, context_events, created_at, updated_at, extra
) on app.chat_tool_events to import_definer;
-- Not granted: update and delete, to anybody: an imported tool event is never changed by an import.
