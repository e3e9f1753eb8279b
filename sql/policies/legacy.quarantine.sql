-- legacy.quarantine: every record that was kept out, byte for byte.
-- Who may: the import functions keep it. It holds content, so a reviewer has no grant.
set local role sessionbase_owner;

revoke all on legacy.quarantine
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table legacy.quarantine enable row level security;
alter table legacy.quarantine force row level security;

drop policy if exists "The import finds any quarantined record" on legacy.quarantine;
create policy "The import finds any quarantined record" on legacy.quarantine
for select to import_definer
using (true);

drop policy if exists "The import quarantines records" on legacy.quarantine;
create policy "The import quarantines records" on legacy.quarantine
for insert to import_definer
with check (true);

drop policy if exists "The import notes that it met a record again" on legacy.quarantine;
create policy "The import notes that it met a record again" on legacy.quarantine
for update to import_definer
using (true)
with check (true);

grant select on legacy.quarantine to import_definer;
grant insert (
    account_id, kind, file_name, ordinal, byte_offset, reason, field, sqlstate, raw, raw_sha256,
    occurrence, run_id, last_run_id
) on legacy.quarantine to import_definer;
grant update (file_name, file_sha256, ordinal, byte_offset, reason, field, sqlstate, last_run_id)
on legacy.quarantine to import_definer;
-- Not granted: update of raw; delete, to anybody: a quarantined record is the only copy there is.
