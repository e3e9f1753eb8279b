-- legacy.import_batches: the books of the import, one row a batch.
-- Who may: the import functions keep it, and take out batches that were staged and never came in. It has ids and sums, no content.
set local role sessionbase_owner;

revoke all on legacy.import_batches
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table legacy.import_batches enable row level security;
alter table legacy.import_batches force row level security;

drop policy if exists "The import finds any batch" on legacy.import_batches;
create policy "The import finds any batch" on legacy.import_batches
for select to import_definer
using (true);

drop policy if exists "The import books batches" on legacy.import_batches;
create policy "The import books batches" on legacy.import_batches
for insert to import_definer
with check (true);

drop policy if exists "The import notes what became of a batch" on legacy.import_batches;
create policy "The import notes what became of a batch" on legacy.import_batches
for update to import_definer
using (true)
with check (true);

drop policy if exists "The import strikes out a batch that never came in" on legacy.import_batches;
create policy "The import strikes out a batch that never came in" on legacy.import_batches
for delete to import_definer
using (true);

grant select, delete on legacy.import_batches to import_definer;
grant insert (run_id, kind, number, first_ordinal, record_count, end_byte, prefix_sha256)
on legacy.import_batches to import_definer;
grant update (
    fates, record_ids, byte_offsets, record_sha256s, thread_ids, session_ids, sessions_began, sessions_ended
) on legacy.import_batches to import_definer;
-- Not granted: update of where a batch stands in its file; anything to a reviewer, for ids are an account's own.
