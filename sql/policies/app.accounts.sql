-- app.accounts: who owns data.
-- Who may: an account reads its own row, and no other account's: not even whether it is there.
-- The functions of authorizer look up who asks, and make an account for an operator; the import functions look up the account they are told to import into.
set local role sessionbase_owner;

revoke all on app.accounts
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.accounts enable row level security;
alter table app.accounts force row level security;

drop policy if exists "An account reads its own row" on app.accounts;
create policy "An account reads its own row" on app.accounts
for select to app_user
using (id = (select app.current_account_id()));

drop policy if exists "Who asks is looked up among all accounts" on app.accounts;
create policy "Who asks is looked up among all accounts" on app.accounts
for select to authorizer
using (true);

drop policy if exists "The import finds any account" on app.accounts;
create policy "The import finds any account" on app.accounts
for select to import_definer
using (true);

drop policy if exists "An operator makes accounts" on app.accounts;
create policy "An operator makes accounts" on app.accounts
for insert to authorizer
with check (true);

grant select on app.accounts to app_user, authorizer, import_definer;
grant insert (name) on app.accounts to authorizer;
-- Not granted: update and delete, to anybody. Accounts are disabled by administrators, and not removed.
