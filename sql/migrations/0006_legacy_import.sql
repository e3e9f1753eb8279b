-- The import of the old viewer's files: what was run, what became of every record, what could not come in.
set local role sessionbase_owner;

create table legacy.reasons (
    code text not null,
    fate text not null,
    meaning text not null,
    constraint reasons_pkey primary key (code),
    constraint reasons_fate_check check (fate in ('adopted', 'quarantined'))
);

comment on table legacy.reasons is 'Why a record was mended on its way in, or kept out.';
comment on column legacy.reasons.code is 'Short name, as in legacy.quarantine.reason and in a mend.';
comment on column legacy.reasons.fate is 'adopted: the record came in mended; quarantined: it did not come in.';
comment on column legacy.reasons.meaning is 'One sentence for people.';

insert into legacy.reasons (code, fate, meaning)
values
('second_active_thread', 'adopted', 'Several threads of one session and mode were active: the latest stays active, this one is archived.'),
('active_thread_exists', 'adopted', 'The database has another active thread of this session and mode: this one is archived.'),
('derived_from_messages', 'adopted', 'The thread''s count, preview or last time disagreed with its messages: it now says what they say.'),
('thread_absent', 'adopted', 'The message named no thread: it is in the active thread of its session and mode, made if there was none.'),
('thread_missing', 'adopted', 'The thread it names is in no file: one was made for it.'),
('thread_of_other_session', 'adopted', 'The thread it names belongs to another session: one was made for it in its own session.'),
('client_message_id_taken', 'adopted', 'Another message of the thread has this clientMessageId: this one comes in without it.'),
('updated_before_created', 'adopted', 'updatedAt was before createdAt: it is now createdAt.'),
('not_json', 'quarantined', 'Postgres can not read these bytes as JSON; the SQLSTATE says why.'),
('not_an_object', 'quarantined', 'The element is not a JSON object.'),
('duplicate_field', 'quarantined', 'A field stands twice in the record, and only one value of it could come in.'),
('missing', 'quarantined', 'A field that every record must have is absent.'),
('wrong_type', 'quarantined', 'A field is of another JSON type than it must be.'),
('wrong_value', 'quarantined', 'A field has a value that is not one of those allowed.'),
('wrong_length', 'quarantined', 'An id is empty or longer than 512 bytes.'),
('not_a_time', 'quarantined', 'A time is not an ISO 8601 date and time with a zone, to the microsecond at most.'),
('times_out_of_order', 'quarantined', 'completedAt is before startedAt, or does not fit the status.'),
('duplicate_id', 'quarantined', 'An earlier record of the file has this id and other content; the first one counts.'),
('conflict', 'quarantined', 'An earlier import brought a record of this id with other content; the database''s stays.'),
('id_in_use', 'quarantined', 'The database has a row of this id that no import brought; it stays.'),
('refused', 'quarantined', 'Postgres refused the row; the SQLSTATE says why.');

create table legacy.import_runs (
    id bigint generated always as identity,
    account_id uuid not null,
    tool_version text not null,
    imported_by text not null default session_user,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    session_count bigint,
    made_thread_count bigint,
    constraint import_runs_pkey primary key (id),
    constraint import_runs_account_fkey foreign key (account_id) references app.accounts (id) on delete restrict,
    constraint import_runs_account_key unique (account_id, id),
    constraint import_runs_times_check check (finished_at >= started_at),
    constraint import_runs_counts_check check (session_count >= 0 and made_thread_count >= 0)
);

comment on table legacy.import_runs is 'One row a run of the import.';
comment on column legacy.import_runs.id is 'Counts runs.';
comment on column legacy.import_runs.account_id is 'The account it imported into.';
comment on column legacy.import_runs.tool_version is 'Version of sessionbase that ran it.';
comment on column legacy.import_runs.imported_by is 'The login that ran it (session_user).';
comment on column legacy.import_runs.started_at is 'When it began.';
comment on column legacy.import_runs.finished_at is 'When it ended, with every sum checked; null while it runs.';
comment on column legacy.import_runs.session_count is 'How many sessions the records that were not quarantined belong to.';
comment on column legacy.import_runs.made_thread_count is 'How many threads it made for records that named none, or one that is not there.';

comment on constraint import_runs_account_key on legacy.import_runs is 'Lets foreign keys to a run carry its account along. Serves an account''s runs, in order, too.';

create table legacy.import_files (
    run_id bigint not null,
    kind text not null,
    file_name text not null,
    sha256 bytea,
    size_bytes bigint,
    read_count bigint not null,
    imported_count bigint not null default 0,
    unchanged_count bigint not null default 0,
    adopted_count bigint not null default 0,
    quarantined_count bigint not null default 0,
    constraint import_files_pkey primary key (run_id, kind),
    constraint import_files_run_fkey foreign key (run_id) references legacy.import_runs (id) on delete restrict,
    constraint import_files_kind_check check (kind in ('threads', 'messages', 'tool_events')),
    constraint import_files_sha256_check check (octet_length(sha256) = 32),
    constraint import_files_missing_check check ((sha256 is null) = (size_bytes is null)),
    constraint import_files_counts_check check (
        read_count >= 0
        and imported_count >= 0
        and unchanged_count >= 0
        and adopted_count >= 0
        and quarantined_count >= 0
    )
);

comment on table legacy.import_files is 'One row a file of a run, with what became of its records. At the end of a run read = imported + unchanged + adopted + quarantined, or the run fails.';
comment on column legacy.import_files.run_id is 'The run.';
comment on column legacy.import_files.kind is 'threads, messages or tool_events.';
comment on column legacy.import_files.file_name is 'The file''s name, without its folder.';
comment on column legacy.import_files.sha256 is 'SHA-256 of the file''s bytes; null if there was no file, which counts as an empty store.';
comment on column legacy.import_files.size_bytes is 'Size of the file; null if there was none.';
comment on column legacy.import_files.read_count is 'Elements found in the file.';
comment on column legacy.import_files.imported_count is 'Came in as they were.';
comment on column legacy.import_files.unchanged_count is 'Had come in before, or stood in the file twice, with the same content.';
comment on column legacy.import_files.adopted_count is 'Came in mended.';
comment on column legacy.import_files.quarantined_count is 'Kept out, whole, in legacy.quarantine.';

create table legacy.source_records (
    account_id uuid not null,
    kind text not null,
    record_id text not null,
    fate text not null,
    content_sha256 bytea not null,
    mends jsonb not null default '{}',
    run_id bigint not null,
    ordinal bigint not null,
    byte_offset bigint not null,
    constraint source_records_pkey primary key (account_id, kind, record_id),
    constraint source_records_run_fkey foreign key (account_id, run_id) references legacy.import_runs (account_id, id) on delete restrict,
    constraint source_records_kind_check check (kind in ('threads', 'messages', 'tool_events')),
    constraint source_records_place_check check (ordinal >= 0 and byte_offset >= 0),
    constraint source_records_fate_check check (fate in ('imported', 'adopted')),
    constraint source_records_mends_check check ((fate = 'adopted') = (mends <> '{}')),
    constraint source_records_sha256_check check (octet_length(content_sha256) = 32)
);

comment on table legacy.source_records is 'Every record that came in, by its id, with what was mended. Its key serves the question whether a record came in before.';
comment on column legacy.source_records.account_id is 'The account it came into.';
comment on column legacy.source_records.kind is 'threads, messages or tool_events.';
comment on column legacy.source_records.record_id is 'The record''s own id.';
comment on column legacy.source_records.fate is 'imported: as it was; adopted: mended.';
comment on column legacy.source_records.content_sha256 is 'SHA-256 of the record as a JSON value (its jsonb text), so layout and order of fields do not count.';
comment on column legacy.source_records.mends is 'What was mended, by JSON field: {"status": {"reason": "second_active_thread", "from": "active", "to": "archived"}}. from is null where the field was absent.';
comment on column legacy.source_records.run_id is 'The run that brought it.';
comment on column legacy.source_records.ordinal is 'Its place in the file of that run, from 0.';
comment on column legacy.source_records.byte_offset is 'Where it began in that file, in bytes from 0.';

create index source_records_run_idx on legacy.source_records (account_id, run_id, kind, ordinal);
comment on index legacy.source_records_run_idx is 'Serves: the records of a run in the order of their file; and the foreign key to the run.';

create table legacy.made_threads (
    account_id uuid not null,
    thread_id text not null,
    reason text not null,
    run_id bigint not null,
    constraint made_threads_pkey primary key (account_id, thread_id),
    constraint made_threads_thread_fkey foreign key (account_id, thread_id) references app.chat_threads (account_id, id) on delete cascade,
    constraint made_threads_reason_fkey foreign key (reason) references legacy.reasons (code) on delete restrict,
    constraint made_threads_run_fkey foreign key (account_id, run_id) references legacy.import_runs (account_id, id) on delete restrict
);

comment on table legacy.made_threads is 'Threads that stand in no file: the import made them for records that needed one. A later file that does bring such a thread fills it in.';
comment on column legacy.made_threads.account_id is 'The account it was made in.';
comment on column legacy.made_threads.thread_id is 'The thread.';
comment on column legacy.made_threads.reason is 'Why: thread_absent, thread_missing or thread_of_other_session.';
comment on column legacy.made_threads.run_id is 'The run that made it.';

create index made_threads_run_idx on legacy.made_threads (account_id, run_id);
comment on index legacy.made_threads_run_idx is 'Serves: the threads a run made; and the foreign key to the run.';

create index made_threads_reason_idx on legacy.made_threads (reason);
comment on index legacy.made_threads_reason_idx is 'Serves: the threads made for one reason; and the foreign key to the reason.';

create table legacy.quarantine (
    id bigint generated always as identity,
    account_id uuid not null,
    kind text not null,
    file_name text not null,
    file_sha256 bytea not null,
    ordinal bigint not null,
    byte_offset bigint not null,
    reason text not null,
    field text,
    sqlstate text,
    raw bytea not null,
    raw_sha256 bytea not null,
    occurrence bigint not null,
    run_id bigint not null,
    last_run_id bigint not null,
    constraint quarantine_pkey primary key (id),
    constraint quarantine_raw_key unique (account_id, kind, raw_sha256, occurrence),
    constraint quarantine_run_fkey foreign key (account_id, run_id) references legacy.import_runs (account_id, id) on delete restrict,
    constraint quarantine_last_run_fkey foreign key (account_id, last_run_id) references legacy.import_runs (account_id, id) on delete restrict,
    constraint quarantine_reason_fkey foreign key (reason) references legacy.reasons (code) on delete restrict,
    constraint quarantine_kind_check check (kind in ('threads', 'messages', 'tool_events')),
    constraint quarantine_place_check check (ordinal >= 0 and byte_offset >= 0 and occurrence > 0),
    constraint quarantine_sha256_check check (octet_length(file_sha256) = 32 and octet_length(raw_sha256) = 32)
);

comment on table legacy.quarantine is 'Every record that was kept out, byte for byte, with the reason. The same bytes met again by a later run are not kept twice; place and reason are then those of the last run.';
comment on column legacy.quarantine.id is 'Counts quarantined records.';
comment on column legacy.quarantine.account_id is 'The account it was meant for.';
comment on column legacy.quarantine.kind is 'threads, messages or tool_events.';
comment on column legacy.quarantine.file_name is 'The file it stood in.';
comment on column legacy.quarantine.file_sha256 is 'SHA-256 of that file.';
comment on column legacy.quarantine.ordinal is 'Its place in that file, from 0.';
comment on column legacy.quarantine.byte_offset is 'Where it began in that file, in bytes from 0.';
comment on column legacy.quarantine.reason is 'Why: a code of legacy.reasons.';
comment on column legacy.quarantine.field is 'Which JSON field was at fault, where one was.';
comment on column legacy.quarantine.sqlstate is 'What Postgres answered, where it was Postgres that refused.';
comment on column legacy.quarantine.raw is 'The record''s bytes as they stood in the file.';
comment on column legacy.quarantine.raw_sha256 is 'SHA-256 of raw.';
comment on column legacy.quarantine.occurrence is 'Tells equal records of one file apart, from 1.';
comment on column legacy.quarantine.run_id is 'The run that first met it.';
comment on column legacy.quarantine.last_run_id is 'The run that last met it.';

create index quarantine_last_run_idx on legacy.quarantine (account_id, last_run_id, kind, ordinal);
comment on index legacy.quarantine_last_run_idx is 'Serves: what a run kept out, in the order of the files; and the foreign key to the last run.';

create index quarantine_run_idx on legacy.quarantine (account_id, run_id);
comment on index legacy.quarantine_run_idx is 'Serves: what a run was the first to keep out; and the foreign key to the run.';

create index quarantine_reason_idx on legacy.quarantine (reason);
comment on index legacy.quarantine_reason_idx is 'Serves: all that was kept out for one reason; and the foreign key to the reason.';

-- Owned by the role of the import functions, so that they may analyze it: it is filled and read in one transaction,
-- and a planner that takes it for empty makes plans whose cost grows with the square of the file.
set local role import_definer;

create unlogged table legacy.staged_records (
    run_id bigint not null,
    kind text not null,
    ordinal bigint not null,
    byte_offset bigint not null,
    raw bytea not null,
    record jsonb,
    record_id text,
    content_sha256 bytea,
    fate text,
    reason text,
    field text,
    sqlstate text,
    mends jsonb not null default '{}',
    constraint staged_records_pkey primary key (run_id, kind, ordinal),
    constraint staged_records_kind_check check (kind in ('threads', 'messages', 'tool_events'))
);

comment on table legacy.staged_records is 'The records of the run under way, emptied when it ends. Unlogged: a crash empties it, and the run starts again. Its key serves the import functions, which take records by range of ordinals.';
comment on column legacy.staged_records.run_id is 'The run.';
comment on column legacy.staged_records.kind is 'threads, messages or tool_events.';
comment on column legacy.staged_records.ordinal is 'Place in the file, from 0.';
comment on column legacy.staged_records.byte_offset is 'Where it begins in the file, in bytes from 0.';
comment on column legacy.staged_records.raw is 'Its bytes as they stand in the file. All that the client fills are this and the columns before.';
comment on column legacy.staged_records.record is 'The same as a JSON value; null until parsed, or if it can not be.';
comment on column legacy.staged_records.record_id is 'Its id, once it is known to be a string of fitting length.';
comment on column legacy.staged_records.content_sha256 is 'SHA-256 of record as jsonb text.';
comment on column legacy.staged_records.fate is 'What becomes of it: imported, unchanged, adopted or quarantined; null until decided.';
comment on column legacy.staged_records.reason is 'Why it is quarantined: a code of legacy.reasons.';
comment on column legacy.staged_records.field is 'The JSON field at fault.';
comment on column legacy.staged_records.sqlstate is 'What Postgres answered, where it refused.';
comment on column legacy.staged_records.mends is 'What is mended, as in legacy.source_records.mends.';

create index staged_records_id_idx on legacy.staged_records (run_id, kind, record_id, ordinal);
comment on index legacy.staged_records_id_idx is 'Serves: records of one id within a file, first to last.';
