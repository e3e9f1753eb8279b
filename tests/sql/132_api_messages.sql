-- Messages: appended once, read page by page, changed and removed, as each persona; and what their thread derives from them.
begin;
select plan(209);

select tests.cast_personas();
select tests.derive_threads();
select tests.grow_older();

insert into tests.try_call (what, may, target, call, noun, id, held)
values
('get_message', 'viewer, to read', null, 'api.get_message(''message-%2$s'', %1$L)', null, null, null),
('list_messages', 'viewer, to read', null, 'api.list_messages(%2$L, ''session'', ''thread-%2$s'', account_id => %1$L)', null, null, null),
('list_thread_messages', 'viewer, to read', null, 'api.list_thread_messages(''thread-%2$s'', account_id => %1$L)', null, null, null),
('append_message to the active thread', 'editor', 'app.chat_messages', 'api.append_message(%2$L, ''user'', ''hello'', account_id => %1$L)', 'session', '%2$s', 'thread "thread-%2$s"'),
('append_message to the active thread of a mode that has none', 'editor', 'app.chat_messages', 'api.append_message(%2$L, ''user'', ''hello'', ''general'', account_id => %1$L)', 'session', '%2$s', null),
('append_message to a thread', 'editor', 'app.chat_messages', 'api.append_message(%2$L, ''user'', ''hello'', thread_id => ''thread-%2$s'', account_id => %1$L)', 'thread', 'thread-%2$s', null),
('update_message', 'editor', 'app.chat_messages', 'api.update_message(''message-%2$s'', ''changed'', account_id => %1$L)', 'message', 'message-%2$s', null);
select tests.tried_calls_come_out();
select
    is(
        tests.outcome('app_user', tests.claims_of('editor'), 'app.chat_messages', format('select * from api.append_message(''session-default'', ''user'', ''hello'', account_id => %L)', account.id)),
        account.comes_of,
        'append_message: editor, into a session-default of ' || account.whose
    )
from (
    values
    ('00000000-0000-4000-8000-00000000000a', 'the account that shares it', 'a''s default'),
    ('00000000-0000-4000-8000-00000000000b', 'an account that does not', 'SB404 there is no session "session-default" that you may see'),
    ('00000000-0000-4000-8000-0000000000f2', 'a disabled account', 'SB404 there is no session "session-default" that you may see'),
    ('00000000-0000-4000-8000-00000000000d', 'its own, which is not there yet', 'elsewhere')
) as account (id, whose, comes_of);

-- What append_message gives.
create function pg_temp.thread_of(p_id text, p_account_id uuid default '00000000-0000-4000-8000-00000000000a')
returns app.chat_threads
language sql
as $$
    select thread
    from app.chat_threads as thread
    where account_id = p_account_id
        and id = p_id
$$;
create temporary table before as
select (pg_temp.thread_of('thread-session-default')).*;
create temporary table appended as
select tests.call(
    'editor',
    'api.append_message(''session-default'', ''assistant'', ''first'', client_message_id => ''client-1'', misalignment_id => ''misalignment-session-default'','
    || ' evidence => ''[{"path": "a"}]'', context_events => ''[]'', account_id => ''00000000-0000-4000-8000-00000000000a'')'
) as entry;
select is(
    (select entry - 'txid' from appended),
    (
        select to_jsonb(message)
        from app.chat_messages as message
        where client_message_id = 'client-1'
    ),
    'append_message gives the row that it wrote'
);
select is(
    (select entry - '{id,created_at,updated_at}'::text[] from appended),
    jsonb_build_object(
        'txid', pg_current_xact_id()::xid::text::bigint,
        'account_id', '00000000-0000-4000-8000-00000000000a',
        'session_id', 'session-default',
        'thread_id', 'thread-session-default',
        'mode', 'session',
        'role', 'assistant',
        'content', 'first',
        'client_message_id', 'client-1',
        'misalignment_id', 'misalignment-session-default',
        'evidence', '[{"path": "a"}]'::jsonb,
        'context_events', '[]'::jsonb,
        'row_version', 1,
        'extra', (
            select to_jsonb(extra) from app.chat_messages
            where client_message_id = 'client-1'
        ),
        'author_account_id', '00000000-0000-4000-8000-00000000000d'
    ),
    'with what was given; in the owner''s account, and a member as its author; and the transaction'
);
select ok(
    (
        select
            entry ->> 'created_at' = entry ->> 'updated_at'
            and (entry ->> 'created_at')::timestamptz = date_trunc('milliseconds', (entry ->> 'created_at')::timestamptz)
            and (entry ->> 'created_at')::timestamptz > now() - interval '1 minute'
        from appended
    ),
    'its times are now, in whole milliseconds'
);
select is(
    (
        select (after.message_count - before.message_count, after.last_message_preview, after.last_message_at, after.updated_at, after.row_version > before.row_version, after.status)::text
        from before
        cross join pg_temp.thread_of('thread-session-default') as after
    ),
    (select (1, 'first', (entry ->> 'created_at')::timestamptz, (entry ->> 'created_at')::timestamptz, true, 'active')::text from appended),
    'its thread counts one more, previews it, and changed when it was written'
);

-- The same client_message_id again.
select is(
    tests.call('editor', 'api.append_message(''session-default'', ''user'', ''second try'', client_message_id => ''client-1'', account_id => ''00000000-0000-4000-8000-00000000000a'')'),
    (select entry from appended),
    'the same client_message_id again gives the first message, with the transaction that wrote it'
);
select is(
    tests.call('owner', 'api.append_message(''session-default'', ''user'', ''third try'', thread_id => ''thread-session-default'', client_message_id => ''client-1'')'),
    (select entry from appended),
    'also where the thread is named'
);
select tests.call('owner', 'api.start_thread(''session-default'')');
select is(
    tests.call('owner', 'api.append_message(''session-default'', ''user'', ''fourth try'', client_message_id => ''client-1'')'),
    (select entry from appended),
    'also where another thread has become the active one since'
);
select is((pg_temp.thread_of('thread-session-default')).message_count, 2::bigint, 'and it counts once');
select isnt(
    tests.call('owner', 'api.append_message(''session-default'', ''user'', ''of the other mode'', ''general'', client_message_id => ''client-1'')') ->> 'id',
    (select entry ->> 'id' from appended),
    'in the other mode it is another message'
);
select isnt(
    tests.call('owner', 'api.append_message(''session-private'', ''user'', ''elsewhere'', client_message_id => ''client-1'')') ->> 'id',
    (select entry ->> 'id' from appended),
    'and in another session'
);
select isnt(
    tests.call('other owner', 'api.append_message(''session-default'', ''user'', ''of another account'', client_message_id => ''client-1'')') ->> 'id',
    (select entry ->> 'id' from appended),
    'and in another account'
);
select is(
    tests.call('owner', 'api.append_message(''session-opened'', ''user'', ''the first of all'')') ->> 'session_id',
    'session-opened',
    'the first message opens a session of one''s own'
);
select is(
    (
        select string_agg(concat_ws(' ', mode, title, status, message_count), ', ')
        from app.chat_threads
        where session_id = 'session-opened'
    ),
    'session Session Coach active 1',
    'and makes its first thread'
);

-- What is refused.
select is(tests.told('owner', attempt.call), attempt.answer, attempt.call || ': ' || attempt.answer)
from (
    values
    ('api.append_message(''session-default'', ''user'', ''hello'', thread_id => ''thread-nowhere'')', 'SB404 there is no thread "thread-nowhere" that you may see'),
    ('api.append_message(''session-private'', ''user'', ''hello'', thread_id => ''thread-session-default'')', '22023 thread "thread-session-default" is of another session or mode'),
    ('api.append_message(null, ''user'', ''hello'', thread_id => ''thread-session-default'')', '22023 thread "thread-session-default" is of another session or mode'),
    ('api.append_message(''session-default'', ''user'', ''hello'', ''general'', ''thread-session-default'')', '22023 thread "thread-session-default" is of another session or mode'),
    ('api.append_message(''session-default'', ''user'', ''hello'', ''session'', ''thread-session-default'')', '1 row'),
    ('api.append_message(null, ''user'', ''hello'')', '23502 null value in column "id" of relation "sessions" violates not-null constraint'),
    ('api.append_message(''session-default'', ''robot'', ''hello'')', '23514 new row for relation "chat_messages" violates check constraint "chat_messages_role_check"'),
    ('api.append_message(''session-default'', null, ''hello'')', '23502 null value in column "role" of relation "chat_messages" violates not-null constraint'),
    ('api.append_message(''session-default'', ''user'', null)', '23502 null value in column "content" of relation "chat_messages" violates not-null constraint'),
    ('api.append_message(''session-default'', ''user'', ''hello'', evidence => ''{}'')', '23514 new row for relation "chat_messages" violates check constraint "chat_messages_evidence_check"'),
    ('api.append_message(''session-default'', ''user'', ''hello'', ''coach'')', '23514 new row for relation "chat_threads" violates check constraint "chat_threads_mode_check"'),
    ('api.append_message(''session-default'', ''user'', ''hello'', client_message_id => '''')', '23514 new row for relation "chat_messages" violates check constraint "chat_messages_client_message_id_check"'),
    ('api.update_message(''message-nowhere'', ''changed'')', 'SB404 there is no message "message-nowhere" that you may see'),
    (
        'api.update_message(''message-session-default'', ''changed'', expected_row_version => 1)',
        'SB409 message "message-session-default" was changed by somebody else meanwhile (Its row_version is 2, and 1 was expected.)'
    ),
    ('api.update_message(''message-session-default'', ''changed'', expected_row_version => 2)', '1 row'),
    ('api.get_message(''message-nowhere'')', '0 rows'),
    ('api.list_thread_messages(''thread-nowhere'')', '0 rows'),
    ('api.list_messages(''session-default'', ''general'', ''thread-session-default'')', '0 rows'),
    ('api.list_messages(''session-private'', ''session'', ''thread-session-default'')', '0 rows'),
    ('api.list_messages(''session-default'', ''session'', ''thread-session-default'')', '2 rows')
) as attempt (call, answer);

-- A message is changed.
create function pg_temp.message_of(p_id text)
returns jsonb
language sql
as $$
    select to_jsonb(message)
    from app.chat_messages as message
    where account_id = '00000000-0000-4000-8000-00000000000a'
        and id = p_id
$$;
create temporary table message_before as
select pg_temp.message_of('message-session-default') as entry;
create temporary table updated as
select tests.call('editor', 'api.update_message(''message-session-default'', ''changed'', evidence => ''[]'', account_id => ''00000000-0000-4000-8000-00000000000a'')') as entry;
select is(
    (select entry - '{txid,updated_at,row_version}'::text[] from updated),
    (select (entry || '{"content": "changed", "evidence": []}') - '{updated_at,row_version}'::text[] from message_before),
    'update_message changes what it is given, and neither author nor anything else'
);
select is((select entry - 'txid' from updated), pg_temp.message_of('message-session-default'), 'and gives the row as it then is');
select is((select (entry ->> 'txid')::bigint from updated), pg_current_xact_id()::xid::text::bigint, 'and says in which transaction');
select is((select entry ->> 'row_version' from updated), '3', 'it raises row_version');
select ok(
    (
        select
            (entry ->> 'updated_at')::timestamptz > now() - interval '1 minute'
            and (entry ->> 'updated_at')::timestamptz = date_trunc('milliseconds', (entry ->> 'updated_at')::timestamptz)
        from updated
    ),
    'and sets updated_at to now, in whole milliseconds'
);
select is(
    (pg_temp.thread_of('thread-session-default')).last_message_preview,
    'first',
    'the thread''s preview stays where it was not the newest that changed'
);
select tests.call('owner', format('api.update_message(%L, ''first, and changed'')', entry ->> 'id'))
from appended;
select is(
    (pg_temp.thread_of('thread-session-default')).last_message_preview,
    'first, and changed',
    'and follows the newest'
);
select cmp_ok(
    (pg_temp.thread_of('thread-session-default')).updated_at,
    '>=',
    (
        select max(updated_at) from app.chat_messages
        where thread_id = 'thread-session-default' and account_id = '00000000-0000-4000-8000-00000000000a'
    ),
    'the thread changed when its message did'
);
select is(
    tests.call('owner', 'api.get_message(''message-session-default'')'),
    pg_temp.message_of('message-session-default'),
    'get_message gives the row'
);

-- Previews: 280 UTF-16 units, and never half a character.
create function pg_temp.preview_of(p_content text)
returns text
language plpgsql
as $$
declare
    v_thread_id text;
begin
    v_thread_id := tests.call('owner', format('api.append_message(''session-shown'', ''user'', %L)', p_content)) ->> 'thread_id';
    return (pg_temp.thread_of(v_thread_id)).last_message_preview;
end;
$$;
select is(pg_temp.preview_of(repeat('a', 280) || 'b'), repeat('a', 280), 'a preview has 280 units');
select is(pg_temp.preview_of(repeat('é', 281)), repeat('é', 280), 'whatever bytes they are');
select is(pg_temp.preview_of(repeat('🦉', 141)), repeat('🦉', 140), 'of which a character beyond U+FFFF has two');
select is(pg_temp.preview_of('a' || repeat('🦉', 140)), 'a' || repeat('🦉', 139), 'and none of it where only one is left');
select is(pg_temp.preview_of(''), '', 'an empty message has an empty preview');

-- The order of a thread's messages is that in which they were appended, also within a millisecond and after a time to come.
select is_empty(
    $$
        select *
        from (
            select
                number,
                entry ->> 'created_at' as created_at,
                lag(entry ->> 'created_at') over (order by number) as previous
            from (
                select
                    number,
                    tests.call('owner', 'api.append_message(''session-order'', ''user'', ''one of twenty'')') as entry
                from generate_series(1, 20) as number
            ) as each
        ) as following
        where created_at::timestamptz <= previous::timestamptz
    $$,
    'each message is later than the one before'
);
update app.chat_threads
set last_message_at = '2999-01-01 00:00:00.000600Z'
where session_id = 'session-order';
select is(
    (tests.call('owner', 'api.append_message(''session-order'', ''user'', ''last'')') ->> 'created_at')::timestamptz,
    '2999-01-01 00:00:00.001Z'::timestamptz,
    'also where the newest is of a time to come, with microseconds'
);

-- Pages: 250 messages, of which many have the same time, as imported ones can.
insert into app.chat_threads (account_id, id, session_id, mode, title, status)
values ('00000000-0000-4000-8000-00000000000a', 'long', 'session-default', 'general', 'Long', 'archived');
insert into app.chat_messages (account_id, id, session_id, thread_id, mode, role, content, created_at, updated_at)
select
    '00000000-0000-4000-8000-00000000000a' as account_id,
    'long-' || lpad((number * 7919 % 250)::text, 3, '0') as id,
    'session-default' as session_id,
    'long' as thread_id,
    'general' as mode,
    'user' as role,
    'one of 250' as content,
    timestamptz '2026-01-01' + (number / 20) * interval '1 second' as created_at,
    timestamptz '2026-01-01' + (number / 20) * interval '1 second' as updated_at
from generate_series(0, 249) as number;
create function pg_temp.paged(p_persona text, p_function text, p_backwards boolean, p_page_size integer)
returns text[]
language plpgsql
as $$
declare
    v_page text[];
    v_cursor text;
    v_ids text[] := '{}';
begin
    for page in 1..300 loop
        select coalesce(array_agg(entry ->> 'id' order by place), '{}')
        into v_page
        from tests.call(
            p_persona,
            format(
                'api.%s %s page_size => %s, account_id => ''00000000-0000-4000-8000-00000000000a'')',
                p_function,
                case
                    when v_cursor is not null then format(case when p_backwards then 'before_id => %L,' else 'after_id => %L,' end, v_cursor)
                    when p_backwards then 'newest => true,'
                end,
                p_page_size
            )
        ) with ordinality as listed (entry, place);
        v_ids := case when p_backwards then v_page || v_ids else v_ids || v_page end;
        exit when cardinality(v_page) < p_page_size;
        v_cursor := case when p_backwards then v_page[1] else v_page[p_page_size] end;
    end loop;
    return v_ids;
end;
$$;
select
    is(
        pg_temp.paged(persona.name, function.call, direction.backwards, size.rows),
        (
            select array_agg(message.id order by message.created_at, message.id)
            from app.chat_messages as message
            where
                message.account_id = '00000000-0000-4000-8000-00000000000a'
                and message.thread_id = 'long'
        ),
        format('%s in pages of %s, %s: each once, in order: %s', function.name, size.rows, direction.said, persona.name)
    )
from (
    values
    ('list_thread_messages', 'list_thread_messages(''long'','),
    ('list_messages', 'list_messages(''session-default'', ''general'', ''long'',')
) as function (name, call)
cross join (values (false, 'from the first on'), (true, 'from the newest back')) as direction (backwards, said)
cross join (values (7), (50), (1000)) as size (rows)
cross join (values ('owner'), ('viewer')) as persona (name)
order by function.name, direction.said, size.rows, persona.name;
select is(
    pg_temp.paged('owner', 'list_thread_messages(''long'',', false, 1),
    pg_temp.paged('owner', 'list_thread_messages(''long'',', true, 1),
    'also one by one'
);
select is(pg_temp.paged('stranger', 'list_thread_messages(''long'',', false, 100), '{}', 'none for a stranger');
select is(tests.told(attempt.persona, attempt.call), attempt.answer, concat_ws(': ', attempt.call, attempt.persona, attempt.answer))
from (
    values
    ('owner', 'api.list_thread_messages(''long'')', '100 rows'),
    ('owner', 'api.list_thread_messages(''long'', newest => null)', '100 rows'),
    ('owner', 'api.list_thread_messages(''long'', newest => true, page_size => 3)', '3 rows'),
    ('owner', 'api.list_thread_messages(''long'', after_id => ''nowhere'')', 'SB404 there is no message "nowhere" in this thread that a page could follow'),
    ('owner', 'api.list_thread_messages(''long'', before_id => ''nowhere'')', 'SB404 there is no message "nowhere" in this thread that a page could follow'),
    ('owner', 'api.list_thread_messages(''long'', after_id => '''')', 'SB404 there is no message "" in this thread that a page could follow'),
    (
        'owner',
        'api.list_thread_messages(''long'', after_id => ''message-session-default'')',
        'SB404 there is no message "message-session-default" in this thread that a page could follow'
    ),
    (
        'stranger',
        'api.list_thread_messages(''long'', after_id => ''long-000'', account_id => ''00000000-0000-4000-8000-00000000000a'')',
        'SB404 there is no message "long-000" in this thread that a page could follow'
    ),
    (
        'claim set back to nothing',
        'api.list_thread_messages(''long'', after_id => ''long-000'', account_id => ''00000000-0000-4000-8000-00000000000a'')',
        'SB404 there is no message "long-000" in this thread that a page could follow'
    ),
    ('owner', 'api.list_thread_messages(''long'', after_id => ''long-000'', before_id => ''long-001'')', '22023 a page is after a row, before a row, or the newest'),
    ('owner', 'api.list_thread_messages(''long'', after_id => ''long-000'', newest => true)', '22023 a page is after a row, before a row, or the newest'),
    ('owner', 'api.list_thread_messages(''long'', before_id => ''long-000'', newest => true)', '22023 a page is after a row, before a row, or the newest'),
    ('owner', 'api.list_thread_messages(''long'', page_size => 0)', '22023 a page has 1 to 1000 rows'),
    ('owner', 'api.list_thread_messages(''long'', page_size => 1001)', '22023 a page has 1 to 1000 rows'),
    ('owner', 'api.list_thread_messages(''long'', page_size => null)', '22023 a page has 1 to 1000 rows'),
    ('owner', 'api.list_messages(''session-default'', ''general'', ''long'', page_size => 0)', '22023 a page has 1 to 1000 rows')
) as attempt (persona, call, answer);
-- A page follows its cursor, whatever was removed or written since.
delete from app.chat_messages
where
    account_id = '00000000-0000-4000-8000-00000000000a'
    and thread_id = 'long'
    and id in ('long-001', 'long-002');
select tests.call('owner', 'api.append_message(''session-default'', ''user'', ''after all'', thread_id => ''long'')');
select is(
    (
        select string_agg(listed.entry ->> 'content', ', ')
        from tests.call('owner', 'api.list_thread_messages(''long'', newest => true, page_size => 2)') as listed (entry)
    ),
    'one of 250, after all',
    'what is appended is the end of the newest page'
);

-- What plain SQL writes is counted too.
select is_empty(
    $$ select * from tests.threads_that_differ() where threads_that_differ !~ ' long | 2999-' $$,
    'every thread''s count, preview and last time are what its messages say'
);
delete from app.chat_messages
where session_id = 'session-order';
select tests.derive_threads();
create function pg_temp.as_editor(p_statement text)
returns text
language plpgsql
as $$
declare
    v_differ text;
    v_thread app.chat_threads;
begin
    perform set_config('request.jwt.claims', tests.claims_of('editor'), true);
    perform set_config('role', 'app_user', true);
    execute p_statement;
    perform set_config('role', 'none', true);
    v_differ := (select string_agg(threads_that_differ, '; ') from tests.threads_that_differ());
    v_thread := pg_temp.thread_of('long');
    raise sqlstate 'SB999' using message = coalesce(v_differ, concat_ws(' ', v_thread.message_count, v_thread.last_message_preview));
exception
    when sqlstate 'SB999' then
        return sqlerrm;
end;
$$;
select is(pg_temp.as_editor(written.statement), written.count_and_preview, written.what)
from (
    values
    (
        'an insert of three, of which the newest is not the last',
        'insert into app.chat_messages (account_id, session_id, thread_id, mode, role, content, created_at, updated_at, author_account_id)'
        || ' select ''00000000-0000-4000-8000-00000000000a'', ''session-default'', ''long'', ''general'', ''user'', content, at, at, ''00000000-0000-4000-8000-00000000000d'''
        || ' from (values (''early'', timestamptz ''2025-01-01''), (''newest'', ''2999-01-01''), (''between'', ''2026-01-01'')) as written (content, at)',
        '252 newest'
    ),
    (
        'an insert of two hundred at one time',
        'insert into app.chat_messages (account_id, session_id, thread_id, mode, role, content, created_at, updated_at, author_account_id)'
        || ' select ''00000000-0000-4000-8000-00000000000a'', ''session-default'', ''long'', ''general'', ''user'', ''same'', ''2998-01-01'', ''2998-01-01'', ''00000000-0000-4000-8000-00000000000d'''
        || ' from generate_series(1, 200)',
        '449 same'
    ),
    ('an update of all', 'update app.chat_messages set content = content || '' again'' where thread_id = ''long''', '249 after all again'),
    ('a delete of the newest', 'delete from app.chat_messages where thread_id = ''long'' and content = ''after all''', '248 one of 250'),
    ('a delete of the oldest', 'delete from app.chat_messages where thread_id = ''long'' and created_at < ''2026-01-01 00:00:01''', '229 after all'),
    ('a delete of all of several threads', 'delete from app.chat_messages', '0'),
    ('an append', 'select api.append_message(''session-default'', ''user'', ''more'', thread_id => ''long'', account_id => ''00000000-0000-4000-8000-00000000000a'')', '250 more'),
    ('delete_thread_messages', 'select api.delete_thread_messages(''long'', account_id => ''00000000-0000-4000-8000-00000000000a'')', '0'),
    ('remove_thread of another one', 'select api.remove_thread(''thread-session-default'', account_id => ''00000000-0000-4000-8000-00000000000a'')', '249 after all'),
    ('clear_threads of the other mode', 'select api.clear_threads(''session-default'', ''session'', ''00000000-0000-4000-8000-00000000000a'')', '249 after all')
) as written (what, statement, count_and_preview);
-- Of two of one time the later id is the newest, whichever was written first.
insert into app.chat_messages (account_id, id, session_id, thread_id, mode, role, content, created_at, updated_at, author_account_id)
select
    '00000000-0000-4000-8000-00000000000a' as account_id,
    id,
    'session-default' as session_id,
    'long' as thread_id,
    'general' as mode,
    'user' as role,
    'with id ' || id as content,
    '2998-01-01' as created_at,
    '2998-01-01' as updated_at,
    '00000000-0000-4000-8000-00000000000a' as author_account_id
from (values ('b'), ('c'), ('a')) as written (id);
select is((pg_temp.thread_of('long')).last_message_preview, 'with id c', 'of messages of one time the one with the last id is previewed');
select is_empty('select * from tests.threads_that_differ()', 'as it is elsewhere');
select throws_ok(
    'set local role app_user; update app.chat_threads set message_count = 7',
    '42501',
    null,
    'control: who writes messages may not write the count'
);

select finish();
rollback;
