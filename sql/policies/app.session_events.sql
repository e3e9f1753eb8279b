-- app.session_events: the timeline of a session, one row an entry of its log.
-- Who may: nobody yet. The old viewer kept no timeline, so the importer has no business here.
set local role sessionbase_owner;

revoke all on app.session_events
from public, app_user, app_server, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.session_events enable row level security;
alter table app.session_events force row level security;

-- Policies: none, so no row is seen or written, by its owner neither.
-- Grants: none. Not granted: anything to anybody.
