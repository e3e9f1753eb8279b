-- What each of the three old stores needs to come in, where a batch is not plain: threads, messages, tool events.
-- The records are those of legacy.judged_records. A record without a fate is one that comes in.
set local role import_definer;

-- What is in the way.

create or replace function legacy.source_json(p_account_id uuid, p_kind text, p_id text)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select legacy.unmended(legacy.row_json(p_account_id, p_kind, p_id), (
        select kept.mends
        from legacy.kept_records as kept
        where kept.account_id = p_account_id
            and kept.kind = p_kind
            and kept.record_id = p_id
    ))
$$;
comment on function legacy.source_json(uuid, text, text) is 'The row of an id as the old files had it, mends taken back where the row still has what they put there.';

create or replace function legacy.came_from(p_account_id uuid, p_kind text, p_id text, p_record jsonb)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        (
            select kept.raw is not null and (legacy.read_json(kept.raw)).record = p_record
            from legacy.kept_records as kept
            where kept.account_id = p_account_id
                and kept.kind = p_kind
                and kept.record_id = p_id
        ),
        false
    ) or coalesce(legacy.source_json(p_account_id, p_kind, p_id) = p_record, false)
$$;
comment on function legacy.came_from(uuid, text, text, jsonb) is 'Whether the row of an id is what this record would give, layout and order of fields aside.';

create or replace function legacy.is_same(p_run_id bigint, p_account_id uuid, p_kind text, p_id text, p_record jsonb)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    -- Of this run: compared as two records of one batch are, so that it does not count where batches are cut.
    select case
        when first_of_run.raw is not null then coalesce((legacy.read_json(first_of_run.raw)).record = p_record, false)
        else legacy.came_from(p_account_id, p_kind, p_id, p_record)
    end
    from (
        select coalesce(
            (
                select claim.raw
                from legacy.thread_claims as claim
                where p_kind = 'threads'
                    and claim.account_id = p_account_id
                    and claim.run_id = p_run_id
                    and claim.thread_id = p_id
            ),
            (
                select kept.raw
                from legacy.kept_records as kept
                where kept.account_id = p_account_id
                    and kept.kind = p_kind
                    and kept.record_id = p_id
                    and kept.run_id = p_run_id
            )
        ) as raw
    ) as first_of_run
$$;
comment on function legacy.is_same(bigint, uuid, text, text, jsonb) is 'Whether a record says what the database has of its id, or what the record of this run said that brought it.';

create or replace function legacy.find_conflicts(p_run_id bigint, p_account_id uuid, p_kind text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
as $$
-- No nested loops: fates are newer than the statistics, and the planner would compare all records with all.
declare
    v_on_conflict text := (select on_conflict from legacy.import_runs where id = p_run_id);
begin
    -- What is in the database. A thread that the import made is filled in by its own record.
    update legacy.judged_records as judged
    set
        fate = case when met.is_same then 'unchanged' else 'quarantined' end,
        reason = case when not met.is_same then 'id_in_use' end,
        field = case when not met.is_same then 'id' end
    from (
        select
            candidate.ordinal,
            legacy.is_same(p_run_id, p_account_id, p_kind, candidate.record_id, candidate.record) as is_same
        from legacy.judged_records as candidate
        where candidate.run_id = p_run_id
            and candidate.kind = p_kind
            and candidate.fate is null
            and legacy.row_version(p_account_id, p_kind, candidate.record_id) is not null
            and not (
                p_kind = 'threads'
                and exists (
                    select
                    from legacy.made_threads as made
                    inner join app.chat_threads as thread
                        on made.account_id = thread.account_id and made.thread_id = thread.id
                    where made.account_id = p_account_id
                        and made.thread_id = candidate.record_id
                        and thread.session_id = candidate.session_id
                )
            )
    ) as met
    where judged.run_id = p_run_id
        and judged.kind = p_kind
        and judged.ordinal = met.ordinal;

    -- Whose id it is: this file's, further up, or an earlier import's.
    update legacy.judged_records as judged
    set reason = case
        when booked.first_ordinal < judged.ordinal then 'duplicate_id'
        when booked.is_of_earlier_run then 'conflict'
        else judged.reason
    end
    from (
        select
            met.record_id,
            min(met.ordinal) as first_ordinal,
            bool_or(met.ordinal is null) as is_of_earlier_run
        from (
            select
                entry.record_id,
                case when entry.run_id = p_run_id then entry.ordinal end as ordinal
            from (
                select
                    batch.run_id,
                    unnest(batch.record_ids) as record_id,
                    generate_series(batch.first_ordinal, batch.first_ordinal + batch.record_count - 1) as ordinal
                from legacy.import_batches as batch
                where batch.kind = p_kind
                    and batch.run_id = any(array(
                        select run.id
                        from legacy.import_runs as run
                        where run.account_id = p_account_id
                    ))
            ) as entry
            where entry.record_id in (
                select candidate.record_id
                from legacy.judged_records as candidate
                where candidate.run_id = p_run_id
                    and candidate.kind = p_kind
                    and candidate.reason = 'id_in_use'
            )
                -- One that the database's row was kept against says nothing of whose the id is.
                and not exists (
                    select
                    from legacy.quarantine as kept
                    where kept.account_id = p_account_id
                        and kept.last_run_id = entry.run_id
                        and kept.kind = p_kind
                        and kept.ordinal = entry.ordinal
                        and kept.reason = 'conflict_kept'
                )

            union all

            select
                twin.record_id,
                twin.ordinal
            from legacy.judged_records as twin
            where twin.run_id = p_run_id
                and twin.kind = p_kind
                -- One that has no fate yet fills in a thread that the import made.
                and coalesce(twin.fate, 'unchanged') = 'unchanged'
        ) as met
        group by met.record_id
    ) as booked
    where judged.run_id = p_run_id
        and judged.kind = p_kind
        and judged.reason = 'id_in_use'
        and judged.record_id = booked.record_id;

    -- The same id again in this batch: equal records collapse, of differing ones the first counts.
    update legacy.judged_records as judged
    set
        fate = case when ranked.is_same then 'unchanged' else 'quarantined' end,
        reason = case when not ranked.is_same then 'duplicate_id' end,
        field = case when not ranked.is_same then 'id' end
    from (
        select
            candidate.ordinal,
            candidate.record = first_value(candidate.record) over by_id as is_same,
            row_number() over by_id as place
        from legacy.judged_records as candidate
        where candidate.run_id = p_run_id
            and candidate.kind = p_kind
            and candidate.fate is null
        window by_id as (partition by candidate.record_id order by candidate.ordinal)
    ) as ranked
    where judged.run_id = p_run_id
        and judged.kind = p_kind
        and judged.ordinal = ranked.ordinal
        and ranked.place > 1;

    if v_on_conflict = 'keep' then
        update legacy.judged_records
        set
            fate = 'unchanged',
            reason = 'conflict_kept'
        where run_id = p_run_id
            and kind = p_kind
            and reason in ('conflict', 'id_in_use');
    elsif v_on_conflict = 'replace' then
        -- The first of an id replaces the row, in its session: a thread or message does not move to another.
        -- Those behind it meet what it said.
        update legacy.judged_records as judged
        set
            fate = case
                when judged.ordinal = replacing.ordinal then null
                when judged.record = replacing.record then 'unchanged'
                else 'quarantined'
            end,
            reason = case when judged.ordinal > replacing.ordinal and judged.record <> replacing.record then 'duplicate_id' end,
            field = case when judged.ordinal > replacing.ordinal and judged.record <> replacing.record then 'id' end,
            mends = judged.mends || case
                when judged.ordinal > replacing.ordinal then '{}'
                else jsonb_build_object('*', jsonb_build_object(
                    'reason', 'conflict_replaced',
                    'from', legacy.row_json(p_account_id, p_kind, judged.record_id)
                ))
            end
        from (
            select distinct on (candidate.record_id)
                candidate.record_id,
                candidate.ordinal,
                candidate.record
            from legacy.judged_records as candidate
            where candidate.run_id = p_run_id
                and candidate.kind = p_kind
                and candidate.reason in ('conflict', 'id_in_use')
                and legacy.row_json(p_account_id, p_kind, candidate.record_id) ->> 'sessionId' = candidate.session_id
            order by candidate.record_id, candidate.ordinal
        ) as replacing
        where judged.run_id = p_run_id
            and judged.kind = p_kind
            and judged.record_id = replacing.record_id
            and judged.ordinal >= replacing.ordinal
            and (judged.fate = 'unchanged' or judged.reason in ('conflict', 'id_in_use'));
    end if;
end;
$$;
comment on function legacy.find_conflicts(bigint, uuid, text) is 'Finds judged records whose id is in the database, or stands twice: the same content is unchanged, other content goes as the run''s on_conflict says.';

create or replace function legacy.bring_judged(p_run_id bigint, p_account_id uuid, p_kind text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    perform legacy.find_conflicts(p_run_id, p_account_id, p_kind);

    if p_kind = 'threads' then
        perform legacy.mend_active_threads(p_run_id, p_account_id);
    end if;
    if p_kind <> 'tool_events' then
        perform legacy.mend_times(p_run_id, p_kind);
    end if;
    perform legacy.ensure_sessions(p_run_id, p_account_id, p_kind);
    if p_kind <> 'threads' then
        if p_kind = 'messages' then
            perform legacy.place_in_active_threads(p_run_id, p_account_id);
        end if;
        perform legacy.make_missing_threads(p_run_id, p_account_id, p_kind);
        perform legacy.part_from_other_sessions(p_run_id, p_account_id, p_kind);
    end if;
    if p_kind = 'messages' then
        perform legacy.mend_client_message_ids(p_run_id, p_account_id);
    end if;

    perform legacy.insert_or_quarantine(p_run_id, p_account_id, p_kind, batch.ordinals)
    from (
        select array_agg(judged.ordinal order by judged.ordinal) as ordinals
        from legacy.judged_records as judged
        where judged.run_id = p_run_id
            and judged.kind = p_kind
            and judged.fate is null
    ) as batch
    where batch.ordinals is not null;

    -- The twin of a record that Postgres refused is as refused as it.
    update legacy.judged_records as twin
    set
        fate = 'quarantined',
        reason = 'refused',
        sqlstate = refused.sqlstate
    from (
        select
            candidate.ordinal,
            candidate.fate,
            max(candidate.sqlstate) filter (where candidate.reason = 'refused') over (
                partition by candidate.record_id
                order by candidate.ordinal
            ) as sqlstate
        from legacy.judged_records as candidate
        where candidate.run_id = p_run_id
            and candidate.kind = p_kind
            and candidate.record_id is not null
    ) as refused
    where twin.run_id = p_run_id
        and twin.kind = p_kind
        and twin.ordinal = refused.ordinal
        and refused.fate = 'unchanged'
        and refused.sqlstate is not null;

    if p_kind = 'threads' then
        perform legacy.note_threads(p_run_id, p_account_id);
    end if;
end;
$$;
comment on function legacy.bring_judged(bigint, uuid, text) is 'Brings in the judged records that have no fate yet, mended where they need it.';

create or replace function legacy.ensure_sessions(p_run_id bigint, p_account_id uuid, p_kind text)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
    insert into app.sessions (account_id, id, created_at, updated_at)
    select
        p_account_id,
        judged.session_id,
        min(judged.began_at),
        max(greatest(judged.began_at, judged.ended_at))
    from legacy.judged_records as judged
    where judged.run_id = p_run_id
        and judged.kind = p_kind
        and judged.fate is null
    group by judged.session_id
    on conflict (account_id, id) do nothing
$$;
comment on function legacy.ensure_sessions(bigint, uuid, text) is 'Makes the sessions that judged records belong to. Their times are widened when the run ends.';

create or replace function legacy.mend_times(p_run_id bigint, p_kind text)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
    update legacy.judged_records as judged
    set mends = judged.mends || legacy.mend(
        judged.record,
        'updatedAt',
        'updated_before_created',
        judged.record -> 'createdAt'
    )
    where judged.run_id = p_run_id
        and judged.kind = p_kind
        and judged.fate is null
        and judged.ended_at < judged.began_at
$$;
comment on function legacy.mend_times(bigint, text) is 'Raises updatedAt to createdAt where it is before it.';

-- Threads.

create or replace function legacy.mend_active_threads(p_run_id bigint, p_account_id uuid)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_outdone_ids text[];
begin
    -- Of the active threads of this run the latest stays active, of equally late ones the first, in whichever batch it came.
    with rival as (
        select
            judged.ordinal,
            judged.record_id as thread_id,
            judged.session_id,
            judged.mode,
            greatest(judged.began_at, judged.ended_at) as updated_at,
            true as is_judged
        from legacy.judged_records as judged
        where judged.run_id = p_run_id
            and judged.kind = 'threads'
            and judged.fate is null
            and judged.record ->> 'status' = 'active'

        union all

        select
            claim.ordinal,
            thread.id,
            thread.session_id,
            thread.mode,
            thread.updated_at,
            false
        from legacy.thread_claims as claim
        inner join app.chat_threads as thread
            on claim.account_id = thread.account_id and claim.thread_id = thread.id
        where claim.account_id = p_account_id
            and claim.run_id = p_run_id
            and thread.status = 'active'
    ),

    ranked as (
        select
            rival.*,
            row_number() over (
                partition by rival.session_id, rival.mode
                order by rival.updated_at desc, rival.ordinal
            ) as place,
            exists (
                select
                from app.chat_threads as thread
                where thread.account_id = p_account_id
                    and thread.session_id = rival.session_id
                    and thread.mode = rival.mode
                    and thread.status = 'active'
                    and thread.id <> rival.thread_id
                    and not exists (
                        select
                        from legacy.thread_claims as claim
                        where claim.account_id = p_account_id
                            and claim.run_id = p_run_id
                            and claim.thread_id = thread.id
                    )
            ) as other_is_active
        from rival
    ),

    mended as (
        update legacy.judged_records as judged
        set mends = judged.mends || legacy.mend(
            judged.record,
            'status',
            case when ranked.place > 1 then 'second_active_thread' else 'active_thread_exists' end,
            '"archived"'
        )
        from ranked
        where ranked.is_judged
            and judged.run_id = p_run_id
            and judged.kind = 'threads'
            and judged.ordinal = ranked.ordinal
            and (ranked.place > 1 or ranked.other_is_active)
    )

    select array_agg(ranked.thread_id)
    into v_outdone_ids
    from ranked
    where not ranked.is_judged
        and ranked.place > 1;

    if v_outdone_ids is not null then
        update app.chat_threads
        set status = 'archived'
        where account_id = p_account_id
            and id = any(v_outdone_ids);

        perform legacy.mend_claimed_threads(p_run_id, p_account_id, (
            select jsonb_object_agg(outdone.id, jsonb_build_object('status', jsonb_build_object(
                'reason', 'second_active_thread',
                'from', 'active',
                'to', 'archived'
            )))
            from unnest(v_outdone_ids) as outdone (id)
        ));
    end if;
end;
$$;
comment on function legacy.mend_active_threads(bigint, uuid) is 'Leaves one active thread a session and mode: the one the database had before the run, or else the latest of the file.';

create or replace function legacy.mend_claimed_threads(p_run_id bigint, p_account_id uuid, p_mends jsonb)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
as $$
-- No nested loops: the planner has no statistics of the claims, and would compare all of them with all records.
begin
    insert into legacy.kept_records as kept (account_id, kind, record_id, mends, raw, run_id, ordinal, byte_offset)
    select
        p_account_id,
        'threads',
        claim.thread_id,
        mend.value,
        claim.raw,
        p_run_id,
        claim.ordinal,
        claim.byte_offset
    from jsonb_each(p_mends) as mend
    inner join legacy.thread_claims as claim
        on mend.key = claim.thread_id
    where claim.account_id = p_account_id
        and claim.run_id = p_run_id
    on conflict (account_id, kind, record_id) do update
        set mends = kept.mends || excluded.mends;

    update legacy.import_batches as batch
    set fates = mended.fates
    from (
        select
            letter.number,
            string_agg(case when claimed.ordinal is not null then 'a' else letter.fate end, '' order by letter.ordinal) as fates
        from (
            select
                earlier.number,
                regexp_split_to_table(earlier.fates, '') as fate,
                generate_series(earlier.first_ordinal, earlier.first_ordinal + earlier.record_count - 1) as ordinal
            from legacy.import_batches as earlier
            where earlier.run_id = p_run_id
                and earlier.kind = 'threads'
        ) as letter
        left join (
            select claim.ordinal
            from legacy.thread_claims as claim
            where claim.account_id = p_account_id
                and claim.run_id = p_run_id
                and claim.thread_id in (select jsonb_object_keys(p_mends))
        ) as claimed
            on letter.ordinal = claimed.ordinal
        group by letter.number
    ) as mended
    where batch.run_id = p_run_id
        and batch.kind = 'threads'
        and batch.number = mended.number
        and batch.fates <> mended.fates;
end;
$$;
comment on function legacy.mend_claimed_threads(bigint, uuid, jsonb) is 'Adds mends, by thread, to threads that this run has brought already: they count as adopted from then on.';

create or replace function legacy.insert_threads(p_run_id bigint, p_account_id uuid, p_ordinals bigint[])
returns bigint
language sql
volatile
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
    with brought as (
        insert into app.chat_threads (
            account_id, id, session_id, mode, title, status, created_at, updated_at, extra
        )
        select
            p_account_id,
            judged.record_id,
            mended.record ->> 'sessionId',
            mended.record ->> 'mode',
            mended.record ->> 'title',
            mended.record ->> 'status',
            (mended.record ->> 'createdAt')::timestamptz,
            (mended.record ->> 'updatedAt')::timestamptz,
            judged.record - '{id,sessionId,mode,title,status,messageCount,lastMessagePreview,lastMessageAt,createdAt,updatedAt}'::text[]
        from legacy.judged_records as judged
        cross join legacy.mended(judged.record, judged.mends) as mended (record)
        where judged.run_id = p_run_id
            and judged.kind = 'threads'
            and judged.ordinal = any(p_ordinals)
        -- One that the import made, or one that the record is to replace: all others have been set aside.
        on conflict (account_id, id) do update
            set
                mode = excluded.mode,
                title = excluded.title,
                status = excluded.status,
                created_at = excluded.created_at,
                updated_at = excluded.updated_at,
                extra = excluded.extra
        returning 1
    )

    select count(*)
    from brought
$$;
comment on function legacy.insert_threads(bigint, uuid, bigint[]) is 'Writes threads, and counts them. Their counts are derived when the run ends.';

create or replace function legacy.note_threads(p_run_id bigint, p_account_id uuid)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into legacy.thread_claims (account_id, thread_id, run_id, number, ordinal, byte_offset, record, raw)
    select
        p_account_id,
        judged.record_id,
        p_run_id,
        batch.number,
        judged.ordinal,
        judged.byte_offset,
        jsonb_build_object(
            'messageCount', judged.record -> 'messageCount',
            'lastMessagePreview', judged.record -> 'lastMessagePreview',
            'lastMessageAt', judged.record -> 'lastMessageAt'
        ),
        judged.raw
    from legacy.judged_records as judged
    inner join legacy.import_batches as batch
        on judged.run_id = batch.run_id
            and judged.kind = batch.kind
            and judged.ordinal between batch.first_ordinal and batch.first_ordinal + batch.record_count - 1
    where judged.run_id = p_run_id
        and judged.kind = 'threads'
        and judged.fate is null;

    delete from legacy.made_threads as made
    using legacy.judged_records as judged
    where judged.run_id = p_run_id
        and judged.kind = 'threads'
        and judged.fate is null
        and made.account_id = p_account_id
        and made.thread_id = judged.record_id;
end;
$$;
comment on function legacy.note_threads(bigint, uuid) is 'Notes what the records of threads that came in say of their messages, and that these threads are no made ones any more.';

-- The thread of a message or a tool event.

create or replace function legacy.make_thread(
    p_run_id bigint,
    p_account_id uuid,
    p_thread_id text,
    p_session_id text,
    p_mode text,
    p_status text,
    p_reason text,
    p_created_at timestamptz,
    p_updated_at timestamptz
)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
    with made as (
        insert into app.chat_threads (account_id, id, session_id, mode, title, status, created_at, updated_at)
        values (
            p_account_id,
            p_thread_id,
            p_session_id,
            p_mode,
            app.default_thread_title(p_mode),
            p_status,
            p_created_at,
            greatest(p_created_at, p_updated_at)
        )
        on conflict (account_id, id) do nothing
        returning account_id, id
    )

    insert into legacy.made_threads (account_id, thread_id, reason, run_id)
    select
        made.account_id,
        made.id,
        p_reason,
        p_run_id
    from made
$$;
comment on function legacy.make_thread(bigint, uuid, text, text, text, text, text, timestamptz, timestamptz) is 'Makes a thread that stands in no file, and says so in legacy.made_threads. Does nothing if there is one of that id.';

create or replace function legacy.widen_made_threads(p_run_id bigint, p_account_id uuid, p_kind text)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
    -- A batch cuts a made thread's records in two or more; its times must be the same whatever the cut.
    update app.chat_threads as thread
    set
        created_at = least(thread.created_at, met.began_at),
        updated_at = greatest(thread.updated_at, met.ended_at)
    from (
        select
            judged.thread_id,
            min(judged.began_at) as began_at,
            max(greatest(judged.began_at, judged.ended_at)) as ended_at
        from legacy.judged_records as judged
        -- Looked up one by one, which a limit makes sure of: the planner has no statistics of the made threads.
        cross join lateral (
            select
                made.run_id,
                made.reason
            from legacy.made_threads as made
            where made.account_id = p_account_id
                and made.thread_id = judged.thread_id
            limit 1
        ) as made
        where judged.run_id = p_run_id
            and judged.kind = p_kind
            and judged.fate is null
            and judged.mends ? 'threadId'
            and made.run_id = p_run_id
            and judged.mends -> 'threadId' ->> 'reason' = made.reason
        group by judged.thread_id
    ) as met
    where thread.account_id = p_account_id
        and thread.id = met.thread_id
        and (met.began_at < thread.created_at or met.ended_at > thread.updated_at)
$$;
comment on function legacy.widen_made_threads(bigint, uuid, text) is 'Widens the times of threads that this run made to hold the records they were made for.';

create or replace function legacy.place_in_active_threads(p_run_id bigint, p_account_id uuid)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    perform legacy.make_thread(
        p_run_id,
        p_account_id,
        legacy.made_thread_id('active', p_account_id::text, need.session_id, need.mode),
        need.session_id,
        need.mode,
        'active',
        'thread_absent',
        min(need.began_at),
        max(need.ended_at)
    )
    from legacy.judged_records as need
    where need.run_id = p_run_id
        and need.kind = 'messages'
        and need.fate is null
        and need.thread_id is null
        and not exists (
            select
            from app.chat_threads as thread
            where thread.account_id = p_account_id
                and need.session_id = thread.session_id
                and thread.mode = need.mode
                and thread.status = 'active'
        )
    group by need.session_id, need.mode;

    update legacy.judged_records as judged
    set
        thread_id = place.thread_id,
        mends = judged.mends || legacy.mend(judged.record, 'threadId', 'thread_absent', to_jsonb(place.thread_id))
    from (
        select
            need.ordinal,
            coalesce(
                thread.id,
                -- The thread that an earlier run made, archived since.
                legacy.made_thread_id('active', p_account_id::text, need.session_id, need.mode)
            ) as thread_id
        from legacy.judged_records as need
        left join app.chat_threads as thread
            on thread.account_id = p_account_id
                and need.session_id = thread.session_id
                and need.mode = thread.mode
                and thread.status = 'active'
        where need.run_id = p_run_id
            and need.kind = 'messages'
            and need.fate is null
            and need.thread_id is null
    ) as place
    where judged.run_id = p_run_id
        and judged.kind = 'messages'
        and judged.ordinal = place.ordinal;

    perform legacy.widen_made_threads(p_run_id, p_account_id, 'messages');
end;
$$;
comment on function legacy.place_in_active_threads(bigint, uuid) is 'Puts messages that name no thread into the active thread of their session and mode, which is made if there is none.';

create or replace function legacy.make_missing_threads(p_run_id bigint, p_account_id uuid, p_kind text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    -- The thread goes to the session, and is of the mode, of the first record that names it.
    perform legacy.make_thread(
        p_run_id,
        p_account_id,
        need.thread_id,
        need.session_id,
        need.mode,
        'archived',
        'thread_missing',
        need.began_at,
        need.ended_at
    )
    from (
        select distinct on (judged.thread_id) judged.*
        from legacy.judged_records as judged
        where judged.run_id = p_run_id
            and judged.kind = p_kind
            and judged.fate is null
            and judged.thread_id is not null
            and not exists (
                select
                from app.chat_threads as thread
                where thread.account_id = p_account_id
                    and thread.id = judged.thread_id
            )
        order by judged.thread_id, judged.ordinal
    ) as need;

    -- All that name it are adopted into it, of this batch or a later one.
    update legacy.judged_records as judged
    set mends = judged.mends || legacy.mend(judged.record, 'threadId', 'thread_missing', to_jsonb(judged.thread_id))
    from (
        select need.ordinal
        from legacy.judged_records as need
        -- Looked up one by one, as above.
        cross join lateral (
            select
                made.run_id,
                made.reason
            from legacy.made_threads as made
            where made.account_id = p_account_id
                and made.thread_id = need.thread_id
            limit 1
        ) as made
        cross join lateral (
            select thread.session_id
            from app.chat_threads as thread
            where thread.account_id = p_account_id
                and thread.id = need.thread_id
            limit 1
        ) as thread
        where need.run_id = p_run_id
            and need.kind = p_kind
            and need.fate is null
            and not need.mends ? 'threadId'
            and made.run_id = p_run_id
            and made.reason = 'thread_missing'
            and need.session_id = thread.session_id
    ) as adopted
    where judged.run_id = p_run_id
        and judged.kind = p_kind
        and judged.ordinal = adopted.ordinal;

    perform legacy.widen_made_threads(p_run_id, p_account_id, p_kind);
end;
$$;
comment on function legacy.make_missing_threads(bigint, uuid, text) is 'Makes the threads that records name and no file has.';

create or replace function legacy.part_from_other_sessions(p_run_id bigint, p_account_id uuid, p_kind text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    update legacy.judged_records as judged
    set
        thread_id = legacy.made_thread_id('other session', p_account_id::text, judged.session_id, judged.thread_id),
        mends = judged.mends || legacy.mend(
            judged.record,
            'threadId',
            'thread_of_other_session',
            to_jsonb(legacy.made_thread_id('other session', p_account_id::text, judged.session_id, judged.thread_id))
        )
    from app.chat_threads as thread
    where judged.run_id = p_run_id
        and judged.kind = p_kind
        and judged.fate is null
        and thread.account_id = p_account_id
        and thread.id = judged.thread_id
        and thread.session_id <> judged.session_id;

    perform legacy.make_thread(
        p_run_id,
        p_account_id,
        need.thread_id,
        need.session_id,
        need.mode,
        'archived',
        'thread_of_other_session',
        need.began_at,
        need.ended_at
    )
    from (
        select distinct on (judged.thread_id) judged.*
        from legacy.judged_records as judged
        where judged.run_id = p_run_id
            and judged.kind = p_kind
            and judged.fate is null
            and judged.mends -> 'threadId' ->> 'reason' = 'thread_of_other_session'
        order by judged.thread_id, judged.ordinal
    ) as need;

    perform legacy.widen_made_threads(p_run_id, p_account_id, p_kind);
end;
$$;
comment on function legacy.part_from_other_sessions(bigint, uuid, text) is 'Gives records that name a thread of another session a thread of their own session.';

-- Messages.

create or replace function legacy.mend_client_message_ids(p_run_id bigint, p_account_id uuid)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
    update legacy.judged_records as judged
    set mends = judged.mends || legacy.mend(judged.record, 'clientMessageId', 'client_message_id_taken', 'null')
    from (
        select
            candidate.ordinal,
            row_number() over (
                partition by candidate.thread_id, candidate.record ->> 'clientMessageId'
                order by candidate.ordinal
            ) as place,
            exists (
                select
                from app.chat_messages as message
                where message.account_id = p_account_id
                    and message.session_id = candidate.session_id
                    and message.thread_id = candidate.thread_id
                    and message.client_message_id = candidate.record ->> 'clientMessageId'
                    and message.id <> candidate.record_id
            ) as is_taken
        from legacy.judged_records as candidate
        where candidate.run_id = p_run_id
            and candidate.kind = 'messages'
            and candidate.fate is null
            and candidate.record ->> 'clientMessageId' is not null
    ) as ranked
    where judged.run_id = p_run_id
        and judged.kind = 'messages'
        and judged.ordinal = ranked.ordinal
        and (ranked.place > 1 or ranked.is_taken)
$$;
comment on function legacy.mend_client_message_ids(bigint, uuid) is 'Lets the first message of a thread keep a clientMessageId; others of the same come in without it.';

create or replace function legacy.insert_messages(p_run_id bigint, p_account_id uuid, p_ordinals bigint[])
returns bigint
language sql
volatile
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
    with brought as (
        insert into app.chat_messages (
            account_id, id, session_id, thread_id, mode, role, content, client_message_id, misalignment_id,
            evidence, context_events, created_at, updated_at, extra
        )
        select
            p_account_id,
            judged.record_id,
            mended.record ->> 'sessionId',
            mended.record ->> 'threadId',
            mended.record ->> 'mode',
            mended.record ->> 'role',
            mended.record ->> 'content',
            mended.record ->> 'clientMessageId',
            mended.record ->> 'misalignmentId',
            legacy.evidence(nullif(mended.record -> 'evidence', 'null')),
            legacy.context_events(nullif(mended.record -> 'contextEvents', 'null')),
            (mended.record ->> 'createdAt')::timestamptz,
            (mended.record ->> 'updatedAt')::timestamptz,
            judged.record - '{id,sessionId,threadId,mode,role,content,clientMessageId,misalignmentId,evidence,contextEvents,createdAt,updatedAt}'::text[]
        from legacy.judged_records as judged
        cross join legacy.mended(judged.record, judged.mends) as mended (record)
        where judged.run_id = p_run_id
            and judged.kind = 'messages'
            and judged.ordinal = any(p_ordinals)
        -- Only one that the record is to replace: all others have been set aside.
        on conflict (account_id, id) do update
            set
                thread_id = excluded.thread_id,
                mode = excluded.mode,
                role = excluded.role,
                content = excluded.content,
                client_message_id = excluded.client_message_id,
                misalignment_id = excluded.misalignment_id,
                evidence = excluded.evidence,
                context_events = excluded.context_events,
                created_at = excluded.created_at,
                updated_at = excluded.updated_at,
                extra = excluded.extra
        returning 1
    )

    select count(*)
    from brought
$$;
comment on function legacy.insert_messages(bigint, uuid, bigint[]) is 'Writes messages, and counts them.';

-- Tool events.

create or replace function legacy.insert_tool_events(p_run_id bigint, p_account_id uuid, p_ordinals bigint[])
returns bigint
language sql
volatile
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
    with brought as (
        insert into app.chat_tool_events (
            account_id, id, session_id, thread_id, tool_call_id, tool_name, status, arguments, result, error,
            started_at, completed_at, latency_ms, context_events, created_at, updated_at, extra
        )
        select
            p_account_id,
            judged.record_id,
            mended.record ->> 'sessionId',
            mended.record ->> 'threadId',
            mended.record ->> 'toolCallId',
            mended.record ->> 'toolName',
            mended.record ->> 'status',
            mended.record -> 'arguments',
            mended.record -> 'result',
            mended.record ->> 'error',
            (mended.record ->> 'startedAt')::timestamptz,
            (mended.record ->> 'completedAt')::timestamptz,
            (mended.record ->> 'latencyMs')::bigint,
            legacy.context_events(nullif(mended.record -> 'contextEvents', 'null')),
            (mended.record ->> 'startedAt')::timestamptz,
            coalesce(mended.record ->> 'completedAt', mended.record ->> 'startedAt')::timestamptz,
            judged.record - '{id,sessionId,threadId,toolCallId,toolName,status,arguments,result,error,startedAt,completedAt,latencyMs,contextEvents}'::text[]
        from legacy.judged_records as judged
        cross join legacy.mended(judged.record, judged.mends) as mended (record)
        where judged.run_id = p_run_id
            and judged.kind = 'tool_events'
            and judged.ordinal = any(p_ordinals)
        -- Only one that the record is to replace: all others have been set aside.
        on conflict (account_id, id) do update
            set
                thread_id = excluded.thread_id,
                tool_call_id = excluded.tool_call_id,
                tool_name = excluded.tool_name,
                status = excluded.status,
                arguments = excluded.arguments,
                result = excluded.result,
                error = excluded.error,
                started_at = excluded.started_at,
                completed_at = excluded.completed_at,
                latency_ms = excluded.latency_ms,
                context_events = excluded.context_events,
                created_at = excluded.created_at,
                updated_at = excluded.updated_at,
                extra = excluded.extra
        returning 1
    )

    select count(*)
    from brought
$$;
comment on function legacy.insert_tool_events(bigint, uuid, bigint[]) is 'Writes tool events, and counts them.';

-- What threads derive from their messages, when all are in.

create or replace function legacy.derive_threads(p_run_id bigint)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set enable_seqscan = off
as $$
    update app.chat_threads as thread
    set
        message_count = derived.message_count,
        last_message_preview = derived.last_message_preview,
        last_message_at = derived.last_message_at
    from (
        select
            touched.account_id,
            touched.thread_id,
            counted.message_count,
            app.message_preview(newest.content) as last_message_preview,
            newest.created_at as last_message_at
        from (
            select
                run.account_id,
                entry.thread_id
            from legacy.import_runs as run
            inner join legacy.import_batches as batch
                on run.id = batch.run_id
            cross join lateral unnest(batch.thread_ids) as entry (thread_id)
            where run.id = p_run_id

            union

            select
                claim.account_id,
                claim.thread_id
            from legacy.import_runs as run
            inner join legacy.thread_claims as claim
                on run.account_id = claim.account_id and run.id = claim.run_id
            where run.id = p_run_id
        ) as touched
        cross join lateral (
            -- Counted, not added up: the application may have written in the meantime.
            select count(*) as message_count
            from app.chat_messages as message
            where message.account_id = touched.account_id
                and message.thread_id = touched.thread_id
        ) as counted
        left join lateral (
            select
                message.content,
                message.created_at
            from app.chat_messages as message
            where message.account_id = touched.account_id
                and message.thread_id = touched.thread_id
            order by message.created_at desc, message.id desc
            limit 1
        ) as newest
            on true
    ) as derived
    where thread.account_id = derived.account_id
        and thread.id = derived.thread_id
        and (thread.message_count, thread.last_message_preview, thread.last_message_at)
        is distinct from (derived.message_count, derived.last_message_preview, derived.last_message_at)
$$;
comment on function legacy.derive_threads(bigint) is 'Sets count, preview and last time of the threads that a run touched from their messages.';

create or replace function legacy.keep_claims(p_run_id bigint)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
    v_account_id uuid := (select account_id from legacy.import_runs where id = p_run_id);
begin
    perform legacy.mend_claimed_threads(p_run_id, v_account_id, coalesce(
        (
            select jsonb_object_agg(differing.thread_id, differing.mends)
            from (
                select
                    claim.thread_id,
                    jsonb_object_agg(
                        compared.field,
                        legacy.mend(claim.record, compared.field, 'derived_from_messages', compared.now) -> compared.field
                    ) as mends
                from legacy.thread_claims as claim
                inner join app.chat_threads as thread
                    on claim.account_id = thread.account_id and claim.thread_id = thread.id
                cross join lateral (
                    values
                    (
                        'messageCount',
                        to_jsonb(thread.message_count),
                        claim.record -> 'messageCount' is distinct from to_jsonb(thread.message_count)
                    ),
                    (
                        'lastMessagePreview',
                        to_jsonb(thread.last_message_preview),
                        claim.record ->> 'lastMessagePreview' is distinct from thread.last_message_preview
                    ),
                    (
                        'lastMessageAt',
                        to_jsonb(legacy.json_time(thread.last_message_at)),
                        case
                            when app.is_time(claim.record ->> 'lastMessageAt')
                                then (claim.record ->> 'lastMessageAt')::timestamptz is distinct from thread.last_message_at
                            else claim.record ->> 'lastMessageAt' is not null or thread.last_message_at is not null
                        end
                    )
                ) as compared (field, now, differs)
                where claim.account_id = v_account_id
                    and claim.run_id = p_run_id
                    and compared.differs
                group by claim.thread_id
            ) as differing
        ),
        '{}'
    ));

    delete from legacy.thread_claims
    where account_id = v_account_id
        and run_id = p_run_id;
end;
$$;
comment on function legacy.keep_claims(bigint) is 'Where a thread''s record says other things of its messages than they do, keeps what it says as a mend.';
