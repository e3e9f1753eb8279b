-- legacy.judged_records: the records of a batch that are looked at one by one.
-- Who may: the import functions alone, whose role owns it. Row level security is off: nobody else can reach a row, and a batch leaves none behind.
set local role import_definer;

revoke all on legacy.judged_records
from public, app_user, app_server, authorizer, bookkeeper, importer, electric_repl, electric_read, reviewer;
-- Not granted: anything, to anybody.
