-- app.session_upload_contents: the bytes of uploads.
-- Who may: nobody yet. No sync role will ever be given a grant here.
set local role sessionbase_owner;

revoke all on app.session_upload_contents
from public, app_user, app_server, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.session_upload_contents enable row level security;
alter table app.session_upload_contents force row level security;

-- Policies: none, so no row is seen or written, by its owner neither.
-- Grants: none. Not granted: anything to anybody.
