-- app.session_repo_bindings: which folder a session is bound to.
-- Who may: an account reads the bindings of its own sessions and of those shared with it; it makes, changes and removes them in
-- its own and where it is an editor or owner.
-- Electric reads all of it, for it serves every account; the gatekeeper decides who gets which of it.
set local role sessionbase_owner;

revoke all on app.session_repo_bindings
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.session_repo_bindings enable row level security;
alter table app.session_repo_bindings force row level security;

drop policy if exists "An account reads its own repository bindings and shared ones" on app.session_repo_bindings;
create policy "An account reads its own repository bindings and shared ones" on app.session_repo_bindings
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

drop policy if exists "An account makes repository bindings where it may edit" on app.session_repo_bindings;
create policy "An account makes repository bindings where it may edit" on app.session_repo_bindings
for insert to app_user
with check (
    (
        account_id = (select app.current_account_id())
        or (account_id, session_id) in (
            select
                shared.account_id,
                shared.session_id
            from app.memberships as shared
            where shared.role in ('editor', 'owner')
        )
    )
    and author_account_id = (select app.current_account_id())
);

drop policy if exists "An account changes repository bindings where it may edit" on app.session_repo_bindings;
create policy "An account changes repository bindings where it may edit" on app.session_repo_bindings
for update to app_user
using (
    account_id = (select app.current_account_id())
    or (account_id, session_id) in (
        select
            shared.account_id,
            shared.session_id
        from app.memberships as shared
        where shared.role in ('editor', 'owner')
    )
)
with check (
    account_id = (select app.current_account_id())
    or (account_id, session_id) in (
        select
            shared.account_id,
            shared.session_id
        from app.memberships as shared
        where shared.role in ('editor', 'owner')
    )
);

drop policy if exists "An account removes repository bindings where it may edit" on app.session_repo_bindings;
create policy "An account removes repository bindings where it may edit" on app.session_repo_bindings
for delete to app_user
using (
    account_id = (select app.current_account_id())
    or (account_id, session_id) in (
        select
            shared.account_id,
            shared.session_id
        from app.memberships as shared
        where shared.role in ('editor', 'owner')
    )
);

drop policy if exists "Electric reads all repository bindings" on app.session_repo_bindings;
create policy "Electric reads all repository bindings" on app.session_repo_bindings
for select to electric_read
using (true);

grant select, delete on app.session_repo_bindings to app_user;
grant insert (
    account_id, session_id, asset_path, root_dir, author_account_id, created_at, updated_at
) on app.session_repo_bindings to app_user;
grant update (asset_path, root_dir, updated_at) on app.session_repo_bindings to app_user;
grant select on app.session_repo_bindings to electric_read;
-- Not granted: update of account_id and session_id: a binding stays with its session; update of author_account_id.
