-- What each of the three old stores needs to come in: threads, messages, tool events, in this order.
-- The frame of a run, and what they have in common, is in legacy_runs.sql; what a record must look like in legacy_records.sql.
set local role import_definer;

-- Threads.

create or replace function legacy.mend_active_threads(p_run_id bigint)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
    update legacy.staged_records as staged
    set mends = staged.mends || legacy.mend(
        staged.record,
        'status',
        case when ranked.place > 1 then 'second_active_thread' else 'active_thread_exists' end,
        '"archived"'
    )
    from (
        select
            candidate.ordinal,
            row_number() over (
                partition by candidate.record ->> 'sessionId', candidate.record ->> 'mode'
                order by (candidate.record ->> 'updatedAt')::timestamptz desc, candidate.ordinal
            ) as place,
            exists (
                select
                from app.chat_threads as thread
                where thread.account_id = run.account_id
                    and thread.session_id = candidate.record ->> 'sessionId'
                    and thread.mode = candidate.record ->> 'mode'
                    and thread.status = 'active'
                    and thread.id <> candidate.record_id
            ) as other_is_active
        from legacy.staged_records as candidate
        inner join legacy.import_runs as run
            on candidate.run_id = run.id
        where candidate.run_id = p_run_id
            and candidate.kind = 'threads'
            and candidate.fate is null
            and candidate.record ->> 'status' = 'active'
    ) as ranked
    where staged.run_id = p_run_id
        and staged.kind = 'threads'
        and staged.ordinal = ranked.ordinal
        and (ranked.place > 1 or ranked.other_is_active)
$$;
comment on function legacy.mend_active_threads(bigint) is 'Leaves one active thread a session and mode: the one the database has, or else the latest of the file.';

create or replace function legacy.mend_times(p_run_id bigint, p_kind text)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
    update legacy.staged_records as staged
    set mends = staged.mends || legacy.mend(
        staged.record,
        'updatedAt',
        'updated_before_created',
        staged.record -> 'createdAt'
    )
    where staged.run_id = p_run_id
        and staged.kind = p_kind
        and staged.fate is null
        and (staged.record ->> 'updatedAt')::timestamptz < (staged.record ->> 'createdAt')::timestamptz
$$;
comment on function legacy.mend_times(bigint, text) is 'Raises updatedAt to createdAt where it is before it.';

create or replace function legacy.insert_threads(p_run_id bigint, p_first bigint, p_last bigint)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
    insert into app.chat_threads as thread (
        account_id, id, session_id, mode, title, status, created_at, updated_at, extra
    )
    select
        run.account_id,
        staged.record_id,
        mended.record ->> 'sessionId',
        mended.record ->> 'mode',
        mended.record ->> 'title',
        mended.record ->> 'status',
        (mended.record ->> 'createdAt')::timestamptz,
        (mended.record ->> 'updatedAt')::timestamptz,
        staged.record - '{id,sessionId,mode,title,status,messageCount,lastMessagePreview,lastMessageAt,createdAt,updatedAt}'::text[]
    from legacy.staged_records as staged
    inner join legacy.import_runs as run
        on staged.run_id = run.id
    cross join legacy.mended(staged.record, staged.mends) as mended (record)
    where staged.run_id = p_run_id
        and staged.kind = 'threads'
        and staged.fate is null
        and staged.ordinal between p_first and p_last
    -- Only a thread that the import itself made can stand here: triage has set aside all others.
    on conflict (account_id, id) do update
        set
            mode = excluded.mode,
            title = excluded.title,
            status = excluded.status,
            created_at = excluded.created_at,
            updated_at = excluded.updated_at,
            extra = excluded.extra
$$;
comment on function legacy.insert_threads(bigint, bigint, bigint) is 'Writes the threads that come in. Their counts are derived when the run ends.';

create or replace function legacy.import_threads(p_run_id bigint)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: importer may not write app.sessions and app.chat_threads.
begin
    perform legacy.check_run(p_run_id);
    perform legacy.triage(p_run_id, 'threads');
    perform legacy.mend_active_threads(p_run_id);
    perform legacy.mend_times(p_run_id, 'threads');
    perform legacy.ensure_sessions(p_run_id, 'threads');
    perform legacy.apply_to_all('insert', p_run_id, 'threads');

    delete from legacy.made_threads as made
    using legacy.staged_records as staged, legacy.import_runs as run
    where staged.run_id = p_run_id
        and staged.kind = 'threads'
        and staged.fate is null
        and run.id = p_run_id
        and made.account_id = run.account_id
        and made.thread_id = staged.record_id;
end;
$$;
comment on function legacy.import_threads(bigint) is 'Imports the staged threads of a run.';

-- The thread of a message or a tool event.

create or replace function legacy.make_thread(
    p_run_id bigint,
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
        select
            run.account_id,
            p_thread_id,
            p_session_id,
            p_mode,
            app.default_thread_title(p_mode),
            p_status,
            p_created_at,
            greatest(p_created_at, p_updated_at)
        from legacy.import_runs as run
        where run.id = p_run_id
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
comment on function legacy.make_thread(bigint, text, text, text, text, text, timestamptz, timestamptz) is 'Makes a thread that stands in no file, and says so in legacy.made_threads. Does nothing if there is one of that id.';

create or replace function legacy.staged_needs(p_run_id bigint, p_kind text)
returns table (
    ordinal bigint,
    account_id uuid,
    session_id text,
    mode text,
    thread_id text,
    thread_session_id text,
    began_at timestamptz,
    ended_at timestamptz
)
language sql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
    select
        staged.ordinal,
        run.account_id,
        staged.record ->> 'sessionId',
        case p_kind
            when 'tool_events' then 'session'
            else staged.record ->> 'mode'
        end,
        mended.record ->> 'threadId',
        thread.session_id,
        legacy.began_at(p_kind, staged.record),
        legacy.ended_at(p_kind, staged.record)
    from legacy.staged_records as staged
    inner join legacy.import_runs as run
        on staged.run_id = run.id
    cross join legacy.mended(staged.record, staged.mends) as mended (record)
    left join app.chat_threads as thread
        on run.account_id = thread.account_id and mended.record ->> 'threadId' = thread.id
    where staged.run_id = p_run_id
        and staged.kind = p_kind
        and staged.fate is null
$$;
comment on function legacy.staged_needs(bigint, text) is 'What thread each staged message or tool event asks for, and of which session that thread is; thread_session_id is null if there is no such thread. A tool event has no mode, so a thread made for it is of mode session.';

create or replace function legacy.place_in_active_threads(p_run_id bigint)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
begin
    perform legacy.make_thread(
        p_run_id,
        legacy.made_thread_id('active', need.account_id::text, need.session_id, need.mode),
        need.session_id,
        need.mode,
        'active',
        'thread_absent',
        min(need.began_at),
        max(need.ended_at)
    )
    from legacy.staged_needs(p_run_id, 'messages') as need
    where need.thread_id is null
        and not exists (
            select
            from app.chat_threads as thread
            where thread.account_id = need.account_id
                and thread.session_id = need.session_id
                and thread.mode = need.mode
                and thread.status = 'active'
        )
    group by need.account_id, need.session_id, need.mode;

    update legacy.staged_records as staged
    set mends = staged.mends || legacy.mend(
        staged.record,
        'threadId',
        'thread_absent',
        to_jsonb(coalesce(
            thread.id,
            -- The thread that an earlier run made, archived since.
            legacy.made_thread_id('active', need.account_id::text, need.session_id, need.mode)
        ))
    )
    from legacy.staged_needs(p_run_id, 'messages') as need
    left join app.chat_threads as thread
        on need.account_id = thread.account_id
            and need.session_id = thread.session_id
            and need.mode = thread.mode
            and thread.status = 'active'
    where staged.run_id = p_run_id
        and staged.kind = 'messages'
        and staged.ordinal = need.ordinal
        and need.thread_id is null;
end;
$$;
comment on function legacy.place_in_active_threads(bigint) is 'Puts messages that name no thread into the active thread of their session and mode, which is made if there is none.';

create or replace function legacy.make_missing_threads(p_run_id bigint, p_kind text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    -- The thread goes to the session of the first record that names it.
    update legacy.staged_records as staged
    set mends = staged.mends || legacy.mend(staged.record, 'threadId', 'thread_missing', to_jsonb(need.thread_id))
    from (
        select
            missing.ordinal,
            missing.thread_id,
            missing.session_id = first_value(missing.session_id) over (
                partition by missing.thread_id
                order by missing.ordinal
            ) as is_first_session
        from legacy.staged_needs(p_run_id, p_kind) as missing
        where missing.thread_id is not null
            and missing.thread_session_id is null
    ) as need
    where staged.run_id = p_run_id
        and staged.kind = p_kind
        and staged.ordinal = need.ordinal
        and need.is_first_session;

    perform legacy.make_thread(
        p_run_id,
        need.thread_id,
        need.session_id,
        min(need.mode),
        'archived',
        'thread_missing',
        min(need.began_at),
        max(need.ended_at)
    )
    from legacy.staged_needs(p_run_id, p_kind) as need
    inner join legacy.staged_records as staged
        on need.ordinal = staged.ordinal
    where staged.run_id = p_run_id
        and staged.kind = p_kind
        and staged.mends -> 'threadId' ->> 'reason' = 'thread_missing'
    group by need.thread_id, need.session_id;
end;
$$;
comment on function legacy.make_missing_threads(bigint, text) is 'Makes the threads that records name and no file has.';

create or replace function legacy.part_from_other_sessions(p_run_id bigint, p_kind text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    perform legacy.make_thread(
        p_run_id,
        legacy.made_thread_id('other session', need.account_id::text, need.session_id, need.thread_id),
        need.session_id,
        min(need.mode),
        'archived',
        'thread_of_other_session',
        min(need.began_at),
        max(need.ended_at)
    )
    from legacy.staged_needs(p_run_id, p_kind) as need
    where need.thread_session_id <> need.session_id
    group by need.account_id, need.session_id, need.thread_id;

    update legacy.staged_records as staged
    set mends = staged.mends || legacy.mend(
        staged.record,
        'threadId',
        'thread_of_other_session',
        to_jsonb(legacy.made_thread_id('other session', need.account_id::text, need.session_id, need.thread_id))
    )
    from legacy.staged_needs(p_run_id, p_kind) as need
    where staged.run_id = p_run_id
        and staged.kind = p_kind
        and staged.ordinal = need.ordinal
        and need.thread_session_id <> need.session_id;
end;
$$;
comment on function legacy.part_from_other_sessions(bigint, text) is 'Gives records that name a thread of another session a thread of their own session.';

-- Messages.

create or replace function legacy.mend_client_message_ids(p_run_id bigint)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
    update legacy.staged_records as staged
    set mends = staged.mends || legacy.mend(staged.record, 'clientMessageId', 'client_message_id_taken', 'null')
    from (
        select
            candidate.ordinal,
            row_number() over (
                partition by mended.record ->> 'threadId', candidate.record ->> 'clientMessageId'
                order by candidate.ordinal
            ) as place,
            exists (
                select
                from app.chat_messages as message
                where message.account_id = run.account_id
                    and message.thread_id = mended.record ->> 'threadId'
                    and message.client_message_id = candidate.record ->> 'clientMessageId'
            ) as is_taken
        from legacy.staged_records as candidate
        inner join legacy.import_runs as run
            on candidate.run_id = run.id
        cross join legacy.mended(candidate.record, candidate.mends) as mended (record)
        where candidate.run_id = p_run_id
            and candidate.kind = 'messages'
            and candidate.fate is null
            and candidate.record ->> 'clientMessageId' is not null
    ) as ranked
    where staged.run_id = p_run_id
        and staged.kind = 'messages'
        and staged.ordinal = ranked.ordinal
        and (ranked.place > 1 or ranked.is_taken)
$$;
comment on function legacy.mend_client_message_ids(bigint) is 'Lets the first message of a thread keep a clientMessageId; others of the same come in without it.';

create or replace function legacy.insert_messages(p_run_id bigint, p_first bigint, p_last bigint)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
    insert into app.chat_messages (
        account_id, id, session_id, thread_id, mode, role, content, client_message_id, misalignment_id,
        evidence, context_events, created_at, updated_at, extra
    )
    select
        run.account_id,
        staged.record_id,
        mended.record ->> 'sessionId',
        mended.record ->> 'threadId',
        mended.record ->> 'mode',
        mended.record ->> 'role',
        mended.record ->> 'content',
        mended.record ->> 'clientMessageId',
        mended.record ->> 'misalignmentId',
        nullif(mended.record -> 'evidence', 'null'),
        nullif(mended.record -> 'contextEvents', 'null'),
        (mended.record ->> 'createdAt')::timestamptz,
        (mended.record ->> 'updatedAt')::timestamptz,
        staged.record - '{id,sessionId,threadId,mode,role,content,clientMessageId,misalignmentId,evidence,contextEvents,createdAt,updatedAt}'::text[]
    from legacy.staged_records as staged
    inner join legacy.import_runs as run
        on staged.run_id = run.id
    cross join legacy.mended(staged.record, staged.mends) as mended (record)
    where staged.run_id = p_run_id
        and staged.kind = 'messages'
        and staged.fate is null
        and staged.ordinal between p_first and p_last
$$;
comment on function legacy.insert_messages(bigint, bigint, bigint) is 'Writes the messages that come in.';

create or replace function legacy.import_messages(p_run_id bigint)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: importer may not write app.sessions, app.chat_threads and app.chat_messages.
begin
    perform legacy.check_run(p_run_id);
    perform legacy.triage(p_run_id, 'messages');
    perform legacy.mend_times(p_run_id, 'messages');
    perform legacy.ensure_sessions(p_run_id, 'messages');
    perform legacy.place_in_active_threads(p_run_id);
    perform legacy.make_missing_threads(p_run_id, 'messages');
    perform legacy.part_from_other_sessions(p_run_id, 'messages');
    perform legacy.mend_client_message_ids(p_run_id);
    perform legacy.apply_to_all('insert', p_run_id, 'messages');
end;
$$;
comment on function legacy.import_messages(bigint) is 'Imports the staged messages of a run. The threads of the run come first.';

-- Tool events.

create or replace function legacy.insert_tool_events(p_run_id bigint, p_first bigint, p_last bigint)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
    insert into app.chat_tool_events (
        account_id, id, session_id, thread_id, tool_call_id, tool_name, status, arguments, result, error,
        started_at, completed_at, latency_ms, context_events, created_at, updated_at, extra
    )
    select
        run.account_id,
        staged.record_id,
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
        nullif(mended.record -> 'contextEvents', 'null'),
        (mended.record ->> 'startedAt')::timestamptz,
        coalesce(mended.record ->> 'completedAt', mended.record ->> 'startedAt')::timestamptz,
        staged.record - '{id,sessionId,threadId,toolCallId,toolName,status,arguments,result,error,startedAt,completedAt,latencyMs,contextEvents}'::text[]
    from legacy.staged_records as staged
    inner join legacy.import_runs as run
        on staged.run_id = run.id
    cross join legacy.mended(staged.record, staged.mends) as mended (record)
    where staged.run_id = p_run_id
        and staged.kind = 'tool_events'
        and staged.fate is null
        and staged.ordinal between p_first and p_last
$$;
comment on function legacy.insert_tool_events(bigint, bigint, bigint) is 'Writes the tool events that come in.';

create or replace function legacy.import_tool_events(p_run_id bigint)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: importer may not write app.sessions, app.chat_threads and app.chat_tool_events.
begin
    perform legacy.check_run(p_run_id);
    perform legacy.triage(p_run_id, 'tool_events');
    perform legacy.ensure_sessions(p_run_id, 'tool_events');
    perform legacy.make_missing_threads(p_run_id, 'tool_events');
    perform legacy.part_from_other_sessions(p_run_id, 'tool_events');
    perform legacy.apply_to_all('insert', p_run_id, 'tool_events');
end;
$$;
comment on function legacy.import_tool_events(bigint) is 'Imports the staged tool events of a run. The threads and messages of the run come first.';

-- What threads derive from their messages.

create or replace function legacy.derive_threads(p_run_id bigint)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
begin
    update app.chat_threads as thread
    set
        message_count = derived.message_count,
        last_message_preview = derived.last_message_preview,
        last_message_at = derived.last_message_at
    from (
        select
            run.account_id,
            touched.thread_id,
            counted.message_count,
            app.message_preview(newest.content) as last_message_preview,
            newest.created_at as last_message_at
        from legacy.import_runs as run
        cross join lateral (
            select distinct case staged.kind
                when 'threads' then staged.record_id
                else mended.record ->> 'threadId'
            end as thread_id
            from legacy.staged_records as staged
            cross join legacy.mended(staged.record, staged.mends) as mended (record)
            where staged.run_id = run.id
                and staged.kind in ('threads', 'messages')
                and staged.fate is null
        ) as touched
        cross join lateral (
            select count(*) as message_count
            from app.chat_messages as message
            where message.account_id = run.account_id
                and message.thread_id = touched.thread_id
        ) as counted
        left join lateral (
            select
                message.content,
                message.created_at
            from app.chat_messages as message
            where message.account_id = run.account_id
                and message.thread_id = touched.thread_id
            order by message.created_at desc, message.id desc
            limit 1
        ) as newest
            on true
        where run.id = p_run_id
    ) as derived
    where thread.account_id = derived.account_id
        and thread.id = derived.thread_id
        and (thread.message_count, thread.last_message_preview, thread.last_message_at)
        is distinct from (derived.message_count, derived.last_message_preview, derived.last_message_at);

    -- Where the file says otherwise, what it says is kept as a mend.
    update legacy.staged_records as staged
    set mends = staged.mends || differing.mends
    from (
        select
            said.ordinal,
            jsonb_object_agg(said.field, legacy.mend(said.record, said.field, 'derived_from_messages', said.now) -> said.field) as mends
        from (
            select
                thread_record.ordinal,
                thread_record.record,
                compared.field,
                compared.now,
                compared.differs
            from legacy.staged_records as thread_record
            inner join legacy.import_runs as run
                on thread_record.run_id = run.id
            inner join app.chat_threads as thread
                on run.account_id = thread.account_id and thread_record.record_id = thread.id
            cross join lateral (
                values
                (
                    'messageCount',
                    to_jsonb(thread.message_count),
                    thread_record.record -> 'messageCount' is distinct from to_jsonb(thread.message_count)
                ),
                (
                    'lastMessagePreview',
                    to_jsonb(thread.last_message_preview),
                    thread_record.record ->> 'lastMessagePreview' is distinct from thread.last_message_preview
                ),
                (
                    'lastMessageAt',
                    to_jsonb(thread.last_message_at),
                    case
                        when legacy.is_time(thread_record.record ->> 'lastMessageAt')
                            then (thread_record.record ->> 'lastMessageAt')::timestamptz is distinct from thread.last_message_at
                        else thread_record.record ->> 'lastMessageAt' is not null or thread.last_message_at is not null
                    end
                )
            ) as compared (field, now, differs)
            where thread_record.run_id = p_run_id
                and thread_record.kind = 'threads'
                and thread_record.fate is null
        ) as said
        where said.differs
        group by said.ordinal
    ) as differing
    where staged.run_id = p_run_id
        and staged.kind = 'threads'
        and staged.ordinal = differing.ordinal;
end;
$$;
comment on function legacy.derive_threads(bigint) is 'Sets count, preview and last time of the threads that a run touched from their messages, and records where the file said otherwise.';

grant execute on function
legacy.import_threads(bigint),
legacy.import_messages(bigint),
legacy.import_tool_events(bigint)
to importer;
