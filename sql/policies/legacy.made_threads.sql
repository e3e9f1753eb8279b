-- legacy.made_threads: threads that the import made.
-- Who may: the import functions keep it, and strike out a thread once its own record comes in.
set local role sessionbase_owner;

revoke all on legacy.made_threads
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table legacy.made_threads enable row level security;
alter table legacy.made_threads force row level security;

drop policy if exists "The import finds any made thread" on legacy.made_threads;
create policy "The import finds any made thread" on legacy.made_threads
for select to import_definer
using (true);

drop policy if exists "The import writes down the threads it makes" on legacy.made_threads;
create policy "The import writes down the threads it makes" on legacy.made_threads
for insert to import_definer
with check (true);

drop policy if exists "The import strikes out a thread whose record came in" on legacy.made_threads;
create policy "The import strikes out a thread whose record came in" on legacy.made_threads
for delete to import_definer
using (true);

grant select, delete on legacy.made_threads to import_definer;
grant insert (account_id, thread_id, reason, run_id) on legacy.made_threads to import_definer;
-- Not granted: update, to anybody.
