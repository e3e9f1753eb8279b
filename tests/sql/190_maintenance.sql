-- Maintenance: what app_user writes is refused with SB503 while the mark is set, in every table; reading and signing out go on, and who
-- operates writes. What happens to transactions that are open is in tests/py/cutover/test_maintenance.py.
begin;
select plan(43);

select tests.cast_personas();
insert into auth.identities (issuer, subject, account_id)
select
    'https://issuer.example' as issuer,
    persona.name,
    persona.account_id
from tests.persona
where persona.name = 'owner';

-- Writes of every table that app_user may write: of no row, for the statement alone is asked.
create temporary table write as
select
    class.oid::regclass as target,
    format('insert into %s (%2$I) select %2$I from %1$s where false', class.oid::regclass, min(field.attname::text)) as statement
from pg_class as class
inner join pg_attribute as field on class.oid = field.attrelid
where
    class.relnamespace = 'app'::regnamespace
    and class.relkind = 'r'
    and field.attnum > 0
    and has_column_privilege('app_user', class.oid, field.attnum, 'INSERT')
group by class.oid
union all
select
    class.oid::regclass as target,
    format('update %s set %2$I = %2$I where false', class.oid::regclass, min(field.attname::text)) as statement
from pg_class as class
inner join pg_attribute as field on class.oid = field.attrelid
where
    class.relnamespace = 'app'::regnamespace
    and class.relkind = 'r'
    and field.attnum > 0
    and has_column_privilege('app_user', class.oid, field.attnum, 'UPDATE')
group by class.oid
union all
select
    class.oid::regclass as target,
    format('delete from %s where false', class.oid::regclass) as statement
from pg_class as class
where
    class.relnamespace = 'app'::regnamespace
    and class.relkind = 'r'
    and has_table_privilege('app_user', class.oid, 'DELETE');
create function pg_temp.code_of(p_write write)
returns text
language sql
as $$
    select left(tests.outcome('app_user', tests.claims_of('owner'), p_write.target, p_write.statement), 5)
$$;

select is((select count(distinct target) from write), 17::bigint, 'control: app_user may write seventeen tables');
select is_empty(
    $$ select statement from write where pg_temp.code_of(write) <> 'nowhe' $$,
    'control: while there is no mark, it may'
);
select is(
    tests.told('owner', $$ api.append_message(session_id => 'session-default', role => 'user', content => 'one') $$), '1 row',
    'control: and api.append_message writes'
);
select is(
    tests.told('nobody', $$ api.append_message(session_id => 'session-default', role => 'user', content => 'one') $$) ~ '^28000',
    true, 'control: not for nobody'
);

-- The mark.
select is_empty($$ select * from app.end_maintenance() $$, 'there is no mark to take away');
select is(
    (select concat_ws(' ', scope, reason, begun_by) from app.begin_maintenance('the cutover')),
    'writes the cutover ' || session_user,
    'the mark is set, by who is logged in'
);
select results_eq(
    $$ select reason from app.begin_maintenance('another') $$,
    array['the cutover'],
    'who sets it again is told what it is, and it stays that'
);
select results_eq(
    $$ select count(*), count(since) from app.maintenance $$,
    $$ values (1::bigint, 1::bigint) $$,
    'there is one'
);

-- What it stops.
select is_empty(
    $$ select statement, pg_temp.code_of(write) from write where pg_temp.code_of(write) <> 'SB503' $$,
    'every write of app_user to every table is refused'
);
select matches(
    tests.told('owner', $$ api.append_message(session_id => 'session-default', role => 'user', content => 'one') $$),
    '^SB503 under maintenance since \d{4}-\d\d-\d\d \d\d:\d\d UTC: the cutover$',
    'a function that writes says since when and why'
);
select
    matches(
        tests.told(persona, $$ api.append_message(session_id => 'session-default', role => 'user', content => 'one', account_id => '00000000-0000-4000-8000-00000000000a') $$),
        '^SB503 ', 'so it does to ' || persona
    )
from unnest('{editor,co-owner}'::text[]) as persona;
select
    matches(
        tests.told('owner', call), '^SB503 ', call
    )
from unnest(array[
    $$ api.open_session(session_id => 'new') $$,
    $$ api.start_thread(session_id => 'session-default') $$,
    $$ api.add_todo(body => 'x') $$,
    $$ api.save_ui_settings(profile_id => 'p', settings => '{}') $$,
    $$ api.put_upload_chunk(chunk => 'x', sha256 => sha256('x'), size_bytes => 1, encoding => 'identity') $$,
    $$ api.set_upload_retention(source => 'upload', older_than => '30 days') $$
]) as call;
select matches(
    tests.told('nobody', $$ api.append_message(session_id => 'session-default', role => 'user', content => 'one') $$), '^28000 ',
    'nobody is told that it is nobody'
);

-- What it does not stop.
select matches(tests.told('owner', call), '^\d+ rows?$', 'goes on: ' || call)
from unnest(array[
    $$ api.list_sessions() $$,
    $$ api.list_thread_messages(thread_id => 'thread-session-default') $$,
    $$ api.list_todos() $$,
    $$ api.list_uploads() $$,
    $$ api.list_ui_settings() $$,
    $$ api.list_login_sessions() $$
]) as call;
select isnt_empty(
    $$ select * from auth.start_login_session('https://issuer.example', 'owner', sha256('secret'), 'a browser', 100, 1000) $$,
    'somebody signs in'
);
select isnt_empty($$ select * from auth.use_login_session(sha256('secret'), 100, 50) $$, 'is signed in');
select isnt_empty($$ select * from auth.rotate_login_session(sha256('secret'), sha256('other'), 10) $$, 'is given another secret');
select is(
    tests.told('owner', format('api.revoke_login_session(login_session_id => %L)', (select id from auth.login_sessions))), '1 row',
    'and signs out'
);
select lives_ok(
    $$ insert into app.sessions (account_id, id) values ('00000000-0000-4000-8000-00000000000a', 'by an operator') $$,
    'who operates writes'
);

-- A view that stands still.
select is(
    tests.outcome('app_user', tests.claims_of('owner'), 'app.maintenance', 'select app.hold_maintenance()'), 'nowhere',
    'who writes holds the mark as it is'
);

-- Who may not set it, change it, take it away.
select set_eq(
    $$
        select role.name, statement.command
        from unnest('{app_user,app_server,electric_read,electric_repl,importer,import_definer,bookkeeper,reviewer,authorizer}'::name[]) as role (name)
        cross join unnest(array[
            $x$ select * from app.begin_maintenance('x') $x$,
            $x$ select * from app.end_maintenance() $x$,
            $x$ select * from app.open_writers() $x$,
            $x$ update app.maintenance set reason = 'x' $x$,
            $x$ update app.maintenance set scope = 'x' $x$,
            $x$ delete from app.maintenance $x$,
            $x$ insert into app.maintenance (scope) values ('more') $x$
        ]) as statement (command)
        where tests.outcome(role.name, tests.claims_of('owner'), 'app.maintenance', statement.command) <> '42501 missing privilege'
    $$,
    $$
        values
        ('authorizer'::name, $x$ select * from app.begin_maintenance('x') $x$),
        ('authorizer', $x$ select * from app.end_maintenance() $x$),
        ('authorizer', $x$ select * from app.open_writers() $x$),
        ('authorizer', $x$ update app.maintenance set reason = 'x' $x$)
    $$,
    'nobody but authorizer begins and ends it, and it neither adds nor removes rows'
);

-- Its constraints.
select throws_ok($$ update app.maintenance set reason = null $$, '23514', null, 'a mark without a reason is refused');
select throws_ok($$ update app.maintenance set begun_by = null $$, '23514', null, 'one of nobody is refused');
select throws_ok($$ update app.maintenance set reason = '' $$, '23514', null, 'an empty reason is refused');
select throws_ok($$ update app.maintenance set reason = E'a\nb' $$, '23514', null, 'a reason of two lines is refused');
select throws_ok($$ update app.maintenance set reason = repeat('x', 401) $$, '23514', null, 'a reason of 401 characters is refused');
select lives_ok($$ update app.maintenance set reason = repeat('é', 400) $$, 'one of 400 is not');
select throws_ok($$ insert into app.maintenance (scope) values ('writes') $$, '23505', null, 'a second mark is refused');
select throws_ok($$ insert into app.maintenance (scope) values ('') $$, '23514', null, 'an empty scope is refused');
select throws_ok($$ insert into app.maintenance (scope) values (repeat('x', 513)) $$, '23514', null, 'a scope of 513 bytes is refused');

-- The end of it.
select results_eq($$ select reason from app.end_maintenance() $$, array[repeat('é', 400)], 'it is taken away, and what it was is told');
select is(
    tests.told('owner', $$ api.append_message(session_id => 'session-default', role => 'user', content => 'one') $$), '1 row',
    'and who writes writes'
);

select finish();
rollback;
