-- What Electric may serve: the rows of sync.shapes, all of them. A shape that is taken out here is taken out of the database.
-- Conditions compare text or uuid columns with parameters and nothing else, so that Electric finds the shapes that a change
-- concerns by looking values up; the session comes first, for there are more sessions than accounts.
set local role sessionbase_owner;

with wanted (name, table_name, columns, where_template, params, description) as (
    values
    (
        'account_sessions',
        'sessions',
        'account_id, id, created_at, updated_at, row_version, cwd, repository_url, branch, commit_hash, originator, cli_version',
        'account_id = $1',
        'account_id',
        'The sessions of the account that asks.'
    ),
    (
        'account_memberships',
        'session_members',
        'account_id, session_id, member_account_id, role, created_at, updated_at, row_version',
        'member_account_id = $1',
        'member_account_id',
        'Which sessions of other accounts are shared with the account that asks, and as what.'
    ),
    (
        'session',
        'sessions',
        'account_id, id, created_at, updated_at, row_version, cwd, repository_url, branch, commit_hash, originator, cli_version',
        'id = $2 and account_id = $1',
        'account_id, session_id',
        'The session itself.'
    ),
    (
        'session_members',
        'session_members',
        'account_id, session_id, member_account_id, role, created_at, updated_at, row_version',
        'session_id = $2 and account_id = $1',
        'account_id, session_id',
        'Whom the session is shared with, and as what.'
    ),
    (
        'session_threads',
        'chat_threads',
        'account_id, id, session_id, mode, title, status, message_count, last_message_preview, last_message_at, created_at, updated_at, row_version, author_account_id',
        'session_id = $2 and account_id = $1',
        'account_id, session_id',
        'The threads of the session.'
    ),
    (
        'session_messages',
        'chat_messages',
        'account_id, id, session_id, thread_id, mode, role, content, client_message_id, misalignment_id, evidence, context_events, created_at, updated_at, row_version, author_account_id',
        'session_id = $2 and account_id = $1',
        'account_id, session_id',
        'All messages of the session.'
    ),
    (
        'thread_messages',
        'chat_messages',
        'account_id, id, session_id, thread_id, mode, role, content, client_message_id, misalignment_id, evidence, context_events, created_at, updated_at, row_version, author_account_id',
        'thread_id = $3 and session_id = $2 and account_id = $1',
        'account_id, session_id, thread_id',
        'The messages of one thread of the session.'
    ),
    (
        'session_tool_events',
        'chat_tool_events',
        'account_id, id, session_id, thread_id, tool_call_id, tool_name, status, arguments, result, error, started_at, completed_at, latency_ms, context_events, created_at, updated_at, row_version, author_account_id',
        'session_id = $2 and account_id = $1',
        'account_id, session_id',
        'The tool events of the session.'
    ),
    (
        'session_timeline',
        'session_events',
        'account_id, session_id, event_index, event_type, role, occurred_at, call_id, name, body, payload, row_version',
        'session_id = $2 and account_id = $1',
        'account_id, session_id',
        'The timeline of the session''s log.'
    ),
    (
        'session_uploads',
        'session_uploads',
        'account_id, id, session_id, original_name, size_bytes, source, stored_at, source_path, last_modified, repo_label, repo_meta, workspace_root, origin, updated_at, row_version, charset',
        'session_id = $2 and account_id = $1',
        'account_id, session_id',
        'What is known of the session''s uploads; not their bytes.'
    ),
    (
        'session_todos',
        'todos',
        'account_id, id, session_id, body, completed, created_at, updated_at, row_version, author_account_id',
        'session_id = $2 and account_id = $1',
        'account_id, session_id',
        'The todos of the session.'
    ),
    (
        'session_repo_binding',
        'session_repo_bindings',
        'account_id, session_id, asset_path, root_dir, created_at, updated_at, row_version, author_account_id',
        'session_id = $2 and account_id = $1',
        'account_id, session_id',
        'Which folder the session is bound to.'
    ),
    (
        'session_misalignments',
        'misalignments',
        'account_id, id, session_id, rule_id, title, summary, severity, status, event_range, evidence, created_at, updated_at, row_version, author_account_id',
        'session_id = $2 and account_id = $1',
        'account_id, session_id',
        'The misalignments of the session.'
    ),
    (
        'session_hook_decisions',
        'hook_decisions',
        'account_id, id, session_id, source, content_hash, severity, blocked, rules, message, annotations, created_at, row_version, author_account_id',
        'session_id = $2 and account_id = $1',
        'account_id, session_id',
        'The hook decisions of the session.'
    )
),

written as (
    insert into sync.shapes as shape (name, table_schema, table_name, columns, where_template, params, description)
    select
        wanted.name,
        'app' as table_schema,
        wanted.table_name,
        string_to_array(wanted.columns, ', ') as columns,
        wanted.where_template,
        string_to_array(wanted.params, ', ') as params,
        wanted.description
    from wanted
    on conflict (name) do update
        set
            table_schema = excluded.table_schema,
            table_name = excluded.table_name,
            columns = excluded.columns,
            where_template = excluded.where_template,
            params = excluded.params,
            description = excluded.description
)

delete from sync.shapes as shape
where shape.name not in (
    select wanted.name
    from wanted
);
