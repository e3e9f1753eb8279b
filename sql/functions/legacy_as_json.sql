-- Rows as the old files had them: one JSON object a row, fields in the old order where order matters to nobody.
set local role import_definer;

create or replace function legacy.json_time(p_time timestamptz)
returns text
language sql
stable
parallel safe
as $$
    select case
        when extract(microseconds from p_time)::bigint % 1000 = 0
            then to_char(p_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
        else to_char(p_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    end
$$;
comment on function legacy.json_time(timestamptz) is 'A time as the old viewer wrote it: UTC, milliseconds, Z; with microseconds where it has them.';

-- Evidence and context events: what has no field of its own stands in the item's extra.

create or replace function legacy.wrapped(p_items jsonb, p_known text[])
returns jsonb
language sql
immutable
parallel safe
as $$
    select case
        when jsonb_typeof(p_items) <> 'array' then p_items
        else coalesce(
            (
                select jsonb_agg(
                    case
                        when jsonb_typeof(item.value) <> 'object' or item.value - p_known = '{}' then item.value
                        else item.value - array(
                            select jsonb_object_keys(item.value - p_known)
                        ) || jsonb_build_object('extra', item.value - p_known)
                    end
                    order by item.place
                )
                from jsonb_array_elements(p_items) with ordinality as item (value, place)
            ),
            '[]'
        )
    end
$$;
comment on function legacy.wrapped(jsonb, text[]) is 'An array of objects, each with its unknown fields moved into its field extra.';

create or replace function legacy.unwrapped(p_items jsonb)
returns jsonb
language sql
immutable
parallel safe
as $$
    select case
        when jsonb_typeof(p_items) <> 'array' then p_items
        else coalesce(
            (
                select jsonb_agg(
                    case
                        when jsonb_typeof(item.value -> 'extra') = 'object' then item.value - 'extra' || (item.value -> 'extra')
                        else item.value
                    end
                    order by item.place
                )
                from jsonb_array_elements(p_items) with ordinality as item (value, place)
            ),
            '[]'
        )
    end
$$;
comment on function legacy.unwrapped(jsonb) is 'The same array as the old files had it: each item''s extra spread out again.';

create or replace function legacy.evidence(p_items jsonb)
returns jsonb
language sql
immutable
parallel safe
as $$
    select case
        when p_items @? '$[*] ? (@.type() == "object").keyvalue().key ? (@ != "path" && @ != "ruleId" && @ != "snippet" && @ != "severity" && @ != "label")'
            then legacy.wrapped(p_items, '{path,ruleId,snippet,severity,label}')
        else p_items
    end
$$;
comment on function legacy.evidence(jsonb) is 'The evidence of a record as the column holds it.';

create or replace function legacy.context_events(p_items jsonb)
returns jsonb
language sql
immutable
parallel safe
as $$
    select case
        when p_items @? '$[*] ? (@.type() == "object").keyvalue().key ? (@ != "eventIndex" && @ != "displayIndex" && @ != "eventId" && @ != "eventType" && @ != "summary")'
            then legacy.wrapped(p_items, '{eventIndex,displayIndex,eventId,eventType,summary}')
        else p_items
    end
$$;
comment on function legacy.context_events(jsonb) is 'The context events of a record as the column holds them.';

-- Rows.

create or replace function legacy.thread_json(p_row app.chat_threads)
returns jsonb
language sql
stable
parallel safe
as $$
    select p_row.extra || jsonb_strip_nulls(jsonb_build_object(
        'id', p_row.id,
        'sessionId', p_row.session_id,
        'mode', p_row.mode,
        'title', p_row.title,
        'status', p_row.status,
        'messageCount', p_row.message_count,
        'lastMessagePreview', p_row.last_message_preview,
        'lastMessageAt', legacy.json_time(p_row.last_message_at),
        'createdAt', legacy.json_time(p_row.created_at),
        'updatedAt', legacy.json_time(p_row.updated_at)
    ))
$$;
comment on function legacy.thread_json(app.chat_threads) is 'A thread as chat-threads.json has it.';

create or replace function legacy.message_json(p_row app.chat_messages)
returns jsonb
language sql
stable
parallel safe
as $$
    select p_row.extra
        || jsonb_strip_nulls(jsonb_build_object(
            'id', p_row.id,
            'sessionId', p_row.session_id,
            'mode', p_row.mode,
            'threadId', p_row.thread_id,
            'role', p_row.role,
            'content', p_row.content,
            'clientMessageId', p_row.client_message_id,
            'misalignmentId', p_row.misalignment_id,
            'createdAt', legacy.json_time(p_row.created_at),
            'updatedAt', legacy.json_time(p_row.updated_at)
        ))
        || case when p_row.evidence is null then '{}' else jsonb_build_object('evidence', legacy.unwrapped(p_row.evidence)) end
        || case
            when p_row.context_events is null then '{}'
            else jsonb_build_object('contextEvents', legacy.unwrapped(p_row.context_events))
        end
$$;
comment on function legacy.message_json(app.chat_messages) is 'A message as chat-messages.json has it.';

create or replace function legacy.tool_event_json(p_row app.chat_tool_events)
returns jsonb
language sql
stable
parallel safe
as $$
    select p_row.extra
        || jsonb_build_object('threadId', p_row.thread_id, 'toolCallId', p_row.tool_call_id)
        || jsonb_strip_nulls(jsonb_build_object(
            'id', p_row.id,
            'sessionId', p_row.session_id,
            'toolName', p_row.tool_name,
            'status', p_row.status,
            'error', p_row.error,
            'startedAt', legacy.json_time(p_row.started_at),
            'completedAt', legacy.json_time(p_row.completed_at),
            'latencyMs', p_row.latency_ms
        ))
        || case when p_row.arguments is null then '{}' else jsonb_build_object('arguments', p_row.arguments) end
        || case when p_row.result is null then '{}' else jsonb_build_object('result', p_row.result) end
        || case
            when p_row.context_events is null then '{}'
            else jsonb_build_object('contextEvents', legacy.unwrapped(p_row.context_events))
        end
$$;
comment on function legacy.tool_event_json(app.chat_tool_events) is 'A tool event as chat-tool-events.json has it. The old viewer always wrote threadId and toolCallId, null or not.';

create or replace function legacy.row_json(p_account_id uuid, p_kind text, p_id text)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select case p_kind
        when 'threads' then (
            select legacy.thread_json(thread)
            from app.chat_threads as thread
            where thread.account_id = p_account_id
                and thread.id = p_id
        )
        when 'messages' then (
            select legacy.message_json(message)
            from app.chat_messages as message
            where message.account_id = p_account_id
                and message.id = p_id
        )
        else (
            select legacy.tool_event_json(tool_event)
            from app.chat_tool_events as tool_event
            where tool_event.account_id = p_account_id
                and tool_event.id = p_id
        )
    end
$$;
comment on function legacy.row_json(uuid, text, text) is 'The row of an id as the old files had it; null if there is none.';

create or replace function legacy.row_version(p_account_id uuid, p_kind text, p_id text)
returns bigint
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select case p_kind
        when 'threads' then (
            select thread.row_version
            from app.chat_threads as thread
            where thread.account_id = p_account_id
                and thread.id = p_id
        )
        when 'messages' then (
            select message.row_version
            from app.chat_messages as message
            where message.account_id = p_account_id
                and message.id = p_id
        )
        else (
            select tool_event.row_version
            from app.chat_tool_events as tool_event
            where tool_event.account_id = p_account_id
                and tool_event.id = p_id
        )
    end
$$;
comment on function legacy.row_version(uuid, text, text) is 'The row_version of a row; null if there is none.';

-- Mends.

create or replace function legacy.mended(p_record jsonb, p_mends jsonb)
returns jsonb
language sql
immutable
parallel safe
as $$
    select case
        when p_mends = '{}' then p_record
        else p_record || (
            select coalesce(jsonb_object_agg(mend.key, mend.value -> 'to'), '{}')
            from jsonb_each(p_mends) as mend
            where mend.key <> '*'
                and mend.value ? 'to'
        )
    end
$$;
comment on function legacy.mended(jsonb, jsonb) is 'A record with its mends applied: each mended field has the mend''s to. A mend without to was made in the record''s text, before it was read.';

create or replace function legacy.unmended(p_record jsonb, p_mends jsonb)
returns jsonb
language sql
immutable
parallel safe
as $$
    select case
        when p_mends is null or p_mends = '{}' then p_record
        else (
            p_record || (
                select coalesce(jsonb_object_agg(mend.key, mend.value -> 'from'), '{}')
                from jsonb_each(p_mends) as mend
                where mend.value ? 'to'
                    and coalesce(p_record -> mend.key, 'null') = mend.value -> 'to'
            )
        ) - array(
            select mend.key
            from jsonb_each(p_mends) as mend
            where mend.value ? 'to'
                and mend.value -> 'from' = 'null'
                and coalesce(p_record -> mend.key, 'null') = mend.value -> 'to'
        )
    end
$$;
comment on function legacy.unmended(jsonb, jsonb) is 'A record with its mends taken back, where it still has what they put there. A field that was null in the file is then absent.';

create or replace function legacy.mend(p_record jsonb, p_field text, p_reason text, p_to jsonb)
returns jsonb
language sql
immutable
parallel safe
as $$
    select jsonb_build_object(p_field, jsonb_build_object('reason', p_reason, 'from', p_record -> p_field, 'to', p_to))
$$;
comment on function legacy.mend(jsonb, text, text, jsonb) is 'One mend, to be added to others by ||: the field, why, what the file says and what the database says.';
