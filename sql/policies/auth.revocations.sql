-- auth.revocations: what was revoked lately.
-- Who may: nobody by itself. The triggers of authorizer add to it, and its functions tell application servers and prune.
set local role sessionbase_owner;

revoke all on auth.revocations
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table auth.revocations enable row level security;
alter table auth.revocations force row level security;

drop policy if exists "Every node hears of every revocation" on auth.revocations;
create policy "Every node hears of every revocation" on auth.revocations
for select to authorizer
using (true);

drop policy if exists "Whatever is revoked is written down" on auth.revocations;
create policy "Whatever is revoked is written down" on auth.revocations
for insert to authorizer
with check (true);

drop policy if exists "Old revocations are pruned" on auth.revocations;
create policy "Old revocations are pruned" on auth.revocations
for delete to authorizer
using (true);

grant select, delete on auth.revocations to authorizer;
grant insert (kind, account_id, login_session_id, owner_account_id, session_id) on auth.revocations to authorizer;
-- Not granted: update, to anybody. What was revoked stays so.
