-- What a record of the old files must look like, and what it becomes. No function here reads a table.
set local role import_definer;

create or replace function legacy.is_id(p_value text)
returns boolean
language sql
immutable
parallel safe
as $$
    select octet_length(p_value) between 1 and 512
$$;
comment on function legacy.is_id(text) is 'Whether a text fits an id column: 1 to 512 bytes.';

create or replace function legacy.text_fault(p_record jsonb, p_field text, p_required boolean)
returns text
language sql
immutable
parallel safe
as $$
    select case
        when jsonb_typeof(p_record -> p_field) = 'string' then null
        when p_record -> p_field is null then case when p_required then 'missing ' || p_field end
        when jsonb_typeof(p_record -> p_field) = 'null' and not p_required then null
        else 'wrong_type ' || p_field
    end
$$;
comment on function legacy.text_fault(jsonb, text, boolean) is 'Why a field is not the string it must be, as ''missing name'' or ''wrong_type name''. One that is not required may be absent or null.';

create or replace function legacy.time_fault(p_record jsonb, p_field text)
returns text
language sql
immutable
parallel safe
as $$
    select case when not app.is_time(p_record ->> p_field) then 'not_a_time ' || p_field end
$$;
comment on function legacy.time_fault(jsonb, text) is 'Says ''not_a_time name'' unless the field is a time.';

create or replace function legacy.length_fault(p_record jsonb, p_field text)
returns text
language sql
immutable
parallel safe
as $$
    select case when not legacy.is_id(p_record ->> p_field) then 'wrong_length ' || p_field end
$$;
comment on function legacy.length_fault(jsonb, text) is 'Says ''wrong_length name'' if the field is there and fits no id column.';

create or replace function legacy.thread_fault(p_record jsonb)
returns text
language sql
immutable
parallel safe
as $$
    select coalesce(
        legacy.text_fault(p_record, 'id', true),
        legacy.text_fault(p_record, 'sessionId', true),
        legacy.text_fault(p_record, 'mode', true),
        legacy.text_fault(p_record, 'title', true),
        legacy.text_fault(p_record, 'status', true),
        legacy.text_fault(p_record, 'createdAt', true),
        legacy.text_fault(p_record, 'updatedAt', true),
        legacy.length_fault(p_record, 'id'),
        legacy.length_fault(p_record, 'sessionId'),
        case
            when p_record ->> 'mode' not in ('session', 'general') then 'wrong_value mode'
            when p_record ->> 'status' not in ('active', 'archived') then 'wrong_value status'
        end,
        legacy.time_fault(p_record, 'createdAt'),
        legacy.time_fault(p_record, 'updatedAt')
    )
$$;
comment on function legacy.thread_fault(jsonb) is 'Why a record can not be a thread, as ''reason field''; null if it can. Its count, preview and last time are derived, so they are not looked at.';

create or replace function legacy.message_fault(p_record jsonb)
returns text
language sql
immutable
parallel safe
as $$
    select coalesce(
        legacy.text_fault(p_record, 'id', true),
        legacy.text_fault(p_record, 'sessionId', true),
        legacy.text_fault(p_record, 'mode', true),
        legacy.text_fault(p_record, 'role', true),
        legacy.text_fault(p_record, 'content', true),
        legacy.text_fault(p_record, 'createdAt', true),
        legacy.text_fault(p_record, 'updatedAt', true),
        legacy.text_fault(p_record, 'threadId', false),
        legacy.text_fault(p_record, 'clientMessageId', false),
        legacy.text_fault(p_record, 'misalignmentId', false),
        legacy.length_fault(p_record, 'id'),
        legacy.length_fault(p_record, 'sessionId'),
        legacy.length_fault(p_record, 'threadId'),
        legacy.length_fault(p_record, 'clientMessageId'),
        legacy.length_fault(p_record, 'misalignmentId'),
        case
            when p_record ->> 'mode' not in ('session', 'general') then 'wrong_value mode'
            when p_record ->> 'role' not in ('system', 'user', 'assistant') then 'wrong_value role'
            when jsonb_typeof(p_record -> 'evidence') not in ('array', 'null') then 'wrong_type evidence'
            when jsonb_typeof(p_record -> 'contextEvents') not in ('array', 'null') then 'wrong_type contextEvents'
        end,
        legacy.time_fault(p_record, 'createdAt'),
        legacy.time_fault(p_record, 'updatedAt')
    )
$$;
comment on function legacy.message_fault(jsonb) is 'Why a record can not be a message, as ''reason field''; null if it can.';

create or replace function legacy.tool_event_fault(p_record jsonb)
returns text
language sql
stable
parallel safe
as $$
    select coalesce(
        legacy.text_fault(p_record, 'id', true),
        legacy.text_fault(p_record, 'sessionId', true),
        legacy.text_fault(p_record, 'toolName', true),
        legacy.text_fault(p_record, 'status', true),
        legacy.text_fault(p_record, 'startedAt', true),
        legacy.text_fault(p_record, 'threadId', false),
        legacy.text_fault(p_record, 'toolCallId', false),
        legacy.text_fault(p_record, 'error', false),
        legacy.text_fault(p_record, 'completedAt', false),
        legacy.length_fault(p_record, 'id'),
        legacy.length_fault(p_record, 'sessionId'),
        legacy.length_fault(p_record, 'threadId'),
        case
            when p_record ->> 'status' not in ('pending', 'executing', 'succeeded', 'failed') then 'wrong_value status'
            when jsonb_typeof(p_record -> 'latencyMs') not in ('number', 'null') then 'wrong_type latencyMs'
            when p_record ->> 'latencyMs' !~ '^[0-9]{1,15}$' then 'wrong_value latencyMs'
            when jsonb_typeof(p_record -> 'contextEvents') not in ('array', 'null') then 'wrong_type contextEvents'
        end,
        legacy.time_fault(p_record, 'startedAt'),
        case
            when p_record ->> 'completedAt' is not null then legacy.time_fault(p_record, 'completedAt')
        end,
        case
            when (p_record ->> 'status' in ('succeeded', 'failed')) <> (p_record ->> 'completedAt' is not null)
                then 'times_out_of_order completedAt'
            when (p_record ->> 'completedAt')::timestamptz < (p_record ->> 'startedAt')::timestamptz
                then 'times_out_of_order completedAt'
        end
    )
$$;
comment on function legacy.tool_event_fault(jsonb) is 'Why a record can not be a tool event, as ''reason field''; null if it can. Its times name their zone, so the session''s does not matter.';

create or replace function legacy.record_fault(p_kind text, p_record jsonb)
returns text
language sql
stable
parallel safe
as $$
    select case
        when jsonb_typeof(p_record) <> 'object' then 'not_an_object'
        when p_kind = 'threads' then legacy.thread_fault(p_record)
        when p_kind = 'messages' then legacy.message_fault(p_record)
        when p_kind = 'tool_events' then legacy.tool_event_fault(p_record)
    end
$$;
comment on function legacy.record_fault(text, jsonb) is 'Why an element can not be a record of its kind, as ''reason'' or ''reason field''; null if it can.';

create or replace function legacy.made_thread_id(variadic p_parts text[])
returns text
language sql
immutable
parallel safe
as $$
    -- As JSON the parts can not run into each other.
    select 'thread_' || md5(to_jsonb(p_parts)::text)::uuid::text
$$;
comment on function legacy.made_thread_id(text[]) is 'The id of a thread that the import makes. The same parts give the same id, so a run that is repeated makes the same threads. Not a secret: md5 only spreads.';

-- IS JSON came with Postgres 16.
do $do$
begin
    if current_setting('server_version_num')::integer >= 160000 then
        execute $sql$
            create or replace function legacy.has_unique_fields(p_raw text)
            returns boolean
            language sql
            immutable
            parallel safe
            as $$
                select p_raw is json with unique keys
            $$
        $sql$;
    else
        execute $sql$
            create or replace function legacy.has_unique_fields(p_raw text)
            returns boolean
            language sql
            immutable
            parallel safe
            as $$
                with recursive part as (
                    select p_raw::json as value

                    union all

                    select child.value
                    from part
                    cross join lateral (
                        select entry.value
                        from json_each(case when json_typeof(part.value) = 'object' then part.value else '{}' end) as entry

                        union all

                        select item.value
                        from json_array_elements(case when json_typeof(part.value) = 'array' then part.value else '[]' end) as item
                    ) as child
                    where json_typeof(child.value) in ('object', 'array')
                )

                select not exists (
                    select
                    from part
                    cross join lateral (
                        select count(*) <> count(distinct field.name) as repeats
                        from json_object_keys(case when json_typeof(part.value) = 'object' then part.value else '{}' end) as field (name)
                    ) as counted
                    where counted.repeats
                )
            $$
        $sql$;
    end if;
end;
$do$;
comment on function legacy.has_unique_fields(text) is 'Whether no object of a JSON text, at any depth, has a field twice: jsonb would keep the last one only.';

create or replace function legacy.is_unreadable(p_sqlstate text, p_size bigint)
returns boolean
language sql
immutable
parallel safe
as $$
    select left(p_sqlstate, 2) in ('22', '54')
        -- Out of memory, or an allocation beyond what Postgres makes: of a small record that is something else.
        or (p_sqlstate in ('53200', 'XX000') and p_size > 16777216)
$$;
comment on function legacy.is_unreadable(text, bigint) is 'Whether an error says that bytes of this size are no JSON Postgres can read, and not that something else is wrong.';

create or replace function legacy.changed_fields(p_one jsonb, p_other jsonb)
returns text[]
language sql
immutable
parallel safe
as $$
    select array_agg(coalesce(one.key, other.key))
    from jsonb_each(p_one) as one
    full join jsonb_each(p_other) as other
        on one.key = other.key
    where one.value is distinct from other.value
$$;
comment on function legacy.changed_fields(jsonb, jsonb) is 'The fields by which two objects differ.';

create or replace function legacy.repeated_fields(p_raw text)
returns text[]
language sql
immutable
parallel safe
as $$
    select coalesce(array_agg(repeated.name), '{*}')
    from (
        select field.name
        from json_object_keys(p_raw::json) as field (name)
        group by field.name
        having count(*) > 1
    ) as repeated
$$;
comment on function legacy.repeated_fields(text) is 'The fields that an object has twice; * if it is an object within it that does.';

create or replace function legacy.read_json(p_raw bytea, out record jsonb, out refusal text, out mends jsonb)
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_text text;
    v_without_characters jsonb;
    v_without_numbers jsonb;
    v_is_unique boolean;
begin
    mends := '{}';
    begin
        v_text := convert_from(p_raw, 'UTF8');
        record := v_text::jsonb;
        v_is_unique := legacy.has_unique_fields(v_text);
    exception
        when others then
            get stacked diagnostics refusal = returned_sqlstate;
            if not legacy.is_unreadable(refusal, octet_length(p_raw)) then
                raise;
            end if;
            record := null;
    end;

    if refusal in ('22P02', '22P05', '22003', '54000') and v_text is not null then
        -- Perhaps a character or a number that JSON allows and Postgres does not: read it with another in its place.
        begin
            v_without_characters := app.storable_json(v_text, '', null)::jsonb;
            v_without_numbers := app.storable_json(v_text, '\ufffd', 'null')::jsonb;
            v_text := app.storable_json(v_text, '\ufffd', null);
            record := v_text::jsonb;
            v_is_unique := legacy.has_unique_fields(v_text);
        exception
            when others then
                if not legacy.is_unreadable(sqlstate, octet_length(p_raw)) then
                    raise;
                end if;
                record := null;
        end;
        if record is not null then
            if jsonb_typeof(record) = 'object' then
                mends := coalesce((
                    select jsonb_object_agg(field.name, jsonb_build_object('reason', field.reason))
                    from (
                        select
                            unnest(legacy.changed_fields(record, v_without_numbers)) as name,
                            'number_replaced' as reason

                        union all

                        select
                            unnest(legacy.changed_fields(record, v_without_characters)) as name,
                            'character_replaced' as reason
                    ) as field
                    -- A name that had such a character is another without it.
                    where record ? field.name
                ), '{}');
            end if;
            refusal := null;
        end if;
    end if;

    if jsonb_typeof(record) = 'object' and not v_is_unique then
        mends := mends || (
            select jsonb_object_agg(field.name, jsonb_build_object('reason', 'duplicate_field'))
            from unnest(legacy.repeated_fields(v_text)) as field (name)
        );
    end if;
end;
$$;
comment on function legacy.read_json(bytea) is 'Reads bytes as JSON. refusal: the SQLSTATE if they are none, and record is null. mends: the fields in which something had to be replaced, or that stand twice.';

-- Plain records: those that their row alone gives back, and that a set of them can come in without a look at each.

create or replace function legacy.is_text(p_record jsonb, p_field text)
returns boolean
language sql
immutable
parallel safe
as $$
    select coalesce(jsonb_typeof(p_record -> p_field) = 'string', false)
$$;
comment on function legacy.is_text(jsonb, text) is 'Whether a field is there and a string.';

create or replace function legacy.is_absent_or(p_record jsonb, p_field text, p_type text)
returns boolean
language sql
immutable
parallel safe
as $$
    select coalesce(jsonb_typeof(p_record -> p_field) = p_type, true)
$$;
comment on function legacy.is_absent_or(jsonb, text, text) is 'Whether a field is absent, or of a type. null is a type of its own.';

create or replace function legacy.is_plain_time(p_record jsonb, p_field text)
returns boolean
language sql
stable
parallel safe
as $$
    select case
        when p_record ->> p_field like '____-__-__T__:__:__.___Z'
            then to_char((p_record ->> p_field)::timestamptz at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') = p_record ->> p_field
        else false
    end
$$;
comment on function legacy.is_plain_time(jsonb, text) is 'Whether a field is a time in the one spelling the old viewer used. Fails on what has that shape and is no time. Its times name their zone, so the session''s does not matter.';

create or replace function legacy.is_plain_thread(p_record jsonb)
returns boolean
language sql
stable
parallel safe
as $$
    select legacy.is_plain_time(p_record, 'createdAt')
        and legacy.is_plain_time(p_record, 'updatedAt')
        and coalesce(jsonb_typeof(p_record -> 'messageCount') = 'number', false)
        and legacy.is_absent_or(p_record, 'lastMessagePreview', 'string')
        -- No fault looks at this one, so what has the shape of a time need not be one.
        and case
            when p_record -> 'lastMessageAt' is null then true
            when app.is_time(p_record ->> 'lastMessageAt') then legacy.is_plain_time(p_record, 'lastMessageAt')
            else false
        end
$$;
comment on function legacy.is_plain_thread(jsonb) is 'Whether a record without fault is a thread that its row gives back.';

create or replace function legacy.is_plain_message(p_record jsonb)
returns boolean
language sql
stable
parallel safe
as $$
    select legacy.is_text(p_record, 'id')
        and legacy.is_text(p_record, 'sessionId')
        and legacy.is_text(p_record, 'mode')
        and legacy.is_text(p_record, 'threadId')
        and legacy.is_text(p_record, 'role')
        and legacy.is_text(p_record, 'content')
        and legacy.is_absent_or(p_record, 'clientMessageId', 'string')
        and legacy.is_absent_or(p_record, 'misalignmentId', 'string')
        and legacy.is_absent_or(p_record, 'evidence', 'array')
        and legacy.is_absent_or(p_record, 'contextEvents', 'array')
        and legacy.is_plain_time(p_record, 'createdAt')
        -- Most messages were never changed.
        and (coalesce(p_record -> 'updatedAt' = p_record -> 'createdAt', false) or legacy.is_plain_time(p_record, 'updatedAt'))
$$;
comment on function legacy.is_plain_message(jsonb) is 'Whether a JSON value is a message that its row gives back. What constraints check is left to them.';

create or replace function legacy.is_plain_tool_event(p_record jsonb)
returns boolean
language sql
stable
parallel safe
as $$
    select legacy.is_text(p_record, 'id')
        and legacy.is_text(p_record, 'sessionId')
        and legacy.is_text(p_record, 'toolName')
        and legacy.is_text(p_record, 'status')
        and coalesce(jsonb_typeof(p_record -> 'threadId') in ('string', 'null'), false)
        and coalesce(jsonb_typeof(p_record -> 'toolCallId') in ('string', 'null'), false)
        and coalesce(p_record ->> 'latencyMs' ~ '^[0-9]{1,15}$', true)
        and legacy.is_absent_or(p_record, 'latencyMs', 'number')
        and legacy.is_absent_or(p_record, 'error', 'string')
        and legacy.is_absent_or(p_record, 'contextEvents', 'array')
        and legacy.is_plain_time(p_record, 'startedAt')
        and (p_record -> 'completedAt' is null or legacy.is_plain_time(p_record, 'completedAt'))
$$;
comment on function legacy.is_plain_tool_event(jsonb) is 'Whether a JSON value is a tool event that its row gives back. What constraints check is left to them.';

create or replace function legacy.is_plain(p_kind text, p_record jsonb)
returns boolean
language sql
stable
parallel safe
as $$
    select case p_kind
        when 'threads' then legacy.is_plain_thread(p_record)
        when 'messages' then legacy.is_plain_message(p_record)
        when 'tool_events' then legacy.is_plain_tool_event(p_record)
    end
$$;
comment on function legacy.is_plain(text, jsonb) is 'Whether a record without fault is one that its row gives back.';
