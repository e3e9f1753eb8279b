-- app.chat_threads: the conversations of a session.
-- Who may: an account reads the threads of its own sessions and of those shared with it; it starts, changes and removes them in
-- its own and where it is an editor or owner.
-- The import functions bring threads in, make those that messages need, and derive their counts from the messages.
-- Triggers keep the count and the preview, as bookkeeper, whoever writes messages.
-- Electric reads all of it, for it serves every account; the gatekeeper decides who gets which of it.
set local role sessionbase_owner;

revoke all on app.chat_threads
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.chat_threads enable row level security;
alter table app.chat_threads force row level security;

drop policy if exists "An account reads its own threads and shared ones" on app.chat_threads;
create policy "An account reads its own threads and shared ones" on app.chat_threads
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

drop policy if exists "An account starts threads where it may edit" on app.chat_threads;
create policy "An account starts threads where it may edit" on app.chat_threads
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

drop policy if exists "An account changes threads where it may edit" on app.chat_threads;
create policy "An account changes threads where it may edit" on app.chat_threads
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

drop policy if exists "An account removes threads where it may edit" on app.chat_threads;
create policy "An account removes threads where it may edit" on app.chat_threads
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

drop policy if exists "Electric reads all threads" on app.chat_threads;
create policy "Electric reads all threads" on app.chat_threads
for select to electric_read
using (true);

drop policy if exists "The import finds any thread" on app.chat_threads;
create policy "The import finds any thread" on app.chat_threads
for select to import_definer
using (true);

drop policy if exists "The import brings threads in" on app.chat_threads;
create policy "The import brings threads in" on app.chat_threads
for insert to import_definer
with check (true);

drop policy if exists "The import derives counts and fills in threads it made" on app.chat_threads;
create policy "The import derives counts and fills in threads it made" on app.chat_threads
for update to import_definer
using (true)
with check (true);

drop policy if exists "Who keeps the counts finds any thread" on app.chat_threads;
create policy "Who keeps the counts finds any thread" on app.chat_threads
for select to bookkeeper
using (true);

drop policy if exists "The counts of any thread are kept" on app.chat_threads;
create policy "The counts of any thread are kept" on app.chat_threads
for update to bookkeeper
using (true)
with check (true);

grant select, delete on app.chat_threads to app_user;
grant insert (
    account_id, session_id, mode, title, status, author_account_id, created_at, updated_at
) on app.chat_threads to app_user;
grant update (title, status, updated_at) on app.chat_threads to app_user;
grant select on app.chat_threads to electric_read;
grant select on app.chat_threads to import_definer;
grant insert (account_id, id, session_id, mode, title, status, created_at, updated_at, extra)
on app.chat_threads to import_definer;
grant update (mode, title, status, message_count, last_message_preview, last_message_at, created_at, updated_at, extra)
on app.chat_threads to import_definer;
grant select on app.chat_threads to bookkeeper;
grant update (message_count, last_message_preview, last_message_at, updated_at) on app.chat_threads to bookkeeper;
-- Not granted: insert of id, which is made here; update of account_id, id and session_id: a thread stays where it is; update
-- of author_account_id; insert and update of the count, the preview and the last time, which are derived.
