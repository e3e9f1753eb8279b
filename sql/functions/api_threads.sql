-- Threads: the conversations of a session. At most one of a session and mode is active.
set local role sessionbase_owner;

create or replace function api.list_threads(
    session_id text,
    mode text default null,
    status text default null,
    after text default null,
    page_size integer default 100,
    account_id uuid default null
)
returns setof api.listed_thread
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(list_threads.account_id, app.current_account_id());
    v_after record;
begin
    perform app.check_page_size(list_threads.page_size);
    v_after := app.read_cursor(list_threads.after);

    return query
    select
        jsonb_build_array(thread.updated_at, thread.account_id, thread.id)::text,
        thread.*
    from app.chat_threads as thread
    where account_id = v_account
        and session_id = list_threads.session_id
        and (list_threads.mode is null or mode = list_threads.mode)
        and (list_threads.status is null or status = list_threads.status)
        and (
            list_threads.after is null
            or updated_at < v_after.changed_at
            or (updated_at = v_after.changed_at and id > v_after.id)
        )
    order by updated_at desc, id
    limit list_threads.page_size;
end;
$$;
comment on function api.list_threads(text, text, text, text, integer, uuid) is 'A session''s threads, of one mode or status or all, most recently changed first, a page at a time: after is the cursor of the last row of the page before.';

create or replace function api.get_thread(thread_id text, account_id uuid default null)
returns setof app.chat_threads
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(get_thread.account_id, app.current_account_id());
begin
    return query
    select thread.*
    from app.chat_threads as thread
    where account_id = v_account
        and id = get_thread.thread_id;
end;
$$;
comment on function api.get_thread(text, uuid) is 'One thread; no row where there is none that one may see.';

create or replace function app.lock_threads_of(p_account_id uuid, p_session_id text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    perform app.need_session(p_account_id, p_session_id);
    perform
    from app.sessions as session
    where session.account_id = p_account_id
        and session.id = p_session_id
    for no key update;
    if not found then
        perform app.refuse_write('app.sessions', 'session', p_account_id, p_session_id);
    end if;
end;
$$;
comment on function app.lock_threads_of(uuid, text) is 'Waits until nobody else decides which threads of a session are active. Whoever does locks the session first, then threads.';

create or replace function app.insert_thread(p_account_id uuid, p_session_id text, p_mode text, p_title text)
returns api.thread
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_now timestamptz := app.clock();
    v_thread api.thread;
begin
    insert into app.chat_threads (account_id, session_id, mode, title, status, author_account_id, created_at, updated_at)
    select
        p_account_id,
        p_session_id,
        p_mode,
        coalesce(
            p_title,
            app.default_thread_title(p_mode) || case
                when others.last_number is not null then ' #' || others.last_number + 1
                else ''
            end
        ),
        'active',
        app.current_account_id(),
        v_now,
        v_now
    from (
        -- Of Session Coach, Session Coach #2 and #3 the next is #4, whatever else was removed or renamed.
        select max(coalesce(substring(thread.title from ' #([0-9]{1,9})$')::bigint, 1)) as last_number
        from app.chat_threads as thread
        where thread.account_id = p_account_id
            and thread.session_id = p_session_id
            and thread.mode = p_mode
            and thread.title ~ ('^' || app.default_thread_title(p_mode) || '( #[0-9]{1,9})?$')
    ) as others
    on conflict (account_id, session_id, mode) where status = 'active' do nothing
    returning app.txid(), chat_threads.* into v_thread;
    if not found then
        -- By who does not hold the session. Where this transaction may not see it, Postgres says the same.
        raise exception 'another thread of session "%" was made active meanwhile', p_session_id
            using
                errcode = 'serialization_failure',
                hint = 'Do it again.';
    end if;
    return v_thread;
end;
$$;
comment on function app.insert_thread(uuid, text, text, text) is 'Makes an active thread, with the next default title if none is given. The caller holds app.lock_threads_of.';

create or replace function api.get_active_thread(session_id text, mode text default 'session', account_id uuid default null)
returns api.thread
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(get_active_thread.account_id, app.current_account_id());
    v_thread api.thread;
begin
    select xmin::text::bigint, thread.*
    into v_thread
    from app.chat_threads as thread
    where account_id = v_account
        and session_id = get_active_thread.session_id
        and mode = get_active_thread.mode
        and status = 'active';
    if found then
        return v_thread;
    end if;

    perform app.lock_threads_of(v_account, get_active_thread.session_id);
    -- Somebody may have made it while we waited.
    select xmin::text::bigint, thread.*
    into v_thread
    from app.chat_threads as thread
    where account_id = v_account
        and session_id = get_active_thread.session_id
        and mode = get_active_thread.mode
        and status = 'active';
    if found then
        return v_thread;
    end if;
    return app.insert_thread(v_account, get_active_thread.session_id, get_active_thread.mode, null);
end;
$$;
comment on function api.get_active_thread(text, text, uuid) is 'The active thread of a session and mode. Where there is none one is made, and one only, whoever asks at the same time.';

create or replace function api.start_thread(
    session_id text,
    mode text default 'session',
    title text default null,
    account_id uuid default null
)
returns api.thread
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(start_thread.account_id, app.current_account_id());
begin
    perform app.lock_threads_of(v_account, start_thread.session_id);
    perform app.archive_active(v_account, start_thread.session_id, start_thread.mode);
    return app.insert_thread(v_account, start_thread.session_id, start_thread.mode, start_thread.title);
end;
$$;
comment on function api.start_thread(text, text, text, uuid) is 'Starts a new thread, which is active, and archives the one that was. Without a title: Session Coach or General, then Session Coach #2 and so on.';

create or replace function app.archive_active(p_account_id uuid, p_session_id text, p_mode text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    update app.chat_threads as thread
    set
        status = 'archived',
        updated_at = greatest(app.clock(), thread.updated_at)
    where thread.account_id = p_account_id
        and thread.session_id = p_session_id
        and thread.mode = p_mode
        and thread.status = 'active';
end;
$$;
comment on function app.archive_active(uuid, text, text) is 'Archives the active thread of a session and mode, if there is one. The caller holds app.lock_threads_of.';

create or replace function api.activate_thread(
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
    v_account uuid := coalesce(activate_thread.account_id, app.current_account_id());
    v_before app.chat_threads;
    v_thread api.thread;
begin
    select thread.*
    into v_before
    from app.chat_threads as thread
    where account_id = v_account
        and id = activate_thread.thread_id;
    if not found then
        perform app.refuse_write('app.chat_threads', 'thread', v_account, activate_thread.thread_id);
    end if;

    perform app.lock_threads_of(v_account, v_before.session_id);
    select thread.*
    into v_before
    from app.chat_threads as thread
    where account_id = v_account
        and id = activate_thread.thread_id
        and (activate_thread.expected_row_version is null or row_version = activate_thread.expected_row_version)
    for no key update;
    if not found then
        perform app.refuse_write('app.chat_threads', 'thread', v_account, activate_thread.thread_id, activate_thread.expected_row_version);
    end if;
    if v_before.status = 'archived' then
        perform app.archive_active(v_account, v_before.session_id, v_before.mode);
    end if;

    update app.chat_threads as thread
    set
        status = 'active',
        updated_at = greatest(app.clock(), updated_at)
    where account_id = v_account
        and id = activate_thread.thread_id
    returning app.txid(), thread.* into v_thread;
    return v_thread;
end;
$$;
comment on function api.activate_thread(text, bigint, uuid) is 'Makes a thread the active one of its session and mode, and archives the one that was.';

create or replace function api.rename_thread(
    thread_id text,
    title text,
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
    v_account uuid := coalesce(rename_thread.account_id, app.current_account_id());
    v_thread api.thread;
begin
    update app.chat_threads as thread
    set
        title = rename_thread.title,
        updated_at = greatest(app.clock(), updated_at)
    where account_id = v_account
        and id = rename_thread.thread_id
        and (rename_thread.expected_row_version is null or row_version = rename_thread.expected_row_version)
    returning app.txid(), thread.* into v_thread;
    if not found then
        perform app.refuse_write('app.chat_threads', 'thread', v_account, rename_thread.thread_id, rename_thread.expected_row_version);
    end if;
    return v_thread;
end;
$$;
comment on function api.rename_thread(text, text, bigint, uuid) is 'Gives a thread another title.';

create or replace function api.archive_thread(
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
    v_account uuid := coalesce(archive_thread.account_id, app.current_account_id());
    v_thread api.thread;
begin
    update app.chat_threads as thread
    set
        status = 'archived',
        updated_at = greatest(app.clock(), updated_at)
    where account_id = v_account
        and id = archive_thread.thread_id
        and (archive_thread.expected_row_version is null or row_version = archive_thread.expected_row_version)
    returning app.txid(), thread.* into v_thread;
    if not found then
        perform app.refuse_write('app.chat_threads', 'thread', v_account, archive_thread.thread_id, archive_thread.expected_row_version);
    end if;
    return v_thread;
end;
$$;
comment on function api.archive_thread(text, bigint, uuid) is 'Archives a thread. No other becomes active: api.get_active_thread makes a new one when it is asked.';

create or replace function api.remove_thread(
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
    v_account uuid := coalesce(remove_thread.account_id, app.current_account_id());
    v_thread api.thread;
begin
    delete from app.chat_threads as thread
    where account_id = v_account
        and id = remove_thread.thread_id
        and (remove_thread.expected_row_version is null or row_version = remove_thread.expected_row_version)
    returning app.txid(), thread.* into v_thread;
    if not found then
        perform app.refuse_write('app.chat_threads', 'thread', v_account, remove_thread.thread_id, remove_thread.expected_row_version);
    end if;
    return v_thread;
end;
$$;
comment on function api.remove_thread(text, bigint, uuid) is 'Removes a thread and its messages. Its tool events stay in the session, without a thread.';

create or replace function api.clear_threads(session_id text, mode text default null, account_id uuid default null)
returns setof api.thread
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(clear_threads.account_id, app.current_account_id());
begin
    -- A session that is not there has nothing to clear, and is not opened for it.
    if v_account = app.current_account_id() and not exists (
        select
        from app.sessions as session
        where account_id = v_account
            and id = clear_threads.session_id
    ) then
        return;
    end if;
    perform app.lock_threads_of(v_account, clear_threads.session_id);
    return query
    delete from app.chat_threads as thread
    where account_id = v_account
        and session_id = clear_threads.session_id
        and (clear_threads.mode is null or mode = clear_threads.mode)
    returning app.txid(), thread.*;
end;
$$;
comment on function api.clear_threads(text, text, uuid) is 'Removes all threads of a session, or those of one mode, and their messages; gives the threads that were.';

grant execute on function
app.lock_threads_of(uuid, text),
app.insert_thread(uuid, text, text, text),
app.archive_active(uuid, text, text),
api.list_threads(text, text, text, text, integer, uuid),
api.get_thread(text, uuid),
api.get_active_thread(text, text, uuid),
api.start_thread(text, text, text, uuid),
api.activate_thread(text, bigint, uuid),
api.rename_thread(text, text, bigint, uuid),
api.archive_thread(text, bigint, uuid),
api.remove_thread(text, bigint, uuid),
api.clear_threads(text, text, uuid)
to app_user;
