-- What the functions of schema api stand on: who keeps what is derived, and what the functions return.
-- Until this file no application writes here, so what is locked keeps nobody waiting. So:
-- squawk-ignore-file require-concurrent-index-deletion

-- 1. The role that keeps what is derived. Like those of 0001, it is taken as it is if it exists.
do $$
begin
    if not exists (
        select
        from pg_catalog.pg_roles
        where rolname = 'bookkeeper'
    ) then
        begin
            create role bookkeeper nologin;
            comment on role bookkeeper is 'Owns the triggers that keep what is derived: the count and preview of a thread, and when a session last changed. Its policies are all they can do. Nobody is a member but who migrates.';
        exception
            when duplicate_object or unique_violation then
                raise notice 'role bookkeeper was made by another database of this cluster just now';
            when insufficient_privilege then
                raise exception 'role bookkeeper does not exist and % may not create it', current_user
                    using
                        errcode = 'insufficient_privilege',
                        hint = 'As an administrator: create role bookkeeper nologin; then run this again.';
        end;
    end if;

    if exists (
        select
        from pg_catalog.pg_roles
        where rolname = 'bookkeeper'
            and (rolsuper or rolbypassrls)
    ) then
        raise exception 'role bookkeeper is a superuser or has BYPASSRLS: row level security would not bind it'
            using hint = 'As an administrator: alter role bookkeeper nosuperuser nobypassrls; then run this again.';
    end if;

    if not pg_catalog.pg_has_role(current_user, 'bookkeeper', 'usage') then
        grant bookkeeper to current_user;
    end if;
end;
$$;

alter default privileges for role bookkeeper revoke all on functions from public;
alter default privileges for role bookkeeper revoke all on types from public;

set local role sessionbase_owner;

grant usage, create on schema app to bookkeeper;

-- 2. Every message changes its thread's updated_at. While an index holds that, each such change writes all of a thread's
-- indexes again; without it none (a heap-only tuple), where the page has room. A session's threads are found by
-- chat_threads_session_key, and are few enough to sort.
drop index app.chat_threads_recent_idx;
alter table app.chat_threads set (fillfactor = 70);
comment on index app.chat_threads_session_key is 'Serves: a session''s threads, of one mode or all; and the foreign keys of messages and tool events, which carry the session along.';
comment on column app.sessions.updated_at is 'When anything in the session last changed, to within ten seconds; for an imported one, the latest time found in its records.';

-- 3. What functions that write return: the transaction, then the row. Electric's stream names the transaction by the same
-- number, so a client knows when its own write has come round. A column that a table gets is added here at the same place.
create type api.session as (
    txid bigint,
    account_id uuid,
    id text,
    created_at timestamptz,
    updated_at timestamptz,
    row_version bigint
);
comment on type api.session is 'A session, and the transaction that wrote it.';

create type api.session_member as (
    txid bigint,
    account_id uuid,
    session_id text,
    member_account_id uuid,
    role text,
    created_at timestamptz,
    updated_at timestamptz,
    row_version bigint
);
comment on type api.session_member is 'Who a session is shared with, and the transaction that wrote it.';

create type api.thread as (
    txid bigint,
    account_id uuid,
    id text,
    session_id text,
    mode text,
    title text,
    status text,
    message_count bigint,
    last_message_preview text,
    last_message_at timestamptz,
    created_at timestamptz,
    updated_at timestamptz,
    row_version bigint,
    extra jsonb,
    author_account_id uuid
);
comment on type api.thread is 'A thread, and the transaction that wrote it.';

create type api.message as (
    txid bigint,
    account_id uuid,
    id text,
    session_id text,
    thread_id text,
    mode text,
    role text,
    content text,
    client_message_id text,
    misalignment_id text,
    evidence jsonb,
    context_events jsonb,
    created_at timestamptz,
    updated_at timestamptz,
    row_version bigint,
    extra jsonb,
    author_account_id uuid
);
comment on type api.message is 'A message, and the transaction that wrote it.';

create type api.tool_event as (
    txid bigint,
    account_id uuid,
    id text,
    session_id text,
    thread_id text,
    tool_call_id text,
    tool_name text,
    status text,
    arguments jsonb,
    result jsonb,
    error text,
    started_at timestamptz,
    completed_at timestamptz,
    latency_ms bigint,
    context_events jsonb,
    created_at timestamptz,
    updated_at timestamptz,
    row_version bigint,
    extra jsonb,
    author_account_id uuid
);
comment on type api.tool_event is 'A tool event, and the transaction that wrote it.';

create type api.repo_binding as (
    txid bigint,
    account_id uuid,
    session_id text,
    asset_path text,
    root_dir text,
    created_at timestamptz,
    updated_at timestamptz,
    row_version bigint,
    author_account_id uuid
);
comment on type api.repo_binding is 'A session''s repository binding, and the transaction that wrote it.';

create type api.todo as (
    txid bigint,
    account_id uuid,
    id text,
    session_id text,
    body text,
    completed boolean,
    created_at timestamptz,
    updated_at timestamptz,
    row_version bigint,
    author_account_id uuid
);
comment on type api.todo is 'A todo, and the transaction that wrote it.';

create type api.ui_settings as (
    txid bigint,
    account_id uuid,
    profile_id text,
    settings jsonb,
    created_at timestamptz,
    updated_at timestamptz,
    row_version bigint
);
comment on type api.ui_settings is 'The settings of a profile, and the transaction that wrote them.';

create type api.misalignment as (
    txid bigint,
    account_id uuid,
    id text,
    session_id text,
    rule_id text,
    title text,
    summary text,
    severity text,
    status text,
    event_range jsonb,
    evidence jsonb,
    created_at timestamptz,
    updated_at timestamptz,
    row_version bigint,
    author_account_id uuid
);
comment on type api.misalignment is 'A misalignment, and the transaction that wrote it.';

create type api.hook_decision as (
    txid bigint,
    account_id uuid,
    id text,
    session_id text,
    source text,
    content_hash text,
    severity text,
    blocked boolean,
    rules jsonb,
    message text,
    annotations jsonb,
    created_at timestamptz,
    row_version bigint,
    author_account_id uuid
);
comment on type api.hook_decision is 'A hook decision, and the transaction that wrote it.';

create type api.listed_session as (
    cursor text,
    role text,
    account_id uuid,
    id text,
    created_at timestamptz,
    updated_at timestamptz,
    row_version bigint
);
comment on type api.listed_session is 'A session of a list: cursor is what the next page follows; role is what the account that asks is in it: owner, editor or viewer.';

create type api.listed_thread as (
    cursor text,
    account_id uuid,
    id text,
    session_id text,
    mode text,
    title text,
    status text,
    message_count bigint,
    last_message_preview text,
    last_message_at timestamptz,
    created_at timestamptz,
    updated_at timestamptz,
    row_version bigint,
    extra jsonb,
    author_account_id uuid
);
comment on type api.listed_thread is 'A thread of a list: cursor is what the next page follows.';
