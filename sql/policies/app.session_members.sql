-- app.session_members: which other accounts may see or change a session, and as what.
-- Who may: an account reads who is a member of its own sessions and of those shared with it; in its own, and where it is a
-- member of role owner, it adds members, changes their roles and removes them.
-- The functions of authorizer look memberships up, whoever asks.
-- Electric reads all of it, for it serves every account; the gatekeeper decides who gets which of it.
set local role sessionbase_owner;

revoke all on app.session_members
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.session_members enable row level security;
alter table app.session_members force row level security;

drop policy if exists "An account reads the members of sessions it may read" on app.session_members;
create policy "An account reads the members of sessions it may read" on app.session_members
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

drop policy if exists "An account adds members where it is an owner" on app.session_members;
create policy "An account adds members where it is an owner" on app.session_members
for insert to app_user
with check (
    account_id = (select app.current_account_id())
    or (account_id, session_id) in (
        select
            shared.account_id,
            shared.session_id
        from app.memberships as shared
        where shared.role = 'owner'
    )
);

drop policy if exists "An account changes roles where it is an owner" on app.session_members;
create policy "An account changes roles where it is an owner" on app.session_members
for update to app_user
using (
    account_id = (select app.current_account_id())
    or (account_id, session_id) in (
        select
            shared.account_id,
            shared.session_id
        from app.memberships as shared
        where shared.role = 'owner'
    )
)
with check (
    account_id = (select app.current_account_id())
    or (account_id, session_id) in (
        select
            shared.account_id,
            shared.session_id
        from app.memberships as shared
        where shared.role = 'owner'
    )
);

drop policy if exists "An account removes members where it is an owner" on app.session_members;
create policy "An account removes members where it is an owner" on app.session_members
for delete to app_user
using (
    account_id = (select app.current_account_id())
    or (account_id, session_id) in (
        select
            shared.account_id,
            shared.session_id
        from app.memberships as shared
        where shared.role = 'owner'
    )
);

drop policy if exists "Electric reads all members" on app.session_members;
create policy "Electric reads all members" on app.session_members
for select to electric_read
using (true);

drop policy if exists "Who asks is looked up among all memberships" on app.session_members;
create policy "Who asks is looked up among all memberships" on app.session_members
for select to authorizer
using (true);

grant select, delete on app.session_members to app_user;
grant insert (account_id, session_id, member_account_id, role) on app.session_members to app_user;
grant update (role, updated_at) on app.session_members to app_user;
grant select on app.session_members to electric_read;
grant select on app.session_members to authorizer;
-- Not granted: update of who is a member of what: that is another row.
