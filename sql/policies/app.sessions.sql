-- app.sessions: what threads, messages, tool events and timelines belong to.
-- Who may: an account reads its own sessions and those shared with it, makes and removes its own, and notes in those it may edit
-- that something changed, and what its log says of it.
-- The import functions make the sessions they meet, and widen their times to hold what came in.
-- Triggers note when something in a session changed, as bookkeeper.
-- Electric reads all of it, for it serves every account; the gatekeeper decides who gets which of it.
set local role sessionbase_owner;

revoke all on app.sessions
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.sessions enable row level security;
alter table app.sessions force row level security;

drop policy if exists "An account reads its own sessions and shared ones" on app.sessions;
create policy "An account reads its own sessions and shared ones" on app.sessions
for select to app_user
using (
    account_id = (select app.current_account_id())
    or (account_id, id) in (
        select
            shared.account_id,
            shared.session_id
        from app.memberships as shared
    )
);

drop policy if exists "An account makes its own sessions" on app.sessions;
create policy "An account makes its own sessions" on app.sessions
for insert to app_user
with check (account_id = (select app.current_account_id()));

drop policy if exists "An account notes changes of sessions where it may edit" on app.sessions;
create policy "An account notes changes of sessions where it may edit" on app.sessions
for update to app_user
using (
    account_id = (select app.current_account_id())
    or (account_id, id) in (
        select
            shared.account_id,
            shared.session_id
        from app.memberships as shared
        where shared.role in ('editor', 'owner')
    )
)
with check (
    account_id = (select app.current_account_id())
    or (account_id, id) in (
        select
            shared.account_id,
            shared.session_id
        from app.memberships as shared
        where shared.role in ('editor', 'owner')
    )
);

drop policy if exists "An account removes its own sessions" on app.sessions;
create policy "An account removes its own sessions" on app.sessions
for delete to app_user
using (account_id = (select app.current_account_id()));

drop policy if exists "Electric reads all sessions" on app.sessions;
create policy "Electric reads all sessions" on app.sessions
for select to electric_read
using (true);

drop policy if exists "The import finds any session" on app.sessions;
create policy "The import finds any session" on app.sessions
for select to import_definer
using (true);

drop policy if exists "The import makes sessions" on app.sessions;
create policy "The import makes sessions" on app.sessions
for insert to import_definer
with check (true);

drop policy if exists "The import widens the times of a session" on app.sessions;
create policy "The import widens the times of a session" on app.sessions
for update to import_definer
using (true)
with check (true);

drop policy if exists "Who keeps the counts finds any session" on app.sessions;
create policy "Who keeps the counts finds any session" on app.sessions
for select to bookkeeper
using (true);

drop policy if exists "Changes are noted in any session" on app.sessions;
create policy "Changes are noted in any session" on app.sessions
for update to bookkeeper
using (true)
with check (true);

grant select, delete on app.sessions to app_user;
grant insert (account_id, id, created_at, updated_at) on app.sessions to app_user;
grant update (
    updated_at, cwd, repository_url, branch, commit_hash, originator, cli_version
) on app.sessions to app_user;
grant select on app.sessions to electric_read;
grant select on app.sessions to import_definer;
grant insert (account_id, id, created_at, updated_at) on app.sessions to import_definer;
grant update (created_at, updated_at) on app.sessions to import_definer;
grant select on app.sessions to bookkeeper;
grant update (updated_at) on app.sessions to bookkeeper;
-- Not granted: update of account_id and id: a session stays what it is; insert and delete in another's account, to any member.
