-- Who may do what with which table and column, exactly. One privilege more or less fails.
begin;
select plan(12);

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
    relation.oid::regclass::text ~ '^(app|api|legacy|sync|ops)\.'
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
where field.attrelid::regclass::text ~ '^(app|api|legacy|sync|ops)\.'
group by acl.grantee, field.attrelid, acl.privilege_type;

select is_empty($$ select privilege from table_privilege where role = 'app_user' $$, 'app_user: nothing');
select is_empty($$ select privilege from table_privilege where role = 'app_server' $$, 'app_server: nothing');
select is_empty($$ select privilege from table_privilege where role = 'electric_repl' $$, 'electric_repl: nothing');
select is_empty($$ select privilege from table_privilege where role = 'electric_read' $$, 'electric_read: nothing');
select is_empty($$ select privilege from table_privilege where role = 'sessionbase_owner' $$, 'sessionbase_owner: nothing but what its own tables give, so nothing on the tables of the run under way');
select set_eq(
    $$ select privilege from table_privilege where role = 'importer' $$,
    array['legacy.staged_records INSERT (run_id, kind, ordinal, byte_offset, raw, sha256, fault)'],
    'importer: to put records into the staging table, and nothing else'
);
select set_eq(
    $$ select privilege from table_privilege where role = 'reviewer' $$,
    array[
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
        where role not in ('importer', 'reviewer', 'import_definer')
    $$,
    'nobody else has anything, whoever it is'
);
select is_empty(
    $$
        select role, privilege
        from table_privilege
        where is_grantable
            or grantor <> case when privilege like 'legacy.staged_records %' then 'import_definer' else 'sessionbase_owner' end
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
        'import_definer: legacy.import_batches DELETE',
        'import_definer: legacy.made_threads DELETE',
        'import_definer: legacy.thread_claims DELETE'
    ],
    'nobody deletes account data or what the import keeps of it, and every insert or update lists its columns'
);
-- Column by column, as above, these two could be slipped in through a longer list.
select is_empty(
    $$
        select role, privilege
        from table_privilege
        where privilege ~ 'UPDATE .*\maccount_id\M'
            -- There it is what another table's row had.
            or (privilege ~ '(INSERT|UPDATE) .*\mrow_version\M' and privilege !~ '^legacy\.kept_records UPDATE')
    $$,
    'nobody moves a row to another account or writes row_version'
);

select finish();
rollback;
