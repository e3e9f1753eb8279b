-- Each policy: whom it is for, what command it allows, and under what condition.
begin;
select plan(403);

create temporary table wanted (
    place bigint generated always as identity,
    schema name,
    relation name,
    policy name,
    role name,
    command text,
    condition text,
    on_write text
);
insert into wanted (schema, relation, policy, role, command, condition, on_write)
values
('app', 'accounts', 'An account reads its own row', 'app_user', 'SELECT', 'itself', null),
('app', 'accounts', 'Who asks is looked up among all accounts', 'authorizer', 'SELECT', 'all', null),
('app', 'accounts', 'The import finds any account', 'import_definer', 'SELECT', 'all', null),
('app', 'accounts', 'An operator makes accounts', 'authorizer', 'INSERT', null, 'all'),
('app', 'maintenance', 'Who writes reads whether it is stopped', 'app_user', 'SELECT', 'all', null),
('app', 'maintenance', 'A reviewer reads whether writing is stopped', 'reviewer', 'SELECT', 'all', null),
('app', 'maintenance', 'An operator reads whether writing is stopped', 'authorizer', 'SELECT', 'all', null),
('app', 'maintenance', 'An operator stops writing, and lets it go on', 'authorizer', 'UPDATE', 'all', 'all'),
('auth', 'identities', 'An identity is looked up among all', 'authorizer', 'SELECT', 'all', null),
('auth', 'identities', 'An operator adds identities', 'authorizer', 'INSERT', null, 'all'),
('auth', 'identities', 'An operator removes identities', 'authorizer', 'DELETE', 'all', null),
('auth', 'login_sessions', 'An account reads its own login sessions', 'app_user', 'SELECT', 'own', null),
('auth', 'login_sessions', 'An account revokes its own login sessions', 'app_user', 'UPDATE', 'own', 'own'),
('auth', 'login_sessions', 'A login session is found among all', 'authorizer', 'SELECT', 'all', null),
('auth', 'login_sessions', 'Any login session is begun', 'authorizer', 'INSERT', null, 'all'),
('auth', 'login_sessions', 'Any login session is prolonged or revoked', 'authorizer', 'UPDATE', 'all', 'all'),
('auth', 'login_sessions', 'Any login session is pruned', 'authorizer', 'DELETE', 'all', null),
('auth', 'login_secrets', 'A secret is found among all', 'authorizer', 'SELECT', 'all', null),
('auth', 'login_secrets', 'Any login session is given a secret', 'authorizer', 'INSERT', null, 'all'),
('auth', 'login_secrets', 'Any secret is replaced', 'authorizer', 'UPDATE', 'all', 'all'),
('auth', 'revocations', 'Every node hears of every revocation', 'authorizer', 'SELECT', 'all', null),
('auth', 'revocations', 'Whatever is revoked is written down', 'authorizer', 'INSERT', null, 'all'),
('auth', 'revocations', 'Old revocations are pruned', 'authorizer', 'DELETE', 'all', null),
('app', 'sessions', 'An account reads its own sessions and shared ones', 'app_user', 'SELECT', 'this session shared with viewers', null),
('app', 'sessions', 'An account makes its own sessions', 'app_user', 'INSERT', null, 'own'),
('app', 'sessions', 'An account notes changes of sessions where it may edit', 'app_user', 'UPDATE', 'this session shared with editors', 'this session shared with editors'),
('app', 'sessions', 'An account removes its own sessions', 'app_user', 'DELETE', 'own', null),
('app', 'sessions', 'Electric reads all sessions', 'electric_read', 'SELECT', 'all', null),
('app', 'sessions', 'The import finds any session', 'import_definer', 'SELECT', 'all', null),
('app', 'sessions', 'The import makes sessions', 'import_definer', 'INSERT', null, 'all'),
('app', 'sessions', 'The import widens the times of a session', 'import_definer', 'UPDATE', 'all', 'all'),
('app', 'sessions', 'Who keeps the counts finds any session', 'bookkeeper', 'SELECT', 'all', null),
('app', 'sessions', 'Changes are noted in any session', 'bookkeeper', 'UPDATE', 'all', 'all'),
('app', 'session_members', 'An account reads the members of sessions it may read', 'app_user', 'SELECT', 'shared with viewers', null),
('app', 'session_members', 'An account adds members where it is an owner', 'app_user', 'INSERT', null, 'shared with owners'),
('app', 'session_members', 'An account changes roles where it is an owner', 'app_user', 'UPDATE', 'shared with owners', 'shared with owners'),
('app', 'session_members', 'An account removes members where it is an owner', 'app_user', 'DELETE', 'shared with owners', null),
('app', 'session_members', 'Electric reads all members', 'electric_read', 'SELECT', 'all', null),
('app', 'session_members', 'Who asks is looked up among all memberships', 'authorizer', 'SELECT', 'all', null),
('app', 'chat_threads', 'An account reads its own threads and shared ones', 'app_user', 'SELECT', 'shared with viewers', null),
('app', 'chat_threads', 'An account starts threads where it may edit', 'app_user', 'INSERT', null, 'shared with editors, as the author'),
('app', 'chat_threads', 'An account changes threads where it may edit', 'app_user', 'UPDATE', 'shared with editors', 'shared with editors'),
('app', 'chat_threads', 'An account removes threads where it may edit', 'app_user', 'DELETE', 'shared with editors', null),
('app', 'chat_threads', 'Electric reads all threads', 'electric_read', 'SELECT', 'all', null),
('app', 'chat_threads', 'The import finds any thread', 'import_definer', 'SELECT', 'all', null),
('app', 'chat_threads', 'The import brings threads in', 'import_definer', 'INSERT', null, 'all'),
('app', 'chat_threads', 'The import derives counts and fills in threads it made', 'import_definer', 'UPDATE', 'all', 'all'),
('app', 'chat_threads', 'Who keeps the counts finds any thread', 'bookkeeper', 'SELECT', 'all', null),
('app', 'chat_threads', 'The counts of any thread are kept', 'bookkeeper', 'UPDATE', 'all', 'all'),
('app', 'chat_messages', 'An account reads its own messages and shared ones', 'app_user', 'SELECT', 'shared with viewers', null),
('app', 'chat_messages', 'An account writes messages where it may edit', 'app_user', 'INSERT', null, 'shared with editors, as the author'),
('app', 'chat_messages', 'An account changes messages where it may edit', 'app_user', 'UPDATE', 'shared with editors', 'shared with editors'),
('app', 'chat_messages', 'An account removes messages where it may edit', 'app_user', 'DELETE', 'shared with editors', null),
('app', 'chat_messages', 'Electric reads all messages', 'electric_read', 'SELECT', 'all', null),
('app', 'chat_messages', 'The import counts the messages of any thread', 'import_definer', 'SELECT', 'all', null),
('app', 'chat_messages', 'The import brings messages in', 'import_definer', 'INSERT', null, 'all'),
('app', 'chat_messages', 'The import replaces a message where it is told to', 'import_definer', 'UPDATE', 'all', 'all'),
('app', 'chat_messages', 'Who keeps the counts finds the messages of any thread', 'bookkeeper', 'SELECT', 'all', null),
('app', 'chat_tool_events', 'An account reads its own tool events and shared ones', 'app_user', 'SELECT', 'shared with viewers', null),
('app', 'chat_tool_events', 'An account reports tool events where it may edit', 'app_user', 'INSERT', null, 'shared with editors, as the author'),
('app', 'chat_tool_events', 'An account finishes tool events where it may edit', 'app_user', 'UPDATE', 'shared with editors', 'shared with editors'),
('app', 'chat_tool_events', 'An account removes tool events where it may edit', 'app_user', 'DELETE', 'shared with editors', null),
('app', 'chat_tool_events', 'Electric reads all tool events', 'electric_read', 'SELECT', 'all', null),
('app', 'chat_tool_events', 'The import finds any tool event', 'import_definer', 'SELECT', 'all', null),
('app', 'chat_tool_events', 'The import brings tool events in', 'import_definer', 'INSERT', null, 'all'),
('app', 'chat_tool_events', 'The import replaces a tool event where it is told to', 'import_definer', 'UPDATE', 'all', 'all'),
('app', 'session_events', 'An account reads its own timeline entries and shared ones', 'app_user', 'SELECT', 'shared with viewers', null),
('app', 'session_events', 'An account writes timeline entries where it may edit', 'app_user', 'INSERT', null, 'shared with editors'),
('app', 'session_events', 'An account removes timeline entries where it may edit', 'app_user', 'DELETE', 'shared with editors', null),
('app', 'session_events', 'Electric reads all timeline entries', 'electric_read', 'SELECT', 'all', null),
('app', 'session_logs', 'An account reads the books of its own logs and shared ones', 'app_user', 'SELECT', 'shared with viewers', null),
('app', 'session_logs', 'An account begins to read its own logs', 'app_user', 'INSERT', null, 'own'),
('app', 'session_logs', 'An account goes on reading its own logs', 'app_user', 'UPDATE', 'own', 'own'),
('app', 'session_uploads', 'An account reads its own uploads and shared ones', 'app_user', 'SELECT', 'shared with viewers', null),
('app', 'session_uploads', 'An account adds its own uploads', 'app_user', 'INSERT', null, 'own'),
('app', 'session_uploads', 'An account changes its own uploads', 'app_user', 'UPDATE', 'own', 'own'),
('app', 'session_uploads', 'An account removes its own uploads', 'app_user', 'DELETE', 'own', null),
('app', 'session_uploads', 'Electric reads all uploads', 'electric_read', 'SELECT', 'all', null),
('app', 'upload_chunks', 'An account reads its own upload chunks', 'app_user', 'SELECT', 'own', null),
('app', 'upload_chunks', 'An account adds its own upload chunks', 'app_user', 'INSERT', null, 'own'),
('app', 'upload_chunks', 'An account removes its own upload chunks', 'app_user', 'DELETE', 'own', null),
('app', 'upload_contents', 'An account reads its own upload contents', 'app_user', 'SELECT', 'own', null),
('app', 'upload_contents', 'An account adds its own upload contents', 'app_user', 'INSERT', null, 'own'),
('app', 'upload_contents', 'An account removes its own upload contents', 'app_user', 'DELETE', 'own', null),
('app', 'upload_content_chunks', 'An account reads which chunks its own contents have', 'app_user', 'SELECT', 'own', null),
('app', 'upload_content_chunks', 'An account says which chunks its own contents have', 'app_user', 'INSERT', null, 'own'),
('app', 'upload_retention', 'An account reads its own upload retention', 'app_user', 'SELECT', 'own', null),
('app', 'upload_retention', 'An account sets its own upload retention', 'app_user', 'INSERT', null, 'own'),
('app', 'upload_retention', 'An account ends its own upload retention', 'app_user', 'DELETE', 'own', null),
('app', 'session_repo_bindings', 'An account reads its own repository bindings and shared ones', 'app_user', 'SELECT', 'shared with viewers', null),
('app', 'session_repo_bindings', 'An account makes repository bindings where it may edit', 'app_user', 'INSERT', null, 'shared with editors, as the author'),
('app', 'session_repo_bindings', 'An account changes repository bindings where it may edit', 'app_user', 'UPDATE', 'shared with editors', 'shared with editors'),
('app', 'session_repo_bindings', 'An account removes repository bindings where it may edit', 'app_user', 'DELETE', 'shared with editors', null),
('app', 'session_repo_bindings', 'Electric reads all repository bindings', 'electric_read', 'SELECT', 'all', null),
('app', 'todos', 'An account reads its own todos and shared ones', 'app_user', 'SELECT', 'shared with viewers', null),
('app', 'todos', 'An account writes todos where it may edit', 'app_user', 'INSERT', null, 'shared with editors, as the author'),
('app', 'todos', 'An account changes todos where it may edit', 'app_user', 'UPDATE', 'shared with editors', 'shared with editors'),
('app', 'todos', 'An account removes todos where it may edit', 'app_user', 'DELETE', 'shared with editors', null),
('app', 'todos', 'Electric reads all todos', 'electric_read', 'SELECT', 'all', null),
('app', 'ui_settings', 'An account reads its own settings', 'app_user', 'SELECT', 'own', null),
('app', 'ui_settings', 'An account makes its own settings', 'app_user', 'INSERT', null, 'own'),
('app', 'ui_settings', 'An account changes its own settings', 'app_user', 'UPDATE', 'own', 'own'),
('app', 'ui_settings', 'An account removes its own settings', 'app_user', 'DELETE', 'own', null),
('app', 'misalignments', 'An account reads its own misalignments and shared ones', 'app_user', 'SELECT', 'shared with viewers', null),
('app', 'misalignments', 'An account reports misalignments where it may edit', 'app_user', 'INSERT', null, 'shared with editors, as the author'),
('app', 'misalignments', 'An account settles misalignments where it may edit', 'app_user', 'UPDATE', 'shared with editors', 'shared with editors'),
('app', 'misalignments', 'Electric reads all misalignments', 'electric_read', 'SELECT', 'all', null),
('app', 'hook_decisions', 'An account reads its own hook decisions and shared ones', 'app_user', 'SELECT', 'shared with viewers', null),
('app', 'hook_decisions', 'An account adds hook decisions where it may edit', 'app_user', 'INSERT', null, 'shared with editors, as the author'),
('app', 'hook_decisions', 'Electric reads all hook decisions', 'electric_read', 'SELECT', 'all', null),
('legacy', 'import_runs', 'The import finds any run', 'import_definer', 'SELECT', 'all', null),
('legacy', 'import_runs', 'The import begins runs', 'import_definer', 'INSERT', null, 'all'),
('legacy', 'import_runs', 'The import ends runs', 'import_definer', 'UPDATE', 'all', 'all'),
('legacy', 'import_runs', 'A reviewer reads every run', 'reviewer', 'SELECT', 'all', null),
('legacy', 'import_files', 'The import finds any file', 'import_definer', 'SELECT', 'all', null),
('legacy', 'import_files', 'The import registers files', 'import_definer', 'INSERT', null, 'all'),
('legacy', 'import_files', 'The import writes the sums of a file', 'import_definer', 'UPDATE', 'all', 'all'),
('legacy', 'import_files', 'A reviewer reads every file', 'reviewer', 'SELECT', 'all', null),
('legacy', 'import_batches', 'The import finds any batch', 'import_definer', 'SELECT', 'all', null),
('legacy', 'import_batches', 'The import books batches', 'import_definer', 'INSERT', null, 'all'),
('legacy', 'import_batches', 'The import notes what became of a batch', 'import_definer', 'UPDATE', 'all', 'all'),
('legacy', 'import_batches', 'The import strikes out a batch that never came in', 'import_definer', 'DELETE', 'all', null),
('legacy', 'kept_records', 'The import finds any kept record', 'import_definer', 'SELECT', 'all', null),
('legacy', 'kept_records', 'The import keeps records', 'import_definer', 'INSERT', null, 'all'),
('legacy', 'kept_records', 'The import adds mends to a kept record', 'import_definer', 'UPDATE', 'all', 'all'),
('legacy', 'thread_claims', 'The import finds any claim', 'import_definer', 'SELECT', 'all', null),
('legacy', 'thread_claims', 'The import notes claims', 'import_definer', 'INSERT', null, 'all'),
('legacy', 'thread_claims', 'The import strikes out claims that are settled', 'import_definer', 'DELETE', 'all', null),
('legacy', 'made_threads', 'The import finds any made thread', 'import_definer', 'SELECT', 'all', null),
('legacy', 'made_threads', 'The import writes down the threads it makes', 'import_definer', 'INSERT', null, 'all'),
('legacy', 'made_threads', 'The import strikes out a thread whose record came in', 'import_definer', 'DELETE', 'all', null),
('legacy', 'quarantine', 'The import finds any quarantined record', 'import_definer', 'SELECT', 'all', null),
('legacy', 'quarantine', 'The import quarantines records', 'import_definer', 'INSERT', null, 'all'),
('legacy', 'quarantine', 'The import notes that it met a record again', 'import_definer', 'UPDATE', 'all', 'all');

-- What the conditions above are, as the catalog shows them but for its line breaks.
create temporary table meaning (
    condition text,
    expression text
);
insert into meaning (condition, expression)
values
('all', 'true'),
('itself', '(id = ( SELECT app.current_account_id() AS current_account_id))'),
('own', '(account_id = ( SELECT app.current_account_id() AS current_account_id))'),
('shared with viewers', '((account_id = ( SELECT app.current_account_id() AS current_account_id)) OR ((account_id, session_id) IN ( SELECT shared.account_id, shared.session_id FROM app.memberships shared)))'),
('shared with editors', '((account_id = ( SELECT app.current_account_id() AS current_account_id)) OR ((account_id, session_id) IN ( SELECT shared.account_id, shared.session_id FROM app.memberships shared WHERE (shared.role = ANY (ARRAY[''editor''::text, ''owner''::text])))))'),
('shared with owners', '((account_id = ( SELECT app.current_account_id() AS current_account_id)) OR ((account_id, session_id) IN ( SELECT shared.account_id, shared.session_id FROM app.memberships shared WHERE (shared.role = ''owner''::text))))'),
('this session shared with viewers', '((account_id = ( SELECT app.current_account_id() AS current_account_id)) OR ((account_id, id) IN ( SELECT shared.account_id, shared.session_id FROM app.memberships shared)))'),
('this session shared with editors', '((account_id = ( SELECT app.current_account_id() AS current_account_id)) OR ((account_id, id) IN ( SELECT shared.account_id, shared.session_id FROM app.memberships shared WHERE (shared.role = ANY (ARRAY[''editor''::text, ''owner''::text])))))'),
('shared with editors, as the author', '(((account_id = ( SELECT app.current_account_id() AS current_account_id)) OR ((account_id, session_id) IN ( SELECT shared.account_id, shared.session_id FROM app.memberships shared WHERE (shared.role = ANY (ARRAY[''editor''::text, ''owner''::text]))))) AND (author_account_id = ( SELECT app.current_account_id() AS current_account_id)))');

create function pg_temp.conditions_of(p_table regclass, p_policy name)
returns text
language sql
as $$
    select (coalesce(on_read.condition, shown.on_read), coalesce(on_write.condition, shown.on_write))::text
    from pg_policy
    cross join lateral (
        select
            regexp_replace(pg_get_expr(polqual, polrelid), '\s+', ' ', 'g') as on_read,
            regexp_replace(pg_get_expr(polwithcheck, polrelid), '\s+', ' ', 'g') as on_write
    ) as shown
    left join meaning as on_read on shown.on_read = on_read.expression
    left join meaning as on_write on shown.on_write = on_write.expression
    where polrelid = p_table
        and polname = p_policy
$$;

select policy_roles_are(schema, relation, policy, array[role])
from wanted
order by place;

select policy_cmd_is(schema, relation, policy, command)
from wanted
order by place;

select
    is(
        pg_temp.conditions_of(format('%I.%I', schema, relation)::regclass, policy),
        (condition, on_write)::text,
        format('%s.%s: "%s" reads %s and writes %s', schema, relation, policy, coalesce(condition, 'nothing'), coalesce(on_write, 'nothing'))
    )
from wanted
order by place;

select set_eq(
    'select policy::text from wanted',
    'select polname::text from pg_policy',
    'these are all the policies there are'
);

select finish();
rollback;
