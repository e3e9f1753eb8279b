-- How a batch of staged records comes in: at once if all of it is plain, or else record by record.
set local role import_definer;

create or replace function legacy.bring_plain_messages(
    p_run_id bigint,
    p_account_id uuid,
    p_number bigint,
    p_first bigint,
    p_last bigint,
    p_is_build boolean
)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set work_mem = '64MB'
set enable_seqscan = off
set timezone = 'UTC'
as $$
declare
    v_is_clean boolean;
    v_expected_count bigint;
    v_brought_count bigint;
    v_thread_ids text[];
    v_knows_any boolean := exists (select from legacy.known_records where run_id = p_run_id);
begin
    with message as materialized (
        select
            parsed.ordinal,
            parsed.byte_offset,
            parsed.sha256,
            parsed.known_id,
            parsed.text is not null
            and legacy.is_plain_message(parsed.record)
            and legacy.has_unique_fields(parsed.text)
            -- Else the foreign key sees to it.
            and (
                not p_is_build
                or exists (
                    select
                    from app.chat_threads as thread
                    where thread.account_id = p_account_id
                        and thread.session_id = parsed.record ->> 'sessionId'
                        and thread.id = parsed.record ->> 'threadId'
                )
            ) as is_plain,
            parsed.record ->> 'id' as id,
            parsed.record ->> 'sessionId' as session_id,
            parsed.record ->> 'threadId' as thread_id,
            parsed.record ->> 'mode' as mode,
            parsed.record ->> 'role' as role,
            parsed.record ->> 'content' as content,
            parsed.record ->> 'clientMessageId' as client_message_id,
            parsed.record ->> 'misalignmentId' as misalignment_id,
            parsed.record -> 'evidence' as evidence,
            parsed.record -> 'contextEvents' as context_events,
            (parsed.record ->> 'createdAt')::timestamptz as created_at,
            (parsed.record ->> 'updatedAt')::timestamptz as updated_at,
            parsed.record - '{id,sessionId,threadId,mode,role,content,clientMessageId,misalignmentId,evidence,contextEvents,createdAt,updatedAt}'::text[] as extra
        from (
            select
                decoded.ordinal,
                decoded.byte_offset,
                decoded.sha256,
                decoded.known_id,
                decoded.text,
                decoded.text::jsonb as record
            from (
                select
                    staged.ordinal,
                    staged.byte_offset,
                    staged.sha256,
                    known.record_id as known_id,
                    case when known.record_id is null and staged.fault is null then convert_from(staged.raw, 'UTF8') end as text
                from (
                    select *
                    from pg_temp.staged_records as copied
                    where copied.kind = 'messages'
                        and copied.ordinal between p_first and p_last

                    union all

                    select *
                    from legacy.staged_records as stored
                    where p_is_build
                        and stored.run_id = p_run_id
                        and stored.kind = 'messages'
                        and stored.ordinal between p_first and p_last
                ) as staged
                left join lateral (
                    select known_record.record_id
                    from legacy.known_records as known_record
                    where v_knows_any
                        and known_record.run_id = p_run_id
                        and known_record.kind = 'messages'
                        and known_record.sha256 = staged.sha256
                    limit 1
                ) as known
                    on true
                offset 0
            ) as decoded
            offset 0
        ) as parsed
    ),

    verdict as materialized (
        select
            bool_and(message.is_plain or message.known_id is not null) as is_clean,
            count(*) filter (where message.known_id is null) as expected_count,
            array(
                select distinct named.thread_id
                from message as named
                where named.known_id is null
                order by named.thread_id
            ) as thread_ids
        from message
    ),

    brought as (
        insert into app.chat_messages (
            account_id, id, session_id, thread_id, mode, role, content, client_message_id, misalignment_id,
            evidence, context_events, created_at, updated_at, extra
        )
        select
            p_account_id,
            message.id,
            message.session_id,
            message.thread_id,
            message.mode,
            message.role,
            message.content,
            message.client_message_id,
            message.misalignment_id,
            legacy.evidence(message.evidence),
            legacy.context_events(message.context_events),
            message.created_at,
            message.updated_at,
            message.extra
        from message
        where message.known_id is null
            and (select verdict.is_clean from verdict)
        -- Neighbours in the indexes come in together; numbers are sorted faster than texts.
        order by case when p_is_build then 0 else hashtextextended(message.thread_id, 0) end, message.ordinal
        returning 1
    ),

    booked as (
        update legacy.import_batches as batch
        set
            fates = counted.fates,
            record_ids = counted.record_ids,
            byte_offsets = counted.byte_offsets,
            record_sha256s = counted.record_sha256s,
            thread_ids = (select verdict.thread_ids from verdict),
            session_ids = met.session_ids,
            sessions_began = met.sessions_began,
            sessions_ended = met.sessions_ended
        from (
            select
                string_agg(case when message.known_id is null then 'i' else 'u' end, '' order by message.ordinal) as fates,
                array_agg(coalesce(message.known_id, message.id) order by message.ordinal) as record_ids,
                array_agg(message.byte_offset order by message.ordinal) as byte_offsets,
                array_agg(message.sha256 order by message.ordinal) as record_sha256s
            from message
        ) as counted
        cross join (
            select
                array_agg(session.id order by session.id) as session_ids,
                array_agg(session.began_at order by session.id) as sessions_began,
                array_agg(session.ended_at order by session.id) as sessions_ended
            from (
                select
                    message.session_id as id,
                    min(message.created_at) as began_at,
                    max(message.updated_at) as ended_at
                from message
                where message.known_id is null
                group by message.session_id
            ) as session
        ) as met
        where batch.run_id = p_run_id
            and batch.kind = 'messages'
            and batch.number = p_number
            and (select verdict.is_clean from verdict)
    )

    select
        verdict.is_clean,
        verdict.expected_count,
        (select count(*) from brought),
        verdict.thread_ids
    into v_is_clean, v_expected_count, v_brought_count, v_thread_ids
    from verdict;

    perform legacy.check_no_thread_is_made(p_run_id, p_account_id, v_thread_ids);
    return legacy.check_brought(v_is_clean, v_expected_count, v_brought_count);
exception
    when others then
        if not legacy.is_records_fault(sqlstate) then
            raise;
        end if;
        return false;
end;
$$;
comment on function legacy.bring_plain_messages(bigint, uuid, bigint, bigint, bigint, boolean) is 'Brings all messages of a batch in at once, if all are plain, in threads that are there, and in nobody''s way; else does nothing and returns false.';

create or replace function legacy.bring_plain_tool_events(
    p_run_id bigint,
    p_account_id uuid,
    p_number bigint,
    p_first bigint,
    p_last bigint,
    p_is_build boolean
)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set work_mem = '64MB'
set enable_seqscan = off
set timezone = 'UTC'
as $$
declare
    v_is_clean boolean;
    v_expected_count bigint;
    v_brought_count bigint;
    v_thread_ids text[];
    v_knows_any boolean := exists (select from legacy.known_records where run_id = p_run_id);
begin
    with tool_event as materialized (
        select
            parsed.ordinal,
            parsed.byte_offset,
            parsed.sha256,
            parsed.known_id,
            parsed.text is not null
            and legacy.is_plain_tool_event(parsed.record)
            and legacy.has_unique_fields(parsed.text)
            and case
                -- Else the foreign keys see to it.
                when not p_is_build then true
                when parsed.record ->> 'threadId' is null then exists (
                    select
                    from app.sessions as session
                    where session.account_id = p_account_id
                        and session.id = parsed.record ->> 'sessionId'
                )
                else exists (
                    select
                    from app.chat_threads as thread
                    where thread.account_id = p_account_id
                        and thread.session_id = parsed.record ->> 'sessionId'
                        and thread.id = parsed.record ->> 'threadId'
                )
            end as is_plain,
            parsed.record ->> 'id' as id,
            parsed.record ->> 'sessionId' as session_id,
            parsed.record ->> 'threadId' as thread_id,
            parsed.record ->> 'toolCallId' as tool_call_id,
            parsed.record ->> 'toolName' as tool_name,
            parsed.record ->> 'status' as status,
            parsed.record -> 'arguments' as arguments,
            parsed.record -> 'result' as result,
            parsed.record ->> 'error' as error,
            (parsed.record ->> 'startedAt')::timestamptz as started_at,
            (parsed.record ->> 'completedAt')::timestamptz as completed_at,
            (parsed.record ->> 'latencyMs')::bigint as latency_ms,
            parsed.record -> 'contextEvents' as context_events,
            parsed.record - '{id,sessionId,threadId,toolCallId,toolName,status,arguments,result,error,startedAt,completedAt,latencyMs,contextEvents}'::text[] as extra
        from (
            select
                decoded.ordinal,
                decoded.byte_offset,
                decoded.sha256,
                decoded.known_id,
                decoded.text,
                decoded.text::jsonb as record
            from (
                select
                    staged.ordinal,
                    staged.byte_offset,
                    staged.sha256,
                    known.record_id as known_id,
                    case when known.record_id is null and staged.fault is null then convert_from(staged.raw, 'UTF8') end as text
                from (
                    select *
                    from pg_temp.staged_records as copied
                    where copied.kind = 'tool_events'
                        and copied.ordinal between p_first and p_last

                    union all

                    select *
                    from legacy.staged_records as stored
                    where p_is_build
                        and stored.run_id = p_run_id
                        and stored.kind = 'tool_events'
                        and stored.ordinal between p_first and p_last
                ) as staged
                left join lateral (
                    select known_record.record_id
                    from legacy.known_records as known_record
                    where v_knows_any
                        and known_record.run_id = p_run_id
                        and known_record.kind = 'tool_events'
                        and known_record.sha256 = staged.sha256
                    limit 1
                ) as known
                    on true
                offset 0
            ) as decoded
            offset 0
        ) as parsed
    ),

    verdict as materialized (
        select
            bool_and(tool_event.is_plain or tool_event.known_id is not null) as is_clean,
            count(*) filter (where tool_event.known_id is null) as expected_count
        from tool_event
    ),

    brought as (
        insert into app.chat_tool_events (
            account_id, id, session_id, thread_id, tool_call_id, tool_name, status, arguments, result, error,
            started_at, completed_at, latency_ms, context_events, created_at, updated_at, extra
        )
        select
            p_account_id,
            tool_event.id,
            tool_event.session_id,
            tool_event.thread_id,
            tool_event.tool_call_id,
            tool_event.tool_name,
            tool_event.status,
            tool_event.arguments,
            tool_event.result,
            tool_event.error,
            tool_event.started_at,
            tool_event.completed_at,
            tool_event.latency_ms,
            legacy.context_events(tool_event.context_events),
            tool_event.started_at,
            coalesce(tool_event.completed_at, tool_event.started_at),
            tool_event.extra
        from tool_event
        where tool_event.known_id is null
            and (select verdict.is_clean from verdict)
        order by case when p_is_build then 0 else hashtextextended(tool_event.session_id, 0) end, tool_event.ordinal
        returning 1
    ),

    booked as (
        update legacy.import_batches as batch
        set
            fates = counted.fates,
            record_ids = counted.record_ids,
            byte_offsets = counted.byte_offsets,
            record_sha256s = counted.record_sha256s,
            session_ids = met.session_ids,
            sessions_began = met.sessions_began,
            sessions_ended = met.sessions_ended
        from (
            select
                string_agg(case when tool_event.known_id is null then 'i' else 'u' end, '' order by tool_event.ordinal) as fates,
                array_agg(coalesce(tool_event.known_id, tool_event.id) order by tool_event.ordinal) as record_ids,
                array_agg(tool_event.byte_offset order by tool_event.ordinal) as byte_offsets,
                array_agg(tool_event.sha256 order by tool_event.ordinal) as record_sha256s
            from tool_event
        ) as counted
        cross join (
            select
                array_agg(session.id order by session.id) as session_ids,
                array_agg(session.began_at order by session.id) as sessions_began,
                array_agg(session.ended_at order by session.id) as sessions_ended
            from (
                select
                    tool_event.session_id as id,
                    min(tool_event.started_at) as began_at,
                    max(coalesce(tool_event.completed_at, tool_event.started_at)) as ended_at
                from tool_event
                where tool_event.known_id is null
                group by tool_event.session_id
            ) as session
        ) as met
        where batch.run_id = p_run_id
            and batch.kind = 'tool_events'
            and batch.number = p_number
            and (select verdict.is_clean from verdict)
    )

    select
        verdict.is_clean,
        verdict.expected_count,
        (select count(*) from brought),
        array(
            select distinct tool_event.thread_id
            from tool_event
            where tool_event.known_id is null
        )
    into v_is_clean, v_expected_count, v_brought_count, v_thread_ids
    from verdict;

    perform legacy.check_no_thread_is_made(p_run_id, p_account_id, v_thread_ids);
    return legacy.check_brought(v_is_clean, v_expected_count, v_brought_count);
exception
    when others then
        if not legacy.is_records_fault(sqlstate) then
            raise;
        end if;
        return false;
end;
$$;
comment on function legacy.bring_plain_tool_events(bigint, uuid, bigint, bigint, bigint, boolean) is 'Brings all tool events of a batch in at once, if all are plain, in threads or sessions that are there, and in nobody''s way; else does nothing and returns false.';

create or replace function legacy.check_no_thread_is_made(p_run_id bigint, p_account_id uuid, p_thread_ids text[])
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (
        select
        from legacy.made_threads as made
        where made.account_id = p_account_id
            and made.run_id = p_run_id
            and made.reason = 'thread_missing'
            and made.thread_id = any(p_thread_ids)
    ) then
        raise exception 'a record is to be adopted into a thread that was made'
            using errcode = 'foreign_key_violation';
    end if;
end;
$$;
comment on function legacy.check_no_thread_is_made(bigint, uuid, text[]) is 'Fails if one of the threads is in no file, but made by this run, perhaps a moment ago in a batch at the same time: records that name it are adopted, wherever batches are cut.';

create or replace function legacy.check_brought(p_is_clean boolean, p_expected_count bigint, p_brought_count bigint)
returns boolean
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_brought_count <> (case when p_is_clean then p_expected_count else 0 end) then
        raise exception '% records should have come in, % did', p_expected_count, p_brought_count
            using
                errcode = 'SB003',
                hint = 'Nothing was kept of this batch. This is a fault of sessionbase: please report it with these numbers.';
    end if;
    return p_is_clean;
end;
$$;
comment on function legacy.check_brought(boolean, bigint, bigint) is 'Whether a batch came in; SB003 if not as many rows went into the table as records were to.';

create or replace function legacy.is_records_fault(p_sqlstate text)
returns boolean
language sql
immutable
parallel safe
as $$
    -- A lock that another batch holds may be one on a row of the same id.
    select left(p_sqlstate, 2) in ('22', '23', '54') or p_sqlstate in ('55P03', '53200', 'XX000')
$$;
comment on function legacy.is_records_fault(text) is 'Whether an error can be about a record and not about the server or the code: then each record is looked at, and what is wrong otherwise shows there.';

create or replace function legacy.open_staging()
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set client_min_messages = 'warning'
as $$
-- Definer: the table must be import_definer's, or whoever owns it could have it run code as import_definer.
begin
    create temporary table if not exists staged_records (
        run_id bigint not null,
        kind text not null,
        ordinal bigint not null,
        byte_offset bigint not null,
        raw bytea not null,
        sha256 bytea not null,
        fault text,
        primary key (kind, ordinal)
    ) on commit delete rows;
    perform legacy.check_staging();
    alter table pg_temp.staged_records alter column raw set storage external;
    grant insert on pg_temp.staged_records to importer;
end;
$$;
comment on function legacy.open_staging() is 'Makes the connection''s own staging table, pg_temp.staged_records, of the columns of legacy.staged_records: what a batch copies into it stays in the connection''s memory and is gone with the transaction.';

create or replace function legacy.check_staging()
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (
        select
        from pg_class as class
        where class.oid = to_regclass('pg_temp.staged_records')
            and class.relkind = 'r'
            and class.relowner = 'import_definer'::regrole
    ) then
        raise exception 'pg_temp.staged_records is not the staging table of the import'
            using
                errcode = 'SB004',
                hint = 'Call legacy.open_staging once a connection, and make no table of that name.';
    end if;
end;
$$;
comment on function legacy.check_staging() is 'SB004 unless the connection''s staging table is the one that legacy.open_staging made.';

create or replace function legacy.open_batch(
    p_run_id bigint,
    p_kind text,
    p_number bigint,
    p_first bigint,
    p_count bigint,
    p_end_byte bigint,
    p_prefix_sha256 bytea,
    p_staged_count bigint
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_staged_count <> p_count then
        raise exception '% records of % staged, % announced', p_staged_count, p_kind, p_count
            using
                errcode = 'SB003',
                hint = 'Copy a batch''s records into the staging table before it is imported.';
    end if;

    insert into legacy.import_batches (run_id, kind, number, first_ordinal, record_count, end_byte, prefix_sha256)
    values (p_run_id, p_kind, p_number, p_first, p_count, p_end_byte, p_prefix_sha256);
end;
$$;
comment on function legacy.open_batch(bigint, text, bigint, bigint, bigint, bigint, bytea, bigint) is 'Writes a batch into the books, as staged. SB003 unless as many records are staged as the client says.';

create or replace function legacy.import_batch(
    p_run_id bigint,
    p_attempt bigint,
    p_kind text,
    p_number bigint,
    p_first bigint,
    p_count bigint,
    p_end_byte bigint,
    p_prefix_sha256 bytea,
    p_only_if_clean boolean default false
)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
-- Generic plans: to a planner that knows the account, and knows from its statistics that it has no rows, any index of it is as good.
-- Definer: importer may not write the tables of account data, nor the books.
declare
    v_account_id uuid := legacy.check_run(p_run_id, p_attempt);
begin
    perform legacy.check_staging();
    perform legacy.open_batch(p_run_id, p_kind, p_number, p_first, p_count, p_end_byte, p_prefix_sha256, (
        select count(*)
        from pg_temp.staged_records as staged
        where staged.kind = p_kind
            and staged.ordinal between p_first and p_first + p_count - 1
    ));
    if legacy.bring_plain(p_run_id, v_account_id, p_kind, p_number, false) then
        return true;
    end if;
    if p_only_if_clean then
        return false;
    end if;

    perform legacy.judge_batch(p_run_id, v_account_id, p_kind, p_number, false);
    perform legacy.bring_in_and_settle(p_run_id, v_account_id, p_kind);
    return true;
end;
$$;
comment on function legacy.import_batch(bigint, bigint, text, bigint, bigint, bigint, bigint, bytea, boolean) is 'Imports the staged records of one batch, p_count of them from place p_first on. p_only_if_clean: false, and roll back, if the batch needs a look at each record; that must wait for the batches before it.';

create or replace function legacy.bring_plain(p_run_id bigint, p_account_id uuid, p_kind text, p_number bigint, p_is_build boolean)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_first bigint;
    v_last bigint;
begin
    select
        batch.first_ordinal,
        batch.first_ordinal + batch.record_count - 1
    into v_first, v_last
    from legacy.import_batches as batch
    where batch.run_id = p_run_id
        and batch.kind = p_kind
        and batch.number = p_number;

    return case p_kind
        when 'messages' then legacy.bring_plain_messages(p_run_id, p_account_id, p_number, v_first, v_last, p_is_build)
        when 'tool_events' then legacy.bring_plain_tool_events(p_run_id, p_account_id, p_number, v_first, v_last, p_is_build)
        -- Threads are few, and which of them are active is a question about all of them.
        else false
    end;
end;
$$;
comment on function legacy.bring_plain(bigint, uuid, text, bigint, boolean) is 'Brings a batch in at once, if it can; else returns false. p_is_build: the batch was staged before, and there are no foreign keys.';

create or replace function legacy.judge_batch(p_run_id bigint, p_account_id uuid, p_kind text, p_number bigint, p_is_build boolean)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set timezone = 'UTC'
as $$
declare
    v_first bigint;
    v_last bigint;
begin
    select
        batch.first_ordinal,
        batch.first_ordinal + batch.record_count - 1
    into v_first, v_last
    from legacy.import_batches as batch
    where batch.run_id = p_run_id
        and batch.kind = p_kind
        and batch.number = p_number;

    if p_is_build then
        insert into pg_temp.staged_records (run_id, kind, ordinal, byte_offset, raw, sha256, fault)
        select
            stored.run_id,
            stored.kind,
            stored.ordinal,
            stored.byte_offset,
            stored.raw,
            stored.sha256,
            stored.fault
        from legacy.staged_records as stored
        where stored.run_id = p_run_id
            and stored.kind = p_kind
            and stored.ordinal between v_first and v_last;
    end if;

    -- What came in before is not looked at again.
    update legacy.import_batches as batch
    set
        fates = met.fates,
        record_ids = met.record_ids,
        byte_offsets = met.byte_offsets,
        record_sha256s = met.record_sha256s
    from (
        select
            string_agg(case when known.record_id is null then 'i' else 'u' end, '' order by staged.ordinal) as fates,
            array_agg(known.record_id order by staged.ordinal) as record_ids,
            array_agg(staged.byte_offset order by staged.ordinal) as byte_offsets,
            array_agg(staged.sha256 order by staged.ordinal) as record_sha256s
        from pg_temp.staged_records as staged
        left join lateral (
            select known_record.record_id
            from legacy.known_records as known_record
            where known_record.run_id = p_run_id
                and known_record.kind = p_kind
                and known_record.sha256 = staged.sha256
            limit 1
        ) as known
            on true
        where staged.kind = p_kind
            and staged.ordinal between v_first and v_last
    ) as met
    where batch.run_id = p_run_id
        and batch.kind = p_kind
        and batch.number = p_number;

    insert into legacy.judged_records (
        run_id, kind, ordinal, byte_offset, raw, record, record_id, session_id, thread_id, mode, began_at, ended_at,
        is_plain, fate, reason, field, sqlstate, mends
    )
    select
        p_run_id,
        p_kind,
        judged.ordinal,
        judged.byte_offset,
        judged.raw,
        judged.record,
        case when judged.fault is null then judged.record ->> 'id' end,
        case when judged.fault is null then judged.record ->> 'sessionId' end,
        case when judged.fault is null then judged.record ->> 'threadId' end,
        case
            when judged.fault is not null then null
            when p_kind = 'tool_events' then 'session'
            else judged.record ->> 'mode'
        end,
        case
            when judged.fault is not null then null
            when p_kind = 'tool_events' then (judged.record ->> 'startedAt')::timestamptz
            else (judged.record ->> 'createdAt')::timestamptz
        end,
        case
            when judged.fault is not null then null
            when p_kind = 'tool_events' then coalesce(judged.record ->> 'completedAt', judged.record ->> 'startedAt')::timestamptz
            else (judged.record ->> 'updatedAt')::timestamptz
        end,
        judged.fault is null and judged.mends = '{}' and legacy.is_plain(p_kind, judged.record),
        case when judged.fault is not null then 'quarantined' end,
        split_part(judged.fault, ' ', 1),
        nullif(split_part(judged.fault, ' ', 2), ''),
        judged.refusal,
        coalesce(judged.mends, '{}')
    from (
        select
            staged.ordinal,
            staged.byte_offset,
            staged.raw,
            source.record,
            source.refusal,
            source.mends,
            coalesce(
                staged.fault,
                case when source.refusal is not null then 'not_json' end,
                legacy.record_fault(p_kind, source.record)
            ) as fault
        from legacy.import_batches as batch
        inner join pg_temp.staged_records as staged
            on batch.kind = staged.kind
        left join lateral legacy.read_json(case when staged.fault is null then staged.raw end) as source
            on true
        where batch.run_id = p_run_id
            and batch.kind = p_kind
            and batch.number = p_number
            and staged.ordinal between v_first and v_last
            and substr(batch.fates, (staged.ordinal - batch.first_ordinal + 1)::integer, 1) <> 'u'
        offset 0
    ) as judged;

    -- What was put there a moment ago is unknown to the planner. Batches that are built together are looked at together, at the end.
    if not p_is_build then
        analyze legacy.judged_records;
    end if;
end;
$$;
comment on function legacy.judge_batch(bigint, uuid, text, bigint, boolean) is 'Reads the records of a batch one by one and says what is wrong with each.';

create or replace function legacy.bring_in_nobodys_way(p_run_id bigint, p_account_id uuid, p_kind text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
    v_ordinals bigint[];
begin
    if p_kind = 'threads' then
        return;
    end if;

    select array_agg(candidate.ordinal)
    into v_ordinals
    from (
        select
            judged.ordinal,
            judged.is_plain,
            judged.record,
            judged.began_at,
            judged.ended_at,
            judged.record_id,
            judged.session_id,
            judged.thread_id,
            count(*) over (partition by judged.record ->> 'id') as of_this_id,
            count(*) over (partition by judged.record ->> 'clientMessageId') as of_this_client_message_id
        from legacy.judged_records as judged
        where judged.run_id = p_run_id
            and judged.kind = p_kind
    ) as candidate
    where candidate.is_plain
        and candidate.ended_at >= candidate.began_at
        and candidate.of_this_id = 1
        and (candidate.record ->> 'clientMessageId' is null or candidate.of_this_client_message_id = 1)
        and case p_kind
            when 'messages' then
                not exists (
                    select
                    from app.chat_messages as message
                    where message.account_id = p_account_id
                        and message.id = candidate.record_id
                )
                and not exists (
                    select
                    from app.chat_messages as message
                    where message.account_id = p_account_id
                        and message.session_id = candidate.session_id
                        and message.thread_id = candidate.thread_id
                        and message.client_message_id = candidate.record ->> 'clientMessageId'
                )
            else not exists (
                select
                from app.chat_tool_events as tool_event
                where tool_event.account_id = p_account_id
                    and tool_event.id = candidate.record_id
            )
        end
        and case
            when candidate.thread_id is null then exists (
                select
                from app.sessions as session
                where session.account_id = p_account_id
                    and session.id = candidate.session_id
            )
            else exists (
                select
                from app.chat_threads as thread
                where thread.account_id = p_account_id
                    and thread.session_id = candidate.session_id
                    and thread.id = candidate.thread_id
            )
            -- Made by this run: then it is one of the records that it was made for.
            and not exists (
                select
                from legacy.made_threads as made
                where made.account_id = p_account_id
                    and made.thread_id = candidate.thread_id
                    and made.run_id = p_run_id
                    and made.reason = 'thread_missing'
            )
        end;

    begin
        perform legacy.insert_judged(p_run_id, p_account_id, p_kind, v_ordinals);
        update legacy.judged_records
        set fate = 'imported'
        where run_id = p_run_id
            and kind = p_kind
            and ordinal = any(v_ordinals);
    exception
        when others then
            -- One of them is refused; all are taken the careful way.
            if not legacy.is_records_fault(sqlstate) then
                raise;
            end if;
    end;
end;
$$;
comment on function legacy.bring_in_nobodys_way(bigint, uuid, text) is 'Brings in the judged records that are plain and share nothing with any other, before the others are looked at.';

create or replace function legacy.insert_judged(p_run_id bigint, p_account_id uuid, p_kind text, p_ordinals bigint[])
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    perform legacy.check_brought(true, coalesce(cardinality(p_ordinals), 0), case p_kind
        when 'threads' then legacy.insert_threads(p_run_id, p_account_id, p_ordinals)
        when 'messages' then legacy.insert_messages(p_run_id, p_account_id, p_ordinals)
        else legacy.insert_tool_events(p_run_id, p_account_id, p_ordinals)
    end);
end;
$$;
comment on function legacy.insert_judged(bigint, uuid, text, bigint[]) is 'Writes judged records of a kind into their table, as mended; SB003 unless all of them went there.';

create or replace function legacy.insert_or_quarantine(p_run_id bigint, p_account_id uuid, p_kind text, p_ordinals bigint[])
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_sqlstate text;
    v_half integer := cardinality(p_ordinals) / 2;
begin
    begin
        perform legacy.insert_judged(p_run_id, p_account_id, p_kind, p_ordinals);
        return;
    exception
        when others then
            get stacked diagnostics v_sqlstate = returned_sqlstate;
            if not legacy.is_records_fault(v_sqlstate) then
                raise;
            end if;
            if cardinality(p_ordinals) = 1 then
                -- Of a single record these are what the server is at fault for, unless it is a huge one.
                if left(v_sqlstate, 2) not in ('22', '23', '54') and not (
                    select legacy.is_unreadable(v_sqlstate, octet_length(judged.raw))
                    from legacy.judged_records as judged
                    where judged.run_id = p_run_id
                        and judged.kind = p_kind
                        and judged.ordinal = p_ordinals[1]
                ) then
                    raise;
                end if;
            end if;
    end;

    if cardinality(p_ordinals) = 1 then
        update legacy.judged_records
        set
            fate = 'quarantined',
            reason = 'refused',
            sqlstate = v_sqlstate
        where run_id = p_run_id
            and kind = p_kind
            and ordinal = p_ordinals[1];
        return;
    end if;

    perform legacy.insert_or_quarantine(p_run_id, p_account_id, p_kind, p_ordinals[:v_half]);
    perform legacy.insert_or_quarantine(p_run_id, p_account_id, p_kind, p_ordinals[v_half + 1:]);
end;
$$;
comment on function legacy.insert_or_quarantine(bigint, uuid, text, bigint[]) is 'Writes judged records at once. If Postgres refuses, does each half, down to the one record that is refused; that one is quarantined with its SQLSTATE.';

create or replace function legacy.settle_judged(p_run_id bigint, p_account_id uuid, p_kind text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    update legacy.judged_records
    set fate = case when mends = '{}' then 'imported' else 'adopted' end
    where run_id = p_run_id
        and kind = p_kind
        and fate is null;

    insert into legacy.kept_records as kept (account_id, kind, record_id, mends, raw, run_id, ordinal, byte_offset)
    select
        p_account_id,
        judged.kind,
        judged.record_id,
        judged.mends,
        judged.raw,
        judged.run_id,
        judged.ordinal,
        judged.byte_offset
    from legacy.judged_records as judged
    where judged.run_id = p_run_id
        and judged.kind = p_kind
        and judged.fate in ('imported', 'adopted')
        and (judged.fate = 'adopted' or not judged.is_plain)
    -- Only a record that replaces another can stand here.
    on conflict (account_id, kind, record_id) do update
        set
            mends = excluded.mends,
            raw = excluded.raw,
            row_version = null,
            run_id = excluded.run_id,
            ordinal = excluded.ordinal,
            byte_offset = excluded.byte_offset;

    insert into legacy.quarantine as kept (
        account_id, kind, file_name, ordinal, byte_offset,
        reason, field, sqlstate, raw, raw_sha256, occurrence, run_id, last_run_id
    )
    select
        p_account_id,
        judged.kind,
        legacy.file_name(judged.kind),
        judged.ordinal,
        judged.byte_offset,
        judged.reason,
        judged.field,
        judged.sqlstate,
        judged.raw,
        judged.sha256,
        row_number() over (partition by judged.sha256 order by judged.ordinal) + coalesce(
            (
                -- The highest, not a count: the order is that of the index of hashes, or any index of the account would seem as good.
                select earlier.occurrence
                from legacy.quarantine as earlier
                where earlier.account_id = p_account_id
                    and earlier.kind = judged.kind
                    and earlier.raw_sha256 = judged.sha256
                    and earlier.last_run_id = p_run_id
                order by earlier.occurrence desc
                limit 1
            ),
            0
        ),
        judged.run_id,
        judged.run_id
    from (
        select
            record.*,
            sha256(record.raw) as sha256
        from legacy.judged_records as record
        where record.run_id = p_run_id
            and record.kind = p_kind
            and (record.fate = 'quarantined' or record.reason = 'conflict_kept')
        offset 0
    ) as judged
    on conflict (account_id, kind, raw_sha256, occurrence) do update
        set
            file_name = excluded.file_name,
            file_sha256 = null,
            ordinal = excluded.ordinal,
            byte_offset = excluded.byte_offset,
            reason = excluded.reason,
            field = excluded.field,
            sqlstate = excluded.sqlstate,
            last_run_id = excluded.last_run_id;

    -- Once for all batches, not again for each of them.
    with settled as materialized (
        select
            open_batch.number,
            string_agg(coalesce(left(judged.fate, 1), substr(open_batch.fates, entry.place::integer, 1)), '' order by entry.place) as fates,
            array_agg(
                case
                    when judged.fate = 'quarantined' then null
                    else coalesce(judged.record_id, entry.record_id)
                end
                order by entry.place
            ) as record_ids
        from legacy.import_batches as open_batch
        cross join lateral unnest(open_batch.record_ids) with ordinality as entry (record_id, place)
        left join legacy.judged_records as judged
            on judged.run_id = p_run_id
                and judged.kind = p_kind
                and open_batch.first_ordinal + entry.place - 1 = judged.ordinal
        where open_batch.run_id = p_run_id
            and open_batch.kind = p_kind
            and exists (
                select
                from legacy.judged_records as inside
                where inside.run_id = p_run_id
                    and inside.kind = p_kind
                    and inside.ordinal between open_batch.first_ordinal and open_batch.first_ordinal + open_batch.record_count - 1
            )
        group by open_batch.number
    )

    update legacy.import_batches as batch
    set
        fates = settled.fates,
        record_ids = settled.record_ids,
        thread_ids = coalesce(batch.thread_ids, '{}') || touched.thread_ids,
        session_ids = coalesce(batch.session_ids, '{}') || met.session_ids,
        sessions_began = coalesce(batch.sessions_began, '{}') || met.sessions_began,
        sessions_ended = coalesce(batch.sessions_ended, '{}') || met.sessions_ended
    from settled
    cross join lateral (
        select
            coalesce(array_agg(session.id order by session.id), '{}') as session_ids,
            coalesce(array_agg(session.began_at order by session.id), '{}') as sessions_began,
            coalesce(array_agg(session.ended_at order by session.id), '{}') as sessions_ended
        from (
            select
                judged.session_id as id,
                min(judged.began_at) as began_at,
                max(greatest(judged.began_at, judged.ended_at)) as ended_at
            from legacy.import_batches as open_batch
            inner join legacy.judged_records as judged
                on judged.ordinal between open_batch.first_ordinal and open_batch.first_ordinal + open_batch.record_count - 1
            where open_batch.run_id = p_run_id
                and open_batch.kind = p_kind
                and open_batch.number = settled.number
                and judged.run_id = p_run_id
                and judged.kind = p_kind
                and judged.fate in ('imported', 'adopted')
            group by judged.session_id
        ) as session
    ) as met
    cross join lateral (
        select
            coalesce(array_agg(distinct place.thread_id), '{}') as thread_ids
        from legacy.import_batches as open_batch
        inner join legacy.judged_records as judged
            on judged.ordinal between open_batch.first_ordinal and open_batch.first_ordinal + open_batch.record_count - 1
        cross join lateral (
            values
            (judged.thread_id),
            -- One that it was moved away from.
            (judged.mends -> '*' -> 'from' ->> 'threadId')
        ) as place (thread_id)
        where open_batch.run_id = p_run_id
            and open_batch.kind = p_kind
            and open_batch.number = settled.number
            and judged.run_id = p_run_id
            and judged.kind = p_kind
            and p_kind = 'messages'
            and judged.fate in ('imported', 'adopted')
            and place.thread_id is not null
    ) as touched
    where batch.run_id = p_run_id
        and batch.kind = p_kind
        and batch.number = settled.number;

    delete from legacy.judged_records
    where run_id = p_run_id
        and kind = p_kind;
end;
$$;
comment on function legacy.settle_judged(bigint, uuid, text) is 'Writes down what became of the judged records: legacy.kept_records, legacy.quarantine, and the batches they are of.';

create or replace function legacy.bring_in_and_settle(p_run_id bigint, p_account_id uuid, p_kind text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
-- No scans of tables: plans are kept, and a table of a page now can be of many before they are made anew.
begin
    perform legacy.bring_in_nobodys_way(p_run_id, p_account_id, p_kind);
    perform legacy.bring_judged(p_run_id, p_account_id, p_kind);
    perform legacy.settle_judged(p_run_id, p_account_id, p_kind);
end;
$$;
comment on function legacy.bring_in_and_settle(bigint, uuid, text) is 'Brings all judged records of a kind in, and writes down what became of each.';

create or replace function legacy.file_name(p_kind text)
returns text
language sql
immutable
parallel safe
as $$
    select case p_kind
        when 'threads' then 'chat-threads.json'
        when 'messages' then 'chat-messages.json'
        when 'tool_events' then 'chat-tool-events.json'
    end
$$;
comment on function legacy.file_name(text) is 'The file of the old viewer that has the records of a kind.';

-- Into empty tables: stage all, load it without indexes, build them at the end. All of the load is one transaction.

create or replace function legacy.stage_batch(
    p_run_id bigint,
    p_attempt bigint,
    p_kind text,
    p_number bigint,
    p_first bigint,
    p_count bigint,
    p_end_byte bigint,
    p_prefix_sha256 bytea
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: importer may not write the books.
begin
    perform legacy.check_run(p_run_id, p_attempt);
    perform legacy.open_batch(p_run_id, p_kind, p_number, p_first, p_count, p_end_byte, p_prefix_sha256, (
        select count(*)
        from legacy.staged_records as staged
        where staged.run_id = p_run_id
            and staged.kind = p_kind
            and staged.ordinal between p_first and p_first + p_count - 1
    ));
end;
$$;
comment on function legacy.stage_batch(bigint, bigint, text, bigint, bigint, bigint, bigint, bytea) is 'Writes a staged batch into the books, to be loaded later.';

create or replace function legacy.begin_build(p_run_id bigint, p_attempt bigint)
returns table (kind text, number bigint, end_byte bigint)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: importer may not read the books, nor drop an index.
begin
    perform legacy.check_run(p_run_id, p_attempt);
    -- The run may have been interrupted when its batches were loaded already.
    if not exists (
        select
        from legacy.import_batches as batch
        where batch.run_id = p_run_id
            and batch.fates is null
    ) then
        return;
    end if;

    perform app.drop_chat_keys();
    if not legacy.chat_is_empty() then
        raise exception 'the chat tables are not empty any more'
            using errcode = 'SB005';
    end if;

    return query
        select
            batch.kind,
            batch.number,
            batch.end_byte
        from legacy.import_batches as batch
        where batch.run_id = p_run_id
            and batch.fates is null
        order by array_position('{messages,tool_events}', batch.kind), batch.number;
end;
$$;
comment on function legacy.begin_build(bigint, bigint) is 'Takes the indexes and foreign keys off the empty chat tables, and returns the batches to load; does nothing if there are none. In the same transaction: legacy.load_batch for each of them, then legacy.end_build. SB005: load the batches with their indexes instead.';

create or replace function legacy.load_batch(p_run_id bigint, p_attempt bigint, p_kind text, p_number bigint)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
-- Generic plans: to a planner that knows the account, and knows from its statistics that it has no rows, any index of it is as good.
-- Definer: importer may not write the tables of account data.
declare
    v_account_id uuid := legacy.check_run(p_run_id, p_attempt);
begin
    perform legacy.check_staging();
    if legacy.bring_plain(p_run_id, v_account_id, p_kind, p_number, true) then
        return;
    end if;
    perform legacy.judge_batch(p_run_id, v_account_id, p_kind, p_number, true);
end;
$$;
comment on function legacy.load_batch(bigint, bigint, text, bigint) is 'Loads a staged batch, if all of it is plain; else its records are judged, and come in when the indexes are there again.';

create or replace function legacy.end_build(p_run_id bigint, p_attempt bigint)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
-- Generic plans: to a planner that knows the account, and knows from its statistics that it has no rows, any index of it is as good.
-- Definer: importer may not build an index, nor write the tables of account data.
declare
    v_account_id uuid := legacy.check_run(p_run_id, p_attempt);
    v_kind text;
begin
    begin
        perform app.restore_chat_keys();
    exception
        when unique_violation or foreign_key_violation then
            raise exception 'records are in each other''s way'
                using errcode = 'SB005';
    end;

    -- What was put there a moment ago is unknown to the planner.
    analyze legacy.judged_records;

    -- A judged record that stands before one of its id that is in already was to be first.
    -- The planner has no statistics of rows that came in with this transaction, and its joins would compare all with all:
    -- ids are looked up one by one, which a limit makes sure of; client_message_ids, which no index has by themselves, are intersected.
    if exists (
        select
        from legacy.judged_records as judged
        cross join lateral (
            select
            from app.chat_messages as message
            where message.account_id = v_account_id
                and message.id = judged.record ->> 'id'
            limit 1
        ) as taken
        where judged.run_id = p_run_id
            and judged.kind = 'messages'
    ) or exists (
        select
        from legacy.judged_records as judged
        cross join lateral (
            select
            from app.chat_tool_events as tool_event
            where tool_event.account_id = v_account_id
                and tool_event.id = judged.record ->> 'id'
            limit 1
        ) as taken
        where judged.run_id = p_run_id
            and judged.kind = 'tool_events'
    ) or (
        exists (
            select
            from legacy.judged_records as judged
            where judged.run_id = p_run_id
                and judged.kind = 'messages'
        ) and exists (
            select
                judged.record ->> 'clientMessageId' as client_message_id
            from legacy.judged_records as judged
            where judged.run_id = p_run_id
                and judged.kind = 'messages'
                and judged.record ->> 'clientMessageId' is not null
            intersect
            select
                message.client_message_id
            from app.chat_messages as message
            where message.account_id = v_account_id
                and message.client_message_id is not null
        )
    ) then
        raise exception 'records are in each other''s way'
            using errcode = 'SB005';
    end if;

    foreach v_kind in array '{messages,tool_events}'::text[] loop
        perform legacy.bring_in_and_settle(p_run_id, v_account_id, v_kind);
    end loop;
end;
$$;
comment on function legacy.end_build(bigint, bigint) is 'Builds indexes and foreign keys again, as they were, and brings in the records that were judged. SB005: roll back, and load the batches with their indexes instead.';

create or replace function legacy.give_up_build(p_run_id bigint, p_attempt bigint)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: importer may not write the books.
begin
    perform legacy.check_run(p_run_id, p_attempt);

    delete from legacy.import_batches
    where run_id = p_run_id
        and fates is null;
    delete from legacy.staged_records
    where run_id = p_run_id;

    update legacy.import_runs
    set builds = false
    where id = p_run_id;
end;
$$;
comment on function legacy.give_up_build(bigint, bigint) is 'Forgets what was staged, so that it is imported batch by batch.';

grant execute on function
legacy.open_staging(),
legacy.import_batch(bigint, bigint, text, bigint, bigint, bigint, bigint, bytea, boolean),
legacy.stage_batch(bigint, bigint, text, bigint, bigint, bigint, bigint, bytea),
legacy.begin_build(bigint, bigint),
legacy.load_batch(bigint, bigint, text, bigint),
legacy.end_build(bigint, bigint),
legacy.give_up_build(bigint, bigint)
to importer;
