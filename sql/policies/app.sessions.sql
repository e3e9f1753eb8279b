-- app.sessions: what threads, messages, tool events and timelines belong to.
-- Who may: the import functions make the sessions they meet, and widen their times to hold what came in.
set local role sessionbase_owner;

revoke all on app.sessions
from public, app_user, app_server, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.sessions enable row level security;
alter table app.sessions force row level security;

drop policy if exists "The import finds any session" on app.sessions;
create policy "The import finds any session" on app.sessions
for select to import_definer
using (true);

drop policy if exists "The import makes sessions" on app.sessions;
create policy "The import makes sessions" on app.sessions
for insert to import_definer
with check (true);

drop policy if exists "The import widens the times of a session" on app.sessions;
create policy "The import widens the times of a session" on app.sessions
for update to import_definer
using (true)
with check (true);

grant select on app.sessions to import_definer;
grant insert (account_id, id, created_at, updated_at) on app.sessions to import_definer;
grant update (created_at, updated_at) on app.sessions to import_definer;
-- Not granted: delete, to anybody: the import removes nothing.
