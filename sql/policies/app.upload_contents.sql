-- app.upload_contents: what uploads hold, whole.
-- Who may: an account reads, adds and removes its own; they belong to no session, so no member sees them.
set local role sessionbase_owner;

revoke all on app.upload_contents
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.upload_contents enable row level security;
alter table app.upload_contents force row level security;

drop policy if exists "An account reads its own upload contents" on app.upload_contents;
create policy "An account reads its own upload contents" on app.upload_contents
for select to app_user
using (account_id = (select app.current_account_id()));

drop policy if exists "An account adds its own upload contents" on app.upload_contents;
create policy "An account adds its own upload contents" on app.upload_contents
for insert to app_user
with check (account_id = (select app.current_account_id()));

drop policy if exists "An account removes its own upload contents" on app.upload_contents;
create policy "An account removes its own upload contents" on app.upload_contents
for delete to app_user
using (account_id = (select app.current_account_id()));

grant select, delete on app.upload_contents to app_user;
grant insert (account_id, sha256, size_bytes, chunk_count) on app.upload_contents to app_user;
-- Not granted: update, to anybody: a content does not change; anything to electric_read and electric_repl.
