-- What a record of the old files must look like. No function here reads a table.
set local role import_definer;

create or replace function legacy.is_time(p_value text)
returns boolean
language sql
immutable
parallel safe
as $$
    select case
        when p_value is null then false
        -- [0-9], for \d takes digits of every script in a database with an ICU locale.
        when p_value !~ '^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-](0[0-9]|1[0-5]):[0-5][0-9])$' then false
        when substr(p_value, 9, 2)::integer <= 28 then true
        else substr(p_value, 9, 2)::integer <= extract(
            day from make_date(substr(p_value, 1, 4)::integer, substr(p_value, 6, 2)::integer, 1) + interval '1 month - 1 day'
        )
    end
$$;
comment on function legacy.is_time(text) is 'Whether a text is an ISO 8601 date and time with a zone that timestamptz takes without loss, guess or error. now, epoch and dates without a zone are not.';

create or replace function legacy.is_id(p_value text)
returns boolean
language sql
immutable
parallel safe
as $$
    select octet_length(p_value) between 1 and 512
$$;
comment on function legacy.is_id(text) is 'Whether a text fits an id column: 1 to 512 bytes.';

create or replace function legacy.text_fault(p_record jsonb, p_fields text[], p_required boolean)
returns text
language sql
immutable
parallel safe
as $$
    select case
        when p_record -> field.name is null then 'missing '
        else 'wrong_type '
    end || field.name
    from unnest(p_fields) with ordinality as field (name, place)
    where case
        when p_required then jsonb_typeof(p_record -> field.name) is distinct from 'string'
        else jsonb_typeof(p_record -> field.name) not in ('string', 'null')
    end
    order by field.place
    limit 1
$$;
comment on function legacy.text_fault(jsonb, text[], boolean) is 'The first of some fields that is not a string, as ''missing name'' or ''wrong_type name''. Fields that are not required may be absent or null.';

create or replace function legacy.thread_fault(p_record jsonb)
returns text
language sql
immutable
parallel safe
as $$
    select coalesce(
        legacy.text_fault(p_record, '{id,sessionId,mode,title,status,createdAt,updatedAt}', true),
        case
            when not legacy.is_id(p_record ->> 'id') then 'wrong_length id'
            when not legacy.is_id(p_record ->> 'sessionId') then 'wrong_length sessionId'
            when p_record ->> 'mode' not in ('session', 'general') then 'wrong_value mode'
            when p_record ->> 'status' not in ('active', 'archived') then 'wrong_value status'
            when not legacy.is_time(p_record ->> 'createdAt') then 'not_a_time createdAt'
            when not legacy.is_time(p_record ->> 'updatedAt') then 'not_a_time updatedAt'
        end
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
        legacy.text_fault(p_record, '{id,sessionId,mode,role,content,createdAt,updatedAt}', true),
        legacy.text_fault(p_record, '{threadId,clientMessageId,misalignmentId}', false),
        case
            when not legacy.is_id(p_record ->> 'id') then 'wrong_length id'
            when not legacy.is_id(p_record ->> 'sessionId') then 'wrong_length sessionId'
            when not legacy.is_id(p_record ->> 'threadId') then 'wrong_length threadId'
            when not legacy.is_id(p_record ->> 'clientMessageId') then 'wrong_length clientMessageId'
            when not legacy.is_id(p_record ->> 'misalignmentId') then 'wrong_length misalignmentId'
            when p_record ->> 'mode' not in ('session', 'general') then 'wrong_value mode'
            when p_record ->> 'role' not in ('system', 'user', 'assistant') then 'wrong_value role'
            when jsonb_typeof(p_record -> 'evidence') not in ('array', 'null') then 'wrong_type evidence'
            when jsonb_typeof(p_record -> 'contextEvents') not in ('array', 'null') then 'wrong_type contextEvents'
            when not legacy.is_time(p_record ->> 'createdAt') then 'not_a_time createdAt'
            when not legacy.is_time(p_record ->> 'updatedAt') then 'not_a_time updatedAt'
        end
    )
$$;
comment on function legacy.message_fault(jsonb) is 'Why a record can not be a message, as ''reason field''; null if it can.';

create or replace function legacy.tool_event_fault(p_record jsonb)
returns text
language sql
immutable
parallel safe
as $$
    select coalesce(
        legacy.text_fault(p_record, '{id,sessionId,toolName,status,startedAt}', true),
        legacy.text_fault(p_record, '{threadId,toolCallId,error,completedAt}', false),
        case
            when not legacy.is_id(p_record ->> 'id') then 'wrong_length id'
            when not legacy.is_id(p_record ->> 'sessionId') then 'wrong_length sessionId'
            when not legacy.is_id(p_record ->> 'threadId') then 'wrong_length threadId'
            when p_record ->> 'status' not in ('pending', 'executing', 'succeeded', 'failed') then 'wrong_value status'
            when jsonb_typeof(p_record -> 'latencyMs') not in ('number', 'null') then 'wrong_type latencyMs'
            when p_record ->> 'latencyMs' !~ '^[0-9]{1,15}$' then 'wrong_value latencyMs'
            when jsonb_typeof(p_record -> 'contextEvents') not in ('array', 'null') then 'wrong_type contextEvents'
            when not legacy.is_time(p_record ->> 'startedAt') then 'not_a_time startedAt'
            when p_record ->> 'completedAt' is not null and not legacy.is_time(p_record ->> 'completedAt')
                then 'not_a_time completedAt'
            when (p_record ->> 'status' in ('succeeded', 'failed')) <> (p_record ->> 'completedAt' is not null)
                then 'times_out_of_order completedAt'
        end
    )
$$;
comment on function legacy.tool_event_fault(jsonb) is 'Why a record can not be a tool event, as ''reason field''; null if it can.';

create or replace function legacy.record_fault(p_kind text, p_record jsonb)
returns text
language sql
immutable
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

create or replace function legacy.mended(p_record jsonb, p_mends jsonb)
returns jsonb
language sql
immutable
parallel safe
as $$
    select case
        when p_mends = '{}' then p_record
        else p_record || (
            select jsonb_object_agg(mend.key, mend.value -> 'to')
            from jsonb_each(p_mends) as mend
        )
    end
$$;
comment on function legacy.mended(jsonb, jsonb) is 'A record with its mends applied: each mended field has the mend''s to.';

create or replace function legacy.mend(p_record jsonb, p_field text, p_reason text, p_to jsonb)
returns jsonb
language sql
immutable
parallel safe
as $$
    select jsonb_build_object(p_field, jsonb_build_object('reason', p_reason, 'from', p_record -> p_field, 'to', p_to))
$$;
comment on function legacy.mend(jsonb, text, text, jsonb) is 'One mend, to be added to others by ||: the field, why, what the file says and what the database says.';

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

create or replace function legacy.began_at(p_kind text, p_record jsonb)
returns timestamptz
language sql
stable
parallel safe
as $$
    select case p_kind
        when 'tool_events' then p_record ->> 'startedAt'
        else p_record ->> 'createdAt'
    end::timestamptz
$$;
comment on function legacy.began_at(text, jsonb) is 'When a record that has no fault began to be. Its times name their zone, so the session''s does not matter.';

create or replace function legacy.ended_at(p_kind text, p_record jsonb)
returns timestamptz
language sql
stable
parallel safe
as $$
    select case p_kind
        when 'tool_events' then coalesce(p_record ->> 'completedAt', p_record ->> 'startedAt')
        else p_record ->> 'updatedAt'
    end::timestamptz
$$;
comment on function legacy.ended_at(text, jsonb) is 'When a record that has no fault last changed. Its times name their zone, so the session''s does not matter.';

create or replace function legacy.has_duplicate_field(p_raw text, p_record jsonb)
returns boolean
language sql
immutable
parallel safe
as $$
    select case
        when jsonb_typeof(p_record) = 'object'
            then (select count(*) from json_object_keys(p_raw::json)) <> (select count(*) from jsonb_object_keys(p_record))
        else false
    end
$$;
comment on function legacy.has_duplicate_field(text, jsonb) is 'Whether a field stands twice in an object: jsonb keeps the last one only. Objects inside it are not looked at; there the last one counts, as in JavaScript.';
