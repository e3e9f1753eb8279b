-- sync.shapes: what Electric may serve. No account data, so no row level security.
-- Who may: a reviewer reads it, and so does who asks for a shape: it says which tables are synced, not what is in them.
set local role sessionbase_owner;

revoke all on sync.shapes
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

grant select on sync.shapes to app_user;
grant select on sync.shapes to reviewer;
-- Not granted: insert, update and delete to anybody. The rows are those of sql/functions/sync_shapes.sql.
