-- Denial: each role tries, is refused with 42501 or sees nothing, and the row it tried for was there to be found.
begin;
select plan(72);

insert into app.sessions (account_id, id)
values ('00000000-0000-4000-8000-000000000001', 'session-1');
insert into app.chat_threads (account_id, id, session_id, mode, title, status)
values ('00000000-0000-4000-8000-000000000001', 'thread-1', 'session-1', 'session', 'Session Coach', 'active');
insert into app.chat_messages (account_id, id, session_id, thread_id, mode, role, content)
values ('00000000-0000-4000-8000-000000000001', 'message-1', 'session-1', 'thread-1', 'session', 'user', 'one');
insert into legacy.import_runs (id, account_id, tool_version)
overriding system value
values (800, '00000000-0000-4000-8000-000000000001', '1');
insert into legacy.quarantine (account_id, kind, file_name, file_sha256, ordinal, byte_offset, reason, raw, raw_sha256, occurrence, run_id, last_run_id)
values ('00000000-0000-4000-8000-000000000001', 'threads', 'chat-threads.json', sha256(''), 0, 0, 'not_json', 'x', sha256('x'), 1, 800, 800);
insert into legacy.staged_records (run_id, kind, ordinal, byte_offset, raw)
values (800, 'threads', 0, 0, 'x');

-- What every role tries.
create temporary table try (place bigint generated always as identity, statement text);
insert into try (statement)
values
('select id from app.chat_messages'),
('select id from app.chat_threads'),
('select id from app.accounts'),
('select chunk from app.session_upload_contents'),
('insert into app.sessions (account_id, id) values (''00000000-0000-4000-8000-000000000001'', ''session-2'')'),
('update app.chat_threads set title = ''Mine'''),
('delete from app.chat_messages'),
('truncate app.hook_decisions'),
('select raw from legacy.quarantine'),
('select raw from legacy.staged_records'),
('select legacy.import_threads(800)');
grant select on try to public;

select isnt_empty('select id from app.chat_messages', 'control: there is a message');
select isnt_empty('select id from app.chat_threads', 'control: there is a thread');
select isnt_empty('select id from app.accounts', 'control: there is an account');
select isnt_empty('select raw from legacy.quarantine', 'control: there is a quarantined record');
select isnt_empty('select raw from legacy.staged_records', 'control: there is a staged record');

set local role app_user;
select throws_ok(statement, '42501', null, 'app_user is refused: ' || statement)
from try
order by place;

set local role app_server;
select throws_ok(statement, '42501', null, 'app_server is refused: ' || statement)
from try
order by place;

set local role electric_read;
select throws_ok(statement, '42501', null, 'electric_read is refused: ' || statement)
from try
order by place;

set local role reviewer;
select throws_ok(statement, '42501', null, 'reviewer is refused: ' || statement)
from try
order by place;
select isnt_empty('select id from legacy.import_runs', 'reviewer reads the runs of the import');
select isnt_empty('select file from ops.migrations', 'reviewer reads the ledger');
select throws_ok('update legacy.import_runs set finished_at = now()', '42501', null, 'reviewer is refused to end a run');

set local role importer;
select throws_ok(statement, '42501', null, 'importer is refused: ' || statement)
from try
where statement <> 'select legacy.import_threads(800)'
order by place;
select lives_ok('select legacy.find_account()', 'importer may ask for the account');
select lives_ok(
    $$ insert into legacy.staged_records (run_id, kind, ordinal, byte_offset, raw) values (800, 'threads', 1, 1, 'x') $$,
    'importer may put a record into the staging table'
);
select throws_ok(
    $$ insert into legacy.staged_records (run_id, kind, ordinal, byte_offset, raw, fate) values (800, 'threads', 2, 2, 'x', 'imported') $$,
    '42501',
    null,
    'importer is refused to say what became of a record'
);
select throws_ok('select legacy.triage(800, ''threads'')', '42501', null, 'importer is refused a function that only others call');

-- The owner may do anything to its tables, but force row level security shows it no row.
set local role sessionbase_owner;
select is_empty('select id from app.chat_threads', 'the owner sees no thread');
select is_empty('select raw from legacy.quarantine', 'the owner sees no quarantined record');
select throws_ok('select raw from legacy.staged_records', '42501', null, 'the owner of all else is refused to read the staging table');
select throws_ok(
    $$ insert into app.sessions (account_id, id) values ('00000000-0000-4000-8000-000000000001', 'session-2') $$,
    '42501',
    null,
    'the owner is refused to insert a session'
);
select is_empty('update app.chat_threads set title = ''Mine'' returning id', 'the owner''s update finds no thread');

reset role;
select results_eq(
    'select title from app.chat_threads',
    '{Session Coach}'::text[],
    'control: the thread is there still, and as it was'
);

select finish();
rollback;
