-- app.chat_threads: conversations in a session.
-- Who may: the import functions bring threads in, make those that messages need, and derive their counts from the messages.
set local role sessionbase_owner;

revoke all on app.chat_threads
from public, app_user, app_server, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.chat_threads enable row level security;
alter table app.chat_threads force row level security;

drop policy if exists "The import finds any thread" on app.chat_threads;
create policy "The import finds any thread" on app.chat_threads
for select to import_definer
using (true);

drop policy if exists "The import brings threads in" on app.chat_threads;
create policy "The import brings threads in" on app.chat_threads
for insert to import_definer
with check (true);

drop policy if exists "The import derives counts and fills in threads it made" on app.chat_threads;
create policy "The import derives counts and fills in threads it made" on app.chat_threads
for update to import_definer
using (true)
with check (true);

grant select on app.chat_threads to import_definer;
grant insert (account_id, id, session_id, mode, title, status, created_at, updated_at, extra)
on app.chat_threads to import_definer;
grant update (mode, title, status, message_count, last_message_preview, last_message_at, created_at, updated_at, extra)
on app.chat_threads to import_definer;
-- Not granted: delete, to anybody; update of account_id, id and session_id: a thread stays where it is.
