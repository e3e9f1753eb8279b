-- Which indexes each table has, exactly, what they are made of, and that every foreign key is covered by one.
begin;
select plan(43);

select indexes_are('app', 'accounts', '{accounts_pkey,accounts_name_key}'::name[]);
select indexes_are('app', 'sessions', '{sessions_pkey,sessions_recent_idx}'::name[]);
select indexes_are('app', 'session_members', '{session_members_pkey,session_members_member_idx}'::name[]);
select indexes_are('app', 'chat_threads', '{chat_threads_pkey,chat_threads_session_key,chat_threads_one_active_idx}'::name[]);
select indexes_are('app', 'chat_messages', '{chat_messages_pkey,chat_messages_session_idx,chat_messages_thread_idx,chat_messages_client_message_idx}'::name[]);
select indexes_are('app', 'chat_tool_events', '{chat_tool_events_pkey,chat_tool_events_session_idx,chat_tool_events_thread_idx}'::name[]);
select indexes_are('app', 'session_events', '{session_events_pkey}'::name[]);
select indexes_are('app', 'session_logs', '{session_logs_pkey,session_logs_log_id_idx,session_logs_source_path_idx,session_logs_upload_idx}'::name[]);
select indexes_are('app', 'session_uploads', '{session_uploads_pkey,session_uploads_session_idx,session_uploads_content_idx,session_uploads_stored_idx}'::name[]);
select indexes_are('app', 'upload_chunks', '{upload_chunks_pkey}'::name[]);
select indexes_are('app', 'upload_contents', '{upload_contents_pkey}'::name[]);
select indexes_are('app', 'upload_content_chunks', '{upload_content_chunks_pkey,upload_content_chunks_chunk_idx}'::name[]);
select indexes_are('app', 'upload_retention', '{upload_retention_pkey}'::name[]);
select indexes_are('app', 'session_repo_bindings', '{session_repo_bindings_pkey}'::name[]);
select indexes_are('app', 'todos', '{todos_pkey,todos_session_idx}'::name[]);
select indexes_are('app', 'ui_settings', '{ui_settings_pkey}'::name[]);
select indexes_are('app', 'misalignments', '{misalignments_pkey,misalignments_session_idx}'::name[]);
select indexes_are('app', 'hook_decisions', '{hook_decisions_pkey,hook_decisions_session_idx}'::name[]);
select indexes_are('legacy', 'reasons', '{reasons_pkey}'::name[]);
select indexes_are('legacy', 'import_runs', '{import_runs_pkey,import_runs_account_key,import_runs_running_idx}'::name[]);
select indexes_are('legacy', 'import_files', '{import_files_pkey}'::name[]);
select indexes_are('legacy', 'import_batches', '{import_batches_pkey}'::name[]);
select indexes_are('legacy', 'kept_records', '{kept_records_pkey,kept_records_run_idx}'::name[]);
select indexes_are('legacy', 'thread_claims', '{thread_claims_pkey,thread_claims_run_idx}'::name[]);
select indexes_are('legacy', 'made_threads', '{made_threads_pkey,made_threads_run_idx,made_threads_reason_idx}'::name[]);
select indexes_are('legacy', 'quarantine', '{quarantine_pkey,quarantine_raw_key,quarantine_last_run_idx,quarantine_run_idx,quarantine_reason_idx}'::name[]);
select indexes_are('legacy', 'staged_records', '{staged_records_pkey}'::name[]);
select indexes_are('legacy', 'judged_records', '{judged_records_pkey}'::name[]);
select indexes_are('legacy', 'known_records', '{known_records_sha256_idx}'::name[]);
select indexes_are('auth', 'identities', '{identities_pkey,identities_account_key}'::name[]);
select indexes_are('auth', 'login_sessions', '{login_sessions_pkey,login_sessions_account_idx,login_sessions_identity_idx,login_sessions_ended_idx}'::name[]);
select indexes_are('auth', 'login_secrets', '{login_secrets_pkey,login_secrets_secret_hash_key,login_secrets_previous_hash_key}'::name[]);
select indexes_are('auth', 'revocations', '{revocations_pkey,revocations_xid_idx,revocations_revoked_at_idx}'::name[]);
select indexes_are('sync', 'shapes', '{shapes_pkey}'::name[]);
select indexes_are('ops', 'migrations', '{migrations_pkey}'::name[]);
select indexes_are('ops', 'migration_attempts', '{migration_attempts_pkey,migration_attempts_file_idx}'::name[]);
select indexes_are('ops', 'dropped_keys', '{dropped_keys_pkey}'::name[]);

create temporary view our_indexes as
select
    indexrelid,
    indrelid,
    indkey,
    indoption,
    indpred,
    indisunique,
    indexrelid::regclass::text as name,
    indisvalid and indisready and indislive and indimmediate as is_sound,
    indexrelid in (
        select key.conindid from pg_constraint as key
        where key.contype in ('p', 'u', 'x')
    ) as is_of_a_constraint
from pg_index
where indrelid::regclass::text ~ '^(app|legacy|sync|auth|ops)\.';

select set_eq(
    $$
        select name || regexp_replace(pg_get_indexdef(indexrelid), '^.* USING', case when indisunique then ' unique' else '' end)
        from our_indexes
        where not is_of_a_constraint
    $$,
    array[
        'app.sessions_recent_idx btree (account_id, updated_at DESC, id)',
        'app.session_members_member_idx btree (member_account_id, account_id, session_id) INCLUDE (role)',
        'app.chat_threads_one_active_idx unique btree (account_id, session_id, mode) WHERE (status = ''active''::text)',
        'app.chat_messages_session_idx btree (account_id, session_id, mode, thread_id, created_at, id)',
        'app.chat_messages_thread_idx btree (account_id, thread_id, created_at, id)',
        'app.chat_messages_client_message_idx unique btree (account_id, session_id, thread_id, client_message_id) WHERE (client_message_id IS NOT NULL)',
        'app.chat_tool_events_session_idx btree (account_id, session_id, started_at, id)',
        'app.chat_tool_events_thread_idx btree (account_id, session_id, thread_id) WHERE (thread_id IS NOT NULL)',
        'app.session_logs_log_id_idx btree (account_id, log_id)',
        'app.session_logs_source_path_idx btree (account_id, source_path)',
        'app.session_logs_upload_idx btree (account_id, upload_id)',
        'app.session_uploads_session_idx btree (account_id, session_id, stored_at, id)',
        'app.session_uploads_content_idx btree (account_id, content_sha256)',
        'app.session_uploads_stored_idx btree (account_id, stored_at, id)',
        'app.upload_content_chunks_chunk_idx btree (account_id, chunk_sha256)',
        'app.todos_session_idx btree (account_id, session_id, created_at, id)',
        'app.misalignments_session_idx btree (account_id, session_id, created_at, id)',
        'app.hook_decisions_session_idx btree (account_id, session_id, created_at, id)',
        'auth.login_sessions_account_idx btree (account_id, last_used_at DESC)',
        'auth.login_sessions_ended_idx btree (LEAST(revoked_at, idle_expires_at))',
        'auth.login_sessions_identity_idx btree (account_id, issuer, subject)',
        'auth.revocations_revoked_at_idx btree (revoked_at)',
        'auth.revocations_xid_idx btree (xid)',
        'legacy.import_runs_running_idx unique btree (account_id) WHERE (outcome = ''running''::text)',
        'legacy.kept_records_run_idx btree (account_id, run_id, kind, ordinal)',
        'legacy.thread_claims_run_idx btree (account_id, run_id)',
        'legacy.made_threads_run_idx btree (account_id, run_id)',
        'legacy.made_threads_reason_idx btree (reason)',
        'legacy.quarantine_last_run_idx btree (account_id, last_run_id, kind, ordinal)',
        'legacy.quarantine_run_idx btree (account_id, run_id)',
        'legacy.quarantine_reason_idx btree (reason)',
        'legacy.known_records_sha256_idx btree (run_id, kind, sha256)',
        'ops.migration_attempts_file_idx btree (file, id)'
    ],
    'every index that is not of a constraint: its columns, their order, uniqueness and predicate'
);
select set_eq(
    $$
        select conrelid::regclass || ' ' || pg_get_constraintdef(oid)
        from pg_constraint
        where contype = 'u'
            and conrelid in (select indrelid from our_indexes)
    $$,
    array[
        'app.accounts UNIQUE (name)',
        'app.chat_threads UNIQUE (account_id, session_id, id)',
        'auth.identities UNIQUE (account_id, issuer, subject)',
        'auth.login_secrets UNIQUE (previous_hash)',
        'auth.login_secrets UNIQUE (secret_hash)',
        'legacy.import_runs UNIQUE (account_id, id)',
        'legacy.quarantine UNIQUE (account_id, kind, raw_sha256, occurrence)'
    ],
    'every unique constraint: its columns'
);
select is_empty(
    $$
        select name
        from our_indexes
        where not is_sound
    $$,
    'every index is valid, ready and checked at once'
);

-- Whether an index's first columns are these, in any order. A partial one counts if it leaves out only rows with a null key.
create function pg_temp.is_covered(p_table oid, p_columns smallint[])
returns boolean
language sql
as $$
    select exists (
        select
        from pg_index
        where indrelid = p_table
            and (indkey::smallint[])[0:cardinality(p_columns) - 1] @> p_columns
            and (indkey::smallint[])[0:cardinality(p_columns) - 1] <@ p_columns
            and (
                indpred is null
                or exists (
                    select
                    from pg_attribute
                    where attrelid = p_table
                        and attnum = any(p_columns)
                        and pg_get_expr(indpred, p_table) = format('(%I IS NOT NULL)', attname)
                )
            )
    )
$$;

select set_eq(
    $$
        select conname::text
        from pg_constraint
        where contype = 'f'
            and not pg_temp.is_covered(conrelid, conkey)
    $$,
    '{chat_messages_thread_fkey}'::text[],
    'an index begins with the columns of every foreign key, except of the one below'
);
-- (account_id, thread_id) is the thread's whole primary key: session_id, which the foreign key has too, narrows nothing.
select ok(
    pg_temp.is_covered(
        'app.chat_messages'::regclass,
        (
            select array_agg(attnum)
            from pg_attribute
            where
                attrelid = 'app.chat_messages'::regclass
                and attname in ('account_id', 'thread_id')
        )
    ),
    'the foreign key of a message to its thread is covered by the thread''s primary key'
);
select is_empty(
    $$
        select shorter.name, longer.name
        from our_indexes as shorter
        inner join our_indexes as longer
            on shorter.indrelid = longer.indrelid
                and shorter.indexrelid <> longer.indexrelid
                and longer.indkey::text || ' ' like shorter.indkey::text || ' %'
                and longer.indoption::text || ' ' like shorter.indoption::text || ' %'
        where not shorter.indisunique
            and shorter.indpred is null
            and longer.indpred is null
    $$,
    'no index is only the beginning of another'
);

select finish();
rollback;
