-- Rows as the old files had them: times, items with fields nobody knows, rows that no import brought, and their bytes.
begin;
select plan(73);

set local timezone = 'Asia/Kathmandu';
select is(legacy.json_time(given::timestamptz), expected, format('%s is %s', given, expected))
from (
    values
    ('2026-01-01T00:00:00Z', '2026-01-01T00:00:00.000Z'),
    ('2026-01-01T00:00:00.5Z', '2026-01-01T00:00:00.500Z'),
    ('2026-01-01T00:00:59.999Z', '2026-01-01T00:00:59.999Z'),
    ('2026-01-01T00:00:00.000001Z', '2026-01-01T00:00:00.000001Z'),
    ('2026-01-01T00:00:00.123400Z', '2026-01-01T00:00:00.123400Z'),
    ('2026-01-01T05:45:00+05:45', '2026-01-01T00:00:00.000Z'),
    ('0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'),
    (null, null)
) as attempt (given, expected);

select is(legacy.evidence(items), held, format('evidence %s is held as %s', items, held))
from (
    values
    (null::jsonb, null::jsonb),
    ('[]', '[]'),
    ('[{}]', '[{}]'),
    ('[{"path": 1, "ruleId": 2, "snippet": 3, "severity": 4, "label": 5}]', '[{"path": 1, "ruleId": 2, "snippet": 3, "severity": 4, "label": 5}]'),
    ('[{"path": 1, "summary": 2}]', '[{"path": 1, "extra": {"summary": 2}}]'),
    ('[{"path": 1}, {"a": null, "b": [1], "path": 2}]', '[{"path": 1}, {"path": 2, "extra": {"a": null, "b": [1]}}]'),
    ('[{"extra": 1}]', '[{"extra": {"extra": 1}}]'),
    ('[{"extra": {"a": 1}, "path": 2}]', '[{"path": 2, "extra": {"extra": {"a": 1}}}]'),
    ('[1, {"a": 2}]', '[1, {"extra": {"a": 2}}]')
) as attempt (items, held);
select is(legacy.context_events(items), held, format('context events %s are held as %s', items, held))
from (
    values
    (null::jsonb, null::jsonb),
    ('[]', '[]'),
    ('[{"eventIndex": 1, "displayIndex": 2, "eventId": 3, "eventType": 4, "summary": 5}]', '[{"eventIndex": 1, "displayIndex": 2, "eventId": 3, "eventType": 4, "summary": 5}]'),
    ('[{"path": 1, "summary": 2}]', '[{"summary": 2, "extra": {"path": 1}}]'),
    ('[{"extra": {"a": 1}, "summary": 2}]', '[{"summary": 2, "extra": {"extra": {"a": 1}}}]'),
    ('[null, {"a": 2}]', '[null, {"extra": {"a": 2}}]')
) as attempt (items, held);

create temporary table given (items jsonb);
insert into given (items)
values
('[]'),
('[{}]'),
('[{"path": 1, "summary": 2}]'),
('[{"a": {"b": [null]}}]'),
('[{"extra": null}, {"extra": 1}, {"extra": []}, {"extra": {}}, {"extra": {"extra": {"extra": 1}}}]'),
('[{"extra": {"path": 1, "summary": 2}, "path": 3, "summary": 4}]'),
('[{"extra": {"a": 1}}, {"path": 1, "summary": 2}]'),
('[1, "a", null, true, [], [1], {}]'),
('[{"extra": {"a": 1}}, 1]'),
('[1, {"extra": {"a": 1}}]'),
('["a", {"path": 1, "summary": 2, "extra": {"path": 3, "summary": 4}}]'),
('[[{"extra": {"a": 1}}], {"b": 1}]'),
('{}'),
('{"extra": {"a": 1}}'),
('"a"'),
('1'),
('null');
select is(legacy.unwrapped(legacy.evidence(items)), items, 'as evidence and back: ' || items::text)
from given;
select is(legacy.unwrapped(legacy.context_events(items)), items, 'as context events and back: ' || items::text)
from given;
select is(
    legacy.unwrapped(legacy.wrapped('[{"a": 1, "b": 2, "extra": 3}, {"b": 4}, 5]', '{b}')),
    '[{"a": 1, "b": 2, "extra": 3}, {"b": 4}, 5]',
    'whatever the known fields are, wrapped and unwrapped it is the same'
);

-- Rows of the application, of which no record says how they are spelled.
insert into app.accounts (id, name)
values ('00000000-0000-4000-8000-00000000000a', 'first');
insert into app.sessions (account_id, id)
values ('00000000-0000-4000-8000-00000000000a', 'session-1');
insert into app.chat_threads (account_id, id, session_id, mode, title, status, created_at, updated_at, extra)
values ('00000000-0000-4000-8000-00000000000a', 'thread-1', 'session-1', 'session', 'Session Coach', 'active', '2026-01-01T00:00:00.000001Z', '2026-01-02T00:00:00Z', '{"id": "other", "a": null}');
insert into app.chat_messages (account_id, id, session_id, thread_id, mode, role, content, created_at, updated_at, extra)
values ('00000000-0000-4000-8000-00000000000a', 'message-1', 'session-1', 'thread-1', 'session', 'user', '', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', '{"content": "other", "a": null}');
insert into app.chat_tool_events (account_id, id, session_id, tool_name, status, started_at, extra)
values ('00000000-0000-4000-8000-00000000000a', 'tool-1', 'session-1', 'search', 'pending', '2026-01-01T00:00:00Z', '{"threadId": "other", "a": null}');

select
    is(
        legacy.thread_json(thread),
        '{"id": "thread-1", "sessionId": "session-1", "mode": "session", "title": "Session Coach", "status": "active", "messageCount": 0, "createdAt": "2026-01-01T00:00:00.000001Z", "updatedAt": "2026-01-02T00:00:00.000Z", "a": null}',
        'a thread without messages has neither preview nor last time, and extra overrules no column'
    )
from app.chat_threads as thread
where thread.account_id = '00000000-0000-4000-8000-00000000000a';
select
    is(
        legacy.message_json(message),
        '{"id": "message-1", "sessionId": "session-1", "mode": "session", "threadId": "thread-1", "role": "user", "content": "", "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-01T00:00:00.000Z", "a": null}',
        'a message leaves out what it does not have, and extra overrules no column'
    )
from app.chat_messages as message
where message.account_id = '00000000-0000-4000-8000-00000000000a';
select
    is(
        legacy.tool_event_json(tool_event),
        '{"id": "tool-1", "sessionId": "session-1", "threadId": null, "toolCallId": null, "toolName": "search", "status": "pending", "startedAt": "2026-01-01T00:00:00.000Z", "a": null}',
        'a tool event leaves out what it does not have, but for its thread and call, and extra overrules no column'
    )
from app.chat_tool_events as tool_event
where tool_event.account_id = '00000000-0000-4000-8000-00000000000a';

select
    is(
        row(
            legacy.row_json('00000000-0000-4000-8000-00000000000a', kind, id) ->> 'id',
            legacy.row_version('00000000-0000-4000-8000-00000000000a', kind, id)
        )::text,
        row(id, 1::bigint)::text,
        format('the row %s of %s is found', id, kind)
    )
from (values ('threads', 'thread-1'), ('messages', 'message-1'), ('tool_events', 'tool-1')) as row_of (kind, id);
select
    is(
        row(legacy.row_json(account_id::uuid, kind, id), legacy.row_version(account_id::uuid, kind, id))::text,
        row(null::jsonb, null::bigint)::text,
        format('there is no row %s of %s of account %s', id, kind, account_id)
    )
from (
    values
    ('00000000-0000-4000-8000-00000000000a', 'threads', 'message-1'),
    ('00000000-0000-4000-8000-00000000000a', 'messages', 'tool-1'),
    ('00000000-0000-4000-8000-00000000000a', 'tool_events', 'thread-1'),
    ('00000000-0000-4000-8000-000000000001', 'threads', 'thread-1'),
    ('00000000-0000-4000-8000-000000000001', 'messages', 'message-1'),
    ('00000000-0000-4000-8000-000000000001', 'tool_events', 'tool-1')
) as attempt (account_id, kind, id);

select is(
    legacy.all_faults('[{"code": "missing_comma", "offset": 9}]', '[{"code": "byte_order_mark", "offset": 0}, {"code": "missing_comma", "offset": 20}]'),
    '[{"code": "byte_order_mark", "offset": 0}, {"code": "missing_comma", "offset": 9}]',
    'of what is wrong with a file each code is kept once, where it was first found, in the order of the file'
);
select is(
    legacy.all_faults('[{"code": "after_end", "offset": 9}]', '[{"code": "no_end", "offset": 20}]'),
    '[{"code": "after_end", "offset": 9}]',
    'a resumed run that goes on behind the end of the array does not say that the end is missing'
);
select is(legacy.all_faults('[]', '[]'), '[]', 'nothing wrong stays nothing wrong');

select finish();
rollback;
