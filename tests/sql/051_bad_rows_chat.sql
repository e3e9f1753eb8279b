-- Rows of threads, messages and tool events: the good ones come in, and every constraint refuses a bad one by its name.
begin;
select plan(82);

insert into tests.good_row (target, fields)
values
('app.chat_threads', '{"account_id": "00000000-0000-4000-8000-00000000000a", "id": "thread-new", "session_id": "session-1", "mode": "session", "title": "Session Coach", "status": "archived", "message_count": 0, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "row_version": 1, "extra": {}}'),
('app.chat_messages', '{"account_id": "00000000-0000-4000-8000-00000000000a", "id": "message-new", "session_id": "session-1", "thread_id": "thread-1", "mode": "session", "role": "user", "content": "", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "row_version": 1, "extra": {}}'),
('app.chat_tool_events', '{"account_id": "00000000-0000-4000-8000-00000000000a", "id": "tool-new", "session_id": "session-1", "thread_id": "thread-1", "tool_name": "search", "status": "pending", "started_at": "2026-01-01T00:00:00Z", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "row_version": 1, "extra": {}}');

-- What is there already: two accounts with threads, messages and tool events of the same ids, side by side.
insert into app.accounts (id, name)
values
('00000000-0000-4000-8000-00000000000a', 'first'),
('00000000-0000-4000-8000-00000000000b', 'second');
insert into app.sessions (account_id, id)
values
('00000000-0000-4000-8000-00000000000a', 'session-1'),
('00000000-0000-4000-8000-00000000000a', 'session-2'),
('00000000-0000-4000-8000-00000000000b', 'session-1');

select lives_ok(
    $$
        select
            tests.keep('app.chat_threads', account || '{"id": "thread-1", "status": "active"}'),
            tests.keep('app.chat_messages', account || '{"id": "message-1", "client_message_id": "client-1"}'),
            tests.keep('app.chat_tool_events', account || '{"id": "tool-1"}')
        from (values
            ('{"account_id": "00000000-0000-4000-8000-00000000000a"}'::jsonb),
            ('{"account_id": "00000000-0000-4000-8000-00000000000b"}')
        ) as wanted (account)
    $$,
    'two accounts may have the same ids and client message ids side by side'
);
select lives_ok(
    $$
        select
            tests.keep('app.chat_threads', '{"id": "thread-2"}'),
            tests.keep('app.chat_threads', '{"id": "thread-of-session-2", "session_id": "session-2"}'),
            tests.keep('app.chat_messages', '{"id": "message-2"}')
    $$,
    'further threads and a message without client_message_id fit beside the first'
);

insert into tests.attempt (target, change, verdict, behaviour)
values
('app.chat_threads', '{}', 'accepted', 'a good row is accepted'),
('app.chat_threads', '{"id": "thread-1"}', '23505 chat_threads_pkey', 'an id in use is refused'),
('app.chat_threads', '{"id": "thread-1", "session_id": "session-2"}', '23505 chat_threads_pkey', 'an id in use in another session of the account is refused'),
('app.chat_threads', '{"session_id": "session-9"}', '23503 chat_threads_session_fkey', 'a session that does not exist is refused'),
('app.chat_threads', '{"account_id": "00000000-0000-4000-8000-00000000000b", "session_id": "session-2"}', '23503 chat_threads_session_fkey', 'a session of another account is refused'),
('app.chat_threads', '{"id": ""}', '23514 chat_threads_id_check', 'an empty id is refused'),
('app.chat_threads', jsonb_build_object('id', repeat('é', 256)), 'accepted', 'an id of 512 bytes is accepted'),
('app.chat_threads', jsonb_build_object('id', repeat('é', 256) || 'x'), '23514 chat_threads_id_check', 'an id of 513 bytes in 257 characters is refused'),
('app.chat_threads', '{"mode": "general"}', 'accepted', 'mode general is accepted'),
('app.chat_threads', '{"mode": "Session"}', '23514 chat_threads_mode_check', 'an unknown mode is refused'),
('app.chat_threads', '{"status": "closed"}', '23514 chat_threads_status_check', 'an unknown status is refused'),
('app.chat_threads', '{"status": "active"}', '23505 chat_threads_one_active_idx', 'a second active thread of a session and mode is refused'),
('app.chat_threads', '{"status": "active", "mode": "general"}', 'accepted', 'an active thread of the other mode is accepted'),
('app.chat_threads', '{"status": "active", "session_id": "session-2"}', 'accepted', 'an active thread of another session is accepted'),
('app.chat_threads', '{"message_count": -1}', '23514 chat_threads_message_count_check', 'a negative count is refused'),
('app.chat_threads', '{"updated_at": "2025-12-31T23:59:59.999999Z"}', '23514 chat_threads_times_check', 'a change before the beginning is refused'),
('app.chat_threads', '{"row_version": 0}', '23514 chat_threads_row_version_check', 'row_version 0 is refused'),
('app.chat_threads', '{"extra": []}', '23514 chat_threads_extra_check', 'an array as extra is refused'),

('app.chat_messages', '{}', 'accepted', 'a good row, its content empty, is accepted'),
('app.chat_messages', '{"id": "message-1"}', '23505 chat_messages_pkey', 'an id in use is refused'),
('app.chat_messages', '{"id": "message-1", "thread_id": "thread-2"}', '23505 chat_messages_pkey', 'an id in use in another thread of the account is refused'),
('app.chat_messages', '{"thread_id": "thread-9"}', '23503 chat_messages_thread_fkey', 'a thread that does not exist is refused'),
('app.chat_messages', '{"session_id": "session-2"}', '23503 chat_messages_thread_fkey', 'a session that is not the thread''s is refused'),
('app.chat_messages', '{"account_id": "00000000-0000-4000-8000-00000000000b", "thread_id": "thread-2"}', '23503 chat_messages_thread_fkey', 'a thread of another account is refused'),
('app.chat_messages', '{"id": ""}', '23514 chat_messages_id_check', 'an empty id is refused'),
('app.chat_messages', jsonb_build_object('id', repeat('é', 256)), 'accepted', 'an id of 512 bytes is accepted'),
('app.chat_messages', jsonb_build_object('id', repeat('é', 256) || 'x'), '23514 chat_messages_id_check', 'an id of 513 bytes in 257 characters is refused'),
('app.chat_messages', '{"mode": "general"}', 'accepted', 'mode general is accepted'),
('app.chat_messages', '{"mode": "other"}', '23514 chat_messages_mode_check', 'an unknown mode is refused'),
('app.chat_messages', '{"role": "system"}', 'accepted', 'role system is accepted'),
('app.chat_messages', '{"role": "assistant"}', 'accepted', 'role assistant is accepted'),
('app.chat_messages', '{"role": "tool"}', '23514 chat_messages_role_check', 'an unknown role is refused'),
('app.chat_messages', '{"client_message_id": "client-1"}', '23505 chat_messages_client_message_idx', 'a client_message_id in use in the thread is refused'),
('app.chat_messages', '{"client_message_id": "client-1", "thread_id": "thread-2"}', 'accepted', 'a client_message_id in use in another thread only is accepted'),
('app.chat_messages', '{"client_message_id": "client-1", "session_id": "session-2"}', '23503 chat_messages_thread_fkey', 'a client_message_id is compared within its session only: from another one the thread is what is refused'),
('app.chat_messages', '{"author_account_id": "00000000-0000-4000-8000-00000000000f"}', 'accepted', 'an author that does not exist is accepted: the policies see to the author'),
('app.chat_messages', '{"client_message_id": null}', 'accepted', 'a further message without client_message_id is accepted'),
('app.chat_messages', '{"client_message_id": ""}', '23514 chat_messages_client_message_id_check', 'an empty client_message_id is refused'),
('app.chat_messages', jsonb_build_object('client_message_id', repeat('x', 513)), '23514 chat_messages_client_message_id_check', 'a client_message_id of 513 bytes is refused'),
('app.chat_messages', '{"misalignment_id": "forgotten"}', 'accepted', 'a misalignment that no table has is accepted'),
('app.chat_messages', '{"misalignment_id": ""}', '23514 chat_messages_misalignment_id_check', 'an empty misalignment_id is refused'),
('app.chat_messages', jsonb_build_object('misalignment_id', repeat('x', 513)), '23514 chat_messages_misalignment_id_check', 'a misalignment_id of 513 bytes is refused'),
('app.chat_messages', '{"evidence": []}', 'accepted', 'an empty array as evidence is accepted'),
('app.chat_messages', '{"evidence": {}}', '23514 chat_messages_evidence_check', 'an object as evidence is refused'),
('app.chat_messages', '{"context_events": []}', 'accepted', 'an empty array as context_events is accepted'),
('app.chat_messages', '{"context_events": "none"}', '23514 chat_messages_context_events_check', 'a string as context_events is refused'),
('app.chat_messages', '{"updated_at": "2025-12-31T23:59:59.999999Z"}', '23514 chat_messages_times_check', 'a change before the beginning is refused'),
('app.chat_messages', '{"row_version": -1}', '23514 chat_messages_row_version_check', 'a negative row_version is refused'),
('app.chat_messages', '{"extra": 1}', '23514 chat_messages_extra_check', 'a number as extra is refused'),

('app.chat_tool_events', '{}', 'accepted', 'a good row, pending, is accepted'),
('app.chat_tool_events', '{"id": "tool-1"}', '23505 chat_tool_events_pkey', 'an id in use is refused'),
('app.chat_tool_events', '{"thread_id": null}', 'accepted', 'a tool event of no thread is accepted'),
('app.chat_tool_events', '{"thread_id": null, "session_id": "session-9"}', '23503 chat_tool_events_session_fkey', 'a session that does not exist is refused, thread or not'),
('app.chat_tool_events', '{"thread_id": null, "session_id": "session-2", "account_id": "00000000-0000-4000-8000-00000000000b"}', '23503 chat_tool_events_session_fkey', 'a session of another account is refused'),
('app.chat_tool_events', '{"thread_id": "thread-9"}', '23503 chat_tool_events_thread_fkey', 'a thread that does not exist is refused'),
('app.chat_tool_events', '{"thread_id": "thread-of-session-2"}', '23503 chat_tool_events_thread_fkey', 'a thread of another session is refused'),
('app.chat_tool_events', '{"thread_id": "thread-2", "account_id": "00000000-0000-4000-8000-00000000000b"}', '23503 chat_tool_events_thread_fkey', 'a thread of another account is refused'),
('app.chat_tool_events', '{"id": ""}', '23514 chat_tool_events_id_check', 'an empty id is refused'),
('app.chat_tool_events', jsonb_build_object('id', repeat('é', 256)), 'accepted', 'an id of 512 bytes is accepted'),
('app.chat_tool_events', jsonb_build_object('id', repeat('é', 256) || 'x'), '23514 chat_tool_events_id_check', 'an id of 513 bytes in 257 characters is refused'),
('app.chat_tool_events', '{"status": "executing"}', 'accepted', 'executing is accepted'),
('app.chat_tool_events', '{"status": "cancelled"}', '23514 chat_tool_events_status_check', 'an unknown status is refused'),
('app.chat_tool_events', '{"status": "succeeded"}', '23514 chat_tool_events_completed_check', 'succeeded without completed_at is refused'),
('app.chat_tool_events', '{"status": "failed"}', '23514 chat_tool_events_completed_check', 'failed without completed_at is refused'),
('app.chat_tool_events', '{"completed_at": "2026-01-01T00:00:00Z"}', '23514 chat_tool_events_completed_check', 'pending with completed_at is refused'),
('app.chat_tool_events', '{"status": "executing", "completed_at": "2026-01-01T00:00:00Z"}', '23514 chat_tool_events_completed_check', 'executing with completed_at is refused'),
('app.chat_tool_events', '{"status": "succeeded", "completed_at": "2026-01-01T00:00:00Z"}', 'accepted', 'succeeded in the moment it started is accepted'),
('app.chat_tool_events', '{"status": "failed", "completed_at": "2026-01-01T00:00:00Z"}', 'accepted', 'failed with completed_at is accepted'),
('app.chat_tool_events', '{"status": "succeeded", "completed_at": "2025-12-31T23:59:59.999999Z"}', '23514 chat_tool_events_order_check', 'completed before it started is refused'),
('app.chat_tool_events', '{"latency_ms": 0}', 'accepted', 'a latency of 0 is accepted'),
('app.chat_tool_events', '{"latency_ms": -1}', '23514 chat_tool_events_latency_check', 'a negative latency is refused'),
('app.chat_tool_events', '{"arguments": "text", "result": false}', 'accepted', 'any JSON as arguments and result is accepted'),
('app.chat_tool_events', '{"context_events": {}}', '23514 chat_tool_events_context_events_check', 'an object as context_events is refused'),
('app.chat_tool_events', '{"updated_at": "2025-12-31T23:59:59.999999Z"}', '23514 chat_tool_events_times_check', 'a change before the beginning is refused'),
('app.chat_tool_events', '{"row_version": 0}', '23514 chat_tool_events_row_version_check', 'row_version 0 is refused'),
('app.chat_tool_events', '{"extra": "none"}', '23514 chat_tool_events_extra_check', 'a string as extra is refused');

select tests.attempts_hold();
select finish();
rollback;
