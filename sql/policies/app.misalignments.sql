-- app.misalignments: where a session broke a rule.
-- Who may: an account reads the misalignments of its own sessions and of those shared with it; it reports them, and says what
-- became of them, in its own and where it is an editor or owner.
-- Electric reads all of it, for it serves every account; the gatekeeper decides who gets which of it.
set local role sessionbase_owner;

revoke all on app.misalignments
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.misalignments enable row level security;
alter table app.misalignments force row level security;

drop policy if exists "An account reads its own misalignments and shared ones" on app.misalignments;
create policy "An account reads its own misalignments and shared ones" on app.misalignments
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

drop policy if exists "An account reports misalignments where it may edit" on app.misalignments;
create policy "An account reports misalignments where it may edit" on app.misalignments
for insert to app_user
with check (
    (
        account_id = (select app.current_account_id())
        or (account_id, session_id) in (
            select
                shared.account_id,
                shared.session_id
            from app.memberships as shared
            where shared.role in ('editor', 'owner')
        )
    )
    and author_account_id = (select app.current_account_id())
);

drop policy if exists "An account settles misalignments where it may edit" on app.misalignments;
create policy "An account settles misalignments where it may edit" on app.misalignments
for update to app_user
using (
    account_id = (select app.current_account_id())
    or (account_id, session_id) in (
        select
            shared.account_id,
            shared.session_id
        from app.memberships as shared
        where shared.role in ('editor', 'owner')
    )
)
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

drop policy if exists "Electric reads all misalignments" on app.misalignments;
create policy "Electric reads all misalignments" on app.misalignments
for select to electric_read
using (true);

grant select on app.misalignments to app_user;
grant insert (
    account_id, session_id, rule_id, title, summary, severity, status, event_range, evidence,
    author_account_id, created_at, updated_at
) on app.misalignments to app_user;
grant update (status, updated_at) on app.misalignments to app_user;
grant select on app.misalignments to electric_read;
-- Not granted: insert of id, which is made here; update of anything but the status: what was found was found; delete, to
-- anybody.
