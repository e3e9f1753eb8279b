-- app.session_repo_bindings: which folder a session is bound to.
-- Who may: nobody yet. The old viewer kept bindings in memory, so the importer has no business here.
set local role sessionbase_owner;

revoke all on app.session_repo_bindings
from public, app_user, app_server, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.session_repo_bindings enable row level security;
alter table app.session_repo_bindings force row level security;

-- Policies: none, so no row is seen or written, by its owner neither.
-- Grants: none. Not granted: anything to anybody.
