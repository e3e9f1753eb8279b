-- app.ui_settings: how the viewer looks, a row a profile.
-- Who may: nobody yet. The old viewer kept settings in memory, so the importer has no business here.
set local role sessionbase_owner;

revoke all on app.ui_settings
from public, app_user, app_server, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.ui_settings enable row level security;
alter table app.ui_settings force row level security;

-- Policies: none, so no row is seen or written, by its owner neither.
-- Grants: none. Not granted: anything to anybody.
