-- app.upload_content_chunks: which chunks a content is made of.
-- Who may: an account reads and adds its own; they go with their content, and not alone.
set local role sessionbase_owner;

revoke all on app.upload_content_chunks
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.upload_content_chunks enable row level security;
alter table app.upload_content_chunks force row level security;

drop policy if exists "An account reads which chunks its own contents have" on app.upload_content_chunks;
create policy "An account reads which chunks its own contents have" on app.upload_content_chunks
for select to app_user
using (account_id = (select app.current_account_id()));

drop policy if exists "An account says which chunks its own contents have" on app.upload_content_chunks;
create policy "An account says which chunks its own contents have" on app.upload_content_chunks
for insert to app_user
with check (account_id = (select app.current_account_id()));

grant select on app.upload_content_chunks to app_user;
grant insert (account_id, content_sha256, chunk_index, byte_offset, chunk_sha256) on app.upload_content_chunks to app_user;
-- Not granted: update and delete, to anybody; anything to electric_read and electric_repl.
