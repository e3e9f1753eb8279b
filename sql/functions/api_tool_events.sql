-- Tool events: a call of a tool is pending or executing, then once succeeded or failed.
set local role sessionbase_owner;

create or replace function api.start_tool_event(
    session_id text,
    tool_name text,
    arguments jsonb default null,
    thread_id text default null,
    tool_call_id text default null,
    status text default 'pending',
    context_events jsonb default null,
    account_id uuid default null
)
returns api.tool_event
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_author uuid := app.current_account_id();
    v_account uuid := coalesce(start_tool_event.account_id, v_author);
    v_now timestamptz := app.clock();
    v_event api.tool_event;
begin
    if (start_tool_event.status in ('pending', 'executing')) is not true then
        raise exception 'a tool event starts as pending or executing'
            using
                errcode = 'invalid_parameter_value',
                hint = 'Finish it by api.finish_tool_event.';
    end if;
    perform app.need_session(v_account, start_tool_event.session_id);
    if start_tool_event.thread_id is not null then
        perform app.need_thread_of(v_account, start_tool_event.session_id, start_tool_event.thread_id);
    end if;

    insert into app.chat_tool_events (
        account_id, session_id, thread_id, tool_call_id, tool_name, status, arguments, context_events, author_account_id,
        started_at, created_at, updated_at
    )
    values (
        v_account,
        start_tool_event.session_id,
        start_tool_event.thread_id,
        start_tool_event.tool_call_id,
        start_tool_event.tool_name,
        start_tool_event.status,
        start_tool_event.arguments,
        start_tool_event.context_events,
        v_author,
        v_now,
        v_now,
        v_now
    )
    returning app.txid(), chat_tool_events.* into v_event;
    return v_event;
end;
$$;
comment on function api.start_tool_event(text, text, jsonb, text, text, text, jsonb, uuid) is 'Reports that a tool is called: pending, or executing already. It starts now.';

create or replace function app.need_thread_of(p_account_id uuid, p_session_id text, p_thread_id text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Held, as the foreign key will hold it, so that it is still there when the row that names it is written.
    perform
    from app.chat_threads as thread
    where thread.account_id = p_account_id
        and thread.session_id = p_session_id
        and thread.id = p_thread_id
    for key share;
    if found then
        return;
    end if;

    if exists (
        select
        from app.chat_threads as thread
        where thread.account_id = p_account_id
            and thread.id = p_thread_id
            and thread.session_id <> p_session_id
    ) then
        raise exception 'thread "%" is of another session', p_thread_id
            using
                errcode = 'invalid_parameter_value',
                hint = 'Give the session of the thread, or leave thread_id out.';
    end if;
    perform app.refuse_write('app.chat_threads', 'thread', p_account_id, p_thread_id);
end;
$$;
comment on function app.need_thread_of(uuid, text, text) is 'Sees to it that a thread is there, in this session, until the transaction ends.';

create or replace function api.progress_tool_event(
    tool_event_id text,
    result jsonb default null,
    context_events jsonb default null,
    expected_row_version bigint default null,
    account_id uuid default null
)
returns api.tool_event
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(progress_tool_event.account_id, app.current_account_id());
    v_before api.tool_event;
    v_event api.tool_event;
begin
    v_before := app.lock_tool_event(v_account, progress_tool_event.tool_event_id, progress_tool_event.expected_row_version);
    if v_before.completed_at is not null then
        perform app.refuse_finished(progress_tool_event.tool_event_id);
    end if;

    update app.chat_tool_events as event
    set
        status = 'executing',
        result = coalesce(progress_tool_event.result, result),
        context_events = coalesce(progress_tool_event.context_events, context_events),
        updated_at = greatest(app.clock(), updated_at)
    where account_id = v_account
        and id = progress_tool_event.tool_event_id
    returning app.txid(), event.* into v_event;
    return v_event;
end;
$$;
comment on function api.progress_tool_event(text, jsonb, jsonb, bigint, uuid) is 'Says that a tool is executing, and what it gave back so far: what is left out stays as it is. A finished one stays finished.';

create or replace function app.lock_tool_event(p_account_id uuid, p_tool_event_id text, p_expected_row_version bigint)
returns api.tool_event
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_event api.tool_event;
begin
    select
        event.xmin::text::bigint,
        event.*
    into v_event
    from app.chat_tool_events as event
    where event.account_id = p_account_id
        and event.id = p_tool_event_id
        and (p_expected_row_version is null or event.row_version = p_expected_row_version)
    for no key update;
    if not found then
        perform app.refuse_write('app.chat_tool_events', 'tool event', p_account_id, p_tool_event_id, p_expected_row_version);
    end if;
    return v_event;
end;
$$;
comment on function app.lock_tool_event(uuid, text, bigint) is 'Waits until nobody else changes a tool event, and gives it as it then is.';

create or replace function app.refuse_finished(p_tool_event_id text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'tool event "%" is finished', p_tool_event_id
        using
            errcode = 'SB422',
            hint = 'It finishes once, and does not change any more. Read it by api.get_tool_event.';
end;
$$;
comment on function app.refuse_finished(text) is 'Raises that a tool event is finished.';

create or replace function api.finish_tool_event(
    tool_event_id text,
    status text,
    result jsonb default null,
    error text default null,
    context_events jsonb default null,
    expected_row_version bigint default null,
    account_id uuid default null
)
returns api.tool_event
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(finish_tool_event.account_id, app.current_account_id());
    v_before api.tool_event;
    v_event api.tool_event;
    v_completed_at timestamptz;
begin
    if (finish_tool_event.status in ('succeeded', 'failed')) is not true then
        raise exception 'a tool event finishes as succeeded or failed'
            using
                errcode = 'invalid_parameter_value',
                hint = 'Say that it is executing by api.progress_tool_event.';
    end if;
    v_before := app.lock_tool_event(v_account, finish_tool_event.tool_event_id, finish_tool_event.expected_row_version);
    if v_before.completed_at is not null then
        -- The same again would change nothing: most likely its answer was lost.
        if finish_tool_event.status = v_before.status
            and coalesce(finish_tool_event.result, v_before.result) is not distinct from v_before.result
            and coalesce(finish_tool_event.error, v_before.error) is not distinct from v_before.error
            and coalesce(finish_tool_event.context_events, v_before.context_events) is not distinct from v_before.context_events
            then
            return v_before;
        end if;
        perform app.refuse_finished(finish_tool_event.tool_event_id);
    end if;

    -- An imported one may have started at a time that is yet to come.
    v_completed_at := greatest(app.clock(), v_before.started_at);
    update app.chat_tool_events as event
    set
        status = finish_tool_event.status,
        result = coalesce(finish_tool_event.result, result),
        error = coalesce(finish_tool_event.error, error),
        context_events = coalesce(finish_tool_event.context_events, context_events),
        completed_at = v_completed_at,
        latency_ms = floor(extract(epoch from v_completed_at - started_at) * 1000),
        updated_at = greatest(v_completed_at, updated_at)
    where account_id = v_account
        and id = finish_tool_event.tool_event_id
    returning app.txid(), event.* into v_event;
    return v_event;
end;
$$;
comment on function api.finish_tool_event(text, text, jsonb, text, jsonb, bigint, uuid) is 'Says that a tool succeeded or failed, once, now: what is left out stays as it is. The same again writes nothing and gives the tool event; anything else of a finished one is refused.';

create or replace function api.get_tool_event(tool_event_id text, account_id uuid default null)
returns setof app.chat_tool_events
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    select event.*
    from app.chat_tool_events as event
    where account_id = coalesce(get_tool_event.account_id, app.current_account_id())
        and id = get_tool_event.tool_event_id;
end;
$$;
comment on function api.get_tool_event(text, uuid) is 'One tool event; no row where there is none that one may see.';

create or replace function api.list_tool_events(
    session_id text,
    thread_id text default null,
    after_id text default null,
    before_id text default null,
    newest boolean default false,
    page_size integer default 100,
    account_id uuid default null
)
returns setof app.chat_tool_events
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(list_tool_events.account_id, app.current_account_id());
    v_edge record;
begin
    v_edge := app.page_edge(
        'app.chat_tool_events',
        'tool event',
        'started_at',
        v_account,
        'session_id',
        list_tool_events.session_id,
        list_tool_events.after_id,
        list_tool_events.before_id,
        list_tool_events.newest,
        list_tool_events.page_size
    );

    return query
    select page.*
    from (
        (
            select event.*
            from app.chat_tool_events as event
            where account_id = v_account
                and session_id = list_tool_events.session_id
                and (list_tool_events.thread_id is null or thread_id = list_tool_events.thread_id)
                and v_edge.forward
                and (started_at, id) > (v_edge.edge_at, v_edge.edge_id)
            order by started_at, id
            limit list_tool_events.page_size
        )

        union all

        (
            select event.*
            from app.chat_tool_events as event
            where account_id = v_account
                and session_id = list_tool_events.session_id
                and (list_tool_events.thread_id is null or thread_id = list_tool_events.thread_id)
                and not v_edge.forward
                and (started_at, id) < (v_edge.edge_at, v_edge.edge_id)
            order by started_at desc, id desc
            limit list_tool_events.page_size
        )
    ) as page
    order by started_at, id;
end;
$$;
comment on function api.list_tool_events(text, text, text, text, boolean, integer, uuid) is 'A session''s tool events, or those of one of its threads, in the order in which they started, a page at a time: the first page, the one after or before a tool event, or the newest.';

grant execute on function
app.need_thread_of(uuid, text, text),
app.lock_tool_event(uuid, text, bigint),
app.refuse_finished(text),
api.start_tool_event(text, text, jsonb, text, text, text, jsonb, uuid),
api.progress_tool_event(text, jsonb, jsonb, bigint, uuid),
api.finish_tool_event(text, text, jsonb, text, jsonb, bigint, uuid),
api.get_tool_event(text, uuid),
api.list_tool_events(text, text, text, text, boolean, integer, uuid)
to app_user;
