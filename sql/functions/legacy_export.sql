-- The export: an account's records as the old files had them, for `invoke export-legacy`.
-- None of it is SECURITY DEFINER, and nobody is granted any of it: whoever exports reads everything of an account, so it runs
-- as import_definer, on the connection of a login that is a member of that role, as the login that migrates is. What is
-- granted to importer reads nothing, and stays so.
set local role import_definer;

create or replace view legacy.current_records
with (security_invoker = true) as
select
    'threads' as kind,
    thread.account_id,
    thread.id as record_id,
    thread.created_at as began_at,
    thread.row_version,
    legacy.thread_json(thread) as record
from app.chat_threads as thread

union all

select
    'messages' as kind,
    message.account_id,
    message.id as record_id,
    message.created_at as began_at,
    message.row_version,
    legacy.message_json(message) as record
from app.chat_messages as message

union all

select
    'tool_events' as kind,
    tool_event.account_id,
    tool_event.id as record_id,
    tool_event.started_at as began_at,
    tool_event.row_version,
    legacy.tool_event_json(tool_event) as record
from app.chat_tool_events as tool_event;
comment on view legacy.current_records is 'Every row of the chat tables as the old files had it. Ask it for a kind: only that table is read then.';
comment on column legacy.current_records.kind is 'threads, messages or tool_events.';
comment on column legacy.current_records.account_id is 'The account.';
comment on column legacy.current_records.record_id is 'The row''s id.';
comment on column legacy.current_records.began_at is 'created_at, or started_at of a tool event.';
comment on column legacy.current_records.row_version is 'The row''s.';
comment on column legacy.current_records.record is 'The row as a record, mends not taken back.';

create or replace function legacy.export_batch(p_account_id uuid, p_run_id bigint, p_kind text, p_number bigint)
returns table (ordinal bigint, byte_offset bigint, reason text, is_raw boolean, content bytea)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
    -- Each record is looked up by its key. The account is a column of place, and no constant: of a constant that the
    -- statistics do not have, as right after an import, the planner thinks it has one row, and takes any index.
    return query
        with place as materialized (
            select
                p_account_id as account_id,
                batch.first_ordinal + entry.place - 1 as ordinal,
                entry.byte_offset,
                entry.fate,
                entry.record_id,
                entry.sha256
            from legacy.import_batches as batch
            cross join lateral unnest(
                string_to_array(batch.fates, null),
                batch.record_ids,
                batch.byte_offsets,
                batch.record_sha256s
            ) with ordinality as entry (fate, record_id, byte_offset, sha256, place)
            where batch.run_id = p_run_id
                and batch.kind = p_kind
                and batch.number = p_number
        )

        select
            place.ordinal,
            place.byte_offset,
            null::text,
            coalesce(kept.row_version = standing.row_version and kept.raw is not null, false),
            case
                when kept.row_version = standing.row_version and kept.raw is not null then kept.raw
                when kept.mends is null then convert_to(standing.record::text, 'UTF8')
                else convert_to(legacy.unmended(standing.record, kept.mends)::text, 'UTF8')
            end
        from place
        cross join lateral (
            select
                found.row_version,
                found.record
            from legacy.current_records as found
            where found.account_id = place.account_id
                and found.kind = p_kind
                and found.record_id = place.record_id
            offset 0
        ) as standing
        left join lateral (
            select
                found.row_version,
                found.raw,
                found.mends
            from legacy.kept_records as found
            where found.account_id = place.account_id
                and found.kind = p_kind
                and found.record_id = place.record_id
            offset 0
        ) as kept
            on true
        where place.fate <> 'q'

        union all

        select
            place.ordinal,
            place.byte_offset,
            kept.reason,
            true,
            kept.raw
        from place
        cross join lateral (
            (
                select
                    here.reason,
                    here.raw
                from legacy.quarantine as here
                where here.account_id = place.account_id
                    and here.last_run_id = p_run_id
                    and here.kind = p_kind
                    and here.ordinal = place.ordinal
            )
            union all
            -- A later run that did not finish met these bytes again, and has moved their place.
            (
                select
                    elsewhere.reason,
                    elsewhere.raw
                from legacy.quarantine as elsewhere
                where elsewhere.account_id = place.account_id
                    and elsewhere.kind = p_kind
                    and elsewhere.raw_sha256 = place.sha256
                limit 1
            )
            limit 1
        ) as kept
        where place.fate = 'q'
        order by 1;
end;
$$;
comment on function legacy.export_batch(uuid, bigint, text, bigint) is 'The records of a batch, in the order of the file: of one that came in the row as it is now, or its bytes while the row still says what they say; of a quarantined one its bytes, with the reason. A row that is gone is left out.';

create or replace function legacy.needless_threads(p_account_id uuid)
returns table (thread_id text)
language sql
stable
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
as $$
    select made.thread_id
    from legacy.made_threads as made
    where made.account_id = p_account_id

    except

    select member.thread_id
    from (
        select
            'messages' as kind,
            message.id,
            message.thread_id,
            message.row_version
        from legacy.made_threads as made
        inner join app.chat_messages as message
            on made.account_id = message.account_id and made.thread_id = message.thread_id
        where made.account_id = p_account_id

        union all

        select
            'tool_events' as kind,
            tool_event.id,
            tool_event.thread_id,
            tool_event.row_version
        from legacy.made_threads as made
        inner join app.chat_tool_events as tool_event
            on made.account_id = tool_event.account_id and made.thread_id = tool_event.thread_id
        where made.account_id = p_account_id
    ) as member
    left join legacy.kept_records as kept
        on kept.account_id = p_account_id
            and member.kind = kept.kind
            and member.id = kept.record_id
            and kept.mends -> 'threadId' ->> 'to' = member.thread_id
    -- A record that named a thread which an earlier batch had made came in without a mend.
    left join (
        select distinct
            batch.kind,
            named.record_id
        from legacy.import_runs as run
        inner join legacy.import_batches as batch
            on run.id = batch.run_id
        cross join lateral unnest(batch.record_ids) as named (record_id)
        where run.account_id = p_account_id
    ) as brought
        on member.row_version = 1
            and member.kind = brought.kind
            and member.id = brought.record_id
    where kept.record_id is null
        and brought.record_id is null
$$;
comment on function legacy.needless_threads(uuid) is 'Threads that the import made and that nothing is in but what it put there: without them the old files say what they said.';

create or replace function legacy.export_rest(p_account_id uuid, p_run_id bigint, p_kind text)
returns table (ordinal bigint, byte_offset bigint, reason text, is_raw boolean, content bytea)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
-- All rows are set beside all names, once.
set enable_nestloop = off
as $$
begin
    -- A version before batches booked no record that was quarantined.
    return query
        select
            kept.ordinal,
            kept.byte_offset,
            kept.reason,
            true,
            kept.raw
        from legacy.quarantine as kept
        where kept.account_id = p_account_id
            and kept.last_run_id = p_run_id
            and kept.kind = p_kind
            and kept.reason <> 'conflict_kept'
            and not exists (
                select
                from legacy.import_batches as batch
                cross join lateral generate_series(batch.first_ordinal, batch.first_ordinal + batch.record_count - 1) as booked (ordinal)
                where batch.run_id = p_run_id
                    and batch.kind = p_kind
                    and kept.ordinal = booked.ordinal
            )
        order by kept.ordinal;

    return query
        select
            null::bigint,
            null::bigint,
            null::text,
            coalesce(kept.row_version = standing.row_version and kept.raw is not null, false),
            case
                when kept.row_version = standing.row_version and kept.raw is not null then kept.raw
                when kept.mends is null then convert_to(standing.record::text, 'UTF8')
                else convert_to(legacy.unmended(standing.record, kept.mends)::text, 'UTF8')
            end
        from legacy.current_records as standing
        left join legacy.kept_records as kept
            on standing.account_id = kept.account_id
                and standing.kind = kept.kind
                and standing.record_id = kept.record_id
        where standing.account_id = p_account_id
            and standing.kind = p_kind
            and not exists (
                select
                from legacy.import_batches as batch
                cross join lateral unnest(batch.record_ids) as named (record_id)
                where batch.run_id = p_run_id
                    and batch.kind = p_kind
                    and standing.record_id = named.record_id
            )
            and not (
                p_kind = 'threads'
                and standing.record_id in (select needless.thread_id from legacy.needless_threads(p_account_id) as needless)
            )
        order by standing.began_at, standing.record_id;
end;
$$;
comment on function legacy.export_rest(uuid, bigint, text) is 'What the batches of a run do not name: rows that the application or earlier runs made, oldest first; without threads that the import made for records that named none. Without a run (null): every row.';
