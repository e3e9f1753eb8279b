-- legacy.known_records: ids and sums of what earlier runs brought, for the run under way.
-- Who may: the import functions alone, whose role owns it. Row level security is off: nobody else can reach a row, and a run leaves none behind.
set local role import_definer;

revoke all on legacy.known_records
from public, app_user, app_server, authorizer, bookkeeper, importer, electric_repl, electric_read, reviewer;
-- Not granted: anything, to anybody.
