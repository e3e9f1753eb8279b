-- What row level security costs a read: the newest messages come by an index that begins with account_id, who asks is looked up
-- once a query and not once a row, and the sessions that are shared are looked up once and hashed.
begin;
select plan(56);

select tests.cast_personas();
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
cross join generate_series(1, 1000) as number
where place.session_id is not null;
insert into app.session_members (account_id, session_id, member_account_id, role)
select
    '00000000-0000-4000-8000-00000000000b' as account_id,
    'session-private' as session_id,
    gen_random_uuid() as member_account_id,
    'viewer' as role
from generate_series(1, 2000);
analyze app.accounts, app.sessions, app.session_members, app.chat_threads, app.chat_messages;

-- The plan of a statement as app_user, a row a line. Verbose, so that it says what each step calls.
create function pg_temp.plan_of(p_statement text)
returns setof text
language plpgsql
as $$
begin
    perform set_config('role', 'app_user', true);
    return query execute 'explain (verbose, costs off) ' || p_statement;
    perform set_config('role', 'none', true);
end;
$$;

create temporary table newest (
    what text,
    statement text,
    index_name text
);
insert into newest (what, statement, index_name)
values
(
    'the newest messages of a thread',
    'select id, content from app.chat_messages where account_id = ''00000000-0000-4000-8000-00000000000a'' and thread_id = ''thread-session-default'' order by created_at desc, id desc limit 50',
    'chat_messages_thread_idx'
),
(
    'the newest messages of a thread, by session and mode',
    'select id, content from app.chat_messages where account_id = ''00000000-0000-4000-8000-00000000000a'' and session_id = ''session-default'' and mode = ''session'' and thread_id = ''thread-session-default'' order by created_at desc, id desc limit 50',
    'chat_messages_session_idx'
);
select set_config('request.jwt.claims', tests.claims_of('editor'), true);

create temporary table line as
select
    newest.what,
    newest.index_name,
    plan.place,
    plan.line
from newest
cross join lateral pg_temp.plan_of(newest.statement) with ordinality as plan (line, place);

select
    ok(
        bool_or(line ~ format('Index Scan Backward using %s on app.chat_messages', index_name))
        and bool_or(line ~ '^ +Index Cond: \(\(chat_messages.account_id = ''00000000-0000-4000-8000-00000000000a''::uuid\) AND ')
        and not bool_or(line ~ '(Seq Scan on app.chat_messages|^ *(->  )?Sort)'),
        what || ': from the end of an index that begins with account_id, and unsorted'
    )
from line
group by what;
select
    is(
        count(*),
        2::bigint,
        what || ': who asks is looked up in two places, for what is its own and for what is shared'
    )
from line
where line ~ 'current_account_id'
group by what;
select
    is_empty(
        format('select line from line where what = %L and line ~ ''account_id\(\)'' and line !~ ''^ +Output: app.current_account_id\(\)$''', what),
        what || ': and there as what a step gives, not as what a row is compared with'
    )
from newest;
select
    is(
        string_agg(regexp_replace(trim(step.line), ' \(returns \$\d+\)$', ''), ', ' order by step.place),
        'InitPlan 1, InitPlan 2',
        step.what || ': both are InitPlans, run once'
    )
from line as step
inner join line as output
    -- Its step, Result, is between the two.
    on step.what = output.what and step.place = output.place - 2
where output.line ~ 'current_account_id'
group by step.what;
select
    ok(
        bool_or(line ~ '^ +Filter: .*hashed SubPlan'),
        what || ': the shared sessions are hashed'
    )
from line
group by what;
select
    ok(
        bool_or(line ~ 'using session_members_member_idx on app.session_members')
        and bool_or(line ~ '^ +Index Cond: \(member.member_account_id = '),
        what || ': and found by an index, among all memberships'
    )
from line
group by what;

-- The same of every table, and of what is written.
create temporary view our_tables as
select
    oid,
    oid::regclass as target
from pg_class
where
    relnamespace = 'app'::regnamespace
    and relkind in ('r', 'v');
create temporary table access as
select
    target || ', select' as what,
    'select * from ' || target as statement
from our_tables
where has_table_privilege('app_user', oid, 'SELECT')
union all
select
    target || ', delete' as what,
    'delete from ' || target as statement
from our_tables
where has_table_privilege('app_user', oid, 'DELETE')
union all
select
    our_tables.target || ', update' as what,
    format('update %s set %I = %2$I', our_tables.target, min(field.attname::text)) as statement
from our_tables
inner join pg_attribute as field on our_tables.oid = field.attrelid
where
    field.attnum > 0
    and has_column_privilege('app_user', our_tables.oid, field.attnum, 'UPDATE')
group by our_tables.target;

select
    is_empty(
        format('select line from pg_temp.plan_of(%L) as plan (line) where line ~ ''account_id\(\)'' and line !~ ''^ +Output: app.current_account_id\(\)$''', statement),
        what || ': who asks is not looked up row by row'
    )
from access
order by what;

select finish();
rollback;
