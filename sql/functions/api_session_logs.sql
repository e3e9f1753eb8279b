-- Session logs: what a log is and which session has it, reading it into a timeline a batch at a time, and reading the timeline.
-- Who reads a log splits it into lines, hashes it and stores its bytes; what a line means is decided here.
set local role sessionbase_owner;

create or replace function api.recognize_log(head text[])
returns setof api.recognized_log
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_records jsonb[];
    v_format text;
begin
    select
        array_agg(record.value order by line.place),
        coalesce(
            (array_agg(app.log_format_of(record.value) order by line.place) filter (where app.log_format_of(record.value) is not null))[1],
            'json-lines'
        )
    into v_records, v_format
    from unnest(recognize_log.head) with ordinality as line (text, place)
    cross join lateral app.log_record(line.text) as record (value)
    where jsonb_typeof(record.value) = 'object';

    if v_records is null then
        return;
    end if;
    return query execute format(
        $sql$
            select
                $1,
                (array_agg(fact.log_id order by record.place) filter (where octet_length(fact.log_id) between 1 and 200))[1],
                (array_agg(fact.began_at order by record.place) filter (where fact.began_at is not null))[1]
            from unnest($2) with ordinality as record (value, place)
            cross join lateral %s(record.value) as fact
        $sql$,
        app.log_reader(v_format, 'facts')
    )
    using v_format, v_records;
end;
$$;
comment on function api.recognize_log(text[]) is 'What the first lines of a log say it is: its format, its own id if it has one, and when it began. No row where none of them is a JSON object: then it is no log. Of a JSON document, give what stands around its entries first.';

create or replace function api.find_session_logs(source_path text, log_id text default null, account_id uuid default null)
returns setof app.session_logs
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    select known.*
    from app.session_logs as known
    where account_id = coalesce(find_session_logs.account_id, app.current_account_id())
        and (
            log_id = find_session_logs.log_id
            or (source_path = find_session_logs.source_path and coalesce(log_id = find_session_logs.log_id, log_id is null))
        )
    order by source_path = find_session_logs.source_path desc, created_at, session_id;
end;
$$;
comment on function api.find_session_logs(text, text, uuid) is 'The logs that a file may be: those that were read from its path, first, and those of the same id. Whether it is one, its bytes say.';

create or replace function api.begin_session_log(
    source_path text,
    format text,
    log_id text default null,
    session_id text default null,
    keeps_settled boolean default false,
    began_at timestamptz default null,
    header text default null,
    expected_row_version bigint default null,
    account_id uuid default null
)
returns api.session_log
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(begin_session_log.account_id, app.current_account_id());
    v_now timestamptz := app.clock();
    v_id text := begin_session_log.session_id;
    v_path_sum text := encode(sha256(convert_to(begin_session_log.source_path, 'UTF8')), 'hex');
    v_left bigint := 0;
    v_broken bigint := 0;
    v_log api.session_log;
begin
    if v_id is null then
        v_id := 'session-' || coalesce(begin_session_log.log_id, left(v_path_sum, 32));
        if exists (
            select
            from app.session_logs
            where account_id = v_account
                and session_id = v_id
        ) then
            -- Another log has this id. The path keeps the two apart, today and the next time.
            v_id := v_id || '-' || left(v_path_sum, 12);
        end if;

        insert into app.sessions (account_id, id, created_at, updated_at)
        select
            v_account,
            v_id,
            least(began.at, v_now),
            least(began.at, v_now)
        from (select coalesce(begin_session_log.began_at, v_now) as at) as began
        on conflict do nothing;

        insert into app.session_logs (account_id, session_id, log_id, format, source_path, created_at, updated_at)
        values (v_account, v_id, begin_session_log.log_id, begin_session_log.format, begin_session_log.source_path, v_now, v_now)
        on conflict do nothing
        returning app.txid(), session_logs.* into v_log;
        if not found then
            perform app.refuse('SB409', 'the log was begun by somebody else just now', 'Find out again which session has it: api.find_session_logs.');
        end if;
    else
        -- Held, so that nobody adds to the timeline that is cut here.
        select case when begin_session_log.keeps_settled then settled_count else 0 end
        into v_left
        from app.session_logs
        where account_id = v_account
            and session_id = v_id
            and (begin_session_log.expected_row_version is null or row_version = begin_session_log.expected_row_version)
        for no key update;
        if not found then
            perform app.refuse_write('app.session_logs', 'session log', v_account, v_id, begin_session_log.expected_row_version, 'session_id');
        end if;

        with removed as (
            delete from app.session_events
            where account_id = v_account
                and session_id = v_id
                and event_index >= v_left
            returning event_type, payload
        )

        select count(*)
        into v_broken
        from removed
        where event_type = 'broken'
            and payload ? 'reason';

        update app.session_logs as known
        set
            log_id = coalesce(begin_session_log.log_id, log_id),
            format = begin_session_log.format,
            source_path = begin_session_log.source_path,
            -- The upload of a log that was written anew stays what it is, and the log gets another.
            upload_id = case when begin_session_log.keeps_settled then upload_id end,
            event_count = v_left,
            broken_count = case when begin_session_log.keeps_settled then greatest(broken_count - v_broken, 0) else 0 end,
            settled_count = v_left,
            settled_bytes = case when begin_session_log.keeps_settled then settled_bytes else 0 end,
            settled_sha256 = case when begin_session_log.keeps_settled then settled_sha256 else sha256('') end,
            size_bytes = null,
            content_sha256 = null,
            updated_at = greatest(v_now, updated_at)
        where account_id = v_account
            and session_id = v_id
        returning app.txid(), known.* into v_log;

        if not begin_session_log.keeps_settled then
            update app.sessions
            set
                cwd = null,
                repository_url = null,
                branch = null,
                commit_hash = null,
                originator = null,
                cli_version = null
            where account_id = v_account
                and id = v_id;
        end if;
    end if;

    if begin_session_log.header is not null then
        perform app.note_log_facts(v_account, v_id, begin_session_log.format, array[app.log_record(begin_session_log.header)], null);
    end if;
    return v_log;
end;
$$;
comment on function api.begin_session_log(text, text, text, text, boolean, timestamptz, text, bigint, uuid) is 'Begins to read a log. Without session_id it is a new one, and its session is made: session- and the log''s id, or a sum of its path; a second log of an id gets a session of its own. With session_id the log of that session is read on behind what is settled, or (keeps_settled false) anew: then its timeline is emptied. header is what stands around the entries of a JSON document.';

create or replace function app.note_log_facts(p_account_id uuid, p_session_id text, p_format text, p_records jsonb[], p_latest timestamptz)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Each fact is what the log says of it first.
    execute format(
        $sql$
            update app.sessions as session
            set
                cwd = coalesce(session.cwd, said.cwd),
                repository_url = coalesce(session.repository_url, said.repository_url),
                branch = coalesce(session.branch, said.branch),
                commit_hash = coalesce(session.commit_hash, said.commit_hash),
                originator = coalesce(session.originator, said.originator),
                cli_version = coalesce(session.cli_version, said.cli_version),
                updated_at = greatest(session.updated_at, least(coalesce($4, session.updated_at), app.clock()))
            from (
                select
                    (array_agg(fact.cwd order by record.place) filter (where fact.cwd is not null))[1] as cwd,
                    (array_agg(fact.repository_url order by record.place) filter (where fact.repository_url is not null))[1] as repository_url,
                    (array_agg(fact.branch order by record.place) filter (where fact.branch is not null))[1] as branch,
                    (array_agg(fact.commit_hash order by record.place) filter (where fact.commit_hash is not null))[1] as commit_hash,
                    (array_agg(fact.originator order by record.place) filter (where fact.originator is not null))[1] as originator,
                    (array_agg(fact.cli_version order by record.place) filter (where fact.cli_version is not null))[1] as cli_version
                from unnest($3) with ordinality as record (value, place)
                cross join lateral %s(record.value) as fact
                where jsonb_typeof(record.value) = 'object'
            ) as said
            where session.account_id = $1
                and session.id = $2
                and (
                    $4 is not null
                    or num_nonnulls(said.cwd, said.repository_url, said.branch, said.commit_hash, said.originator, said.cli_version) > 0
                )
        $sql$,
        app.log_reader(p_format, 'facts')
    )
    using p_account_id, p_session_id, p_records, p_latest;
end;
$$;
comment on function app.note_log_facts(uuid, text, text, jsonb[], timestamptz) is 'Notes in a session what records of its log say of it, where nothing before them said it, and the latest time in them.';

create or replace function api.add_session_events(
    session_id text,
    lines text[],
    line_numbers bigint[],
    faults text[],
    settled_count bigint,
    settled_bytes bigint,
    settled_sha256 bytea,
    expected_row_version bigint default null,
    account_id uuid default null
)
returns api.session_log
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(add_session_events.account_id, app.current_account_id());
    v_known app.session_logs;
    v_records jsonb[];
    v_latest timestamptz;
    v_log api.session_log;
begin
    select *
    into v_known
    from app.session_logs
    where account_id = v_account
        and session_id = add_session_events.session_id
        and (add_session_events.expected_row_version is null or row_version = add_session_events.expected_row_version)
    for no key update;
    if not found then
        perform app.refuse_write('app.session_logs', 'session log', v_account, add_session_events.session_id, add_session_events.expected_row_version, 'session_id');
    end if;

    if not coalesce(
        cardinality(add_session_events.line_numbers) = cardinality(add_session_events.lines)
        and cardinality(add_session_events.faults) = cardinality(add_session_events.lines)
        and add_session_events.settled_count between v_known.event_count and v_known.event_count + cardinality(add_session_events.lines),
        false
    ) then
        perform app.refuse('22023', 'lines, line_numbers and faults are lists of one length, and no more is settled than was added');
    end if;

    -- Most batches have no broken line. A line that is too large is there in part, which is not looked at.
    begin
        select array_agg(case when line.fault is distinct from 'too_large' then line.text::jsonb end order by line.place)
        into v_records
        from unnest(add_session_events.lines, add_session_events.faults) with ordinality as line (text, fault, place);
    exception
        when data_exception or program_limit_exceeded then
            select array_agg(case when line.fault is distinct from 'too_large' then app.log_record(line.text) end order by line.place)
            into v_records
            from unnest(add_session_events.lines, add_session_events.faults) with ordinality as line (text, fault, place);
    end;

    execute format(
        $sql$
            with added as (
                insert into app.session_events (
                    account_id, session_id, event_index, event_type, role, occurred_at, call_id, name, body, payload
                )
                select
                    $1,
                    $2,
                    $3 + line.place - 1,
                    case when is_broken.so then 'broken' else coalesce(entry.event_type, 'record') end,
                    entry.role,
                    entry.occurred_at,
                    entry.call_id,
                    entry.name,
                    case when is_broken.so then line.text else entry.body end,
                    case
                        when not is_broken.so then line.record
                        else jsonb_build_object(
                            'line',
                            line.number,
                            'reason',
                            case when line.record is null then coalesce(line.fault, 'not_json') else 'not_an_object' end
                        )
                    end
                from unnest($4, $5, $6, $7) with ordinality as line (text, record, number, fault, place)
                cross join lateral (select jsonb_typeof(line.record) is distinct from 'object' as so) as is_broken
                left join lateral %s(line.record) as entry
                    on not is_broken.so
                returning occurred_at
            )

            select max(occurred_at)
            from added
        $sql$,
        app.log_reader(v_known.format, 'entry')
    )
    into v_latest
    using
        v_account,
        add_session_events.session_id,
        v_known.event_count,
        add_session_events.lines,
        v_records,
        add_session_events.line_numbers,
        add_session_events.faults;

    perform app.note_log_facts(v_account, add_session_events.session_id, v_known.format, v_records, coalesce(v_latest, '-infinity'));

    update app.session_logs as known
    set
        event_count = event_count + cardinality(add_session_events.lines),
        broken_count = broken_count + (
            select count(*)
            from unnest(v_records) as record
            where jsonb_typeof(record) is distinct from 'object'
        ),
        settled_count = add_session_events.settled_count,
        settled_bytes = add_session_events.settled_bytes,
        settled_sha256 = add_session_events.settled_sha256,
        updated_at = greatest(app.clock(), updated_at)
    where account_id = v_account
        and session_id = add_session_events.session_id
    returning app.txid(), known.* into v_log;
    return v_log;
end;
$$;
comment on function api.add_session_events(text, text[], bigint[], text[], bigint, bigint, bytea, bigint, uuid) is 'Reads the next lines of a log into the timeline, and notes how far the log is settled with them. A line that is no JSON object is an entry of type broken with its text, and its place and the reason in payload. Without expected_row_version a call that is repeated adds its lines twice. faults has for each line null, or what the client saw: unfinished (no line feed yet), too_large (the text is its begin), damaged, cut_off.';

create or replace function api.finish_session_log(
    session_id text,
    upload_id text,
    size_bytes bigint,
    content_sha256 bytea,
    expected_row_version bigint default null,
    account_id uuid default null
)
returns api.session_log
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(finish_session_log.account_id, app.current_account_id());
    v_log api.session_log;
begin
    perform
    from app.session_logs
    where account_id = v_account
        and session_id = finish_session_log.session_id
        and (finish_session_log.expected_row_version is null or row_version = finish_session_log.expected_row_version)
    for no key update;
    if not found then
        perform app.refuse_write('app.session_logs', 'session log', v_account, finish_session_log.session_id, finish_session_log.expected_row_version, 'session_id');
    end if;

    if not exists (
        select
        from app.session_uploads as upload
        where account_id = v_account
            and id = finish_session_log.upload_id
            and session_id = finish_session_log.session_id
            and size_bytes = finish_session_log.size_bytes
            and content_sha256 = finish_session_log.content_sha256
    ) then
        perform app.refuse('22023', 'the session has no such upload of this content', 'Store the log''s bytes first: api.store_upload.');
    end if;

    update app.session_logs as known
    set
        upload_id = finish_session_log.upload_id,
        size_bytes = finish_session_log.size_bytes,
        content_sha256 = finish_session_log.content_sha256,
        updated_at = greatest(app.clock(), updated_at)
    where account_id = v_account
        and session_id = finish_session_log.session_id
    returning app.txid(), known.* into v_log;
    return v_log;
end;
$$;
comment on function api.finish_session_log(text, text, bigint, bytea, bigint, uuid) is 'Notes that a log was read to its end, and which upload has its bytes.';

create or replace function api.get_session_log(session_id text, account_id uuid default null)
returns setof app.session_logs
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    select known.*
    from app.session_logs as known
    where account_id = coalesce(get_session_log.account_id, app.current_account_id())
        and session_id = get_session_log.session_id;
end;
$$;
comment on function api.get_session_log(text, uuid) is 'How far the log of a session has been read; no row where it has none, or one may not see it.';

create or replace function api.list_session_events(
    session_id text,
    after_index bigint default null,
    before_index bigint default null,
    newest boolean default false,
    page_size integer default 100,
    account_id uuid default null
)
returns setof app.session_events
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(list_session_events.account_id, app.current_account_id());
begin
    perform app.check_page_size(list_session_events.page_size);
    perform app.check_cursors(list_session_events.after_index::text, list_session_events.before_index::text, list_session_events.newest);

    if list_session_events.newest or list_session_events.before_index is not null then
        return query
        select page.*
        from (
            select event.*
            from app.session_events as event
            where account_id = v_account
                and session_id = list_session_events.session_id
                and event_index < coalesce(list_session_events.before_index, 9223372036854775807)
            order by event_index desc
            limit list_session_events.page_size
        ) as page
        order by page.event_index;
        return;
    end if;

    return query
    select event.*
    from app.session_events as event
    where account_id = v_account
        and session_id = list_session_events.session_id
        and event_index > coalesce(list_session_events.after_index, -1)
    order by event_index
    limit list_session_events.page_size;
end;
$$;
comment on function api.list_session_events(text, bigint, bigint, boolean, integer, uuid) is 'The timeline of a session in order, a page at a time: from its begin, after an index, before one, or the newest entries.';

grant execute on function
api.recognize_log(text[]),
api.find_session_logs(text, text, uuid),
api.begin_session_log(text, text, text, text, boolean, timestamptz, text, bigint, uuid),
app.note_log_facts(uuid, text, text, jsonb[], timestamptz),
api.add_session_events(text, text[], bigint[], text[], bigint, bigint, bytea, bigint, uuid),
api.finish_session_log(text, text, bigint, bytea, bigint, uuid),
api.get_session_log(text, uuid),
api.list_session_events(text, bigint, bigint, boolean, integer, uuid)
to app_user;
