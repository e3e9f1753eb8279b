-- Each policy: whom it is for, what command it allows, and under what condition.
begin;
select plan(112);

create temporary table wanted (
    place bigint generated always as identity,
    schema name,
    relation name,
    policy name,
    role name,
    command text,
    condition text,
    on_write text
);
insert into wanted (schema, relation, policy, role, command, condition, on_write)
values
('app', 'accounts', 'The import finds any account', 'import_definer', 'SELECT', 'true', null),
('app', 'sessions', 'The import finds any session', 'import_definer', 'SELECT', 'true', null),
('app', 'sessions', 'The import makes sessions', 'import_definer', 'INSERT', null, 'true'),
('app', 'sessions', 'The import widens the times of a session', 'import_definer', 'UPDATE', 'true', 'true'),
('app', 'chat_threads', 'The import finds any thread', 'import_definer', 'SELECT', 'true', null),
('app', 'chat_threads', 'The import brings threads in', 'import_definer', 'INSERT', null, 'true'),
('app', 'chat_threads', 'The import derives counts and fills in threads it made', 'import_definer', 'UPDATE', 'true', 'true'),
('app', 'chat_messages', 'The import counts the messages of any thread', 'import_definer', 'SELECT', 'true', null),
('app', 'chat_messages', 'The import brings messages in', 'import_definer', 'INSERT', null, 'true'),
('app', 'chat_messages', 'The import replaces a message where it is told to', 'import_definer', 'UPDATE', 'true', 'true'),
('app', 'chat_tool_events', 'The import finds any tool event', 'import_definer', 'SELECT', 'true', null),
('app', 'chat_tool_events', 'The import brings tool events in', 'import_definer', 'INSERT', null, 'true'),
('app', 'chat_tool_events', 'The import replaces a tool event where it is told to', 'import_definer', 'UPDATE', 'true', 'true'),
('legacy', 'import_runs', 'The import finds any run', 'import_definer', 'SELECT', 'true', null),
('legacy', 'import_runs', 'The import begins runs', 'import_definer', 'INSERT', null, 'true'),
('legacy', 'import_runs', 'The import ends runs', 'import_definer', 'UPDATE', 'true', 'true'),
('legacy', 'import_runs', 'A reviewer reads every run', 'reviewer', 'SELECT', 'true', null),
('legacy', 'import_files', 'The import finds any file', 'import_definer', 'SELECT', 'true', null),
('legacy', 'import_files', 'The import registers files', 'import_definer', 'INSERT', null, 'true'),
('legacy', 'import_files', 'The import writes the sums of a file', 'import_definer', 'UPDATE', 'true', 'true'),
('legacy', 'import_files', 'A reviewer reads every file', 'reviewer', 'SELECT', 'true', null),
('legacy', 'import_batches', 'The import finds any batch', 'import_definer', 'SELECT', 'true', null),
('legacy', 'import_batches', 'The import books batches', 'import_definer', 'INSERT', null, 'true'),
('legacy', 'import_batches', 'The import notes what became of a batch', 'import_definer', 'UPDATE', 'true', 'true'),
('legacy', 'import_batches', 'The import strikes out a batch that never came in', 'import_definer', 'DELETE', 'true', null),
('legacy', 'kept_records', 'The import finds any kept record', 'import_definer', 'SELECT', 'true', null),
('legacy', 'kept_records', 'The import keeps records', 'import_definer', 'INSERT', null, 'true'),
('legacy', 'kept_records', 'The import adds mends to a kept record', 'import_definer', 'UPDATE', 'true', 'true'),
('legacy', 'thread_claims', 'The import finds any claim', 'import_definer', 'SELECT', 'true', null),
('legacy', 'thread_claims', 'The import notes claims', 'import_definer', 'INSERT', null, 'true'),
('legacy', 'thread_claims', 'The import strikes out claims that are settled', 'import_definer', 'DELETE', 'true', null),
('legacy', 'made_threads', 'The import finds any made thread', 'import_definer', 'SELECT', 'true', null),
('legacy', 'made_threads', 'The import writes down the threads it makes', 'import_definer', 'INSERT', null, 'true'),
('legacy', 'made_threads', 'The import strikes out a thread whose record came in', 'import_definer', 'DELETE', 'true', null),
('legacy', 'quarantine', 'The import finds any quarantined record', 'import_definer', 'SELECT', 'true', null),
('legacy', 'quarantine', 'The import quarantines records', 'import_definer', 'INSERT', null, 'true'),
('legacy', 'quarantine', 'The import notes that it met a record again', 'import_definer', 'UPDATE', 'true', 'true');

create function pg_temp.conditions_of(p_table regclass, p_policy name)
returns text
language sql
as $$
    select (pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))::text
    from pg_policy
    where polrelid = p_table
        and polname = p_policy
$$;

select policy_roles_are(schema, relation, policy, array[role])
from wanted
order by place;

select policy_cmd_is(schema, relation, policy, command)
from wanted
order by place;

select
    is(
        pg_temp.conditions_of(format('%I.%I', schema, relation)::regclass, policy),
        (condition, on_write)::text,
        format('%s.%s: "%s" reads where %s and writes where %s', schema, relation, policy, condition, on_write)
    )
from wanted
order by place;

select set_eq(
    'select policy::text from wanted',
    'select polname::text from pg_policy',
    'these are all the policies there are'
);

select finish();
rollback;
