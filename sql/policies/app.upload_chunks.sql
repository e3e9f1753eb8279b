-- app.upload_chunks: the bytes of uploads.
-- Who may: an account reads, adds and removes its own; they belong to no session, so no member sees them.
set local role sessionbase_owner;

revoke all on app.upload_chunks
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.upload_chunks enable row level security;
alter table app.upload_chunks force row level security;

drop policy if exists "An account reads its own upload chunks" on app.upload_chunks;
create policy "An account reads its own upload chunks" on app.upload_chunks
for select to app_user
using (account_id = (select app.current_account_id()));

drop policy if exists "An account adds its own upload chunks" on app.upload_chunks;
create policy "An account adds its own upload chunks" on app.upload_chunks
for insert to app_user
with check (account_id = (select app.current_account_id()));

drop policy if exists "An account removes its own upload chunks" on app.upload_chunks;
create policy "An account removes its own upload chunks" on app.upload_chunks
for delete to app_user
using (account_id = (select app.current_account_id()));

grant select, delete on app.upload_chunks to app_user;
grant insert (account_id, sha256, size_bytes, encoding, chunk) on app.upload_chunks to app_user;
-- Not granted: update, to anybody: bytes do not change; anything to electric_read and electric_repl: bytes are never synced.
