-- legacy.import_runs: one row a run of the import.
-- Who may: the import functions keep it; a reviewer reads it, for it holds no content.
set local role sessionbase_owner;

revoke all on legacy.import_runs
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table legacy.import_runs enable row level security;
alter table legacy.import_runs force row level security;

drop policy if exists "The import finds any run" on legacy.import_runs;
create policy "The import finds any run" on legacy.import_runs
for select to import_definer
using (true);

drop policy if exists "The import begins runs" on legacy.import_runs;
create policy "The import begins runs" on legacy.import_runs
for insert to import_definer
with check (true);

drop policy if exists "The import ends runs" on legacy.import_runs;
create policy "The import ends runs" on legacy.import_runs
for update to import_definer
using (true)
with check (true);

drop policy if exists "A reviewer reads every run" on legacy.import_runs;
create policy "A reviewer reads every run" on legacy.import_runs
for select to reviewer
using (true);

grant select on legacy.import_runs to import_definer, reviewer;
grant insert (account_id, tool_version, on_conflict, builds) on legacy.import_runs to import_definer;
grant update (outcome, attempt, builds, finished_at, session_count, made_thread_count)
on legacy.import_runs to import_definer;
-- Not granted: delete, to anybody; any table privilege to importer, who has the functions.
