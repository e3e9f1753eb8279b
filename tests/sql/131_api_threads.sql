-- Threads: listed, made, renamed, archived, activated, removed, as each persona; and what they change of their session.
begin;
select plan(290);

select tests.cast_personas();
select tests.derive_threads();
select tests.grow_older();

insert into tests.try_call (what, may, target, call, noun, id)
values
('get_thread', 'viewer, to read', null, 'api.get_thread(''thread-%2$s'', %1$L)', null, null),
('list_threads', 'viewer, to read', null, 'api.list_threads(%2$L, account_id => %1$L)', null, null),
('get_active_thread that is to be made', 'editor', 'app.chat_threads', 'api.get_active_thread(%2$L, ''general'', %1$L)', 'session', '%2$s'),
('start_thread', 'editor', 'app.chat_threads', 'api.start_thread(%2$L, account_id => %1$L)', 'session', '%2$s'),
('rename_thread', 'editor', 'app.chat_threads', 'api.rename_thread(''thread-%2$s'', ''Other'', account_id => %1$L)', 'thread', 'thread-%2$s'),
('archive_thread', 'editor', 'app.chat_threads', 'api.archive_thread(''thread-%2$s'', account_id => %1$L)', 'thread', 'thread-%2$s'),
('remove_thread', 'editor', 'app.chat_threads', 'api.remove_thread(''thread-%2$s'', account_id => %1$L)', 'thread', 'thread-%2$s'),
('clear_threads', 'editor', 'app.chat_threads', 'api.clear_threads(%2$L, account_id => %1$L)', 'session', '%2$s'),
('delete_thread_messages', 'editor', 'app.chat_messages', 'api.delete_thread_messages(''thread-%2$s'', account_id => %1$L)', 'thread', 'thread-%2$s');
insert into tests.try_call (what, may, target, call, noun, id, held)
values
('activate_thread', 'editor', 'app.chat_threads', 'api.activate_thread(''thread-%2$s'', account_id => %1$L)', 'thread', 'thread-%2$s', 'session "%2$s"');
select tests.tried_calls_come_out();
-- Where it is there, who may read gets it.
select
    is(
        tests.told(persona.name, 'api.get_active_thread(''session-default'', account_id => ''00000000-0000-4000-8000-00000000000a'')'),
        case tests.role_in(persona.name, 'a''s default')
            when 'nobody' then '28000 nobody may write here without an account (The setting request.jwt.claims has no claim sub that is the id of an active account.)'
            else coalesce(
                case when tests.role_in(persona.name, 'a''s default') is not null then '1 row' end,
                'SB404 there is no session "session-default" that you may see'
            )
        end,
        'get_active_thread that is there: ' || persona.name
    )
from tests.persona as persona
order by persona.place;

-- What each that writes one row gives: the transaction, and the row as it then is.
create temporary table written (place bigint generated always as identity, what text, call text, changes jsonb, answer jsonb);
insert into written (what, call, changes)
values
('rename_thread', 'api.rename_thread(''thread-session-default'', ''Other'')', '{"title": "Other"}'),
('archive_thread', 'api.archive_thread(''thread-session-default'')', '{"status": "archived"}'),
('activate_thread', 'api.activate_thread(''thread-session-default'')', '{"status": "active"}'),
('delete_thread_messages', 'api.delete_thread_messages(''thread-session-default'')', '{"message_count": 0, "last_message_at": null, "last_message_preview": null}');

create function pg_temp.thread_now()
returns jsonb
language sql
as $$
    select to_jsonb(thread)
    from app.chat_threads as thread
    where account_id = '00000000-0000-4000-8000-00000000000a'
        and id = 'thread-session-default'
$$;
create function pg_temp.write_and_compare(p_written written)
returns setof text
language plpgsql
as $$
declare
    v_before jsonb := pg_temp.thread_now();
    v_answer jsonb;
begin
    v_answer := tests.call('owner', p_written.call);
    return next tap.is(v_answer - 'txid', pg_temp.thread_now(), p_written.what || ' gives the row as it then is');
    return next tap.is(
        v_answer - '{txid,updated_at,row_version}'::text[],
        (v_before || p_written.changes) - '{updated_at,row_version}'::text[],
        p_written.what || ' changes what it says'
    );
    return next tap.is((v_answer ->> 'txid')::bigint, pg_current_xact_id()::xid::text::bigint, p_written.what || ' says in which transaction');
    return next tap.cmp_ok((v_answer ->> 'row_version')::bigint, '>', (v_before ->> 'row_version')::bigint, p_written.what || ' raises row_version');
    return next tap.ok(
        (v_answer ->> 'updated_at')::timestamptz > now() - interval '1 minute'
        and (v_answer ->> 'updated_at')::timestamptz = date_trunc('milliseconds', (v_answer ->> 'updated_at')::timestamptz),
        p_written.what || ' sets updated_at to now, in whole milliseconds'
    );
    -- So that the next one can be told by its time.
    perform tests.grow_older();
end;
$$;
select pg_temp.write_and_compare(written)
from written
order by place;
select is(
    (tests.call('owner', 'api.delete_thread_messages(''thread-session-default'')') ->> 'row_version')::bigint,
    (pg_temp.thread_now() ->> 'row_version')::bigint,
    'delete_thread_messages where there is none gives the thread as it is'
);
select is(
    (tests.call('owner', 'api.delete_thread_messages(''thread-session-default'')') ->> 'txid')::bigint,
    (
        select xmin::text::bigint
        from app.chat_threads
        where account_id = '00000000-0000-4000-8000-00000000000a' and id = 'thread-session-default'
    ),
    'with the transaction that wrote it last'
);
update app.chat_threads
set updated_at = '2999-01-01'
where account_id = '00000000-0000-4000-8000-00000000000a' and id = 'thread-session-default';
select is(
    (tests.call('owner', 'api.rename_thread(''thread-session-default'', ''Later'')') ->> 'updated_at')::timestamptz,
    '2999-01-01'::timestamptz,
    'updated_at never goes back'
);

-- The row_version that was expected.
select
    is(
        tests.told('owner', format('api.%s(''thread-session-default'', %s expected_row_version => %s)', function.name, function.argument, expected.version)),
        coalesce(
            'SB409 thread "thread-session-default" was changed by somebody else meanwhile (Its row_version is '
            || case when expected.version <> (pg_temp.thread_now() ->> 'row_version')::bigint then pg_temp.thread_now() ->> 'row_version' end
            || format(', and %s was expected.)', expected.version),
            '1 row'
        ),
        format('%s, of a version that it %s', function.name, expected.said)
    )
from (
    values ('activate_thread', ''), ('rename_thread', '''Other'', '), ('archive_thread', ''), ('remove_thread', ''), ('delete_thread_messages', '')
) as function (name, argument)
cross join (
    values (1, 'was'), ((pg_temp.thread_now() ->> 'row_version')::bigint, 'is'), (1000, 'is not yet')
) as expected (version, said)
order by function.name, expected.version;
select
    is(
        tests.told(persona.name, 'api.rename_thread(''thread-session-default'', ''Other'', 1, ''00000000-0000-4000-8000-00000000000a'')'),
        case persona.name
            when 'stranger' then 'SB404 there is no thread "thread-session-default" that you may see'
            else format(
                'SB409 thread "thread-session-default" was changed by somebody else meanwhile (Its row_version is %s, and 1 was expected.)',
                pg_temp.thread_now() ->> 'row_version'
            )
        end,
        'an old version: ' || persona.name
    )
from tests.persona as persona
where persona.name in ('editor', 'viewer', 'stranger')
order by persona.place;
select is(tests.told('owner', attempt.call), attempt.answer, attempt.call || ': ' || attempt.answer)
from (
    values
    ('api.get_thread(''thread-nowhere'')', '0 rows'),
    ('api.rename_thread(''thread-nowhere'', ''Other'')', 'SB404 there is no thread "thread-nowhere" that you may see'),
    ('api.activate_thread(''thread-nowhere'')', 'SB404 there is no thread "thread-nowhere" that you may see'),
    ('api.archive_thread(''thread-nowhere'')', 'SB404 there is no thread "thread-nowhere" that you may see'),
    ('api.remove_thread(''thread-nowhere'')', 'SB404 there is no thread "thread-nowhere" that you may see'),
    ('api.delete_thread_messages(''thread-nowhere'')', 'SB404 there is no thread "thread-nowhere" that you may see'),
    ('api.list_threads(''session-nowhere'')', '0 rows'),
    ('api.clear_threads(''session-nowhere'')', '0 rows'),
    ('api.start_thread(''session-default'', ''coach'')', '23514 new row for relation "chat_threads" violates check constraint "chat_threads_mode_check"'),
    ('api.get_active_thread(''session-default'', ''coach'')', '23514 new row for relation "chat_threads" violates check constraint "chat_threads_mode_check"'),
    ('api.start_thread(''session-default'', null)', '23502 null value in column "mode" of relation "chat_threads" violates not-null constraint'),
    ('api.start_thread(null)', '23502 null value in column "id" of relation "sessions" violates not-null constraint'),
    ('api.rename_thread(''thread-session-default'', null)', '23502 null value in column "title" of relation "chat_threads" violates not-null constraint'),
    ('api.list_threads(''session-default'', page_size => 0)', '22023 a page has 1 to 1000 rows'),
    ('api.list_threads(''session-default'', page_size => 1001)', '22023 a page has 1 to 1000 rows'),
    ('api.list_threads(''session-default'', after => ''x'')', '22023 this is no cursor of this list'),
    ('api.list_threads(''session-default'', after => ''["yesterday at noon", "00000000-0000-4000-8000-00000000000a", "x"]'')', '22023 this is no cursor of this list')
) as attempt (call, answer);

-- Titles, and that one thread is active.
create function pg_temp.threads_of(p_session_id text)
returns text
language sql
as $$
    select string_agg(concat_ws(' ', title, status, case when author_account_id = account_id then 'by the owner' else 'by ' || author_account_id end), ', ' order by title collate "C")
    from app.chat_threads
    where account_id = '00000000-0000-4000-8000-00000000000a'
        and session_id = p_session_id
$$;
select is(
    tests.call('owner', 'api.get_active_thread(''session-first'')') ->> 'title',
    'Session Coach',
    'get_active_thread of a session that is not there opens it and makes a thread'
);
select is(
    tests.call('owner', 'api.get_active_thread(''session-first'')') ->> 'txid',
    pg_current_xact_id()::xid::text,
    'again it gives the same, with the transaction that made it'
);
select is(tests.call('owner', 'api.start_thread(''session-first'')') ->> 'title', 'Session Coach #2', 'the next is number 2');
select is(tests.call('owner', 'api.start_thread(''session-first'', ''general'')') ->> 'title', 'General', 'the first of the other mode has no number');
select is(tests.call('owner', 'api.start_thread(''session-first'', ''general'')') ->> 'title', 'General #2', 'the next has');
select is(tests.call('owner', 'api.start_thread(''session-first'', title => ''Mine #7'')') ->> 'title', 'Mine #7', 'a title that is given is taken');
select is(
    pg_temp.threads_of('session-first'),
    'General archived by the owner, General #2 active by the owner, Mine #7 active by the owner, Session Coach archived by the owner, Session Coach #2 archived by the owner',
    'of each mode the last is active, all others are archived'
);
select tests.call('owner', format('api.remove_thread(%L)', id))
from app.chat_threads
where title = 'Session Coach #2';
select is(
    tests.call('owner', 'api.start_thread(''session-first'')') ->> 'title',
    'Session Coach #2',
    'a number that no thread has any more is given again'
);
select tests.call('owner', format('api.remove_thread(%L)', id))
from app.chat_threads
where session_id = 'session-first' and title = 'Session Coach';
select is(tests.call('owner', 'api.start_thread(''session-first'')') ->> 'title', 'Session Coach #3', 'and else the one after the highest');

create temporary table by_member as
select tests.call('editor', 'api.start_thread(''session-default'', ''general'', account_id => ''00000000-0000-4000-8000-00000000000a'')') as entry;
select is(
    (select concat_ws(' by ', entry ->> 'account_id', entry ->> 'author_account_id') from by_member),
    '00000000-0000-4000-8000-00000000000a by 00000000-0000-4000-8000-00000000000d',
    'a thread that a member starts belongs to the owner''s account, and names the member as its author'
);
select is(
    tests.told('editor', 'api.start_thread(''session-of-nobody'', account_id => ''00000000-0000-4000-8000-00000000000a'')'),
    'SB404 there is no session "session-of-nobody" that you may see',
    'a session of another account is not opened by writing into it'
);
select is(
    (
        select count(*) from app.sessions
        where id = 'session-first'
    ),
    1::bigint,
    'one''s own is'
);

-- activate_thread archives its peers, of its mode only.
select tests.call('owner', format('api.activate_thread(%L)', id))
from app.chat_threads
where session_id = 'session-first' and title = 'Mine #7';
select is(
    pg_temp.threads_of('session-first'),
    'General archived by the owner, General #2 active by the owner, Mine #7 active by the owner, Session Coach #2 archived by the owner, Session Coach #3 archived by the owner',
    'activate_thread archives the one that was active, and none of the other mode'
);
select tests.call('owner', format('api.archive_thread(%L)', id))
from app.chat_threads
where session_id = 'session-first' and title = 'Mine #7';
select is(
    (
        select count(*) from app.chat_threads
        where session_id = 'session-first' and mode = 'session' and status = 'active'
    ),
    0::bigint,
    'archive_thread makes no other one active'
);
select is(
    tests.call('owner', 'api.get_active_thread(''session-first'')') ->> 'title',
    'Session Coach #4',
    'get_active_thread then makes one'
);

-- Removing takes messages along, and leaves tool events where they are, without a thread.
insert into app.chat_messages (account_id, id, session_id, thread_id, mode, role, content, author_account_id)
select
    '00000000-0000-4000-8000-00000000000a' as account_id,
    'removed-' || number as id,
    'session-shown' as session_id,
    'thread-session-shown' as thread_id,
    'session' as mode,
    'user' as role,
    'one of three' as content,
    '00000000-0000-4000-8000-00000000000a' as author_account_id
from generate_series(1, 3) as number;
select is(
    tests.call('owner', 'api.remove_thread(''thread-session-shown'')') ->> 'message_count',
    '4',
    'remove_thread gives the thread that was'
);
select is_empty(
    $$ select id from app.chat_messages where account_id = '00000000-0000-4000-8000-00000000000a' and session_id = 'session-shown' $$,
    'its messages are gone'
);
select results_eq(
    $$ select concat_ws(' ', session_id, thread_id, row_version) from app.chat_tool_events where account_id = '00000000-0000-4000-8000-00000000000a' and id = 'tool-session-shown' $$,
    '{session-shown 2}'::text[],
    'its tool events are in the session still, without a thread'
);
select isnt_empty(
    $$ select id from app.chat_messages where account_id = '00000000-0000-4000-8000-00000000000b' $$,
    'control: messages of another account are there'
);

select is(
    tests.told('owner', 'api.clear_threads(''session-first'', ''general'')'),
    '2 rows',
    'clear_threads of a mode gives the threads of that mode'
);
select is(
    (
        select string_agg(distinct cleared.entry ->> 'mode', ', ')
        from tests.call('owner', 'api.clear_threads(''session-first'', ''general'')') as cleared (entry)
    ),
    'general',
    'and removes those'
);
select is(
    (
        select string_agg(distinct mode, ', ') from app.chat_threads
        where session_id = 'session-first'
    ),
    'session',
    'and no other'
);
select is(
    (
        select string_agg(distinct cleared.entry ->> 'txid', ', ')
        from tests.call('owner', 'api.clear_threads(''session-first'')') as cleared (entry)
    ),
    pg_current_xact_id()::xid::text,
    'without a mode all of the session, in this transaction'
);
select is_empty($$ select id from app.chat_threads where session_id = 'session-first' $$, 'and there are none left');

-- Lists.
insert into app.chat_threads (account_id, id, session_id, mode, title, status, created_at, updated_at)
select
    '00000000-0000-4000-8000-00000000000a' as account_id,
    format('listed-%s', lpad(number::text, 2, '0')) as id,
    'session-private' as session_id,
    case number % 3 when 0 then 'general' else 'session' end as mode,
    'Listed' as title,
    'archived' as status,
    '2026-01-01' as created_at,
    timestamptz '2026-01-02' + (number / 10) * interval '1 second' as updated_at
from generate_series(1, 35) as number;
create function pg_temp.paged(p_persona text, p_arguments text, p_page_size integer)
returns text[]
language plpgsql
as $$
declare
    v_page jsonb;
    v_after text;
    v_ids text[] := '{}';
begin
    for page in 1..100 loop
        select coalesce(jsonb_agg(entry), '[]')
        into v_page
        from tests.call(
            p_persona,
            format('api.list_threads(''session-private'', %s after => %L, page_size => %s, account_id => ''00000000-0000-4000-8000-00000000000a'')', p_arguments, v_after, p_page_size)
        ) as listed (entry);
        v_ids := v_ids || array(select entry ->> 'id' from jsonb_array_elements(v_page) as listed (entry));
        exit when jsonb_array_length(v_page) < p_page_size;
        v_after := v_page -> -1 ->> 'cursor';
    end loop;
    return v_ids;
end;
$$;
select
    is(
        pg_temp.paged(persona.name, filter.arguments, size.rows),
        (
            select array_agg(thread.id order by thread.updated_at desc, thread.id asc)
            from app.chat_threads as thread
            where
                thread.account_id = '00000000-0000-4000-8000-00000000000a'
                and thread.session_id = 'session-private'
                and thread.mode = coalesce(filter.mode, thread.mode)
                and thread.status = coalesce(filter.status, thread.status)
        ),
        format('list_threads(%s) in pages of %s: each once, in order: %s', filter.arguments, size.rows, persona.name)
    )
from (values ('owner'), ('guest')) as persona (name)
cross join (values ('', null, null), ('mode => ''general'',', 'general', null), ('status => ''archived'',', null, 'archived'), ('mode => ''session'', status => ''active'',', 'session', 'active')) as filter (arguments, mode, status)
cross join (values (1), (6), (100)) as size (rows)
order by persona.name, filter.arguments, size.rows;
select is(pg_temp.paged('stranger', '', 100), '{}', 'list_threads: none for a stranger');
-- One that is changed between two pages comes again at the top of the list, and none is lost.
create temporary table first_page as
select listed.entry
from tests.call('owner', 'api.list_threads(''session-private'', page_size => 10)') as listed (entry);
select tests.call('owner', 'api.rename_thread(''listed-35'', ''Listed'')');
select is(
    (
        select count(*)
        from tests.call('owner', format('api.list_threads(''session-private'', after => %L)', (select (array_agg(entry ->> 'cursor'))[10] from first_page)))
    ),
    26::bigint,
    'the page after ten of 36 has the other 26, though one of the ten has moved'
);

-- When a session last changed.
create function pg_temp.notes(p_deed text, p_role text default 'app_user')
returns text
language plpgsql
as $$
declare
    v_noted text;
begin
    update app.sessions
    set created_at = '2026-01-01', updated_at = date_trunc('milliseconds', clock_timestamp()) - interval '11 seconds';
    perform set_config('request.jwt.claims', tests.claims_of('owner'), true);
    perform set_config('role', p_role, true);
    execute p_deed;
    perform set_config('role', 'none', true);
    select coalesce(string_agg(tests.place_of('app.sessions', to_jsonb(session)), ', '), 'none')
    into v_noted
    from app.sessions as session
    where session.updated_at > clock_timestamp() - interval '9 seconds'
        and session.updated_at <= clock_timestamp();
    raise sqlstate 'SB999' using message = v_noted;
exception
    when sqlstate 'SB999' then
        return sqlerrm;
end;
$$;
insert into app.chat_messages (account_id, id, session_id, thread_id, mode, role, content, author_account_id)
values ('00000000-0000-4000-8000-00000000000a', 'noted', 'session-default', 'thread-session-default', 'session', 'user', 'one', '00000000-0000-4000-8000-00000000000a');
insert into app.misalignments (account_id, id, session_id, rule_id, title, summary, severity)
values ('00000000-0000-4000-8000-00000000000a', 'noted', 'session-default', 'rule', 'title', 'summary', 'low');
select is(pg_temp.notes(deed.statement), 'a''s default', 'noted in its session: ' || deed.statement)
from (
    values
    ('select api.start_thread(''session-default'')'),
    ('select api.rename_thread(''thread-session-default'', ''Other'')'),
    ('select api.archive_thread(''thread-session-default'')'),
    ('select api.remove_thread(''thread-session-default'')'),
    ('select api.append_message(''session-default'', ''user'', ''one more'')'),
    ('select api.update_message(''noted'', ''other'')'),
    ('delete from app.chat_messages where account_id = ''00000000-0000-4000-8000-00000000000a'' and id = ''noted'''),
    ('insert into app.chat_tool_events (account_id, session_id, tool_name, status, started_at, author_account_id) values (''00000000-0000-4000-8000-00000000000a'', ''session-default'', ''search'', ''pending'', now(), ''00000000-0000-4000-8000-00000000000a'')'),
    ('update app.chat_tool_events set status = ''executing'' where account_id = ''00000000-0000-4000-8000-00000000000a'' and id = ''tool-session-default'''),
    ('delete from app.chat_tool_events where account_id = ''00000000-0000-4000-8000-00000000000a'' and id = ''tool-session-default'''),
    ('update app.session_repo_bindings set root_dir = ''/srv'' where account_id = ''00000000-0000-4000-8000-00000000000a'' and session_id = ''session-default'''),
    ('delete from app.session_repo_bindings where account_id = ''00000000-0000-4000-8000-00000000000a'' and session_id = ''session-default'''),
    ('insert into app.todos (account_id, session_id, body, author_account_id) values (''00000000-0000-4000-8000-00000000000a'', ''session-default'', ''read'', ''00000000-0000-4000-8000-00000000000a'')'),
    ('update app.todos set completed = true where account_id = ''00000000-0000-4000-8000-00000000000a'' and session_id = ''session-default'''),
    ('delete from app.todos where account_id = ''00000000-0000-4000-8000-00000000000a'' and session_id = ''session-default'''),
    ('update app.misalignments set status = ''dismissed'' where account_id = ''00000000-0000-4000-8000-00000000000a'' and id = ''noted'''),
    ('insert into app.hook_decisions (account_id, session_id, source, content_hash, severity, blocked, author_account_id) values (''00000000-0000-4000-8000-00000000000a'', ''session-default'', ''hook'', ''hash'', ''low'', false, ''00000000-0000-4000-8000-00000000000a'')')
) as deed (statement);
select is(
    pg_temp.notes('select 1'),
    'none',
    'control: of a session where nothing is done nothing is noted'
);
select is(
    pg_temp.notes('insert into app.todos (account_id, body, author_account_id) values (''00000000-0000-4000-8000-00000000000a'', ''read'', ''00000000-0000-4000-8000-00000000000a'')'),
    'none',
    'nor of one''s own todo, which is in no session'
);
select is(pg_temp.notes(deed.statement, 'import_definer'), 'none', 'nor of what the import does: ' || deed.statement)
from (
    values
    ('update app.chat_threads set title = ''Other'''),
    ('update app.chat_tool_events set status = ''executing'''),
    ('insert into app.chat_threads (account_id, id, session_id, mode, title, status) values (''00000000-0000-4000-8000-00000000000a'', ''imported'', ''session-default'', ''general'', ''General'', ''archived'')'),
    ('insert into app.chat_messages (account_id, id, session_id, thread_id, mode, role, content) values (''00000000-0000-4000-8000-00000000000a'', ''imported'', ''session-default'', ''thread-session-default'', ''session'', ''user'', ''one'')'),
    ('insert into app.chat_tool_events (account_id, id, session_id, tool_name, status, started_at) values (''00000000-0000-4000-8000-00000000000a'', ''imported'', ''session-default'', ''search'', ''pending'', now())')
) as deed (statement);
-- A change within ten seconds of the last writes nothing.
create function pg_temp.session_version()
returns bigint
language sql
as $$
    select row_version
    from app.sessions
    where account_id = '00000000-0000-4000-8000-00000000000a'
        and id = 'session-default'
$$;
update app.sessions
set created_at = '2026-01-01', updated_at = clock_timestamp() - interval '1 second'
where account_id = '00000000-0000-4000-8000-00000000000a' and id = 'session-default';
create temporary table version as
select pg_temp.session_version() as before;
select tests.call('owner', 'api.append_message(''session-default'', ''user'', ''one more'')');
select is(pg_temp.session_version(), before, 'what changed a second ago is not noted again') from version;

select is_empty('select * from tests.threads_that_differ()', 'after all of this every thread''s count, preview and last time are what its messages say');

select finish();
rollback;
