-- legacy.staged_records: the records of the import under way, on their way in.
-- Who may: importer puts records in, blindly; the import functions, whose role owns the table, read them, judge them and take them out.
-- Row level security is off here, and only here among tables that hold content: Postgres refuses COPY FROM on a table with it.
-- What stands in its place: nobody but the import functions can read a row, and a run leaves none behind.
set local role import_definer;

revoke all on legacy.staged_records
from public, app_user, app_server, authorizer, bookkeeper, importer, electric_repl, electric_read, reviewer;

grant insert (run_id, kind, ordinal, byte_offset, raw, sha256, fault) on legacy.staged_records to importer;
-- Not granted: select, update and delete to importer; anything to sessionbase_owner.
