-- app.accounts: who owns data.
-- Who may: the import functions look up the account they are told to import into.
set local role sessionbase_owner;

revoke all on app.accounts
from public, app_user, app_server, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.accounts enable row level security;
alter table app.accounts force row level security;

drop policy if exists "The import finds any account" on app.accounts;
create policy "The import finds any account" on app.accounts
for select to import_definer
using (true);

grant select on app.accounts to import_definer;
-- Not granted: insert, update, delete, to anybody. Accounts are made by administrators.
