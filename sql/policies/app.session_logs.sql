-- app.session_logs: how far the log of a session has been read into its timeline.
-- Who may: an account reads the books of its own sessions and of those shared with it; only its own does it write, for logs are
-- read from its own files.
set local role sessionbase_owner;

revoke all on app.session_logs
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.session_logs enable row level security;
alter table app.session_logs force row level security;

drop policy if exists "An account reads the books of its own logs and shared ones" on app.session_logs;
create policy "An account reads the books of its own logs and shared ones" on app.session_logs
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

drop policy if exists "An account begins to read its own logs" on app.session_logs;
create policy "An account begins to read its own logs" on app.session_logs
for insert to app_user
with check (account_id = (select app.current_account_id()));

drop policy if exists "An account goes on reading its own logs" on app.session_logs;
create policy "An account goes on reading its own logs" on app.session_logs
for update to app_user
using (account_id = (select app.current_account_id()))
with check (account_id = (select app.current_account_id()));

grant select on app.session_logs to app_user;
grant insert (
    account_id, session_id, log_id, format, source_path, created_at, updated_at
) on app.session_logs to app_user;
grant update (
    log_id, format, source_path, upload_id, event_count, broken_count, settled_count, settled_bytes, settled_sha256,
    size_bytes, content_sha256, updated_at
) on app.session_logs to app_user;
-- Not granted: update of account_id and session_id; delete: the books go with their session, or a timeline without books would
-- be read a second time. Anything to Electric: no client needs them.
