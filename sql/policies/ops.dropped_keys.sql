-- ops.dropped_keys: definitions of indexes that are being built again. No account data, so no row level security.
-- Who may: app.drop_chat_keys and app.restore_chat_keys, whose owner owns it. What stands here is run as SQL, so nobody else may write it.
set local role sessionbase_owner;

revoke all on ops.dropped_keys
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;
-- Not granted: anything, to anybody.
