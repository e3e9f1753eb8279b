-- Rows of the import, the shapes and the ledger: good ones come in, every constraint refuses a bad one.
begin;
select plan(73);

-- A row that fits, for each table. An attempt is that row with one thing changed.
create temporary table good_row (target regclass, fields jsonb);
create temporary table attempt (
    place bigint generated always as identity,
    target regclass,
    change jsonb,
    verdict text,
    behaviour text
);

create function pg_temp.keep(p_target regclass, p_change jsonb)
returns void
language plpgsql
as $$
begin
    execute format(
        'insert into %1$s overriding system value select * from jsonb_populate_record(null::%1$s, $1)',
        p_target
    ) using (select fields || p_change from good_row where target = p_target);
end;
$$;

-- Inserts a row and takes it back. Says accepted, or the SQLSTATE and the constraint or column that refused it.
create function pg_temp.verdict(p_target regclass, p_change jsonb)
returns text
language plpgsql
as $$
declare
    v_constraint text;
    v_column text;
begin
    perform pg_temp.keep(p_target, p_change);
    raise sqlstate 'SB999';
exception
    when sqlstate 'SB999' then
        return 'accepted';
    when others then
        get stacked diagnostics
            v_constraint = constraint_name,
            v_column = column_name;
        return concat_ws(' ', sqlstate, coalesce(nullif(v_constraint, ''), nullif(v_column, '')));
end;
$$;

insert into good_row (target, fields)
values
('legacy.reasons', '{"code": "new", "fate": "adopted", "meaning": "New."}'),
('legacy.import_runs', '{"id": 900, "account_id": "00000000-0000-4000-8000-00000000000a", "tool_version": "1", "imported_by": "me", "started_at": "2026-01-01T00:00:00Z"}'),
('legacy.import_files', '{"run_id": 800, "kind": "messages", "file_name": "chat-messages.json", "read_count": 0, "imported_count": 0, "unchanged_count": 0, "adopted_count": 0, "quarantined_count": 0}'),
('legacy.source_records', '{"account_id": "00000000-0000-4000-8000-00000000000a", "kind": "threads", "record_id": "new", "fate": "imported", "mends": {}, "run_id": 800, "ordinal": 0, "byte_offset": 0}'::jsonb || jsonb_build_object('content_sha256', sha256(''))),
('legacy.made_threads', '{"account_id": "00000000-0000-4000-8000-00000000000a", "thread_id": "thread-2", "reason": "thread_absent", "run_id": 800}'),
('legacy.quarantine', '{"id": 900, "account_id": "00000000-0000-4000-8000-00000000000a", "kind": "threads", "file_name": "chat-threads.json", "ordinal": 0, "byte_offset": 0, "reason": "not_json", "raw": "\\x00", "occurrence": 2, "run_id": 800, "last_run_id": 800}'::jsonb || jsonb_build_object('file_sha256', sha256(''), 'raw_sha256', sha256('\x00'))),
('legacy.staged_records', '{"run_id": 800, "kind": "threads", "ordinal": 7, "byte_offset": 0, "raw": "\\x", "mends": {}}'),
('sync.shapes', '{"name": "new", "table_schema": "app", "table_name": "todos", "columns": ["id"], "where_template": "account_id = $1", "params": ["account_id"]}'),
('ops.migrations', '{"file": "migrations/new.sql", "kind": "versioned", "applied_at": "2026-01-01T00:00:00Z", "applied_by": "me", "duration_ms": 0, "policies": []}'::jsonb || jsonb_build_object('checksum', encode(sha256(''), 'hex'))),
('ops.migration_attempts', '{"id": 9000, "file": "migrations/new.sql", "kind": "versioned", "checksum": "any", "attempted_at": "2026-01-01T00:00:00Z", "attempted_by": "me", "duration_ms": 0, "outcome": "applied"}');

-- What is there already.
insert into app.accounts (id, name)
values ('00000000-0000-4000-8000-00000000000a', 'first');
insert into app.sessions (account_id, id)
values ('00000000-0000-4000-8000-00000000000a', 'session-1');
insert into app.chat_threads (account_id, id, session_id, mode, title, status)
values
('00000000-0000-4000-8000-00000000000a', 'thread-1', 'session-1', 'session', 'Session Coach', 'archived'),
('00000000-0000-4000-8000-00000000000a', 'thread-2', 'session-1', 'session', 'Session Coach #2', 'archived');

select lives_ok(
    $$
        select
            pg_temp.keep('legacy.reasons', '{"code": "known"}'),
            pg_temp.keep('legacy.import_runs', '{"id": 800}'),
            pg_temp.keep('legacy.import_files', '{"kind": "threads"}'),
            pg_temp.keep('legacy.source_records', '{"record_id": "known"}'),
            pg_temp.keep('legacy.made_threads', '{"thread_id": "thread-1"}'),
            pg_temp.keep('legacy.quarantine', '{"id": 800, "occurrence": 1}'),
            pg_temp.keep('legacy.staged_records', '{"ordinal": 0}'),
            pg_temp.keep('sync.shapes', '{"name": "known"}'),
            pg_temp.keep('ops.migrations', '{"file": "migrations/known.sql"}'),
            pg_temp.keep('ops.migration_attempts', '{"id": 8000}')
    $$,
    'a good row of every table comes in'
);

insert into attempt (target, change, verdict, behaviour)
values
('legacy.reasons', '{}', 'accepted', 'a good row is accepted'),
('legacy.reasons', '{"code": "known"}', '23505 reasons_pkey', 'a code in use is refused'),
('legacy.reasons', '{"fate": "quarantined"}', 'accepted', 'fate quarantined is accepted'),
('legacy.reasons', '{"fate": "imported"}', '23514 reasons_fate_check', 'a fate that needs no reason is refused'),

('legacy.import_runs', '{}', 'accepted', 'a good row is accepted'),
('legacy.import_runs', '{"id": 800}', '23505 import_runs_pkey', 'an id in use is refused'),
('legacy.import_runs', '{"account_id": "00000000-0000-4000-8000-00000000000f"}', '23503 import_runs_account_fkey', 'an account that does not exist is refused'),
('legacy.import_runs', '{"finished_at": "2026-01-01T00:00:00Z"}', 'accepted', 'finished in the moment it started is accepted'),
('legacy.import_runs', '{"finished_at": "2025-12-31T23:59:59.999999Z"}', '23514 import_runs_times_check', 'finished before it started is refused'),

('legacy.import_files', '{}', 'accepted', 'a good row, a file that is missing, is accepted'),
('legacy.import_files', '{"kind": "threads"}', '23505 import_files_pkey', 'a second file of a kind in a run is refused'),
('legacy.import_files', '{"run_id": 900}', '23503 import_files_run_fkey', 'a run that does not exist is refused'),
('legacy.import_files', '{"kind": "todos"}', '23514 import_files_kind_check', 'an unknown kind is refused'),
('legacy.import_files', jsonb_build_object('sha256', sha256(''), 'size_bytes', 0), 'accepted', 'a file that is there is accepted'),
('legacy.import_files', jsonb_build_object('sha256', substr(sha256(''), 2), 'size_bytes', 0), '23514 import_files_sha256_check', 'a SHA-256 of 31 bytes is refused'),
('legacy.import_files', '{"size_bytes": 0}', '23514 import_files_missing_check', 'a size without a SHA-256 is refused'),
('legacy.import_files', jsonb_build_object('sha256', sha256('')), '23514 import_files_missing_check', 'a SHA-256 without a size is refused'),
('legacy.import_files', '{"read_count": -1}', '23514 import_files_read_check', 'a negative count is refused'),

('legacy.source_records', '{}', 'accepted', 'a good row is accepted'),
('legacy.source_records', '{"record_id": "known"}', '23505 source_records_pkey', 'a record that came in before is refused'),
('legacy.source_records', '{"record_id": "known", "kind": "messages"}', 'accepted', 'a record of another kind and the same id is accepted'),
('legacy.source_records', '{"run_id": 900}', '23503 source_records_run_fkey', 'a run that does not exist is refused'),
('legacy.source_records', '{"fate": "quarantined"}', '23514 source_records_fate_check', 'a fate that did not bring the record in is refused'),
('legacy.source_records', '{"fate": "adopted", "mends": {"status": {}}}', 'accepted', 'adopted with a mend is accepted'),
('legacy.source_records', '{"fate": "adopted"}', '23514 source_records_mends_check', 'adopted without a mend is refused'),
('legacy.source_records', '{"mends": {"status": {}}}', '23514 source_records_mends_check', 'imported with a mend is refused'),
('legacy.source_records', '{"content_sha256": "\\x00"}', '23514 source_records_sha256_check', 'a SHA-256 of one byte is refused'),

('legacy.made_threads', '{}', 'accepted', 'a good row is accepted'),
('legacy.made_threads', '{"thread_id": "thread-1"}', '23505 made_threads_pkey', 'a thread that is written down already is refused'),
('legacy.made_threads', '{"thread_id": "thread-9"}', '23503 made_threads_thread_fkey', 'a thread that does not exist is refused'),
('legacy.made_threads', '{"account_id": "00000000-0000-4000-8000-000000000001"}', '23503 made_threads_thread_fkey', 'a thread of another account is refused'),
('legacy.made_threads', '{"reason": "whim"}', '23503 made_threads_reason_fkey', 'an unknown reason is refused'),
('legacy.made_threads', '{"run_id": 900}', '23503 made_threads_run_fkey', 'a run that does not exist is refused'),

('legacy.quarantine', '{}', 'accepted', 'the same bytes a second time in a file are accepted'),
('legacy.quarantine', '{"id": 800}', '23505 quarantine_pkey', 'an id in use is refused'),
('legacy.quarantine', '{"occurrence": 1}', '23505 quarantine_raw_key', 'the same bytes met again are refused'),
('legacy.quarantine', '{"run_id": 900}', '23503 quarantine_run_fkey', 'a first run that does not exist is refused'),
('legacy.quarantine', '{"last_run_id": 900}', '23503 quarantine_last_run_fkey', 'a last run that does not exist is refused'),
('legacy.quarantine', '{"reason": "whim"}', '23503 quarantine_reason_fkey', 'an unknown reason is refused'),
('legacy.quarantine', '{"file_sha256": "\\x00"}', '23514 quarantine_sha256_check', 'a SHA-256 of a file of one byte is refused'),
('legacy.quarantine', '{"raw_sha256": "\\x00"}', '23514 quarantine_sha256_check', 'a SHA-256 of a record of one byte is refused'),

('legacy.staged_records', '{}', 'accepted', 'a good row is accepted'),
('legacy.staged_records', '{"ordinal": 0}', '23505 staged_records_pkey', 'a place in the file that is taken is refused'),

('sync.shapes', '{}', 'accepted', 'a good row is accepted'),
('sync.shapes', '{"name": "known"}', '23505 shapes_pkey', 'a name in use is refused'),
('sync.shapes', '{"name": "New"}', '23514 shapes_name_check', 'a name with a capital is refused'),
('sync.shapes', '{"name": "todos; drop"}', '23514 shapes_name_check', 'a name with a space is refused'),
('sync.shapes', '{"name": "todos\n"}', '23514 shapes_name_check', 'a name with a line break at its end is refused'),
('sync.shapes', jsonb_build_object('name', repeat('x', 63)), 'accepted', 'a name of 63 characters is accepted'),
('sync.shapes', jsonb_build_object('name', repeat('x', 64)), '23514 shapes_name_check', 'a name of 64 characters is refused'),
('sync.shapes', '{"columns": []}', '23514 shapes_columns_check', 'a shape without columns is refused'),
('sync.shapes', '{"where_template": " "}', '23514 shapes_where_template_check', 'a shape without a condition is refused'),
('sync.shapes', '{"params": []}', '23514 shapes_params_check', 'a shape without parameters is refused'),

('ops.migrations', '{}', 'accepted', 'a good row is accepted'),
('ops.migrations', '{"file": "migrations/known.sql"}', '23505 migrations_pkey', 'a file that is there already is refused'),
('ops.migrations', '{"kind": "function"}', 'accepted', 'kind function is accepted'),
('ops.migrations', '{"kind": "policy"}', 'accepted', 'kind policy is accepted'),
('ops.migrations', '{"kind": "view"}', '23514 migrations_kind_check', 'an unknown kind is refused'),
('ops.migrations', jsonb_build_object('checksum', upper(encode(sha256(''), 'hex'))), '23514 migrations_checksum_check', 'a checksum in capitals is refused'),
('ops.migrations', jsonb_build_object('checksum', encode(sha256(''), 'hex') || '0'), '23514 migrations_checksum_check', 'a checksum of 65 digits is refused'),
('ops.migrations', '{"duration_ms": -1}', '23514 migrations_duration_check', 'a negative duration is refused'),
('ops.migrations', '{"policies": {}}', '23514 migrations_policies_check', 'an object as policies is refused'),

('ops.migration_attempts', '{}', 'accepted', 'a good row is accepted'),
('ops.migration_attempts', '{"id": 8000}', '23505 migration_attempts_pkey', 'an id in use is refused'),
('ops.migration_attempts', '{"outcome": "skipped"}', '23514 migration_attempts_outcome_check', 'an unknown outcome is refused'),
('ops.migration_attempts', '{"outcome": "failed", "sqlstate": "23505"}', 'accepted', 'a failure with its SQLSTATE is accepted'),
('ops.migration_attempts', '{"outcome": "failed"}', '23514 migration_attempts_failure_check', 'a failure without a SQLSTATE is refused'),
('ops.migration_attempts', '{"sqlstate": "23505"}', '23514 migration_attempts_failure_check', 'a success with a SQLSTATE is refused');

select is(pg_temp.verdict(target, change), verdict, target || ': ' || behaviour)
from attempt
order by place;

select is_empty(
    $$
        select conrelid::regclass, conname
        from pg_constraint
        where conrelid in (select target from good_row)
            and contype in ('c', 'f')
            and not exists (
                select
                from attempt
                where target = conrelid
                    and split_part(verdict, ' ', 2) = conname
            )
    $$,
    'no check and no foreign key of these tables is without an attempt that it refuses'
);
select is_empty(
    $$
        select relname
        from good_row
        inner join pg_index as keys on target = indrelid
        inner join pg_class on indexrelid = pg_class.oid
        where indisunique
            -- One that holds the whole primary key can refuse nothing that the primary key does not.
            and not exists (
                select
                from pg_index as primary_key
                where primary_key.indrelid = keys.indrelid
                    and primary_key.indisprimary
                    and not keys.indisprimary
                    and keys.indkey::smallint[] @> primary_key.indkey::smallint[]
            )
            and not exists (
                select
                from attempt
                where attempt.target = keys.indrelid
                    and verdict = '23505 ' || relname
            )
    $$,
    'no unique index of these tables is without an attempt that it refuses'
);
select is_empty(
    $$
        select target, attname
        from good_row
        inner join pg_attribute on target = attrelid
        where attnotnull
            and attnum > 0
            and pg_temp.verdict(target, jsonb_build_object(attname, null)) <> '23502 ' || attname
    $$,
    'every column of these tables that is not optional refuses null'
);
select is_empty(
    $$
        select target, attname
        from good_row
        inner join pg_attribute on target = attrelid
        where not attnotnull
            and attnum > 0
            and pg_temp.verdict(target, jsonb_build_object(attname, null)) <> 'accepted'
    $$,
    'every optional column of these tables takes null'
);

select finish();
rollback;
