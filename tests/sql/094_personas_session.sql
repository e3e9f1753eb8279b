-- Sessions, their members, and what is kept beside a conversation: who reads, writes, changes and removes it, and in which
-- sessions. Who the personas are, and how a deed is judged, is in lib/personas.sql.
begin;
select plan(564);

select tests.cast_personas();

insert into tests.deed (target, command, rows_for, statement, prepare)
values
('app.sessions', 'select', 'shared with viewers', null, null),
('app.sessions', 'update', 'shared with editors', 'update app.sessions set updated_at = now() + interval ''1 minute''', null),
('app.sessions', 'delete', 'own', 'delete from app.sessions', null),
('app.session_members', 'select', 'shared with viewers', null, null),
('app.session_members', 'insert', 'shared with owners', 'insert into app.session_members (account_id, session_id, member_account_id, role) values (%1$L, %2$L, ''00000000-0000-4000-8000-0000000000f1'', ''viewer'')', null),
('app.session_members', 'update', 'shared with owners', 'update app.session_members set role = ''editor''', null),
('app.session_members', 'delete', 'shared with owners', 'delete from app.session_members', null),
('app.session_events', 'select', 'shared with viewers', null, null),
('app.session_events', 'insert', 'shared with editors', 'insert into app.session_events (account_id, session_id, event_index, event_type) values (%1$L, %2$L, 1, ''message'')', null),
('app.session_events', 'update', null, 'update app.session_events set body = ''other''', null),
('app.session_events', 'delete', 'shared with editors', 'delete from app.session_events', null),
('app.session_logs', 'select', 'shared with viewers', null, null),
('app.session_logs', 'insert', 'own', 'insert into app.session_logs (account_id, session_id, format, source_path) values (%1$L, %2$L, ''codex'', ''/new'')', 'delete from app.session_logs'),
('app.session_logs', 'update', 'own', 'update app.session_logs set source_path = ''/other''', null),
('app.session_logs', 'delete', null, 'delete from app.session_logs', null),
('app.session_repo_bindings', 'select', 'shared with viewers', null, null),
('app.session_repo_bindings', 'insert', 'shared with editors', 'insert into app.session_repo_bindings (account_id, session_id, asset_path, root_dir, author_account_id) values (%1$L, %2$L, ''log'', ''/new'', %3$L)', 'delete from app.session_repo_bindings'),
('app.session_repo_bindings', 'update', 'shared with editors', 'update app.session_repo_bindings set root_dir = ''/other''', null),
('app.session_repo_bindings', 'delete', 'shared with editors', 'delete from app.session_repo_bindings', null),
('app.session_uploads', 'select', 'shared with viewers', null, null),
('app.session_uploads', 'insert', 'own', 'insert into app.session_uploads (account_id, session_id, original_name, size_bytes, content_sha256, source) values (%1$L, %2$L, ''new'', 1, sha256(''x''), ''upload'')', null),
('app.session_uploads', 'update', 'own', 'update app.session_uploads set original_name = ''other''', null),
('app.session_uploads', 'delete', 'own', 'delete from app.session_uploads', null),
('app.todos', 'select', 'shared with viewers', null, null),
('app.todos', 'insert', 'shared with editors', 'insert into app.todos (account_id, session_id, body, author_account_id) values (%1$L, %2$L, ''new'', %3$L)', null),
('app.todos', 'update', 'shared with editors', 'update app.todos set completed = true', null),
('app.todos', 'delete', 'shared with editors', 'delete from app.todos', null),
('app.misalignments', 'select', 'shared with viewers', null, null),
('app.misalignments', 'insert', 'shared with editors', 'insert into app.misalignments (account_id, session_id, rule_id, title, summary, severity, author_account_id) values (%1$L, %2$L, ''rule'', ''new'', ''new'', ''low'', %3$L)', null),
('app.misalignments', 'update', 'shared with editors', 'update app.misalignments set status = ''dismissed''', null),
('app.misalignments', 'delete', null, 'delete from app.misalignments', null),
('app.hook_decisions', 'select', 'shared with viewers', null, null),
('app.hook_decisions', 'insert', 'shared with editors', 'insert into app.hook_decisions (account_id, session_id, source, content_hash, severity, blocked, author_account_id) values (%1$L, %2$L, ''hook'', ''new'', ''low'', false, %3$L)', null),
('app.hook_decisions', 'update', null, 'update app.hook_decisions set blocked = true', null),
('app.hook_decisions', 'delete', null, 'delete from app.hook_decisions', null);
select tests.deeds_come_out();

-- A session is new wherever it is made, so it is in none of the places: elsewhere.
select
    is(
        tests.outcome('app_user', persona.claims, 'app.sessions', format('insert into app.sessions (account_id, id) values (%L, ''session-new'')', persona.account_id)),
        case when reach.persona is null then '28000 no account' else 'elsewhere' end,
        'app.sessions: insert into its own account, ' || persona.name
    )
from tests.persona
left join tests.reach on persona.name = reach.persona
order by persona.place;
select
    is(
        tests.outcome('app_user', persona.claims, 'app.sessions', 'insert into app.sessions (account_id, id) values (''00000000-0000-4000-8000-00000000000a'', ''session-new'')'),
        case
            when persona.name = 'owner' then 'elsewhere'
            when reach.persona is null then '28000 no account'
            else '42501 row-level security'
        end,
        'app.sessions: insert into the owner''s account, ' || persona.name
    )
from tests.persona
left join tests.reach on persona.name = reach.persona
order by persona.place;

-- What is not granted is refused by column, to the account whose rows they are too.
select is(tests.columns_refused('app.sessions', 'insert'), 'row_version, cwd, repository_url, branch, commit_hash, originator, cli_version', 'app.sessions: the columns that nobody writes who makes one');
select is(tests.columns_refused('app.sessions', 'update'), 'account_id, id, created_at, row_version', 'app.sessions: the columns that nobody changes');
select is(tests.columns_refused('app.session_members', 'insert'), 'created_at, updated_at, row_version', 'app.session_members: the columns that nobody writes who adds one');
select is(tests.columns_refused('app.session_members', 'update'), 'account_id, session_id, member_account_id, created_at, row_version', 'app.session_members: the columns that nobody changes');
select is(tests.columns_refused('app.session_events', 'insert'), 'row_version', 'app.session_events: the columns that nobody writes who writes one');
select is(tests.columns_refused('app.session_logs', 'insert'), 'upload_id, event_count, broken_count, settled_count, settled_bytes, settled_sha256, size_bytes, content_sha256, row_version', 'app.session_logs: the columns that nobody writes who begins to read one');
select is(tests.columns_refused('app.session_logs', 'update'), 'account_id, session_id, created_at, row_version', 'app.session_logs: the columns that nobody changes');
select is(tests.columns_refused('app.session_repo_bindings', 'insert'), 'row_version', 'app.session_repo_bindings: the columns that nobody writes who makes one');
select is(tests.columns_refused('app.session_repo_bindings', 'update'), 'account_id, session_id, created_at, row_version, author_account_id', 'app.session_repo_bindings: the columns that nobody changes');
select is(tests.columns_refused('app.session_uploads', 'insert'), 'id, row_version', 'app.session_uploads: the columns that nobody writes who adds one');
select is(tests.columns_refused('app.session_uploads', 'update'), 'account_id, id, source, stored_at, source_path, row_version', 'app.session_uploads: the columns that nobody changes');
select is(tests.columns_refused('app.todos', 'insert'), 'id, row_version', 'app.todos: the columns that nobody writes who writes one');
select is(tests.columns_refused('app.todos', 'update'), 'account_id, id, session_id, created_at, row_version, author_account_id', 'app.todos: the columns that nobody changes');
select is(tests.columns_refused('app.misalignments', 'insert'), 'id, row_version', 'app.misalignments: the columns that nobody writes who reports one');
select is(tests.columns_refused('app.misalignments', 'update'), 'account_id, id, session_id, rule_id, title, summary, severity, event_range, evidence, created_at, row_version, author_account_id', 'app.misalignments: the columns that nobody changes');
select is(tests.columns_refused('app.hook_decisions', 'insert'), 'id, row_version', 'app.hook_decisions: the columns that nobody writes who adds one');

-- What a member writes belongs to the account of the session, and says who wrote it.
delete from app.session_repo_bindings
where account_id = '00000000-0000-4000-8000-00000000000a';
select set_config('request.jwt.claims', tests.claims_of('editor'), true);
set local role app_user;
insert into app.session_repo_bindings (account_id, session_id, asset_path, root_dir, author_account_id)
values ('00000000-0000-4000-8000-00000000000a', 'session-default', 'log', '/', '00000000-0000-4000-8000-00000000000d');
insert into app.todos (account_id, session_id, body, author_account_id)
values ('00000000-0000-4000-8000-00000000000a', 'session-default', 'new', '00000000-0000-4000-8000-00000000000d');
insert into app.misalignments (account_id, session_id, rule_id, title, summary, severity, author_account_id)
values ('00000000-0000-4000-8000-00000000000a', 'session-default', 'rule', 'new', 'new', 'low', '00000000-0000-4000-8000-00000000000d');
insert into app.hook_decisions (account_id, session_id, source, content_hash, severity, blocked, author_account_id)
values ('00000000-0000-4000-8000-00000000000a', 'session-default', 'hook', 'new', 'low', false, '00000000-0000-4000-8000-00000000000d');
insert into app.session_uploads (account_id, session_id, original_name, size_bytes, content_sha256, source)
values ('00000000-0000-4000-8000-00000000000d', null, 'new', 1, sha256('x'), 'upload');
reset role;

create function pg_temp.shape(p_id text)
returns text
language sql
return regexp_replace(p_id, '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', 'uuid');

select results_eq(
    $$ select account_id, session_id from app.session_repo_bindings where author_account_id = '00000000-0000-4000-8000-00000000000d' $$,
    $$ values ('00000000-0000-4000-8000-00000000000a'::uuid, 'session-default') $$,
    'a binding that an editor makes is of the owner''s session'
);
select results_eq(
    $$ select account_id, session_id, pg_temp.shape(id) from app.todos where author_account_id = '00000000-0000-4000-8000-00000000000d' $$,
    $$ values ('00000000-0000-4000-8000-00000000000a'::uuid, 'session-default', 'todo_uuid') $$,
    'a todo that an editor writes is of the owner''s session, and its id is made here'
);
select results_eq(
    $$ select account_id, session_id, pg_temp.shape(id) from app.misalignments where author_account_id = '00000000-0000-4000-8000-00000000000d' $$,
    $$ values ('00000000-0000-4000-8000-00000000000a'::uuid, 'session-default', 'misalignment_uuid') $$,
    'a misalignment that an editor reports is of the owner''s session, and its id is made here'
);
select results_eq(
    $$ select account_id, session_id, pg_temp.shape(id) from app.hook_decisions where author_account_id = '00000000-0000-4000-8000-00000000000d' $$,
    $$ values ('00000000-0000-4000-8000-00000000000a'::uuid, 'session-default', 'hook_uuid') $$,
    'a hook decision that an editor adds is of the owner''s session, and its id is made here'
);
select results_eq(
    $$ select account_id, pg_temp.shape(id) from app.session_uploads where original_name = 'new' $$,
    $$ values ('00000000-0000-4000-8000-00000000000d'::uuid, 'upload_uuid') $$,
    'the id of an upload is made here'
);

select finish();
rollback;
