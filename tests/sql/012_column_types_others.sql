-- The type, nullability and default of every column of the tables and views of the import, the shapes, login sessions and the ledger, exactly.
begin;
select plan(21);

select set_eq(
    $$ select tests.columns_of('auth.identities') $$,
    array[
        'issuer text not null',
        'subject text not null',
        'account_id uuid not null',
        'created_at timestamptz not null default now()'
    ],
    'auth.identities: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('auth.login_sessions') $$,
    array[
        'id uuid not null default gen_random_uuid()',
        'account_id uuid not null',
        'issuer text not null',
        'subject text not null',
        'user_agent text',
        'created_at timestamptz not null',
        'last_used_at timestamptz not null',
        'idle_expires_at timestamptz not null',
        'absolute_expires_at timestamptz not null',
        'revoked_at timestamptz',
        'revoked_why text'
    ],
    'auth.login_sessions: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('auth.login_secrets') $$,
    array[
        'login_session_id uuid not null',
        'secret_hash bytea not null',
        'rotated_at timestamptz not null',
        'rotation_asked boolean not null default false',
        'previous_hash bytea',
        'previous_until timestamptz'
    ],
    'auth.login_secrets: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('auth.revocations') $$,
    array[
        'id bigint not null generated always as identity',
        'xid xid8 not null default pg_current_xact_id()',
        'revoked_at timestamptz not null default clock_timestamp()',
        'kind text not null',
        'account_id uuid not null',
        'login_session_id uuid',
        'owner_account_id uuid',
        'session_id text'
    ],
    'auth.revocations: the type, nullability and default of every column'
);

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
        'made_thread_count bigint',
        'outcome text not null default ''running''::text',
        'attempt bigint not null default 1',
        'on_conflict text not null default ''quarantine''::text',
        'builds boolean not null default false'
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
        'quarantined_count bigint not null default 0',
        'faults jsonb not null default ''[]''::jsonb'
    ],
    'legacy.import_files: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('legacy.import_batches') $$,
    array[
        'run_id bigint not null',
        'kind text not null',
        'number bigint not null',
        'first_ordinal bigint not null',
        'record_count bigint not null',
        'end_byte bigint not null',
        'prefix_sha256 bytea not null',
        'fates text',
        'record_ids text[]',
        'byte_offsets bigint[]',
        'record_sha256s bytea[]',
        'thread_ids text[]',
        'session_ids text[]',
        'sessions_began timestamptz[]',
        'sessions_ended timestamptz[]'
    ],
    'legacy.import_batches: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('legacy.kept_records') $$,
    array[
        'account_id uuid not null',
        'kind text not null',
        'record_id text not null',
        'mends jsonb not null default ''{}''::jsonb',
        'raw bytea',
        'row_version bigint',
        'run_id bigint not null',
        'ordinal bigint not null',
        'byte_offset bigint not null'
    ],
    'legacy.kept_records: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('legacy.thread_claims') $$,
    array[
        'account_id uuid not null',
        'thread_id text not null',
        'run_id bigint not null',
        'number bigint not null',
        'ordinal bigint not null',
        'byte_offset bigint not null',
        'record jsonb not null',
        'raw bytea not null'
    ],
    'legacy.thread_claims: the type, nullability and default of every column'
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
        'file_sha256 bytea',
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
        'sha256 bytea not null',
        'fault text'
    ],
    'legacy.staged_records: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('legacy.judged_records') $$,
    array[
        'run_id bigint not null',
        'kind text not null',
        'ordinal bigint not null',
        'byte_offset bigint not null',
        'raw bytea not null',
        'record jsonb',
        'record_id text',
        'session_id text',
        'thread_id text',
        'mode text',
        'began_at timestamptz',
        'ended_at timestamptz',
        'is_plain boolean not null default false',
        'fate text',
        'reason text',
        'field text',
        'sqlstate text',
        'mends jsonb not null default ''{}''::jsonb'
    ],
    'legacy.judged_records: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('legacy.known_records') $$,
    array[
        'run_id bigint not null',
        'kind text not null',
        'sha256 bytea not null',
        'record_id text not null'
    ],
    'legacy.known_records: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('legacy.source_records') $$,
    array[
        'account_id uuid',
        'run_id bigint',
        'kind text',
        'ordinal bigint',
        'byte_offset bigint',
        'fate text',
        'record_id text',
        'sha256 bytea'
    ],
    'legacy.source_records: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('legacy.current_records') $$,
    array[
        'kind text',
        'account_id uuid',
        'record_id text',
        'began_at timestamptz',
        'row_version bigint',
        'record jsonb'
    ],
    'legacy.current_records: the type, nullability and default of every column'
);

select set_eq(
    $$ select tests.columns_of('sync.shapes') $$,
    array[
        'name text not null',
        'table_schema text not null',
        'table_name text not null',
        'columns text[] not null',
        'where_template text not null',
        'params text[] not null',
        'description text not null'
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

select set_eq(
    $$ select tests.columns_of('ops.dropped_keys') $$,
    array[
        'table_name text not null',
        'name text not null',
        'kind text not null',
        'definition text not null',
        'description text'
    ],
    'ops.dropped_keys: the type, nullability and default of every column'
);

select finish();
rollback;
