-- legacy.thread_claims: what records of threads say of their messages, while a run is under way.
-- Who may: the import functions keep it, and empty it when the run ends. It holds content, so a reviewer has no grant.
set local role sessionbase_owner;

revoke all on legacy.thread_claims
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table legacy.thread_claims enable row level security;
alter table legacy.thread_claims force row level security;

drop policy if exists "The import finds any claim" on legacy.thread_claims;
create policy "The import finds any claim" on legacy.thread_claims
for select to import_definer
using (true);

drop policy if exists "The import notes claims" on legacy.thread_claims;
create policy "The import notes claims" on legacy.thread_claims
for insert to import_definer
with check (true);

drop policy if exists "The import strikes out claims that are settled" on legacy.thread_claims;
create policy "The import strikes out claims that are settled" on legacy.thread_claims
for delete to import_definer
using (true);

grant select, delete on legacy.thread_claims to import_definer;
grant insert (account_id, thread_id, run_id, number, ordinal, byte_offset, record, raw)
on legacy.thread_claims to import_definer;
-- Not granted: update, to anybody.
