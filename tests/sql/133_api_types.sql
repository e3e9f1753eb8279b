-- What schema api is made of: types that are rows of tables, and functions that any language can call in one way.
begin;
select plan(37);

-- What a type begins with before the columns of its table.
create temporary table mirror (type regtype, target regclass, first text[]);
insert into mirror (type, target, first)
values
('api.session', 'app.sessions', '{txid bigint}'),
('api.session_member', 'app.session_members', '{txid bigint}'),
('api.session_log', 'app.session_logs', '{txid bigint}'),
('api.thread', 'app.chat_threads', '{txid bigint}'),
('api.message', 'app.chat_messages', '{txid bigint}'),
('api.tool_event', 'app.chat_tool_events', '{txid bigint}'),
('api.repo_binding', 'app.session_repo_bindings', '{txid bigint}'),
('api.todo', 'app.todos', '{txid bigint}'),
('api.ui_settings', 'app.ui_settings', '{txid bigint}'),
('api.misalignment', 'app.misalignments', '{txid bigint}'),
('api.hook_decision', 'app.hook_decisions', '{txid bigint}'),
('api.upload', 'app.session_uploads', '{txid bigint}'),
('api.upload_retention', 'app.upload_retention', '{txid bigint}'),
('api.login_session', 'auth.login_sessions', '{txid bigint}'),
('api.listed_session', 'app.sessions', '{cursor text,role text}'),
('api.listed_thread', 'app.chat_threads', '{cursor text}');
create function pg_temp.columns_of(p_class oid)
returns text[]
language sql
as $$
    select array_agg(attname || ' ' || format_type(atttypid, atttypmod) order by attnum)
    from pg_attribute
    where attrelid = p_class
        and attnum > 0
        and not attisdropped
$$;
select set_eq(
    $$ select type::text from mirror $$,
    $$
        select reltype::regtype::text
        from pg_class
        where relnamespace = 'api'::regnamespace
            and relkind = 'c'
            and (relname like 'listed_%' or (pg_temp.columns_of(oid))[1] = 'txid bigint')
            -- A chunk is given back without its bytes, and what was freed is sums.
            and relname not in ('upload_chunk', 'freed_upload_room')
    $$,
    'these are the types of what is written, and of lists'
);
select
    is(
        pg_temp.columns_of(type::text::regclass),
        first || pg_temp.columns_of(target),
        format('%s is %s and the columns of %s, in order', type, array_to_string(first, ', '), target)
    )
from mirror
order by type::text;

create temporary view our_functions as
select
    oid,
    oid::regprocedure::text as signature,
    proname as name,
    proowner,
    prosecdef,
    prosrc,
    provolatile,
    proretset,
    prorettype,
    proacl,
    provariadic,
    proargmodes,
    pronargs,
    coalesce(proargnames, '{}') as names,
    array(
        select format('%s %s default %s', argument.name, argument.type::regtype, coalesce(pg_get_function_arg_default(pg_proc.oid, argument.place::integer), 'none'))
        from unnest(proargnames, proargtypes::oid[]) with ordinality as argument (name, type, place)
        order by argument.place
    ) as arguments
from pg_proc
where pronamespace = 'api'::regnamespace;

select isnt_empty('select signature from our_functions', 'control: there are functions');
select is_empty(
    $$ select name from our_functions group by name having count(*) > 1 $$,
    'no function is overloaded: arguments are named, and a call names one function'
);
select is_empty(
    $$ select signature from our_functions where name !~ '^(activate|add|append|archive|begin|bind|clear|delete|expire|find|finish|get|list|move|open|progress|put|read|recognize|record|remove|rename|replace|report|revoke|save|set|share|start|store|unbind|unshare|update)_[a-z_]+$' $$,
    'a name is a verb and what it is about'
);
select is_empty(
    $$ select signature from our_functions where prosecdef $$,
    'all run as who calls them, under row level security'
);
select is_empty(
    $$ select signature from our_functions where proargmodes is not null or provariadic <> 0 or cardinality(names) <> pronargs $$,
    'all arguments go in, and each has a name'
);
select is_empty(
    $$ select signature, argument.name from our_functions cross join unnest(names) as argument (name) where argument.name !~ '^[a-z][a-z_]+$' and argument.name !~ '^([a-z]+_)?sha256s?$' or argument.name ~ '^[pv]_' $$,
    'which is one for people'
);
select set_eq(
    $$ select signature from our_functions where not names @> '{account_id}' $$,
    '{"api.list_login_sessions()","api.list_sessions(text,integer)","api.recognize_log(text[])","api.revoke_login_session(uuid)","api.revoke_login_sessions()"}'::text[],
    'all are told whose rows are meant, but the list of the sessions of any account that one may see, what looks at no row, and login sessions, which are one''s own'
);
select is_empty(
    $$ select signature from our_functions where names @> '{account_id}' and arguments[pronargs] <> 'account_id uuid default NULL::uuid' $$,
    'that is the last argument, and one''s own if it is left out'
);
select is_empty(
    $$
        select signature, argument.said
        from our_functions
        cross join unnest(arguments) as argument (said)
        where (argument.said ~ '^expected_row_version ' and argument.said <> 'expected_row_version bigint default NULL::bigint')
            -- A page of chunks is of bytes, up to 4 MiB each.
            or (argument.said ~ '^page_size ' and argument.said <> 'page_size integer default 100' and our_functions.name <> 'read_upload')
            or (argument.said ~ '^newest ' and argument.said <> 'newest boolean default false')
            or (argument.said ~ '^(after|after_id|before_id) ' and argument.said !~ ' text default NULL::text$')
    $$,
    'what several have is the same in each'
);
select is_empty(
    $$
        select signature
        from our_functions
        where provolatile = 'v'
            and names && '{thread_id,message_id,todo_id,tool_event_id,misalignment_id,upload_id}'
            and name ~ '^(activate|archive|delete|finish|move|progress|remove|rename|update)_'
            and not names @> '{expected_row_version}'
    $$,
    'all that change or remove a row can be told which version of it'
);
select is_empty(
    $$ select signature from our_functions where names @> '{page_size}' and not names && '{after,after_id,after_index,from_chunk}' $$,
    'what comes in pages has a next page'
);

-- Who reads and who writes.
create temporary view returned as
select
    our_functions.signature,
    our_functions.provolatile,
    our_functions.proretset,
    our_functions.prosrc,
    our_functions.prorettype::regtype::text as type,
    pg_type.typnamespace::regnamespace::text as schema,
    coalesce((pg_temp.columns_of(pg_type.typrelid))[1] = 'txid bigint', false) as has_txid
from our_functions
inner join pg_type on our_functions.prorettype = pg_type.oid;
select is_empty(
    $$ select signature, type from returned where provolatile = 'v' and not (schema = 'api' and has_txid) $$,
    'a volatile function gives the transaction and the row'
);
select is_empty(
    $$ select signature, type from returned where provolatile = 's' and has_txid $$,
    'a stable one gives no transaction'
);
select is_empty(
    $$ select signature from returned where provolatile not in ('s', 'v') $$,
    'there is no third kind'
);
-- Postgres refuses insert, update and delete in a function that is stable, but not a call of one that is volatile.
create temporary view volatile_call as
select
    returned.signature,
    returned.provolatile,
    called.oid::regprocedure as called
from returned
inner join pg_proc as called
    on returned.prosrc ~ format('\m%s\.%s\(', called.pronamespace::regnamespace, called.proname)
where
    called.provolatile = 'v'
    and called.pronamespace in ('app'::regnamespace, 'api'::regnamespace)
    and called.oid not in ('app.clock()'::regprocedure);
select is_empty(
    $$ select signature, called from volatile_call where provolatile = 's' $$,
    'a stable function calls no volatile one'
);
select is_empty(
    $$
        select signature
        from returned
        where provolatile = 'v'
            and prosrc !~ '\m(insert into|update|delete from) '
            and signature not in (select volatile_call.signature from volatile_call)
    $$,
    'a volatile function writes, or calls one that does'
);

select is_empty(
    $$
        select signature
        from our_functions
        where obj_description(oid, 'pg_proc') is null
    $$,
    'each says what it does'
);
select is_empty(
    $$
        select our_functions.signature, grant_to.name
        from our_functions
        cross join lateral (
            select coalesce(string_agg(grantee::regrole::text, ', '), 'nobody') as name
            from aclexplode(coalesce(proacl, acldefault('f', proowner)))
            where grantee <> proowner
        ) as grant_to
        where grant_to.name <> 'app_user'
    $$,
    'app_user may execute each, and nobody else'
);
select is_empty(
    $$ select signature from our_functions where proowner <> 'sessionbase_owner'::regrole $$,
    'their owner is that of the tables'
);

-- A call by names, as PostgREST makes it, of json as it comes.
select tests.cast_personas();
select is(
    tests.told('owner', 'api.append_message(content => ''hello'', role => ''user'', session_id => ''session-default'', account_id => null)'),
    '1 row',
    'arguments can come in any order, and whose rows are meant can be said to be one''s own'
);

select finish();
rollback;
