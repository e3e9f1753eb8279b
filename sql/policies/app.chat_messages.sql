-- app.chat_messages: the messages of threads.
-- Who may: the import functions bring messages in, and count them.
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

grant select on app.chat_messages to import_definer;
grant insert (
    account_id, id, session_id, thread_id, mode, role, content, client_message_id, misalignment_id,
    evidence, context_events, created_at, updated_at, extra
) on app.chat_messages to import_definer;
-- Not granted: update and delete, to anybody: an imported message is never changed by an import.
