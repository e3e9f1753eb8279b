-- How files of this folder call the functions of schema api as somebody. Loaded before the tests. A call
-- is written as it stands after "from".

-- What a call gives, as json, a row a line. It is done for good, and not in a block of its own: who asks for the transaction of
-- a row gets the test's.
create function tests.call(p_persona text, p_call text)
returns setof jsonb
language plpgsql
as $$
begin
    perform set_config('request.jwt.claims', tests.claims_of(p_persona), true);
    perform set_config('role', 'app_user', true);
    return query execute format('select to_jsonb(given) from %s as given', p_call);
    perform set_config('role', 'none', true);
end;
$$;

-- What a call comes to: how many rows, or the SQLSTATE, the message, and the detail if there is one. It is taken back. Says so
-- if what it is told holds a title, a text or a preview of any row there is.
create function tests.told(p_persona text, p_call text)
returns text
language plpgsql
as $$
declare
    v_rows bigint;
    v_message text;
    v_detail text;
    v_hint text;
begin
    perform set_config('request.jwt.claims', tests.claims_of(p_persona), true);
    perform set_config('role', 'app_user', true);
    execute format('select count(*) from %s as result', p_call) into v_rows;
    raise sqlstate 'SB999' using message = v_rows || case v_rows when 1 then ' row' else ' rows' end;
exception
    when sqlstate 'SB999' then
        return sqlerrm;
    when others then
        get stacked diagnostics
            v_message = message_text,
            v_detail = pg_exception_detail,
            v_hint = pg_exception_hint;
        return concat_ws(
            ' ',
            sqlstate,
            v_message,
            '(' || nullif(v_detail, '') || ')',
            case when tests.tells_content(concat_ws(' ', v_message, v_detail, v_hint)) then 'AND CONTENT' end
        );
end;
$$;

-- What a statement of one value gives a persona, or the SQLSTATE and the message. It is taken back.
create function tests.said_to(p_persona text, p_statement text)
returns text
language plpgsql
as $$
declare
    v_said text;
begin
    perform set_config('request.jwt.claims', tests.claims_of(p_persona), true);
    perform set_config('role', 'app_user', true);
    execute p_statement into v_said;
    raise sqlstate 'SB999' using message = coalesce(v_said, 'nothing');
exception
    when sqlstate 'SB999' then
        return sqlerrm;
    when others then
        return concat_ws(' ', sqlstate, sqlerrm);
end;
$$;

create function tests.tells_content(p_text text)
returns boolean
language sql
as $$
    select exists (
        select
        from (
            select content as written from app.chat_messages
            union all
            select title from app.chat_threads
            union all
            select body from app.todos
        ) as content
        where length(written) > 3
            and strpos(p_text, written) > 0
    )
$$;

-- What a persona is in a session of another account, or its own: owner, editor or viewer; null if nothing; nobody if it asks as
-- no account.
create function tests.role_in(p_persona text, p_place text)
returns text
language plpgsql
as $$
begin
    return (
        select case
            when reach.persona is null then 'nobody'
            when p_place = any(reach.own || reach.as_owner) then 'owner'
            when p_place = any(reach.as_editor) then 'editor'
            when p_place = any(reach.as_viewer) then 'viewer'
        end
        from (select p_persona as name) as asked
        left join tests.reach as reach on asked.name = reach.persona
    );
end;
$$;

-- Calls that are tried as every persona in every session. reads: rows are given to whoever may see the session, none to others.
-- Else may is the least one must be to write; a call that is refused names what by its id, or,
-- where it inserts a row, is refused by row level security itself. %1$s is the account, %2$s the session.
create table tests.try_call (
    place bigint generated always as identity,
    what text,
    may text,
    target regclass,
    call text,
    noun text,
    id text,
    inserts boolean not null default false,
    -- What a reader may not change, where it is not what a stranger does not see.
    held text
);

create function tests.expected_of_call(p_persona text, p_try tests.try_call, p_place text, p_id text, p_held text)
returns text
language sql
as $$
    select case
        when p_try.may = 'viewer, to read' then case when held.role is null or held.role = 'nobody' then '0 rows' else '1 row' end
        when held.role = 'nobody' then '28000 no account'
        when held.role is null then format('SB404 there is no %s "%s" that you may see', p_try.noun, p_id)
        when held.role = 'owner' or held.role = p_try.may then p_place
        when p_try.inserts then '42501 row-level security'
        else format('42501 you may read %s, and not change it', coalesce(p_held, format('%s "%s"', p_try.noun, p_id)))
    end
    from (select tests.role_in(p_persona, p_place) as role) as held
$$;

create function tests.tried_calls_come_out()
returns setof text
language plpgsql
as $body$
begin
    return query
    select
        tap.is(
            string_agg(
                case
                    when try.may = 'viewer, to read'
                        then tests.told(persona.name, format(try.call, place.account_id, place.session_id))
                    else tests.outcome('app_user', persona.claims, try.target, 'select * from ' || format(try.call, place.account_id, place.session_id))
                end,
                '; '
                order by place.name
            ),
            string_agg(tests.expected_of_call(persona.name, try, place.name, format(try.id, place.account_id, place.session_id), format(try.held, place.account_id, place.session_id)), '; ' order by place.name),
            format('%s: %s', try.what, persona.name)
        )
    from tests.try_call as try
    cross join tests.persona as persona
    cross join tests.place as place
    where place.session_id is not null
    group by try.place, try.what, persona.place, persona.name
    order by try.place, persona.place;

    return query
    select
        tap.isnt(
            tests.places_of(touched.target, tests.rows_of(touched.target)),
            'nowhere',
            format('control: %s has rows, also where they were refused', touched.target)
        )
    from (select distinct target from tests.try_call where target is not null) as touched
    order by touched.target::text;
end;
$body$;

-- Makes what there is an hour older, in whole milliseconds, so that a change can be told by its time.
create function tests.grow_older()
returns void
language plpgsql
as $$
begin
    update app.sessions
    set created_at = date_trunc('milliseconds', created_at) - interval '1 hour', updated_at = date_trunc('milliseconds', updated_at) - interval '1 hour';
    update app.session_members
    set created_at = date_trunc('milliseconds', created_at) - interval '1 hour', updated_at = date_trunc('milliseconds', updated_at) - interval '1 hour';
    update app.chat_threads
    set created_at = date_trunc('milliseconds', created_at) - interval '1 hour', updated_at = date_trunc('milliseconds', updated_at) - interval '1 hour', last_message_at = date_trunc('milliseconds', last_message_at) - interval '1 hour';
    update app.chat_messages
    set created_at = date_trunc('milliseconds', created_at) - interval '1 hour', updated_at = date_trunc('milliseconds', updated_at) - interval '1 hour';
end;
$$;

-- Sets what the fixtures left out, as the import does: what threads derive from messages.
create function tests.derive_threads()
returns void
language plpgsql
as $$
begin
    update app.chat_threads as thread
    set message_count = counted.messages, last_message_at = counted.last_at, last_message_preview = counted.preview
    from (
        select
            account_id,
            thread_id,
            count(*) as messages,
            max(created_at) as last_at,
            (array_agg(app.message_preview(content) order by created_at desc, id desc))[1] as preview
        from app.chat_messages
        group by account_id, thread_id
    ) as counted
    where thread.account_id = counted.account_id
        and thread.id = counted.thread_id;
end;
$$;

-- The threads whose count, preview or last time are not what their messages say.
create function tests.threads_that_differ()
returns setof text
language plpgsql
as $$
begin
    return query
    select concat_ws(' ', thread.account_id, thread.id, thread.message_count, thread.last_message_preview, thread.last_message_at, 'and not', counted.messages, newest.preview, newest.created_at)
    from app.chat_threads as thread
    cross join lateral (
        select count(*) as messages
        from app.chat_messages as message
        where message.account_id = thread.account_id
            and message.thread_id = thread.id
    ) as counted
    left join lateral (
        select
            app.message_preview(message.content) as preview,
            message.created_at
        from app.chat_messages as message
        where message.account_id = thread.account_id
            and message.thread_id = thread.id
        order by message.created_at desc, message.id desc
        limit 1
    ) as newest on true
    where (thread.message_count, thread.last_message_preview, thread.last_message_at)
        is distinct from (counted.messages, newest.preview, newest.created_at);
end;
$$;
