-- auth.login_secrets: what proves a login session.
-- Who may: nobody by itself, not even whose login session it is. The functions of authorizer compare and replace secrets.
set local role sessionbase_owner;

revoke all on auth.login_secrets
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table auth.login_secrets enable row level security;
alter table auth.login_secrets force row level security;

drop policy if exists "A secret is found among all" on auth.login_secrets;
create policy "A secret is found among all" on auth.login_secrets
for select to authorizer
using (true);

drop policy if exists "Any login session is given a secret" on auth.login_secrets;
create policy "Any login session is given a secret" on auth.login_secrets
for insert to authorizer
with check (true);

drop policy if exists "Any secret is replaced" on auth.login_secrets;
create policy "Any secret is replaced" on auth.login_secrets
for update to authorizer
using (true)
with check (true);

grant select on auth.login_secrets to authorizer;
grant insert (login_session_id, secret_hash, rotated_at) on auth.login_secrets to authorizer;
grant update (secret_hash, rotated_at, rotation_asked, previous_hash, previous_until) on auth.login_secrets to authorizer;
-- Not granted: delete. A secret goes with its login session.
