-- app.maintenance: whether writing is stopped. No account data.
-- Who may: whoever writes reads it, and so does a reviewer, who is asked why writing is refused. authorizer, who is who operates, begins and ends it, and holds it for who writes.
set local role sessionbase_owner;

revoke all on app.maintenance
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.maintenance enable row level security;
alter table app.maintenance force row level security;

drop policy if exists "Who writes reads whether it is stopped" on app.maintenance;
create policy "Who writes reads whether it is stopped" on app.maintenance
for select to app_user
using (true);

drop policy if exists "A reviewer reads whether writing is stopped" on app.maintenance;
create policy "A reviewer reads whether writing is stopped" on app.maintenance
for select to reviewer
using (true);

drop policy if exists "An operator reads whether writing is stopped" on app.maintenance;
create policy "An operator reads whether writing is stopped" on app.maintenance
for select to authorizer
using (true);

drop policy if exists "An operator stops writing, and lets it go on" on app.maintenance;
create policy "An operator stops writing, and lets it go on" on app.maintenance
for update to authorizer
using (true)
with check (true);

grant select on app.maintenance to app_user, authorizer, reviewer;
grant update (since, reason, begun_by) on app.maintenance to authorizer;
-- Not granted: insert and delete, to anybody. The row is always there.
