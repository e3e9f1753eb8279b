-- app.session_events: the timeline of a session.
-- Who may: an account reads the timelines of its own sessions and of those shared with it; it writes them anew in its own and
-- where it is an editor or owner.
-- Electric reads all of it, for it serves every account; the gatekeeper decides who gets which of it.
set local role sessionbase_owner;

revoke all on app.session_events
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.session_events enable row level security;
alter table app.session_events force row level security;

drop policy if exists "An account reads its own timeline entries and shared ones" on app.session_events;
create policy "An account reads its own timeline entries and shared ones" on app.session_events
for select to app_user
using (
    account_id = (select app.current_account_id())
    or (account_id, session_id) in (
        select
            shared.account_id,
            shared.session_id
        from app.memberships as shared
    )
);

drop policy if exists "An account writes timeline entries where it may edit" on app.session_events;
create policy "An account writes timeline entries where it may edit" on app.session_events
for insert to app_user
with check (
    account_id = (select app.current_account_id())
    or (account_id, session_id) in (
        select
            shared.account_id,
            shared.session_id
        from app.memberships as shared
        where shared.role in ('editor', 'owner')
    )
);

drop policy if exists "An account removes timeline entries where it may edit" on app.session_events;
create policy "An account removes timeline entries where it may edit" on app.session_events
for delete to app_user
using (
    account_id = (select app.current_account_id())
    or (account_id, session_id) in (
        select
            shared.account_id,
            shared.session_id
        from app.memberships as shared
        where shared.role in ('editor', 'owner')
    )
);

drop policy if exists "Electric reads all timeline entries" on app.session_events;
create policy "Electric reads all timeline entries" on app.session_events
for select to electric_read
using (true);

grant select, delete on app.session_events to app_user;
grant insert (
    account_id, session_id, event_index, event_type, role, occurred_at, call_id, name, body, payload
) on app.session_events to app_user;
grant select on app.session_events to electric_read;
-- Not granted: update, to anybody: an entry is what the log says; a timeline that was read wrong is deleted and written again.
