-- The type, nullability and default of every column of the tables of account data, exactly.
begin;
select plan(19);

select set_eq(
    $$ select tests.columns_of('app.accounts') $$,
    array[
        'id uuid not null default gen_random_uuid()',
        'name text not null',
        'status text not null default ''active''::text',
        'created_at timestamptz not null default now()',
        'updated_at timestamptz not null default now()',
        'row_version bigint not null default 1'
    ],
    'app.accounts: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('app.sessions') $$,
    array[
        'account_id uuid not null',
        'id text not null',
        'created_at timestamptz not null default now()',
        'updated_at timestamptz not null default now()',
        'row_version bigint not null default 1',
        'cwd text',
        'repository_url text',
        'branch text',
        'commit_hash text',
        'originator text',
        'cli_version text'
    ],
    'app.sessions: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('app.session_members') $$,
    array[
        'account_id uuid not null',
        'session_id text not null',
        'member_account_id uuid not null',
        'role text not null',
        'created_at timestamptz not null default now()',
        'updated_at timestamptz not null default now()',
        'row_version bigint not null default 1'
    ],
    'app.session_members: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('app.chat_threads') $$,
    array[
        'account_id uuid not null',
        'id text not null default (''thread_''::text || gen_random_uuid())',
        'session_id text not null',
        'mode text not null',
        'title text not null',
        'status text not null',
        'message_count bigint not null default 0',
        'last_message_preview text',
        'last_message_at timestamptz',
        'created_at timestamptz not null default now()',
        'updated_at timestamptz not null default now()',
        'row_version bigint not null default 1',
        'extra jsonb not null default ''{}''::jsonb',
        'author_account_id uuid'
    ],
    'app.chat_threads: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('app.chat_messages') $$,
    array[
        'account_id uuid not null',
        'id text not null default (''chat_''::text || gen_random_uuid())',
        'session_id text not null',
        'thread_id text not null',
        'mode text not null',
        'role text not null',
        'content text not null',
        'client_message_id text',
        'misalignment_id text',
        'evidence jsonb',
        'context_events jsonb',
        'created_at timestamptz not null default now()',
        'updated_at timestamptz not null default now()',
        'row_version bigint not null default 1',
        'extra jsonb not null default ''{}''::jsonb',
        'author_account_id uuid'
    ],
    'app.chat_messages: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('app.chat_tool_events') $$,
    array[
        'account_id uuid not null',
        'id text not null default (''tool_''::text || gen_random_uuid())',
        'session_id text not null',
        'thread_id text',
        'tool_call_id text',
        'tool_name text not null',
        'status text not null',
        'arguments jsonb',
        'result jsonb',
        'error text',
        'started_at timestamptz not null',
        'completed_at timestamptz',
        'latency_ms bigint',
        'context_events jsonb',
        'created_at timestamptz not null default now()',
        'updated_at timestamptz not null default now()',
        'row_version bigint not null default 1',
        'extra jsonb not null default ''{}''::jsonb',
        'author_account_id uuid'
    ],
    'app.chat_tool_events: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('app.session_events') $$,
    array[
        'account_id uuid not null',
        'session_id text not null',
        'event_index bigint not null',
        'event_type text not null',
        'role text',
        'occurred_at timestamptz',
        'call_id text',
        'name text',
        'body text',
        'payload jsonb not null default ''{}''::jsonb',
        'row_version bigint not null default 1'
    ],
    'app.session_events: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('app.session_logs') $$,
    array[
        'account_id uuid not null',
        'session_id text not null',
        'log_id text',
        'format text not null',
        'source_path text not null',
        'upload_id text',
        'event_count bigint not null default 0',
        'broken_count bigint not null default 0',
        'settled_count bigint not null default 0',
        'settled_bytes bigint not null default 0',
        'settled_sha256 bytea not null default sha256(''\x''::bytea)',
        'size_bytes bigint',
        'content_sha256 bytea',
        'created_at timestamptz not null default now()',
        'updated_at timestamptz not null default now()',
        'row_version bigint not null default 1'
    ],
    'app.session_logs: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('app.session_uploads') $$,
    array[
        'account_id uuid not null',
        'id text not null default (''upload_''::text || gen_random_uuid())',
        'session_id text',
        'original_name text not null',
        'size_bytes bigint not null',
        'content_sha256 bytea not null',
        'source text not null',
        'stored_at timestamptz not null default now()',
        'source_path text',
        'last_modified timestamptz',
        'repo_label text',
        'repo_meta jsonb',
        'workspace_root text',
        'origin text',
        'updated_at timestamptz not null default now()',
        'row_version bigint not null default 1',
        'charset text'
    ],
    'app.session_uploads: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('app.upload_chunks') $$,
    array[
        'account_id uuid not null',
        'sha256 bytea not null',
        'size_bytes bigint not null',
        'encoding text not null',
        'chunk bytea not null',
        'stored_at timestamptz not null default now()'
    ],
    'app.upload_chunks: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('app.upload_contents') $$,
    array[
        'account_id uuid not null',
        'sha256 bytea not null',
        'size_bytes bigint not null',
        'chunk_count bigint not null',
        'stored_at timestamptz not null default now()'
    ],
    'app.upload_contents: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('app.upload_content_chunks') $$,
    array[
        'account_id uuid not null',
        'content_sha256 bytea not null',
        'chunk_index bigint not null',
        'byte_offset bigint not null',
        'chunk_sha256 bytea not null'
    ],
    'app.upload_content_chunks: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('app.upload_retention') $$,
    array[
        'account_id uuid not null',
        'source text not null',
        'older_than interval not null',
        'set_at timestamptz not null default now()'
    ],
    'app.upload_retention: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('app.session_repo_bindings') $$,
    array[
        'account_id uuid not null',
        'session_id text not null',
        'asset_path text not null',
        'root_dir text not null',
        'created_at timestamptz not null default now()',
        'updated_at timestamptz not null default now()',
        'row_version bigint not null default 1',
        'author_account_id uuid'
    ],
    'app.session_repo_bindings: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('app.todos') $$,
    array[
        'account_id uuid not null',
        'id text not null default (''todo_''::text || gen_random_uuid())',
        'session_id text',
        'body text not null',
        'completed boolean not null default false',
        'created_at timestamptz not null default now()',
        'updated_at timestamptz not null default now()',
        'row_version bigint not null default 1',
        'author_account_id uuid'
    ],
    'app.todos: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('app.ui_settings') $$,
    array[
        'account_id uuid not null',
        'profile_id text not null',
        'settings jsonb not null default ''{}''::jsonb',
        'created_at timestamptz not null default now()',
        'updated_at timestamptz not null default now()',
        'row_version bigint not null default 1'
    ],
    'app.ui_settings: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('app.misalignments') $$,
    array[
        'account_id uuid not null',
        'id text not null default (''misalignment_''::text || gen_random_uuid())',
        'session_id text not null',
        'rule_id text not null',
        'title text not null',
        'summary text not null',
        'severity text not null',
        'status text not null default ''open''::text',
        'event_range jsonb',
        'evidence jsonb not null default ''[]''::jsonb',
        'created_at timestamptz not null default now()',
        'updated_at timestamptz not null default now()',
        'row_version bigint not null default 1',
        'author_account_id uuid'
    ],
    'app.misalignments: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('app.hook_decisions') $$,
    array[
        'account_id uuid not null',
        'id text not null default (''hook_''::text || gen_random_uuid())',
        'session_id text not null',
        'source text not null',
        'content_hash text not null',
        'severity text not null',
        'blocked boolean not null',
        'rules jsonb not null default ''[]''::jsonb',
        'message text',
        'annotations jsonb',
        'created_at timestamptz not null default now()',
        'row_version bigint not null default 1',
        'author_account_id uuid'
    ],
    'app.hook_decisions: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('app.maintenance') $$,
    array[
        'scope text not null',
        'since timestamptz',
        'reason text',
        'begun_by text'
    ],
    'app.maintenance: the type, nullability and default of every column'
);

select finish();
rollback;
