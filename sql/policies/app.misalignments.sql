-- app.misalignments: where a session broke a rule.
-- Who may: nobody yet. The old viewer kept misalignments in memory, so the importer has no business here.
set local role sessionbase_owner;

revoke all on app.misalignments
from public, app_user, app_server, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.misalignments enable row level security;
alter table app.misalignments force row level security;

-- Policies: none, so no row is seen or written, by its owner neither.
-- Grants: none. Not granted: anything to anybody.
