-- Account data and roles that ask for no account: electric_read sees every row of what is synced and nothing else, and writes
-- nothing; the others see nothing at all, and force row level security binds the owner too.
begin;
select plan(12);

select tests.cast_personas();

create temporary view our_tables as
select
    oid::regclass as target,
    relkind = 'r' as is_table
from pg_class
where
    relnamespace = 'app'::regnamespace
    and relkind in ('r', 'v');

select is_empty(
    $$ select target from our_tables where is_table and tests.rows_of(target) = '[]' $$,
    'control: every table has rows'
);

-- What a role is told of a table: refused, or of how many rows it sees all, some or none.
create function pg_temp.sight(p_role name, p_target regclass)
returns text
language plpgsql
as $$
declare
    v_there bigint;
    v_seen bigint;
begin
    execute 'select count(*) from ' || p_target into v_there;
    perform set_config('role', p_role, true);
    execute 'select count(*) from ' || p_target into v_seen;
    perform set_config('role', 'none', true);
    return case v_seen when 0 then 'none' when v_there then 'all' else 'some' end;
exception
    when insufficient_privilege then
        return 'refused';
end;
$$;

select set_eq(
    $$ select target::text from our_tables where pg_temp.sight('electric_read', target) = 'all' $$,
    '{app.sessions,app.session_members,app.chat_threads,app.chat_messages,app.chat_tool_events,app.session_events,app.session_uploads,app.session_repo_bindings,app.todos,app.misalignments,app.hook_decisions}'::text[],
    'electric_read sees every row of every account in eleven tables'
);
select set_eq(
    $$ select target::text from our_tables where pg_temp.sight('electric_read', target) = 'refused' $$,
    '{app.accounts,app.memberships,app.maintenance,app.session_logs,app.upload_chunks,app.upload_contents,app.upload_content_chunks,app.upload_retention,app.ui_settings}'::text[],
    'and is refused all others'
);
select set_eq(
    $$ select target::text from our_tables where pg_temp.sight('authorizer', target) <> 'refused' $$,
    '{app.accounts,app.session_members,app.memberships,app.maintenance}'::text[],
    'authorizer sees accounts and members, and whether writing is stopped'
);
select set_eq(
    $$ select target::text from our_tables where pg_temp.sight('bookkeeper', target) <> 'refused' $$,
    '{app.sessions,app.chat_threads,app.chat_messages}'::text[],
    'bookkeeper sees what it counts, and where it writes the count'
);
select set_eq(
    $$ select target::text from our_tables where pg_temp.sight('import_definer', target) <> 'refused' $$,
    '{app.accounts,app.sessions,app.chat_threads,app.chat_messages,app.chat_tool_events}'::text[],
    'import_definer sees what it brings in'
);
select set_eq(
    $$ select target::text from our_tables where pg_temp.sight('reviewer', target) <> 'refused' $$,
    '{app.maintenance}'::text[],
    'reviewer sees whether writing is stopped, which is nobody''s data'
);
select is_empty(
    $$
        select role.name, target
        from our_tables
        cross join unnest('{app_server,electric_repl,importer}'::name[]) as role (name)
        where pg_temp.sight(role.name, target) <> 'refused'
    $$,
    'app_server by itself, electric_repl and importer are refused every table'
);
select is_empty(
    $$
        select role.name, target, statement.command
        from our_tables
        cross join unnest('{app_server,electric_read,electric_repl,authorizer,importer,reviewer}'::name[]) as role (name)
        cross join unnest('{"insert into %s default values","delete from %s","truncate %s","lock table %s in row exclusive mode"}'::text[]) as statement (command)
        where is_table
            -- Only an operator, who acts as authorizer, makes accounts.
            and not (role.name = 'authorizer' and target = 'app.accounts'::regclass and statement.command ~ '^insert')
            and tests.outcome(role.name, '{"sub": "00000000-0000-4000-8000-00000000000a"}', target, format(statement.command, target)) <> '42501 missing privilege'
    $$,
    'none of them writes any, whatever account it claims'
);
select is_empty(
    $$
        select target, pg_temp.sight('sessionbase_owner', target)
        from our_tables
        where is_table
            and pg_temp.sight('sessionbase_owner', target) <> 'none'
    $$,
    'sessionbase_owner sees no row of any table'
);
select is_empty(
    $$
        select target, tests.outcome('sessionbase_owner', '{"sub": "00000000-0000-4000-8000-00000000000a"}', target, 'delete from ' || target)
        from our_tables
        where is_table
            and tests.outcome('sessionbase_owner', '{"sub": "00000000-0000-4000-8000-00000000000a"}', target, 'delete from ' || target) <> 'nowhere'
    $$,
    'and removes none, though it claims an account'
);
select is(
    tests.outcome('sessionbase_owner', '{"sub": "00000000-0000-4000-8000-00000000000a"}', 'app.ui_settings', 'insert into app.ui_settings (account_id, profile_id) values (''00000000-0000-4000-8000-00000000000a'', ''new'')'),
    '42501 row-level security',
    'and inserts none'
);

select finish();
rollback;
