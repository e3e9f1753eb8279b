-- app.hook_decisions: what a hook decided, and why.
-- Who may: an account reads the hook decisions of its own sessions and of those shared with it; it adds them in its own and where
-- it is an editor or owner.
-- Electric reads all of it, for it serves every account; the gatekeeper decides who gets which of it.
set local role sessionbase_owner;

revoke all on app.hook_decisions
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.hook_decisions enable row level security;
alter table app.hook_decisions force row level security;

drop policy if exists "An account reads its own hook decisions and shared ones" on app.hook_decisions;
create policy "An account reads its own hook decisions and shared ones" on app.hook_decisions
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

drop policy if exists "An account adds hook decisions where it may edit" on app.hook_decisions;
create policy "An account adds hook decisions where it may edit" on app.hook_decisions
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

drop policy if exists "Electric reads all hook decisions" on app.hook_decisions;
create policy "Electric reads all hook decisions" on app.hook_decisions
for select to electric_read
using (true);

grant select on app.hook_decisions to app_user;
grant insert (
    account_id, session_id, source, content_hash, severity, blocked, rules, message, annotations,
    author_account_id, created_at
) on app.hook_decisions to app_user;
grant select on app.hook_decisions to electric_read;
-- Not granted: insert of id, which is made here; update and delete, to anybody: a decision is written once.
