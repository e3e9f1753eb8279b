-- Rows of the import, the shapes and the ledger: good ones come in, every constraint refuses a bad one.
begin;
select plan(151);

insert into tests.good_row (target, fields)
values
('legacy.reasons', '{"code": "new", "fate": "adopted", "meaning": "New."}'),
('legacy.import_runs', '{"id": 900, "account_id": "00000000-0000-4000-8000-00000000000a", "tool_version": "1", "imported_by": "me", "started_at": "2026-01-01T00:00:00Z", "outcome": "abandoned", "attempt": 1, "on_conflict": "quarantine", "builds": false}'),
('legacy.import_files', '{"run_id": 800, "kind": "messages", "file_name": "chat-messages.json", "read_count": 0, "imported_count": 0, "unchanged_count": 0, "adopted_count": 0, "quarantined_count": 0, "faults": []}'),
('legacy.import_batches', '{"run_id": 800, "kind": "messages", "number": 1, "first_ordinal": 0, "record_count": 2, "end_byte": 0, "prefix_sha256": "\\x"}'),
('legacy.kept_records', '{"account_id": "00000000-0000-4000-8000-00000000000a", "kind": "threads", "record_id": "new", "mends": {}, "run_id": 800, "ordinal": 0, "byte_offset": 0}'),
('legacy.thread_claims', '{"account_id": "00000000-0000-4000-8000-00000000000a", "thread_id": "new", "run_id": 800, "number": 0, "ordinal": 0, "byte_offset": 0, "record": {}, "raw": "\\x"}'),
('legacy.made_threads', '{"account_id": "00000000-0000-4000-8000-00000000000a", "thread_id": "thread-2", "reason": "thread_absent", "run_id": 800}'),
('legacy.quarantine', '{"id": 900, "account_id": "00000000-0000-4000-8000-00000000000a", "kind": "threads", "file_name": "chat-threads.json", "ordinal": 0, "byte_offset": 0, "reason": "not_json", "raw": "\\x00", "occurrence": 2, "run_id": 800, "last_run_id": 800}'::jsonb || jsonb_build_object('file_sha256', sha256(''), 'raw_sha256', sha256('\x00'))),
('legacy.staged_records', '{"run_id": 800, "kind": "threads", "ordinal": 7, "byte_offset": 0, "raw": "\\x", "sha256": "\\x"}'),
('legacy.judged_records', '{"run_id": 800, "kind": "threads", "ordinal": 7, "byte_offset": 0, "raw": "\\x", "is_plain": false, "mends": {}}'),
('legacy.known_records', '{"run_id": 800, "kind": "threads", "sha256": "\\x", "record_id": "known"}'),
('sync.shapes', '{"name": "new", "table_schema": "app", "table_name": "todos", "columns": ["id"], "where_template": "account_id = $1", "params": ["account_id"], "description": "any"}'),
('ops.migrations', '{"file": "migrations/new.sql", "kind": "versioned", "applied_at": "2026-01-01T00:00:00Z", "applied_by": "me", "duration_ms": 0, "policies": []}'::jsonb || jsonb_build_object('checksum', encode(sha256(''), 'hex'))),
('ops.dropped_keys', '{"table_name": "app.todos", "name": "new", "kind": "index", "definition": "any"}'),
('ops.migration_attempts', '{"id": 9000, "file": "migrations/new.sql", "kind": "versioned", "attempted_at": "2026-01-01T00:00:00Z", "attempted_by": "me", "duration_ms": 0, "outcome": "applied"}'::jsonb || jsonb_build_object('checksum', encode(sha256(''), 'hex')));

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
            tests.keep('legacy.reasons', '{"code": "known"}'),
            tests.keep('legacy.import_runs', '{"id": 800, "outcome": "running"}'),
            tests.keep('legacy.import_files', '{"kind": "threads"}'),
            tests.keep('legacy.import_batches', '{"number": 0}'),
            tests.keep('legacy.kept_records', '{"record_id": "known"}'),
            tests.keep('legacy.thread_claims', '{"thread_id": "known"}'),
            tests.keep('legacy.made_threads', '{"thread_id": "thread-1"}'),
            tests.keep('legacy.quarantine', '{"id": 800, "occurrence": 1}'),
            tests.keep('legacy.staged_records', '{"ordinal": 0}'),
            tests.keep('legacy.judged_records', '{"ordinal": 0}'),
            tests.keep('legacy.known_records', '{}'),
            tests.keep('sync.shapes', '{"name": "known"}'),
            tests.keep('ops.migrations', '{"file": "migrations/known.sql"}'),
            tests.keep('ops.dropped_keys', '{"name": "known"}'),
            tests.keep('ops.migration_attempts', '{"id": 8000}')
    $$,
    'a good row of every table comes in'
);

insert into tests.attempt (target, change, verdict, behaviour)
values
('legacy.reasons', '{}', 'accepted', 'a good row is accepted'),
('legacy.reasons', '{"code": "known"}', '23505 reasons_pkey', 'a code in use is refused'),
('legacy.reasons', '{"fate": "quarantined"}', 'accepted', 'fate quarantined is accepted'),
('legacy.reasons', '{"fate": "unchanged"}', 'accepted', 'fate unchanged is accepted'),
('legacy.reasons', '{"fate": "imported"}', '23514 reasons_fate_check', 'a fate that needs no reason is refused'),

('legacy.import_runs', '{}', 'accepted', 'a good row is accepted'),
('legacy.import_runs', '{"id": 800}', '23505 import_runs_pkey', 'an id in use is refused'),
('legacy.import_runs', '{"account_id": "00000000-0000-4000-8000-00000000000f"}', '23503 import_runs_account_fkey', 'an account that does not exist is refused'),
('legacy.import_runs', '{"outcome": "finished", "finished_at": "2026-01-01T00:00:00Z"}', 'accepted', 'finished in the moment it started is accepted'),
('legacy.import_runs', '{"outcome": "finished", "finished_at": "2025-12-31T23:59:59.999999Z"}', '23514 import_runs_times_check', 'finished before it started is refused'),
('legacy.import_runs', '{"outcome": "finished"}', '23514 import_runs_finished_check', 'finished at no time is refused'),
('legacy.import_runs', '{"finished_at": "2026-01-01T00:00:00Z"}', '23514 import_runs_finished_check', 'abandoned and finished is refused'),
('legacy.import_runs', '{"outcome": "running", "account_id": "00000000-0000-4000-8000-000000000001"}', 'accepted', 'a run under way in another account is accepted'),
('legacy.import_runs', '{"outcome": "running"}', '23505 import_runs_running_idx', 'a second run under way in an account is refused'),
('legacy.import_runs', '{"outcome": "interrupted"}', '23514 import_runs_outcome_check', 'an unknown outcome is refused'),
('legacy.import_runs', '{"attempt": 0}', '23514 import_runs_attempt_check', 'an attempt before the first is refused'),
('legacy.import_runs', '{"on_conflict": "keep"}', 'accepted', 'on_conflict keep is accepted'),
('legacy.import_runs', '{"on_conflict": "replace"}', 'accepted', 'on_conflict replace is accepted'),
('legacy.import_runs', '{"on_conflict": "merge"}', '23514 import_runs_on_conflict_check', 'an unknown on_conflict is refused'),
('legacy.import_runs', '{"session_count": -1}', '23514 import_runs_counts_check', 'a negative count of sessions is refused'),
('legacy.import_runs', '{"made_thread_count": -1}', '23514 import_runs_counts_check', 'a negative count of threads is refused'),

('legacy.import_files', '{}', 'accepted', 'a good row, a file that is missing, is accepted'),
('legacy.import_files', '{"kind": "threads"}', '23505 import_files_pkey', 'a second file of a kind in a run is refused'),
('legacy.import_files', '{"run_id": 900}', '23503 import_files_run_fkey', 'a run that does not exist is refused'),
('legacy.import_files', '{"kind": "todos"}', '23514 import_files_kind_check', 'an unknown kind is refused'),
('legacy.import_files', jsonb_build_object('sha256', sha256(''), 'size_bytes', 0), 'accepted', 'a file that is there is accepted'),
('legacy.import_files', jsonb_build_object('sha256', substr(sha256(''), 2), 'size_bytes', 0), '23514 import_files_sha256_check', 'a SHA-256 of 31 bytes is refused'),
('legacy.import_files', '{"size_bytes": 0}', '23514 import_files_missing_check', 'a size without a SHA-256 is refused'),
('legacy.import_files', jsonb_build_object('sha256', sha256('')), '23514 import_files_missing_check', 'a SHA-256 without a size is refused'),
('legacy.import_files', '{"read_count": -1}', '23514 import_files_counts_check', 'a negative count is refused'),
('legacy.import_files', '{"imported_count": -1}', '23514 import_files_counts_check', 'a negative count of what came in is refused'),
('legacy.import_files', '{"unchanged_count": -1}', '23514 import_files_counts_check', 'a negative count of what was there is refused'),
('legacy.import_files', '{"adopted_count": -1}', '23514 import_files_counts_check', 'a negative count of what was mended is refused'),
('legacy.import_files', '{"quarantined_count": -1}', '23514 import_files_counts_check', 'a negative count of what was kept out is refused'),
('legacy.import_files', '{"faults": [{"code": "byte_order_mark", "offset": 0}]}', 'accepted', 'a fault of the file is accepted'),
('legacy.import_files', '{"faults": {}}', '23514 import_files_faults_check', 'an object as faults is refused'),

('legacy.import_batches', '{}', 'accepted', 'a good row, a batch that is only staged, is accepted'),
('legacy.import_batches', '{"number": 0}', '23505 import_batches_pkey', 'a batch that is booked already is refused'),
('legacy.import_batches', '{"number": 0, "kind": "threads"}', 'accepted', 'a batch of another kind and the same number is accepted'),
('legacy.import_batches', '{"run_id": 900}', '23503 import_batches_run_fkey', 'a run that does not exist is refused'),
('legacy.import_batches', '{"kind": "todos"}', '23514 import_batches_kind_check', 'an unknown kind is refused'),
('legacy.import_batches', '{"number": -1}', '23514 import_batches_place_check', 'a number before the first is refused'),
('legacy.import_batches', '{"first_ordinal": -1}', '23514 import_batches_place_check', 'a place before the first is refused'),
('legacy.import_batches', '{"record_count": -1}', '23514 import_batches_place_check', 'a negative count is refused'),
('legacy.import_batches', '{"end_byte": -1}', '23514 import_batches_place_check', 'an end before the first byte is refused'),
('legacy.import_batches', '{"fates": "iq", "record_ids": ["a", null], "byte_offsets": [1, 5], "record_sha256s": ["\\x00", "\\x01"]}', 'accepted', 'a settled batch is accepted'),
('legacy.import_batches', '{"fates": "ua", "record_ids": ["a", null], "byte_offsets": [1, 5], "record_sha256s": ["\\x00", "\\x01"]}', 'accepted', 'fates unchanged and adopted are accepted'),
('legacy.import_batches', '{"fates": "", "record_ids": [], "byte_offsets": [], "record_sha256s": [], "record_count": 0}', 'accepted', 'a settled batch without records is accepted'),
('legacy.import_batches', '{"session_ids": ["s"], "sessions_began": ["2026-01-01", "2026-01-01"], "sessions_ended": ["2026-01-01"]}', '23514 import_batches_touched_check', 'a beginning too many is refused'),
('legacy.import_batches', '{"session_ids": ["s"], "sessions_began": ["2026-01-01"], "sessions_ended": []}', '23514 import_batches_touched_check', 'an end too few is refused'),
('legacy.import_batches', '{"fates": "ix", "record_ids": ["a", null], "byte_offsets": [1, 5], "record_sha256s": ["\\x00", "\\x01"]}', '23514 import_batches_fates_check', 'an unknown fate is refused'),
('legacy.import_batches', '{"fates": "i\n", "record_ids": ["a", null], "byte_offsets": [1, 5], "record_sha256s": ["\\x00", "\\x01"]}', '23514 import_batches_fates_check', 'a line break as a fate is refused'),
('legacy.import_batches', '{"fates": "i", "record_ids": ["a", null], "byte_offsets": [1, 5], "record_sha256s": ["\\x00", "\\x01"]}', '23514 import_batches_fates_check', 'a fate too few is refused'),
('legacy.import_batches', '{"fates": "iqq", "record_ids": ["a", null], "byte_offsets": [1, 5], "record_sha256s": ["\\x00", "\\x01"]}', '23514 import_batches_fates_check', 'a fate too many is refused'),
('legacy.import_batches', '{"fates": "iq", "record_ids": ["a"], "byte_offsets": [1, 5], "record_sha256s": ["\\x00", "\\x01"]}', '23514 import_batches_arrays_check', 'an id too few is refused'),
('legacy.import_batches', '{"fates": "iq", "record_ids": ["a", null], "byte_offsets": [1, 2, 3], "record_sha256s": ["\\x00", "\\x01"]}', '23514 import_batches_arrays_check', 'an offset too many is refused'),
('legacy.import_batches', '{"fates": "iq", "record_ids": ["a", null], "byte_offsets": [1, 5], "record_sha256s": ["\\x00"]}', '23514 import_batches_arrays_check', 'a SHA-256 too few is refused'),
('legacy.import_batches', '{"record_ids": ["a", null], "byte_offsets": [1, 5], "record_sha256s": ["\\x00", "\\x01"]}', '23514 import_batches_settled_check', 'ids, offsets and SHA-256s without fates are refused'),
('legacy.import_batches', '{"fates": "iq", "byte_offsets": [1, 5], "record_sha256s": ["\\x00", "\\x01"]}', '23514 import_batches_settled_check', 'fates without ids are refused'),
('legacy.import_batches', '{"fates": "iq", "record_ids": ["a", null], "record_sha256s": ["\\x00", "\\x01"]}', '23514 import_batches_settled_check', 'fates without offsets are refused'),
('legacy.import_batches', '{"fates": "iq", "record_ids": ["a", null], "byte_offsets": [1, 5]}', '23514 import_batches_settled_check', 'fates without SHA-256s are refused'),

('legacy.kept_records', '{}', 'accepted', 'a good row is accepted'),
('legacy.kept_records', '{"record_id": "known"}', '23505 kept_records_pkey', 'a record that is kept already is refused'),
('legacy.kept_records', '{"record_id": "known", "kind": "messages"}', 'accepted', 'a record of another kind and the same id is accepted'),
('legacy.kept_records', '{"run_id": 900}', '23503 kept_records_run_fkey', 'a run that does not exist is refused'),
('legacy.kept_records', '{"account_id": "00000000-0000-4000-8000-000000000001"}', '23503 kept_records_run_fkey', 'a run of another account is refused'),
('legacy.kept_records', '{"kind": "todos"}', '23514 kept_records_kind_check', 'an unknown kind is refused'),
('legacy.kept_records', '{"ordinal": -1}', '23514 kept_records_place_check', 'a place before the first is refused'),
('legacy.kept_records', '{"byte_offset": -1}', '23514 kept_records_place_check', 'a byte before the first is refused'),
('legacy.kept_records', '{"mends": {"status": {}}}', 'accepted', 'a mend is accepted'),
('legacy.kept_records', '{"mends": []}', '23514 kept_records_mends_check', 'an array as mends is refused'),

('legacy.thread_claims', '{}', 'accepted', 'a good row is accepted'),
('legacy.thread_claims', '{"thread_id": "known"}', '23505 thread_claims_pkey', 'a second claim of a thread is refused'),
('legacy.thread_claims', '{"run_id": 900}', '23503 thread_claims_run_fkey', 'a run that does not exist is refused'),
('legacy.thread_claims', '{"account_id": "00000000-0000-4000-8000-000000000001"}', '23503 thread_claims_run_fkey', 'a run of another account is refused'),
('legacy.thread_claims', '{"number": -1}', '23514 thread_claims_place_check', 'a batch before the first is refused'),
('legacy.thread_claims', '{"ordinal": -1}', '23514 thread_claims_place_check', 'a place before the first is refused'),
('legacy.thread_claims', '{"byte_offset": -1}', '23514 thread_claims_place_check', 'a byte before the first is refused'),
('legacy.thread_claims', '{"record": []}', '23514 thread_claims_record_check', 'what is no object is refused'),

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
('legacy.quarantine', '{"account_id": "00000000-0000-4000-8000-000000000001"}', '23503 quarantine_run_fkey', 'a run of another account is refused'),
('legacy.quarantine', '{"kind": "todos"}', '23514 quarantine_kind_check', 'an unknown kind is refused'),
('legacy.quarantine', '{"ordinal": -1}', '23514 quarantine_place_check', 'a place before the first is refused'),
('legacy.quarantine', '{"byte_offset": -1}', '23514 quarantine_place_check', 'a byte before the first is refused'),
('legacy.quarantine', '{"occurrence": 0}', '23514 quarantine_place_check', 'an occurrence before the first is refused'),
('legacy.quarantine', '{"reason": "whim"}', '23503 quarantine_reason_fkey', 'an unknown reason is refused'),
('legacy.quarantine', '{"file_sha256": "\\x00"}', '23514 quarantine_sha256_check', 'a SHA-256 of a file of one byte is refused'),
('legacy.quarantine', '{"raw_sha256": "\\x00"}', '23514 quarantine_sha256_check', 'a SHA-256 of a record of one byte is refused'),

('legacy.staged_records', '{}', 'accepted', 'a good row is accepted'),
('legacy.staged_records', '{"ordinal": 0}', '23505 staged_records_pkey', 'a place in the file that is taken is refused'),
('legacy.staged_records', '{"kind": "todos"}', '23514 staged_records_kind_check', 'an unknown kind is refused'),
('legacy.staged_records', '{"fault": "cut_off"}', 'accepted', 'fault cut_off is accepted'),
('legacy.staged_records', '{"fault": "damaged"}', 'accepted', 'fault damaged is accepted'),
('legacy.staged_records', '{"fault": "after_end"}', 'accepted', 'fault after_end is accepted'),
('legacy.staged_records', '{"fault": "too_large"}', 'accepted', 'fault too_large is accepted'),
('legacy.staged_records', '{"fault": "not_json"}', '23514 staged_records_fault_check', 'a fault that the reader does not find is refused'),

('legacy.judged_records', '{}', 'accepted', 'a good row is accepted'),
('legacy.judged_records', '{"ordinal": 0}', '23505 judged_records_pkey', 'a place in the file that is taken is refused'),

('legacy.known_records', '{}', 'accepted', 'a good row, and the same one again, is accepted'),

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
('sync.shapes', '{"params": ["account_id", "session_id", "thread_id", "member_account_id"]}', 'accepted', 'every parameter that there is is accepted'),
('sync.shapes', '{"params": ["account_id", "role"]}', '23514 shapes_params_check', 'a parameter that nobody fills in is refused'),
('sync.shapes', '{"params": ["account_id", null]}', '23514 shapes_params_check', 'a parameter without a name is refused'),
('sync.shapes', '{"description": " "}', '23514 shapes_description_check', 'a shape without a description is refused'),

('ops.migrations', '{}', 'accepted', 'a good row is accepted'),
('ops.migrations', '{"file": "migrations/known.sql"}', '23505 migrations_pkey', 'a file that is there already is refused'),
('ops.migrations', '{"kind": "function"}', 'accepted', 'kind function is accepted'),
('ops.migrations', '{"kind": "policy"}', 'accepted', 'kind policy is accepted'),
('ops.migrations', '{"kind": "view"}', '23514 migrations_kind_check', 'an unknown kind is refused'),
('ops.migrations', jsonb_build_object('checksum', upper(encode(sha256(''), 'hex'))), '23514 migrations_checksum_check', 'a checksum in capitals is refused'),
('ops.migrations', jsonb_build_object('checksum', encode(sha256(''), 'hex') || '0'), '23514 migrations_checksum_check', 'a checksum of 65 digits is refused'),
('ops.migrations', '{"duration_ms": -1}', '23514 migrations_duration_check', 'a negative duration is refused'),
('ops.migrations', '{"policies": {}}', '23514 migrations_policies_check', 'an object as policies is refused'),

('ops.dropped_keys', '{}', 'accepted', 'a good row is accepted'),
('ops.dropped_keys', '{"name": "known"}', '23505 dropped_keys_pkey', 'a name that is noted already is refused'),
('ops.dropped_keys', '{"kind": "key"}', 'accepted', 'kind key is accepted'),
('ops.dropped_keys', '{"kind": "foreign key"}', 'accepted', 'kind foreign key is accepted'),
('ops.dropped_keys', '{"kind": "check"}', '23514 dropped_keys_kind_check', 'an unknown kind is refused'),

('ops.migration_attempts', '{}', 'accepted', 'a good row is accepted'),
('ops.migration_attempts', '{"id": 8000}', '23505 migration_attempts_pkey', 'an id in use is refused'),
('ops.migration_attempts', '{"kind": "view"}', '23514 migration_attempts_kind_check', 'an unknown kind is refused'),
('ops.migration_attempts', '{"checksum": "any"}', '23514 migration_attempts_checksum_check', 'what is no checksum is refused'),
('ops.migration_attempts', '{"duration_ms": -1}', '23514 migration_attempts_duration_check', 'a negative duration is refused'),
('ops.migration_attempts', '{"outcome": "skipped"}', '23514 migration_attempts_outcome_check', 'an unknown outcome is refused'),
('ops.migration_attempts', '{"outcome": "failed", "sqlstate": "23505"}', 'accepted', 'a failure with its SQLSTATE is accepted'),
('ops.migration_attempts', '{"outcome": "failed"}', '23514 migration_attempts_failure_check', 'a failure without a SQLSTATE is refused'),
('ops.migration_attempts', '{"sqlstate": "23505"}', '23514 migration_attempts_failure_check', 'a success with a SQLSTATE is refused');

select tests.attempts_hold();
select finish();
rollback;
