-- Who may have which shape, and what it is filled in with: every shape, as every persona, for every session there is.
-- Who the personas are is in lib/personas.sql.
begin;
select plan(230);

-- Has a persona make a call, which must be refused: the SQLSTATE, message, detail and hint, a line each where there is one.
create function pg_temp.refusal_of(p_persona text, p_call text)
returns text
language plpgsql
as $$
declare
    v_detail text;
    v_hint text;
begin
    perform set_config('request.jwt.claims', tests.claims_of(p_persona), true);
    perform set_config('role', 'app_user', true);
    execute 'select ' || p_call;
    raise sqlstate 'SB999';
exception
    when sqlstate 'SB999' then
        return 'it was not refused';
    when others then
        get stacked diagnostics
            v_detail = pg_exception_detail,
            v_hint = pg_exception_hint;
        return concat_ws(E'\n', sqlstate || ' ' || sqlerrm, nullif(v_detail, ''), nullif(v_hint, ''));
end;
$$;

select tests.cast_personas();

-- What is asked for and what comes of it, in words: the parameters, or what refuses it. It is taken back.
create function pg_temp.answer(p_persona text, p_shape text, p_account_id uuid, p_session_id text, p_thread_id text)
returns text
language plpgsql
as $$
declare
    v_params text[];
begin
    perform set_config('request.jwt.claims', tests.claims_of(p_persona), true);
    perform set_config('role', 'app_user', true);
    select params into strict v_params from sync.authorize_shape(p_shape, p_session_id, p_thread_id, p_account_id);
    raise sqlstate 'SB999' using message = array_to_string(v_params, ' ', 'NULL');
exception
    when sqlstate 'SB999' then
        return sqlerrm;
    when others then
        return sqlstate || ' ' || sqlerrm;
end;
$$;

-- 1. Shapes of a session. Whoever may read it, as whatever member, gets its definition; everybody else is told that it is not there.
create temporary table asked (place bigint generated always as identity, shape text, thread text);
insert into asked (shape, thread)
values
('session', null),
('session_members', null),
('session_threads', null),
('session_messages', null),
('thread_messages', 'thread-'),
('session_tool_events', null),
('session_timeline', null),
('session_uploads', null),
('session_todos', null),
('session_repo_binding', null),
('session_misalignments', null),
('session_hook_decisions', null);

select
    is(
        string_agg(
            pg_temp.answer(persona.name, asked.shape, place.account_id, place.session_id, asked.thread || place.session_id),
            '; '
            order by place.name
        ),
        string_agg(
            case
                when reach.persona is null then '28000 nobody may write here without an account'
                when place.name = any(reach.own || reach.as_owner || reach.as_editor || reach.as_viewer)
                    then concat_ws(' ', place.account_id, place.session_id, asked.thread || place.session_id)
                else format('SB404 there is no session "%s" that you may see', place.session_id)
            end,
            '; '
            order by place.name
        ),
        format('%s: %s', asked.shape, persona.name)
    )
from asked
cross join tests.persona as persona
cross join tests.place as place
left join tests.reach as reach
    on persona.name = reach.persona
where place.session_id is not null
group by asked.place, asked.shape, persona.place, persona.name
order by asked.place, persona.place;

-- 2. Shapes of an account: for who asks, and for nobody else.
select
    is(
        concat_ws(
            '; ',
            pg_temp.answer(persona.name, asked.shape, null, null, null),
            pg_temp.answer(persona.name, asked.shape, persona.account_id, null, null)
        ),
        case
            when reach.persona is null then '28000 nobody may write here without an account; 28000 nobody may write here without an account'
            else format('%s; %s', persona.account_id, persona.account_id)
        end,
        format('%s: %s', asked.shape, persona.name)
    )
from (values ('account_sessions'), ('account_memberships')) as asked (shape)
cross join tests.persona as persona
left join tests.reach as reach
    on persona.name = reach.persona
order by asked.shape, persona.place;

select set_eq(
    'select name from sync.shapes',
    $$
        select shape
        from asked

        union all

        values
        ('account_sessions'),
        ('account_memberships')
    $$,
    'those are all the shapes there are'
);

-- 3. What is somebody else's and what is nowhere are refused in the same words, detail and hint too.
select
    is(
        regexp_replace(
            pg_temp.refusal_of('stranger', format('sync.authorize_shape(%L, %L, %L, account_id => %L)', there.shape, there.session_id, there.thread_id, there.account_id)),
            '"[^"]*"',
            '"..."',
            'g'
        ),
        there.refusal,
        there.what
    )
from (
    values
    (
        'a session of another account',
        'session_messages',
        'session-private',
        null,
        '00000000-0000-4000-8000-00000000000a',
        E'SB404 there is no session "..." that you may see\nOf a session that is shared with you, account_id is the account that owns it.'
    ),
    (
        'a session that is nowhere',
        'session_messages',
        'session-nowhere',
        null,
        '00000000-0000-4000-8000-00000000000a',
        E'SB404 there is no session "..." that you may see\nOf a session that is shared with you, account_id is the account that owns it.'
    ),
    (
        'a session of an account that is nowhere',
        'session_messages',
        'session-private',
        null,
        '00000000-0000-4000-8000-0000000000ee',
        E'SB404 there is no session "..." that you may see\nOf a session that is shared with you, account_id is the account that owns it.'
    ),
    (
        'a session of another account that is asked for as one''s own',
        'session_messages',
        'session-private',
        null,
        null,
        E'SB404 there is no session "..." that you may see\nOf a session that is shared with you, account_id is the account that owns it.'
    ),
    (
        'a thread of a session of another account',
        'thread_messages',
        'session-private',
        'thread-session-private',
        '00000000-0000-4000-8000-00000000000a',
        E'SB404 there is no session "..." that you may see\nOf a session that is shared with you, account_id is the account that owns it.'
    ),
    (
        'the sessions of another account',
        'account_sessions',
        null,
        null,
        '00000000-0000-4000-8000-00000000000a',
        E'SB404 shape "..." is of the account that asks only\nLeave account_id out.'
    ),
    (
        'the sessions of an account that is nowhere',
        'account_sessions',
        null,
        null,
        '00000000-0000-4000-8000-0000000000ee',
        E'SB404 shape "..." is of the account that asks only\nLeave account_id out.'
    ),
    (
        'the memberships of another account',
        'account_memberships',
        null,
        null,
        '00000000-0000-4000-8000-00000000000c',
        E'SB404 shape "..." is of the account that asks only\nLeave account_id out.'
    )
) as there (what, shape, session_id, thread_id, account_id, refusal);
select is(
    tests.role_in('stranger', 'a''s private'),
    null,
    'control: the stranger is nothing there'
);
select isnt_empty(
    $$ select id from app.sessions where id = 'session-private' and account_id = '00000000-0000-4000-8000-00000000000a' $$,
    'control: and the session is there'
);

-- A thread is of its session: neither another session of one's own, nor one that is nowhere.
select
    is(
        pg_temp.refusal_of('owner', format('sync.authorize_shape(''thread_messages'', ''session-default'', %L)', thread.id)),
        format(E'SB404 there is no thread "%s" in session "session-default"\napi.list_threads says which there are.', thread.id),
        'a thread ' || thread.what
    )
from (
    values
    ('of another session of one''s own', 'thread-session-private'),
    ('that is nowhere', 'thread-nowhere'),
    ('without a name', '')
) as thread (what, id);

-- 4. What is asked for is what is given: nothing too little, nothing too much.
select
    is(
        pg_temp.refusal_of('owner', format('sync.authorize_shape(%L, %L, %L)', call.shape, call.session_id, call.thread_id)),
        call.refusal,
        call.what
    )
from (
    values
    (
        'a shape of a session without one',
        'session_todos',
        null,
        null,
        E'22023 shape "session_todos" is asked for with session_id, and without thread_id\nselect name, params from sync.shapes says what each shape takes; account_id is who owns the session.'
    ),
    (
        'a shape of a session with a thread: all threads would come',
        'session_messages',
        'session-default',
        'thread-session-default',
        E'22023 shape "session_messages" is asked for with session_id, and without thread_id\nselect name, params from sync.shapes says what each shape takes; account_id is who owns the session.'
    ),
    (
        'a shape of a thread without one',
        'thread_messages',
        'session-default',
        null,
        E'22023 shape "thread_messages" is asked for with session_id and thread_id\nselect name, params from sync.shapes says what each shape takes; account_id is who owns the session.'
    ),
    (
        'a shape of a thread without its session',
        'thread_messages',
        null,
        'thread-session-default',
        E'22023 shape "thread_messages" is asked for with session_id and thread_id\nselect name, params from sync.shapes says what each shape takes; account_id is who owns the session.'
    ),
    (
        'a shape of an account with a session: all sessions would come',
        'account_sessions',
        'session-default',
        null,
        E'22023 shape "account_sessions" is asked for with neither session_id nor thread_id\nselect name, params from sync.shapes says what each shape takes; account_id is who owns the session.'
    ),
    (
        'a shape that is not there',
        'accounts',
        null,
        null,
        E'SB404 there is no shape "accounts"\nselect name, description from sync.shapes says which there are.'
    ),
    (
        'a table for a shape',
        'app.accounts',
        null,
        null,
        E'SB404 there is no shape "app.accounts"\nselect name, description from sync.shapes says which there are.'
    ),
    (
        'a name as it is not written',
        'Session_Todos',
        'session-default',
        null,
        E'SB404 there is no shape "Session_Todos"\nselect name, description from sync.shapes says which there are.'
    ),
    (
        'no name',
        null,
        'session-default',
        null,
        E'SB404 there is no shape "<NULL>"\nselect name, description from sync.shapes says which there are.'
    )
) as call (what, shape, session_id, thread_id, refusal);

-- 5. The rest of the definition is the registry's; parameters are values, whatever they look like.
select results_eq(
    $$
        select shape.name, given.entry - 'params'
        from sync.shapes as shape
        cross join lateral tests.call(
            'owner',
            format(
                'sync.authorize_shape(%L, %L, %L)',
                shape.name,
                case when 'session_id' = any(shape.params) then 'session-default' end,
                case when 'thread_id' = any(shape.params) then 'thread-session-default' end
            )
        ) as given (entry)
        order by shape.name
    $$,
    $$
        select
            name,
            jsonb_build_object('table_schema', table_schema, 'table_name', table_name, 'columns', columns, 'where_clause', where_template)
        from sync.shapes
        order by name
    $$,
    'table, columns and condition are those of the registry'
);
insert into app.sessions (account_id, id)
values ('00000000-0000-4000-8000-00000000000a', $$x' or '1'='1 "%s" $2 {a,b}$$);
select is(
    (select given.entry -> 'params' from tests.call('owner', $$sync.authorize_shape('session_todos', 'x'' or ''1''=''1 "%s" $2 {a,b}')$$) as given (entry)),
    jsonb_build_array('00000000-0000-4000-8000-00000000000a', $$x' or '1'='1 "%s" $2 {a,b}$$),
    'an id is passed on as it is'
);

-- 6. Who is no member any more gets nothing any more.
select is(
    pg_temp.answer('viewer', 'session_todos', '00000000-0000-4000-8000-00000000000a', 'session-default', null),
    '00000000-0000-4000-8000-00000000000a session-default',
    'control: a viewer gets the shape'
);
delete from app.session_members
where
    account_id = '00000000-0000-4000-8000-00000000000a'
    and session_id = 'session-default'
    and member_account_id = '00000000-0000-4000-8000-00000000000c';
select is(
    pg_temp.answer('viewer', 'session_todos', '00000000-0000-4000-8000-00000000000a', 'session-default', null),
    'SB404 there is no session "session-default" that you may see',
    'and once it is a member no more, it does not'
);

-- 7. The registry: everybody who asks may read it, and nobody write it.
set local role app_user;
select isnt_empty('select name, description, params from sync.shapes', 'app_user reads the registry, also without an account');
select throws_ok(statement, '42501', null, 'app_user is refused: ' || statement)
from (
    values
    ('insert into sync.shapes (name, table_schema, table_name, columns, where_template, params, description) values (''all'', ''app'', ''accounts'', ''{id}'', ''id = $1'', ''{account_id}'', ''All.'')'),
    ('update sync.shapes set where_template = ''true'''),
    ('delete from sync.shapes'),
    ('truncate sync.shapes')
) as try (statement);
reset role;
select is(
    (
        select string_agg(role.name, ', ' order by role.name)
        from unnest('{app_user,app_server,authorizer,bookkeeper,importer,import_definer,electric_read,electric_repl,reviewer}'::name[]) as role (name)
        where
            has_function_privilege(role.name, 'sync.authorize_shape(text,text,text,uuid)', 'execute')
            and has_schema_privilege(role.name, 'sync', 'usage')
    ),
    'app_user',
    'app_user may ask for a shape, and no other role by itself'
);
select is_empty(
    $$
        select role.name, privilege.name
        from unnest('{app_user,app_server,authorizer,bookkeeper,importer,import_definer,electric_read,electric_repl,reviewer}'::name[]) as role (name)
        cross join unnest('{insert,update,delete,truncate,references,trigger}'::text[]) as privilege (name)
        where has_table_privilege(role.name, 'sync.shapes', privilege.name)
    $$,
    'no role may write the registry'
);

select finish();
rollback;
