-- app.drop_chat_keys and app.restore_chat_keys: all is as it was, what is in the way of a key is refused, and nobody but the import may.
begin;
select plan(34);

insert into app.accounts (id, name)
values ('00000000-0000-4000-8000-00000000000a', 'first');
insert into app.sessions (account_id, id)
values ('00000000-0000-4000-8000-00000000000a', 'session-1');
insert into app.chat_threads (account_id, id, session_id, mode, title, status)
values ('00000000-0000-4000-8000-00000000000a', 'thread-1', 'session-1', 'session', 'Session Coach', 'active');
insert into app.chat_messages (account_id, id, session_id, thread_id, mode, role, content)
values ('00000000-0000-4000-8000-00000000000a', 'message-1', 'session-1', 'thread-1', 'session', 'user', 'one');
insert into app.chat_tool_events (account_id, id, session_id, thread_id, tool_name, status, started_at)
values ('00000000-0000-4000-8000-00000000000a', 'tool-1', 'session-1', 'thread-1', 'search', 'pending', now());

-- A name and a comment that must be quoted, so that it is seen that they are.
create index "odd ""name""" on app.chat_messages (account_id, updated_at)
where content <> 'it''s';
comment on index app."odd ""name""" is 'Serves: a "test" that''s odd.';
comment on constraint chat_tool_events_pkey on app.chat_tool_events is 'It''s a key.';
comment on constraint chat_messages_thread_fkey on app.chat_messages is 'It''s a foreign key.';

-- All there is to say of the two tables' keys, indexes, checks, triggers and row level security.
create temporary view state as
select
    'constraint' as kind,
    conrelid::regclass || ' ' || conname as name,
    concat_ws(' | ', pg_get_constraintdef(oid), convalidated, condeferrable, conislocal, obj_description(oid, 'pg_constraint')) as definition
from pg_constraint
where conrelid in ('app.chat_messages'::regclass, 'app.chat_tool_events'::regclass)
union all
select
    'index' as kind,
    keys.indexrelid::regclass::text as name,
    concat_ws(
        ' | ', pg_get_indexdef(keys.indexrelid), keys.indisprimary, keys.indisunique, keys.indisvalid, keys.indisready,
        keys.indisclustered, keys.indisreplident, relation.relowner::regrole, relation.reloptions, relation.reltablespace,
        obj_description(keys.indexrelid, 'pg_class')
    ) as definition
from pg_index as keys
inner join pg_class as relation on keys.indexrelid = relation.oid
where keys.indrelid in ('app.chat_messages'::regclass, 'app.chat_tool_events'::regclass)
union all
select
    'trigger' as kind,
    tgrelid::regclass || ' ' || tgfoid::regproc as name,
    concat_ws(' | ', tgtype, tgenabled, count(*)) as definition
from pg_trigger
where tgrelid::regclass::text in ('app.chat_messages', 'app.chat_tool_events', 'app.chat_threads', 'app.sessions')
group by tgrelid, tgfoid, tgtype, tgenabled
union all
select
    'table' as kind,
    oid::regclass::text as name,
    concat_ws(' | ', relrowsecurity, relforcerowsecurity, relreplident, relpersistence, relacl) as definition
from pg_class
where
    relnamespace = 'app'::regnamespace
    and relkind = 'r';

create temporary table state_before as
select
    kind,
    name,
    definition
from state;

select is(
    (
        select count(*) from state_before
        where kind = 'index'
    ),
    8::bigint,
    'control: the two tables have eight indexes, with the one of this test'
);
select is(
    (
        select count(*) from state_before
        where kind = 'constraint' and definition like 'FOREIGN KEY%'
    ),
    3::bigint,
    'control: they have three foreign keys'
);

-- Who may.
create temporary table try (place bigint generated always as identity, role name, statement text);
insert into try (role, statement)
select
    role.name,
    statement
from unnest('{app_user,app_server,importer,electric_repl,electric_read,reviewer}'::name[]) as role (name)
cross join unnest('{select app.drop_chat_keys(),select app.restore_chat_keys()}'::text[]) as statement;

create function pg_temp.outcome(p_role name, p_statement text)
returns text
language plpgsql
as $$
begin
    execute format('set local role %I', p_role);
    execute p_statement;
    reset role;
    return 'done';
exception
    when others then
        return sqlstate;
end;
$$;

select is(pg_temp.outcome(role, statement), '42501', format('%s is refused: %s', role, statement))
from try
order by place;

-- Off.
set local role import_definer;
select lives_ok('select app.drop_chat_keys()', 'the import takes the keys off');
select throws_ok('select definition from ops.dropped_keys', '42501', null, 'it is refused to read what it was told nothing of');
select throws_ok('update ops.dropped_keys set definition = ''select 1''', '42501', null, 'it is refused to write what is run as the owner');
reset role;

select is_empty(
    $$ select name from state where kind = 'index' or definition like 'FOREIGN KEY%' $$,
    'no index, key or foreign key is left'
);
select set_eq(
    $$ select kind, name, definition from state where kind <> 'trigger' $$,
    $$ select kind, name, definition from state_before where kind not in ('trigger', 'index') and definition !~ '^(PRIMARY KEY|FOREIGN KEY)' $$,
    'all else is as it was: checks and row level security'
);
select set_eq(
    'select name from ops.dropped_keys',
    $$
        select split_part(name, ' ', 2)
        from state_before
        where kind = 'constraint'
            and definition ~ '^(PRIMARY KEY|FOREIGN KEY)'
        union
        select 'odd "name"'
        union
        select split_part(name, '.', 2)
        from state_before
        where kind = 'index'
            and name !~ '(_pkey|odd .*)$'
    $$,
    'each is noted'
);
select set_eq(
    $$
        select relation::regclass::text
        from pg_locks
        where mode = 'AccessExclusiveLock'
            and pid = pg_backend_pid()
            and relation in ('app.chat_messages'::regclass, 'app.chat_tool_events'::regclass)
    $$,
    '{app.chat_messages,app.chat_tool_events}'::text[],
    'nobody else sees the tables meanwhile'
);

-- In the way.
create function pg_temp.refusal(p_row text)
returns text
language plpgsql
as $$
declare
    v_constraint text;
begin
    execute p_row;
    perform app.restore_chat_keys();
    return 'not refused';
exception
    when others then
        get stacked diagnostics v_constraint = constraint_name;
        return concat_ws(' ', sqlstate, v_constraint);
end;
$$;

select
    is(
        pg_temp.refusal(statement),
        expected,
        format('%s: %s', expected, behaviour)
    )
from (
    values
    (
        $$ insert into app.chat_messages (account_id, id, session_id, thread_id, mode, role, content) values ('00000000-0000-4000-8000-00000000000a', 'message-2', 'session-1', 'thread-9', 'session', 'user', 'two') $$,
        '23503 chat_messages_thread_fkey',
        'a message in no thread is in the way'
    ),
    (
        $$ insert into app.chat_tool_events (account_id, id, session_id, tool_name, status, started_at) values ('00000000-0000-4000-8000-00000000000a', 'tool-2', 'session-9', 'search', 'pending', now()) $$,
        '23503 chat_tool_events_session_fkey',
        'a tool event in no session is in the way'
    ),
    (
        $$ insert into app.chat_tool_events (account_id, id, session_id, thread_id, tool_name, status, started_at) values ('00000000-0000-4000-8000-00000000000a', 'tool-2', 'session-1', 'thread-9', 'search', 'pending', now()) $$,
        '23503 chat_tool_events_thread_fkey',
        'a tool event in no thread is in the way'
    ),
    (
        $$ insert into app.chat_messages select * from app.chat_messages where account_id = '00000000-0000-4000-8000-00000000000a' $$,
        '23505 chat_messages_pkey',
        'a message that is there twice is in the way'
    ),
    (
        $$ insert into app.chat_tool_events select * from app.chat_tool_events where account_id = '00000000-0000-4000-8000-00000000000a' $$,
        '23505 chat_tool_events_pkey',
        'a tool event that is there twice is in the way'
    ),
    (
        $$ insert into app.chat_messages (account_id, id, session_id, thread_id, mode, role, content, client_message_id) select '00000000-0000-4000-8000-00000000000a', 'message-' || number, 'session-1', 'thread-1', 'session', 'user', 'two', 'client-1' from generate_series(2, 3) as number $$,
        '23505 chat_messages_client_message_idx',
        'two messages of one client message are in the way'
    )
) as attempt (statement, expected, behaviour);
insert into app.chat_messages (account_id, id, session_id, thread_id, mode, role, content)
values ('00000000-0000-4000-8000-00000000000a', 'message-2', 'session-1', 'thread-9', 'session', 'user', 'two');
set local role import_definer;
select throws_ok('select app.restore_chat_keys()', '23503', null, 'so it is for the import, whom row level security binds');
reset role;
select isnt_empty(
    $$ select id from app.chat_messages where thread_id = 'thread-9' $$,
    'control: the row in the way is there'
);
select is_empty(
    'select oid::regclass from pg_class where relrowsecurity <> relforcerowsecurity',
    'row level security is forced all the same'
);
delete from app.chat_messages
where thread_id = 'thread-9';

-- On again.
set local role import_definer;
select lives_ok('select app.restore_chat_keys()', 'the import builds the keys again');
reset role;
select set_eq(
    'select kind, name, definition from state',
    'select kind, name, definition from state_before',
    'indexes, constraints, their comments, triggers and row level security are as they were'
);
select is_empty('select name from ops.dropped_keys', 'nothing is noted any more');
select results_eq(
    $$ select m.id, e.id from app.chat_messages as m cross join app.chat_tool_events as e where '00000000-0000-4000-8000-00000000000a' in (m.account_id, e.account_id) $$,
    $$ values ('message-1', 'tool-1') $$,
    'the rows are there'
);

select finish();
rollback;
