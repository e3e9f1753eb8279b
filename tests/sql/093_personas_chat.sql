-- Threads, messages and tool events: who reads, writes, changes and removes them, and in which sessions. Who the personas are,
-- and how a deed is judged, is in lib/personas.sql.
begin;
select plan(193);

select tests.cast_personas();

insert into tests.deed (target, command, rows_for, statement)
values
('app.chat_threads', 'select', 'shared with viewers', null),
('app.chat_threads', 'insert', 'shared with editors', 'insert into app.chat_threads (account_id, session_id, mode, title, status, author_account_id) values (%1$L, %2$L, ''general'', ''General'', ''active'', %3$L)'),
('app.chat_threads', 'update', 'shared with editors', 'update app.chat_threads set title = ''Other'''),
('app.chat_threads', 'delete', 'shared with editors', 'delete from app.chat_threads'),
('app.chat_messages', 'select', 'shared with viewers', null),
('app.chat_messages', 'insert', 'shared with editors', 'insert into app.chat_messages (account_id, session_id, thread_id, mode, role, content, author_account_id) values (%1$L, %2$L, ''thread-'' || %2$L, ''session'', ''user'', ''new'', %3$L)'),
('app.chat_messages', 'update', 'shared with editors', 'update app.chat_messages set content = ''other'''),
('app.chat_messages', 'delete', 'shared with editors', 'delete from app.chat_messages'),
('app.chat_tool_events', 'select', 'shared with viewers', null),
('app.chat_tool_events', 'insert', 'shared with editors', 'insert into app.chat_tool_events (account_id, session_id, thread_id, tool_name, status, started_at, author_account_id) values (%1$L, %2$L, ''thread-'' || %2$L, ''search'', ''pending'', now(), %3$L)'),
('app.chat_tool_events', 'update', 'shared with editors', 'update app.chat_tool_events set status = ''executing'''),
('app.chat_tool_events', 'delete', 'shared with editors', 'delete from app.chat_tool_events');
select tests.deeds_come_out();

-- What is not granted is refused by column, to the account whose rows they are too.
select is(tests.columns_refused('app.chat_threads', 'insert'), 'id, message_count, last_message_preview, last_message_at, row_version, extra', 'app.chat_threads: the columns that nobody writes who starts one');
select is(tests.columns_refused('app.chat_threads', 'update'), 'account_id, id, session_id, mode, message_count, last_message_preview, last_message_at, created_at, row_version, extra, author_account_id', 'app.chat_threads: the columns that nobody changes');
select is(tests.columns_refused('app.chat_messages', 'insert'), 'id, row_version, extra', 'app.chat_messages: the columns that nobody writes who writes one');
select is(tests.columns_refused('app.chat_messages', 'update'), 'account_id, id, session_id, thread_id, mode, role, client_message_id, created_at, row_version, extra, author_account_id', 'app.chat_messages: the columns that nobody changes');
select is(tests.columns_refused('app.chat_tool_events', 'insert'), 'id, row_version, extra', 'app.chat_tool_events: the columns that nobody writes who reports one');
select is(tests.columns_refused('app.chat_tool_events', 'update'), 'account_id, id, session_id, thread_id, tool_call_id, tool_name, arguments, started_at, created_at, row_version, extra, author_account_id', 'app.chat_tool_events: the columns that nobody changes');

-- What a member writes belongs to the account of the session, and says who wrote it.
select set_config('request.jwt.claims', tests.claims_of('editor'), true);
set local role app_user;
insert into app.chat_threads (account_id, session_id, mode, title, status, author_account_id)
values ('00000000-0000-4000-8000-00000000000a', 'session-default', 'general', 'General', 'active', '00000000-0000-4000-8000-00000000000d');
insert into app.chat_messages (account_id, session_id, thread_id, mode, role, content, author_account_id)
values ('00000000-0000-4000-8000-00000000000a', 'session-default', 'thread-session-default', 'session', 'user', 'new', '00000000-0000-4000-8000-00000000000d');
insert into app.chat_tool_events (account_id, session_id, tool_name, status, started_at, author_account_id)
values ('00000000-0000-4000-8000-00000000000a', 'session-default', 'search', 'pending', now(), '00000000-0000-4000-8000-00000000000d');
select results_eq(
    $$
        select content
        from app.chat_messages
        order by content
    $$,
    '{new,of a''s default,of a''s shown}'::text[],
    'an editor reads what it wrote beside what was there'
);
reset role;

create function pg_temp.written_by_the_editor(p_target regclass)
returns setof text
language plpgsql
as $$
begin
    return query execute format(
        'select account_id || '' '' || session_id || '' '' || regexp_replace(id, ''[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'', ''uuid'')
        from %s
        where author_account_id = $1',
        p_target
    ) using '00000000-0000-4000-8000-00000000000d'::uuid;
end;
$$;

select results_eq(
    $$ select pg_temp.written_by_the_editor('app.chat_threads') $$,
    '{00000000-0000-4000-8000-00000000000a session-default thread_uuid}'::text[],
    'a thread that an editor starts is of the owner''s session, and its id is made here'
);
select results_eq(
    $$ select pg_temp.written_by_the_editor('app.chat_messages') $$,
    '{00000000-0000-4000-8000-00000000000a session-default chat_uuid}'::text[],
    'a message that an editor writes is of the owner''s session, and its id is made here'
);
select results_eq(
    $$ select pg_temp.written_by_the_editor('app.chat_tool_events') $$,
    '{00000000-0000-4000-8000-00000000000a session-default tool_uuid}'::text[],
    'a tool event that an editor reports is of the owner''s session, and its id is made here'
);

select finish();
rollback;
