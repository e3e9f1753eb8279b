-- Which records are plain: those that their row alone gives back, to the letter of every time. And it does give them back.
begin;
select plan(601);

create temporary table base (kind text, record jsonb);
insert into base (kind, record)
values
('threads', '{"id": "thread-1", "sessionId": "session-1", "mode": "session", "title": "Session Coach", "status": "active", "messageCount": 2, "lastMessagePreview": "Hello", "lastMessageAt": "2026-01-01T00:00:05.000Z", "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-01T00:00:05.120Z"}'),
('messages', '{"id": "message-1", "sessionId": "session-1", "mode": "session", "threadId": "thread-1", "role": "user", "content": "Hello", "clientMessageId": "client-1", "misalignmentId": "misalignment-1", "evidence": [{"path": "a.ts", "ruleId": "r", "snippet": "s", "severity": "low", "label": "l"}], "contextEvents": [{"eventIndex": 1, "displayIndex": 2, "eventId": "e", "eventType": "t", "summary": "s"}], "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-01T00:00:00.001Z"}'),
('tool_events', '{"id": "tool-1", "sessionId": "session-1", "threadId": "thread-1", "toolCallId": "call-1", "toolName": "search", "status": "failed", "arguments": {"q": [1, null]}, "result": "none", "error": "late", "startedAt": "2026-01-01T00:00:00.000Z", "completedAt": "2026-01-01T00:00:01.000Z", "latencyMs": 1000, "contextEvents": []}');

-- A field of the base record that is left out (null) or becomes another value, and whether the record is plain then.
create temporary table attempt (place bigint generated always as identity, kind text, field text, becomes jsonb, is_plain boolean);
insert into attempt (kind, field, is_plain)
select
    kind,
    'nothing' as field,
    true as is_plain
from base;

-- Fields that every plain record has, and has as a text.
insert into attempt (kind, field, becomes, is_plain)
select
    required.kind,
    field.name,
    changed.becomes,
    false as is_plain
from (
    values
    ('messages', '{id,sessionId,mode,threadId,role,content}'::text[]),
    ('tool_events', '{id,sessionId,toolName,status}')
) as required (kind, fields)
cross join unnest(required.fields) as field (name)
cross join unnest(array[null, 'null', '5', 'true', '[]', '{}']::jsonb[]) as changed (becomes);

-- Fields that a plain record has or has not, and never as null.
insert into attempt (kind, field, becomes, is_plain)
select
    optional.kind,
    field.name,
    changed.becomes,
    changed.becomes is null as is_plain
from (
    values
    ('threads', '{lastMessagePreview,lastMessageAt}'::text[], array['5', 'null', 'true', '[]', '{}']::jsonb[]),
    ('messages', '{clientMessageId,misalignmentId}', array['5', 'null', 'true', '[]', '{}']::jsonb[]),
    ('messages', '{evidence,contextEvents}', array['5', 'null', 'true', '"[]"', '{}']::jsonb[]),
    ('tool_events', '{error}', array['5', 'null', 'true', '[]', '{}']::jsonb[]),
    ('tool_events', '{contextEvents}', array['5', 'null', 'true', '"[]"', '{}']::jsonb[]),
    ('tool_events', '{latencyMs}', array['"5"', 'null', 'true', '[]', '{}', '-1', '0.5', '1.0', '1e15']::jsonb[])
) as optional (kind, fields, others)
cross join unnest(optional.fields) as field (name)
cross join unnest(optional.others || null::jsonb) as changed (becomes);

-- Times, in the one spelling of the old viewer and in others.
insert into attempt (kind, field, becomes, is_plain)
select
    timed.kind,
    field.name,
    spelling.becomes,
    spelling.is_plain
from (
    values
    ('threads', '{createdAt,updatedAt,lastMessageAt}'::text[]),
    ('messages', '{createdAt,updatedAt}'),
    ('tool_events', '{startedAt,completedAt}')
) as timed (kind, fields)
cross join unnest(timed.fields) as field (name)
cross join (
    values
    ('"2026-01-01T00:00:00.999Z"'::jsonb, true),
    ('"2024-02-29T23:59:59.010Z"', true),
    ('"0001-01-01T00:00:00.000Z"', true),
    ('"9999-12-31T23:59:59.999Z"', true),
    ('"2026-01-01T00:00:00Z"', false),
    ('"2026-01-01T00:00:00.0Z"', false),
    ('"2026-01-01T00:00:00.00Z"', false),
    ('"2026-01-01T00:00:00.0000Z"', false),
    ('"2026-01-01T00:00:00.000001Z"', false),
    ('"2026-01-01T00:00:00.000+00:00"', false),
    ('"2026-01-01T01:00:00.000+01:00"', false),
    ('"2026-01-01T00:00:00.000z"', false),
    ('"2026-01-01t00:00:00.000Z"', false),
    ('"2026-01-01 00:00:00.000Z"', false),
    ('"2026-01-01T24:00:00.000Z"', false),
    ('"2026-01-01T23:59:60.000Z"', false),
    ('"2026-1-01T00:00:00.0000Z"', false),
    ('"2026-01-01T00:00:00.000Z "', false),
    ('" 2026-01-01T00:00:00.000Z"', false),
    ('"20260101T000000.000Z"', false),
    ('"yesterday"', false),
    ('""', false),
    ('"now"', false),
    ('1767225600000', false),
    ('null', false),
    ('["2026-01-01T00:00:00.000Z"]', false)
) as spelling (becomes, is_plain);
insert into attempt (kind, field, becomes, is_plain)
values
('threads', 'createdAt', null, false),
('threads', 'updatedAt', null, false),
('messages', 'createdAt', null, false),
('messages', 'updatedAt', null, false),
('tool_events', 'startedAt', null, false),
-- No fault looks at this one, so it may be anything.
('threads', 'lastMessageAt', '"2026-02-30T00:00:00.000Z"', false),
('threads', 'lastMessageAt', '"0000-01-01T00:00:00.000Z"', false),
('threads', 'lastMessageAt', '"2026-01-01T25:00:00.000Z"', false),
('threads', 'lastMessageAt', '"abcd-ef-ghTij:kl:mn.opqZ"', false),

('threads', 'messageCount', null, false),
('threads', 'messageCount', 'null', false),
('threads', 'messageCount', '"2"', false),
('threads', 'messageCount', '0', true),
('tool_events', 'latencyMs', '0', true),
('tool_events', 'latencyMs', '1e3', true),
('tool_events', 'latencyMs', '999999999999999', true),
('tool_events', 'threadId', 'null', true),
('tool_events', 'toolCallId', 'null', true),
-- The old viewer always wrote these two, so a row would say null where the record says nothing.
('tool_events', 'threadId', null, false),
('tool_events', 'toolCallId', null, false),
('tool_events', 'threadId', '5', false),
('tool_events', 'toolCallId', '[]', false),
('tool_events', 'arguments', null, true),
('tool_events', 'arguments', 'null', true),
('tool_events', 'arguments', '"text"', true),
('tool_events', 'result', null, true),
('tool_events', 'result', 'null', true),
('tool_events', 'result', '[null, {"a": null}]', true);

-- What only the record says stays in extra, null or not.
insert into attempt (kind, field, becomes, is_plain)
select
    base.kind,
    field.name,
    changed.becomes,
    true as is_plain
from base
cross join unnest('{extra,unknown,row_version,createdBy,ID}'::text[]) as field (name)
cross join unnest(array['null', '{}', '{"extra": {"a": null}}', '[1.50, 1e100]', '"\"é😀\""']::jsonb[]) as changed (becomes);

-- Items of the two arrays, with what has a place of its own there and what has none.
insert into attempt (kind, field, becomes, is_plain)
select
    listed.kind,
    listed.field,
    items.value,
    true as is_plain
from (
    values
    ('messages', 'evidence'),
    ('messages', 'contextEvents'),
    ('tool_events', 'contextEvents')
) as listed (kind, field)
cross join unnest(array[
    '[]',
    '[{}]',
    '[{"path": "a", "summary": "b", "other": null}]',
    '[{"extra": 1}, {"extra": {}}, {"extra": {"path": 1, "summary": 2}}, {"extra": {"extra": {}}}]',
    '[{"path": null, "summary": null}, {"extra": null}]',
    '[1, "a", null, true, [], [{"extra": {"a": 1}}]]',
    '[{"a": 1}, 1]',
    '[1, {"a": 1}]',
    '[1, {"extra": {"a": 1}}]',
    '[null, {"path": "a", "summary": "b", "extra": {"path": "c", "summary": "d"}}]'
]::jsonb[]) as items (value);

create function pg_temp.changed(p_kind text, p_field text, p_becomes jsonb)
returns jsonb
language sql
as $$
    select case
        when p_becomes is null then record - p_field
        else record || jsonb_build_object(p_field, p_becomes)
    end
    from base
    where kind = p_kind
$$;

create function pg_temp.plainness(p_kind text, p_record jsonb)
returns text
language plpgsql
as $$
begin
    return legacy.is_plain(p_kind, p_record);
exception
    when others then
        return sqlstate;
end;
$$;

select
    is(
        pg_temp.plainness(kind, pg_temp.changed(kind, field, becomes)),
        is_plain::text,
        format('%s, %s %s: %s', kind, field, coalesce('is ' || left(becomes::text, 60), 'is left out'), case when is_plain then 'plain' else 'not plain' end)
    )
from attempt
order by place;

-- Of messages and tool events also what is no object is asked.
select is(pg_temp.plainness(kind, value), 'false', format('%s: %s is not plain', kind, value))
from unnest('{messages,tool_events}'::text[]) as kind
cross join unnest(array['null', '1', '"a"', 'true', '[]', '{}', '[{"id": "x"}]']::jsonb[]) as value;

-- What a time says must not depend on where the session is.
set local timezone = 'Asia/Kathmandu';
set local datestyle = 'german, dmy';
select is(pg_temp.plainness(kind, record), 'true', kind || ': plain in another time zone and date style too')
from base;

insert into app.accounts (id, name)
values ('00000000-0000-4000-8000-00000000000a', 'first');
insert into app.sessions (account_id, id)
values ('00000000-0000-4000-8000-00000000000a', 'session-1');

-- A record becomes a row as the import makes it, and is given back.
create function pg_temp.given_back(p_kind text, p_record jsonb)
returns jsonb
language plpgsql
as $$
declare
    v_account_id uuid := '00000000-0000-4000-8000-00000000000a';
    v_given jsonb;
begin
    delete from legacy.judged_records;
    insert into legacy.judged_records (run_id, kind, ordinal, byte_offset, raw, record, record_id)
    values (800, p_kind, 0, 0, '', p_record, p_record ->> 'id');
    delete from app.chat_threads;
    if p_kind = 'threads' then
        perform legacy.insert_threads(800, v_account_id, '{0}');
        -- As the messages of the thread would have it.
        update app.chat_threads
        set
            message_count = (p_record ->> 'messageCount')::bigint,
            last_message_preview = p_record ->> 'lastMessagePreview',
            last_message_at = (p_record ->> 'lastMessageAt')::timestamptz;
    else
        insert into app.chat_threads (account_id, id, session_id, mode, title, status)
        values (v_account_id, 'thread-1', 'session-1', 'session', 'Session Coach', 'active');
        if p_kind = 'messages' then
            delete from app.chat_messages;
            perform legacy.insert_messages(800, v_account_id, '{0}');
        else
            delete from app.chat_tool_events;
            perform legacy.insert_tool_events(800, v_account_id, '{0}');
        end if;
    end if;
    v_given := legacy.row_json(v_account_id, p_kind, p_record ->> 'id');
    if v_given is distinct from (select record from legacy.current_records where kind = p_kind and record_id = p_record ->> 'id') then
        raise exception 'legacy.current_records and legacy.row_json differ';
    end if;
    return v_given;
end;
$$;

-- Times that are out of order are mended, and so are not given back.
select
    is(
        pg_temp.given_back(kind, pg_temp.changed(kind, field, becomes)),
        pg_temp.changed(kind, field, becomes),
        format('%s, %s %s: given back', kind, field, coalesce('is ' || left(becomes::text, 60), 'is left out'))
    )
from attempt
where
    is_plain
    and not (field in ('createdAt', 'startedAt') and becomes > '"2026-01-01T00:00:00.000Z"')
    and not (field in ('updatedAt', 'completedAt') and becomes < '"2026-01-01T00:00:00.000Z"')
order by place;
select
    is(
        pg_temp.given_back('tool_events', record - '{completedAt,error,latencyMs,result}'::text[] || '{"status": "pending"}'),
        record - '{completedAt,error,latencyMs,result}'::text[] || '{"status": "pending"}',
        'tool_events, pending without what is not known yet: given back'
    )
from base
where kind = 'tool_events';
select
    is(
        pg_temp.given_back('threads', record - '{lastMessagePreview,lastMessageAt}'::text[] || '{"messageCount": 0}'),
        record - '{lastMessagePreview,lastMessageAt}'::text[] || '{"messageCount": 0}',
        'threads, without a message: given back'
    )
from base
where kind = 'threads';
-- As text, for jsonb takes 1.50 and 1.5 for equal.
select
    is(
        pg_temp.given_back('messages', record || '{"n": 1.50, "m": 0.10e1, "l": -0.0}')::text,
        (record || '{"n": 1.50, "m": 0.10e1, "l": -0.0}')::text,
        'messages, numbers nobody knows: given back to the last digit'
    )
from base
where kind = 'messages';

select finish();
rollback;
