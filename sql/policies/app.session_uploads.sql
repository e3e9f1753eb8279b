-- app.session_uploads: uploaded logs, without their bytes.
-- Who may: an account reads its own uploads and those of sessions shared with it; only its own does it add, change and remove,
-- for the bytes are the account's.
-- Electric reads all of it, for it serves every account; the gatekeeper decides who gets which of it.
set local role sessionbase_owner;

revoke all on app.session_uploads
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.session_uploads enable row level security;
alter table app.session_uploads force row level security;

drop policy if exists "An account reads its own uploads and shared ones" on app.session_uploads;
create policy "An account reads its own uploads and shared ones" on app.session_uploads
for select to app_user
using (
    account_id = (select app.current_account_id())
    or (account_id, session_id) in (
        select
            shared.account_id,
            shared.session_id
        from app.memberships as shared
    )
);

drop policy if exists "An account adds its own uploads" on app.session_uploads;
create policy "An account adds its own uploads" on app.session_uploads
for insert to app_user
with check (account_id = (select app.current_account_id()));

drop policy if exists "An account changes its own uploads" on app.session_uploads;
create policy "An account changes its own uploads" on app.session_uploads
for update to app_user
using (account_id = (select app.current_account_id()))
with check (account_id = (select app.current_account_id()));

drop policy if exists "An account removes its own uploads" on app.session_uploads;
create policy "An account removes its own uploads" on app.session_uploads
for delete to app_user
using (account_id = (select app.current_account_id()));

drop policy if exists "Electric reads all uploads" on app.session_uploads;
create policy "Electric reads all uploads" on app.session_uploads
for select to electric_read
using (true);

grant select, delete on app.session_uploads to app_user;
grant insert (
    account_id, session_id, original_name, size_bytes, content_sha256, source, stored_at, source_path,
    last_modified, repo_label, repo_meta, workspace_root, origin, updated_at, charset
) on app.session_uploads to app_user;
grant update (
    session_id, original_name, size_bytes, content_sha256, last_modified, repo_label, repo_meta, workspace_root, origin,
    updated_at, charset
) on app.session_uploads to app_user;
grant select on app.session_uploads to electric_read;
-- Not granted: insert of id, which is made here; update of account_id, id, source and stored_at: an upload stays what it is,
-- also when its log has grown and it has another content.
