-- ops.migration_attempts: every attempt to apply a file. No account data, so no row level security.
-- Who may: its owner, as which the runner of migrations writes it; a reviewer reads it.
set local role sessionbase_owner;

revoke all on ops.migration_attempts
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

grant select on ops.migration_attempts to reviewer;
-- Not granted: insert, update and delete to anybody but the owner.
