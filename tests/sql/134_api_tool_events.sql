-- Tool events by functions: who may, what comes back, once and never backwards, pages both ways.
-- Who the personas are is in lib/personas.sql, how they call in lib/reach_calls.sql.
begin;
select plan(207);

select tests.cast_personas();

-- 1. Who may, and what the others are told.
insert into tests.reach_call (what, target, call, to_readers, to_others)
values
(
    'start_tool_event',
    'app.chat_tool_events',
    'api.start_tool_event(%2$L, ''search'', account_id => %1$L)',
    '42501 row-level security',
    'SB404 there is no session "%2$s" that you may see'
),
(
    'start_tool_event in a thread',
    'app.chat_tool_events',
    'api.start_tool_event(%2$L, ''search'', thread_id => ''thread-'' || %2$L, account_id => %1$L)',
    '42501 you may read thread "thread-%2$s", and not change it',
    'SB404 there is no session "%2$s" that you may see'
),
(
    'progress_tool_event',
    'app.chat_tool_events',
    'api.progress_tool_event(''tool-'' || %2$L, account_id => %1$L)',
    '42501 you may read tool event "tool-%2$s", and not change it',
    'SB404 there is no tool event "tool-%2$s" that you may see'
),
(
    'finish_tool_event',
    'app.chat_tool_events',
    'api.finish_tool_event(''tool-'' || %2$L, ''failed'', account_id => %1$L)',
    '42501 you may read tool event "tool-%2$s", and not change it',
    'SB404 there is no tool event "tool-%2$s" that you may see'
),
('get_tool_event', 'app.chat_tool_events', 'api.get_tool_event(''tool-'' || %2$L, account_id => %1$L)', null, null),
('list_tool_events', 'app.chat_tool_events', 'api.list_tool_events(%2$L, account_id => %1$L)', null, null);
select tests.reach_calls_come_out();

-- 2. What a call returns is the row, as it then is, and the transaction.
create function pg_temp.kept(p_step text)
returns jsonb
language sql
as $$
    select to_jsonb(event)
    from app.chat_tool_events as event
    where account_id::text = tests.answer_of(p_step) ->> 'account_id'
        and id = tests.answer_of(p_step) ->> 'id'
$$;

-- So that what is raised is seen to be.
create function pg_temp.grow_old(p_step text)
returns void
language sql
as $$
    update app.chat_tool_events
    set
        started_at = app.clock() - interval '90 seconds',
        created_at = app.clock() - interval '90 seconds',
        updated_at = app.clock() - interval '60 seconds'
    where id = tests.answer_of(p_step) ->> 'id'
$$;

select tests.call_as(
    'started',
    'owner',
    $$api.start_tool_event('session-default', 'search', '{"query": "x"}', 'thread-session-default', 'call-1', 'pending', '[{"eventIndex": 0}]')$$
);
select is(
    tests.answer_of('started') - '{txid,id,started_at,created_at,updated_at}'::text[],
    '{
        "account_id": "00000000-0000-4000-8000-00000000000a", "session_id": "session-default", "thread_id": "thread-session-default",
        "tool_call_id": "call-1", "tool_name": "search", "status": "pending", "arguments": {"query": "x"}, "result": null, "error": null,
        "completed_at": null, "latency_ms": null, "context_events": [{"eventIndex": 0}], "row_version": 1, "extra": {},
        "author_account_id": "00000000-0000-4000-8000-00000000000a"
    }'::jsonb,
    'start_tool_event: what is given is kept, and nothing else'
);
select matches(tests.answer_of('started') ->> 'id', '^tool_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', 'start_tool_event makes the id');
select ok(
    tests.answer_of('started') ->> 'started_at' = tests.answer_of('started') ->> 'created_at'
    and tests.answer_of('started') ->> 'started_at' = tests.answer_of('started') ->> 'updated_at'
    and (tests.answer_of('started') ->> 'started_at')::timestamptz between date_trunc('milliseconds', now()) and clock_timestamp()
    and (tests.answer_of('started') ->> 'started_at')::timestamptz = date_trunc('milliseconds', (tests.answer_of('started') ->> 'started_at')::timestamptz),
    'start_tool_event: it starts now, in whole milliseconds'
);
select pg_temp.grow_old('started');

select tests.call_as('progressed', 'owner', format('api.progress_tool_event(%L, ''{"found": 1}'', ''[]'')', tests.answer_of('started') ->> 'id'));
select is(
    tests.answer_of('progressed') - '{txid,id,started_at,created_at,updated_at,row_version}'::text[],
    tests.answer_of('started') - '{txid,id,started_at,created_at,updated_at,row_version}'::text[]
    || '{"status": "executing", "result": {"found": 1}, "context_events": []}',
    'progress_tool_event: it is executing, with what came back so far'
);
select tests.call_as('progressed again', 'owner', format('api.progress_tool_event(%L)', tests.answer_of('started') ->> 'id'));
select is(
    tests.answer_of('progressed again') - '{txid,updated_at,row_version}'::text[],
    tests.answer_of('progressed') - '{txid,updated_at,row_version}'::text[],
    'progress_tool_event: what is left out stays as it is'
);

select pg_temp.grow_old('started');
select tests.call_as(
    'finished',
    'owner',
    format('api.finish_tool_event(%L, ''failed'', ''{"found": 2}'', ''gave up'', ''[{"eventIndex": 1}]'')', tests.answer_of('started') ->> 'id')
);
select is(
    tests.answer_of('finished') - '{txid,started_at,created_at,updated_at,completed_at,latency_ms,row_version}'::text[],
    tests.answer_of('progressed again') - '{txid,started_at,created_at,updated_at,completed_at,latency_ms,row_version}'::text[]
    || '{"status": "failed", "result": {"found": 2}, "error": "gave up", "context_events": [{"eventIndex": 1}]}',
    'finish_tool_event: how it ended is kept'
);
select ok(
    tests.answer_of('finished') ->> 'completed_at' = tests.answer_of('finished') ->> 'updated_at'
    and (tests.answer_of('finished') ->> 'completed_at')::timestamptz between date_trunc('milliseconds', now()) and clock_timestamp()
    and (tests.answer_of('finished') ->> 'completed_at')::timestamptz = date_trunc('milliseconds', (tests.answer_of('finished') ->> 'completed_at')::timestamptz),
    'finish_tool_event: it is completed now, in whole milliseconds'
);
select is(
    (tests.answer_of('finished') ->> 'latency_ms')::numeric,
    extract(epoch from (tests.answer_of('finished') ->> 'completed_at')::timestamptz - (tests.answer_of('finished') ->> 'started_at')::timestamptz) * 1000,
    'finish_tool_event: latency_ms is completed_at minus started_at'
);
select cmp_ok((tests.answer_of('finished') ->> 'latency_ms')::bigint, '>=', 90000::bigint, 'finish_tool_event: which it was long enough to tell from nothing');

select tests.call_as('begun executing', 'owner', $$api.start_tool_event('session-default', 'search', status => 'executing')$$);
select is(
    tests.answer_of('begun executing') - '{txid,id,started_at,created_at,updated_at}'::text[],
    '{
        "account_id": "00000000-0000-4000-8000-00000000000a", "session_id": "session-default", "thread_id": null, "tool_call_id": null,
        "tool_name": "search", "status": "executing", "arguments": null, "result": null, "error": null, "completed_at": null, "latency_ms": null,
        "context_events": null, "row_version": 1, "extra": {}, "author_account_id": "00000000-0000-4000-8000-00000000000a"
    }'::jsonb,
    'start_tool_event: one may begin as executing, and what is left out is null'
);
select tests.call_as('kept result', 'owner', format('api.progress_tool_event(%L, ''[7]'', ''[]'')', tests.answer_of('begun executing') ->> 'id'));
select tests.call_as('finished without', 'owner', format('api.finish_tool_event(%L, ''succeeded'')', tests.answer_of('begun executing') ->> 'id'));
select is(
    tests.answer_of('finished without') - '{txid,started_at,created_at,updated_at,completed_at,latency_ms,row_version}'::text[],
    tests.answer_of('kept result') - '{txid,started_at,created_at,updated_at,completed_at,latency_ms,row_version}'::text[] || '{"status": "succeeded"}',
    'finish_tool_event: what is left out stays as it is'
);

select tests.call_as(
    'by an editor',
    'editor',
    $$api.start_tool_event('session-default', 'search', account_id => '00000000-0000-4000-8000-00000000000a')$$
);
select is(
    array[tests.answer_of('by an editor') ->> 'account_id', tests.answer_of('by an editor') ->> 'author_account_id'],
    '{00000000-0000-4000-8000-00000000000a,00000000-0000-4000-8000-00000000000d}'::text[],
    'what an editor starts is the owner''s, and says who started it'
);
select tests.call_as('in a new session', 'owner', $$api.start_tool_event('session-new', 'search')$$);
select results_eq(
    $$ select account_id::text from app.sessions where id = 'session-new' $$,
    array['00000000-0000-4000-8000-00000000000a'],
    'the first tool event of a session opens it, to who owns it'
);

select is_empty(
    $$ select step from tests.answer where (fields ->> 'txid')::bigint is distinct from pg_current_xact_id()::xid::text::bigint $$,
    'every write names the transaction that wrote'
);
select results_eq(
    $$ select step, (fields ->> 'row_version')::integer from tests.answer where step ~ 'finished|progressed|started' order by place $$,
    -- To grow old is an update too.
    $$ values ('started', 1), ('progressed', 3), ('progressed again', 4), ('finished', 6), ('finished without', 3) $$,
    'every write raises row_version by one'
);
select is_empty(
    $$ select step from tests.answer where (fields ->> 'updated_at')::timestamptz < date_trunc('milliseconds', now()) $$,
    'every write raises updated_at'
);
select results_eq(
    $$ select fields - 'txid' from tests.answer where step in ('finished', 'finished without', 'by an editor') order by place $$,
    $$ select pg_temp.kept(step) from tests.answer where step in ('finished', 'finished without', 'by an editor') order by place $$,
    'what comes back is what is kept'
);

-- 3. Once, and never backwards: from each status, what each call makes of it.
create function pg_temp.comes_to(p_status text, p_call text)
returns text
language plpgsql
as $$
declare
    v_version bigint;
    v_event jsonb;
    v_refusal text;
begin
    insert into app.chat_tool_events (account_id, id, session_id, tool_name, status, result, error, started_at, completed_at, context_events)
    select
        '00000000-0000-4000-8000-00000000000a',
        'in-question',
        'session-default',
        'search',
        p_status,
        '"before"',
        'before',
        now(),
        case when p_status in ('succeeded', 'failed') then now() end,
        '[]'
    returning row_version into v_version;
    v_refusal := tests.refusal_of('owner', p_call);
    if v_refusal <> 'it was not refused' then
        raise sqlstate 'SB999' using message = v_refusal;
    end if;
    select event
    into v_event
    from tests.rows_as('owner', p_call) as event;
    raise sqlstate 'SB999' using message = (v_event ->> 'status') || case when (v_event ->> 'row_version')::bigint = v_version then ', unchanged' else '' end;
exception
    when sqlstate 'SB999' then
        return split_part(sqlerrm, E'\n', 1);
end;
$$;

create temporary table move (
    call text,
    from_status text,
    outcome text
);
insert into move (call, from_status, outcome)
select
    made.call,
    begun.status,
    (array[made.from_pending, made.from_executing, made.from_succeeded, made.from_failed])[begun.place] as outcome
from (
    values
    ('api.progress_tool_event(''in-question'')', 'executing', 'executing', 'finished', 'finished'),
    ('api.progress_tool_event(''in-question'', ''"before"'')', 'executing', 'executing', 'finished', 'finished'),
    ('api.finish_tool_event(''in-question'', ''succeeded'')', 'succeeded', 'succeeded', 'succeeded, unchanged', 'finished'),
    ('api.finish_tool_event(''in-question'', ''failed'')', 'failed', 'failed', 'finished', 'failed, unchanged'),
    ('api.finish_tool_event(''in-question'', ''succeeded'', ''"before"'', ''before'', ''[]'')', 'succeeded', 'succeeded', 'succeeded, unchanged', 'finished'),
    ('api.finish_tool_event(''in-question'', ''failed'', ''"before"'', ''before'', ''[]'')', 'failed', 'failed', 'finished', 'failed, unchanged'),
    ('api.finish_tool_event(''in-question'', ''succeeded'', ''"after"'')', 'succeeded', 'succeeded', 'finished', 'finished'),
    ('api.finish_tool_event(''in-question'', ''succeeded'', error => ''after'')', 'succeeded', 'succeeded', 'finished', 'finished'),
    ('api.finish_tool_event(''in-question'', ''failed'', context_events => ''[1]'')', 'failed', 'failed', 'finished', 'finished'),
    ('api.finish_tool_event(''in-question'', ''pending'')', 'no end', 'no end', 'no end', 'no end'),
    ('api.finish_tool_event(''in-question'', ''executing'')', 'no end', 'no end', 'no end', 'no end'),
    ('api.finish_tool_event(''in-question'', ''over'')', 'no end', 'no end', 'no end', 'no end'),
    ('api.finish_tool_event(''in-question'', null)', 'no end', 'no end', 'no end', 'no end')
) as made (call, from_pending, from_executing, from_succeeded, from_failed)
cross join unnest('{pending,executing,succeeded,failed}'::text[]) with ordinality as begun (status, place);

select
    is(
        pg_temp.comes_to(from_status, call),
        case outcome
            when 'finished' then 'SB422 tool event "in-question" is finished'
            when 'no end' then '22023 a tool event finishes as succeeded or failed'
            else outcome
        end,
        format('%s: %s', from_status, call)
    )
from move
order by call, array_position('{pending,executing,succeeded,failed}', from_status);

select
    is(
        tests.brief_refusal_of('owner', format('api.start_tool_event(''session-default'', ''search'', status => %L)', status)),
        '22023 a tool event starts as pending or executing',
        'start_tool_event: not as ' || coalesce(status, 'null')
    )
from unnest('{succeeded,failed,over,null}'::text[]) as status;
select is(
    tests.refusal_of('owner', format('api.finish_tool_event(%L, ''succeeded'')', tests.answer_of('finished') ->> 'id')),
    format(E'SB422 tool event "%s" is finished\nIt finishes once, and does not change any more. Read it by api.get_tool_event.', tests.answer_of('finished') ->> 'id'),
    'a second end is refused in words for people'
);

-- An answer that was lost names the transaction that wrote, not the one that asked again. Here that is a subtransaction.
create function pg_temp.finish_in_a_subtransaction()
returns void
language plpgsql
as $$
begin
    perform tests.rows_as('owner', $call$api.finish_tool_event('tool-session-default', 'succeeded', '[]')$call$);
exception
    when division_by_zero then
        null;
end;
$$;
select pg_temp.finish_in_a_subtransaction();
select tests.call_as('finished again', 'owner', $$api.finish_tool_event('tool-session-default', 'succeeded', '[]')$$);
select results_eq(
    $$
        select xmin::text::bigint, pg_current_xact_id()::xid::text::bigint = xmin::text::bigint
        from app.chat_tool_events
        where id = 'tool-session-default'
            and account_id = '00000000-0000-4000-8000-00000000000a'
    $$,
    $$ select (tests.answer_of('finished again') ->> 'txid')::bigint, false $$,
    'the same end again gives the transaction that wrote the first'
);
select is(
    tests.answer_of('finished again') - 'txid',
    pg_temp.kept('finished again'),
    'and the row as it is'
);

-- 4. Times.
insert into app.chat_tool_events (account_id, id, session_id, tool_name, status, started_at, created_at, updated_at)
values
(
    '00000000-0000-4000-8000-00000000000a', 'in the future', 'session-default', 'search', 'executing',
    '2999-01-01 00:00:00.5+00', '2999-01-01 00:00:00.5+00', '2999-01-01 00:00:00.5+00'
),
(
    '00000000-0000-4000-8000-00000000000a', 'between milliseconds', 'session-default', 'search', 'executing',
    date_trunc('milliseconds', now()) - interval '10000.7 milliseconds', now() - interval '1 day', now() - interval '1 day'
),
(
    '00000000-0000-4000-8000-00000000000a', 'long ago', 'session-default', 'search', 'executing',
    '1999-01-01 00:00:00+00', '1999-01-01 00:00:00+00', '1999-01-01 00:00:00+00'
);
select tests.call_as('progressed in the future', 'owner', $$api.progress_tool_event('in the future')$$);
select is(
    (tests.answer_of('progressed in the future') ->> 'updated_at')::timestamptz,
    '2999-01-01 00:00:00.5+00'::timestamptz,
    'progress_tool_event: updated_at never goes back'
);
select tests.call_as('finished in the future', 'owner', $$api.finish_tool_event('in the future', 'succeeded')$$);
select is(
    array[
        tests.answer_of('finished in the future') ->> 'completed_at',
        tests.answer_of('finished in the future') ->> 'updated_at',
        tests.answer_of('finished in the future') ->> 'started_at'
    ],
    array_fill(to_jsonb('2999-01-01 00:00:00.5+00'::timestamptz) #>> '{}', '{3}'),
    'finish_tool_event: nothing ends before it starts, whatever the clock says'
);
select is(tests.answer_of('finished in the future') ->> 'latency_ms', '0', 'and then took no time');
select tests.call_as('finished between milliseconds', 'owner', $$api.finish_tool_event('between milliseconds', 'succeeded')$$);
select is(
    (tests.answer_of('finished between milliseconds') ->> 'latency_ms')::numeric + 0.7,
    extract(
        epoch from (tests.answer_of('finished between milliseconds') ->> 'completed_at')::timestamptz
        - (tests.answer_of('finished between milliseconds') ->> 'started_at')::timestamptz
    ) * 1000,
    'latency_ms is of whole milliseconds: what has begun does not count'
);
select tests.call_as('finished after long', 'owner', $$api.finish_tool_event('long ago', 'succeeded')$$);
select is(
    (tests.answer_of('finished after long') ->> 'latency_ms')::numeric,
    extract(epoch from (tests.answer_of('finished after long') ->> 'completed_at')::timestamptz - '1999-01-01 00:00:00+00'::timestamptz) * 1000,
    'latency_ms of what took decades'
);

-- 5. What is refused besides.
select tests.call_as('in question', 'owner', $$api.start_tool_event('session-default', 'search')$$);
select
    is(
        tests.refusal_of('owner', format(made.call, tests.answer_of('in question') ->> 'id')),
        format(
            E'SB409 tool event "%s" was changed by somebody else meanwhile\nIts row_version is 1, and 2 was expected.\nRead it again, and decide whether your change still holds.',
            tests.answer_of('in question') ->> 'id'
        ),
        'a row_version that it does not have: ' || made.call
    )
from (
    values
    ('api.progress_tool_event(%L, expected_row_version => 2)'),
    ('api.finish_tool_event(%L, ''succeeded'', expected_row_version => 2)')
) as made (call);
select tests.call_as('expected', 'owner', format('api.progress_tool_event(%L, expected_row_version => 1)', tests.answer_of('in question') ->> 'id'));
select tests.call_as('expected to the end', 'owner', format('api.finish_tool_event(%L, ''failed'', expected_row_version => 2)', tests.answer_of('in question') ->> 'id'));
select is(
    array[tests.answer_of('expected') ->> 'row_version', tests.answer_of('expected to the end') ->> 'row_version'],
    '{2,3}'::text[],
    'the row_version that it has is taken'
);
select is(
    tests.brief_refusal_of('owner', format('api.finish_tool_event(%L, ''failed'', expected_row_version => 2)', tests.answer_of('in question') ->> 'id')),
    format('SB409 tool event "%s" was changed by somebody else meanwhile', tests.answer_of('in question') ->> 'id'),
    'what is expected comes before what would change nothing'
);
select is(
    tests.refusal_of('owner', $$api.start_tool_event('session-private', 'search', thread_id => 'thread-session-default')$$),
    E'22023 thread "thread-session-default" is of another session\nGive the session of the thread, or leave thread_id out.',
    'start_tool_event: a thread of another session'
);
select is(
    tests.brief_refusal_of('owner', $$api.start_tool_event('session-default', 'search', thread_id => 'thread-x')$$),
    'SB404 there is no thread "thread-x" that you may see',
    'start_tool_event: a thread that is not there'
);
select is(
    tests.brief_refusal_of(
        'editor',
        $$api.start_tool_event('session-default', 'search', thread_id => 'thread-session-private', account_id => '00000000-0000-4000-8000-00000000000a')$$
    ),
    'SB404 there is no thread "thread-session-private" that you may see',
    'start_tool_event: a thread that an editor of the session may not see is not there'
);
select
    is(
        tests.brief_refusal_of('owner', made.call),
        made.refusal,
        made.call
    )
from (
    values
    ('api.start_tool_event(''session-default'', null)', '23502 null value in column "tool_name" of relation "chat_tool_events" violates not-null constraint'),
    ('api.start_tool_event('''', ''search'')', '23514 new row for relation "sessions" violates check constraint "sessions_id_check"'),
    (
        'api.start_tool_event(''session-default'', ''search'', context_events => ''{}'')',
        '23514 new row for relation "chat_tool_events" violates check constraint "chat_tool_events_context_events_check"'
    ),
    (
        'api.progress_tool_event(''tool-session-private'', context_events => ''{}'')',
        '23514 new row for relation "chat_tool_events" violates check constraint "chat_tool_events_context_events_check"'
    )
) as made (call, refusal);

-- 6. Pages, by started_at and id. Two start at the same time, and others of other sessions in between; they were written in no order.
insert into app.sessions (account_id, id)
values ('00000000-0000-4000-8000-00000000000a', 'session-paged');
insert into app.chat_threads (account_id, id, session_id, mode, title, status)
values ('00000000-0000-4000-8000-00000000000a', 'thread-paged', 'session-paged', 'session', 'Session Coach', 'active');
insert into app.chat_tool_events (account_id, id, session_id, thread_id, tool_name, status, started_at)
select
    '00000000-0000-4000-8000-00000000000a' as account_id,
    'p' || number as id,
    'session-paged' as session_id,
    case when number % 2 = 0 then 'thread-paged' end as thread_id,
    'search' as tool_name,
    'pending' as status,
    now() + case when number = 4 then 3 else number end * interval '1 minute' as started_at
from unnest('{5,2,7,1,4,3,6}'::integer[]) as number;
insert into app.chat_tool_events (account_id, id, session_id, tool_name, status, started_at)
select
    place.account_id,
    'p35' as id,
    place.session_id,
    'search' as tool_name,
    'pending' as status,
    now() + interval '3 minutes' as started_at
from tests.place
where place.name in ('a''s default', 'b''s default');
select tests.pages_come_out('api.list_tool_events(''session-paged'', %s)', 'tool event', 'p35');
insert into app.sessions (account_id, id)
values ('00000000-0000-4000-8000-00000000000d', 'session-default');
insert into app.chat_tool_events (account_id, id, session_id, tool_name, status, started_at)
values ('00000000-0000-4000-8000-00000000000d', 'editor''s own', 'session-default', 'search', 'pending', now());
select is(
    tests.brief_refusal_of('editor', $$api.list_tool_events('session-default', after_id => 'editor''s own', account_id => '00000000-0000-4000-8000-00000000000a')$$),
    'SB404 there is no tool event "editor''s own" in this list that a page could begin at',
    'list_tool_events: no page begins at a row of another account''s session of the same id'
);
select is(tests.ids_as('owner', $$api.list_tool_events('session-paged', 'thread-paged')$$), 'p2 p4 p6', 'list_tool_events: of one thread');
select is(
    tests.walk_as('owner', 'api.list_tool_events(''session-paged'', ''thread-paged'', %s)', 2, p_backward => true),
    'p4 p6 | p2',
    'list_tool_events: of one thread, backward'
);
select is(
    tests.ids_as('owner', $$api.list_tool_events('session-paged', 'thread-paged', after_id => 'p3')$$),
    'p4 p6',
    'list_tool_events: of one thread, after one that is not of it'
);
select is(tests.ids_as('owner', $$api.list_tool_events('session-none')$$), 'none', 'list_tool_events: of a session that is not there');
select is_empty($$ select tests.rows_as('owner', 'api.get_tool_event(''tool-none'')') $$, 'get_tool_event: one that is not there');

select finish();
rollback;
