-- legacy.staged_records: the records of the import under way, on their way in.
-- Who may: importer puts records in, blindly; the import functions read them, judge them and take them out.
-- Row level security is off here, and only here among tables that hold content: Postgres refuses COPY FROM on a table with it.
-- What stands in its place: nobody but the import functions can read a row, and a run leaves none behind.
set local role sessionbase_owner;

revoke all on legacy.staged_records
from public, app_user, app_server, importer, import_definer, electric_repl, electric_read, reviewer;

grant insert (run_id, kind, ordinal, byte_offset, raw) on legacy.staged_records to importer;
grant select, delete on legacy.staged_records to import_definer;
grant update (record, record_id, content_sha256, fate, reason, field, sqlstate, mends) on legacy.staged_records to import_definer;
-- Not granted: select, update and delete to importer.
