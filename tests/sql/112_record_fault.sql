-- legacy.record_fault: what each kind of record must look like, one changed field at a time.
begin;
select plan(149);

create temporary table good_record (kind text, record jsonb);
insert into good_record (kind, record)
values
('threads', '{"id": "thread_1", "sessionId": "session-default", "mode": "session", "title": "Session Coach", "status": "active", "messageCount": 1, "lastMessagePreview": "Hello", "lastMessageAt": "2026-01-01T00:00:00.000Z", "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-01T00:00:00.000Z"}'),
('messages', '{"id": "chat_1", "sessionId": "session-default", "mode": "session", "threadId": "thread_1", "role": "user", "content": "Hello", "clientMessageId": "client_1", "misalignmentId": "misalignment_1", "evidence": [{"path": "a"}], "contextEvents": [{"eventIndex": 0}], "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-01T00:00:00.000Z"}'),
('tool_events', '{"id": "tool_1", "sessionId": "session-default", "toolName": "search", "threadId": "thread_1", "toolCallId": "call_1", "status": "succeeded", "arguments": {}, "result": [], "error": "none", "startedAt": "2026-01-01T00:00:00.000Z", "completedAt": "2026-01-01T00:00:01.000Z", "latencyMs": 1000, "contextEvents": []}');

-- An attempt is the good record with some fields changed, or (without becomes) without a field.
create temporary table attempt (
    place bigint generated always as identity,
    kind text,
    changed text,
    becomes jsonb,
    fault text
);
insert into attempt (kind, changed, becomes, fault)
values
('threads', 'nothing', null, null),
('threads', 'id', null, 'missing id'),
('threads', 'sessionId', null, 'missing sessionId'),
('threads', 'mode', null, 'missing mode'),
('threads', 'title', null, 'missing title'),
('threads', 'status', null, 'missing status'),
('threads', 'createdAt', null, 'missing createdAt'),
('threads', 'updatedAt', null, 'missing updatedAt'),
('threads', 'messageCount', null, null),
('threads', 'lastMessagePreview', null, null),
('threads', 'lastMessageAt', null, null),
('threads', 'id', '5', 'wrong_type id'),
('threads', 'id', 'null', 'wrong_type id'),
('threads', 'sessionId', 'true', 'wrong_type sessionId'),
('threads', 'mode', '["session"]', 'wrong_type mode'),
('threads', 'title', '{}', 'wrong_type title'),
('threads', 'status', 'null', 'wrong_type status'),
('threads', 'createdAt', '1767322800000', 'wrong_type createdAt'),
('threads', 'updatedAt', '1767322800', 'wrong_type updatedAt'),
('threads', 'id', '""', 'wrong_length id'),
('threads', 'id', to_jsonb(repeat('é', 256)), null),
('threads', 'id', to_jsonb(repeat('é', 256) || 'x'), 'wrong_length id'),
('threads', 'sessionId', '""', 'wrong_length sessionId'),
('threads', 'sessionId', to_jsonb(repeat('x', 513)), 'wrong_length sessionId'),
('threads', 'title', '""', null),
('threads', 'mode', '"general"', null),
('threads', 'mode', '"Session"', 'wrong_value mode'),
('threads', 'mode', '""', 'wrong_value mode'),
('threads', 'status', '"archived"', null),
('threads', 'status', '"closed"', 'wrong_value status'),
('threads', 'createdAt', '"now"', 'not_a_time createdAt'),
('threads', 'updatedAt', '"2026-01-01"', 'not_a_time updatedAt'),
('threads', 'updatedAt', '"2025-01-01T00:00:00Z"', null),
('threads', 'messageCount', '"many"', null),
('threads', 'lastMessageAt', '"yesterday"', null),
('threads', 'unknown', '{"any": "thing"}', null),

('messages', 'nothing', null, null),
('messages', 'id', null, 'missing id'),
('messages', 'sessionId', null, 'missing sessionId'),
('messages', 'mode', null, 'missing mode'),
('messages', 'role', null, 'missing role'),
('messages', 'content', null, 'missing content'),
('messages', 'createdAt', null, 'missing createdAt'),
('messages', 'updatedAt', null, 'missing updatedAt'),
('messages', 'threadId', null, null),
('messages', 'clientMessageId', null, null),
('messages', 'misalignmentId', null, null),
('messages', 'evidence', null, null),
('messages', 'contextEvents', null, null),
('messages', 'threadId', 'null', null),
('messages', 'clientMessageId', 'null', null),
('messages', 'misalignmentId', 'null', null),
('messages', 'evidence', 'null', null),
('messages', 'contextEvents', 'null', null),
('messages', 'id', '{"a": 1}', 'wrong_type id'),
('messages', 'sessionId', 'null', 'wrong_type sessionId'),
('messages', 'mode', '0', 'wrong_type mode'),
('messages', 'role', '[]', 'wrong_type role'),
('messages', 'content', 'null', 'wrong_type content'),
('messages', 'createdAt', '0', 'wrong_type createdAt'),
('messages', 'updatedAt', 'false', 'wrong_type updatedAt'),
('messages', 'threadId', '7', 'wrong_type threadId'),
('messages', 'clientMessageId', 'false', 'wrong_type clientMessageId'),
('messages', 'misalignmentId', '[]', 'wrong_type misalignmentId'),
('messages', 'evidence', '{}', 'wrong_type evidence'),
('messages', 'contextEvents', '"none"', 'wrong_type contextEvents'),
('messages', 'evidence', '[]', null),
('messages', 'content', '""', null),
('messages', 'id', '""', 'wrong_length id'),
('messages', 'sessionId', '""', 'wrong_length sessionId'),
('messages', 'threadId', '""', 'wrong_length threadId'),
('messages', 'clientMessageId', '""', 'wrong_length clientMessageId'),
('messages', 'misalignmentId', '""', 'wrong_length misalignmentId'),
('messages', 'clientMessageId', to_jsonb(repeat('x', 513)), 'wrong_length clientMessageId'),
('messages', 'mode', '"other"', 'wrong_value mode'),
('messages', 'role', '"system"', null),
('messages', 'role', '"assistant"', null),
('messages', 'role', '"tool"', 'wrong_value role'),
('messages', 'createdAt', '"2025-02-30T00:00:00Z"', 'not_a_time createdAt'),
('messages', 'updatedAt', '""', 'not_a_time updatedAt'),

('tool_events', 'nothing', null, null),
('tool_events', 'id', null, 'missing id'),
('tool_events', 'sessionId', null, 'missing sessionId'),
('tool_events', 'toolName', null, 'missing toolName'),
('tool_events', 'status', null, 'missing status'),
('tool_events', 'startedAt', null, 'missing startedAt'),
('tool_events', 'threadId', null, null),
('tool_events', 'toolCallId', null, null),
('tool_events', 'arguments', null, null),
('tool_events', 'result', null, null),
('tool_events', 'error', null, null),
('tool_events', 'latencyMs', null, null),
('tool_events', 'contextEvents', null, null),
('tool_events', 'threadId', 'null', null),
('tool_events', 'toolCallId', 'null', null),
('tool_events', 'error', 'null', null),
('tool_events', 'latencyMs', 'null', null),
('tool_events', 'contextEvents', 'null', null),
('tool_events', 'arguments', '"text"', null),
('tool_events', 'result', 'null', null),
('tool_events', 'id', '1.5', 'wrong_type id'),
('tool_events', 'sessionId', '[]', 'wrong_type sessionId'),
('tool_events', 'toolName', 'null', 'wrong_type toolName'),
('tool_events', 'status', '1', 'wrong_type status'),
('tool_events', 'startedAt', '1767322800000', 'wrong_type startedAt'),
('tool_events', 'threadId', '{}', 'wrong_type threadId'),
('tool_events', 'toolCallId', '1', 'wrong_type toolCallId'),
('tool_events', 'error', '{"code": 1}', 'wrong_type error'),
('tool_events', 'completedAt', '1767322800000', 'wrong_type completedAt'),
('tool_events', 'latencyMs', '"1000"', 'wrong_type latencyMs'),
('tool_events', 'contextEvents', '{}', 'wrong_type contextEvents'),
('tool_events', 'id', '""', 'wrong_length id'),
('tool_events', 'sessionId', '""', 'wrong_length sessionId'),
('tool_events', 'threadId', '""', 'wrong_length threadId'),
('tool_events', 'status', '"cancelled"', 'wrong_value status'),
('tool_events', 'latencyMs', '0', null),
('tool_events', 'latencyMs', '-1', 'wrong_value latencyMs'),
('tool_events', 'latencyMs', '0.5', 'wrong_value latencyMs'),
('tool_events', 'latencyMs', '1e15', 'wrong_value latencyMs'),
('tool_events', 'startedAt', '"yesterday"', 'not_a_time startedAt'),
('tool_events', 'completedAt', '"infinity"', 'not_a_time completedAt'),
('tool_events', 'status', '"failed"', null),
('tool_events', 'status', '"pending"', 'times_out_of_order completedAt'),
('tool_events', 'status', '"executing"', 'times_out_of_order completedAt'),
('tool_events', 'completedAt', null, 'times_out_of_order completedAt'),
('tool_events', 'completedAt', 'null', 'times_out_of_order completedAt');

create function pg_temp.fault_of(p_kind text, p_changed text, p_becomes jsonb)
returns text
language sql
as $$
    select legacy.record_fault(
        kind,
        case
            when p_becomes is null then record - p_changed
            else record || jsonb_build_object(p_changed, p_becomes)
        end
    )
    from good_record
    where kind = p_kind
$$;

select
    is(
        pg_temp.fault_of(kind, changed, becomes),
        fault,
        format('%s, %s %s: %s', kind, changed, coalesce('is ' || left(becomes::text, 30), 'is left out'), coalesce(fault, 'no fault'))
    )
from attempt
order by place;

select
    is(
        legacy.record_fault('tool_events', record - 'completedAt' || '{"status": "pending"}'),
        null,
        'tool_events, pending without completedAt: no fault'
    )
from good_record
where kind = 'tool_events';
select
    is(
        legacy.record_fault('tool_events', record || '{"status": "executing", "completedAt": null}'),
        null,
        'tool_events, executing with completedAt null: no fault'
    )
from good_record
where kind = 'tool_events';

select
    is(
        legacy.record_fault(kind, element),
        'not_an_object',
        format('%s: %s is not an object', kind, element)
    )
from unnest('{threads,messages,tool_events}'::text[]) as kind
cross join unnest(array['1', '"text"', 'true', 'null', '[]', '[{"id": "x"}]']::jsonb[]) as element;

select is(legacy.record_fault('threads', '{}'), 'missing id', 'of several faults the first field is named');
select is(
    legacy.record_fault('messages', '{"id": 1, "threadId": 1}'),
    'wrong_type id',
    'a field that every record must have comes before one that is optional'
);
select is_empty(
    $$
        select distinct split_part(fault, ' ', 1)
        from attempt
        where fault is not null
        except
        select code
        from legacy.reasons
        where fate = 'quarantined'
    $$,
    'every reason given is one of legacy.reasons that keeps a record out'
);

select finish();
rollback;
