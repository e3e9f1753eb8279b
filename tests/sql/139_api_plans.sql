-- What a page costs: the queries of the functions, as they stand there, planned as app_user, for the values of one call and for
-- any. A page of messages comes from an index in its order and stops at its size; who asks is not looked up row by row.
begin;
select plan(94);

select tests.cast_personas();
insert into app.sessions (account_id, id, created_at, updated_at)
select
    place.account_id,
    'planned-' || number as id,
    '2026-01-01' as created_at,
    timestamptz '2026-01-02' + number * interval '1 second' as updated_at
from tests.place
cross join generate_series(1, 500) as number
where place.name in ('a''s default', 'b''s default');
insert into app.chat_threads (account_id, id, session_id, mode, title, status)
select
    account_id,
    'planned-' || id as id,
    id as session_id,
    'session' as mode,
    'Planned' as title,
    'active' as status
from app.sessions
where id like 'planned-%';
insert into app.chat_messages (account_id, id, session_id, thread_id, mode, role, content, created_at, updated_at)
select
    place.account_id,
    format('message-%s-%s', number, place.session_id) as id,
    place.session_id,
    'thread-' || place.session_id as thread_id,
    'session' as mode,
    'user' as role,
    'one of many' as content,
    now() + number * interval '1 second' as created_at,
    now() + number * interval '1 second' as updated_at
from tests.place
cross join generate_series(1, 2000) as number
where place.session_id is not null;
insert into app.session_members (account_id, session_id, member_account_id, role)
select
    '00000000-0000-4000-8000-00000000000b' as account_id,
    'session-private' as session_id,
    gen_random_uuid() as member_account_id,
    'viewer' as role
from generate_series(1, 2000);
analyze app.accounts, app.sessions, app.session_members, app.chat_threads, app.chat_messages;

-- Each query, the names in it that are not of columns, and what they stand for.
create temporary table paged (
    place bigint generated always as identity,
    what text,
    function regprocedure,
    number integer,
    parameters text[],
    types text[],
    given text[]
);
insert into paged (what, function, number, parameters, types, given)
select
    concat_ws(', ', 'a page of messages', page.what, read.what) as what,
    'app.page_of_messages(uuid,text,text,text,text,text,boolean,integer)' as function,
    page.number,
    '{p_account_id,p_thread_id,p_session_id,p_mode,p_page_size,v_edge_at,v_edge_id}'::text[] as parameters,
    '{uuid,text,text,text,integer,timestamptz,text}'::text[] as types,
    array['''00000000-0000-4000-8000-00000000000a''', '''thread-session-default''', read.session_id, read.mode, '50', page.edge_at, page.edge_id] as given
from (
    values
    ('the first', 1, '''-infinity''', ''''''),
    ('after a message', 1, 'now() + interval ''500 seconds''', '''message-500-session-default'''),
    ('the newest', 2, '''infinity''', ''''''),
    ('before a message', 2, 'now() + interval ''500 seconds''', '''message-500-session-default''')
) as page (what, number, edge_at, edge_id)
cross join (
    values ('by thread', 'null', 'null'), ('by session, mode and thread', '''session-default''', '''session''')
) as read (what, session_id, mode);
insert into paged (what, function, number, parameters, types, given)
values
(
    'a page of threads',
    'api.list_threads(text,text,text,text,integer,uuid)',
    1,
    '{v_account,list_threads.session_id,list_threads.mode,list_threads.status,list_threads.after,list_threads.page_size,v_after.changed_at,v_after.id}',
    '{uuid,text,text,text,text,integer,timestamptz,text}',
    '{"''00000000-0000-4000-8000-00000000000a''","''planned-7''",null,null,null,50,null,null}'
),
(
    'a page of sessions',
    'api.list_sessions(text,integer)',
    1,
    '{v_me,list_sessions.after,list_sessions.page_size,v_after.changed_at,v_after.account_id,v_after.id,v_until}',
    '{uuid,text,integer,timestamptz,uuid,text,timestamptz}',
    '{"''00000000-0000-4000-8000-00000000000a''","''x''",50,"''2026-01-02 00:05:00''","''00000000-0000-4000-8000-00000000000a''","''planned-300''","''2026-01-02 00:05:00''"}'
);
insert into paged (what, function, number, parameters, types, given)
values
('one message', 'api.get_message(text,uuid)', 1, '{v_account,get_message.message_id}', '{uuid,text}', '{"''00000000-0000-4000-8000-00000000000a''","''message-1-session-default''"}'),
('one thread', 'api.get_thread(text,uuid)', 1, '{v_account,get_thread.thread_id}', '{uuid,text}', '{"''00000000-0000-4000-8000-00000000000a''","''planned-7''"}'),
('one session', 'api.get_session(text,uuid)', 1, '{v_account,get_session.session_id}', '{uuid,text}', '{"''00000000-0000-4000-8000-00000000000a''","''planned-7''"}');

create function pg_temp.query_of(p_paged paged)
returns text
language plpgsql
as $$
declare
    v_query text;
begin
    select found.parts[1]
    into strict v_query
    from pg_proc
    cross join lateral regexp_matches(prosrc, 'return query\s+?(.*?);', 'g') with ordinality as found (parts, number)
    where oid = p_paged.function
        and found.number = p_paged.number;
    for place in 1..cardinality(p_paged.parameters) loop
        v_query := regexp_replace(v_query, '\m' || replace(p_paged.parameters[place], '.', '\.') || '\M', '$' || place, 'g');
    end loop;
    return v_query;
end;
$$;
create function pg_temp.plan_of(p_paged paged, p_mode text)
returns setof text
language plpgsql
as $$
begin
    execute format('prepare paged (%s) as %s', array_to_string(p_paged.types, ', '), pg_temp.query_of(p_paged));
    perform set_config('plan_cache_mode', p_mode, true);
    perform set_config('role', 'app_user', true);
    return query execute format('explain (verbose, costs off) execute paged (%s)', array_to_string(p_paged.given, ', ', 'null'));
    perform set_config('role', 'none', true);
    deallocate paged;
end;
$$;
select set_config('request.jwt.claims', tests.claims_of('editor'), true);
create temporary table line as
select
    paged.what || case mode.name when 'force_generic_plan' then ', of any' else ', of these' end as what,
    plan.place,
    plan.line
from paged
cross join (values ('force_custom_plan'), ('force_generic_plan')) as mode (name)
cross join lateral pg_temp.plan_of(paged, mode.name) with ordinality as plan (line, place);

select
    ok(
        bool_or(line ~ '-> +Index Scan (Backward )?using chat_messages_(thread|session)_idx on app.chat_messages message')
        and bool_or(line ~ '^ +Index Cond: \(\(message.account_id = .* AND \(message.thread_id = .* AND \(ROW\(message.created_at, message.id\) [<>] ROW\('),
        what || ': from an index, by account, thread and place'
    )
from line
where what like 'a page of messages%'
group by what
order by what;
with limited as (
    select
        what,
        min(place) as place
    from line
    where line ~ '^ *(-> +)?Limit$'
    group by what
)

select
    ok(
        not bool_or(sorted.line ~ '^ *(-> +)?(Incremental )?Sort$' and sorted.place > limited.place),
        sorted.what || ': unsorted, so no more is read than is shown'
    )
from line as sorted
inner join limited
    on sorted.what = limited.what
where sorted.what like 'a page of messages%'
group by sorted.what
order by sorted.what;
select
    ok(
        bool_or(line ~ 'using chat_threads_session_key on app.chat_threads thread')
        and bool_or(line ~ '^ +Index Cond: \(\(thread.account_id = .* AND \(thread.session_id = '),
        what || ': those of the session by an index'
    )
from line
where what like 'a page of threads%'
group by what
order by what;
select
    ok(
        bool_or(line ~ '-> +Index Scan using sessions_recent_idx on app.sessions session')
        and bool_or(line ~ '^ +Index Cond: \(\(session[_0-9]*.account_id = .* AND \(session[_0-9]*.updated_at <= '),
        what || ': one''s own from the index that has them in order'
    )
from line
where what like 'a page of sessions%'
group by what
order by what;
select
    ok(
        bool_or(line ~ 'using (chat_messages|chat_threads|sessions)_pkey on app')
        and bool_or(line ~ '^ +Index Cond: \(\((message|thread|session).account_id = .* AND \((message|thread|session).id = '),
        what || ': by the primary key, account first'
    )
from line
where what like 'one %'
group by what
order by what;
select
    ok(
        not bool_or(line ~ 'Seq Scan on app\.(chat_messages|chat_threads|sessions|session_members)'),
        what || ': no table is read as a whole'
    )
from line
group by what
order by what;
select
    is_empty(
        format('select line from line where what = %L and line ~ ''account_id\(\)'' and line !~ ''^ +Output: app.current_account_id\(\)$''', what),
        what || ': who asks is not looked up row by row'
    )
from (select distinct what from line) as planned
order by what;

select finish();
rollback;
