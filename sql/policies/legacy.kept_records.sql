-- legacy.kept_records: records whose row alone does not give them back, with their bytes and what was mended.
-- Who may: the import functions keep it. It holds content, so a reviewer has no grant.
set local role sessionbase_owner;

revoke all on legacy.kept_records
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table legacy.kept_records enable row level security;
alter table legacy.kept_records force row level security;

drop policy if exists "The import finds any kept record" on legacy.kept_records;
create policy "The import finds any kept record" on legacy.kept_records
for select to import_definer
using (true);

drop policy if exists "The import keeps records" on legacy.kept_records;
create policy "The import keeps records" on legacy.kept_records
for insert to import_definer
with check (true);

drop policy if exists "The import adds mends to a kept record" on legacy.kept_records;
create policy "The import adds mends to a kept record" on legacy.kept_records
for update to import_definer
using (true)
with check (true);

grant select on legacy.kept_records to import_definer;
grant insert (account_id, kind, record_id, mends, raw, run_id, ordinal, byte_offset)
on legacy.kept_records to import_definer;
grant update (mends, raw, row_version, run_id, ordinal, byte_offset) on legacy.kept_records to import_definer;
-- Not granted: delete, to anybody: a kept record is the only exact copy there is.
