-- app.session_members: which other accounts may see or change a session.
-- Who may: nobody yet. The policies of members and owners come with the rest of row level security.
set local role sessionbase_owner;

revoke all on app.session_members
from public, app_user, app_server, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.session_members enable row level security;
alter table app.session_members force row level security;

-- Policies: none, so no row is seen or written, by its owner neither.
-- Grants: none. Not granted: anything to anybody.
