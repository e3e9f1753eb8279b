-- A run of the import, from its beginning to its checked end. How a batch comes in is in legacy_batches.sql.
-- A client calls, as the role importer:
--   legacy.interrupted_run, to learn where a run that was interrupted can go on; legacy.begin_import;
--   once a connection legacy.open_staging; for each batch of each file, in a transaction: COPY into pg_temp.staged_records and legacy.import_batch;
--   at the end of each file legacy.register_file; at the end legacy.finish_import.
-- Into empty tables it may stage all batches first (COPY into legacy.staged_records, and legacy.stage_batch) and load them at once: legacy.begin_build, legacy.load_batch, legacy.end_build.
-- Every function a client calls is SECURITY DEFINER because importer itself may touch no table of account data.
set local role import_definer;

create or replace function legacy.find_account(p_account text default null)
returns uuid
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: importer may not read app.accounts.
declare
    v_ids uuid[];
begin
    -- A name goes before an id, so a name that looks like another account's id misleads nobody.
    select array_agg(account.id)
    into v_ids
    from app.accounts as account
    where account.status = 'active'
        and (p_account is null or account.name = p_account);

    if v_ids is null then
        select array_agg(account.id)
        into v_ids
        from app.accounts as account
        where account.status = 'active'
            and account.id::text = lower(p_account);
    end if;

    if cardinality(v_ids) = 1 then
        return v_ids[1];
    end if;

    if p_account is not null then
        raise exception 'there is no active account %', p_account
            using
                errcode = 'SB001',
                hint = 'Give the name or the id of a row of app.accounts.';
    end if;

    raise exception 'this database has % active accounts, so the account must be named', coalesce(cardinality(v_ids), 0)
        using
            errcode = 'SB001',
            hint = 'Give the name or the id of a row of app.accounts.';
end;
$$;
comment on function legacy.find_account(text) is 'The account of a name or id; without one, the only active account. SB001 if that is not exactly one.';

create or replace function legacy.take_lock(p_account_id uuid)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_key bigint := hashtextextended('sessionbase import ' || p_account_id::text, 0);
begin
    if not pg_try_advisory_lock(v_key) then
        raise exception 'another import into this account is running, in backend process %', (
            select string_agg(held.pid::text, ', ')
            from pg_catalog.pg_locks as held
            where held.locktype = 'advisory'
                and held.granted
                and held.database = (select oid from pg_catalog.pg_database where datname = current_database())
                and (held.classid::bigint << 32 | held.objid::bigint) = v_key
        )
            using
                errcode = 'SB002',
                hint = 'Wait for it to end, then run this again: what has come in counts as unchanged.';
    end if;
end;
$$;
comment on function legacy.take_lock(uuid) is 'Holds the account until the connection ends: SB002 if another import does, with its backend.';

create or replace function legacy.check_run(p_run_id bigint, p_attempt bigint)
returns uuid
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_account_id uuid;
begin
    -- The row stays locked until the step is committed, so a later attempt begins when no step of this one is under way.
    select run.account_id
    into v_account_id
    from legacy.import_runs as run
    where run.id = p_run_id
        and run.attempt = p_attempt
        and run.outcome = 'running'
        and run.imported_by = session_user
    for share;

    if v_account_id is null then
        raise exception 'there is no attempt % at import run % of this login under way', p_attempt, p_run_id
            using
                errcode = 'SB004',
                hint = 'Begin or resume one with legacy.begin_import.';
    end if;
    return v_account_id;
end;
$$;
comment on function legacy.check_run(bigint, bigint) is 'Every step of a run begins with it: the run''s account; SB004 unless this attempt at it is under way and of this login.';

create or replace function legacy.interrupted_run(p_account_id uuid)
returns table (
    run_id bigint,
    on_conflict text,
    kind text,
    number bigint,
    next_ordinal bigint,
    end_byte bigint,
    prefix_sha256 bytea
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
-- Generic plans: to a planner that knows the account, and knows from its statistics that it has no rows, any index of it is as good.
-- Definer: importer may not read the ledger of runs.
begin
    perform legacy.take_lock(p_account_id);

    -- A crash of the server empties what was staged: that is staged again.
    delete from legacy.import_batches as batch
    using legacy.import_runs as run
    where run.account_id = p_account_id
        and run.outcome = 'running'
        and batch.run_id = run.id
        and batch.fates is null
        and not exists (
            select
            from legacy.staged_records as staged
            where staged.run_id = run.id
                and staged.kind = batch.kind
                and staged.ordinal = batch.first_ordinal
        );

    return query
        select
            run.id,
            run.on_conflict,
            last_batch.kind,
            last_batch.number,
            last_batch.first_ordinal + last_batch.record_count,
            last_batch.end_byte,
            last_batch.prefix_sha256
        from legacy.import_runs as run
        left join lateral (
            select distinct on (batch.kind) batch.*
            from legacy.import_batches as batch
            where batch.run_id = run.id
            order by batch.kind, batch.number desc
        ) as last_batch
            on true
        where run.account_id = p_account_id
            and run.outcome = 'running'
            and run.imported_by = session_user;
end;
$$;
comment on function legacy.interrupted_run(uuid) is 'The account''s run that was begun and not finished, with the last batch of each kind that is safe; no row if there is none. Takes the account''s lock: SB002 if it is no interrupted run but one under way.';

create or replace function legacy.begin_import(
    p_account_id uuid,
    p_tool_version text,
    p_on_conflict text default 'quarantine',
    p_builds boolean default false,
    p_resumed_run_id bigint default null,
    out run_id bigint,
    out attempt bigint,
    out builds boolean
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
-- Generic plans: to a planner that knows the account, and knows from its statistics that it has no rows, any index of it is as good.
-- Definer: importer may not write legacy.import_runs.
declare
    v_left_id bigint;
begin
    if not exists (
        select
        from app.accounts
        where id = p_account_id
            and status = 'active'
    ) then
        raise exception 'there is no active account %', p_account_id
            using
                errcode = 'SB001',
                hint = 'Give the id of a row of app.accounts.';
    end if;
    perform legacy.take_lock(p_account_id);

    for v_left_id in
        select run.id
        from legacy.import_runs as run
        where run.account_id = p_account_id
            and run.outcome = 'running'
            and run.id is distinct from p_resumed_run_id
    loop
        perform legacy.abandon_run(v_left_id);
    end loop;

    update legacy.import_runs as run
    set attempt = run.attempt + 1
    where run.id = p_resumed_run_id
        and run.account_id = p_account_id
        and run.outcome = 'running'
        and run.imported_by = session_user
    returning run.id, run.attempt, run.builds
    into run_id, attempt, builds;

    if run_id is null then
        insert into legacy.import_runs as run (account_id, tool_version, on_conflict, builds)
        values (
            p_account_id,
            p_tool_version,
            p_on_conflict,
            p_builds and legacy.chat_is_empty()
        )
        returning run.id, run.attempt, run.builds
        into run_id, attempt, builds;

        -- importer can stage rows for any run, also one that was still to come.
        delete from legacy.staged_records as staged
        where staged.run_id = begin_import.run_id;
    else
        -- What was copied in for a batch that was not committed went with it; what is left is staged batches.
        delete from legacy.judged_records as judged
        where judged.run_id = begin_import.run_id;
    end if;

    perform legacy.learn_known_records(run_id, p_account_id);
end;
$$;
comment on function legacy.begin_import(uuid, text, text, boolean, bigint) is 'Begins a run, or goes on with one that was interrupted. One run an account at a time: SB002 if there is another. p_builds: stage all and load it without indexes, if the chat tables are empty. Another run that was left is ended as abandoned: what it brought stays.';

create or replace function legacy.chat_is_empty()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select not exists (select from app.chat_messages)
        and not exists (select from app.chat_tool_events)
$$;
comment on function legacy.chat_is_empty() is 'Whether no account has a message or a tool event.';

create or replace function legacy.learn_known_records(p_run_id bigint, p_account_id uuid)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
as $$
-- No nested loops: what is to be left out may have been written a moment ago, and the planner would think it is little.
begin
    delete from legacy.known_records
    where run_id = p_run_id;

    if not exists (
        select
        from legacy.import_runs as run
        where run.account_id = p_account_id
            and run.id <> p_run_id
    ) then
        return;
    end if;

    insert into legacy.known_records (run_id, kind, sha256, record_id)
    select distinct
        p_run_id,
        batch.kind,
        entry.sha256,
        entry.record_id
    from legacy.import_runs as run
    inner join legacy.import_batches as batch
        on run.id = batch.run_id
    cross join lateral unnest(batch.record_sha256s, batch.record_ids, string_to_array(batch.fates, null))
        as entry (sha256, record_id, fate)
    where run.account_id = p_account_id
        and run.id <> p_run_id
        and entry.record_id is not null
        and entry.sha256 <> ''
        -- Replaced since, before this run: the database has another record of this id.
        and not exists (
            select
            from legacy.kept_records as kept
            where kept.account_id = p_account_id
                and kept.kind = batch.kind
                and kept.record_id = entry.record_id
                and kept.mends -> '*' ->> 'reason' = 'conflict_replaced'
                and kept.run_id > run.id
                and kept.run_id <> p_run_id
        )
        -- Not the database's content: the database kept another, whatever was said of the record in a later run.
        and not (entry.fate = 'u' and exists (
            select
            from legacy.quarantine as kept
            where kept.account_id = p_account_id
                and kept.kind = batch.kind
                and kept.raw_sha256 = entry.sha256
                and kept.reason in ('conflict_kept', 'conflict', 'id_in_use', 'duplicate_id')
        ));

    analyze legacy.known_records;
end;
$$;
comment on function legacy.learn_known_records(bigint, uuid) is 'Fills legacy.known_records with what earlier runs brought into the account.';

create or replace function legacy.abandon_run(p_run_id bigint)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    -- What was only staged never came in.
    delete from legacy.import_batches
    where run_id = p_run_id
        and fates is null;

    perform legacy.settle_run(p_run_id);

    update legacy.import_runs
    set outcome = 'abandoned'
    where id = p_run_id;
end;
$$;
comment on function legacy.abandon_run(bigint) is 'Ends a run that will not be resumed. What it brought stays, with its books, and counts are derived from it.';

create or replace function legacy.register_file(
    p_run_id bigint,
    p_attempt bigint,
    p_kind text,
    p_file_name text,
    p_sha256 bytea,
    p_size_bytes bigint,
    p_read_count bigint,
    p_faults jsonb default '[]'
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: importer may not write legacy.import_files.
begin
    perform legacy.check_run(p_run_id, p_attempt);

    insert into legacy.import_files as file (run_id, kind, file_name, sha256, size_bytes, read_count, faults)
    values (p_run_id, p_kind, p_file_name, p_sha256, p_size_bytes, p_read_count, p_faults)
    on conflict (run_id, kind) do update
        set
            sha256 = excluded.sha256,
            size_bytes = excluded.size_bytes,
            read_count = excluded.read_count,
            faults = legacy.all_faults(file.faults, excluded.faults);
end;
$$;
comment on function legacy.register_file(bigint, bigint, text, text, bytea, bigint, bigint, jsonb) is 'Says what file a run read to its end, how many elements the reader counted in it, and what was wrong with the file itself. sha256 and size null: there was no file.';

create or replace function legacy.all_faults(p_known jsonb, p_found jsonb)
returns jsonb
language sql
immutable
parallel safe
as $$
    -- A resumed run does not see again what stands before the place where it goes on; and behind bytes that
    -- follow the end of the array it looks for that end in vain.
    select coalesce(jsonb_agg(fault.value order by (fault.value ->> 'offset')::bigint, fault.value ->> 'code'), '[]')
    from (
        select known.value
        from jsonb_array_elements(p_known) as known

        union

        select found.value
        from jsonb_array_elements(p_found) as found
        where not p_known @> jsonb_build_array(jsonb_build_object('code', found.value ->> 'code'))
            and not (found.value ->> 'code' = 'no_end' and p_known @> '[{"code": "after_end"}]')
    ) as fault
$$;
comment on function legacy.all_faults(jsonb, jsonb) is 'The faults of a file that are known already and those that were found now, each code once, in the order of the file.';

create or replace function legacy.widen_sessions(p_run_id bigint)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
    update app.sessions as session
    set
        created_at = least(session.created_at, met.began_at),
        updated_at = greatest(session.updated_at, met.ended_at)
    from (
        select
            run.account_id,
            entry.session_id,
            min(entry.began_at) as began_at,
            max(entry.ended_at) as ended_at
        from legacy.import_runs as run
        inner join legacy.import_batches as batch
            on run.id = batch.run_id
        cross join lateral unnest(batch.session_ids, batch.sessions_began, batch.sessions_ended) as entry (session_id, began_at, ended_at)
        where run.id = p_run_id
        group by run.account_id, entry.session_id
    ) as met
    where session.account_id = met.account_id
        and session.id = met.session_id
        and (met.began_at < session.created_at or met.ended_at > session.updated_at)
$$;
comment on function legacy.widen_sessions(bigint) is 'Widens the times of sessions to hold those of the records that a run brought.';

create or replace function legacy.settle_run(p_run_id bigint)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_account_id uuid := (select account_id from legacy.import_runs where id = p_run_id);
begin
    perform legacy.widen_sessions(p_run_id);
    perform legacy.derive_threads(p_run_id);
    perform legacy.keep_claims(p_run_id);

    update legacy.kept_records as kept
    set row_version = legacy.row_version(v_account_id, kept.kind, kept.record_id)
    where kept.account_id = v_account_id
        and kept.run_id = p_run_id;

    update legacy.quarantine as kept
    set file_sha256 = file.sha256
    from legacy.import_files as file
    where file.run_id = p_run_id
        and kept.account_id = v_account_id
        and kept.last_run_id = p_run_id
        and kept.kind = file.kind;

    update legacy.import_files as file
    set
        imported_count = counted.imported_count,
        unchanged_count = counted.unchanged_count,
        adopted_count = counted.adopted_count,
        quarantined_count = counted.quarantined_count
    from (
        select
            batch.kind,
            sum(length(batch.fates) - length(replace(batch.fates, 'i', ''))) as imported_count,
            sum(length(batch.fates) - length(replace(batch.fates, 'u', ''))) as unchanged_count,
            sum(length(batch.fates) - length(replace(batch.fates, 'a', ''))) as adopted_count,
            sum(length(batch.fates) - length(replace(batch.fates, 'q', ''))) as quarantined_count
        from legacy.import_batches as batch
        where batch.run_id = p_run_id
        group by batch.kind
    ) as counted
    where file.run_id = p_run_id
        and file.kind = counted.kind;

    delete from legacy.known_records
    where run_id = p_run_id;
    perform legacy.empty_staging(p_run_id);
end;
$$;
comment on function legacy.settle_run(bigint) is 'What is done once all batches of a run are in: times of sessions, counts of threads, sums of files, an empty staging table.';

create or replace function legacy.empty_staging(p_run_id bigint)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    delete from legacy.judged_records
    where run_id = p_run_id;

    -- The rows of a large file are gone at once, if no other import has any.
    begin
        lock table legacy.staged_records in access exclusive mode nowait;
    exception
        when lock_not_available then
            delete from legacy.staged_records
            where run_id = p_run_id;
            return;
    end;
    if exists (
        select
        from legacy.import_runs as run
        where run.outcome = 'running'
            and run.id <> p_run_id
    ) then
        delete from legacy.staged_records
        where run_id = p_run_id;
    else
        truncate legacy.staged_records;
    end if;
end;
$$;
comment on function legacy.empty_staging(bigint) is 'Takes what a run staged out of the staging tables.';

create or replace function legacy.check_sums(p_run_id bigint)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_file record;
begin
    for v_file in
        select
            file.kind,
            file.read_count,
            file.imported_count + file.unchanged_count + file.adopted_count + file.quarantined_count as settled_count,
            coalesce(booked.record_count, 0) as booked_count,
            coalesce(booked.next_ordinal, 0) as next_ordinal,
            file.quarantined_count,
            (
                select count(*)
                from legacy.quarantine as kept
                inner join legacy.import_runs as run
                    on kept.account_id = run.account_id
                where run.id = file.run_id
                    and kept.last_run_id = file.run_id
                    and kept.kind = file.kind
                    and kept.reason <> 'conflict_kept'
            ) as kept_count
        from legacy.import_files as file
        left join lateral (
            select
                sum(batch.record_count) as record_count,
                max(batch.first_ordinal + batch.record_count) as next_ordinal
            from legacy.import_batches as batch
            where batch.run_id = file.run_id
                and batch.kind = file.kind
        ) as booked
            on true
        where file.run_id = p_run_id
    loop
        if v_file.read_count <> v_file.settled_count
            or v_file.read_count <> v_file.booked_count
            or v_file.read_count <> v_file.next_ordinal
            or v_file.quarantined_count <> v_file.kept_count
        then
            raise exception '%: % records read, % booked up to %, % settled; % quarantined, % kept',
                v_file.kind, v_file.read_count, v_file.booked_count, v_file.next_ordinal, v_file.settled_count,
                v_file.quarantined_count, v_file.kept_count
                using
                    errcode = 'SB003',
                    hint = 'The run is not ended. This is a fault of sessionbase: please report it with these numbers.';
        end if;
    end loop;
end;
$$;
comment on function legacy.check_sums(bigint) is 'Fails with SB003 unless for every file read = imported + unchanged + adopted + quarantined, the batches have all of it without a gap, and the quarantine holds every record that was quarantined. That a batch''s rows went into their table is counted with each batch.';

create or replace function legacy.finish_import(p_run_id bigint, p_attempt bigint)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
-- Generic plans: to a planner that knows the account, and knows from its statistics that it has no rows, any index of it is as good.
-- Definer: importer may not write the tables of account data, nor the ledger of runs.
begin
    perform legacy.check_run(p_run_id, p_attempt);
    if (
        select count(*)
        from legacy.import_files
        where run_id = p_run_id
    ) <> 3 then
        raise exception 'not all three files of import run % are registered', p_run_id
            using
                errcode = 'SB003',
                hint = 'Call legacy.register_file for each kind, also for a file that is not there.';
    end if;
    if exists (
        select
        from legacy.import_batches
        where run_id = p_run_id
            and fates is null
    ) then
        raise exception 'import run % has batches that are staged and not loaded', p_run_id
            using
                errcode = 'SB003',
                hint = 'Call legacy.begin_build, legacy.load_batch for each of them, and legacy.end_build.';
    end if;

    perform legacy.settle_run(p_run_id);
    perform legacy.check_sums(p_run_id);

    update legacy.import_runs as run
    set
        outcome = 'finished',
        finished_at = clock_timestamp(),
        session_count = (
            select count(*)
            from app.sessions as session
            where session.account_id = run.account_id
        ),
        made_thread_count = (
            select count(*)
            from legacy.made_threads as made
            where made.run_id = p_run_id
        )
    where run.id = p_run_id;
end;
$$;
comment on function legacy.finish_import(bigint, bigint) is 'Ends a run: derives the counts of threads, checks every sum, empties the staging table.';

create or replace function legacy.import_summary(p_run_id bigint)
returns table (
    kind text,
    file_name text,
    sha256 text,
    size_bytes bigint,
    read_count bigint,
    imported_count bigint,
    unchanged_count bigint,
    adopted_count bigint,
    quarantined_count bigint,
    faults jsonb
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
    -- Definer: importer may not read legacy.import_files.
    select
        file.kind,
        file.file_name,
        encode(file.sha256, 'hex'),
        file.size_bytes,
        file.read_count,
        file.imported_count,
        file.unchanged_count,
        file.adopted_count,
        file.quarantined_count,
        file.faults
    from legacy.import_files as file
    where file.run_id = p_run_id
    order by array_position('{threads,messages,tool_events}', file.kind)
$$;
comment on function legacy.import_summary(bigint) is 'What became of the records of a run, one row a file, in the order they were imported.';

create or replace function legacy.import_totals(p_run_id bigint)
returns table (
    session_count bigint,
    made_thread_count bigint,
    started_at timestamptz,
    finished_at timestamptz,
    attempt bigint,
    account_name text
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
    -- Definer: importer may not read legacy.import_runs.
    select
        run.session_count,
        run.made_thread_count,
        run.started_at,
        run.finished_at,
        run.attempt,
        account.name
    from legacy.import_runs as run
    inner join app.accounts as account
        on run.account_id = account.id
    where run.id = p_run_id
$$;
comment on function legacy.import_totals(bigint) is 'What is known of a run as a whole.';

create or replace function legacy.import_reasons(p_run_id bigint)
returns table (fate text, kind text, reason text, meaning text, field text, sqlstate text, record_count bigint)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
    -- Definer: importer may not read what this counts.
    select
        case when kept.reason = 'conflict_kept' then 'unchanged' else 'quarantined' end,
        kept.kind,
        kept.reason,
        reasons.meaning,
        kept.field,
        kept.sqlstate,
        count(*)
    from legacy.quarantine as kept
    inner join legacy.import_runs as run
        on kept.account_id = run.account_id and kept.last_run_id = run.id
    inner join legacy.reasons
        on kept.reason = reasons.code
    where run.id = p_run_id
    group by kept.kind, kept.reason, reasons.meaning, kept.field, kept.sqlstate

    union all

    select
        'adopted',
        kept.kind,
        mend.value ->> 'reason',
        reasons.meaning,
        mend.key,
        null,
        count(*)
    from legacy.kept_records as kept
    inner join legacy.import_runs as run
        on kept.account_id = run.account_id and kept.run_id = run.id
    cross join jsonb_each(kept.mends) as mend
    inner join legacy.reasons
        on mend.value ->> 'reason' = reasons.code
    where run.id = p_run_id
    group by kept.kind, mend.value ->> 'reason', reasons.meaning, mend.key
    order by 1, 2, 3, 5
$$;
comment on function legacy.import_reasons(bigint) is 'How many records of a run were mended or kept out, for which reason and in which field.';

create or replace function legacy.import_notes(p_run_id bigint, p_limit bigint)
returns table (
    fate text,
    kind text,
    file_name text,
    ordinal bigint,
    byte_offset bigint,
    reason text,
    meaning text,
    field text,
    sqlstate text
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
    -- Definer: importer may not read what this says without content: place and reason, never a value.
    (
        select
            case when kept.reason = 'conflict_kept' then 'unchanged' else 'quarantined' end,
            kept.kind,
            kept.file_name,
            kept.ordinal,
            kept.byte_offset,
            kept.reason,
            reasons.meaning,
            kept.field,
            kept.sqlstate
        from legacy.quarantine as kept
        inner join legacy.import_runs as run
            on kept.account_id = run.account_id and kept.last_run_id = run.id
        inner join legacy.reasons
            on kept.reason = reasons.code
        where run.id = p_run_id
        order by kept.kind, kept.ordinal
        limit p_limit
    )
    union all
    (
        select
            'adopted',
            kept.kind,
            file.file_name,
            kept.ordinal,
            kept.byte_offset,
            mend.value ->> 'reason',
            reasons.meaning,
            mend.key,
            null
        from legacy.kept_records as kept
        inner join legacy.import_runs as run
            on kept.account_id = run.account_id and kept.run_id = run.id
        inner join legacy.import_files as file
            on kept.run_id = file.run_id and kept.kind = file.kind
        cross join jsonb_each(kept.mends) as mend
        inner join legacy.reasons
            on mend.value ->> 'reason' = reasons.code
        where run.id = p_run_id
        order by kept.kind, kept.ordinal, mend.key
        limit p_limit
    )
$$;
comment on function legacy.import_notes(bigint, bigint) is 'What a run kept out and mended: where and why, never a value; at most p_limit of each.';

-- One row a record, for people who look.
create or replace view legacy.source_records
with (security_invoker = true) as
select
    run.account_id,
    batch.run_id,
    batch.kind,
    entry.byte_offset,
    entry.record_id,
    entry.sha256,
    batch.first_ordinal + entry.place - 1 as ordinal,
    case substr(batch.fates, entry.place::integer, 1)
        when 'i' then 'imported'
        when 'u' then 'unchanged'
        when 'a' then 'adopted'
        when 'q' then 'quarantined'
    end as fate
from legacy.import_batches as batch
inner join legacy.import_runs as run
    on batch.run_id = run.id
cross join unnest(batch.record_ids, batch.byte_offsets, batch.record_sha256s) with ordinality as entry (record_id, byte_offset, sha256, place);
comment on view legacy.source_records is 'Every record that a run read, with what became of it. A view of legacy.import_batches; ask it for a run, or it unpacks all of them.';
comment on column legacy.source_records.account_id is 'The account it was meant for.';
comment on column legacy.source_records.run_id is 'The run.';
comment on column legacy.source_records.kind is 'threads, messages or tool_events.';
comment on column legacy.source_records.ordinal is 'Its place in the file, from 0.';
comment on column legacy.source_records.byte_offset is 'Where it began in the file, in bytes from 0.';
comment on column legacy.source_records.fate is 'imported, unchanged, adopted or quarantined.';
comment on column legacy.source_records.record_id is 'Its id; null if it was quarantined.';
comment on column legacy.source_records.sha256 is 'SHA-256 of its bytes.';

grant execute on function
legacy.find_account(text),
legacy.interrupted_run(uuid),
legacy.begin_import(uuid, text, text, boolean, bigint),
legacy.register_file(bigint, bigint, text, text, bytea, bigint, bigint, jsonb),
legacy.finish_import(bigint, bigint),
legacy.import_summary(bigint),
legacy.import_totals(bigint),
legacy.import_reasons(bigint),
legacy.import_notes(bigint, bigint)
to importer;
