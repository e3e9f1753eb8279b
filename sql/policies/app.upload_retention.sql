-- app.upload_retention: how long an account wants its uploads kept, a row a source.
-- Who may: an account reads, makes and removes its own.
set local role sessionbase_owner;

revoke all on app.upload_retention
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.upload_retention enable row level security;
alter table app.upload_retention force row level security;

drop policy if exists "An account reads its own upload retention" on app.upload_retention;
create policy "An account reads its own upload retention" on app.upload_retention
for select to app_user
using (account_id = (select app.current_account_id()));

drop policy if exists "An account sets its own upload retention" on app.upload_retention;
create policy "An account sets its own upload retention" on app.upload_retention
for insert to app_user
with check (account_id = (select app.current_account_id()));

drop policy if exists "An account ends its own upload retention" on app.upload_retention;
create policy "An account ends its own upload retention" on app.upload_retention
for delete to app_user
using (account_id = (select app.current_account_id()));

grant select, delete on app.upload_retention to app_user;
grant insert (account_id, source, older_than) on app.upload_retention to app_user;
-- Not granted: update: another time is another row; anything to electric_read and electric_repl.
