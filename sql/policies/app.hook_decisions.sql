-- app.hook_decisions: what a hook decided about a piece of content.
-- Who may: nobody yet. The old viewer kept decisions in memory, so the importer has no business here.
set local role sessionbase_owner;

revoke all on app.hook_decisions
from public, app_user, app_server, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.hook_decisions enable row level security;
alter table app.hook_decisions force row level security;

-- Policies: none, so no row is seen or written, by its owner neither.
-- Grants: none. Not granted: anything to anybody.
