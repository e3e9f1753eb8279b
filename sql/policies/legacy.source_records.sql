-- legacy.source_records: every record that came in, with what was mended.
-- Who may: the import functions keep it. A mend holds values of the record, so a reviewer has no grant.
set local role sessionbase_owner;

revoke all on legacy.source_records
from public, app_user, app_server, importer, import_definer, electric_repl, electric_read, reviewer;

alter table legacy.source_records enable row level security;
alter table legacy.source_records force row level security;

drop policy if exists "The import finds any source record" on legacy.source_records;
create policy "The import finds any source record" on legacy.source_records
for select to import_definer
using (true);

drop policy if exists "The import writes source records" on legacy.source_records;
create policy "The import writes source records" on legacy.source_records
for insert to import_definer
with check (true);

grant select on legacy.source_records to import_definer;
grant insert (account_id, kind, record_id, fate, content_sha256, mends, run_id, ordinal, byte_offset)
on legacy.source_records to import_definer;
-- Not granted: update and delete, to anybody: what came in stays written down.
