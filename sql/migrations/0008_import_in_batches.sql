-- The import commits batch by batch, and keeps its books a row a batch: what a row a record told is in arrays,
-- and what needs a row of its own has one (legacy.kept_records, legacy.quarantine).
-- What is dropped and locked here is the import's own, which nobody but the import uses, and not while this runs; its
-- tables have a row a run, a file or a batch, and are changed in no time. So:
-- squawk-ignore-file ban-drop-function, ban-drop-column, ban-drop-constraint, ban-drop-not-null, ban-drop-table
-- squawk-ignore-file adding-required-field, constraint-missing-not-valid
-- squawk-ignore-file require-concurrent-index-creation, require-concurrent-index-deletion

-- What functions of 0006 are no more. Those that stay are replaced when the function files are applied.
drop function if exists legacy.take_lock(uuid);
drop function if exists legacy.check_run(bigint);
drop function if exists legacy.begin_import(uuid, text);
drop function if exists legacy.register_file(bigint, text, text, bytea, bigint, bigint);
drop function if exists legacy.parse_range(bigint, text, bigint, bigint);
drop function if exists legacy.apply_range(text, bigint, text, bigint, bigint);
drop function if exists legacy.apply_to_all(text, bigint, text);
drop function if exists legacy.triage(bigint, text);
drop function if exists legacy.ensure_sessions(bigint, text);
drop function if exists legacy.settle(bigint, text);
drop function if exists legacy.check_sums(bigint);
drop function if exists legacy.finish_import(bigint);
drop function if exists legacy.import_summary(bigint);
drop function if exists legacy.import_totals(bigint);
drop function if exists legacy.import_notes(bigint, bigint);
drop function if exists legacy.mend_active_threads(bigint);
drop function if exists legacy.mend_times(bigint, text);
drop function if exists legacy.insert_threads(bigint, bigint, bigint);
drop function if exists legacy.import_threads(bigint);
drop function if exists legacy.make_thread(bigint, text, text, text, text, text, timestamptz, timestamptz);
drop function if exists legacy.staged_needs(bigint, text);
drop function if exists legacy.place_in_active_threads(bigint);
drop function if exists legacy.make_missing_threads(bigint, text);
drop function if exists legacy.part_from_other_sessions(bigint, text);
drop function if exists legacy.mend_client_message_ids(bigint);
drop function if exists legacy.insert_messages(bigint, bigint, bigint);
drop function if exists legacy.import_messages(bigint);
drop function if exists legacy.insert_tool_events(bigint, bigint, bigint);
drop function if exists legacy.import_tool_events(bigint);
drop function if exists legacy.derive_threads(bigint);
drop function if exists legacy.text_fault(jsonb, text[], boolean);
drop function if exists legacy.began_at(text, jsonb);
drop function if exists legacy.ended_at(text, jsonb);
drop function if exists legacy.has_duplicate_field(text, jsonb);

-- A batch is copied into a temporary table, which the import functions make.
do $$
begin
    execute format('grant temporary on database %I to import_definer', current_database());
end;
$$;

set local role sessionbase_owner;

-- 1. Reasons.
alter table legacy.reasons drop constraint reasons_fate_check;
alter table legacy.reasons
add constraint reasons_fate_check check (fate in ('unchanged', 'adopted', 'quarantined'));
comment on column legacy.reasons.fate is 'adopted: the record came in mended; quarantined: it did not come in; unchanged: the database has what it is to keep.';

update legacy.reasons
set
    fate = 'adopted',
    meaning = 'A field stands twice in an object: the last one counts, as in JavaScript; the bytes are kept.'
where code = 'duplicate_field';

update legacy.reasons
set meaning = 'The database has this id with other content, brought by an earlier import; the database''s stays.'
where code = 'conflict';

insert into legacy.reasons (code, fate, meaning)
values
('character_replaced', 'adopted', 'A NUL or half a surrogate pair, which JSON allows and Postgres does not: U+FFFD stands in its place; the bytes are kept.'),
('number_replaced', 'adopted', 'A number beyond what Postgres can hold: it came in as a text of its digits; the bytes are kept.'),
('conflict_kept', 'unchanged', 'The database has this id with other content and keeps it (--on-conflict=keep); the record''s bytes are in the quarantine.'),
('conflict_replaced', 'adopted', 'The database had this id with other content, which this record replaced (--on-conflict=replace); the mend has what was there.'),
('cut_off', 'quarantined', 'The file ends inside this record: this is all there is of it.'),
('damaged', 'quarantined', 'The bytes between two records are no JSON value.'),
('after_end', 'quarantined', 'This stands behind the end of the file''s array.'),
('too_large', 'quarantined', 'A piece of a record that is larger than Postgres can hold.');

-- 2. Runs.
alter table legacy.import_runs
add column outcome text not null default 'running',
add column attempt bigint not null default 1,
add column on_conflict text not null default 'quarantine',
add column builds boolean not null default false;

-- The owner is bound by row level security too, so it is taken off for this one update.
alter table legacy.import_runs no force row level security;

update legacy.import_runs
set outcome = case
    when finished_at is null then 'abandoned'
    else 'finished'
end;

alter table legacy.import_runs force row level security;

alter table legacy.import_runs
add constraint import_runs_outcome_check check (outcome in ('running', 'finished', 'abandoned')),
add constraint import_runs_finished_check check ((outcome = 'finished') = (finished_at is not null)),
add constraint import_runs_attempt_check check (attempt > 0),
add constraint import_runs_on_conflict_check check (on_conflict in ('quarantine', 'keep', 'replace'));

comment on column legacy.import_runs.outcome is 'running: under way, or interrupted and to be resumed; finished: every sum checked; abandoned: interrupted, and then another file came.';
comment on column legacy.import_runs.attempt is 'How often the run was begun or resumed. A step names the attempt it belongs to, so what is left of an earlier one can do nothing.';
comment on column legacy.import_runs.on_conflict is 'What becomes of a record whose id the database has with other content: quarantine it, keep the database''s, or replace that.';
comment on column legacy.import_runs.builds is 'Whether it stages all rows first and loads them without indexes, which are built afterwards: only into empty tables.';
comment on column legacy.import_runs.session_count is 'How many sessions the account had when the run ended.';

create unique index import_runs_running_idx on legacy.import_runs (account_id)
where outcome = 'running';
comment on index legacy.import_runs_running_idx is 'Serves: the run of an account that is under way or to be resumed; and allows one only.';

-- 3. Files.
alter table legacy.import_files
add column faults jsonb not null default '[]',
add constraint import_files_faults_check check (jsonb_typeof(faults) = 'array');
comment on column legacy.import_files.faults is 'What was wrong with the file apart from its records: [{"code": "byte_order_mark", "offset": 0}].';

-- 4. Batches.
create table legacy.import_batches (
    run_id bigint not null,
    kind text not null,
    number bigint not null,
    first_ordinal bigint not null,
    record_count bigint not null,
    end_byte bigint not null,
    prefix_sha256 bytea not null,
    fates text,
    record_ids text[],
    byte_offsets bigint[],
    record_sha256s bytea[],
    thread_ids text[],
    session_ids text[],
    sessions_began timestamptz[],
    sessions_ended timestamptz[],
    constraint import_batches_pkey primary key (run_id, kind, number),
    constraint import_batches_run_fkey foreign key (run_id) references legacy.import_runs (id) on delete restrict,
    constraint import_batches_kind_check check (kind in ('threads', 'messages', 'tool_events')),
    constraint import_batches_place_check check (number >= 0 and first_ordinal >= 0 and record_count >= 0 and end_byte >= 0),
    constraint import_batches_fates_check check (fates ~ '^[iuaq]*$' and length(fates) = record_count),
    constraint import_batches_arrays_check check (
        cardinality(record_ids) = record_count
        and cardinality(byte_offsets) = record_count
        and cardinality(record_sha256s) = record_count
    ),
    constraint import_batches_touched_check check (
        cardinality(session_ids) = cardinality(sessions_began)
        and cardinality(session_ids) = cardinality(sessions_ended)
    ),
    constraint import_batches_settled_check check (
        (fates is null) = (record_ids is null)
        and (fates is null) = (byte_offsets is null)
        and (fates is null) = (record_sha256s is null)
    )
);

comment on table legacy.import_batches is 'The books of the import: one row a batch of records, committed with the batch. What became of each record is in its arrays, in the order of the file; legacy.source_records shows them a row a record. The last batch of a kind is where an interrupted run goes on.';
comment on column legacy.import_batches.run_id is 'The run.';
comment on column legacy.import_batches.kind is 'threads, messages or tool_events.';
comment on column legacy.import_batches.number is 'Counts the batches of a file, from 0.';
comment on column legacy.import_batches.first_ordinal is 'Place in the file of its first record, from 0.';
comment on column legacy.import_batches.record_count is 'How many records it has.';
comment on column legacy.import_batches.end_byte is 'The file is read up to here, in bytes.';
comment on column legacy.import_batches.prefix_sha256 is 'SHA-256 of the file''s bytes up to there. A run is only resumed on a file that begins with the same bytes.';
comment on column legacy.import_batches.fates is 'A letter a record: i imported, u unchanged, a adopted, q quarantined. Null while the batch is staged only.';
comment on column legacy.import_batches.record_ids is 'The ids; null for a record that was quarantined.';
comment on column legacy.import_batches.byte_offsets is 'Where each began in the file, in bytes from 0.';
comment on column legacy.import_batches.record_sha256s is 'SHA-256 of each record''s bytes; empty where an older version of sessionbase did not keep it.';
comment on column legacy.import_batches.thread_ids is 'The threads whose messages came in with it, so that their counts are derived when the run ends.';
comment on column legacy.import_batches.session_ids is 'The sessions of the records that came in with it, so that their times are widened when the run ends.';
comment on column legacy.import_batches.sessions_began is 'For each of them when its first record began.';
comment on column legacy.import_batches.sessions_ended is 'For each of them when its last record ended.';

-- Ids and hashes are not worth compressing.
alter table legacy.import_batches
alter column record_ids set storage external,
alter column byte_offsets set storage external,
alter column record_sha256s set storage external;

-- 5. Records that their row alone does not give back.
create table legacy.kept_records (
    account_id uuid not null,
    kind text not null,
    record_id text not null,
    mends jsonb not null default '{}',
    raw bytea,
    row_version bigint,
    run_id bigint not null,
    ordinal bigint not null,
    byte_offset bigint not null,
    constraint kept_records_pkey primary key (account_id, kind, record_id),
    constraint kept_records_run_fkey foreign key (account_id, run_id) references legacy.import_runs (account_id, id) on delete restrict,
    constraint kept_records_kind_check check (kind in ('threads', 'messages', 'tool_events')),
    constraint kept_records_place_check check (ordinal >= 0 and byte_offset >= 0),
    constraint kept_records_mends_check check (jsonb_typeof(mends) = 'object')
);

comment on table legacy.kept_records is 'Records that came in and that their row alone does not give back: mended ones, and those with a null or a time spelled in a way of its own. Their bytes are kept for the export. The key serves the record of a row.';
comment on column legacy.kept_records.account_id is 'The account it came into.';
comment on column legacy.kept_records.kind is 'threads, messages or tool_events.';
comment on column legacy.kept_records.record_id is 'The record''s own id.';
comment on column legacy.kept_records.mends is 'What was mended, by JSON field: {"status": {"reason": "second_active_thread", "from": "active", "to": "archived"}}. from is null where the field was absent. The field * is the record as a whole. Empty if nothing was.';
comment on column legacy.kept_records.raw is 'The record''s bytes as they stood in the file; null where an older version of sessionbase did not keep them.';
comment on column legacy.kept_records.row_version is 'The row''s when the run ended. While it is the same, the row still says what the record said.';
comment on column legacy.kept_records.run_id is 'The run that brought it.';
comment on column legacy.kept_records.ordinal is 'Its place in the file of that run, from 0.';
comment on column legacy.kept_records.byte_offset is 'Where it began in that file, in bytes from 0.';

create index kept_records_run_idx on legacy.kept_records (account_id, run_id, kind, ordinal);
comment on index legacy.kept_records_run_idx is 'Serves: what a run mended, in the order of the files; and the foreign key to the run.';

create table legacy.thread_claims (
    account_id uuid not null,
    thread_id text not null,
    run_id bigint not null,
    number bigint not null,
    ordinal bigint not null,
    byte_offset bigint not null,
    record jsonb not null,
    raw bytea not null,
    constraint thread_claims_pkey primary key (account_id, thread_id),
    constraint thread_claims_run_fkey foreign key (account_id, run_id) references legacy.import_runs (account_id, id) on delete restrict,
    constraint thread_claims_place_check check (number >= 0 and ordinal >= 0 and byte_offset >= 0),
    constraint thread_claims_record_check check (jsonb_typeof(record) = 'object')
);

comment on table legacy.thread_claims is 'What the records of the run under way say of their threads'' messages, until the messages are in and it can be compared. Empty between runs.';
comment on column legacy.thread_claims.account_id is 'The account.';
comment on column legacy.thread_claims.thread_id is 'The thread.';
comment on column legacy.thread_claims.run_id is 'The run under way.';
comment on column legacy.thread_claims.number is 'The batch it came with.';
comment on column legacy.thread_claims.ordinal is 'Place of its record in the file, from 0.';
comment on column legacy.thread_claims.byte_offset is 'Where its record begins in the file, in bytes from 0.';
comment on column legacy.thread_claims.record is 'messageCount, lastMessagePreview and lastMessageAt of the record.';
comment on column legacy.thread_claims.raw is 'The record''s bytes.';

create index thread_claims_run_idx on legacy.thread_claims (account_id, run_id);
comment on index legacy.thread_claims_run_idx is 'Serves: what the run under way compares; and the foreign key to the run.';

-- 6. What came in before goes into the new books. An older version settled a whole file at once and kept no bytes.
alter table legacy.source_records no force row level security;

insert into legacy.import_batches (
    run_id, kind, number, first_ordinal, record_count, end_byte, prefix_sha256,
    fates, record_ids, byte_offsets, record_sha256s
)
select
    stretch.run_id,
    stretch.kind,
    row_number() over (partition by stretch.run_id, stretch.kind order by min(stretch.ordinal)) - 1 as number,
    min(stretch.ordinal) as first_ordinal,
    count(*) as record_count,
    max(stretch.byte_offset) as end_byte,
    '' as prefix_sha256,
    string_agg(left(stretch.fate, 1), '' order by stretch.ordinal) as fates,
    array_agg(stretch.record_id order by stretch.ordinal) as record_ids,
    array_agg(stretch.byte_offset order by stretch.ordinal) as byte_offsets,
    array_agg(''::bytea order by stretch.ordinal) as record_sha256s
from (
    select
        source.*,
        source.ordinal - row_number() over (partition by source.run_id, source.kind order by source.ordinal) as island
    from legacy.source_records as source
) as stretch
group by stretch.run_id, stretch.kind, stretch.island;

insert into legacy.kept_records (account_id, kind, record_id, mends, run_id, ordinal, byte_offset)
select
    account_id,
    kind,
    record_id,
    mends,
    run_id,
    ordinal,
    byte_offset
from legacy.source_records
where fate = 'adopted';

drop table legacy.source_records;

-- 7. Quarantine: the file's sum is known when the file is read to its end, and batches are committed before.
alter table legacy.quarantine alter column file_sha256 drop not null;
comment on column legacy.quarantine.file_sha256 is 'SHA-256 of that file; null until the run has read it to its end.';

-- 8. Staging: what the client copies in, and what is judged one by one. Both belong to the role of the import functions.
set local role import_definer;

truncate legacy.staged_records;
drop index legacy.staged_records_id_idx;
alter table legacy.staged_records
drop column record,
drop column record_id,
drop column content_sha256,
drop column fate,
drop column reason,
drop column field,
drop column sqlstate,
drop column mends,
add column sha256 bytea not null,
add column fault text,
add constraint staged_records_fault_check check (fault in ('cut_off', 'damaged', 'after_end', 'too_large'));

-- Read once and thrown away: not worth compressing.
alter table legacy.staged_records alter column raw set storage external;

comment on table legacy.staged_records is 'Where a first load stages the records of all files, as the client copies them in; emptied when the run ends. (Batch by batch they go into a temporary table of the same columns.) Unlogged: a crash empties it, and what was not settled is copied again. Its key serves the import functions, which take records by range of ordinals.';
comment on column legacy.staged_records.raw is 'Its bytes as they stand in the file.';
comment on column legacy.staged_records.sha256 is 'SHA-256 of raw, as the client counted it: by it a record that came in before is known.';
comment on column legacy.staged_records.fault is 'What the reader found wrong, if the bytes are no whole record: cut_off, damaged, after_end, too_large.';

create unlogged table legacy.judged_records (
    run_id bigint not null,
    kind text not null,
    ordinal bigint not null,
    byte_offset bigint not null,
    raw bytea not null,
    record jsonb,
    record_id text,
    session_id text,
    thread_id text,
    mode text,
    began_at timestamptz,
    ended_at timestamptz,
    is_plain boolean not null default false,
    fate text,
    reason text,
    field text,
    sqlstate text,
    mends jsonb not null default '{}',
    constraint judged_records_pkey primary key (run_id, kind, ordinal)
);

alter table legacy.judged_records alter column raw set storage external;

comment on table legacy.judged_records is 'The records of a batch that are looked at one by one, because some of the batch are no plain ones. Emptied with every batch, so a crash loses nothing by emptying it. Its key serves the steps, which write to records by ordinal.';
comment on column legacy.judged_records.run_id is 'The run.';
comment on column legacy.judged_records.kind is 'threads, messages or tool_events.';
comment on column legacy.judged_records.ordinal is 'Place in the file, from 0.';
comment on column legacy.judged_records.byte_offset is 'Where it begins in the file, in bytes from 0.';
comment on column legacy.judged_records.raw is 'Its bytes.';
comment on column legacy.judged_records.record is 'The same as a JSON value Postgres can hold; null if it is no JSON.';
comment on column legacy.judged_records.record_id is 'Its id, once it is known to be a record.';
comment on column legacy.judged_records.session_id is 'Its session.';
comment on column legacy.judged_records.thread_id is 'The thread it is in, mended if need be; null for none.';
comment on column legacy.judged_records.mode is 'Its mode; session for a tool event, which has none.';
comment on column legacy.judged_records.began_at is 'When it began: createdAt or startedAt.';
comment on column legacy.judged_records.ended_at is 'When it last changed: updatedAt, or completedAt if there is one.';
comment on column legacy.judged_records.is_plain is 'Whether its row will give it back, so that its bytes need not be kept.';
comment on column legacy.judged_records.fate is 'What becomes of it: imported, unchanged, adopted or quarantined; null until decided.';
comment on column legacy.judged_records.reason is 'Why it is quarantined: a code of legacy.reasons.';
comment on column legacy.judged_records.field is 'The JSON field at fault.';
comment on column legacy.judged_records.sqlstate is 'What Postgres answered, where it refused.';
comment on column legacy.judged_records.mends is 'What is mended, as in legacy.kept_records.mends.';

create unlogged table legacy.known_records (
    run_id bigint not null,
    kind text not null,
    sha256 bytea not null,
    record_id text not null
);

comment on table legacy.known_records is 'For the run under way: the bytes of every record that earlier runs brought into the account. Made anew when a run is begun or resumed, emptied when it ends.';
comment on column legacy.known_records.run_id is 'The run under way.';
comment on column legacy.known_records.kind is 'threads, messages or tool_events.';
comment on column legacy.known_records.sha256 is 'SHA-256 of the record''s bytes.';
comment on column legacy.known_records.record_id is 'Its id.';

create index known_records_sha256_idx on legacy.known_records (run_id, kind, sha256);
comment on index legacy.known_records_sha256_idx is 'Serves: whether a record came in before.';

-- 9. A first load builds indexes and foreign keys after the rows. In between their definitions are here.
set local role sessionbase_owner;

create table ops.dropped_keys (
    table_name text not null,
    name text not null,
    kind text not null,
    definition text not null,
    description text,
    constraint dropped_keys_pkey primary key (table_name, name),
    constraint dropped_keys_kind_check check (kind in ('key', 'index', 'foreign key'))
);

comment on table ops.dropped_keys is 'Keys, indexes and foreign keys that app.drop_chat_keys took off, for app.restore_chat_keys. Both run in one transaction, so nobody ever sees a row.';
comment on column ops.dropped_keys.table_name is 'The table, with its schema.';
comment on column ops.dropped_keys.name is 'Name of the constraint or index.';
comment on column ops.dropped_keys.kind is 'key (primary key or unique constraint), index or foreign key.';
comment on column ops.dropped_keys.definition is 'The definition, as the catalog had it.';
comment on column ops.dropped_keys.description is 'Its comment.';
