-- Primary and foreign keys: their columns, what a delete does, and that account_id leads.
begin;
select plan(43);

select col_is_pk('app', 'accounts', '{id}'::name[], 'app.accounts: the primary key is (id)');
select col_is_pk('app', 'sessions', '{account_id,id}'::name[], 'app.sessions: the primary key is (account_id, id)');
select col_is_pk('app', 'session_members', '{account_id,session_id,member_account_id}'::name[], 'app.session_members: the primary key is (account_id, session_id, member_account_id)');
select col_is_pk('app', 'chat_threads', '{account_id,id}'::name[], 'app.chat_threads: the primary key is (account_id, id)');
select col_is_pk('app', 'chat_messages', '{account_id,id}'::name[], 'app.chat_messages: the primary key is (account_id, id)');
select col_is_pk('app', 'chat_tool_events', '{account_id,id}'::name[], 'app.chat_tool_events: the primary key is (account_id, id)');
select col_is_pk('app', 'session_events', '{account_id,session_id,event_index}'::name[], 'app.session_events: the primary key is (account_id, session_id, event_index)');
select col_is_pk('app', 'session_logs', '{account_id,session_id}'::name[], 'app.session_logs: the primary key is (account_id, session_id)');
select col_is_pk('app', 'session_uploads', '{account_id,id}'::name[], 'app.session_uploads: the primary key is (account_id, id)');
select col_is_pk('app', 'upload_chunks', '{account_id,sha256}'::name[], 'app.upload_chunks: the primary key is (account_id, sha256)');
select col_is_pk('app', 'upload_contents', '{account_id,sha256}'::name[], 'app.upload_contents: the primary key is (account_id, sha256)');
select col_is_pk('app', 'upload_content_chunks', '{account_id,content_sha256,chunk_index}'::name[], 'app.upload_content_chunks: the primary key is (account_id, content_sha256, chunk_index)');
select col_is_pk('app', 'upload_retention', '{account_id,source}'::name[], 'app.upload_retention: the primary key is (account_id, source)');
select col_is_pk('app', 'session_repo_bindings', '{account_id,session_id}'::name[], 'app.session_repo_bindings: the primary key is (account_id, session_id)');
select col_is_pk('app', 'todos', '{account_id,id}'::name[], 'app.todos: the primary key is (account_id, id)');
select col_is_pk('app', 'ui_settings', '{account_id,profile_id}'::name[], 'app.ui_settings: the primary key is (account_id, profile_id)');
select col_is_pk('app', 'misalignments', '{account_id,id}'::name[], 'app.misalignments: the primary key is (account_id, id)');
select col_is_pk('app', 'hook_decisions', '{account_id,id}'::name[], 'app.hook_decisions: the primary key is (account_id, id)');
select col_is_pk('legacy', 'reasons', '{code}'::name[], 'legacy.reasons: the primary key is (code)');
select col_is_pk('legacy', 'import_runs', '{id}'::name[], 'legacy.import_runs: the primary key is (id)');
select col_is_pk('legacy', 'import_files', '{run_id,kind}'::name[], 'legacy.import_files: the primary key is (run_id, kind)');
select col_is_pk('legacy', 'import_batches', '{run_id,kind,number}'::name[], 'legacy.import_batches: the primary key is (run_id, kind, number)');
select col_is_pk('legacy', 'kept_records', '{account_id,kind,record_id}'::name[], 'legacy.kept_records: the primary key is (account_id, kind, record_id)');
select col_is_pk('legacy', 'thread_claims', '{account_id,thread_id}'::name[], 'legacy.thread_claims: the primary key is (account_id, thread_id)');
select col_is_pk('legacy', 'made_threads', '{account_id,thread_id}'::name[], 'legacy.made_threads: the primary key is (account_id, thread_id)');
select col_is_pk('legacy', 'quarantine', '{id}'::name[], 'legacy.quarantine: the primary key is (id)');
select col_is_pk('legacy', 'staged_records', '{run_id,kind,ordinal}'::name[], 'legacy.staged_records: the primary key is (run_id, kind, ordinal)');
select col_is_pk('legacy', 'judged_records', '{run_id,kind,ordinal}'::name[], 'legacy.judged_records: the primary key is (run_id, kind, ordinal)');
select col_is_pk('app', 'maintenance', '{scope}'::name[], 'app.maintenance: the primary key is (scope)');
select col_is_pk('auth', 'identities', '{issuer,subject}'::name[], 'auth.identities: the primary key is (issuer, subject)');
select col_is_pk('auth', 'login_sessions', '{id}'::name[], 'auth.login_sessions: the primary key is (id)');
select col_is_pk('auth', 'login_secrets', '{login_session_id}'::name[], 'auth.login_secrets: the primary key is (login_session_id)');
select col_is_pk('auth', 'revocations', '{id}'::name[], 'auth.revocations: the primary key is (id)');
select col_is_pk('sync', 'shapes', '{name}'::name[], 'sync.shapes: the primary key is (name)');
select col_is_pk('ops', 'migrations', '{file}'::name[], 'ops.migrations: the primary key is (file)');
select col_is_pk('ops', 'migration_attempts', '{id}'::name[], 'ops.migration_attempts: the primary key is (id)');
select col_is_pk('ops', 'dropped_keys', '{table_name,name}'::name[], 'ops.dropped_keys: the primary key is (table_name, name)');
select set_eq(
    $$
        select pg_class.oid::regclass::text
        from pg_class
        where relnamespace in ('app'::regnamespace, 'legacy'::regnamespace, 'sync'::regnamespace, 'auth'::regnamespace, 'ops'::regnamespace)
            and relkind = 'r'
            and not exists (
                select
                from pg_constraint
                where conrelid = pg_class.oid
                    and contype = 'p'
            )
    $$,
    '{legacy.known_records}'::text[],
    'every table has a primary key, except the one of ids and sums that a run makes for itself'
);

-- Runs are numbered in the whole database, and quarantine is read by run: both keep a key of their own. Whose an identity, a
-- login session or a revocation is, is what it is asked for.
select set_eq(
    $$
        select columns.attrelid::regclass::text
        from pg_attribute as columns
        inner join pg_constraint on columns.attrelid = conrelid and contype = 'p'
        where columns.attname = 'account_id'
            and conkey[1] <> columns.attnum
    $$,
    '{auth.identities,auth.login_sessions,auth.revocations,legacy.import_runs,legacy.quarantine}'::text[],
    'account_id leads the primary key of every table that has it, except of two import tables, and of what says who asks'
);
select set_eq(
    $$
        select pg_class.oid::regclass::text
        from pg_class
        where relnamespace = 'app'::regnamespace
            and relkind = 'r'
            and not exists (
                select
                from pg_attribute
                where attrelid = pg_class.oid
                    and attname = 'account_id'
                    and attnotnull
            )
    $$,
    '{app.accounts,app.maintenance}'::text[],
    'every table of schema app but app.accounts, and the mark of maintenance, has an account_id that is never null'
);

select set_eq(
    $$
        select conrelid::regclass || ': ' || pg_get_constraintdef(oid)
        from pg_constraint
        where contype = 'f'
    $$,
    array[
        'app.sessions: FOREIGN KEY (account_id) REFERENCES app.accounts(id) ON DELETE RESTRICT',
        'app.session_members: FOREIGN KEY (account_id, session_id) REFERENCES app.sessions(account_id, id) ON DELETE CASCADE',
        'app.chat_threads: FOREIGN KEY (account_id, session_id) REFERENCES app.sessions(account_id, id) ON DELETE CASCADE',
        'app.chat_messages: FOREIGN KEY (account_id, session_id, thread_id) REFERENCES app.chat_threads(account_id, session_id, id) ON DELETE CASCADE',
        'app.chat_tool_events: FOREIGN KEY (account_id, session_id) REFERENCES app.sessions(account_id, id) ON DELETE CASCADE',
        'app.chat_tool_events: FOREIGN KEY (account_id, session_id, thread_id) REFERENCES app.chat_threads(account_id, session_id, id) ON DELETE SET NULL (thread_id)',
        'app.session_events: FOREIGN KEY (account_id, session_id) REFERENCES app.sessions(account_id, id) ON DELETE CASCADE',
        'app.session_uploads: FOREIGN KEY (account_id) REFERENCES app.accounts(id) ON DELETE RESTRICT',
        'app.session_logs: FOREIGN KEY (account_id, session_id) REFERENCES app.sessions(account_id, id) ON DELETE CASCADE',
        'app.session_logs: FOREIGN KEY (account_id, upload_id) REFERENCES app.session_uploads(account_id, id) ON DELETE SET NULL (upload_id)',
        'app.session_uploads: FOREIGN KEY (account_id, session_id) REFERENCES app.sessions(account_id, id) ON DELETE SET NULL (session_id)',
        'app.session_uploads: FOREIGN KEY (account_id, content_sha256) REFERENCES app.upload_contents(account_id, sha256) ON DELETE RESTRICT',
        'app.upload_chunks: FOREIGN KEY (account_id) REFERENCES app.accounts(id) ON DELETE RESTRICT',
        'app.upload_contents: FOREIGN KEY (account_id) REFERENCES app.accounts(id) ON DELETE RESTRICT',
        'app.upload_content_chunks: FOREIGN KEY (account_id, content_sha256) REFERENCES app.upload_contents(account_id, sha256) ON DELETE CASCADE',
        'app.upload_content_chunks: FOREIGN KEY (account_id, chunk_sha256) REFERENCES app.upload_chunks(account_id, sha256) ON DELETE RESTRICT',
        'app.upload_retention: FOREIGN KEY (account_id) REFERENCES app.accounts(id) ON DELETE RESTRICT',
        'app.session_repo_bindings: FOREIGN KEY (account_id, session_id) REFERENCES app.sessions(account_id, id) ON DELETE CASCADE',
        'app.todos: FOREIGN KEY (account_id) REFERENCES app.accounts(id) ON DELETE RESTRICT',
        'app.todos: FOREIGN KEY (account_id, session_id) REFERENCES app.sessions(account_id, id) ON DELETE CASCADE',
        'app.ui_settings: FOREIGN KEY (account_id) REFERENCES app.accounts(id) ON DELETE RESTRICT',
        'app.misalignments: FOREIGN KEY (account_id, session_id) REFERENCES app.sessions(account_id, id) ON DELETE CASCADE',
        'app.hook_decisions: FOREIGN KEY (account_id, session_id) REFERENCES app.sessions(account_id, id) ON DELETE CASCADE',
        'auth.identities: FOREIGN KEY (account_id) REFERENCES app.accounts(id) ON DELETE RESTRICT',
        'auth.login_sessions: FOREIGN KEY (account_id, issuer, subject) REFERENCES auth.identities(account_id, issuer, subject) ON DELETE CASCADE',
        'auth.login_secrets: FOREIGN KEY (login_session_id) REFERENCES auth.login_sessions(id) ON DELETE CASCADE',
        'legacy.import_runs: FOREIGN KEY (account_id) REFERENCES app.accounts(id) ON DELETE RESTRICT',
        'legacy.import_files: FOREIGN KEY (run_id) REFERENCES legacy.import_runs(id) ON DELETE RESTRICT',
        'legacy.import_batches: FOREIGN KEY (run_id) REFERENCES legacy.import_runs(id) ON DELETE RESTRICT',
        'legacy.kept_records: FOREIGN KEY (account_id, run_id) REFERENCES legacy.import_runs(account_id, id) ON DELETE RESTRICT',
        'legacy.thread_claims: FOREIGN KEY (account_id, run_id) REFERENCES legacy.import_runs(account_id, id) ON DELETE RESTRICT',
        'legacy.made_threads: FOREIGN KEY (account_id, thread_id) REFERENCES app.chat_threads(account_id, id) ON DELETE CASCADE',
        'legacy.made_threads: FOREIGN KEY (reason) REFERENCES legacy.reasons(code) ON DELETE RESTRICT',
        'legacy.made_threads: FOREIGN KEY (account_id, run_id) REFERENCES legacy.import_runs(account_id, id) ON DELETE RESTRICT',
        'legacy.quarantine: FOREIGN KEY (account_id, run_id) REFERENCES legacy.import_runs(account_id, id) ON DELETE RESTRICT',
        'legacy.quarantine: FOREIGN KEY (account_id, last_run_id) REFERENCES legacy.import_runs(account_id, id) ON DELETE RESTRICT',
        'legacy.quarantine: FOREIGN KEY (reason) REFERENCES legacy.reasons(code) ON DELETE RESTRICT'
    ],
    'every foreign key: its columns, what it refers to, and what a delete does'
);

select is_empty(
    $$
        select conname::text
        from pg_constraint
        inner join pg_attribute as referring on conrelid = referring.attrelid and referring.attname = 'account_id'
        inner join pg_attribute as referred on confrelid = referred.attrelid and referred.attname = 'account_id'
        where contype = 'f'
            and (
                array_position(conkey, referring.attnum) is null
                or array_position(conkey, referring.attnum) is distinct from array_position(confkey, referred.attnum)
            )
    $$,
    'a foreign key between tables that both have account_id carries it along'
);
select is_empty(
    $$
        select conrelid::regclass, conname
        from pg_constraint
        inner join pg_class on conrelid = pg_class.oid
        where relnamespace in ('app'::regnamespace, 'legacy'::regnamespace, 'sync'::regnamespace, 'auth'::regnamespace, 'ops'::regnamespace)
            and (not convalidated or condeferrable)
    $$,
    'every constraint is validated and checked at once'
);

select finish();
rollback;
