-- legacy.source_records: a view of legacy.import_batches, one row a record that a run read.
-- Who may: nobody but an administrator whom policies do not bind. It runs as who asks (security_invoker), so the policies of
-- legacy.import_batches and legacy.import_runs hold.
set local role import_definer;

revoke all on legacy.source_records
from public, app_user, app_server, authorizer, bookkeeper, importer, electric_repl, electric_read, reviewer;
-- Not granted: anything, to anybody.
