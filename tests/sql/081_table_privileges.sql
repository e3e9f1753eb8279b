-- Who may do what with which table and column, exactly. One privilege more or less fails.
begin;
select plan(14);

-- Every privilege of somebody who is not the owner, on a table or sequence or on some of its columns.
create temporary view table_privilege as
select
    acl.grantee::regrole::text as role,
    acl.grantor::regrole::text as grantor,
    acl.is_grantable,
    relation.oid::regclass || ' ' || acl.privilege_type as privilege
from pg_class as relation
cross join aclexplode(relation.relacl) as acl
where
    relation.oid::regclass::text ~ '^(app|api|legacy|sync|auth|ops)\.'
    and acl.grantee <> relation.relowner
union all
select
    acl.grantee::regrole::text as role,
    min(acl.grantor::regrole::text) as grantor,
    bool_or(acl.is_grantable) as is_grantable,
    format(
        '%s %s (%s)',
        field.attrelid::regclass,
        acl.privilege_type,
        string_agg(field.attname, ', ' order by field.attnum)
    ) as privilege
from pg_attribute as field
cross join aclexplode(field.attacl) as acl
where field.attrelid::regclass::text ~ '^(app|api|legacy|sync|auth|ops)\.'
group by acl.grantee, field.attrelid, acl.privilege_type;

select set_eq(
    $$ select privilege from table_privilege where role = 'app_user' $$,
    array[
        'app.accounts SELECT',
        'app.sessions SELECT',
        'app.sessions DELETE',
        'app.sessions INSERT (account_id, id, created_at, updated_at)',
        'app.sessions UPDATE (updated_at, cwd, repository_url, branch, commit_hash, originator, cli_version)',
        'app.session_members SELECT',
        'app.session_members DELETE',
        'app.session_members INSERT (account_id, session_id, member_account_id, role)',
        'app.session_members UPDATE (role, updated_at)',
        'app.memberships SELECT',
        'app.chat_threads SELECT',
        'app.chat_threads DELETE',
        'app.chat_threads INSERT (account_id, session_id, mode, title, status, created_at, updated_at, author_account_id)',
        'app.chat_threads UPDATE (title, status, updated_at)',
        'app.chat_messages SELECT',
        'app.chat_messages DELETE',
        'app.chat_messages INSERT (account_id, session_id, thread_id, mode, role, content, client_message_id, misalignment_id, evidence, context_events, created_at, updated_at, author_account_id)',
        'app.chat_messages UPDATE (content, misalignment_id, evidence, context_events, updated_at)',
        'app.chat_tool_events SELECT',
        'app.chat_tool_events DELETE',
        'app.chat_tool_events INSERT (account_id, session_id, thread_id, tool_call_id, tool_name, status, arguments, result, error, started_at, completed_at, latency_ms, context_events, created_at, updated_at, author_account_id)',
        'app.chat_tool_events UPDATE (status, result, error, completed_at, latency_ms, context_events, updated_at)',
        'app.session_events SELECT',
        'app.session_events DELETE',
        'app.session_events INSERT (account_id, session_id, event_index, event_type, role, occurred_at, call_id, name, body, payload)',
        'app.session_logs SELECT',
        'app.session_logs INSERT (account_id, session_id, log_id, format, source_path, created_at, updated_at)',
        'app.session_logs UPDATE (log_id, format, source_path, upload_id, event_count, broken_count, settled_count, settled_bytes, settled_sha256, size_bytes, content_sha256, updated_at)',
        'app.session_uploads SELECT',
        'app.session_uploads DELETE',
        'app.session_uploads INSERT (account_id, session_id, original_name, size_bytes, content_sha256, source, stored_at, source_path, last_modified, repo_label, repo_meta, workspace_root, origin, updated_at, charset)',
        'app.session_uploads UPDATE (session_id, original_name, size_bytes, content_sha256, last_modified, repo_label, repo_meta, workspace_root, origin, updated_at, charset)',
        'app.upload_chunks SELECT',
        'app.upload_chunks DELETE',
        'app.upload_chunks INSERT (account_id, sha256, size_bytes, encoding, chunk)',
        'app.upload_contents SELECT',
        'app.upload_contents DELETE',
        'app.upload_contents INSERT (account_id, sha256, size_bytes, chunk_count)',
        'app.upload_content_chunks SELECT',
        'app.upload_content_chunks INSERT (account_id, content_sha256, chunk_index, byte_offset, chunk_sha256)',
        'app.upload_retention SELECT',
        'app.upload_retention DELETE',
        'app.upload_retention INSERT (account_id, source, older_than)',
        'app.session_repo_bindings SELECT',
        'app.session_repo_bindings DELETE',
        'app.session_repo_bindings INSERT (account_id, session_id, asset_path, root_dir, created_at, updated_at, author_account_id)',
        'app.session_repo_bindings UPDATE (asset_path, root_dir, updated_at)',
        'app.todos SELECT',
        'app.todos DELETE',
        'app.todos INSERT (account_id, session_id, body, completed, created_at, updated_at, author_account_id)',
        'app.todos UPDATE (body, completed, updated_at)',
        'app.ui_settings SELECT',
        'app.ui_settings DELETE',
        'app.ui_settings INSERT (account_id, profile_id, settings, created_at, updated_at)',
        'app.ui_settings UPDATE (settings, updated_at)',
        'app.misalignments SELECT',
        'app.misalignments INSERT (account_id, session_id, rule_id, title, summary, severity, status, event_range, evidence, created_at, updated_at, author_account_id)',
        'app.misalignments UPDATE (status, updated_at)',
        'app.hook_decisions SELECT',
        'app.maintenance SELECT',
        'app.hook_decisions INSERT (account_id, session_id, source, content_hash, severity, blocked, rules, message, annotations, created_at, author_account_id)',
        'auth.login_sessions SELECT',
        'auth.login_sessions UPDATE (revoked_at, revoked_why)',
        'sync.shapes SELECT'
    ],
    'app_user: what a request may ask for, the policies deciding of which rows'
);
select set_eq(
    $$ select privilege from table_privilege where role = 'authorizer' $$,
    array[
        'app.accounts SELECT',
        'app.accounts INSERT (name)',
        'app.session_members SELECT',
        'auth.identities SELECT',
        'auth.identities DELETE',
        'auth.identities INSERT (issuer, subject, account_id)',
        'auth.login_secrets SELECT',
        'auth.login_secrets INSERT (login_session_id, secret_hash, rotated_at)',
        'auth.login_secrets UPDATE (secret_hash, rotated_at, rotation_asked, previous_hash, previous_until)',
        'auth.login_sessions SELECT',
        'auth.login_sessions DELETE',
        'auth.login_sessions INSERT (account_id, issuer, subject, user_agent, created_at, last_used_at, idle_expires_at, absolute_expires_at)',
        'auth.login_sessions UPDATE (last_used_at, idle_expires_at, revoked_at, revoked_why)',
        'app.maintenance SELECT',
        'app.maintenance UPDATE (since, reason, begun_by)',
        'auth.revocations SELECT',
        'auth.revocations DELETE',
        'auth.revocations INSERT (kind, account_id, login_session_id, owner_account_id, session_id)'
    ],
    'authorizer: to read what says who asks, and to write who is signed in'
);
select set_eq(
    $$ select privilege from table_privilege where role = 'bookkeeper' $$,
    array[
        'app.sessions SELECT',
        'app.sessions UPDATE (updated_at)',
        'app.chat_threads SELECT',
        'app.chat_threads UPDATE (message_count, last_message_preview, last_message_at, updated_at)',
        'app.chat_messages SELECT'
    ],
    'bookkeeper: to read messages, and write what threads and sessions derive'
);
select is_empty($$ select privilege from table_privilege where role = 'app_server' $$, 'app_server: nothing');
select is_empty($$ select privilege from table_privilege where role = 'electric_repl' $$, 'electric_repl: nothing');
select set_eq(
    $$ select privilege from table_privilege where role = 'electric_read' $$,
    array[
        'app.sessions SELECT',
        'app.session_members SELECT',
        'app.chat_threads SELECT',
        'app.chat_messages SELECT',
        'app.chat_tool_events SELECT',
        'app.session_events SELECT',
        'app.session_uploads SELECT',
        'app.session_repo_bindings SELECT',
        'app.todos SELECT',
        'app.misalignments SELECT',
        'app.hook_decisions SELECT'
    ],
    'electric_read: to read what is synced; no accounts, no settings, no bytes of uploads'
);
select is_empty($$ select privilege from table_privilege where role = 'sessionbase_owner' $$, 'sessionbase_owner: nothing but what its own tables give, so nothing on the tables of the run under way');
select set_eq(
    $$ select privilege from table_privilege where role = 'importer' $$,
    array['legacy.staged_records INSERT (run_id, kind, ordinal, byte_offset, raw, sha256, fault)'],
    'importer: to put records into the staging table, and nothing else'
);
select set_eq(
    $$ select privilege from table_privilege where role = 'reviewer' $$,
    array[
        'app.maintenance SELECT',
        'legacy.import_files SELECT',
        'legacy.import_runs SELECT',
        'legacy.reasons SELECT',
        'ops.migration_attempts SELECT',
        'ops.migrations SELECT',
        'sync.shapes SELECT'
    ],
    'reviewer: to read what holds no account data'
);
select set_eq(
    $$ select privilege from table_privilege where role = 'import_definer' $$,
    array[
        'app.accounts SELECT',
        'app.sessions SELECT',
        'app.sessions INSERT (account_id, id, created_at, updated_at)',
        'app.sessions UPDATE (created_at, updated_at)',
        'app.chat_threads SELECT',
        'app.chat_threads INSERT (account_id, id, session_id, mode, title, status, created_at, updated_at, extra)',
        'app.chat_threads UPDATE (mode, title, status, message_count, last_message_preview, last_message_at, created_at, updated_at, extra)',
        'app.chat_messages SELECT',
        'app.chat_messages INSERT (account_id, id, session_id, thread_id, mode, role, content, client_message_id, misalignment_id, evidence, context_events, created_at, updated_at, extra)',
        'app.chat_messages UPDATE (thread_id, mode, role, content, client_message_id, misalignment_id, evidence, context_events, created_at, updated_at, extra)',
        'app.chat_tool_events SELECT',
        'app.chat_tool_events INSERT (account_id, id, session_id, thread_id, tool_call_id, tool_name, status, arguments, result, error, started_at, completed_at, latency_ms, context_events, created_at, updated_at, extra)',
        'app.chat_tool_events UPDATE (thread_id, tool_call_id, tool_name, status, arguments, result, error, started_at, completed_at, latency_ms, context_events, created_at, updated_at, extra)',
        'legacy.import_batches SELECT',
        'legacy.import_batches DELETE',
        'legacy.import_batches INSERT (run_id, kind, number, first_ordinal, record_count, end_byte, prefix_sha256)',
        'legacy.import_batches UPDATE (fates, record_ids, byte_offsets, record_sha256s, thread_ids, session_ids, sessions_began, sessions_ended)',
        'legacy.import_files SELECT',
        'legacy.import_files INSERT (run_id, kind, file_name, sha256, size_bytes, read_count, faults)',
        'legacy.import_files UPDATE (sha256, size_bytes, read_count, imported_count, unchanged_count, adopted_count, quarantined_count, faults)',
        'legacy.import_runs SELECT',
        'legacy.import_runs INSERT (account_id, tool_version, on_conflict, builds)',
        'legacy.import_runs UPDATE (finished_at, session_count, made_thread_count, outcome, attempt, builds)',
        'legacy.kept_records SELECT',
        'legacy.kept_records INSERT (account_id, kind, record_id, mends, raw, run_id, ordinal, byte_offset)',
        'legacy.kept_records UPDATE (mends, raw, row_version, run_id, ordinal, byte_offset)',
        'legacy.made_threads SELECT',
        'legacy.made_threads DELETE',
        'legacy.made_threads INSERT (account_id, thread_id, reason, run_id)',
        'legacy.quarantine SELECT',
        'legacy.quarantine INSERT (account_id, kind, file_name, ordinal, byte_offset, reason, field, sqlstate, raw, raw_sha256, occurrence, run_id, last_run_id)',
        'legacy.quarantine UPDATE (file_name, file_sha256, ordinal, byte_offset, reason, field, sqlstate, last_run_id)',
        'legacy.reasons SELECT',
        'legacy.thread_claims SELECT',
        'legacy.thread_claims DELETE',
        'legacy.thread_claims INSERT (account_id, thread_id, run_id, number, ordinal, byte_offset, record, raw)'
    ],
    'import_definer: what the import needs beside its own tables, column by column'
);
select is_empty(
    $$
        select role, privilege
        from table_privilege
        where role not in ('app_user', 'authorizer', 'bookkeeper', 'electric_read', 'importer', 'reviewer', 'import_definer')
    $$,
    'nobody else has anything, whoever it is'
);
select is_empty(
    $$
        select role, privilege
        from table_privilege
        where is_grantable
            or grantor <> case
                when privilege like 'legacy.staged_records %' then 'import_definer'
                when privilege like 'app.memberships %' then 'authorizer'
                else 'sessionbase_owner'
            end
    $$,
    'every privilege was granted by the owner, and none may be passed on'
);
select set_eq(
    $$
        select role || ': ' || privilege
        from table_privilege
        where privilege ~ ' (DELETE|TRUNCATE|REFERENCES|TRIGGER|MAINTAIN)'
            or privilege ~ '(INSERT|UPDATE)$'
    $$,
    array[
        'authorizer: auth.identities DELETE',
        'authorizer: auth.login_sessions DELETE',
        'authorizer: auth.revocations DELETE',
        'app_user: app.sessions DELETE',
        'app_user: app.session_members DELETE',
        'app_user: app.chat_threads DELETE',
        'app_user: app.chat_messages DELETE',
        'app_user: app.chat_tool_events DELETE',
        'app_user: app.session_events DELETE',
        'app_user: app.session_uploads DELETE',
        'app_user: app.upload_chunks DELETE',
        'app_user: app.upload_contents DELETE',
        'app_user: app.upload_retention DELETE',
        'app_user: app.session_repo_bindings DELETE',
        'app_user: app.todos DELETE',
        'app_user: app.ui_settings DELETE',
        'import_definer: legacy.import_batches DELETE',
        'import_definer: legacy.made_threads DELETE',
        'import_definer: legacy.thread_claims DELETE'
    ],
    'app_user alone deletes account data, authorizer what says who is signed in, and no misalignment and no hook decision; every insert or update lists its columns'
);
-- Column by column, as above, these two could be slipped in through a longer list.
select is_empty(
    $$
        select role, privilege
        from table_privilege
        where privilege ~ 'UPDATE .*\m(author_)?account_id\M'
            or (role = 'app_user' and privilege ~ '(INSERT|UPDATE) .*\mid\M' and privilege !~ '^app\.sessions INSERT')
            -- There it is what another table's row had.
            or (privilege ~ '(INSERT|UPDATE) .*\mrow_version\M' and privilege !~ '^legacy\.kept_records UPDATE')
    $$,
    'nobody moves a row to another account, changes an author or writes row_version, and of a request''s rows only a session has a chosen id'
);

select finish();
rollback;
