-- Repository bindings, todos and settings by functions: who may, what comes back, what is refused, pages of todos.
-- Who the personas are is in lib/personas.sql, how they call in lib/reach_calls.sql.
begin;
select plan(349);

select tests.cast_personas();

-- 1. Who may, and what the others are told.
insert into tests.reach_call (what, target, of_session, call, to_readers, to_others)
values
(
    'bind_repo',
    'app.session_repo_bindings',
    true,
    'api.bind_repo(%2$L, ''other'', ''/other'', account_id => %1$L)',
    '42501 row-level security',
    'SB404 there is no session "%2$s" that you may see'
),
(
    'bind_repo in the place of one that is known',
    'app.session_repo_bindings',
    true,
    'api.bind_repo(%2$L, ''other'', ''/other'', 1, %1$L)',
    '42501 you may read binding of session "%2$s", and not change it',
    'SB404 there is no binding of session "%2$s" that you may see'
),
(
    'unbind_repo',
    'app.session_repo_bindings',
    true,
    'api.unbind_repo(%2$L, account_id => %1$L)',
    '42501 you may read binding of session "%2$s", and not change it',
    'SB404 there is no binding of session "%2$s" that you may see'
),
('get_repo_binding', 'app.session_repo_bindings', true, 'api.get_repo_binding(%2$L, %1$L)', null, null),
('list_repo_bindings', 'app.session_repo_bindings', true, '(select * from api.list_repo_bindings(%1$L) where session_id = %2$L)', null, null),
(
    'add_todo of a session',
    'app.todos',
    true,
    'api.add_todo(''other'', %2$L, %1$L)',
    '42501 row-level security',
    'SB404 there is no session "%2$s" that you may see'
),
(
    'add_todo of an account',
    'app.todos',
    false,
    'api.add_todo(''other'', account_id => %1$L)',
    null,
    '42501 row-level security'
),
(
    'update_todo of a session',
    'app.todos',
    true,
    'api.update_todo(''todo-'' || %2$L, ''other'', account_id => %1$L)',
    '42501 you may read todo "todo-%2$s", and not change it',
    'SB404 there is no todo "todo-%2$s" that you may see'
),
(
    'update_todo of an account',
    'app.todos',
    false,
    'api.update_todo(''todo'', ''other'', account_id => %1$L)',
    null,
    'SB404 there is no todo "todo" that you may see'
),
(
    'remove_todo of a session',
    'app.todos',
    true,
    'api.remove_todo(''todo-'' || %2$L, account_id => %1$L)',
    '42501 you may read todo "todo-%2$s", and not change it',
    'SB404 there is no todo "todo-%2$s" that you may see'
),
(
    'remove_todo of an account',
    'app.todos',
    false,
    'api.remove_todo(''todo'', account_id => %1$L)',
    null,
    'SB404 there is no todo "todo" that you may see'
),
('list_todos', 'app.todos', null, 'api.list_todos(%2$L, account_id => %1$L)', null, null),
(
    'save_ui_settings',
    'app.ui_settings',
    false,
    'api.save_ui_settings(''profile'', ''{"other": true}'', account_id => %1$L)',
    null,
    '42501 row-level security'
),
(
    'save_ui_settings in the place of those that are known',
    'app.ui_settings',
    false,
    'api.save_ui_settings(''profile'', ''{"other": true}'', 1, %1$L)',
    null,
    'SB404 there is no profile "profile" that you may see'
),
(
    'remove_ui_settings',
    'app.ui_settings',
    false,
    'api.remove_ui_settings(''profile'', account_id => %1$L)',
    null,
    'SB404 there is no profile "profile" that you may see'
),
('get_ui_settings', 'app.ui_settings', false, 'api.get_ui_settings(''profile'', %1$L)', null, null),
('list_ui_settings', 'app.ui_settings', false, 'api.list_ui_settings(%1$L)', null, null);
select tests.reach_calls_come_out();

-- 2. Repository bindings.
select tests.call_as('bound', 'owner', $$api.bind_repo('session-new', 'log', '/repo')$$);
select is(
    tests.answer_of('bound') - '{txid,created_at,updated_at}'::text[],
    '{
        "account_id": "00000000-0000-4000-8000-00000000000a", "session_id": "session-new", "asset_path": "log", "root_dir": "/repo",
        "row_version": 1, "author_account_id": "00000000-0000-4000-8000-00000000000a"
    }'::jsonb,
    'bind_repo: what is given is kept'
);
select is(
    (
        select account_id::text
        from app.sessions
        where id = 'session-new'
    ),
    '00000000-0000-4000-8000-00000000000a',
    'bind_repo opens one''s own session'
);
select ok(
    tests.answer_of('bound') ->> 'created_at' = tests.answer_of('bound') ->> 'updated_at'
    and (tests.answer_of('bound') ->> 'created_at')::timestamptz between date_trunc('milliseconds', now()) and clock_timestamp()
    and (tests.answer_of('bound') ->> 'created_at')::timestamptz = date_trunc('milliseconds', (tests.answer_of('bound') ->> 'created_at')::timestamptz),
    'bind_repo: it is made now, in whole milliseconds'
);

-- So that what is raised is seen to be.
create function pg_temp.grow_old(p_table regclass, p_updated_at timestamptz default '2001-01-01 00:00:00+00')
returns void
language plpgsql
as $$
begin
    execute format('update %s set created_at = $1, updated_at = $2', p_table)
    using '2000-01-01 00:00:00+00'::timestamptz, p_updated_at;
end;
$$;

select pg_temp.grow_old('app.session_repo_bindings');
insert into app.session_members (account_id, session_id, member_account_id, role)
values ('00000000-0000-4000-8000-00000000000a', 'session-new', '00000000-0000-4000-8000-00000000000d', 'editor');
select tests.call_as(
    'bound to another',
    'editor',
    $$api.bind_repo('session-new', 'other log', '/other', account_id => '00000000-0000-4000-8000-00000000000a')$$
);
select is(
    tests.answer_of('bound to another') - '{txid,updated_at}'::text[],
    tests.answer_of('bound') - '{txid,updated_at}'::text[]
    || jsonb_build_object('asset_path', 'other log', 'root_dir', '/other', 'row_version', 3, 'created_at', '2000-01-01 00:00:00+00'::timestamptz),
    'bind_repo: bound to another folder, by an editor; who bound it first, and when, stays'
);
select tests.call_as('bound again', 'owner', $$api.bind_repo('session-new', 'other log', '/other')$$);
select is(
    tests.answer_of('bound again') - '{updated_at}'::text[],
    tests.answer_of('bound to another') - '{updated_at}'::text[] || '{"row_version": 4}',
    'bind_repo: the same again changes only when it was last bound'
);
select pg_temp.grow_old('app.session_repo_bindings');
select tests.call_as('bound as expected', 'owner', $$api.bind_repo('session-new', 'log', '/repo', 5)$$);
select is(
    tests.answer_of('bound as expected') - '{txid,updated_at}'::text[],
    tests.answer_of('bound') - '{txid,updated_at}'::text[] || jsonb_build_object('row_version', 6, 'created_at', '2000-01-01 00:00:00+00'::timestamptz),
    'bind_repo: the row_version that it has is taken'
);
select is_empty(
    $$ select step from tests.answer where step ~ '^bound' and (fields ->> 'updated_at')::timestamptz < date_trunc('milliseconds', now()) $$,
    'bind_repo raises updated_at'
);
select is(
    tests.refusal_of('owner', $$api.bind_repo('session-new', 'log', '/repo', 5)$$),
    E'SB409 binding of session "session-new" was changed by somebody else meanwhile\nIts row_version is 6, and 5 was expected.\nRead it again, and decide whether your change still holds.',
    'bind_repo: a row_version that it does not have'
);
select is(
    tests.refusal_of('owner', $$api.unbind_repo('session-new', 5)$$),
    E'SB409 binding of session "session-new" was changed by somebody else meanwhile\nIts row_version is 6, and 5 was expected.\nRead it again, and decide whether your change still holds.',
    'unbind_repo: a row_version that it does not have'
);
select results_eq(
    $$ select tests.rows_as('owner', 'api.get_repo_binding(''session-new'')') $$,
    $$ select tests.answer_of('bound as expected') - 'txid' $$,
    'get_repo_binding gives what is kept'
);
select is(
    (
        select string_agg(binding ->> 'session_id', ' ')
        from tests.rows_as('owner', 'api.list_repo_bindings()') as binding
    ),
    'session-default session-new session-private session-shown',
    'list_repo_bindings: all of an account''s, in order of session_id'
);
select is(
    (
        select string_agg(binding ->> 'session_id', ' ')
        from tests.rows_as('editor', 'api.list_repo_bindings(''00000000-0000-4000-8000-00000000000a'')') as binding
    ),
    'session-default session-new session-shown',
    'list_repo_bindings: those of another account that are shared'
);

select pg_temp.grow_old('app.session_repo_bindings', '2999-01-01 00:00:00+00');
select tests.call_as('bound in the future', 'owner', $$api.bind_repo('session-new', 'log', '/repo')$$);
select tests.call_as('bound in the future as expected', 'owner', $$api.bind_repo('session-new', 'log', '/repo', 8)$$);
select is_empty(
    $$ select step from tests.answer where step ~ 'in the future' and (fields ->> 'updated_at')::timestamptz is distinct from '2999-01-01 00:00:00+00' $$,
    'bind_repo: updated_at never goes back'
);
select tests.call_as('unbound', 'owner', $$api.unbind_repo('session-new', 9)$$);
select is(tests.answer_of('unbound'), tests.answer_of('bound in the future as expected'), 'unbind_repo gives the binding as it was');
select is_empty($$ select tests.rows_as('owner', 'api.get_repo_binding(''session-new'')') $$, 'and then it is gone');
select
    is(
        tests.brief_refusal_of('owner', made.call),
        'SB404 there is no binding of session "session-new" that you may see',
        'where there is none: ' || made.call
    )
from (
    values
    ('api.unbind_repo(''session-new'')'),
    ('api.unbind_repo(''session-new'', 1)'),
    ('api.bind_repo(''session-new'', ''log'', ''/repo'', 1)')
) as made (call);
select tests.call_as('bound anew', 'owner', $$api.bind_repo('session-new', 'log', '/repo')$$);
select is(tests.answer_of('bound anew') ->> 'row_version', '1', 'bind_repo after unbind_repo makes a new one');

-- 3. Todos.
select tests.call_as('own todo', 'owner', $$api.add_todo('write it down')$$);
select is(
    tests.answer_of('own todo') - '{txid,id,created_at,updated_at}'::text[],
    '{
        "account_id": "00000000-0000-4000-8000-00000000000a", "session_id": null, "body": "write it down", "completed": false,
        "row_version": 1, "author_account_id": "00000000-0000-4000-8000-00000000000a"
    }'::jsonb,
    'add_todo: without a session it is the account''s'
);
select matches(tests.answer_of('own todo') ->> 'id', '^todo_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', 'add_todo makes the id');
select ok(
    tests.answer_of('own todo') ->> 'created_at' = tests.answer_of('own todo') ->> 'updated_at'
    and (tests.answer_of('own todo') ->> 'created_at')::timestamptz between date_trunc('milliseconds', now()) and clock_timestamp()
    and (tests.answer_of('own todo') ->> 'created_at')::timestamptz = date_trunc('milliseconds', (tests.answer_of('own todo') ->> 'created_at')::timestamptz),
    'add_todo: it is written now, in whole milliseconds'
);
select tests.call_as('todo of an editor', 'editor', $$api.add_todo('read it', 'session-default', '00000000-0000-4000-8000-00000000000a')$$);
select is(
    tests.answer_of('todo of an editor') - '{txid,id,created_at,updated_at}'::text[],
    '{
        "account_id": "00000000-0000-4000-8000-00000000000a", "session_id": "session-default", "body": "read it", "completed": false,
        "row_version": 1, "author_account_id": "00000000-0000-4000-8000-00000000000d"
    }'::jsonb,
    'add_todo: what an editor writes is the owner''s, and says who wrote it'
);
select tests.call_as('todo of a new session', 'owner', $$api.add_todo('begin', 'session-of-todos')$$);
select is(
    (
        select account_id::text
        from app.sessions
        where id = 'session-of-todos'
    ),
    '00000000-0000-4000-8000-00000000000a',
    'add_todo opens one''s own session'
);

select pg_temp.grow_old('app.todos');
select tests.call_as('other body', 'owner', format('api.update_todo(%L, ''draw it'')', tests.answer_of('own todo') ->> 'id'));
select tests.call_as('done', 'owner', format('api.update_todo(%L, completed => true)', tests.answer_of('own todo') ->> 'id'));
select tests.call_as('nothing', 'owner', format('api.update_todo(%L)', tests.answer_of('own todo') ->> 'id'));
select tests.call_as('both', 'owner', format('api.update_todo(%L, ''burn it'', false, 5)', tests.answer_of('own todo') ->> 'id'));
select results_eq(
    $$
        select fields - '{txid,created_at,updated_at,id,account_id,session_id,author_account_id}'::text[]
        from tests.answer
        where step in ('other body', 'done', 'nothing', 'both')
        order by place
    $$,
    array[
        '{"body": "draw it", "completed": false, "row_version": 3}',
        '{"body": "draw it", "completed": true, "row_version": 4}',
        '{"body": "draw it", "completed": true, "row_version": 5}',
        '{"body": "burn it", "completed": false, "row_version": 6}'
    ]::jsonb[],
    'update_todo: what is left out stays as it is, and row_version is raised each time'
);
select is_empty(
    $$
        select step
        from tests.answer
        where step in ('other body', 'done', 'nothing', 'both')
            and (
                (fields ->> 'updated_at')::timestamptz < date_trunc('milliseconds', now())
                or (fields ->> 'created_at')::timestamptz <> '2000-01-01 00:00:00+00'
                or fields ->> 'id' <> tests.answer_of('own todo') ->> 'id'
            )
    $$,
    'update_todo raises updated_at, and nothing else'
);
select
    is(
        tests.refusal_of('owner', format(made.call, tests.answer_of('own todo') ->> 'id')),
        format(
            E'SB409 todo "%s" was changed by somebody else meanwhile\nIts row_version is 6, and 5 was expected.\nRead it again, and decide whether your change still holds.',
            tests.answer_of('own todo') ->> 'id'
        ),
        'a row_version that it does not have: ' || made.call
    )
from (
    values
    ('api.update_todo(%L, ''other'', expected_row_version => 5)'),
    ('api.remove_todo(%L, 5)')
) as made (call);
select pg_temp.grow_old('app.todos', '2999-01-01 00:00:00+00');
select tests.call_as('in time to come', 'owner', format('api.update_todo(%L, ''draw it'')', tests.answer_of('own todo') ->> 'id'));
select is(
    (tests.answer_of('in time to come') ->> 'updated_at')::timestamptz,
    '2999-01-01 00:00:00+00'::timestamptz,
    'update_todo: updated_at never goes back'
);
select tests.call_as('removed', 'owner', format('api.remove_todo(%L, 8)', tests.answer_of('own todo') ->> 'id'));
select is(tests.answer_of('removed'), tests.answer_of('in time to come'), 'remove_todo gives the todo as it was');
select
    is(
        tests.brief_refusal_of('owner', format(made.call, tests.answer_of('own todo') ->> 'id')),
        format('SB404 there is no todo "%s" that you may see', tests.answer_of('own todo') ->> 'id'),
        'and then it is gone: ' || made.call
    )
from (
    values
    ('api.update_todo(%L, ''other'')'),
    ('api.remove_todo(%L)'),
    ('api.remove_todo(%L, 1)')
) as made (call);
select
    is(
        tests.refusal_of('owner', made.call),
        made.refusal,
        'without a word of what it says: ' || made.call
    )
from (
    values
    ('api.add_todo(E'' \n'')', '23514 new row for relation "todos" violates check constraint "todos_body_check"'),
    ('api.add_todo(null)', '23502 null value in column "body" of relation "todos" violates not-null constraint'),
    ('api.update_todo(''todo'', '''')', '23514 new row for relation "todos" violates check constraint "todos_body_check"')
) as made (call, refusal);

-- Pages of a session's todos and of the account's own, by created_at and id; two are of the same time; they were written in no order.
delete from app.todos
where session_id is null;
insert into app.sessions (account_id, id)
values ('00000000-0000-4000-8000-00000000000a', 'session-paged');
insert into app.todos (account_id, id, session_id, body, completed, created_at, updated_at)
select
    '00000000-0000-4000-8000-00000000000a' as account_id,
    'p' || number as id,
    'session-paged' as session_id,
    'page' as body,
    number % 2 = 0 as completed,
    now() + case when number = 4 then 3 else number end * interval '1 minute' as created_at,
    now() + interval '1 hour' as updated_at
from unnest('{5,2,7,1,4,3,6}'::integer[]) as number;
insert into app.todos (account_id, id, session_id, body, created_at, updated_at)
values ('00000000-0000-4000-8000-00000000000a', 'p35', 'session-default', 'elsewhere', now() + interval '3 minutes', now() + interval '3 minutes');
select tests.pages_come_out('api.list_todos(''session-paged'', %s)', 'todo', 'p35');
select is(tests.ids_as('owner', $$api.list_todos('session-paged', true)$$), 'p2 p4 p6', 'list_todos: those that are done');
select is(tests.ids_as('owner', $$api.list_todos('session-paged', false)$$), 'p1 p3 p5 p7', 'list_todos: those that are not');
select is(
    tests.walk_as('owner', 'api.list_todos(''session-paged'', true, %s)', 2, p_backward => true),
    'p4 p6 | p2',
    'list_todos: those that are done, backward'
);
select is(tests.ids_as('owner', $$api.list_todos('session-none')$$), 'none', 'list_todos: of a session that is not there');
select is(tests.ids_as('owner', $$api.list_todos()$$), 'none', 'list_todos: without a session none of a session');

update app.todos
set session_id = case when id ~ '^p\d$' then null else 'session-paged' end
where
    id ~ '^p\d'
    and account_id = '00000000-0000-4000-8000-00000000000a';
select tests.pages_come_out('api.list_todos(%s)', 'todo', 'p35');
select is(tests.ids_as('owner', $$api.list_todos(completed => true)$$), 'p2 p4 p6', 'list_todos: the account''s own that are done');

-- 4. Settings.
select tests.call_as('saved', 'owner', $$api.save_ui_settings('night', '{"theme": "dark", "width": 2}')$$);
select is(
    tests.answer_of('saved') - '{txid,created_at,updated_at}'::text[],
    '{"account_id": "00000000-0000-4000-8000-00000000000a", "profile_id": "night", "settings": {"theme": "dark", "width": 2}, "row_version": 1}'::jsonb,
    'save_ui_settings: what is given is kept'
);
select ok(
    tests.answer_of('saved') ->> 'created_at' = tests.answer_of('saved') ->> 'updated_at'
    and (tests.answer_of('saved') ->> 'created_at')::timestamptz between date_trunc('milliseconds', now()) and clock_timestamp()
    and (tests.answer_of('saved') ->> 'created_at')::timestamptz = date_trunc('milliseconds', (tests.answer_of('saved') ->> 'created_at')::timestamptz),
    'save_ui_settings: a profile is made now, in whole milliseconds'
);
select pg_temp.grow_old('app.ui_settings');
select tests.call_as('saved over', 'owner', $$api.save_ui_settings('night', '{"theme": "black"}')$$);
select is(
    tests.answer_of('saved over') - '{txid,updated_at}'::text[],
    tests.answer_of('saved') - '{txid,updated_at}'::text[]
    || jsonb_build_object('settings', '{"theme": "black"}'::jsonb, 'row_version', 3, 'created_at', '2000-01-01 00:00:00+00'::timestamptz),
    'save_ui_settings: what was there is replaced, not added to'
);
select pg_temp.grow_old('app.ui_settings');
select tests.call_as('saved as expected', 'owner', $$api.save_ui_settings('night', '{}', 4)$$);
select is(
    tests.answer_of('saved as expected') - '{txid,updated_at}'::text[],
    tests.answer_of('saved over') - '{txid,updated_at}'::text[] || '{"settings": {}, "row_version": 5}',
    'save_ui_settings: the row_version that it has is taken'
);
select is_empty(
    $$ select step from tests.answer where step ~ '^saved' and (fields ->> 'updated_at')::timestamptz < date_trunc('milliseconds', now()) $$,
    'save_ui_settings raises updated_at'
);
select
    is(
        tests.refusal_of('owner', made.call),
        E'SB409 profile "night" was changed by somebody else meanwhile\nIts row_version is 5, and 4 was expected.\nRead it again, and decide whether your change still holds.',
        'a row_version that it does not have: ' || made.call
    )
from (
    values
    ('api.save_ui_settings(''night'', ''{"lost": true}'', 4)'),
    ('api.remove_ui_settings(''night'', 4)')
) as made (call);
select results_eq(
    $$ select tests.rows_as('owner', 'api.get_ui_settings(''night'')') $$,
    $$ select tests.answer_of('saved as expected') - 'txid' $$,
    'get_ui_settings gives what is kept'
);
select tests.call_as('of another', 'other owner', $$api.save_ui_settings('night', '{"of": "another"}')$$);
select is(tests.answer_of('of another') ->> 'row_version', '1', 'a profile of the same name of another account is another profile');
select tests.call_as('second of a version', 'owner', $$api.save_ui_settings('dusk', '{}')$$);
select tests.call_as('first of a version', 'owner', $$api.save_ui_settings('day', '{}')$$);
select tests.call_as('one of two', 'owner', $$api.save_ui_settings('day', '{"theme": "light"}', 1)$$);
select is(
    (
        select string_agg(concat_ws(' ', profile ->> 'profile_id', profile ->> 'settings'), ', ')
        from tests.rows_as('owner', 'api.list_ui_settings()') as profile
    ),
    'day {"theme": "light"}, dusk {}, night {}, profile {}',
    'list_ui_settings: in order of profile_id; one was saved, and not the other of the same row_version'
);
select pg_temp.grow_old('app.ui_settings', '2999-01-01 00:00:00+00');
select tests.call_as('saved for the future', 'owner', $$api.save_ui_settings('night', '{}')$$);
select tests.call_as('saved for the future as expected', 'owner', $$api.save_ui_settings('night', '{}', 7)$$);
select is_empty(
    $$ select step from tests.answer where step ~ 'for the future' and (fields ->> 'updated_at')::timestamptz is distinct from '2999-01-01 00:00:00+00' $$,
    'save_ui_settings: updated_at never goes back'
);
select tests.call_as('settings removed', 'owner', $$api.remove_ui_settings('night', 8)$$);
select is(tests.answer_of('settings removed'), tests.answer_of('saved for the future as expected'), 'remove_ui_settings gives the profile as it was');
select is_empty($$ select tests.rows_as('owner', 'api.get_ui_settings(''night'')') $$, 'and then it is gone');
select
    is(
        tests.brief_refusal_of('owner', made.call),
        made.refusal,
        made.call
    )
from (
    values
    ('api.remove_ui_settings(''night'')', 'SB404 there is no profile "night" that you may see'),
    ('api.save_ui_settings(''night'', ''{}'', 1)', 'SB404 there is no profile "night" that you may see'),
    ('api.save_ui_settings(''night'', ''[]'')', '23514 new row for relation "ui_settings" violates check constraint "ui_settings_settings_check"'),
    ('api.save_ui_settings(''night'', null)', '23502 null value in column "settings" of relation "ui_settings" violates not-null constraint'),
    ('api.save_ui_settings('''', ''{}'')', '23514 new row for relation "ui_settings" violates check constraint "ui_settings_profile_id_check"')
) as made (call, refusal);

select is_empty(
    $$ select step from tests.answer where (fields ->> 'txid')::bigint is distinct from pg_current_xact_id()::xid::text::bigint $$,
    'every write names the transaction that wrote'
);

select finish();
rollback;
