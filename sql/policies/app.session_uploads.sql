-- app.session_uploads: what is known of an uploaded session log.
-- Who may: nobody yet. The old viewer kept uploads in memory, so the importer has no business here.
set local role sessionbase_owner;

revoke all on app.session_uploads
from public, app_user, app_server, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.session_uploads enable row level security;
alter table app.session_uploads force row level security;

-- Policies: none, so no row is seen or written, by its owner neither.
-- Grants: none. Not granted: anything to anybody.
