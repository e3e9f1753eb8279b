-- What a delete takes along, what it only lets go of, and what it is refused for.
begin;
select plan(27);

insert into app.accounts (id, name)
values
('00000000-0000-4000-8000-00000000000a', 'first'),
('00000000-0000-4000-8000-00000000000b', 'second'),
('00000000-0000-4000-8000-00000000000c', 'without data');
insert into app.sessions (account_id, id)
values
('00000000-0000-4000-8000-00000000000a', 'session-1'),
('00000000-0000-4000-8000-00000000000b', 'session-1');
insert into app.session_members (account_id, session_id, member_account_id, role)
values ('00000000-0000-4000-8000-00000000000a', 'session-1', '00000000-0000-4000-8000-00000000000b', 'viewer');
insert into app.chat_threads (account_id, id, session_id, mode, title, status)
values
('00000000-0000-4000-8000-00000000000a', 'thread-1', 'session-1', 'session', 'Session Coach', 'active'),
('00000000-0000-4000-8000-00000000000a', 'thread-2', 'session-1', 'session', 'Session Coach #2', 'archived'),
('00000000-0000-4000-8000-00000000000b', 'thread-1', 'session-1', 'session', 'Session Coach', 'active');
insert into app.chat_messages (account_id, id, session_id, thread_id, mode, role, content)
values
('00000000-0000-4000-8000-00000000000a', 'message-1', 'session-1', 'thread-1', 'session', 'user', 'one'),
('00000000-0000-4000-8000-00000000000a', 'message-2', 'session-1', 'thread-2', 'session', 'user', 'two'),
('00000000-0000-4000-8000-00000000000b', 'message-1', 'session-1', 'thread-1', 'session', 'user', 'three');
insert into app.chat_tool_events (account_id, id, session_id, thread_id, tool_name, status, started_at)
values
('00000000-0000-4000-8000-00000000000a', 'tool-1', 'session-1', 'thread-1', 'search', 'pending', now()),
('00000000-0000-4000-8000-00000000000a', 'tool-2', 'session-1', 'thread-2', 'search', 'pending', now());
insert into app.session_events (account_id, session_id, event_index, event_type)
values ('00000000-0000-4000-8000-00000000000a', 'session-1', 0, 'message');
insert into app.session_logs (account_id, session_id, format, source_path)
values ('00000000-0000-4000-8000-00000000000a', 'session-1', 'codex', '/log');
select tests.keep_content('00000000-0000-4000-8000-00000000000a', 'x');
insert into app.upload_retention (account_id, source, older_than)
values ('00000000-0000-4000-8000-00000000000a', 'upload', '30 days');
insert into app.session_uploads (account_id, id, session_id, original_name, size_bytes, content_sha256, source)
values ('00000000-0000-4000-8000-00000000000a', 'upload-1', 'session-1', 'log', 1, sha256('x'), 'upload');
insert into app.session_repo_bindings (account_id, session_id, asset_path, root_dir)
values ('00000000-0000-4000-8000-00000000000a', 'session-1', 'log', '/');
insert into app.todos (account_id, id, session_id, body)
values
('00000000-0000-4000-8000-00000000000a', 'todo-1', 'session-1', 'of the session'),
('00000000-0000-4000-8000-00000000000a', 'todo-2', null, 'of the account');
insert into app.misalignments (account_id, id, session_id, rule_id, title, summary, severity)
values ('00000000-0000-4000-8000-00000000000a', 'misalignment-1', 'session-1', 'rule', 'title', 'summary', 'low');
insert into app.hook_decisions (account_id, id, session_id, source, content_hash, severity, blocked)
values ('00000000-0000-4000-8000-00000000000a', 'decision-1', 'session-1', 'hook', 'hash', 'low', false);
insert into legacy.import_runs (id, account_id, tool_version, outcome)
overriding system value
values
(800, '00000000-0000-4000-8000-00000000000a', '1', 'running'),
(801, '00000000-0000-4000-8000-00000000000a', '1', 'abandoned'),
(802, '00000000-0000-4000-8000-00000000000a', '1', 'abandoned'),
(803, '00000000-0000-4000-8000-00000000000a', '1', 'abandoned');
insert into legacy.import_batches (run_id, kind, number, first_ordinal, record_count, end_byte, prefix_sha256)
values (801, 'threads', 0, 0, 0, 0, '');
insert into legacy.kept_records (account_id, kind, record_id, run_id, ordinal, byte_offset)
values ('00000000-0000-4000-8000-00000000000a', 'messages', 'message-1', 802, 0, 0);
insert into legacy.thread_claims (account_id, thread_id, run_id, number, ordinal, byte_offset, record, raw)
values ('00000000-0000-4000-8000-00000000000a', 'thread-1', 803, 0, 0, 0, '{}', '');
insert into legacy.made_threads (account_id, thread_id, reason, run_id)
values
('00000000-0000-4000-8000-00000000000a', 'thread-1', 'thread_absent', 800),
('00000000-0000-4000-8000-00000000000a', 'thread-2', 'thread_missing', 800);

-- The constraint that refuses a statement. Its SQLSTATE is 23503, for on delete restrict 23001 from Postgres 18 on.
create function pg_temp.refusal(p_statement text)
returns text
language plpgsql
as $$
declare
    v_constraint text;
begin
    execute p_statement;
    return 'not refused';
exception
    when foreign_key_violation or restrict_violation then
        get stacked diagnostics v_constraint = constraint_name;
        return v_constraint;
end;
$$;

select matches(
    pg_temp.refusal($$ delete from app.accounts where name = 'first' $$),
    '_account_fkey$',
    'an account with data is not deleted'
);
select matches(
    pg_temp.refusal($$ update app.accounts set id = gen_random_uuid() where name = 'first' $$),
    '_account_fkey$',
    'the id of an account with data is not changed'
);
select is(
    pg_temp.refusal($$ delete from legacy.import_runs where id = 800 $$),
    'made_threads_run_fkey',
    'a run that made a thread is not deleted'
);
select is(
    pg_temp.refusal($$ delete from legacy.import_runs where id = 801 $$),
    'import_batches_run_fkey',
    'a run that has a batch is not deleted'
);
select is(
    pg_temp.refusal($$ delete from legacy.import_runs where id = 802 $$),
    'kept_records_run_fkey',
    'a run that brought a record which is kept is not deleted'
);
select is(
    pg_temp.refusal($$ delete from legacy.import_runs where id = 803 $$),
    'thread_claims_run_fkey',
    'a run that compares threads is not deleted'
);
select is(
    pg_temp.refusal($$ delete from legacy.reasons where code = 'thread_absent' $$),
    'made_threads_reason_fkey',
    'a reason in use is not deleted'
);
select lives_ok(
    $$ delete from app.accounts where name = 'without data' $$,
    'an account without data is deleted'
);

select lives_ok(
    $$ delete from app.chat_threads where account_id = '00000000-0000-4000-8000-00000000000a' and id = 'thread-1' $$,
    'a thread is deleted'
);
select set_eq(
    $$ select account_id || ' ' || id from app.chat_messages where session_id = 'session-1' $$,
    array[
        '00000000-0000-4000-8000-00000000000a message-2',
        '00000000-0000-4000-8000-00000000000b message-1'
    ],
    'its messages are gone, and only they: the thread of the same id in another account keeps its own'
);
select set_eq(
    $$ select concat_ws(' ', account_id, session_id, id, thread_id) from app.chat_tool_events $$,
    array[
        '00000000-0000-4000-8000-00000000000a session-1 tool-1',
        '00000000-0000-4000-8000-00000000000a session-1 tool-2 thread-2'
    ],
    'its tool events stay in their account and session, and belong to no thread now'
);
select set_eq(
    'select thread_id from legacy.made_threads',
    '{thread-2}'::text[],
    'the import''s note that it made the thread is gone'
);

select lives_ok(
    $$ delete from app.sessions where account_id = '00000000-0000-4000-8000-00000000000a' and id = 'session-1' $$,
    'a session is deleted'
);
select set_eq(
    'select account_id from app.chat_threads',
    '{00000000-0000-4000-8000-00000000000b}'::uuid[],
    'its threads are gone; the session of the same id in another account keeps its own'
);
select set_eq(
    'select account_id from app.chat_messages',
    '{00000000-0000-4000-8000-00000000000b}'::uuid[],
    'its messages are gone; the session of the same id in another account keeps its own'
);
select is_empty('select id from app.chat_tool_events', 'its tool events are gone');
select is_empty(
    $$
        select 'member' from app.session_members
        union all
        select 'event' from app.session_events
        union all
        select 'log' from app.session_logs
        union all
        select 'binding' from app.session_repo_bindings
        union all
        select 'misalignment' from app.misalignments
        union all
        select 'decision' from app.hook_decisions
        union all
        select 'made thread' from legacy.made_threads
    $$,
    'its members, timeline, log''s books, binding, misalignments, hook decisions and notes of the import are gone'
);
select set_eq(
    'select id from app.todos',
    '{todo-2}'::text[],
    'its todos are gone; the account''s own stay'
);
select results_eq(
    'select account_id, session_id from app.session_uploads',
    $$ values ('00000000-0000-4000-8000-00000000000a'::uuid, null::text) $$,
    'its uploads stay in their account, and belong to no session now'
);
delete from app.todos;
delete from legacy.import_batches;
delete from legacy.kept_records;
delete from legacy.thread_claims;
delete from legacy.import_runs;
select is(
    pg_temp.refusal($$ delete from app.accounts where name = 'first' $$),
    'session_uploads_account_fkey',
    'an account that only has an upload is not deleted'
);
select is(
    pg_temp.refusal($$ delete from app.upload_contents $$),
    'session_uploads_content_fkey',
    'a content that an upload has is not deleted'
);
select is(
    pg_temp.refusal($$ delete from app.upload_chunks $$),
    'upload_content_chunks_chunk_fkey',
    'a chunk that a content has is not deleted'
);
delete from app.session_uploads;
delete from app.upload_retention;
select is(
    pg_temp.refusal($$ delete from app.accounts where name = 'first' $$),
    'upload_chunks_account_fkey',
    'an account that only has the content of an upload is not deleted'
);
select lives_ok('delete from app.upload_contents', 'a content that no upload has is deleted');
select is_empty('select chunk_index from app.upload_content_chunks', 'its list of chunks is gone');
select isnt_empty('select chunk from app.upload_chunks', 'its chunks stay');
delete from app.upload_chunks;
insert into app.upload_retention (account_id, source, older_than)
values ('00000000-0000-4000-8000-00000000000a', 'upload', '30 days');
select is(
    pg_temp.refusal($$ delete from app.accounts where name = 'first' $$),
    'upload_retention_account_fkey',
    'an account that only has said how long its uploads are kept is not deleted'
);

select finish();
rollback;
