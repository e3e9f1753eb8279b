-- app.chat_messages: the messages of threads.
-- Who may: the import functions bring messages in, count them, and replace one where --on-conflict=replace says so.
set local role sessionbase_owner;

revoke all on app.chat_messages
from public, app_user, app_server, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.chat_messages enable row level security;
alter table app.chat_messages force row level security;

drop policy if exists "The import counts the messages of any thread" on app.chat_messages;
create policy "The import counts the messages of any thread" on app.chat_messages
for select to import_definer
using (true);

drop policy if exists "The import brings messages in" on app.chat_messages;
create policy "The import brings messages in" on app.chat_messages
for insert to import_definer
with check (true);

drop policy if exists "The import replaces a message where it is told to" on app.chat_messages;
create policy "The import replaces a message where it is told to" on app.chat_messages
for update to import_definer
using (true)
with check (true);

grant select on app.chat_messages to import_definer;
grant insert (
    account_id, id, session_id, thread_id, mode, role, content, client_message_id, misalignment_id,
    evidence, context_events, created_at, updated_at, extra
) on app.chat_messages to import_definer;
grant update (
    thread_id, mode, role, content, client_message_id, misalignment_id, evidence, context_events,
    created_at, updated_at, extra
) on app.chat_messages to import_definer;
-- Not granted: update of account_id, id and session_id: a message stays where it is; delete, to anybody.
