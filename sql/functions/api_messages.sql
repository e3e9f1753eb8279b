-- Messages: append one to a thread, read a thread a page at a time, change one, remove those of a thread.
set local role sessionbase_owner;

create or replace function api.append_message(
    session_id text,
    role text,
    content text,
    mode text default null,
    thread_id text default null,
    client_message_id text default null,
    misalignment_id text default null,
    evidence jsonb default null,
    context_events jsonb default null,
    account_id uuid default null
)
returns api.message
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_author uuid := app.current_account_id();
    v_account uuid := coalesce(append_message.account_id, v_author);
    v_mode text := coalesce(append_message.mode, 'session');
    v_thread_id text := append_message.thread_id;
    v_thread record;
    v_now timestamptz;
    v_message api.message;
begin
    if v_thread_id is null then
        -- The thread may have been archived between a call and its retry.
        if append_message.client_message_id is not null then
            select message.xmin::text::bigint, message.*
            into v_message
            from app.chat_threads as thread
            inner join app.chat_messages as message
                on thread.account_id = message.account_id
                and thread.session_id = message.session_id
                and thread.id = message.thread_id
            where thread.account_id = v_account
                and thread.session_id = append_message.session_id
                and thread.mode = v_mode
                and message.client_message_id = append_message.client_message_id
            order by message.created_at
            limit 1;
            if found then
                return v_message;
            end if;
        end if;
        select active.id
        into v_thread_id
        from api.get_active_thread(append_message.session_id, v_mode, v_account) as active;
    end if;

    -- Who writes into a thread holds it until the transaction ends. So its messages have times in the order in which others
    -- come to see them, and a reader who has a page misses none that was written before its end.
    select
        thread.mode,
        thread.last_message_at
    into v_thread
    from app.chat_threads as thread
    where account_id = v_account
        and id = v_thread_id
        and session_id = append_message.session_id
        and (append_message.mode is null or mode = append_message.mode)
    for no key update;
    if not found then
        perform app.refuse_thread(v_account, v_thread_id, append_message.session_id, append_message.mode);
    end if;
    v_now := greatest(app.clock(), date_trunc('milliseconds', v_thread.last_message_at) + interval '1 millisecond');

    insert into app.chat_messages (
        account_id, session_id, thread_id, mode, role, content, client_message_id, misalignment_id, evidence, context_events,
        author_account_id, created_at, updated_at
    )
    values (
        v_account,
        append_message.session_id,
        v_thread_id,
        v_thread.mode,
        append_message.role,
        append_message.content,
        append_message.client_message_id,
        append_message.misalignment_id,
        append_message.evidence,
        append_message.context_events,
        v_author,
        v_now,
        v_now
    )
    on conflict (account_id, session_id, thread_id, client_message_id) where client_message_id is not null do nothing
    returning app.txid(), chat_messages.* into v_message;

    if not found then
        select message.xmin::text::bigint, message.*
        into v_message
        from app.chat_messages as message
        where account_id = v_account
            and session_id = append_message.session_id
            and thread_id = v_thread_id
            and client_message_id = append_message.client_message_id;
    end if;
    return v_message;
end;
$$;
comment on function api.append_message(text, text, text, text, text, text, text, jsonb, jsonb, uuid) is 'Writes a message at the end of a thread; without thread_id, of the active thread of the session and mode, which is made if there is none. The same client_message_id again writes nothing and gives the message that it made.';

create or replace function app.refuse_thread(p_account_id uuid, p_thread_id text, p_session_id text, p_mode text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (
        select
        from app.chat_threads as thread
        where thread.account_id = p_account_id
            and thread.id = p_thread_id
            and (thread.session_id is distinct from p_session_id or thread.mode <> p_mode)
    ) then
        raise exception 'thread "%" is of another session or mode', p_thread_id
            using
                errcode = 'invalid_parameter_value',
                hint = 'Give the session and mode of the thread, or leave thread_id out to write into the active one.';
    end if;
    perform app.refuse_write('app.chat_threads', 'thread', p_account_id, p_thread_id);
end;
$$;
comment on function app.refuse_thread(uuid, text, text, text) is 'Raises why nothing can be written into a thread.';

create or replace function app.message_place(p_account_id uuid, p_thread_id text, p_message_id text)
returns timestamptz
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_created_at timestamptz;
begin
    select message.created_at
    into v_created_at
    from app.chat_messages as message
    where message.account_id = p_account_id
        and message.id = p_message_id
        and message.thread_id = p_thread_id;
    if not found then
        raise exception 'there is no message "%" in this thread that a page could follow', p_message_id
            using
                errcode = 'SB404',
                hint = 'Its thread may have been cleared. Read from the first page again.';
    end if;
    return v_created_at;
end;
$$;
comment on function app.message_place(uuid, text, text) is 'Where in its thread a message stands: its time.';

create or replace function app.page_of_messages(
    p_account_id uuid,
    p_thread_id text,
    p_session_id text,
    p_mode text,
    p_after_id text,
    p_before_id text,
    p_newest boolean,
    p_page_size integer
)
returns setof app.chat_messages
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_edge timestamptz;
begin
    perform app.check_page_size(p_page_size);
    perform app.check_cursors(p_after_id, p_before_id, p_newest);
    if coalesce(p_after_id, p_before_id) is not null then
        v_edge := app.message_place(p_account_id, p_thread_id, coalesce(p_after_id, p_before_id));
    end if;

    if p_before_id is null and not coalesce(p_newest, false) then
        return query
        select message.*
        from app.chat_messages as message
        where message.account_id = p_account_id
            and message.thread_id = p_thread_id
            and (p_session_id is null or message.session_id = p_session_id)
            and (p_mode is null or message.mode = p_mode)
            and (message.created_at, message.id) > (coalesce(v_edge, '-infinity'), coalesce(p_after_id, ''))
        order by message.created_at, message.id
        limit p_page_size;
    else
        return query
        select page.*
        from (
            select message.*
            from app.chat_messages as message
            where message.account_id = p_account_id
                and message.thread_id = p_thread_id
                and (p_session_id is null or message.session_id = p_session_id)
                and (p_mode is null or message.mode = p_mode)
                and (message.created_at, message.id) < (coalesce(v_edge, 'infinity'), coalesce(p_before_id, ''))
            order by message.created_at desc, message.id desc
            limit p_page_size
        ) as page
        order by page.created_at, page.id;
    end if;
end;
$$;
comment on function app.page_of_messages(uuid, text, text, text, text, text, boolean, integer) is 'A page of a thread''s messages, in order of created_at and id whichever way one pages.';

create or replace function api.list_messages(
    session_id text,
    mode text,
    thread_id text,
    after_id text default null,
    before_id text default null,
    newest boolean default false,
    page_size integer default 100,
    account_id uuid default null
)
returns setof app.chat_messages
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select page.*
    from app.page_of_messages(
        coalesce(list_messages.account_id, app.current_account_id()),
        list_messages.thread_id,
        list_messages.session_id,
        list_messages.mode,
        list_messages.after_id,
        list_messages.before_id,
        list_messages.newest,
        list_messages.page_size
    ) as page;
end;
$$;
comment on function api.list_messages(text, text, text, text, text, boolean, integer, uuid) is 'Messages by session, mode and thread, oldest first, a page at a time: the first page, the one after or before a message, or the newest.';

create or replace function api.list_thread_messages(
    thread_id text,
    after_id text default null,
    before_id text default null,
    newest boolean default false,
    page_size integer default 100,
    account_id uuid default null
)
returns setof app.chat_messages
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select page.*
    from app.page_of_messages(
        coalesce(list_thread_messages.account_id, app.current_account_id()),
        list_thread_messages.thread_id,
        null,
        null,
        list_thread_messages.after_id,
        list_thread_messages.before_id,
        list_thread_messages.newest,
        list_thread_messages.page_size
    ) as page;
end;
$$;
comment on function api.list_thread_messages(text, text, text, boolean, integer, uuid) is 'Messages by thread, as api.list_messages gives them.';

create or replace function api.get_message(message_id text, account_id uuid default null)
returns setof app.chat_messages
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    select message.*
    from app.chat_messages as message
    where account_id = coalesce(get_message.account_id, app.current_account_id())
        and id = get_message.message_id;
end;
$$;
comment on function api.get_message(text, uuid) is 'One message; no row where there is none that one may see.';

create or replace function api.update_message(
    message_id text,
    content text default null,
    misalignment_id text default null,
    evidence jsonb default null,
    context_events jsonb default null,
    expected_row_version bigint default null,
    account_id uuid default null
)
returns api.message
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(update_message.account_id, app.current_account_id());
    v_message api.message;
begin
    update app.chat_messages as message
    set
        content = coalesce(update_message.content, content),
        misalignment_id = coalesce(update_message.misalignment_id, misalignment_id),
        evidence = coalesce(update_message.evidence, evidence),
        context_events = coalesce(update_message.context_events, context_events),
        updated_at = greatest(app.clock(), updated_at)
    where account_id = v_account
        and id = update_message.message_id
        and (update_message.expected_row_version is null or row_version = update_message.expected_row_version)
    returning app.txid(), message.* into v_message;
    if not found then
        perform app.refuse_write('app.chat_messages', 'message', v_account, update_message.message_id, update_message.expected_row_version);
    end if;
    return v_message;
end;
$$;
comment on function api.update_message(text, text, text, jsonb, jsonb, bigint, uuid) is 'Changes a message: what is left out stays as it is. The preview of its thread follows.';

create or replace function api.delete_thread_messages(
    thread_id text,
    expected_row_version bigint default null,
    account_id uuid default null
)
returns api.thread
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(delete_thread_messages.account_id, app.current_account_id());
    v_thread api.thread;
begin
    -- Held, so that no message is appended between what is removed and what is returned.
    perform
    from app.chat_threads as thread
    where account_id = v_account
        and id = delete_thread_messages.thread_id
        and (delete_thread_messages.expected_row_version is null or row_version = delete_thread_messages.expected_row_version)
    for no key update;
    if not found then
        perform app.refuse_write('app.chat_threads', 'thread', v_account, delete_thread_messages.thread_id, delete_thread_messages.expected_row_version);
    end if;

    delete from app.chat_messages
    where account_id = v_account
        and thread_id = delete_thread_messages.thread_id;

    -- Where there was no message to remove, nothing is written, and the transaction does not come round.
    select
        case when found then app.txid() else thread.xmin::text::bigint end,
        thread.*
    into v_thread
    from app.chat_threads as thread
    where account_id = v_account
        and id = delete_thread_messages.thread_id;
    return v_thread;
end;
$$;
comment on function api.delete_thread_messages(text, bigint, uuid) is 'Removes the messages of a thread and gives the thread, which then has none.';

grant execute on function
app.refuse_thread(uuid, text, text, text),
app.message_place(uuid, text, text),
app.page_of_messages(uuid, text, text, text, text, text, boolean, integer),
api.append_message(text, text, text, text, text, text, text, jsonb, jsonb, uuid),
api.list_messages(text, text, text, text, text, boolean, integer, uuid),
api.list_thread_messages(text, text, text, boolean, integer, uuid),
api.get_message(text, uuid),
api.update_message(text, text, text, jsonb, jsonb, bigint, uuid),
api.delete_thread_messages(text, bigint, uuid)
to app_user;
