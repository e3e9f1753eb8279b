-- app.chat_messages: the messages of threads.
-- Who may: an account reads the messages of its own sessions and of those shared with it; it writes, changes and removes them in
-- its own and where it is an editor or owner.
-- The import functions bring messages in, count them, and replace one where --on-conflict=replace says so.
-- Triggers read what a thread's newest message is, as bookkeeper.
-- Electric reads all of it, for it serves every account; the gatekeeper decides who gets which of it.
set local role sessionbase_owner;

revoke all on app.chat_messages
from public, app_user, app_server, authorizer, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

alter table app.chat_messages enable row level security;
alter table app.chat_messages force row level security;

drop policy if exists "An account reads its own messages and shared ones" on app.chat_messages;
create policy "An account reads its own messages and shared ones" on app.chat_messages
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

drop policy if exists "An account writes messages where it may edit" on app.chat_messages;
create policy "An account writes messages where it may edit" on app.chat_messages
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

drop policy if exists "An account changes messages where it may edit" on app.chat_messages;
create policy "An account changes messages where it may edit" on app.chat_messages
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

drop policy if exists "An account removes messages where it may edit" on app.chat_messages;
create policy "An account removes messages where it may edit" on app.chat_messages
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

drop policy if exists "Electric reads all messages" on app.chat_messages;
create policy "Electric reads all messages" on app.chat_messages
for select to electric_read
using (true);

drop policy if exists "The import counts the messages of any thread" on app.chat_messages;
create policy "The import counts the messages of any thread" on app.chat_messages
for select to import_definer
using (true);

drop policy if exists "The import brings messages in" on app.chat_messages;
create policy "The import brings messages in" on app.chat_messages
for insert to import_definer
with check (true);

drop policy if exists "The import replaces a message where it is told to" on app.chat_messages;
create policy "The import replaces a message where it is told to" on app.chat_messages
for update to import_definer
using (true)
with check (true);

drop policy if exists "Who keeps the counts finds the messages of any thread" on app.chat_messages;
create policy "Who keeps the counts finds the messages of any thread" on app.chat_messages
for select to bookkeeper
using (true);

grant select, delete on app.chat_messages to app_user;
grant insert (
    account_id, session_id, thread_id, mode, role, content, client_message_id, misalignment_id, evidence,
    context_events, author_account_id, created_at, updated_at
) on app.chat_messages to app_user;
grant update (content, misalignment_id, evidence, context_events, updated_at) on app.chat_messages to app_user;
grant select on app.chat_messages to electric_read;
grant select on app.chat_messages to import_definer;
grant insert (
    account_id, id, session_id, thread_id, mode, role, content, client_message_id, misalignment_id,
    evidence, context_events, created_at, updated_at, extra
) on app.chat_messages to import_definer;
grant update (
    thread_id, mode, role, content, client_message_id, misalignment_id, evidence, context_events,
    created_at, updated_at, extra
) on app.chat_messages to import_definer;
grant select on app.chat_messages to bookkeeper;
-- Not granted: insert of id, which is made here; update of account_id, id, session_id and thread_id: a message stays where it
-- is; update of author_account_id and role: who said it said it.
