-- app.todos: things to do, of a session or of the account as a whole.
-- Who may: an account reads its own todos and those of sessions shared with it; it writes, changes and removes its own and those
-- of sessions where it is an editor or owner. A todo without a session is the account's alone.
-- Electric reads all of it, for it serves every account; the gatekeeper decides who gets which of it.
set local role sessionbase_owner;

revoke all on app.todos
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.todos enable row level security;
alter table app.todos force row level security;

drop policy if exists "An account reads its own todos and shared ones" on app.todos;
create policy "An account reads its own todos and shared ones" on app.todos
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

drop policy if exists "An account writes todos where it may edit" on app.todos;
create policy "An account writes todos where it may edit" on app.todos
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

drop policy if exists "An account changes todos where it may edit" on app.todos;
create policy "An account changes todos where it may edit" on app.todos
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

drop policy if exists "An account removes todos where it may edit" on app.todos;
create policy "An account removes todos where it may edit" on app.todos
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

drop policy if exists "Electric reads all todos" on app.todos;
create policy "Electric reads all todos" on app.todos
for select to electric_read
using (true);

grant select, delete on app.todos to app_user;
grant insert (
    account_id, session_id, body, completed, author_account_id, created_at, updated_at
) on app.todos to app_user;
grant update (body, completed, updated_at) on app.todos to app_user;
grant select on app.todos to electric_read;
-- Not granted: insert of id, which is made here; update of account_id, id and session_id: a todo stays where it is; update of
-- author_account_id.
