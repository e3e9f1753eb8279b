-- The type, nullability and default of every column of the tables of the import, the shapes and the ledger, exactly.
begin;
select plan(10);

select set_eq(
    $$ select tests.columns_of('legacy.reasons') $$,
    array[
        'code text not null',
        'fate text not null',
        'meaning text not null'
    ],
    'legacy.reasons: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('legacy.import_runs') $$,
    array[
        'id bigint not null generated always as identity',
        'account_id uuid not null',
        'tool_version text not null',
        'imported_by text not null default SESSION_USER',
        'started_at timestamptz not null default now()',
        'finished_at timestamptz',
        'session_count bigint',
        'made_thread_count bigint'
    ],
    'legacy.import_runs: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('legacy.import_files') $$,
    array[
        'run_id bigint not null',
        'kind text not null',
        'file_name text not null',
        'sha256 bytea',
        'size_bytes bigint',
        'read_count bigint not null',
        'imported_count bigint not null default 0',
        'unchanged_count bigint not null default 0',
        'adopted_count bigint not null default 0',
        'quarantined_count bigint not null default 0'
    ],
    'legacy.import_files: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('legacy.source_records') $$,
    array[
        'account_id uuid not null',
        'kind text not null',
        'record_id text not null',
        'fate text not null',
        'content_sha256 bytea not null',
        'mends jsonb not null default ''{}''::jsonb',
        'run_id bigint not null',
        'ordinal bigint not null',
        'byte_offset bigint not null'
    ],
    'legacy.source_records: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('legacy.made_threads') $$,
    array[
        'account_id uuid not null',
        'thread_id text not null',
        'reason text not null',
        'run_id bigint not null'
    ],
    'legacy.made_threads: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('legacy.quarantine') $$,
    array[
        'id bigint not null generated always as identity',
        'account_id uuid not null',
        'kind text not null',
        'file_name text not null',
        'file_sha256 bytea not null',
        'ordinal bigint not null',
        'byte_offset bigint not null',
        'reason text not null',
        'field text',
        'sqlstate text',
        'raw bytea not null',
        'raw_sha256 bytea not null',
        'occurrence bigint not null',
        'run_id bigint not null',
        'last_run_id bigint not null'
    ],
    'legacy.quarantine: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('legacy.staged_records') $$,
    array[
        'run_id bigint not null',
        'kind text not null',
        'ordinal bigint not null',
        'byte_offset bigint not null',
        'raw bytea not null',
        'record jsonb',
        'record_id text',
        'content_sha256 bytea',
        'fate text',
        'reason text',
        'field text',
        'sqlstate text',
        'mends jsonb not null default ''{}''::jsonb'
    ],
    'legacy.staged_records: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('sync.shapes') $$,
    array[
        'name text not null',
        'table_schema text not null',
        'table_name text not null',
        'columns text[] not null',
        'where_template text not null',
        'params text[] not null'
    ],
    'sync.shapes: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('ops.migrations') $$,
    array[
        'file text not null',
        'kind text not null',
        'checksum text not null',
        'applied_at timestamptz not null default now()',
        'applied_by text not null default SESSION_USER',
        'duration_ms bigint not null',
        'policies jsonb not null default ''[]''::jsonb'
    ],
    'ops.migrations: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('ops.migration_attempts') $$,
    array[
        'id bigint not null generated always as identity',
        'file text not null',
        'kind text not null',
        'checksum text not null',
        'attempted_at timestamptz not null default now()',
        'attempted_by text not null default SESSION_USER',
        'duration_ms bigint not null',
        'outcome text not null',
        'sqlstate text',
        'line bigint',
        'message text'
    ],
    'ops.migration_attempts: the type, nullability and default of every column'
);

select finish();
rollback;
