-- What a session is made of: the timeline of its log, and the uploaded logs themselves.
set local role sessionbase_owner;

create table app.session_events (
    account_id uuid not null,
    session_id text not null,
    event_index bigint not null,
    event_type text not null,
    role text,
    occurred_at timestamptz,
    call_id text,
    name text,
    body text,
    payload jsonb not null default '{}',
    row_version bigint not null default 1,
    constraint session_events_pkey primary key (account_id, session_id, event_index),
    constraint session_events_session_fkey foreign key (account_id, session_id) references app.sessions (account_id, id) on delete cascade,
    constraint session_events_event_index_check check (event_index >= 0),
    constraint session_events_row_version_check check (row_version > 0)
);

comment on table app.session_events is 'The timeline of a session: one row an entry of its log. Its place in the log is its identity, so the key is (account_id, session_id, event_index) and serves the read of a timeline in order.';
comment on column app.session_events.account_id is 'The account that owns the session.';
comment on column app.session_events.session_id is 'The session whose log it is.';
comment on column app.session_events.event_index is 'Place in the log, from 0. People see it counted from 1.';
comment on column app.session_events.event_type is 'What kind of entry, in the log''s own words: message, reasoning, function_call, and so on.';
comment on column app.session_events.role is 'Who speaks, for a message.';
comment on column app.session_events.occurred_at is 'The entry''s own time; null where the log gives none.';
comment on column app.session_events.call_id is 'Ties a call to its output.';
comment on column app.session_events.name is 'The tool''s name, for a call.';
comment on column app.session_events.body is 'The text people read: a message''s text, a call''s output.';
comment on column app.session_events.payload is 'The entry as the log has it.';
comment on column app.session_events.row_version is 'Raised by every update.';

create table app.session_uploads (
    account_id uuid not null,
    id text not null,
    session_id text,
    original_name text not null,
    size_bytes bigint not null,
    content_sha256 bytea not null,
    source text not null,
    stored_at timestamptz not null default now(),
    source_path text,
    last_modified timestamptz,
    repo_label text,
    repo_meta jsonb,
    workspace_root text,
    origin text,
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,
    constraint session_uploads_pkey primary key (account_id, id),
    constraint session_uploads_account_fkey foreign key (account_id) references app.accounts (id) on delete restrict,
    constraint session_uploads_session_fkey foreign key (account_id, session_id) references app.sessions (account_id, id) on delete set null (session_id),
    constraint session_uploads_id_check check (octet_length(id) between 1 and 512),
    constraint session_uploads_size_check check (size_bytes >= 0),
    constraint session_uploads_sha256_check check (octet_length(content_sha256) = 32),
    constraint session_uploads_source_check check (source in ('upload', 'bundled', 'external')),
    constraint session_uploads_origin_check check (origin in ('codex', 'gemini-cli')),
    constraint session_uploads_times_check check (updated_at >= stored_at),
    constraint session_uploads_row_version_check check (row_version > 0)
);

comment on table app.session_uploads is 'What is known of an uploaded session log. Its bytes are in app.session_upload_contents, which no sync role can read.';
comment on column app.session_uploads.account_id is 'The account that owns the upload.';
comment on column app.session_uploads.id is 'Opaque: the uploadId of /api/uploads/:uploadId.';
comment on column app.session_uploads.session_id is 'The session it is the log of, once that is known.';
comment on column app.session_uploads.original_name is 'The file''s name when it came in (JSON: originalName).';
comment on column app.session_uploads.size_bytes is 'Size of the content, uncompressed (JSON: size).';
comment on column app.session_uploads.content_sha256 is 'SHA-256 of the content; finds the content within the account.';
comment on column app.session_uploads.source is 'upload: by a person; bundled: shipped with a viewer; external: found on disk.';
comment on column app.session_uploads.stored_at is 'When it came in (JSON: storedAt).';
comment on column app.session_uploads.source_path is 'Where it was found, if on disk (JSON: sourcePath).';
comment on column app.session_uploads.last_modified is 'The file''s own modification time (JSON: lastModified).';
comment on column app.session_uploads.repo_label is 'The repository''s name for people (JSON: repoLabel).';
comment on column app.session_uploads.repo_meta is 'What is known of the repository (JSON: repoMeta).';
comment on column app.session_uploads.workspace_root is 'The folder the session worked in (JSON: workspaceRoot).';
comment on column app.session_uploads.origin is 'Which tool wrote the log: codex or gemini-cli; null where unknown.';
comment on column app.session_uploads.updated_at is 'When this row last changed.';
comment on column app.session_uploads.row_version is 'Raised by every update.';

create index session_uploads_session_idx on app.session_uploads (account_id, session_id, stored_at, id);
comment on index app.session_uploads_session_idx is 'Serves: the uploads of a session, or of an account without one, in order of stored_at; and the foreign key to the session.';

create index session_uploads_content_idx on app.session_uploads (account_id, content_sha256);
comment on index app.session_uploads_content_idx is 'Serves: whether an account has a content already, and who still uses it.';

create table app.session_upload_contents (
    account_id uuid not null,
    content_sha256 bytea not null,
    chunk_index bigint not null,
    encoding text not null,
    chunk bytea not null,
    constraint session_upload_contents_pkey primary key (account_id, content_sha256, chunk_index),
    constraint session_upload_contents_account_fkey foreign key (account_id) references app.accounts (id) on delete restrict,
    constraint session_upload_contents_sha256_check check (octet_length(content_sha256) = 32),
    constraint session_upload_contents_chunk_index_check check (chunk_index >= 0),
    constraint session_upload_contents_encoding_check check (encoding in ('identity', 'gzip', 'zstd')),
    constraint session_upload_contents_chunk_check check (octet_length(chunk) > 0)
);

comment on table app.session_upload_contents is 'The bytes of uploads, in chunks, once an account and content. In no publication, and without a grant to any sync role. Its key serves the read of a content from its first chunk to its last.';
comment on column app.session_upload_contents.account_id is 'The account that owns the content: the same bytes of two accounts are kept twice.';
comment on column app.session_upload_contents.content_sha256 is 'SHA-256 of the whole content, uncompressed.';
comment on column app.session_upload_contents.chunk_index is 'Place of the chunk, from 0.';
comment on column app.session_upload_contents.encoding is 'How the chunk is compressed: identity (not), gzip or zstd.';
comment on column app.session_upload_contents.chunk is 'The chunk''s bytes in that encoding.';
