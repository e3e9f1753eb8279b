-- A run of the import, from its beginning to its checked end. What each kind of record needs is in legacy_stores.sql.
-- A client calls, in one transaction and as the role importer:
--   legacy.begin_import, then for each file legacy.register_file and COPY into legacy.staged_records,
--   then legacy.import_threads, legacy.import_messages, legacy.import_tool_events, legacy.finish_import.
-- Every function is SECURITY DEFINER because importer itself may touch no table of account data.
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
    if not pg_try_advisory_xact_lock(v_key) then
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
comment on function legacy.take_lock(uuid) is 'Holds the account for the transaction: SB002 if another import does, with its backend. Asked for again by the same transaction, it is there.';

create or replace function legacy.check_run(p_run_id bigint)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_account_id uuid := (
        select run.account_id
        from legacy.import_runs as run
        where run.id = p_run_id
            and run.finished_at is null
            and run.imported_by = session_user
    );
begin
    if v_account_id is null then
        raise exception 'there is no import run % of this login under way', p_run_id
            using
                errcode = 'SB004',
                hint = 'Begin one with legacy.begin_import.';
    end if;
    perform legacy.take_lock(v_account_id);
end;
$$;
comment on function legacy.check_run(bigint) is 'Every function that adds to a run begins with it: SB004 unless the run is under way and of this login; and takes the account''s lock, lest two transactions work on it.';

create or replace function legacy.begin_import(p_account_id uuid, p_tool_version text)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: importer may not write legacy.import_runs.
declare
    v_run_id bigint;
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

    insert into legacy.import_runs (account_id, tool_version)
    values (p_account_id, p_tool_version)
    returning id into v_run_id;

    -- importer can stage rows for any run, also one that was still to come.
    delete from legacy.staged_records
    where run_id = v_run_id;

    return v_run_id;
end;
$$;
comment on function legacy.begin_import(uuid, text) is 'Begins a run and returns its id. One run an account at a time: SB002 if there is another, with the backend that holds it.';

create or replace function legacy.register_file(
    p_run_id bigint,
    p_kind text,
    p_file_name text,
    p_sha256 bytea,
    p_size_bytes bigint,
    p_read_count bigint
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: importer may not write legacy.import_files.
begin
    perform legacy.check_run(p_run_id);
    insert into legacy.import_files (run_id, kind, file_name, sha256, size_bytes, read_count)
    values (p_run_id, p_kind, p_file_name, p_sha256, p_size_bytes, p_read_count);
end;
$$;
comment on function legacy.register_file(bigint, text, text, bytea, bigint, bigint) is 'Says what file a run read, and how many elements the reader counted in it. sha256 and size null: there was no file.';

create or replace function legacy.parse_range(p_run_id bigint, p_kind text, p_first bigint, p_last bigint)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
    update legacy.staged_records as staged
    set
        record = judged.record,
        record_id = case when judged.fault is null then judged.record ->> 'id' end,
        content_sha256 = sha256(convert_to(judged.record::text, 'UTF8')),
        fate = case when judged.fault is not null then 'quarantined' end,
        reason = split_part(judged.fault, ' ', 1),
        field = nullif(split_part(judged.fault, ' ', 2), '')
    from (
        select
            parsed.ordinal,
            parsed.record,
            case
                when legacy.has_duplicate_field(parsed.raw, parsed.record) then 'duplicate_field'
                else coalesce(
                    legacy.record_fault(p_kind, parsed.record),
                    case
                        when p_kind = 'tool_events' and legacy.ended_at(p_kind, parsed.record) < legacy.began_at(p_kind, parsed.record)
                            then 'times_out_of_order completedAt'
                    end
                )
            end as fault
        from (
            select
                decoded.ordinal,
                decoded.raw,
                decoded.raw::jsonb as record
            from (
                select
                    source.ordinal,
                    convert_from(source.raw, 'UTF8') as raw
                from legacy.staged_records as source
                where source.run_id = p_run_id
                    and source.kind = p_kind
                    and source.ordinal between p_first and p_last
                offset 0
            ) as decoded
            offset 0
        ) as parsed
        offset 0
    ) as judged
    where staged.run_id = p_run_id
        and staged.kind = p_kind
        and staged.ordinal = judged.ordinal
$$;
comment on function legacy.parse_range(bigint, text, bigint, bigint) is 'Reads staged bytes as JSON and says what is wrong with each record. Fails as a whole if one of them is no JSON: legacy.apply_range finds which.';

create or replace function legacy.apply_range(p_step text, p_run_id bigint, p_kind text, p_first bigint, p_last bigint)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_sqlstate text;
    v_middle bigint := (p_first + p_last) / 2;
begin
    begin
        if p_step = 'parse' then
            perform legacy.parse_range(p_run_id, p_kind, p_first, p_last);
        elsif p_kind = 'threads' then
            perform legacy.insert_threads(p_run_id, p_first, p_last);
        elsif p_kind = 'messages' then
            perform legacy.insert_messages(p_run_id, p_first, p_last);
        else
            perform legacy.insert_tool_events(p_run_id, p_first, p_last);
        end if;
        return;
    exception
        when others then
            get stacked diagnostics v_sqlstate = returned_sqlstate;
            -- Only what a record can be at fault for: data exceptions, constraints, limits. All else ends the run.
            if left(v_sqlstate, 2) not in ('22', '23', '54') then
                raise;
            end if;
    end;

    if p_first = p_last then
        update legacy.staged_records
        set
            fate = 'quarantined',
            reason = case when p_step = 'parse' then 'not_json' else 'refused' end,
            sqlstate = v_sqlstate
        where run_id = p_run_id
            and kind = p_kind
            and ordinal = p_first;
        return;
    end if;

    perform legacy.apply_range(p_step, p_run_id, p_kind, p_first, v_middle);
    perform legacy.apply_range(p_step, p_run_id, p_kind, v_middle + 1, p_last);
end;
$$;
comment on function legacy.apply_range(text, bigint, text, bigint, bigint) is 'Does a step (parse or insert) for a range of records at once. If Postgres refuses, does each half, down to the one record that is refused; that one is quarantined with its SQLSTATE.';

create or replace function legacy.apply_to_all(p_step text, p_run_id bigint, p_kind text)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
    select legacy.apply_range(p_step, p_run_id, p_kind, min(staged.ordinal), max(staged.ordinal))
    from legacy.staged_records as staged
    where staged.run_id = p_run_id
        and staged.kind = p_kind
    having count(*) > 0
$$;
comment on function legacy.apply_to_all(text, bigint, text) is 'legacy.apply_range over all staged records of a kind.';

create or replace function legacy.triage(p_run_id bigint, p_kind text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_account_id uuid := (select account_id from legacy.import_runs where id = p_run_id);
begin
    -- What was staged a moment ago is unknown to the planner.
    analyze legacy.staged_records;
    perform legacy.apply_to_all('parse', p_run_id, p_kind);
    analyze legacy.staged_records;

    -- The same id again in one file: equal records collapse, of differing ones the first counts.
    update legacy.staged_records as staged
    set
        fate = case when counted.same then 'unchanged' else 'quarantined' end,
        reason = case when not counted.same then 'duplicate_id' end,
        field = case when not counted.same then 'id' end
    from (
        select
            ordinal,
            content_sha256 = first_value(content_sha256) over by_id as same,
            row_number() over by_id as place
        from legacy.staged_records
        where run_id = p_run_id
            and kind = p_kind
            and fate is null
        window by_id as (partition by record_id order by ordinal)
    ) as counted
    where staged.run_id = p_run_id
        and staged.kind = p_kind
        and staged.ordinal = counted.ordinal
        and counted.place > 1;

    -- What an earlier run brought.
    update legacy.staged_records as staged
    set
        fate = case when known.content_sha256 = staged.content_sha256 then 'unchanged' else 'quarantined' end,
        reason = case when known.content_sha256 <> staged.content_sha256 then 'conflict' end,
        field = case when known.content_sha256 <> staged.content_sha256 then 'id' end
    from legacy.source_records as known
    where staged.run_id = p_run_id
        and staged.kind = p_kind
        and staged.fate is null
        and known.account_id = v_account_id
        and known.kind = p_kind
        and known.record_id = staged.record_id;

    -- What no run brought and is there all the same. A thread the import made is filled in by its own record.
    update legacy.staged_records as staged
    set
        fate = 'quarantined',
        reason = 'id_in_use',
        field = 'id'
    where staged.run_id = p_run_id
        and staged.kind = p_kind
        and staged.fate is null
        and case p_kind
            when 'threads' then exists (
                select
                from app.chat_threads as thread
                left join legacy.made_threads as made
                    on thread.account_id = made.account_id and thread.id = made.thread_id
                where thread.account_id = v_account_id
                    and thread.id = staged.record_id
                    and (made.thread_id is null or thread.session_id <> staged.record ->> 'sessionId')
            )
            when 'messages' then exists (
                select
                from app.chat_messages as message
                where message.account_id = v_account_id
                    and message.id = staged.record_id
            )
            else exists (
                select
                from app.chat_tool_events as tool_event
                where tool_event.account_id = v_account_id
                    and tool_event.id = staged.record_id
            )
        end;
end;
$$;
comment on function legacy.triage(bigint, text) is 'Decides which staged records of a kind come in: what is no record, stands twice, came in before or is in the way gets its fate here; what is left without one is imported.';

create or replace function legacy.ensure_sessions(p_run_id bigint, p_kind text)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
    insert into app.sessions as session (account_id, id, created_at, updated_at)
    select
        run.account_id,
        staged.record ->> 'sessionId',
        min(legacy.began_at(p_kind, staged.record)),
        max(greatest(legacy.began_at(p_kind, staged.record), legacy.ended_at(p_kind, staged.record)))
    from legacy.staged_records as staged
    inner join legacy.import_runs as run
        on staged.run_id = run.id
    where staged.run_id = p_run_id
        and staged.kind = p_kind
        and staged.fate is null
    group by run.account_id, staged.record ->> 'sessionId'
    on conflict (account_id, id) do update
        set
            created_at = least(session.created_at, excluded.created_at),
            updated_at = greatest(session.updated_at, excluded.updated_at)
        where excluded.created_at < session.created_at
            or excluded.updated_at > session.updated_at
$$;
comment on function legacy.ensure_sessions(bigint, text) is 'Makes the sessions that the records of a kind belong to, or widens their times to hold the records''.';

create or replace function legacy.settle(p_run_id bigint, p_kind text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_account_id uuid := (select account_id from legacy.import_runs where id = p_run_id);
begin
    -- The twin of a record that Postgres refused is as refused as it.
    update legacy.staged_records as twin
    set
        fate = 'quarantined',
        reason = refused.reason,
        sqlstate = refused.sqlstate
    from legacy.staged_records as refused
    where twin.run_id = p_run_id
        and twin.kind = p_kind
        and twin.fate = 'unchanged'
        and refused.run_id = p_run_id
        and refused.kind = p_kind
        and refused.record_id = twin.record_id
        and refused.fate = 'quarantined'
        and refused.reason = 'refused';

    update legacy.staged_records
    set fate = case when mends = '{}' then 'imported' else 'adopted' end
    where run_id = p_run_id
        and kind = p_kind
        and fate is null;

    insert into legacy.source_records (
        account_id, kind, record_id, fate, content_sha256, mends, run_id, ordinal, byte_offset
    )
    select
        v_account_id,
        staged.kind,
        staged.record_id,
        staged.fate,
        staged.content_sha256,
        staged.mends,
        staged.run_id,
        staged.ordinal,
        staged.byte_offset
    from legacy.staged_records as staged
    where staged.run_id = p_run_id
        and staged.kind = p_kind
        and staged.fate in ('imported', 'adopted');

    insert into legacy.quarantine (
        account_id, kind, file_name, file_sha256, ordinal, byte_offset,
        reason, field, sqlstate, raw, raw_sha256, occurrence, run_id, last_run_id
    )
    select
        v_account_id,
        staged.kind,
        file.file_name,
        file.sha256,
        staged.ordinal,
        staged.byte_offset,
        staged.reason,
        staged.field,
        staged.sqlstate,
        staged.raw,
        sha256(staged.raw),
        row_number() over (partition by sha256(staged.raw) order by staged.ordinal),
        staged.run_id,
        staged.run_id
    from legacy.staged_records as staged
    inner join legacy.import_files as file
        on staged.run_id = file.run_id and staged.kind = file.kind
    where staged.run_id = p_run_id
        and staged.kind = p_kind
        and staged.fate = 'quarantined'
    on conflict (account_id, kind, raw_sha256, occurrence) do update
        set
            file_name = excluded.file_name,
            file_sha256 = excluded.file_sha256,
            ordinal = excluded.ordinal,
            byte_offset = excluded.byte_offset,
            reason = excluded.reason,
            field = excluded.field,
            sqlstate = excluded.sqlstate,
            last_run_id = excluded.last_run_id;

    update legacy.import_files
    set
        imported_count = counted.imported_count,
        unchanged_count = counted.unchanged_count,
        adopted_count = counted.adopted_count,
        quarantined_count = counted.quarantined_count
    from (
        select
            count(*) filter (where fate = 'imported') as imported_count,
            count(*) filter (where fate = 'unchanged') as unchanged_count,
            count(*) filter (where fate = 'adopted') as adopted_count,
            count(*) filter (where fate = 'quarantined') as quarantined_count
        from legacy.staged_records
        where run_id = p_run_id
            and kind = p_kind
    ) as counted
    where import_files.run_id = p_run_id
        and import_files.kind = p_kind;
end;
$$;
comment on function legacy.settle(bigint, text) is 'Writes down what became of the staged records of a kind: legacy.source_records, legacy.quarantine, and the counts of the file.';

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
            file.imported_count + file.adopted_count as brought_count,
            (
                select count(*)
                from legacy.source_records as source
                where source.account_id = run.account_id
                    and source.run_id = file.run_id
                    and source.kind = file.kind
                    and case source.kind
                        when 'threads' then exists (
                            select
                            from app.chat_threads as thread
                            where thread.account_id = source.account_id
                                and thread.id = source.record_id
                        )
                        when 'messages' then exists (
                            select
                            from app.chat_messages as message
                            where message.account_id = source.account_id
                                and message.id = source.record_id
                        )
                        else exists (
                            select
                            from app.chat_tool_events as tool_event
                            where tool_event.account_id = source.account_id
                                and tool_event.id = source.record_id
                        )
                    end
            ) as found_count
        from legacy.import_files as file
        inner join legacy.import_runs as run
            on file.run_id = run.id
        where file.run_id = p_run_id
    loop
        if v_file.read_count <> v_file.settled_count or v_file.brought_count <> v_file.found_count then
            raise exception '%: % records read, % settled; % should be in their table, % are',
                v_file.kind, v_file.read_count, v_file.settled_count, v_file.brought_count, v_file.found_count
                using
                    errcode = 'SB003',
                    hint = 'Nothing was kept of this run. This is a fault of sessionbase: please report it with these numbers.';
        end if;
    end loop;
end;
$$;
comment on function legacy.check_sums(bigint) is 'Fails with SB003 unless for every file read = imported + unchanged + adopted + quarantined, and every record that came in is a row of its table.';

create or replace function legacy.finish_import(p_run_id bigint)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: importer may not write the tables of account data, nor the ledger of runs.
begin
    perform legacy.check_run(p_run_id);
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

    perform legacy.derive_threads(p_run_id);
    perform legacy.settle(p_run_id, file.kind)
    from legacy.import_files as file
    where file.run_id = p_run_id;
    perform legacy.check_sums(p_run_id);

    update legacy.import_runs
    set
        finished_at = clock_timestamp(),
        session_count = (
            select count(distinct staged.record ->> 'sessionId')
            from legacy.staged_records as staged
            where staged.run_id = p_run_id
                and staged.fate <> 'quarantined'
        ),
        made_thread_count = (
            select count(*)
            from legacy.made_threads as made
            where made.run_id = p_run_id
        )
    where id = p_run_id;

    delete from legacy.staged_records
    where run_id = p_run_id;
end;
$$;
comment on function legacy.finish_import(bigint) is 'Ends a run: derives the counts of threads, writes down the fate of every record, checks every sum, empties the staging table.';

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
    quarantined_count bigint
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
        file.quarantined_count
    from legacy.import_files as file
    where file.run_id = p_run_id
    order by array_position('{threads,messages,tool_events}', file.kind)
$$;
comment on function legacy.import_summary(bigint) is 'What became of the records of a run, one row a file, in the order they were imported.';

create or replace function legacy.import_totals(p_run_id bigint)
returns table (session_count bigint, made_thread_count bigint)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
    -- Definer: importer may not read legacy.import_runs.
    select
        run.session_count,
        run.made_thread_count
    from legacy.import_runs as run
    where run.id = p_run_id
$$;
comment on function legacy.import_totals(bigint) is 'How many sessions a run''s records belong to, and how many threads it made.';

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
            'quarantined',
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
            source.kind,
            file.file_name,
            source.ordinal,
            source.byte_offset,
            mend.value ->> 'reason',
            reasons.meaning,
            mend.key,
            null
        from legacy.source_records as source
        inner join legacy.import_runs as run
            on source.account_id = run.account_id and source.run_id = run.id
        inner join legacy.import_files as file
            on source.run_id = file.run_id and source.kind = file.kind
        cross join jsonb_each(source.mends) as mend
        inner join legacy.reasons
            on mend.value ->> 'reason' = reasons.code
        where run.id = p_run_id
            and source.fate = 'adopted'
        order by source.kind, source.ordinal, mend.key
        limit p_limit
    )
$$;
comment on function legacy.import_notes(bigint, bigint) is 'What a run kept out and mended: where and why, never a value; at most p_limit of each.';

grant execute on function
legacy.find_account(text),
legacy.begin_import(uuid, text),
legacy.register_file(bigint, text, text, bytea, bigint, bigint),
legacy.finish_import(bigint),
legacy.import_summary(bigint),
legacy.import_totals(bigint),
legacy.import_notes(bigint, bigint)
to importer;
