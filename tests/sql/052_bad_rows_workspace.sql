-- Rows of timelines, uploads, bindings, todos, settings, misalignments and hook decisions: good ones come in, every constraint refuses a bad one.
begin;
select plan(152);

insert into tests.good_row (target, fields)
values
('app.session_events', '{"account_id": "00000000-0000-4000-8000-00000000000a", "session_id": "session-1", "event_index": 7, "event_type": "message", "payload": {}, "row_version": 1}'),
('app.session_logs', '{"account_id": "00000000-0000-4000-8000-00000000000a", "session_id": "session-2", "log_id": "log", "format": "codex", "source_path": "/log", "event_count": 2, "broken_count": 1, "settled_count": 1, "settled_bytes": 9, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "row_version": 1}'::jsonb || jsonb_build_object('settled_sha256', sha256('x'))),
('app.session_uploads', '{"account_id": "00000000-0000-4000-8000-00000000000a", "id": "upload-new", "session_id": "session-1", "original_name": "rollout.jsonl", "size_bytes": 0, "source": "upload", "stored_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "row_version": 1}'::jsonb || jsonb_build_object('content_sha256', sha256(''))),
('app.upload_chunks', '{"account_id": "00000000-0000-4000-8000-00000000000a", "size_bytes": 1, "encoding": "identity", "chunk": "\\x00", "stored_at": "2026-01-01T00:00:00Z"}'::jsonb || jsonb_build_object('sha256', sha256('\x00'))),
('app.upload_contents', '{"account_id": "00000000-0000-4000-8000-00000000000a", "size_bytes": 2, "chunk_count": 2, "stored_at": "2026-01-01T00:00:00Z"}'::jsonb || jsonb_build_object('sha256', sha256('two'))),
('app.upload_content_chunks', '{"account_id": "00000000-0000-4000-8000-00000000000a", "chunk_index": 7, "byte_offset": 7}'::jsonb || jsonb_build_object('content_sha256', sha256('one'), 'chunk_sha256', sha256('one'))),
('app.upload_retention', '{"account_id": "00000000-0000-4000-8000-00000000000a", "source": "external", "older_than": "1 day", "set_at": "2026-01-01T00:00:00Z"}'),
('app.session_repo_bindings', '{"account_id": "00000000-0000-4000-8000-00000000000a", "session_id": "session-2", "asset_path": "", "root_dir": "/", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "row_version": 1}'),
('app.todos', '{"account_id": "00000000-0000-4000-8000-00000000000a", "id": "todo-new", "session_id": "session-1", "body": "read", "completed": false, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "row_version": 1}'),
('app.ui_settings', '{"account_id": "00000000-0000-4000-8000-00000000000a", "profile_id": "profile-new", "settings": {}, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "row_version": 1}'),
('app.misalignments', '{"account_id": "00000000-0000-4000-8000-00000000000a", "id": "misalignment-new", "session_id": "session-1", "rule_id": "rule", "title": "", "summary": "", "severity": "info", "status": "open", "evidence": [], "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "row_version": 1}'),
('app.hook_decisions', '{"account_id": "00000000-0000-4000-8000-00000000000a", "id": "decision-new", "session_id": "session-1", "source": "hook", "content_hash": "hash", "severity": "info", "blocked": false, "rules": [], "created_at": "2026-01-01T00:00:00Z", "row_version": 1}');

-- What is there already: two accounts with rows of the same ids, side by side.
insert into app.accounts (id, name)
values
('00000000-0000-4000-8000-00000000000a', 'first'),
('00000000-0000-4000-8000-00000000000b', 'second');
insert into app.sessions (account_id, id)
values
('00000000-0000-4000-8000-00000000000a', 'session-1'),
('00000000-0000-4000-8000-00000000000a', 'session-2'),
('00000000-0000-4000-8000-00000000000b', 'session-1');

select tests.keep_content(account.id, content.bytes) as kept
from app.accounts as account
cross join (values (''::bytea), ('one')) as content (bytes)
where account.name in ('first', 'second');
select tests.keep_content('00000000-0000-4000-8000-00000000000a', 'of one account');
insert into app.upload_retention (account_id, source, older_than)
values ('00000000-0000-4000-8000-00000000000b', 'external', '30 days');

select lives_ok(
    $$
        select
            tests.keep('app.session_events', account || '{"event_index": 0}'),
            tests.keep('app.session_logs', account || '{"session_id": "session-1"}'),
            tests.keep('app.session_uploads', account || '{"id": "upload-1"}'),
            tests.keep('app.upload_chunks', account || jsonb_build_object('chunk', '\x01'::bytea, 'sha256', sha256('\x01'))),
            tests.keep('app.upload_contents', account || jsonb_build_object('sha256', sha256('there'))),
            tests.keep('app.session_repo_bindings', account || '{"session_id": "session-1"}'),
            tests.keep('app.todos', account || '{"id": "todo-1"}'),
            tests.keep('app.ui_settings', account || '{"profile_id": "profile-1"}'),
            tests.keep('app.misalignments', account || '{"id": "misalignment-1"}'),
            tests.keep('app.hook_decisions', account || '{"id": "decision-1"}')
        from (values
            ('{"account_id": "00000000-0000-4000-8000-00000000000a"}'::jsonb),
            ('{"account_id": "00000000-0000-4000-8000-00000000000b"}')
        ) as wanted (account)
    $$,
    'two accounts may have the same ids and contents side by side'
);

insert into tests.attempt (target, change, verdict, behaviour)
values
('app.session_events', '{}', 'accepted', 'a good row is accepted'),
('app.session_events', '{"event_index": 0}', '23505 session_events_pkey', 'a place in the log that is taken is refused'),
('app.session_events', '{"event_index": -1}', '23514 session_events_event_index_check', 'a negative place is refused'),
('app.session_events', '{"session_id": "session-9"}', '23503 session_events_session_fkey', 'a session that does not exist is refused'),
('app.session_events', '{"account_id": "00000000-0000-4000-8000-00000000000b", "session_id": "session-2"}', '23503 session_events_session_fkey', 'a session of another account is refused'),
('app.session_events', '{"payload": "line"}', 'accepted', 'any JSON as payload is accepted'),
('app.session_events', '{"row_version": 0}', '23514 session_events_row_version_check', 'row_version 0 is refused'),

('app.session_logs', '{}', 'accepted', 'a good row is accepted'),
('app.session_logs', '{"log_id": null, "upload_id": null}', 'accepted', 'one that has no id, and no upload yet, is accepted'),
('app.session_logs', '{"session_id": "session-1"}', '23505 session_logs_pkey', 'a second log of a session is refused'),
('app.session_logs', '{"session_id": "session-9"}', '23503 session_logs_session_fkey', 'a session that does not exist is refused'),
('app.session_logs', '{"account_id": "00000000-0000-4000-8000-00000000000b"}', '23503 session_logs_session_fkey', 'a session of another account is refused'),
('app.session_logs', '{"upload_id": "upload-9"}', '23503 session_logs_upload_fkey', 'an upload that does not exist is refused'),
('app.session_logs', '{"log_id": ""}', '23514 session_logs_log_id_check', 'an empty id is refused'),
('app.session_logs', '{"format": ""}', '23514 session_logs_format_check', 'a format without a name is refused'),
('app.session_logs', '{"format": "Codex"}', '23514 session_logs_format_check', 'a name that no function can have is refused'),
('app.session_logs', '{"source_path": ""}', '23514 session_logs_source_path_check', 'an empty path is refused'),
('app.session_logs', '{"broken_count": 3}', '23514 session_logs_counts_check', 'more broken entries than entries are refused'),
('app.session_logs', '{"broken_count": -1}', '23514 session_logs_counts_check', 'a negative count is refused'),
('app.session_logs', '{"settled_count": 3}', '23514 session_logs_counts_check', 'more settled entries than entries are refused'),
('app.session_logs', '{"settled_bytes": -1}', '23514 session_logs_settled_check', 'negative bytes are refused'),
('app.session_logs', '{"settled_sha256": "\\x00"}', '23514 session_logs_settled_check', 'a sum of another length is refused'),
('app.session_logs', '{"size_bytes": 10}', '23514 session_logs_content_check', 'a size without a sum is refused'),
('app.session_logs', '{"updated_at": "2025-12-31T23:59:59.999999Z"}', '23514 session_logs_times_check', 'a change before the beginning is refused'),
('app.session_logs', '{"row_version": 0}', '23514 session_logs_row_version_check', 'row_version 0 is refused'),
('app.session_logs', jsonb_build_object('size_bytes', 10, 'content_sha256', sha256('y')), 'accepted', 'one that was read to its end is accepted'),
('app.session_logs', jsonb_build_object('size_bytes', -1, 'content_sha256', sha256('y')), '23514 session_logs_content_check', 'a negative size is refused'),
('app.session_logs', jsonb_build_object('size_bytes', 10, 'content_sha256', '\x00'::bytea), '23514 session_logs_content_check', 'a sum of the log of another length is refused'),
('app.session_logs', jsonb_build_object('size_bytes', null, 'content_sha256', sha256('y')), '23514 session_logs_content_check', 'a sum without a size is refused'),

('app.session_uploads', '{}', 'accepted', 'a good row, an empty file, is accepted'),
('app.session_uploads', '{"id": "upload-1"}', '23505 session_uploads_pkey', 'an id in use is refused'),
('app.session_uploads', '{"session_id": null}', 'accepted', 'an upload of no session is accepted'),
('app.session_uploads', '{"session_id": null, "account_id": "00000000-0000-4000-8000-00000000000f"}', '23503 session_uploads_account_fkey', 'an account that does not exist is refused'),
('app.session_uploads', '{"session_id": "session-9"}', '23503 session_uploads_session_fkey', 'a session that does not exist is refused'),
('app.session_uploads', '{"account_id": "00000000-0000-4000-8000-00000000000b", "session_id": "session-2"}', '23503 session_uploads_session_fkey', 'a session of another account is refused'),
('app.session_uploads', '{"id": ""}', '23514 session_uploads_id_check', 'an empty id is refused'),
('app.session_uploads', jsonb_build_object('id', repeat('é', 256)), 'accepted', 'an id of 512 bytes is accepted'),
('app.session_uploads', jsonb_build_object('id', repeat('é', 256) || 'x'), '23514 session_uploads_id_check', 'an id of 513 bytes in 257 characters is refused'),
('app.session_uploads', '{"size_bytes": -1}', '23514 session_uploads_size_check', 'a negative size is refused'),
('app.session_uploads', jsonb_build_object('content_sha256', substr(sha256(''), 2)), '23514 session_uploads_sha256_check', 'a SHA-256 of 31 bytes is refused'),
('app.session_uploads', '{"source": "bundled"}', 'accepted', 'source bundled is accepted'),
('app.session_uploads', '{"source": "external"}', 'accepted', 'source external is accepted'),
('app.session_uploads', '{"source": "found"}', '23514 session_uploads_source_check', 'an unknown source is refused'),
('app.session_uploads', '{"origin": "codex"}', 'accepted', 'origin codex is accepted'),
('app.session_uploads', '{"origin": "gemini-cli"}', 'accepted', 'origin gemini-cli is accepted'),
('app.session_uploads', '{"origin": "gemini"}', '23514 session_uploads_origin_check', 'an unknown origin is refused'),
('app.session_uploads', jsonb_build_object('content_sha256', sha256('of nobody')), '23503 session_uploads_content_fkey', 'a content that is not there is refused'),
('app.session_uploads', jsonb_build_object('account_id', '00000000-0000-4000-8000-00000000000b', 'content_sha256', sha256('of one account')), '23503 session_uploads_content_fkey', 'a content of another account is refused'),
('app.session_uploads', '{"charset": "utf-16le"}', 'accepted', 'a charset is accepted'),
('app.session_uploads', '{"charset": "latin-1"}', '23514 session_uploads_charset_check', 'an unknown charset is refused'),
('app.session_uploads', '{"updated_at": "2025-12-31T23:59:59.999999Z"}', '23514 session_uploads_times_check', 'a change before it was stored is refused'),
('app.session_uploads', '{"row_version": 0}', '23514 session_uploads_row_version_check', 'row_version 0 is refused'),

('app.upload_chunks', '{}', 'accepted', 'a good row is accepted'),
('app.upload_chunks', jsonb_build_object('chunk', '\x01'::bytea, 'sha256', sha256('\x01')), '23505 upload_chunks_pkey', 'a chunk that is there already is refused'),
('app.upload_chunks', '{"account_id": "00000000-0000-4000-8000-00000000000f"}', '23503 upload_chunks_account_fkey', 'an account that does not exist is refused'),
('app.upload_chunks', '{"encoding": "zstd", "sha256": "\\x00"}', '23514 upload_chunks_sha256_check', 'a SHA-256 of one byte is refused'),
('app.upload_chunks', '{"encoding": "zstd", "size_bytes": 0}', '23514 upload_chunks_size_check', 'a chunk that holds nothing is refused'),
('app.upload_chunks', '{"encoding": "zstd", "size_bytes": 4194304}', 'accepted', 'a chunk that holds 4 MiB is accepted'),
('app.upload_chunks', '{"encoding": "zstd", "size_bytes": 4194305}', '23514 upload_chunks_size_check', 'a chunk that holds more is refused'),
('app.upload_chunks', '{"encoding": "gzip"}', 'accepted', 'gzip is accepted'),
('app.upload_chunks', '{"encoding": "zstd"}', 'accepted', 'zstd is accepted'),
('app.upload_chunks', '{"encoding": "br"}', '23514 upload_chunks_encoding_check', 'an unknown encoding is refused'),
('app.upload_chunks', '{"encoding": "zstd", "chunk": "\\x"}', '23514 upload_chunks_chunk_check', 'an empty chunk is refused'),
('app.upload_chunks', jsonb_build_object('encoding', 'zstd', 'chunk', decode(repeat('00', 1025), 'hex')), 'accepted', 'a chunk that grew by 1 KiB in compressing is accepted'),
('app.upload_chunks', jsonb_build_object('encoding', 'zstd', 'chunk', decode(repeat('00', 1026), 'hex')), '23514 upload_chunks_chunk_check', 'a chunk that grew by more is refused'),
('app.upload_chunks', '{"chunk": "\\x01"}', '23514 upload_chunks_identity_check', 'bytes that are not what their SHA-256 says are refused'),
('app.upload_chunks', '{"size_bytes": 2}', '23514 upload_chunks_identity_check', 'fewer bytes than it says are refused'),

('app.upload_contents', '{}', 'accepted', 'a good row is accepted'),
('app.upload_contents', jsonb_build_object('sha256', sha256('there')), '23505 upload_contents_pkey', 'a content that is there already is refused'),
('app.upload_contents', '{"account_id": "00000000-0000-4000-8000-00000000000f"}', '23503 upload_contents_account_fkey', 'an account that does not exist is refused'),
('app.upload_contents', '{"sha256": "\\x00"}', '23514 upload_contents_sha256_check', 'a SHA-256 of one byte is refused'),
('app.upload_contents', '{"size_bytes": -1}', '23514 upload_contents_size_check', 'a negative size is refused'),
('app.upload_contents', '{"chunk_count": -1}', '23514 upload_contents_chunk_count_check', 'a negative count is refused'),
('app.upload_contents', '{"size_bytes": 0}', '23514 upload_contents_chunk_count_check', 'chunks of an empty content are refused'),
('app.upload_contents', '{"chunk_count": 0}', '23514 upload_contents_chunk_count_check', 'a content of bytes and no chunk is refused'),

('app.upload_content_chunks', '{}', 'accepted', 'a good row is accepted'),
('app.upload_content_chunks', '{"chunk_index": 0}', '23505 upload_content_chunks_pkey', 'a place that is taken is refused'),
('app.upload_content_chunks', jsonb_build_object('content_sha256', sha256('of nobody')), '23503 upload_content_chunks_content_fkey', 'a content that is not there is refused'),
('app.upload_content_chunks', jsonb_build_object('chunk_sha256', sha256('of nobody')), '23503 upload_content_chunks_chunk_fkey', 'a chunk that is not there is refused'),
('app.upload_content_chunks', jsonb_build_object('account_id', '00000000-0000-4000-8000-00000000000b', 'content_sha256', sha256('of one account')), '23503 upload_content_chunks_content_fkey', 'a content of another account is refused'),
('app.upload_content_chunks', jsonb_build_object('account_id', '00000000-0000-4000-8000-00000000000b', 'chunk_sha256', sha256('of one account')), '23503 upload_content_chunks_chunk_fkey', 'a chunk of another account is refused'),
('app.upload_content_chunks', '{"chunk_index": -1}', '23514 upload_content_chunks_chunk_index_check', 'a negative place is refused'),
('app.upload_content_chunks', '{"byte_offset": 6}', '23514 upload_content_chunks_byte_offset_check', 'an offset that leaves no byte for each chunk before it is refused'),

('app.upload_retention', '{}', 'accepted', 'a good row is accepted'),
('app.upload_retention', '{"account_id": "00000000-0000-4000-8000-00000000000b"}', '23505 upload_retention_pkey', 'a second row of an account and source is refused'),
('app.upload_retention', '{"source": "found"}', '23514 upload_retention_source_check', 'an unknown source is refused'),
('app.upload_retention', '{"account_id": "00000000-0000-4000-8000-00000000000f"}', '23503 upload_retention_account_fkey', 'an account that does not exist is refused'),
('app.upload_retention', '{"older_than": "23:59:59"}', '23514 upload_retention_older_than_check', 'less than a day is refused'),

('app.session_repo_bindings', '{}', 'accepted', 'a good row is accepted'),
('app.session_repo_bindings', '{"session_id": "session-1"}', '23505 session_repo_bindings_pkey', 'a second binding of a session is refused'),
('app.session_repo_bindings', '{"session_id": "session-9"}', '23503 session_repo_bindings_session_fkey', 'a session that does not exist is refused'),
('app.session_repo_bindings', '{"account_id": "00000000-0000-4000-8000-00000000000b"}', '23503 session_repo_bindings_session_fkey', 'a session of another account is refused'),
('app.session_repo_bindings', '{"updated_at": "2025-12-31T23:59:59.999999Z"}', '23514 session_repo_bindings_times_check', 'a change before the beginning is refused'),
('app.session_repo_bindings', '{"row_version": 0}', '23514 session_repo_bindings_row_version_check', 'row_version 0 is refused'),

('app.todos', '{}', 'accepted', 'a good row is accepted'),
('app.todos', '{"id": "todo-1"}', '23505 todos_pkey', 'an id in use is refused'),
('app.todos', '{"session_id": null}', 'accepted', 'a todo of no session is accepted'),
('app.todos', '{"session_id": null, "account_id": "00000000-0000-4000-8000-00000000000f"}', '23503 todos_account_fkey', 'an account that does not exist is refused'),
('app.todos', '{"session_id": "session-9"}', '23503 todos_session_fkey', 'a session that does not exist is refused'),
('app.todos', '{"account_id": "00000000-0000-4000-8000-00000000000b", "session_id": "session-2"}', '23503 todos_session_fkey', 'a session of another account is refused'),
('app.todos', '{"id": ""}', '23514 todos_id_check', 'an empty id is refused'),
('app.todos', jsonb_build_object('id', repeat('é', 256)), 'accepted', 'an id of 512 bytes is accepted'),
('app.todos', jsonb_build_object('id', repeat('é', 256) || 'x'), '23514 todos_id_check', 'an id of 513 bytes in 257 characters is refused'),
('app.todos', '{"body": ""}', '23514 todos_body_check', 'an empty body is refused'),
('app.todos', '{"body": " \t\n "}', '23514 todos_body_check', 'a body of white space only is refused'),
('app.todos', '{"updated_at": "2025-12-31T23:59:59.999999Z"}', '23514 todos_times_check', 'a change before the beginning is refused'),
('app.todos', '{"row_version": 0}', '23514 todos_row_version_check', 'row_version 0 is refused'),

('app.ui_settings', '{}', 'accepted', 'a good row is accepted'),
('app.ui_settings', '{"profile_id": "profile-1"}', '23505 ui_settings_pkey', 'a profile that is there already is refused'),
('app.ui_settings', '{"account_id": "00000000-0000-4000-8000-00000000000f"}', '23503 ui_settings_account_fkey', 'an account that does not exist is refused'),
('app.ui_settings', '{"profile_id": ""}', '23514 ui_settings_profile_id_check', 'an empty profile_id is refused'),
('app.ui_settings', jsonb_build_object('profile_id', repeat('é', 256)), 'accepted', 'a profile_id of 512 bytes is accepted'),
('app.ui_settings', jsonb_build_object('profile_id', repeat('é', 256) || 'x'), '23514 ui_settings_profile_id_check', 'a profile_id of 513 bytes in 257 characters is refused'),
('app.ui_settings', '{"settings": []}', '23514 ui_settings_settings_check', 'an array as settings is refused'),
('app.ui_settings', '{"updated_at": "2025-12-31T23:59:59.999999Z"}', '23514 ui_settings_times_check', 'a change before the beginning is refused'),
('app.ui_settings', '{"row_version": 0}', '23514 ui_settings_row_version_check', 'row_version 0 is refused'),

('app.misalignments', '{}', 'accepted', 'a good row is accepted'),
('app.misalignments', '{"id": "misalignment-1"}', '23505 misalignments_pkey', 'an id in use is refused'),
('app.misalignments', '{"session_id": "session-9"}', '23503 misalignments_session_fkey', 'a session that does not exist is refused'),
('app.misalignments', '{"account_id": "00000000-0000-4000-8000-00000000000b", "session_id": "session-2"}', '23503 misalignments_session_fkey', 'a session of another account is refused'),
('app.misalignments', '{"id": ""}', '23514 misalignments_id_check', 'an empty id is refused'),
('app.misalignments', jsonb_build_object('id', repeat('é', 256)), 'accepted', 'an id of 512 bytes is accepted'),
('app.misalignments', jsonb_build_object('id', repeat('é', 256) || 'x'), '23514 misalignments_id_check', 'an id of 513 bytes in 257 characters is refused'),
('app.misalignments', '{"severity": "low"}', 'accepted', 'severity low is accepted'),
('app.misalignments', '{"severity": "medium"}', 'accepted', 'severity medium is accepted'),
('app.misalignments', '{"severity": "high"}', 'accepted', 'severity high is accepted'),
('app.misalignments', '{"severity": "critical"}', 'accepted', 'severity critical is accepted'),
('app.misalignments', '{"severity": "fatal"}', '23514 misalignments_severity_check', 'an unknown severity is refused'),
('app.misalignments', '{"status": "acknowledged"}', 'accepted', 'acknowledged is accepted'),
('app.misalignments', '{"status": "dismissed"}', 'accepted', 'dismissed is accepted'),
('app.misalignments', '{"status": "closed"}', '23514 misalignments_status_check', 'an unknown status is refused'),
('app.misalignments', '{"event_range": {}}', 'accepted', 'an object as event_range is accepted'),
('app.misalignments', '{"event_range": [0, 1]}', '23514 misalignments_event_range_check', 'an array as event_range is refused'),
('app.misalignments', '{"evidence": {}}', '23514 misalignments_evidence_check', 'an object as evidence is refused'),
('app.misalignments', '{"updated_at": "2025-12-31T23:59:59.999999Z"}', '23514 misalignments_times_check', 'a change before the beginning is refused'),
('app.misalignments', '{"row_version": 0}', '23514 misalignments_row_version_check', 'row_version 0 is refused'),

('app.hook_decisions', '{}', 'accepted', 'a good row is accepted'),
('app.hook_decisions', '{"id": "decision-1"}', '23505 hook_decisions_pkey', 'an id in use is refused'),
('app.hook_decisions', '{"session_id": "session-9"}', '23503 hook_decisions_session_fkey', 'a session that does not exist is refused'),
('app.hook_decisions', '{"account_id": "00000000-0000-4000-8000-00000000000b", "session_id": "session-2"}', '23503 hook_decisions_session_fkey', 'a session of another account is refused'),
('app.hook_decisions', '{"id": ""}', '23514 hook_decisions_id_check', 'an empty id is refused'),
('app.hook_decisions', jsonb_build_object('id', repeat('é', 256)), 'accepted', 'an id of 512 bytes is accepted'),
('app.hook_decisions', jsonb_build_object('id', repeat('é', 256) || 'x'), '23514 hook_decisions_id_check', 'an id of 513 bytes in 257 characters is refused'),
('app.hook_decisions', '{"severity": "critical"}', 'accepted', 'severity critical is accepted'),
('app.hook_decisions', '{"severity": "fatal"}', '23514 hook_decisions_severity_check', 'an unknown severity is refused'),
('app.hook_decisions', '{"rules": {}}', '23514 hook_decisions_rules_check', 'an object as rules is refused'),
('app.hook_decisions', '{"row_version": 0}', '23514 hook_decisions_row_version_check', 'row_version 0 is refused');

select tests.attempts_hold();
select finish();
rollback;
