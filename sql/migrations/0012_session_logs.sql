-- Session logs: what a log says of its session, and how far each log has been read.
-- No application writes here yet, so what is locked keeps nobody waiting; and only other functions call those that go. So:
-- squawk-ignore-file ban-drop-function
set local role sessionbase_owner;

-- 1. What a log says of its session.
alter table app.sessions
add column cwd text,
add column repository_url text,
add column branch text,
add column commit_hash text,
add column originator text,
add column cli_version text;

comment on column app.sessions.cwd is 'The folder the session worked in, as its log says; null where no log says it.';
comment on column app.sessions.repository_url is 'Where the repository of that folder comes from, as the log says.';
comment on column app.sessions.branch is 'The branch that was checked out when the session began, as the log says.';
comment on column app.sessions.commit_hash is 'The commit that was checked out when the session began, as the log says.';
comment on column app.sessions.originator is 'Which program began the session, in the log''s own words: codex_cli_rs, codex_vscode, gemini-cli.';
comment on column app.sessions.cli_version is 'The version of that program.';
comment on column app.sessions.updated_at is 'When anything in the session last changed, to within ten seconds; for one that was imported or whose log was read, the latest time found there.';

alter type api.session
add attribute cwd text,
add attribute repository_url text,
add attribute branch text,
add attribute commit_hash text,
add attribute originator text,
add attribute cli_version text;

alter type api.listed_session
add attribute cwd text,
add attribute repository_url text,
add attribute branch text,
add attribute commit_hash text,
add attribute originator text,
add attribute cli_version text;

-- 2. The books of what was read.
create table app.session_logs (
    account_id uuid not null,
    session_id text not null,
    log_id text,
    format text not null,
    source_path text not null,
    upload_id text,
    event_count bigint not null default 0,
    broken_count bigint not null default 0,
    settled_count bigint not null default 0,
    settled_bytes bigint not null default 0,
    settled_sha256 bytea not null default sha256(''),
    size_bytes bigint,
    content_sha256 bytea,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,
    constraint session_logs_pkey primary key (account_id, session_id),
    constraint session_logs_session_fkey foreign key (account_id, session_id) references app.sessions (account_id, id) on delete cascade,
    constraint session_logs_upload_fkey foreign key (account_id, upload_id) references app.session_uploads (account_id, id) on delete set null (upload_id),
    constraint session_logs_log_id_check check (octet_length(log_id) between 1 and 200),
    constraint session_logs_format_check check (format ~ '^[a-z][a-z0-9-]{0,62}$'),
    constraint session_logs_source_path_check check (octet_length(source_path) between 1 and 2048),
    constraint session_logs_counts_check check (broken_count between 0 and event_count and settled_count between 0 and event_count),
    constraint session_logs_settled_check check (settled_bytes >= 0 and octet_length(settled_sha256) = 32),
    constraint session_logs_content_check check (size_bytes >= 0 and octet_length(content_sha256) = 32 and (size_bytes is null) = (content_sha256 is null)),
    constraint session_logs_times_check check (updated_at >= created_at),
    constraint session_logs_row_version_check check (row_version > 0)
);

comment on table app.session_logs is 'How far the log of a session has been read into app.session_events: one log a session. By it a log is known again when it has grown, moved or been written anew.';
comment on column app.session_logs.account_id is 'The account that owns the session.';
comment on column app.session_logs.session_id is 'The session whose timeline the log is.';
comment on column app.session_logs.log_id is 'The log''s own id; null where it has none, and is known by its path alone.';
comment on column app.session_logs.format is 'Which functions read it: codex, gemini-cli, json-lines.';
comment on column app.session_logs.source_path is 'The file it was last read from.';
comment on column app.session_logs.upload_id is 'The upload with its bytes; null until it has been read to its end, or where that upload was removed.';
comment on column app.session_logs.event_count is 'How many entries the timeline has.';
comment on column app.session_logs.broken_count is 'How many of them could not be read, and are there as raw text.';
comment on column app.session_logs.settled_count is 'How many of them are not read again when the log has grown: all but a last one that may still have been on its way to the disk.';
comment on column app.session_logs.settled_bytes is 'How many bytes of the log these are: of JSON Lines, from the file''s begin; of a JSON document, those of its entries, each with a line feed.';
comment on column app.session_logs.settled_sha256 is 'SHA-256 of these bytes: a log that begins with them has grown, another was written anew.';
comment on column app.session_logs.size_bytes is 'Size of the log when it was last read to its end; null while it is being read.';
comment on column app.session_logs.content_sha256 is 'SHA-256 of the log when it was last read to its end; null while it is being read, or where that was interrupted.';
comment on column app.session_logs.created_at is 'When it was first read.';
comment on column app.session_logs.updated_at is 'When something was last read from it.';
comment on column app.session_logs.row_version is 'Raised by every update.';

create index session_logs_log_id_idx on app.session_logs (account_id, log_id);
comment on index app.session_logs_log_id_idx is 'Serves: which sessions have a log of this id.';
create index session_logs_source_path_idx on app.session_logs (account_id, source_path);
comment on index app.session_logs_source_path_idx is 'Serves: which session a file was read into.';
create index session_logs_upload_idx on app.session_logs (account_id, upload_id);
comment on index app.session_logs_upload_idx is 'Serves: the foreign key to the upload.';

create type api.session_log as (
    txid bigint,
    account_id uuid,
    session_id text,
    log_id text,
    format text,
    source_path text,
    upload_id text,
    event_count bigint,
    broken_count bigint,
    settled_count bigint,
    settled_bytes bigint,
    settled_sha256 bytea,
    size_bytes bigint,
    content_sha256 bytea,
    created_at timestamptz,
    updated_at timestamptz,
    row_version bigint
);
create type api.recognized_log as (
    format text,
    log_id text,
    began_at timestamptz
);
comment on type api.recognized_log is 'What a log says it is: its format, its own id if it has one, and when it began.';
comment on type api.session_log is 'How far the log of a session has been read, and the transaction that read it.';

-- 3. Timelines are large, and compressing them is most of the work of reading a log: lz4, where the server has it, is several
-- times as quick as pglz.
do $$
begin
    if exists (
        select
        from pg_catalog.pg_settings
        where name = 'default_toast_compression'
            and 'lz4' = any(enumvals)
    ) then
        execute 'alter table app.session_events alter column body set compression lz4, alter column payload set compression lz4';
    end if;
end;
$$;

-- 4. What the import and the reading of logs share is in schema app now.
set local role import_definer;
drop function if exists legacy.storable_json(text, text, text);
drop function if exists legacy.storable_string(text, text);
drop function if exists legacy.storable_number(text);
drop function if exists legacy.is_time(text);
