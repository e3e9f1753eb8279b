-- Chat: threads, their messages, and the tool calls made while answering.
set local role sessionbase_owner;

create table app.chat_threads (
    account_id uuid not null,
    id text not null,
    session_id text not null,
    mode text not null,
    title text not null,
    status text not null,
    message_count bigint not null default 0,
    last_message_preview text,
    last_message_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,
    extra jsonb not null default '{}',
    constraint chat_threads_pkey primary key (account_id, id),
    constraint chat_threads_session_key unique (account_id, session_id, id),
    constraint chat_threads_session_fkey foreign key (account_id, session_id) references app.sessions (account_id, id) on delete cascade,
    constraint chat_threads_id_check check (octet_length(id) between 1 and 512),
    constraint chat_threads_mode_check check (mode in ('session', 'general')),
    constraint chat_threads_status_check check (status in ('active', 'archived')),
    constraint chat_threads_message_count_check check (message_count >= 0),
    constraint chat_threads_times_check check (updated_at >= created_at),
    constraint chat_threads_row_version_check check (row_version > 0),
    constraint chat_threads_extra_check check (jsonb_typeof(extra) = 'object')
);

comment on table app.chat_threads is 'A conversation in a session. At most one a session and mode is active.';
comment on column app.chat_threads.account_id is 'The account that owns the session.';
comment on column app.chat_threads.id is 'Opaque, thread_ and a uuid by custom (JSON: id).';
comment on column app.chat_threads.session_id is 'The session it belongs to (JSON: sessionId).';
comment on column app.chat_threads.mode is 'session: about the session; general: about anything.';
comment on column app.chat_threads.title is 'Shown to people: Session Coach, Session Coach #2, General.';
comment on column app.chat_threads.status is 'active or archived; starting or activating a thread archives its peers.';
comment on column app.chat_threads.message_count is 'How many messages it has, derived from them (JSON: messageCount).';
comment on column app.chat_threads.last_message_preview is 'The first 280 UTF-16 units of the newest message; null without messages (JSON: lastMessagePreview).';
comment on column app.chat_threads.last_message_at is 'created_at of the newest message; null without messages (JSON: lastMessageAt).';
comment on column app.chat_threads.created_at is 'When the thread was started (JSON: createdAt).';
comment on column app.chat_threads.updated_at is 'When the thread or its messages last changed (JSON: updatedAt).';
comment on column app.chat_threads.row_version is 'Raised by every update.';
comment on column app.chat_threads.extra is 'Fields of the imported record that have no column here, by their JSON names.';
comment on constraint chat_threads_session_key on app.chat_threads is 'Lets a message''s foreign key carry the session along, so that a message and its thread are always of one session.';

create unique index chat_threads_one_active_idx on app.chat_threads (account_id, session_id, mode)
where status = 'active';
comment on index app.chat_threads_one_active_idx is 'Serves: the active thread of a session and mode; and allows one only.';

create index chat_threads_recent_idx on app.chat_threads (account_id, session_id, updated_at desc, id);
comment on index app.chat_threads_recent_idx is 'Serves: a session''s threads, of one mode or all, most recently changed first.';

create table app.chat_messages (
    account_id uuid not null,
    id text not null,
    session_id text not null,
    thread_id text not null,
    mode text not null,
    role text not null,
    content text not null,
    client_message_id text,
    misalignment_id text,
    evidence jsonb,
    context_events jsonb,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,
    extra jsonb not null default '{}',
    constraint chat_messages_pkey primary key (account_id, id),
    constraint chat_messages_thread_fkey foreign key (account_id, session_id, thread_id) references app.chat_threads (account_id, session_id, id) on delete cascade,
    constraint chat_messages_id_check check (octet_length(id) between 1 and 512),
    constraint chat_messages_mode_check check (mode in ('session', 'general')),
    constraint chat_messages_role_check check (role in ('system', 'user', 'assistant')),
    constraint chat_messages_client_message_id_check check (octet_length(client_message_id) between 1 and 512),
    constraint chat_messages_misalignment_id_check check (octet_length(misalignment_id) between 1 and 512),
    constraint chat_messages_evidence_check check (jsonb_typeof(evidence) = 'array'),
    constraint chat_messages_context_events_check check (jsonb_typeof(context_events) = 'array'),
    constraint chat_messages_times_check check (updated_at >= created_at),
    constraint chat_messages_row_version_check check (row_version > 0),
    constraint chat_messages_extra_check check (jsonb_typeof(extra) = 'object')
);

comment on table app.chat_messages is 'One message of a thread. Its session is the thread''s: the foreign key to the thread carries it, so one to the session is implied.';
comment on column app.chat_messages.account_id is 'The account that owns the session.';
comment on column app.chat_messages.id is 'Opaque, chat_ and a uuid by custom (JSON: id).';
comment on column app.chat_messages.session_id is 'The session it belongs to (JSON: sessionId).';
comment on column app.chat_messages.thread_id is 'The thread it belongs to (JSON: threadId, which old files may lack).';
comment on column app.chat_messages.mode is 'session or general (JSON: mode).';
comment on column app.chat_messages.role is 'Who speaks: system, user or assistant.';
comment on column app.chat_messages.content is 'The text, whole.';
comment on column app.chat_messages.client_message_id is 'What the sender calls it; sending the same one to a thread twice gives one message (JSON: clientMessageId).';
comment on column app.chat_messages.misalignment_id is 'The misalignment it speaks of. No foreign key: the old viewer kept messages of misalignments it had forgotten (JSON: misalignmentId).';
comment on column app.chat_messages.evidence is 'Array of {path, ruleId, snippet, severity, label}; null where the record had none.';
comment on column app.chat_messages.context_events is 'Array of {eventIndex, displayIndex, eventId, eventType, summary}; null where the record had none (JSON: contextEvents).';
comment on column app.chat_messages.created_at is 'When it was written (JSON: createdAt).';
comment on column app.chat_messages.updated_at is 'When it was last changed (JSON: updatedAt).';
comment on column app.chat_messages.row_version is 'Raised by every update.';
comment on column app.chat_messages.extra is 'Fields of the imported record that have no column here, by their JSON names.';

create index chat_messages_session_idx
on app.chat_messages (account_id, session_id, mode, thread_id, created_at, id);
comment on index app.chat_messages_session_idx is 'Serves: messages by session, mode and thread, a keyset page at a time, in order of created_at and id.';

create index chat_messages_thread_idx on app.chat_messages (account_id, thread_id, created_at, id);
comment on index app.chat_messages_thread_idx is 'Serves: messages by thread, in order of created_at and id; a thread''s newest message; and the foreign key to the thread.';

create unique index chat_messages_client_message_idx
on app.chat_messages (account_id, thread_id, client_message_id)
where client_message_id is not null;
comment on index app.chat_messages_client_message_idx is 'Serves: the message that a client_message_id already made in a thread; and allows one only.';

create table app.chat_tool_events (
    account_id uuid not null,
    id text not null,
    session_id text not null,
    thread_id text,
    tool_call_id text,
    tool_name text not null,
    status text not null,
    arguments jsonb,
    result jsonb,
    error text,
    started_at timestamptz not null,
    completed_at timestamptz,
    latency_ms bigint,
    context_events jsonb,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,
    extra jsonb not null default '{}',
    constraint chat_tool_events_pkey primary key (account_id, id),
    constraint chat_tool_events_session_fkey foreign key (account_id, session_id) references app.sessions (account_id, id) on delete cascade,
    constraint chat_tool_events_thread_fkey foreign key (account_id, session_id, thread_id) references app.chat_threads (account_id, session_id, id) on delete set null (thread_id),
    constraint chat_tool_events_id_check check (octet_length(id) between 1 and 512),
    constraint chat_tool_events_status_check check (status in ('pending', 'executing', 'succeeded', 'failed')),
    constraint chat_tool_events_completed_check check ((status in ('succeeded', 'failed')) = (completed_at is not null)),
    constraint chat_tool_events_order_check check (completed_at >= started_at),
    constraint chat_tool_events_latency_check check (latency_ms >= 0),
    constraint chat_tool_events_context_events_check check (jsonb_typeof(context_events) = 'array'),
    constraint chat_tool_events_times_check check (updated_at >= created_at),
    constraint chat_tool_events_row_version_check check (row_version > 0),
    constraint chat_tool_events_extra_check check (jsonb_typeof(extra) = 'object')
);

comment on table app.chat_tool_events is 'A tool call: pending or executing, then once succeeded or failed.';
comment on column app.chat_tool_events.account_id is 'The account that owns the session.';
comment on column app.chat_tool_events.id is 'Opaque, tool_ and a uuid by custom (JSON: id).';
comment on column app.chat_tool_events.session_id is 'The session it belongs to (JSON: sessionId).';
comment on column app.chat_tool_events.thread_id is 'The thread it was called from, if any; null once that thread is gone (JSON: threadId).';
comment on column app.chat_tool_events.tool_call_id is 'What the model calls it, if anything (JSON: toolCallId).';
comment on column app.chat_tool_events.tool_name is 'Which tool (JSON: toolName).';
comment on column app.chat_tool_events.status is 'pending, executing, succeeded or failed.';
comment on column app.chat_tool_events.arguments is 'What the tool was given, any JSON; null where the record had none.';
comment on column app.chat_tool_events.result is 'What the tool gave back, any JSON; null where there is none.';
comment on column app.chat_tool_events.error is 'Why it failed, for people.';
comment on column app.chat_tool_events.started_at is 'When it was started (JSON: startedAt).';
comment on column app.chat_tool_events.completed_at is 'When it succeeded or failed, and only then (JSON: completedAt).';
comment on column app.chat_tool_events.latency_ms is 'completed_at minus started_at in milliseconds, as the writer measured it (JSON: latencyMs).';
comment on column app.chat_tool_events.context_events is 'Array of {eventIndex, displayIndex, eventId, eventType, summary}; null where the record had none (JSON: contextEvents).';
comment on column app.chat_tool_events.created_at is 'When the row''s record was made: started_at for an imported one.';
comment on column app.chat_tool_events.updated_at is 'When it last changed: the later of started_at and completed_at for an imported one.';
comment on column app.chat_tool_events.row_version is 'Raised by every update.';
comment on column app.chat_tool_events.extra is 'Fields of the imported record that have no column here, by their JSON names.';

create index chat_tool_events_session_idx on app.chat_tool_events (account_id, session_id, started_at, id);
comment on index app.chat_tool_events_session_idx is 'Serves: a session''s tool events in order of started_at and id; and the foreign key to the session.';

create index chat_tool_events_thread_idx on app.chat_tool_events (account_id, session_id, thread_id)
where thread_id is not null;
comment on index app.chat_tool_events_thread_idx is 'Serves: the tool events of a thread; and the foreign key to the thread.';
