-- app.ui_settings: how the viewer looks, a row a profile.
-- Who may: an account reads, makes, changes and removes its own; nobody else's are of any use to it.
set local role sessionbase_owner;

revoke all on app.ui_settings
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.ui_settings enable row level security;
alter table app.ui_settings force row level security;

drop policy if exists "An account reads its own settings" on app.ui_settings;
create policy "An account reads its own settings" on app.ui_settings
for select to app_user
using (account_id = (select app.current_account_id()));

drop policy if exists "An account makes its own settings" on app.ui_settings;
create policy "An account makes its own settings" on app.ui_settings
for insert to app_user
with check (account_id = (select app.current_account_id()));

drop policy if exists "An account changes its own settings" on app.ui_settings;
create policy "An account changes its own settings" on app.ui_settings
for update to app_user
using (account_id = (select app.current_account_id()))
with check (account_id = (select app.current_account_id()));

drop policy if exists "An account removes its own settings" on app.ui_settings;
create policy "An account removes its own settings" on app.ui_settings
for delete to app_user
using (account_id = (select app.current_account_id()));

-- No shape serves settings, so Electric does not read them any more.
drop policy if exists "Electric reads all settings" on app.ui_settings;

grant select, delete on app.ui_settings to app_user;
grant insert (account_id, profile_id, settings, created_at, updated_at) on app.ui_settings to app_user;
grant update (settings, updated_at) on app.ui_settings to app_user;
-- Not granted: update of account_id and profile_id: a profile stays what it is.
