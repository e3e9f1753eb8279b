-- Denial: each role tries, is refused with 42501 or 28000 or sees nothing, and the row it tried for was there to be found.
-- What app_user may do, and to whose rows, is in 093_personas_chat.sql and the files after it.
begin;
select plan(280);

insert into app.sessions (account_id, id)
values ('00000000-0000-4000-8000-000000000001', 'session-1');
insert into app.session_members (account_id, session_id, member_account_id, role)
values ('00000000-0000-4000-8000-000000000001', 'session-1', '00000000-0000-4000-8000-00000000000b', 'owner');
select tests.keep_content('00000000-0000-4000-8000-000000000001', 'x');
insert into app.upload_retention (account_id, source, older_than)
values ('00000000-0000-4000-8000-000000000001', 'upload', '30 days');
insert into app.chat_threads (account_id, id, session_id, mode, title, status)
values ('00000000-0000-4000-8000-000000000001', 'thread-1', 'session-1', 'session', 'Session Coach', 'active');
insert into app.chat_messages (account_id, id, session_id, thread_id, mode, role, content)
values ('00000000-0000-4000-8000-000000000001', 'message-1', 'session-1', 'thread-1', 'session', 'user', 'one');
insert into legacy.import_runs (id, account_id, tool_version)
overriding system value
values (800, '00000000-0000-4000-8000-000000000001', '1');
insert into legacy.quarantine (account_id, kind, file_name, file_sha256, ordinal, byte_offset, reason, raw, raw_sha256, occurrence, run_id, last_run_id)
values ('00000000-0000-4000-8000-000000000001', 'threads', 'chat-threads.json', sha256(''), 0, 0, 'not_json', 'x', sha256('x'), 1, 800, 800);
insert into legacy.import_batches (
    run_id, kind, number, first_ordinal, record_count, end_byte, prefix_sha256, fates, record_ids, byte_offsets, record_sha256s
)
values (800, 'threads', 0, 0, 1, 1, '', 'i', '{thread-1}', '{0}', '{x}');
insert into legacy.kept_records (account_id, kind, record_id, raw, run_id, ordinal, byte_offset)
values ('00000000-0000-4000-8000-000000000001', 'threads', 'thread-1', 'x', 800, 0, 0);
insert into legacy.thread_claims (account_id, thread_id, run_id, number, ordinal, byte_offset, record, raw)
values ('00000000-0000-4000-8000-000000000001', 'thread-1', 800, 0, 0, 0, '{}', 'x');
insert into legacy.staged_records (run_id, kind, ordinal, byte_offset, raw, sha256)
values (800, 'threads', 0, 0, 'x', sha256('x'));
insert into legacy.judged_records (run_id, kind, ordinal, byte_offset, raw)
values (800, 'threads', 0, 0, 'x');
insert into legacy.known_records (run_id, kind, sha256, record_id)
values (800, 'threads', sha256('x'), 'thread-1');
insert into app.ui_settings (account_id, profile_id)
values ('00000000-0000-4000-8000-000000000001', 'profile');
insert into ops.dropped_keys (table_name, name, kind, definition)
values ('app.todos', 'todos_session_idx', 'index', 'select 1');

-- What every role tries, except those who may. Who has no account is no account: app_user without one may read, and finds nothing.
create temporary table try (place bigint generated always as identity, statement text, allowed_to name[] not null default '{}');
insert into try (statement, allowed_to)
values
('select id from app.chat_messages', '{app_user,bookkeeper,electric_read}'),
('select id from app.chat_threads', '{app_user,bookkeeper,electric_read}'),
('select id from app.accounts', '{app_user,authorizer}'),
('select member_account_id from app.session_members', '{app_user,authorizer,electric_read}'),
('select session_id from app.memberships', '{app_user,authorizer}'),
('select chunk from app.upload_chunks', '{app_user}'),
('select sha256 from app.upload_contents', '{app_user}'),
('select chunk_sha256 from app.upload_content_chunks', '{app_user}'),
('select older_than from app.upload_retention', '{app_user}'),
('select settings from app.ui_settings', '{app_user}'),
('insert into app.sessions (account_id, id) values (''00000000-0000-4000-8000-000000000001'', ''session-2'')', '{app_user}'),
('update app.chat_threads set title = ''Mine''', '{app_user}'),
('delete from app.chat_messages', '{app_user}'),
('update app.chat_threads set message_count = 40', '{bookkeeper}'),
('update app.chat_messages set role = ''assistant''', '{}'),
('select app.note_change(''00000000-0000-4000-8000-000000000001'', ''session-1'', now())', '{bookkeeper}'),
('truncate app.hook_decisions', '{}'),
('select raw from legacy.quarantine', '{}'),
('select raw from legacy.staged_records', '{}'),
('select record_ids from legacy.import_batches', '{}'),
('select record_id from legacy.source_records', '{}'),
('select record from legacy.current_records', '{}'),
('select raw from legacy.kept_records', '{}'),
('select raw from legacy.thread_claims', '{}'),
('select raw from legacy.judged_records', '{}'),
('select record_id from legacy.known_records', '{}'),
('update ops.dropped_keys set definition = ''drop table app.todos''', '{}'),
('select app.drop_chat_keys()', '{}'),
('select app.restore_chat_keys()', '{}'),
('select legacy.judge_batch(800, ''00000000-0000-4000-8000-000000000001'', ''threads'', 0, false)', '{}'),
('select legacy.import_batch(800, 1, ''threads'', 1, 1, 0, 1, '''')', '{importer}');
grant select on try to public;

select isnt_empty('select id from app.chat_messages', 'control: there is a message');
select isnt_empty('select id from app.chat_threads', 'control: there is a thread');
select isnt_empty('select id from app.accounts', 'control: there is an account');
select isnt_empty('select member_account_id from app.session_members', 'control: there is a member');
select isnt_empty('select chunk from app.upload_chunks', 'control: there is a chunk of an upload');
select isnt_empty('select sha256 from app.upload_contents', 'control: there is the content of an upload');
select isnt_empty('select chunk_sha256 from app.upload_content_chunks', 'control: it has a chunk');
select isnt_empty('select older_than from app.upload_retention', 'control: it is said how long uploads are kept');
select isnt_empty('select settings from app.ui_settings', 'control: there are settings');
select isnt_empty('select raw from legacy.quarantine', 'control: there is a quarantined record');
select isnt_empty('select raw from legacy.staged_records', 'control: there is a staged record');
select isnt_empty('select record_id from legacy.source_records', 'control: there is a batch with a record');
select isnt_empty('select record from legacy.current_records', 'control: there is a row to export');
select isnt_empty('select raw from legacy.kept_records', 'control: there is a kept record');
select isnt_empty('select raw from legacy.thread_claims', 'control: there is a claim');
select isnt_empty('select raw from legacy.judged_records', 'control: there is a judged record');
select isnt_empty('select record_id from legacy.known_records', 'control: there is a known record');
select isnt_empty('select definition from ops.dropped_keys', 'control: there is a dropped key');

set local role app_user;
select throws_ok(statement, '42501', null, 'app_user is refused: ' || statement)
from try
where not allowed_to @> '{app_user}'
order by place;
select throws_ok(statement, '28000', null, 'app_user without an account is refused: ' || statement)
from try
where
    allowed_to @> '{app_user}'
    and statement !~ '^select'
order by place;
select is_empty(statement, 'app_user without an account finds nothing: ' || statement)
from try
where
    allowed_to @> '{app_user}'
    and statement ~ '^select'
order by place;

set local role app_server;
select throws_ok(statement, '42501', null, 'app_server is refused: ' || statement)
from try
where not allowed_to @> '{app_server}'
order by place;

set local role electric_read;
select throws_ok(statement, '42501', null, 'electric_read is refused: ' || statement)
from try
where not allowed_to @> '{electric_read}'
order by place;

set local role electric_repl;
select throws_ok(statement, '42501', null, 'electric_repl is refused: ' || statement)
from try
order by place;

set local role authorizer;
select throws_ok(statement, '42501', null, 'authorizer is refused: ' || statement)
from try
where not allowed_to @> '{authorizer}'
order by place;

set local role bookkeeper;
select throws_ok(statement, '42501', null, 'bookkeeper is refused: ' || statement)
from try
where not allowed_to @> '{bookkeeper}'
order by place;

set local role reviewer;
select throws_ok(statement, '42501', null, 'reviewer is refused: ' || statement)
from try
where not allowed_to @> '{reviewer}'
order by place;
select isnt_empty('select id from legacy.import_runs', 'reviewer reads the runs of the import');
select isnt_empty('select file from ops.migrations', 'reviewer reads the ledger');
select throws_ok('update legacy.import_runs set finished_at = now()', '42501', null, 'reviewer is refused to end a run');

set local role importer;
select throws_ok(statement, '42501', null, 'importer is refused: ' || statement)
from try
where not allowed_to @> '{importer}'
order by place;
select lives_ok('select legacy.find_account()', 'importer may ask for the account');
select lives_ok(
    $$ insert into legacy.staged_records (run_id, kind, ordinal, byte_offset, raw, sha256) values (800, 'threads', 1, 1, 'x', 'x') $$,
    'importer may put a record into the staging table'
);
select throws_ok('delete from legacy.staged_records', '42501', null, 'importer is refused to take a record out of it again');
select throws_ok(
    $$ insert into legacy.judged_records (run_id, kind, ordinal, byte_offset, raw, fate) values (800, 'threads', 2, 2, 'x', 'imported') $$,
    '42501',
    null,
    'importer is refused to say what became of a record'
);
select lives_ok('select legacy.open_staging()', 'importer may have a staging table of its connection made');
select lives_ok(
    $$ insert into pg_temp.staged_records (run_id, kind, ordinal, byte_offset, raw, sha256) values (800, 'threads', 1, 0, 'x', 'x') $$,
    'importer may put a record into that'
);
select throws_ok('select raw from pg_temp.staged_records', '42501', null, 'importer is refused to read that too');
select throws_ok('delete from pg_temp.staged_records', '42501', null, 'importer is refused to take a record out of that');
select throws_ok('drop table pg_temp.staged_records', '42501', null, 'importer is refused to drop that');

-- The owner may do anything to its tables, but force row level security shows it no row.
set local role sessionbase_owner;
select is_empty('select id from app.chat_threads', 'the owner sees no thread');
select is_empty('select raw from legacy.quarantine', 'the owner sees no quarantined record');
select is_empty('select record_ids from legacy.import_batches', 'the owner sees no batch');
select is_empty('select raw from legacy.kept_records', 'the owner sees no kept record');
select is_empty('select raw from legacy.thread_claims', 'the owner sees no claim');
select throws_ok('select raw from legacy.staged_records', '42501', null, 'the owner of all else is refused to read the staging table');
select throws_ok('select raw from legacy.judged_records', '42501', null, 'the owner of all else is refused to read judged records');
select throws_ok('select record_id from legacy.known_records', '42501', null, 'the owner of all else is refused to read known records');
select throws_ok('select raw from pg_temp.staged_records', '42501', null, 'the owner of all else is refused to read a connection''s staging table');
select throws_ok(
    $$ insert into app.sessions (account_id, id) values ('00000000-0000-4000-8000-000000000001', 'session-2') $$,
    '42501',
    null,
    'the owner is refused to insert a session'
);
select is_empty('update app.chat_threads set title = ''Mine'' returning id', 'the owner''s update finds no thread');

reset role;
select isnt_empty('select raw from pg_temp.staged_records', 'control: there is a record in the connection''s staging table');
select results_eq(
    'select title from app.chat_threads',
    '{Session Coach}'::text[],
    'control: the thread is there still, and as it was'
);

select finish();
rollback;
