-- app.todos: things to do.
-- Who may: nobody yet. The old viewer kept todos in memory, so the importer has no business here.
set local role sessionbase_owner;

revoke all on app.todos
from public, app_user, app_server, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.todos enable row level security;
alter table app.todos force row level security;

-- Policies: none, so no row is seen or written, by its owner neither.
-- Grants: none. Not granted: anything to anybody.
