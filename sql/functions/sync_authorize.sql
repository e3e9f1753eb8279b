-- Who may have a shape: decided as the one who asks, by row level security.
set local role sessionbase_owner;

create or replace function sync.authorize_shape(
    shape text,
    session_id text default null,
    thread_id text default null,
    account_id uuid default null
)
returns table (
    table_schema text,
    table_name text,
    columns text[],
    where_clause text,
    params text[]
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_me uuid := app.current_account_id();
    v_account uuid := coalesce(authorize_shape.account_id, v_me);
    v_shape sync.shapes;
begin
    if v_me is null then
        perform app.refuse_nobody();
    end if;
    select known.*
    into v_shape
    from sync.shapes as known
    where name = authorize_shape.shape;
    if not found then
        raise exception 'there is no shape "%"', authorize_shape.shape
            using
                errcode = 'SB404',
                hint = 'select name, description from sync.shapes says which there are.';
    end if;

    -- Nothing that was asked for is left out in silence: with a thread_id nobody should get all threads.
    if ('session_id' = any(v_shape.params)) <> (authorize_shape.session_id is not null)
        or ('thread_id' = any(v_shape.params)) <> (authorize_shape.thread_id is not null)
    then
        raise exception 'shape "%" is asked for with %', v_shape.name, case
            when 'thread_id' = any(v_shape.params) then 'session_id and thread_id'
            when 'session_id' = any(v_shape.params) then 'session_id, and without thread_id'
            else 'neither session_id nor thread_id'
        end
            using
                errcode = 'invalid_parameter_value',
                hint = 'select name, params from sync.shapes says what each shape takes; account_id is who owns the session.';
    end if;

    -- The same answer for what is not there and for what is not shared: nobody learns which of the two it is.
    if authorize_shape.session_id is not null and not exists (
        select
        from app.sessions as session
        where session.account_id = v_account
            and session.id = authorize_shape.session_id
    ) then
        raise exception 'there is no session "%" that you may see', authorize_shape.session_id
            using
                errcode = 'SB404',
                hint = 'Of a session that is shared with you, account_id is the account that owns it.';
    end if;
    if authorize_shape.thread_id is not null and not exists (
        select
        from app.chat_threads as thread
        where thread.account_id = v_account
            and thread.session_id = authorize_shape.session_id
            and thread.id = authorize_shape.thread_id
    ) then
        raise exception 'there is no thread "%" in session "%"', authorize_shape.thread_id, authorize_shape.session_id
            using
                errcode = 'SB404',
                hint = 'api.list_threads says which there are.';
    end if;
    if authorize_shape.session_id is null and v_account <> v_me then
        raise exception 'shape "%" is of the account that asks only', v_shape.name
            using
                errcode = 'SB404',
                hint = 'Leave account_id out.';
    end if;

    return query
    select
        v_shape.table_schema,
        v_shape.table_name,
        v_shape.columns,
        v_shape.where_template,
        array(
            select
                case param.name
                    when 'account_id' then v_account::text
                    when 'member_account_id' then v_me::text
                    when 'session_id' then authorize_shape.session_id
                    when 'thread_id' then authorize_shape.thread_id
                end
            from unnest(v_shape.params) with ordinality as param (name, place)
            order by param.place
        );
end;
$$;
comment on function sync.authorize_shape(text, text, text, uuid) is 'The definition of a shape for who asks, its parameters filled in; fails where row level security does not show the session, the thread or the account.';

grant execute on function sync.authorize_shape(text, text, text, uuid) to app_user;
