-- legacy.import_files: one row a file of a run, with its sums.
-- Who may: the import functions keep it; a reviewer reads it, for it holds no content.
set local role sessionbase_owner;

revoke all on legacy.import_files
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table legacy.import_files enable row level security;
alter table legacy.import_files force row level security;

drop policy if exists "The import finds any file" on legacy.import_files;
create policy "The import finds any file" on legacy.import_files
for select to import_definer
using (true);

drop policy if exists "The import registers files" on legacy.import_files;
create policy "The import registers files" on legacy.import_files
for insert to import_definer
with check (true);

drop policy if exists "The import writes the sums of a file" on legacy.import_files;
create policy "The import writes the sums of a file" on legacy.import_files
for update to import_definer
using (true)
with check (true);

drop policy if exists "A reviewer reads every file" on legacy.import_files;
create policy "A reviewer reads every file" on legacy.import_files
for select to reviewer
using (true);

grant select on legacy.import_files to import_definer, reviewer;
grant insert (run_id, kind, file_name, sha256, size_bytes, read_count, faults)
on legacy.import_files to import_definer;
grant update (
    sha256, size_bytes, read_count, faults, imported_count, unchanged_count, adopted_count, quarantined_count
) on legacy.import_files to import_definer;
-- Not granted: delete, to anybody; any table privilege to importer, who has the functions.
