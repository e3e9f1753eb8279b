-- What row level security for accounts stands on: who wrote a row, ids that nobody can probe, and who looks accounts up.
-- Until this file nobody but the import has a right on these tables, so what is locked here keeps nobody waiting. So:
-- squawk-ignore-file require-concurrent-index-creation, require-concurrent-index-deletion, ban-drop-constraint

-- 1. The role that looks up who asks. Like those of 0001, it is taken as it is if it exists.
do $$
begin
    if not exists (
        select
        from pg_catalog.pg_roles
        where rolname = 'authorizer'
    ) then
        begin
            create role authorizer nologin;
            comment on role authorizer is 'Owns the functions and views that look up which account asks and which sessions are shared with it. Its policies are all they can do. Nobody is a member but who migrates.';
        exception
            when duplicate_object or unique_violation then
                raise notice 'role authorizer was made by another database of this cluster just now';
            when insufficient_privilege then
                raise exception 'role authorizer does not exist and % may not create it', current_user
                    using
                        errcode = 'insufficient_privilege',
                        hint = 'As an administrator: create role authorizer nologin; then run this again.';
        end;
    end if;

    if exists (
        select
        from pg_catalog.pg_roles
        where rolname = 'authorizer'
            and (rolsuper or rolbypassrls)
    ) then
        raise exception 'role authorizer is a superuser or has BYPASSRLS: row level security would not bind it'
            using hint = 'As an administrator: alter role authorizer nosuperuser nobypassrls; then run this again.';
    end if;

    if not pg_catalog.pg_has_role(current_user, 'authorizer', 'usage') then
        grant authorizer to current_user;
    end if;
end;
$$;

alter default privileges for role authorizer revoke all on functions from public;
alter default privileges for role authorizer revoke all on types from public;

set local role sessionbase_owner;

grant usage, create on schema app to authorizer;
grant usage on schema app, api to app_user;
grant usage on schema app to electric_read;

-- 2. Who wrote a row. No foreign key: it would tell who writes whether an account exists. The policies see to it that
-- who writes names itself; accounts are disabled, and not deleted.
alter table app.chat_threads add column author_account_id uuid;
alter table app.chat_messages add column author_account_id uuid;
alter table app.chat_tool_events add column author_account_id uuid;
alter table app.session_repo_bindings add column author_account_id uuid;
alter table app.todos add column author_account_id uuid;
alter table app.misalignments add column author_account_id uuid;
alter table app.hook_decisions add column author_account_id uuid;

comment on column app.chat_threads.author_account_id is 'The account that started it; null for an imported one.';
comment on column app.chat_messages.author_account_id is 'The account that wrote it: the session''s own, or a member''s; null for an imported one.';
comment on column app.chat_tool_events.author_account_id is 'The account that reported it; null for an imported one.';
comment on column app.session_repo_bindings.author_account_id is 'The account that bound the session first.';
comment on column app.todos.author_account_id is 'The account that wrote it.';
comment on column app.misalignments.author_account_id is 'The account that reported it.';
comment on column app.hook_decisions.author_account_id is 'The account whose hook decided.';

-- 3. Ids are made here, and who writes a row can't choose one: with a chosen id, the error of a unique key would tell a
-- member that a row of this id is in a session it may not see.
alter table app.chat_threads alter column id set default 'thread_' || gen_random_uuid();
alter table app.chat_messages alter column id set default 'chat_' || gen_random_uuid();
alter table app.chat_tool_events alter column id set default 'tool_' || gen_random_uuid();
alter table app.session_uploads alter column id set default 'upload_' || gen_random_uuid();
alter table app.todos alter column id set default 'todo_' || gen_random_uuid();
alter table app.misalignments alter column id set default 'misalignment_' || gen_random_uuid();
alter table app.hook_decisions alter column id set default 'hook_' || gen_random_uuid();

-- 4. For the same reason a message's client_message_id is compared within its own session only.
drop index app.chat_messages_client_message_idx;
create unique index chat_messages_client_message_idx
on app.chat_messages (account_id, session_id, thread_id, client_message_id)
where client_message_id is not null;
comment on index app.chat_messages_client_message_idx is 'Serves: the message that a client_message_id already made in a thread; and allows one only.';

-- 5. And the account a session is shared with is not checked by a foreign key.
alter table app.session_members drop constraint session_members_member_fkey;
comment on column app.session_members.member_account_id is 'The account it is shared with; never the owning account. No foreign key: its error would tell which accounts exist. A row that names none lets nobody in.';

drop index app.session_members_member_idx;
create index session_members_member_idx on app.session_members (member_account_id, account_id, session_id) include (role);
comment on index app.session_members_member_idx is 'Serves: the sessions that are shared with an account, and as what; the policies of every table ask it.';
