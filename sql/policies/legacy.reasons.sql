-- legacy.reasons: why a record is mended or kept out, in words. No account data, so no row level security.
-- Who may: the import functions look a reason up; a reviewer reads them.
set local role sessionbase_owner;

revoke all on legacy.reasons
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

grant select on legacy.reasons to import_definer, reviewer;
-- Not granted: insert, update and delete to anybody. Reasons come with migrations.
