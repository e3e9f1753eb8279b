-- auth.login_sessions: who is signed in.
-- Who may: an account reads its own login sessions and revokes them. No secret is here, so it may read all of them.
-- The functions of authorizer begin, prolong, revoke and prune those of any account.
set local role sessionbase_owner;

revoke all on auth.login_sessions
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table auth.login_sessions enable row level security;
alter table auth.login_sessions force row level security;

drop policy if exists "An account reads its own login sessions" on auth.login_sessions;
create policy "An account reads its own login sessions" on auth.login_sessions
for select to app_user
using (account_id = (select app.current_account_id()));

drop policy if exists "An account revokes its own login sessions" on auth.login_sessions;
create policy "An account revokes its own login sessions" on auth.login_sessions
for update to app_user
using (account_id = (select app.current_account_id()))
with check (account_id = (select app.current_account_id()));

drop policy if exists "A login session is found among all" on auth.login_sessions;
create policy "A login session is found among all" on auth.login_sessions
for select to authorizer
using (true);

drop policy if exists "Any login session is begun" on auth.login_sessions;
create policy "Any login session is begun" on auth.login_sessions
for insert to authorizer
with check (true);

drop policy if exists "Any login session is prolonged or revoked" on auth.login_sessions;
create policy "Any login session is prolonged or revoked" on auth.login_sessions
for update to authorizer
using (true)
with check (true);

drop policy if exists "Any login session is pruned" on auth.login_sessions;
create policy "Any login session is pruned" on auth.login_sessions
for delete to authorizer
using (true);

grant select on auth.login_sessions to app_user;
grant update (revoked_at, revoked_why) on auth.login_sessions to app_user;
grant select, delete on auth.login_sessions to authorizer;
grant insert (
    account_id, issuer, subject, user_agent, created_at, last_used_at, idle_expires_at, absolute_expires_at
) on auth.login_sessions to authorizer;
grant update (last_used_at, idle_expires_at, revoked_at, revoked_why) on auth.login_sessions to authorizer;
-- Not granted: insert to app_user. Who signs in is said by an identity provider, which an application server asks.
