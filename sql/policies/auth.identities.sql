-- auth.identities: which account somebody of an identity provider is here.
-- Who may: nobody by itself. The functions of authorizer look an identity up; an operator who acts as authorizer adds and
-- removes them.
set local role sessionbase_owner;

revoke all on auth.identities
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table auth.identities enable row level security;
alter table auth.identities force row level security;

drop policy if exists "An identity is looked up among all" on auth.identities;
create policy "An identity is looked up among all" on auth.identities
for select to authorizer
using (true);

drop policy if exists "An operator adds identities" on auth.identities;
create policy "An operator adds identities" on auth.identities
for insert to authorizer
with check (true);

drop policy if exists "An operator removes identities" on auth.identities;
create policy "An operator removes identities" on auth.identities
for delete to authorizer
using (true);

grant select, delete on auth.identities to authorizer;
grant insert (issuer, subject, account_id) on auth.identities to authorizer;
-- Not granted: update, to anybody. An identity that is to be another account's is removed, and added there.
