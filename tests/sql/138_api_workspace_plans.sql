-- What a page of tool events, todos, misalignments and hook decisions costs: the queries of the lists, as they stand there, planned
-- as app_user, for the values of one call and for any. A page comes from an index in its order and stops at its size.
begin;
select plan(49);

select tests.cast_personas();
insert into app.sessions (account_id, id)
select
    '00000000-0000-4000-8000-00000000000a' as account_id,
    'planned-' || number as id
from generate_series(1, 8) as number;
-- Without triggers and foreign keys, for the time it takes.
set local session_replication_role = replica;
insert into app.chat_tool_events (account_id, session_id, tool_name, status, started_at)
select
    account_id,
    id as session_id,
    'search' as tool_name,
    'pending' as status,
    now() + number * interval '1 second' as started_at
from app.sessions
cross join generate_series(1, 2000) as number;
insert into app.todos (account_id, session_id, body, created_at, updated_at)
select
    account_id,
    nullif(id, 'session-default') as session_id,
    'one of many' as body,
    now() + number * interval '1 second' as created_at,
    now() + interval '1 hour' as updated_at
from app.sessions
cross join generate_series(1, 2000) as number;
insert into app.misalignments (account_id, session_id, rule_id, title, summary, severity, created_at, updated_at)
select
    account_id,
    id as session_id,
    'rule' as rule_id,
    'title' as title,
    'summary' as summary,
    'low' as severity,
    now() + number * interval '1 second' as created_at,
    now() + interval '1 hour' as updated_at
from app.sessions
cross join generate_series(1, 2000) as number;
insert into app.hook_decisions (account_id, session_id, source, content_hash, severity, blocked, created_at)
select
    account_id,
    id as session_id,
    'hook' as source,
    'hash' as content_hash,
    'low' as severity,
    false as blocked,
    now() + number * interval '1 second' as created_at
from app.sessions
cross join generate_series(1, 2000) as number;
set local session_replication_role = origin;
analyze app.accounts, app.sessions, app.session_members, app.chat_tool_events, app.todos, app.misalignments, app.hook_decisions;

-- A query of a function with its names that are not of columns as parameters.
create temporary table planned (
    what text,
    function regprocedure,
    parameters text[],
    types text[],
    given text[],
    mode text
);

create function pg_temp.plan_of(p_planned planned)
returns setof text
language plpgsql
as $$
declare
    v_query text;
begin
    select substring(prosrc from 'return query\s+?(.*?);')
    into strict v_query
    from pg_proc
    where oid = p_planned.function;
    for place in 1..cardinality(p_planned.parameters) loop
        v_query := regexp_replace(v_query, '\m' || replace(p_planned.parameters[place], '.', '\.') || '\M', '$' || place, 'g');
    end loop;

    execute format('prepare planned (%s) as %s', array_to_string(p_planned.types, ', '), v_query);
    perform set_config('plan_cache_mode', p_planned.mode, true);
    perform set_config('role', 'app_user', true);
    return query execute format('explain (analyze, verbose, costs off, timing off, summary off) execute planned (%s)', array_to_string(p_planned.given, ', ', 'null'));
    perform set_config('role', 'none', true);
    deallocate planned;
end;
$$;

insert into planned (what, function, parameters, types, given, mode)
select
    format('%s, %s, %s', list.what, page.what, replace(mode, 'force_', '')) as what,
    list.function,
    list.parameters || '{v_account,v_edge.forward,v_edge.edge_at,v_edge.edge_id}' as parameters,
    list.types || '{uuid,boolean,timestamptz,text}' as types,
    list.given || array['''00000000-0000-4000-8000-00000000000a''', page.forward, page.edge_at, ''''''] as given,
    mode
from (
    values
    (
        'tool events',
        'api.list_tool_events(text,text,text,text,boolean,integer,uuid)'::regprocedure,
        '{list_tool_events.session_id,list_tool_events.thread_id,list_tool_events.page_size}'::text[],
        '{text,text,integer}'::text[],
        array['''planned-7''', null, '50']
    ),
    (
        'todos of a session',
        'api.list_todos(text,boolean,text,text,boolean,integer,uuid)',
        '{list_todos.session_id,list_todos.completed,list_todos.page_size}',
        '{text,boolean,integer}',
        array['''planned-7''', null, '50']
    ),
    (
        'todos of an account',
        'api.list_todos(text,boolean,text,text,boolean,integer,uuid)',
        '{list_todos.session_id,list_todos.completed,list_todos.page_size}',
        '{text,boolean,integer}',
        array[null, null, '50']
    ),
    (
        'misalignments',
        'api.list_misalignments(text,text,text,text,boolean,integer,uuid)',
        '{list_misalignments.session_id,list_misalignments.status,list_misalignments.page_size}',
        '{text,text,integer}',
        array['''planned-7''', null, '50']
    ),
    (
        'hook decisions',
        'api.list_hook_decisions(text,text,text,boolean,integer,uuid)',
        '{list_hook_decisions.session_id,list_hook_decisions.page_size}',
        '{text,integer}',
        array['''planned-7''', '50']
    )
) as list (what, function, parameters, types, given)
cross join (
    values
    ('the first', 'true', '''-infinity'''),
    ('after a row', 'true', 'now() + interval ''1000 seconds'''),
    ('the newest', 'false', '''infinity'''),
    ('before a row', 'false', 'now() + interval ''1000 seconds''')
) as page (what, forward, edge_at)
cross join unnest('{force_custom_plan,force_generic_plan}'::text[]) as mode
-- The others are never planned for any values: see below.
where mode = 'force_custom_plan' or list.what = 'hook decisions';

select set_config('request.jwt.claims', tests.claims_of('owner'), true);
create temporary table line as
select
    planned.what,
    plan.place,
    plan.line
from planned
cross join lateral pg_temp.plan_of(planned) with ordinality as plan (line, place);

select
    is(
        (
            select string_agg(substring(line from 'Index Scan (?:Backward )?using (\w+) on app.\w+ .*\(actual rows=50(?:\.00)? '), ', ')
            from line
            where
                line.what = planned.what
                and line ~ 'Scan.* on app\.(chat_tool_events|todos|misalignments|hook_decisions) .*\(actual'
        ),
        case substring(planned.what from '\w+')
            when 'tool' then 'chat_tool_events_session_idx'
            when 'todos' then 'todos_session_idx'
            when 'misalignments' then 'misalignments_session_idx'
            when 'hook' then 'hook_decisions_session_idx'
        end,
        planned.what || ': as many rows as are shown are read, from an index'
    )
from planned
order by planned.what;
select
    ok(
        bool_or(line ~ '^ +Index Cond: \(\(\w+\.account_id = .* AND \(\w+\.session_id (= |IS NULL).* AND \(ROW\(\w+\.(started|created)_at, \w+\.id\) [<>] ROW\(')
        and not bool_or(line ~ 'Rows Removed by'),
        what || ': where it finds account, session and place, and nothing is read to be left out'
    )
from line
group by what
order by what;
select set_eq(
    $$ select oid::regprocedure::text from pg_proc where 'plan_cache_mode=force_custom_plan' = any(proconfig) and pronamespace = 'api'::regnamespace $$,
    array[
        'api.list_misalignments(text,text,text,text,boolean,integer,uuid)',
        'api.list_todos(text,boolean,text,text,boolean,integer,uuid)',
        'api.list_tool_events(text,text,text,text,boolean,integer,uuid)'
    ],
    'the lists in which something may be left out are planned for each call'
);

select finish();
rollback;
